"""One id from the request to its tasks: the bound fields travel in message headers, by Celery's signals.

Bound in the worker while the task runs: ``request_id`` and ``trace_id`` as they were where the task was sent,
``task`` (its name) and ``task_id``. A task sent by a task carries them on, and so does a retry.
"""

from collections.abc import Mapping
from typing import Any

from celery import signals

from yurt.logs.context import REQUEST_ID, TRACE_ID, bound, fields

HEADER = "yurt_context"
CARRIED = (REQUEST_ID, TRACE_ID)
_BINDING = "yurt_binding"


def connect() -> None:
    """Connect to Celery's signals; afterwards they are connected once, however often this was called."""
    signals.before_task_publish.connect(carry, dispatch_uid="yurt.carry", weak=False)
    signals.task_prerun.connect(enter, dispatch_uid="yurt.enter", weak=False)
    signals.task_postrun.connect(leave, dispatch_uid="yurt.leave", weak=False)


def carry(headers: dict[str, Any] | None = None, **_: object) -> None:
    """Put the carried fields into the headers of a message that is about to be sent."""
    carried = {name: str(value) for name, value in fields().items() if name in CARRIED}
    if headers is not None and carried:
        headers[HEADER] = carried


def enter(task_id: str = "", task: Any = None, **_: object) -> None:
    """Bind a starting task's fields."""
    sent = task.request.get(HEADER)
    carried = {name: str(sent[name]) for name in CARRIED if name in sent} if isinstance(sent, Mapping) else {}
    binding = bound(**carried, task=task.name, task_id=task_id)
    binding.__enter__()
    setattr(task.request, _BINDING, binding)


def leave(task: Any = None, **_: object) -> None:
    """Bind what was bound before the task."""
    binding = task.request.get(_BINDING)
    if binding is not None:
        setattr(task.request, _BINDING, None)
        binding.__exit__(None, None, None)
