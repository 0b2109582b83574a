"""Celery in a Django project: tasks are sent when the transaction commits, logging is Django's LOGGING.

In ``project/celery.py``::

    app = Celery("shop")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
"""

import logging
from typing import Any

import celery.result
from celery import signals
from celery.utils import uuid
from django.conf import settings as django_settings
from django.db import transaction
from django.utils.log import configure_logging

from yurt.tasks import app as tasks_app
from yurt.tasks.task import Task as BaseTask


class Task(BaseTask):
    """A task that is sent after the transaction it was asked for in has committed, or never.

    Otherwise a quick worker would look for an order that nobody can see yet, or mail one that was rolled
    back. Outside a transaction it is sent at once. The result's id is known at once in both cases.
    ``commit_using`` names the database; None is the default one.
    """

    abstract = True
    commit_using: str | None = None

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task on commit. A retry is sent at once: its transaction is about to be rolled back."""
        connection = transaction.get_connection(self.commit_using)
        if options.get("retries") or not connection.in_atomic_block:
            return super().apply_async(*args, **options)
        task_id = options["task_id"] = options.get("task_id") or uuid()
        send = super().apply_async
        transaction.on_commit(lambda: send(*args, **options), using=self.commit_using)
        result: celery.result.AsyncResult[Any] = self.AsyncResult(task_id)
        return result


class Celery(tasks_app.Celery):
    """`yurt.tasks.Celery` whose tasks wait for the commit and whose workers log as Django does."""

    task_cls = "yurt.tasks.django:Task"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        signals.setup_logging.connect(use_django_logging, dispatch_uid="yurt.django.logging", weak=False)


def use_django_logging(**_: object) -> None:
    """Configure logging from Django's settings, before the worker has anything to say."""
    if django_settings.LOGGING_CONFIG:
        configure_logging(django_settings.LOGGING_CONFIG, django_settings.LOGGING)
        logging.captureWarnings(capture=True)
