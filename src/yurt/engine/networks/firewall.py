"""The packet rules of all networks, as nft text, and the one object that applies them.

One table of our own holds everything: ``yurt_<tag>``, *tag* being eight digits that tell engines on one host
apart. Its rules are written once; networks and published ports are only elements of its sets and maps, so a
container without ports changes nothing, and published ports live on while the engine is away.

    prerouting, output   a packet to one of this host's addresses and a published port goes to the container
    postrouting          what leaves the bridges takes the host's address; so does what a container sends to
                         itself or a neighbour through a published port, and what comes from 127.0.0.1
    forward              no way between bridges, none from outside but to published ports, none out of internal ones
    raw                  nobody on a bridge reaches the host's 127.0.0.0/8 (the bridges have route_localnet on)
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from yurt.engine.networks.firewall6 import (
    MAPS6,
    base_text6,
    forget_network_text6,
    network_text6,
    no_networks_text6,
)
from yurt.engine.networks.forwarding import FORWARD
from yurt.engine.networks.model import ANY, ANY6, Network, PortBinding
from yurt.errors import Internal
from yurt.linux.nftables import Nftables

NO_MASQUERADE = ("com.docker.network.bridge.enable_ip_masquerade", "false")


def tag_of(root: Path) -> str:
    """Return the eight digits that stand for the engine at *root* in names on the host."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a published port leads."""

    address: str
    binding: PortBinding  # its host port resolved

    @property
    def family(self) -> str:
        return "ip6" if ":" in self.address else "ip"

    @property
    def map(self) -> str:
        six = "6" if self.family == "ip6" else ""
        return f"{self.binding.protocol}{six}_{'any' if self.binding.host_ip in (ANY, ANY6) else 'at'}"

    @property
    def key(self) -> str:
        if self.binding.host_ip in (ANY, ANY6):
            return str(self.binding.host_port)
        return f"{self.binding.host_ip} . {self.binding.host_port}"

    @property
    def value(self) -> str:
        return f"{self.address} . {self.binding.container_port}"


MAPS = ("tcp_any", "udp_any", "tcp_at", "udp_at")


def base_text(table: str) -> str:
    """Return the commands after which *table* has its rules, and keeps the elements that it had."""
    t = f"ip {table}"
    chains = {
        "published": "",
        "raw": "{ type filter hook prerouting priority raw; }",
        "prerouting": "{ type nat hook prerouting priority dstnat; }",
        "output": "{ type nat hook output priority -100; }",
        "postrouting": "{ type nat hook postrouting priority srcnat; }",
        "forward": "{ type filter hook forward priority filter; }",
    }
    rules = {
        "published": [
            f"dnat ip to ip daddr . {protocol} dport map @{protocol}_at" for protocol in ("tcp", "udp")
        ]
        + [f"dnat ip to {protocol} dport map @{protocol}_any" for protocol in ("tcp", "udp")],
        "raw": ["iifname @bridges ip daddr 127.0.0.0/8 drop"],
        # From outside never to 127.0.0.1: rewritten before routing, the kernel would not see it as a martian.
        "prerouting": ["ip daddr != 127.0.0.0/8 fib daddr type local jump published"],
        "output": ["fib daddr type local jump published"],
        "postrouting": [
            "oifname vmap @entering",
            "ip saddr @sources oifname != @bridges masquerade",
        ],
        "forward": [*FORWARD],
    }
    lines = [f"add table {t}"]
    for protocol in ("tcp", "udp"):
        lines.append(f"add map {t} {protocol}_any {{ type inet_service : ipv4_addr . inet_service; }}")
        lines.append(
            f"add map {t} {protocol}_at {{ type ipv4_addr . inet_service : ipv4_addr . inet_service; }}"
        )
    lines += [
        f"add set {t} bridges {{ type ifname; }}",
        f"add set {t} internal {{ type ifname; }}",
        f"add set {t} same {{ type ifname . ifname; }}",
        f"add set {t} sources {{ type ipv4_addr; flags interval; }}",
        f"add map {t} entering {{ type ifname : verdict; }}",
    ]
    lines += [f"add chain {t} {name} {hook}".rstrip() for name, hook in chains.items()]
    lines += [f"flush chain {t} {name}" for name in chains]
    lines += [f"add rule {t} {name} {rule}" for name, some in rules.items() for rule in some]
    return "\n".join(lines) + "\n"


def network_text(table: str, network: Network) -> str:
    """Return the commands after which *network* is in the table, whether or not it was there."""
    t, bridge = f"ip {table}", network.bridge
    chain = _chain(network)
    lines = [
        f"add chain {t} {chain}",
        f"flush chain {t} {chain}",
        f"add rule {t} {chain} ip saddr 127.0.0.0/8 masquerade",
        f"add rule {t} {chain} ip saddr {network.subnet} ct status dnat masquerade",
        f'add element {t} bridges {{ "{bridge}" }}',
        f'add element {t} same {{ "{bridge}" . "{bridge}" }}',
        f'add element {t} entering {{ "{bridge}" : jump {chain} }}',
    ]
    if network.internal:
        lines.append(f'add element {t} internal {{ "{bridge}" }}')
    elif network.options.get(NO_MASQUERADE[0]) != NO_MASQUERADE[1]:
        lines.append(f"add element {t} sources {{ {network.subnet} }}")
    return "\n".join(lines) + "\n"


def forget_network_text(table: str, network: Network) -> str:
    """Return the commands that undo `network_text`."""
    t, bridge = f"ip {table}", network.bridge
    chain = _chain(network)
    lines = [
        f'delete element {t} entering {{ "{bridge}" }}',
        f"flush chain {t} {chain}",
        f"delete chain {t} {chain}",
        f'delete element {t} bridges {{ "{bridge}" }}',
        f'delete element {t} same {{ "{bridge}" . "{bridge}" }}',
    ]
    if network.internal:
        lines.append(f'delete element {t} internal {{ "{bridge}" }}')
    elif network.options.get(NO_MASQUERADE[0]) != NO_MASQUERADE[1]:
        lines.append(f"delete element {t} sources {{ {network.subnet} }}")
    return "\n".join(lines) + "\n"


def publish_text(table: str, targets: Iterable[Target]) -> str:
    return "".join(f"add element {t.family} {table} {t.map} {{ {t.key} : {t.value} }}\n" for t in targets)


def unpublish_text(table: str, targets: Iterable[Target]) -> str:
    return "".join(f"delete element {t.family} {table} {t.map} {{ {t.key} }}\n" for t in targets)


def _chain(network: Network) -> str:
    return f"to_{network.id[:12]}"


def _masquerades(network: Network) -> bool:
    return network.options.get(NO_MASQUERADE[0]) != NO_MASQUERADE[1]


class _ForeignRule(NamedTuple):
    """A rule in another's chain that lets a bridge's traffic through; *owner* is the table of the engine that made it."""

    bridge: str
    handle: int
    owner: str


class Firewall:
    """The rules of one engine on this host. Every call is one transaction of about half a millisecond."""

    def __init__(self, nft: Nftables, tag: str) -> None:
        self._nft = nft
        self.table = f"yurt_{tag}"
        self._has_six = False  # the table in the family ip6 exists

    def restore(self, networks: Sequence[Network]) -> None:
        """Afterwards the rules are whole for exactly *networks*; published ports are as they were."""
        stale = "".join(
            f"flush set ip {self.table} {name}\n" for name in ("bridges", "internal", "same", "sources")
        )
        base = base_text(self.table)
        own = "".join(network_text(self.table, network) for network in networks)
        try:
            self._nft.run(base + stale + f"flush map ip {self.table} entering\n" + own)
        except Internal:
            # A table of another shape (an older version): published ports are added again by adoption.
            self._nft.run(f"add table ip {self.table}\ndelete table ip {self.table}\n" + base + own)
        self._restore_six([network for network in networks if network.subnet6])
        self._sweep_chains(networks)
        bridges = {network.bridge for network in networks}
        self._forbid_forwarding(lambda rule: rule.owner == self.table and rule.bridge not in bridges)

    def _sweep_chains(self, networks: Sequence[Network]) -> None:
        """Remove the chains of networks that are not there any more; no map leads to them."""
        kept = {_chain(network) for network in networks}
        for family in ("ip", "ip6") if self._has_six else ("ip",):
            for chain in self._chains(family):
                if chain.startswith("to_") and chain not in kept:
                    place = f"{family} {self.table} {chain}"
                    self._nft.run(f"flush chain {place}\ndelete chain {place}\n")

    def _restore_six(self, networks: Sequence[Network]) -> None:
        absent = f"add table ip6 {self.table}\ndelete table ip6 {self.table}\n"
        self._has_six = bool(networks)
        if not networks:
            self._nft.run(absent)
            return
        base = base_text6(self.table)
        own = "".join(
            network_text6(self.table, network, masquerades=_masquerades(network)) for network in networks
        )
        try:
            self._nft.run(base + no_networks_text6(self.table) + own)
        except Internal:  # of another shape, see `restore`
            self._nft.run(absent + base + own)

    def drop_strays(self) -> None:
        """Afterwards packets that belong to no connection end here, in both families.

        For a network that pasta leads out of: its window updates lack the flag ACK in some versions. Such a packet
        is not translated back, and our own answer to it, a reset, would end the container's connection.
        """
        self._nft.run(
            "".join(
                f"add table {family} {self.table}_strays\n"
                f"add chain {family} {self.table}_strays invalid_ones {{ type filter hook prerouting priority mangle; }}\n"
                f"flush chain {family} {self.table}_strays invalid_ones\n"
                f"add rule {family} {self.table}_strays invalid_ones ct state invalid drop\n"
                for family in ("ip", "ip6")
            )
        )

    def add_network(self, network: Network) -> None:
        text = network_text(self.table, network)
        if network.subnet6:
            text += base_text6(self.table) if not self._has_six else ""
            text += network_text6(self.table, network, masquerades=_masquerades(network))
        self._nft.run(text)
        self._has_six |= bool(network.subnet6)
        self.allow_forwarding((network,))

    def remove_network(self, network: Network) -> None:
        text = forget_network_text(self.table, network)
        if network.subnet6:
            text += forget_network_text6(self.table, network, masquerades=_masquerades(network))
        self._nft.run(text)
        self._forbid_forwarding(lambda rule: rule.bridge == network.bridge)

    def publish(self, targets: Sequence[Target]) -> None:
        """Afterwards each published port leads to its target, wherever it led before.

        The caller holds the host's ports, so an element that is in the way belongs to a container that is gone.
        """
        if not targets:
            return
        try:
            self._nft.run(publish_text(self.table, targets))
        except Internal:
            current = self.published()
            stale = [t for t in targets if (t.map, t.key) in current]
            if not stale:
                raise
            self._nft.run(unpublish_text(self.table, stale) + publish_text(self.table, targets))

    def move(self, old: Sequence[Target], new: Sequence[Target]) -> None:
        """Afterwards the ports of *new* lead there, and those of *old* that are not among them nowhere; at once."""
        moved = {(target.map, target.key) for target in new}
        gone = [target for target in old if (target.map, target.key) not in moved]
        current = self.published()
        stale = [target for target in new if (target.map, target.key) in current]
        text = unpublish_text(self.table, [*gone, *stale]) + publish_text(self.table, new)
        if text:
            self._nft.run(text)

    def unpublish(self, targets: Sequence[Target]) -> None:
        """Afterwards none of *targets* is published; those that were not do no harm."""
        if not targets:
            return
        try:
            self._nft.run(unpublish_text(self.table, targets))
        except Internal:
            current = self.published()
            left = [t for t in targets if current.get((t.map, t.key)) == t.value]
            if left:
                self._nft.run(unpublish_text(self.table, left))

    def published(self) -> Mapping[tuple[str, str], str]:
        """Return what is published: (map, key) → value, spelled as in `Target`."""
        found: dict[tuple[str, str], str] = {}
        maps = [("ip", name) for name in MAPS] + [("ip6", name) for name in MAPS6 if self._has_six]
        for family, name in maps:
            for entry in self._nft.listing(f"list map {family} {self.table} {name}"):
                for key, value in entry.get("map", {}).get("elem", ()):
                    spelled = " . ".join(map(str, key["concat"])) if isinstance(key, dict) else str(key)
                    found[name, spelled] = " . ".join(map(str, value["concat"]))
        return found

    def keep_published(self, targets: Iterable[Target]) -> int:
        """Afterwards nothing is published but *targets* (those of them that were); return how many were more."""
        wanted = {(t.map, t.key): t.value for t in targets}
        stale = [key for key, value in self.published().items() if wanted.get(key) != value]
        self._nft.run(
            "".join(
                f"delete element {'ip6' if m in MAPS6 else 'ip'} {self.table} {m} {{ {key} }}\n"
                for m, key in stale
            )
        )
        return len(stale)

    def allow_forwarding(self, networks: Sequence[Network]) -> None:
        """Let the bridges' traffic through another's forward chain that drops by default.

        Docker (its chain DOCKER-USER is there for this) and ufw have one. A verdict of our own table cannot overrule
        a drop of another's. Between our bridges and Docker's default one nothing is allowed.
        """
        self._allow_forwarding("ip", [n.bridge for n in networks if n.bridge])
        if self._has_six:
            self._allow_forwarding("ip6", [n.bridge for n in networks if n.bridge and n.subnet6])

    def _allow_forwarding(self, family: str, bridges: Sequence[str]) -> None:
        chain = self._foreign_chain(family)
        if chain is None:
            return
        present = {rule.bridge for rule in self._foreign_rules(family, chain)}
        rule = f"insert rule {family} filter {chain}"
        lines = []
        for bridge in bridges:
            if bridge not in present:
                accept = f'!= "docker0" counter accept comment "{self.table}"'
                lines.append(f'{rule} iifname "{bridge}" oifname {accept}')
                lines.append(f'{rule} oifname "{bridge}" iifname {accept}')
        self._nft.run("\n".join(lines) + "\n")

    def dismantle(self, bridges: Iterable[str]) -> None:
        """Afterwards no rule of this engine is left, in its table or another's."""
        gone = set(bridges)
        self._forbid_forwarding(lambda rule: rule.owner == self.table or rule.bridge in gone)
        self._nft.run(
            "".join(f"add table {f} {self.table}\ndelete table {f} {self.table}\n" for f in ("ip", "ip6"))
        )

    def _chains(self, family: str) -> list[str]:
        return [
            entry["chain"]["name"]
            for entry in self._nft.listing(f"list table {family} {self.table}")
            if "chain" in entry
        ]

    def _foreign_chain(self, family: str) -> str | None:
        found = {
            entry["chain"]["name"]: entry["chain"].get("policy")
            for entry in self._nft.listing(f"list chains {family}")
            if "chain" in entry and entry["chain"]["table"] == "filter"
        }
        if "DOCKER-USER" in found:
            return "DOCKER-USER"
        return "FORWARD" if found.get("FORWARD") == "drop" else None

    def _foreign_rules(self, family: str, chain: str) -> list[_ForeignRule]:
        """Return each accepting rule of a chain that names an interface."""
        found = []
        for entry in self._nft.listing(f"list chain {family} filter {chain}"):
            rule = entry.get("rule")
            if rule is None or {"accept": None} not in rule["expr"]:
                continue
            for part in rule["expr"]:
                match = part.get("match") if isinstance(part, dict) else None
                if (
                    match
                    and match["op"] == "=="
                    and match["left"].get("meta", {}).get("key")
                    in {
                        "iifname",
                        "oifname",
                    }
                ):
                    found.append(
                        _ForeignRule(str(match["right"]), int(rule["handle"]), rule.get("comment", ""))
                    )
        return found

    def _forbid_forwarding(self, unwanted: Callable[[_ForeignRule], bool]) -> None:
        for family in ("ip", "ip6"):  # also when our own table in ip6 is gone already
            chain = self._foreign_chain(family)
            if chain is None:
                continue
            handles = [rule.handle for rule in self._foreign_rules(family, chain) if unwanted(rule)]
            self._nft.run(
                "".join(f"delete rule {family} filter {chain} handle {handle}\n" for handle in handles)
            )
