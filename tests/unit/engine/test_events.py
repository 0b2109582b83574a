"""Events reach every listener in order, and a slow one holds nobody up."""

from yurt.engine import events as module
from yurt.engine.events import Events


async def test_listeners_hear_what_happens_while_they_listen() -> None:
    """Events before are in the history only; each listener hears each event once."""
    events = Events()
    events.publish("volume", "create", "early")
    with events.listen() as one, events.listen() as two:
        events.publish("volume", "create", "data", {"driver": "local"})
        for listener in (one, two):
            async for event in listener:
                assert (event.kind, event.action, event.actor) == ("volume", "create", "data")
                assert event.attributes == {"driver": "local"}
                break
    assert [event.actor for event in events.history(since_ns=0)] == ["early", "data"]
    last = events.history(since_ns=0)[-1].time_ns
    assert events.history(since_ns=last + 1) == ()


async def test_a_listener_that_lags_is_cut_off() -> None:
    """It gets what it has in its queue, and then the end; publishing never waits."""
    events = Events()
    with events.listen() as listener:
        for number in range(module.BACKLOG + 10):
            events.publish("container", "start", str(number))
        heard = [event async for event in listener]
    assert len(heard) == module.BACKLOG


async def test_the_history_is_bounded() -> None:
    """Only the latest events are kept."""
    events = Events()
    for number in range(module.HISTORY + 5):
        events.publish("container", "start", str(number))
    kept = events.history(since_ns=0)
    assert (len(kept), kept[0].actor) == (module.HISTORY, "5")
