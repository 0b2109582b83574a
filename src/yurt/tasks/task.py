"""The task class of `yurt.tasks.Celery`: Celery's, with retries declared by a `Backoff`."""

import functools
from typing import Any

import celery
from celery.exceptions import Ignore, Reject, Retry

from yurt.tasks.retry import Backoff


class Task(celery.Task[Any, Any]):
    """A task that may declare ``backoff``::

        @app.task(backoff=Backoff(on=(OSError,), attempts=5))
        def deliver(order): ...

    The last attempt's exception is the task's result, with its traceback.
    """

    abstract = True
    backoff: Backoff | None = None

    def __init__(self) -> None:
        # Celery makes one instance of each task; wrapping `run` here is how its own autoretry works too.
        if self.backoff is not None:
            self.run = self._with_retries(self.run, self.backoff)  # type: ignore[method-assign]

    def _with_retries(self, attempt: Any, backoff: Backoff) -> Any:
        @functools.wraps(attempt)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return attempt(*args, **kwargs)
            except (Ignore, Reject, Retry):
                raise
            except Exception as error:
                if not backoff.matches(error):
                    raise
                raise self.retry(
                    exc=error,
                    countdown=backoff.delay(self.request.retries),
                    max_retries=backoff.attempts - 1,
                ) from error

        return run
