"""Background tasks: Celery, configured so that nothing is lost, and a broker to start with.

`Celery` is Celery's own class with other defaults (`yurt.tasks.settings` says which and why); nothing of
Celery is patched. Retries are declared with `Backoff`. `yurt.tasks.broker` starts a Valkey server for one
machine; `yurt.tasks.django` sends tasks when the transaction commits.
"""

from yurt.tasks.app import Celery, configure
from yurt.tasks.retry import Backoff
from yurt.tasks.task import Task

__all__ = ["Backoff", "Celery", "Task", "configure"]
