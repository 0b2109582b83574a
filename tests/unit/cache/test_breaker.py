"""`yurt.cache.breaker`."""

from yurt.cache.breaker import Breaker


def test_after_a_failure_calls_are_refused_for_a_moment_then_one_may_try() -> None:
    """Each failed try doubles the moment, a success ends it."""
    now = 0.0
    breaker = Breaker(pause=1, longest=3, clock=lambda: now)
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    assert repr(breaker) == "<Breaker open, 1 failures>"
    now = 1.0
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.failed()
    now = 2.9
    assert not breaker.allows()
    now = 3.0
    assert breaker.allows()
    breaker.failed()
    now = 5.9
    assert not breaker.allows()  # three seconds, not four
    breaker.succeeded()
    assert [breaker.allows(), breaker.allows()] == [True, True]
    assert repr(breaker) == "<Breaker closed, 0 failures>"
