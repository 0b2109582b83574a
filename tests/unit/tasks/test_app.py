"""`yurt.tasks.app` and `yurt.tasks.settings`."""

from datetime import timedelta
from typing import Any

import celery
import pytest
from celery.app.defaults import NAMESPACES, flatten

from yurt.tasks import Celery, Task, configure
from yurt.tasks.settings import safe_settings


def test_an_app_has_the_settings_that_lose_nothing() -> None:
    """Without anything said."""
    conf = Celery("shop", broker="memory://", set_as_current=False).conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.accept_content == ["json"]
    assert conf.broker_transport_options["visibility_timeout"] == 3600


def test_an_applications_own_settings_win() -> None:
    """Given to the object, from a config object, or set later."""
    app = Celery("shop", broker="memory://", set_as_current=False, worker_prefetch_multiplier=4)
    app.config_from_object({"task_acks_late": False})
    app.conf.result_expires = 60
    assert app.conf.worker_prefetch_multiplier == 4
    assert app.conf.task_acks_late is False
    assert app.conf.result_expires == 60
    assert app.conf.task_reject_on_worker_lost


def test_any_celery_app_can_be_configured() -> None:
    """Not only ours."""
    app = celery.Celery("theirs", broker="memory://", set_as_current=False)
    configure(app, visibility_timeout=timedelta(minutes=10), soft_shutdown=timedelta(seconds=5))
    assert app.conf.task_acks_late
    assert app.conf.broker_transport_options["visibility_timeout"] == 600
    assert app.conf.worker_soft_shutdown_timeout == 5


@pytest.mark.parametrize("setting", safe_settings(), ids=lambda setting: setting.name)
def test_each_setting_is_one_of_celerys_and_has_a_reason(setting: Any) -> None:
    """A misspelt setting would be ignored in silence."""
    known: Any = flatten(NAMESPACES)
    assert setting.name in {name for name, _ in known}
    assert setting.reason


def test_tasks_are_ours_and_called_directly_they_are_functions() -> None:
    """An exception comes out as it is, without a retry."""
    app = Celery("shop", broker="memory://", set_as_current=False)

    @app.task(name="divide")
    def divide(by: int) -> float:
        return 1 / by

    assert isinstance(divide, Task)
    assert divide(2) == 0.5
    with pytest.raises(ZeroDivisionError):
        divide(0)
