"""Background tasks: Celery, configured so that nothing is lost, and a broker to start with.

`Celery` is Celery's own class with other defaults (`yurt.tasks.settings` says which and why); nothing of
Celery is patched. Retries are declared with `Backoff`. `yurt.tasks.broker` starts a Valkey server for one
machine; `yurt.tasks.django` sends tasks when the transaction commits.
"""

from typing import TYPE_CHECKING, Any

from yurt.tasks.retry import Backoff

if TYPE_CHECKING:
    from yurt.tasks.app import Celery, configure
    from yurt.tasks.task import Task

__all__ = ["Backoff", "Celery", "Task", "configure"]


def __getattr__(name: str) -> Any:
    """Import what needs Celery when it is asked for: health checks and the broker run without."""
    if name in {"Celery", "configure"}:
        from yurt.tasks import app

        return getattr(app, name)
    if name == "Task":
        from yurt.tasks.task import Task

        return Task
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
