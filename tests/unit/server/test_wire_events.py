"""Events on the wire."""

import msgspec
import pytest

from yurt.engine.events import Event
from yurt.server.wire import events

CONTAINER = Event(
    "container",
    "health_status: healthy",
    "c" * 64,
    {"name": "web", "image": "shop:1", "tier": "front"},
    1_500_000_000,
)
NETWORK = Event("network", "connect", "n" * 64, {"name": "front", "container": "c" * 64}, 2_000_000_000)


def test_a_containers_event_has_the_old_fields() -> None:
    """Clients from before API 1.22 look at status, id and from."""
    assert msgspec.json.decode(msgspec.json.encode(events.to_wire(CONTAINER))) == {
        "status": "health_status: healthy",
        "id": "c" * 64,
        "from": "shop:1",
        "Type": "container",
        "Action": "health_status: healthy",
        "Actor": {"ID": "c" * 64, "Attributes": dict(CONTAINER.attributes)},
        "scope": "local",
        "time": 1,
        "timeNano": 1_500_000_000,
    }


def test_a_networks_event_has_not() -> None:
    """As Docker tells it."""
    assert "status" not in msgspec.json.decode(msgspec.json.encode(events.to_wire(NETWORK)))


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [CONTAINER, NETWORK]),
        ({"type": ("container",)}, [CONTAINER]),
        ({"event": ("health_status",)}, [CONTAINER]),
        ({"event": ("connect", "die")}, [NETWORK]),
        ({"container": ("web",)}, [CONTAINER]),
        ({"container": ("c" * 12,)}, [CONTAINER]),
        ({"network": ("fr",)}, [NETWORK]),
        ({"image": ("shop:1",)}, [CONTAINER]),
        ({"network": ("front",)}, [NETWORK]),
        ({"label": ("tier=front",)}, [CONTAINER]),
        ({"label": ("tier=back",)}, []),
        ({"type": ("container",), "event": ("die",)}, []),
    ],
)
def test_filters(filters: dict[str, tuple[str, ...]], found: list[Event]) -> None:
    """Values of a key are alternatives, keys add up."""
    assert [event for event in (CONTAINER, NETWORK) if events.matches(event, filters)] == found
