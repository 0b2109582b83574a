"""The packet rules of networks with IPv6, as nft text: the same table once more, in the family ip6.

It exists only while a network has IPv6. What is different: the host's ::1 cannot be led to a bridge (the kernel has
no route_localnet for IPv6); what comes there is left to the container's relay.
"""

from yurt.engine.networks.forwarding import FORWARD
from yurt.engine.networks.model import Network

MAPS6 = ("tcp6_any", "udp6_any", "tcp6_at", "udp6_at")
_SETS = ("bridges", "internal", "same", "sources")


def base_text6(table: str) -> str:
    """Return the commands after which the table has its rules, no networks, and the published ports that it had."""
    t = f"ip6 {table}"
    chains = {
        "published": "",
        "prerouting": "{ type nat hook prerouting priority dstnat; }",
        "output": "{ type nat hook output priority -100; }",
        "postrouting": "{ type nat hook postrouting priority srcnat; }",
        "forward": "{ type filter hook forward priority filter; }",
    }
    rules = {
        "published": [f"dnat ip6 to ip6 daddr . {p} dport map @{p}6_at" for p in ("tcp", "udp")]
        + [f"dnat ip6 to {p} dport map @{p}6_any" for p in ("tcp", "udp")],
        "prerouting": ["fib daddr type local jump published"],
        "output": ["ip6 daddr != ::1 fib daddr type local jump published"],
        "postrouting": ["oifname vmap @entering", "ip6 saddr @sources oifname != @bridges masquerade"],
        "forward": [*FORWARD],
    }
    lines = [f"add table {t}"]
    for p in ("tcp", "udp"):
        lines.append(f"add map {t} {p}6_any {{ type inet_service : ipv6_addr . inet_service; }}")
        lines.append(f"add map {t} {p}6_at {{ type ipv6_addr . inet_service : ipv6_addr . inet_service; }}")
    lines += [
        f"add set {t} bridges {{ type ifname; }}",
        f"add set {t} internal {{ type ifname; }}",
        f"add set {t} same {{ type ifname . ifname; }}",
        f"add set {t} sources {{ type ipv6_addr; flags interval; }}",
        f"add map {t} entering {{ type ifname : verdict; }}",
    ]
    lines += [f"add chain {t} {name} {hook}".rstrip() for name, hook in chains.items()]
    lines += [f"flush chain {t} {name}" for name in chains]
    lines += [f"add rule {t} {name} {rule}" for name, some in rules.items() for rule in some]
    return "\n".join(lines) + "\n"


def no_networks_text6(table: str) -> str:
    """Return the commands after which no network is in the table's sets; chains of networks stay, unused."""
    lines = [f"flush set ip6 {table} {name}" for name in _SETS]
    return "\n".join([*lines, f"flush map ip6 {table} entering"]) + "\n"


def network_text6(table: str, network: Network, *, masquerades: bool) -> str:
    """Return the commands after which *network* is in the table, whether or not it was there."""
    t, bridge, chain = f"ip6 {table}", network.bridge, _chain(network)
    lines = [
        f"add chain {t} {chain}",
        f"flush chain {t} {chain}",
        f"add rule {t} {chain} ip6 saddr {network.subnet6} ct status dnat masquerade",
        f'add element {t} bridges {{ "{bridge}" }}',
        f'add element {t} same {{ "{bridge}" . "{bridge}" }}',
        f'add element {t} entering {{ "{bridge}" : jump {chain} }}',
    ]
    if network.internal:
        lines.append(f'add element {t} internal {{ "{bridge}" }}')
    elif masquerades:
        lines.append(f"add element {t} sources {{ {network.subnet6} }}")
    return "\n".join(lines) + "\n"


def forget_network_text6(table: str, network: Network, *, masquerades: bool) -> str:
    """Return the commands that undo `network_text6`."""
    t, bridge, chain = f"ip6 {table}", network.bridge, _chain(network)
    lines = [
        f'delete element {t} entering {{ "{bridge}" }}',
        f"flush chain {t} {chain}",
        f"delete chain {t} {chain}",
        f'delete element {t} bridges {{ "{bridge}" }}',
        f'delete element {t} same {{ "{bridge}" . "{bridge}" }}',
    ]
    if network.internal:
        lines.append(f'delete element {t} internal {{ "{bridge}" }}')
    elif masquerades:
        lines.append(f"delete element {t} sources {{ {network.subnet6} }}")
    return "\n".join(lines) + "\n"


def _chain(network: Network) -> str:
    return f"to_{network.id[:12]}"
