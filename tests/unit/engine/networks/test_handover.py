"""What moves to a successor, what it has to find, and what stays."""

from collections.abc import Sequence

import pytest

from yurt.engine.networks import handover
from yurt.engine.networks.model import PortBinding

FOUR = PortBinding(80, host_ip="0.0.0.0", host_port=8000)
SIX = PortBinding(80, host_ip="::", host_port=8000)
HERE = PortBinding(53, "udp", "127.0.0.1", 53)


def shown(bindings: Sequence[PortBinding]) -> str:
    return " ".join(map(str, bindings))


@pytest.mark.parametrize(
    ("held", "wanted", "moved", "fresh", "left"),
    [
        ((FOUR, SIX), PortBinding(81, host_port=8000), "0.0.0.0:8000:81/tcp [::]:8000:81/tcp", "", ""),
        ((FOUR, SIX), PortBinding(80), "0.0.0.0:8000:80/tcp [::]:8000:80/tcp", "", ""),
        ((FOUR, SIX), PortBinding(80, host_port=7999, last_host_port=8001), "0.0.0.0:8000:80/tcp [::]:8000:80/tcp", "", ""),
        ((FOUR, HERE), PortBinding(80), "0.0.0.0:8000:80/tcp", "[::]:8000:80/tcp", "127.0.0.1:53:53/udp"),
        ((SIX,), PortBinding(80), "", "0:80/tcp", "[::]:8000:80/tcp"),
        ((FOUR, SIX), PortBinding(80, host_ip="::"), "[::]:8000:80/tcp", "", "0.0.0.0:8000:80/tcp"),
        ((HERE,), PortBinding(53, "tcp", "127.0.0.1", 53), "", "127.0.0.1:53:53/tcp", "127.0.0.1:53:53/udp"),
    ],
)  # fmt: skip
def test_ports_of_both_move_together(
    held: Sequence[PortBinding], wanted: PortBinding, moved: str, fresh: str, left: str
) -> None:
    """By the same number in both families, and each only if it is asked for."""
    plan = handover.plan(held, [wanted], both=True)
    assert (shown(plan.moved), shown(plan.fresh), shown(plan.left)) == (moved, fresh, left)


def test_a_host_without_ipv6_is_asked_for_none() -> None:
    """What has moved is enough."""
    assert handover.plan((FOUR,), [PortBinding(80)], both=False).fresh == ()
