"""The rules as text: what a network and a published port add, and that undoing mirrors doing."""

from dataclasses import replace
from pathlib import Path

import pytest

from yurt.engine.networks import firewall
from yurt.engine.networks.firewall import Target
from yurt.engine.networks.firewall6 import forget_network_text6, network_text6
from yurt.engine.networks.model import Network, PortBinding

SHOP = Network(
    id="0123456789abcdef",
    name="shop",
    driver="bridge",
    created_ns=0,
    subnet="172.20.0.0/16",
    gateway="172.20.0.1",
    bridge="yu1",
)


def test_a_network_is_a_chain_and_elements() -> None:
    """Its bridge is known, its traffic masqueraded, and its way in has a chain of its own."""
    assert firewall.network_text("yurt_x", SHOP).splitlines() == [
        "add chain ip yurt_x to_0123456789ab",
        "flush chain ip yurt_x to_0123456789ab",
        "add rule ip yurt_x to_0123456789ab ip saddr 127.0.0.0/8 masquerade",
        "add rule ip yurt_x to_0123456789ab ip saddr 172.20.0.0/16 ct status dnat masquerade",
        'add element ip yurt_x bridges { "yu1" }',
        'add element ip yurt_x same { "yu1" . "yu1" }',
        'add element ip yurt_x entering { "yu1" : jump to_0123456789ab }',
        "add element ip yurt_x sources { 172.20.0.0/16 }",
    ]


@pytest.mark.parametrize(
    ("network", "is_internal", "is_source"),
    [
        (SHOP, False, True),
        (replace(SHOP, internal=True), True, False),
        (replace(SHOP, options={"com.docker.network.bridge.enable_ip_masquerade": "false"}), False, False),
    ],
)
def test_what_is_added_is_removed(network: Network, *, is_internal: bool, is_source: bool) -> None:
    """Forgetting a network names exactly the sets that making it named."""
    added, removed = firewall.network_text("t", network), firewall.forget_network_text("t", network)
    for name, expected in (
        ("internal", is_internal),
        ("sources", is_source),
        ("bridges", True),
        ("same", True),
    ):
        assert (f"add element ip t {name} " in added) is expected
        assert (f"delete element ip t {name} " in removed) is expected


@pytest.mark.parametrize(
    ("binding", "added", "deleted"),
    [
        (
            PortBinding(80, host_ip="0.0.0.0", host_port=8000),
            "tcp_any { 8000 : 172.20.0.2 . 80 }",
            "tcp_any { 8000 }",
        ),
        (
            PortBinding(53, protocol="udp", host_ip="0.0.0.0", host_port=53),
            "udp_any { 53 : 172.20.0.2 . 53 }",
            "udp_any { 53 }",
        ),
        (
            PortBinding(80, host_ip="127.0.0.1", host_port=8000),
            "tcp_at { 127.0.0.1 . 8000 : 172.20.0.2 . 80 }",
            "tcp_at { 127.0.0.1 . 8000 }",
        ),
    ],
)
def test_a_published_port_is_one_element(binding: PortBinding, added: str, deleted: str) -> None:
    """Ports of one address and of every address have maps of their own."""
    target = Target("172.20.0.2", binding)
    assert firewall.publish_text("t", [target]) == f"add element ip t {added}\n"
    assert firewall.unpublish_text("t", [target]) == f"delete element ip t {deleted}\n"


def test_the_base_can_be_written_again() -> None:
    """Every rule's chain is emptied first, so that writing twice leaves the rules once."""
    lines = firewall.base_text("t").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("add rule"):
            assert f"flush chain ip t {line.split()[4]}" in lines[:number]


def test_engines_have_tags_of_their_own(tmp_path: Path) -> None:
    """The tag is eight digits, the same for the same root, however it is spelled."""
    assert firewall.tag_of(tmp_path / "a" / ".." / "b") == firewall.tag_of(tmp_path / "b")
    assert firewall.tag_of(tmp_path / "a") != firewall.tag_of(tmp_path / "b")
    assert len(firewall.tag_of(tmp_path)) == 8


def test_ipv6_targets_live_in_their_own_family() -> None:
    """Maps of the family ip6, by port alone or with the address; undoing names the same."""
    everywhere = Target("fd00:5::2", PortBinding(80, host_ip="::", host_port=8000))
    there = Target("fd00:5::2", PortBinding(80, protocol="udp", host_ip="fd00:9::1", host_port=53))
    assert firewall.publish_text("yurt_x", [everywhere, there]).splitlines() == [
        "add element ip6 yurt_x tcp6_any { 8000 : fd00:5::2 . 80 }",
        "add element ip6 yurt_x udp6_at { fd00:9::1 . 53 : fd00:5::2 . 80 }",
    ]
    assert firewall.unpublish_text("yurt_x", [everywhere]) == "delete element ip6 yurt_x tcp6_any { 8000 }\n"


@pytest.mark.parametrize(("internal", "masquerades"), [(False, True), (False, False), (True, True)])
def test_undoing_ipv6_mirrors_doing(*, internal: bool, masquerades: bool) -> None:
    """Each element that a network adds is deleted with it."""
    network = replace(SHOP, subnet6="fd00:5::/64", internal=internal)

    def elements(text: str, verb: str) -> set[str]:
        begin = f"{verb} element "
        return {
            line.removeprefix(begin).split(" : ")[0].rstrip("} ")
            for line in text.splitlines()
            if line.startswith(begin)
        }

    made = network_text6("yurt_x", network, masquerades=masquerades)
    undone = forget_network_text6("yurt_x", network, masquerades=masquerades)
    assert elements(made, "add") == elements(undone, "delete")
