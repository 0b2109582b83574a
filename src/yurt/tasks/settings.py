"""The settings that lose nothing, each with its reason. Values only; `yurt.tasks.app` applies them.

They are defaults: whatever an application sets itself wins.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

VISIBILITY_TIMEOUT = timedelta(hours=1)
SOFT_SHUTDOWN = timedelta(seconds=25)
RESULTS_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Setting:
    """One Celery setting: its name, our value, and why."""

    name: str
    value: Any
    reason: str


def safe_settings(
    *,
    visibility_timeout: timedelta = VISIBILITY_TIMEOUT,
    soft_shutdown: timedelta = SOFT_SHUTDOWN,
    results_kept: timedelta = RESULTS_KEPT,
) -> tuple[Setting, ...]:
    """Return the settings.

    After *visibility_timeout* a task that a lost machine had taken is given to another worker; it must exceed
    the longest task and the longest countdown, or these run twice. *soft_shutdown* is how long a stopping
    worker lets running tasks finish before it gives them back: less than its container's stop timeout.
    *results_kept* is how long results and tracebacks can be read.
    """
    return (
        Setting("task_acks_late", True, "a task is taken off the queue when it ends, not when it starts"),
        Setting(
            "task_reject_on_worker_lost",
            True,
            "a child killed in mid-task (out of memory) gives its task back",
        ),
        Setting(
            "worker_prefetch_multiplier",
            1,
            "no worker hoards tasks that another could run, or takes them down",
        ),
        Setting("task_serializer", "json", "arguments that any process can read and that can't run code"),
        Setting("result_serializer", "json", "as for arguments"),
        Setting("accept_content", ["json"], "a pickle in the queue is refused, not executed"),
        Setting("task_track_started", True, "a running task can be told from a waiting one"),
        Setting("task_send_sent_event", True, "monitors see a task from the moment it is sent"),
        Setting("worker_send_task_events", True, "monitors see what becomes of it"),
        Setting("result_extended", True, "a result names its task, arguments, worker and queue"),
        Setting("result_expires", results_kept, "long enough to look into last week's failures"),
        Setting("task_publish_retry", True, "a broker that restarts costs a moment, not an order"),
        Setting(
            "task_publish_retry_policy",
            {"max_retries": 5, "interval_start": 0, "interval_step": 0.2, "interval_max": 1.0},
            "but a request never waits longer than a few seconds for it",
        ),
        Setting("broker_connection_retry_on_startup", True, "workers may come up before the broker"),
        Setting("broker_connection_max_retries", None, "and wait for it for as long as it takes"),
        Setting(
            "broker_transport_options",
            {"visibility_timeout": int(visibility_timeout.total_seconds()), "health_check_interval": 25},
            "tasks of a lost machine come back; dead connections are noticed (Redis and Valkey)",
        ),
        Setting(
            "worker_cancel_long_running_tasks_on_connection_loss",
            True,
            "with late acks a task whose connection is gone can't be acknowledged and will run again: stop it here",
        ),
        Setting(
            "worker_soft_shutdown_timeout",
            soft_shutdown.total_seconds(),
            "a deploy lets running tasks finish",
        ),
        Setting(
            "worker_enable_soft_shutdown_on_idle",
            True,
            "tasks waiting for their countdown are given back too",
        ),
        Setting("worker_hijack_root_logger", False, "the application's logging stays as it is configured"),
        Setting("worker_redirect_stdouts", False, "print() stays print(), not a warning"),
        Setting("enable_utc", True, "times in messages mean the same on every machine"),
    )


def as_mapping(settings: tuple[Setting, ...]) -> dict[str, Any]:
    """Return the settings as Celery takes them."""
    return {setting.name: setting.value for setting in settings}
