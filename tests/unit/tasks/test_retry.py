"""`yurt.tasks.retry`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.errors import InvalidArgument
from yurt.tasks import Backoff


def test_delays_grow_up_to_the_longest() -> None:
    """One delay fewer than attempts."""
    assert Backoff(on=(OSError,), attempts=6, first=1, factor=3, longest=20).delays() == (1, 3, 9, 20, 20)
    assert Backoff(on=(OSError,), attempts=1).delays() == ()
    assert Backoff(on=(OSError,), attempts=4, first=2, factor=1).delays() == (2, 2, 2)


@given(st.integers(0, 10**6), st.floats(0, 0.99))
def test_jitter_stays_within_its_share(retries: int, jitter: float) -> None:
    """However many retries there were."""
    backoff = Backoff(on=(OSError,), first=1, longest=600, jitter=jitter)
    exact = min(600.0, 2.0 ** min(retries, 20))
    assert exact * (1 - jitter) - 1e-6 <= backoff.delay(retries) <= exact * (1 + jitter) + 1e-6


def test_each_delay_is_longer_than_the_one_before_with_the_defaults() -> None:
    """The longest a delay can be is shorter than the shortest the next can be."""
    backoff = Backoff(on=(OSError,))
    for retry in range(8):
        longest = backoff.delay(retry, uniform=lambda _low, high: high)
        assert longest < backoff.delay(retry + 1, uniform=lambda low, _high: low)


def test_only_what_is_named_is_retried() -> None:
    """`never` takes exceptions out again."""
    backoff = Backoff(on=(OSError,), never=(FileNotFoundError,))
    assert backoff.matches(ConnectionError())
    assert not backoff.matches(FileNotFoundError())
    assert not backoff.matches(ValueError())


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first": -1.0}, {"factor": 0.5}, {"jitter": 1.0}])
def test_a_backoff_that_means_nothing_is_refused(wrong: dict[str, float]) -> None:
    """When the task is declared, not when it first fails."""
    with pytest.raises(InvalidArgument):
        Backoff(on=(OSError,), **wrong)  # type: ignore[arg-type]
