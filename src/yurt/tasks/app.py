"""The application object: Celery with defaults that lose nothing."""

from datetime import timedelta
from typing import Any, cast

import celery
from celery import signals

from yurt.tasks import context
from yurt.tasks.settings import RESULTS_KEPT, SOFT_SHUTDOWN, VISIBILITY_TIMEOUT, as_mapping, safe_settings


class Celery(celery.Celery):
    """Celery's class after `configure`, whose tasks are `yurt.tasks.Task`.

    ``Celery("shop", broker=…, backend=…)`` as usual; any setting of yours wins over ours.
    """

    task_cls = "yurt.tasks.task:Task"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        configure(self)


def configure(
    app: celery.Celery,
    *,
    visibility_timeout: timedelta = VISIBILITY_TIMEOUT,
    soft_shutdown: timedelta = SOFT_SHUTDOWN,
    results_kept: timedelta = RESULTS_KEPT,
) -> None:
    """Give any Celery app our defaults, below its own settings, and let ids travel with its tasks.

    `yurt.tasks.settings.safe_settings` lists them with reasons and explains the parameters.
    """
    chosen = safe_settings(
        visibility_timeout=visibility_timeout, soft_shutdown=soft_shutdown, results_kept=results_kept
    )
    defaults = as_mapping(chosen)

    def underlie(sender: Any, **_: object) -> None:
        # Celery's own add_defaults would put them above the config object, and so above the application's.
        conf = sender.conf
        conf.maps.insert(len(conf.maps) - 1, defaults)
        conf.defaults.insert(len(conf.defaults) - 1, defaults)

    if cast("Any", app).configured:
        underlie(app)
    else:
        app.on_after_configure.connect(underlie, weak=False)
    context.connect()
    # Celery takes its hands off logging when someone listens to this signal, and only then.
    signals.setup_logging.connect(leave_logging_alone, dispatch_uid="yurt.logging", weak=False)


def leave_logging_alone(**_: object) -> None:
    """Say that logging is configured already; `yurt.logs.configure` or Django's LOGGING does it."""
