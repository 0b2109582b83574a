"""`yurt.tasks.django`: tasks are sent when the transaction commits."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from celery import signals
from celery.exceptions import Retry
from django.db import transaction

from yurt.tasks.django import Celery


@pytest.fixture
def app(database: None) -> Celery:
    return Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)


def a_task(app: Celery) -> Any:
    @app.task(name="mail")
    def mail() -> None: ...

    return mail


class Rollback(Exception):
    """Rolls a transaction back."""


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """Ids of the tasks that were published."""
    found: list[str] = []

    def note(headers: Any = None, **_: object) -> None:
        found.append(headers["id"])

    signals.after_task_publish.connect(note, weak=False)
    yield found
    signals.after_task_publish.disconnect(note)


def test_a_task_is_sent_on_commit_with_the_id_known_before(app: Celery, sent: list[str]) -> None:
    """So that a quick worker finds what the transaction wrote."""
    task = a_task(app)
    with transaction.atomic():
        result = task.delay()
        chosen = task.apply_async(task_id="chosen")
        assert sent == []
    assert sent == [result.id, "chosen"]
    assert chosen.id == "chosen"


def test_a_task_of_a_transaction_that_is_rolled_back_is_never_sent(app: Celery, sent: list[str]) -> None:
    """No mail about an order that does not exist."""
    task = a_task(app)
    with contextlib.suppress(Rollback), transaction.atomic():
        task.delay()
        raise Rollback
    assert sent == []


def test_outside_a_transaction_a_task_is_sent_at_once(app: Celery, sent: list[str]) -> None:
    """There is nothing to wait for."""
    assert a_task(app).delay().id == sent[0]


def test_a_retry_is_sent_although_its_transaction_is_rolled_back(app: Celery, sent: list[str]) -> None:
    """It is raised out of the very transaction that would have to commit."""

    @app.task(bind=True, name="flaky")
    def flaky(self: Any) -> None:
        with transaction.atomic():
            raise self.retry(countdown=1)

    flaky.push_request(
        id="t1", retries=0, called_directly=False, args=(), kwargs={}, delivery_info={"is_eager": False}
    )
    try:
        with pytest.raises(Retry):
            flaky.run()
    finally:
        flaky.pop_request()
    assert sent == ["t1"]
