"""Sandboxes: the networks' share of each running container, opened, changed, adopted and closed."""

from collections.abc import AsyncIterator, Callable, Mapping, MutableSequence, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
)
from pathlib import Path

import structlog

from yurt.engine.networks import endpoint_options, files, ipam
from yurt.engine.networks.bridges import mtu_of
from yurt.engine.networks.dns import DnsServer
from yurt.engine.networks.firewall import Target
from yurt.engine.networks.host import Host
from yurt.engine.networks.model import Endpoint, EndpointRequest, Network, PortBinding, SandboxRequest
from yurt.engine.networks.names import NameTable
from yurt.engine.networks.namespaces import (
    DNS_PORT,
    DnsSockets,
    Inside,
    Wire,
    enter_namespace,
    new_namespace,
)
from yurt.engine.networks.ports import Addresses, Held
from yurt.engine.networks.store import NetworkStore
from yurt.errors import Conflict, Forbidden, InvalidArgument, YurtError
from yurt.ids import new_id, short
from yurt.linux import netlink
from yurt.linux.conntrack import forget_udp_flows
from yurt.linux.namespace import forget, keep

log = structlog.get_logger()

JOIN = "container:"


@dataclass(slots=True)
class Attached:
    """A running container: what closing it has to undo. Only `Sandboxes` changes it."""

    request: SandboxRequest
    netns: Path | None
    held: Held
    endpoints: list[Endpoint] = field(default_factory=list)
    targets: tuple[Target, ...] = ()
    dns: DnsServer | None = None
    gateway: str | None = None
    joined: str = ""  # id of the container whose namespace this one shares (mode container:<id>)

    def networks(self) -> tuple[str, ...]:
        return tuple(endpoint.network_id for endpoint in self.endpoints)

    def first_gateway(self) -> str | None:
        """Return the gateway of the network that leads outside first: of the highest priority, then of the mode."""
        return next((endpoint.gateway for endpoint in self.by_priority() if endpoint.gateway), None)

    def first_gateway6(self) -> str | None:
        """The same for IPv6."""
        return next((endpoint.gateway6 for endpoint in self.by_priority() if endpoint.gateway6), None)

    def by_priority(self) -> Sequence[Endpoint]:
        return sorted(self.endpoints, key=lambda endpoint: -endpoint.gateway_priority)

    def stop_dns(self) -> None:
        if self.dns is not None:
            self.dns.close()

    def serves_dns(self) -> bool:
        """Tell whether the container publishes a DNS server of its own."""
        return any(binding.container_port == DNS_PORT for binding in self.request.ports)


class Sandboxes:
    """All of them, by container id. Addresses, names and ports in use are known from them alone."""

    def __init__(self, host: Host, store: NetworkStore, folder: Path) -> None:
        self._host = host
        self._store = store
        self._folder = folder
        self._attached: dict[str, Attached] = {}
        self._addresses: dict[str, ipam.AddressPool[IPv4Address]] = {}  # by network id
        self._addresses6: dict[str, ipam.AddressPool[IPv6Address]] = {}
        self._names = NameTable()
        self._veths: dict[tuple[str, str], str] = {}  # (network id, address) → the veth that had it last

    # -- networks come and go --------------------------------------------------------------------------------

    def serve(self, network: Network) -> None:
        """From now on containers may be put on *network*. Raises InvalidArgument for a gateway outside of it."""
        self._addresses[network.id] = ipam.AddressPool(
            IPv4Network(str(network.subnet)),
            IPv4Address(str(network.gateway)),
            part=IPv4Network(network.ip_range) if network.ip_range else None,
            reserved=map(IPv4Address, network.reserved.values()),
        )
        if network.subnet6:
            self._addresses6[network.id] = ipam.AddressPool(
                IPv6Network(network.subnet6), IPv6Address(str(network.gateway6))
            )

    def forget(self, network: Network) -> None:
        self._addresses.pop(network.id, None)
        self._addresses6.pop(network.id, None)
        self._veths = {key: veth for key, veth in self._veths.items() if key[0] != network.id}

    def endpoints(self, network_id: str) -> Mapping[str, Endpoint]:
        """Return the endpoints on a network, by container id."""
        return {
            container_id: endpoint
            for container_id, attached in self._attached.items()
            for endpoint in attached.endpoints
            if endpoint.network_id == network_id
        }

    def find(self, container_id: str) -> Attached | None:
        return self._attached.get(container_id)

    def get(self, container_id: str) -> Attached:
        """Return a running container's; one that has none raises Conflict."""
        attached = self._attached.get(container_id)
        if attached is None:
            raise Conflict(f"container {short(container_id)} is not running: it has no network")
        return attached

    # -- a container's life ------------------------------------------------------------------------------------

    async def open(self, request: SandboxRequest) -> Attached:
        """Give a starting container its network. All or nothing."""
        attached = Attached(request, None, self._host.ports.unheld(request.container_id))
        if request.mode.startswith(JOIN):
            attached.joined = request.mode.removeprefix(JOIN)
            attached.netns = self.get(attached.joined).netns
        elif request.mode == "none":
            attached.netns = self._folder / request.container_id
            await self._host.in_thread(self._make, attached, self._host.pool.take(), ())
        elif request.mode != "host":
            await self._attach(attached)
        self._attached[request.container_id] = attached
        return attached

    async def close(self, container_id: str) -> tuple[Endpoint, ...]:
        """Afterwards the container has no network; return the endpoints that it had. Idempotent.

        Whatever fails on the way, the rest is undone. The interfaces end with the namespace, that is, a little after
        its last process: the kernel removes many at once in the time that removing one by hand takes.
        """
        attached = self._attached.pop(container_id, None)
        if attached is None:
            return ()
        failures: list[Exception] = []
        for undo in self._undoing(attached):
            try:
                undo()
            except (YurtError, OSError) as error:
                failures.append(error)
        try:
            if attached.netns is not None and not attached.joined:
                await self._host.in_thread(forget, attached.netns)
            await self._forget_flows(attached.targets)
        except OSError as error:
            failures.append(error)
        if failures:
            raise ExceptionGroup(f"cannot take down the network of {short(container_id)}", failures)
        return tuple(attached.endpoints)

    async def adopt(
        self, request: SandboxRequest, endpoints: Sequence[Endpoint], ports: Sequence[PortBinding]
    ) -> Attached:
        """Take over a container that ran on while the engine was away. What cannot be had again is logged."""
        attached = Attached(request, None, self._host.ports.unheld(request.container_id))
        if request.mode.startswith(JOIN):
            attached.joined = request.mode.removeprefix(JOIN)
            owner = self.find(attached.joined)
            kept = self._folder / attached.joined  # the owner may be adopted later, or have ended before
            attached.netns = owner.netns if owner else kept if kept.exists() else None
        elif request.mode != "host":
            attached.netns = self._folder / request.container_id
            attached.endpoints = [e for e in endpoints if e.network_id in self._addresses]
            attached.gateway = attached.first_gateway()
            for endpoint in attached.endpoints:
                self._claim(endpoint)
            self._readopt_ports(attached, ports)
            if request.mode != "none":
                await self._reenter(attached)
        self._attached[request.container_id] = attached
        return attached

    async def sweep(self) -> dict[str, int]:
        """Afterwards only the containers known here have namespaces, interfaces and published ports.

        Return how many of each were removed.
        """
        # Interfaces come first: the kernel takes down those of a forgotten namespace in its own time.
        veths = {e.host_interface for a in self._attached.values() for e in a.endpoints}
        bridges = {network.bridge for network in self._store.bridges()}
        drop = partial(self._host.bridges.drop_strangers, bridges=bridges, veths=veths)
        interfaces = await self._host.in_thread(drop)
        kept = {a.netns.name for a in self._attached.values() if a.netns is not None}
        strange = [path for path in self._folder.iterdir() if path.name not in kept]
        for path in strange:
            await self._host.in_thread(forget, path)
        ports = self._host.rules.keep_published(t for a in self._attached.values() for t in a.targets)
        self._host.ports.keep(self._attached)
        return {"network namespace": len(strange), "interface": interfaces, "published port": ports}

    async def connect(self, container_id: str, network: Network, request: EndpointRequest) -> Endpoint:
        """Put a running container on one more network, at once."""
        attached = self.get(container_id)
        _check_connectable(attached, network)
        with ExitStack() as undo:
            endpoint = self._reserve(attached, network, request, undo)
            attached.endpoints.append(endpoint)
            undo.callback(attached.endpoints.remove, endpoint)
            await self._host.in_thread(self._plug, attached, endpoint)
            undo.pop_all()
        self._names.add(endpoint)
        return endpoint

    async def disconnect(self, container_id: str, network: Network) -> Endpoint:
        """Take a running container off a network, at once; ports published through it end. Return what it had."""
        attached = self.get(container_id)
        endpoint = next((e for e in attached.endpoints if e.network_id == network.id), None)
        if endpoint is None:
            raise Conflict(f"container {short(container_id)} is not connected to network {network.name}")
        attached.endpoints.remove(endpoint)
        self._names.remove(endpoint)
        if any(target.address in (endpoint.ipv4, endpoint.ipv6) for target in attached.targets):
            self._host.rules.unpublish(attached.targets)
            attached.targets = ()
            attached.held.release()
            attached.held = self._host.ports.unheld(container_id)
        await self._host.in_thread(self._unplug, attached, endpoint)
        self._give_back(endpoint)
        return endpoint

    def rename(self, container_id: str, name: str) -> tuple[Endpoint, ...]:
        """Have a running container found by its new name instead of its old one; return its endpoints now."""
        attached = self.get(container_id)
        old = attached.request.name
        attached.request = replace(attached.request, name=name)
        for number, endpoint in enumerate(attached.endpoints):
            if not endpoint.dns_names:  # of the default network, which has no names
                continue
            kept = (one for one in endpoint.dns_names if one != old or one in endpoint.aliases)
            renamed = replace(endpoint, dns_names=tuple(dict.fromkeys((name, *kept))))
            self._names.remove(endpoint)
            self._names.add(renamed)
            attached.endpoints[number] = renamed
        return tuple(attached.endpoints)

    @asynccontextmanager
    async def succeeding(
        self,
        old_id: str,
        new_id: str,
        ports: Sequence[PortBinding],
        aliases: Mapping[str, tuple[str, ...]],
    ) -> AsyncIterator[tuple[Attached, Attached]]:
        """Have a running container take over published ports and names from another one, at once; yield both.

        The new one then has exactly *ports*, and on each network, by its name, the *aliases* given, which the old
        one loses there. What the old one had beside that it keeps. Connections that there are stay with the old one.
        A block that raises gives everything back.
        """
        old, new = self.get(old_id), self.get(new_id)
        if ports and new.gateway is None:
            raise InvalidArgument(f"{new.request.name} can't publish ports: no network of it leads outside")
        if new.held.bindings:
            raise Conflict(f"{new.request.name} publishes ports already")
        asked = replace(new.request, ports=tuple(ports))
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._forget_flows, old.targets)
            self._pass_ports(old, new, ports, undo)
            targets, left = _targets(new), _targets(old)
            self._host.rules.move(old.targets, (*targets, *left))
            undo.callback(self._host.rules.move, (*targets, *left), old.targets)
            for one, request, leading in (
                (new, asked, targets),
                (old, replace(old.request, ports=tuple(old.held.bindings)), left),
            ):
                undo.callback(self._reset, one, one.request, one.targets, tuple(one.endpoints))
                one.request, one.targets = request, leading
            for network, names in aliases.items():
                self._pass_names(old, new, network, names)
            hairpins = [netlink.set_hairpin(str(e.host_interface)) for e in new.endpoints] if ports else []
            if hairpins:
                await self._host.in_thread(self._host.links.apply, hairpins)
            await self._forget_flows(targets)
            yield old, new
            undo.pop_all()

    def _pass_ports(
        self, old: Attached, new: Attached, ports: Sequence[PortBinding], undo: AsyncExitStack
    ) -> None:
        """Have *new* hold *ports*, and *old* what it held beside them."""
        before, none = old.held, new.held
        new_id, of_old = new.request.container_id, _addresses(old)
        new.held, old.held = self._host.ports.hand_over(before, new_id, ports, _addresses(new), of_old)
        undo.callback(self._host.ports.take_back, before, new.held, of_old)

        def held_again() -> None:
            old.held, new.held = before, none

        undo.callback(held_again)

    def _reset(
        self,
        attached: Attached,
        request: SandboxRequest,
        targets: tuple[Target, ...],
        endpoints: Sequence[Endpoint],
    ) -> None:
        """Have it known again by what it was before."""
        for endpoint in attached.endpoints:
            self._names.remove(endpoint)
        for endpoint in endpoints:
            self._names.add(endpoint)
        attached.request, attached.targets, attached.endpoints[:] = request, targets, endpoints

    def _pass_names(self, old: Attached, new: Attached, network: str, names: tuple[str, ...]) -> None:
        """Give *names* on one network to *new*, and take from *old* all aliases that it has there."""
        for attached, given in ((new, names), (old, ())):
            for number, endpoint in enumerate(attached.endpoints):
                if network not in (endpoint.network_name, endpoint.network_id) or not endpoint.dns_names:
                    continue
                kept = (name for name in endpoint.dns_names if name not in endpoint.aliases)
                changed = replace(endpoint, aliases=given, dns_names=tuple(dict.fromkeys((*kept, *given))))
                self._names.remove(endpoint)
                self._names.add(changed)
                attached.endpoints[number] = changed

    def let_go(self) -> None:
        """End what lives in this process: DNS and held ports. The containers keep everything else."""
        for attached in self._attached.values():
            attached.held.let_go()
            attached.stop_dns()
        self._attached.clear()

    def ids(self) -> tuple[str, ...]:
        return tuple(self._attached)

    # -- attaching, in steps -----------------------------------------------------------------------------------

    async def _attach(self, attached: Attached) -> None:
        request = attached.request
        wanted = self._wanted(request)
        async with AsyncExitStack() as undo:
            for network, endpoint_request in wanted:
                attached.endpoints.append(self._reserve(attached, network, endpoint_request, undo))
            attached.gateway = attached.first_gateway()
            attached.held = self._host.ports.hold(
                request.container_id, request.ports if attached.gateway else (), _addresses(attached)
            )
            undo.callback(attached.held.release)
            attached.netns = self._folder / request.container_id
            undo.push_async_callback(self._host.in_thread, forget, attached.netns)
            networks = [network for network, _ in wanted]
            sockets = await self._host.in_thread(self._make, attached, self._host.pool.take(), networks)
            self._serve_dns(attached, sockets)
            undo.callback(attached.stop_dns)
            attached.targets = _targets(attached)
            self._host.rules.publish(attached.targets)
            undo.callback(self._host.rules.unpublish, attached.targets)
            await self._forget_flows(attached.targets)
            undo.pop_all()
        for endpoint in attached.endpoints:
            self._names.add(endpoint)

    def _wanted(self, request: SandboxRequest) -> Sequence[tuple[Network, EndpointRequest]]:
        """Return the networks to attach to, that of the mode first; none when it has left them all."""
        wanted = {(network := self._store.get(e.network)).id: (network, e) for e in request.endpoints}
        requests = sorted(wanted.values(), key=lambda one: request.mode not in {one[0].id, one[0].name})
        for network, _endpoint in requests:
            if network.bridge is None:
                raise InvalidArgument(f"cannot attach a container to both {request.mode} and {network.name}")
        return requests

    def _reserve(
        self,
        attached: Attached,
        network: Network,
        request: EndpointRequest,
        undo: ExitStack | AsyncExitStack,
    ) -> Endpoint:
        """Reserve an address and names on a network; *undo* gives them back."""
        if network.predefined and (request.ipv4 or request.ipv6 or request.aliases):
            what = (
                "user specified IP address is supported"
                if request.ipv4 or request.ipv6
                else "network-scoped aliases are only supported"
            )
            raise InvalidArgument(f"invalid endpoint settings: {what} on user defined networks only")
        addresses = self._addresses[network.id]
        address = addresses.take(ipam.parse_address(request.ipv4) if request.ipv4 else None)
        undo.callback(addresses.give_back, address)
        addresses6, address6 = self._addresses6.get(network.id), None
        if addresses6 is not None:
            address6 = addresses6.take(ipam.parse_address6(request.ipv6) if request.ipv6 else None)
            undo.callback(addresses6.give_back, address6)
        elif request.ipv6:
            raise InvalidArgument(
                f"invalid endpoint settings: no configured subnet contains IP address {request.ipv6}"
            )
        identifier = new_id()
        used = {endpoint.interface for endpoint in attached.endpoints}
        options = endpoint_options.parse(request.options)
        if options.interface in used:
            raise InvalidArgument(f"the container has an interface {options.interface} already")
        return Endpoint(
            id=identifier,
            network_id=network.id,
            network_name=network.name,
            aliases=request.aliases,
            ipv4=str(address),
            prefix_length=addresses.subnet.prefixlen,
            gateway=None if network.internal else str(addresses.gateway),
            mac=request.mac or ipam.mac_of(address),
            interface=options.interface
            or next(f"eth{n}" for n in range(len(used) + 1) if f"eth{n}" not in used),
            host_interface=self._host.bridges.veth_prefix + identifier[:8],
            dns_names=() if network.predefined else _names(attached.request, request),
            ipv6=str(address6) if address6 else None,
            prefix_length6=addresses6.subnet.prefixlen if addresses6 else 0,
            gateway6=str(addresses6.gateway) if addresses6 and not network.internal else None,
            gateway_priority=request.gateway_priority,
            link_local=tuple(str(_link_local(text)) for text in request.link_local),
            options=request.options,
        )

    def _make(
        self, attached: Attached, inside: Inside | None, networks: Sequence[Network]
    ) -> DnsSockets | None:
        """In a thread: keep a namespace for the container, with its endpoints in it; return its DNS sockets."""
        assert attached.netns is not None
        inside = inside or new_namespace()
        done = False
        try:
            forget(attached.netns)
            keep(inside.descriptor, attached.netns)
            if not networks:
                return None
            self._host.bridges.ensure_quickly(networks)
            wires = [self._wire(endpoint, attached) for endpoint in attached.endpoints]
            gateway = IPv4Address(attached.gateway) if attached.gateway else None
            self._host.links.connect(inside, wires, gateway, _address6(attached.first_gateway6()))
            if attached.serves_dns():
                inside.move_dns()
            done = True
            return inside.dns
        finally:
            inside.close(dns=not done)

    def _wire(self, endpoint: Endpoint, attached: Attached) -> Wire:
        network = self._store.get(endpoint.network_id)
        options = endpoint_options.parse(endpoint.options)
        key = (endpoint.network_id, str(endpoint.ipv4))
        replaces = self._veths.get(key)
        self._veths[key] = str(endpoint.host_interface)
        return Wire(
            bridge=str(network.bridge),
            host_interface=str(endpoint.host_interface),
            interface=str(endpoint.interface),
            mac=str(endpoint.mac),
            address=IPv4Interface(f"{endpoint.ipv4}/{endpoint.prefix_length}"),
            address6=IPv6Interface(f"{endpoint.ipv6}/{endpoint.prefix_length6}") if endpoint.ipv6 else None,
            mtu=mtu_of(network),
            hairpin=bool(attached.held.bindings),
            replaces=replaces,
            link_local=tuple(map(_link_local, endpoint.link_local)),
            settings=options.settings(str(endpoint.interface)),
        )

    def _plug(self, attached: Attached, endpoint: Endpoint) -> None:
        assert attached.netns is not None
        inside = enter_namespace(attached.netns)
        try:
            best = attached.first_gateway()
            gateway = best if best == endpoint.gateway else None
            wire = self._wire(endpoint, attached)
            is_first6 = attached.first_gateway6() == endpoint.gateway6
            gateway6 = _address6(endpoint.gateway6 if is_first6 else None)
            self._host.links.connect(inside, [wire], IPv4Address(gateway) if gateway else None, gateway6)
            attached.gateway = best
        finally:
            inside.close()

    def _unplug(self, attached: Attached, endpoint: Endpoint) -> None:
        assert attached.netns is not None
        self._host.links.apply([netlink.delete_link(str(endpoint.host_interface))])
        if endpoint.gateway != attached.gateway and not endpoint.gateway6:
            return
        attached.gateway = attached.first_gateway()
        inside = enter_namespace(attached.netns)
        try:
            _lead_outside(attached, inside)
        finally:
            inside.close()

    def _serve_dns(self, attached: Attached, sockets: DnsSockets | None) -> None:
        if sockets is None:
            return
        attached.dns = DnsServer(
            sockets.udp,
            sockets.tcp,
            addresses=lambda name: self._names.addresses(attached.networks(), name),
            addresses6=lambda name: self._names.addresses6(attached.networks(), name),
            name_of=lambda address: self._names.name_of(attached.networks(), address),
            servers=partial(_servers, attached),
        )

    async def _forget_flows(self, targets: Sequence[Target]) -> None:
        """Let datagrams that were sent to these ports before go where the ports lead now."""
        if ports := {t.binding.host_port for t in targets if t.binding.protocol == "udp"}:
            await self._host.in_thread(forget_udp_flows, ports)

    # -- undoing, adopting ---------------------------------------------------------------------------------------

    def _undoing(self, attached: Attached) -> Sequence[Callable[[], None]]:
        steps: MutableSequence[Callable[[], None]] = [
            partial(self._host.rules.unpublish, attached.targets),
            attached.held.release,
            attached.stop_dns,
        ]
        for endpoint in attached.endpoints:
            steps += [partial(self._names.remove, endpoint), partial(self._give_back, endpoint)]
        return steps

    def _give_back(self, endpoint: Endpoint) -> None:
        addresses = self._addresses.get(endpoint.network_id)
        if addresses is not None and endpoint.ipv4 is not None:
            addresses.give_back(IPv4Address(endpoint.ipv4))
        addresses6 = self._addresses6.get(endpoint.network_id)
        if addresses6 is not None and endpoint.ipv6 is not None:
            addresses6.give_back(IPv6Address(endpoint.ipv6))

    def _claim(self, endpoint: Endpoint) -> None:
        try:
            self._addresses[endpoint.network_id].take(IPv4Address(str(endpoint.ipv4)))
            if endpoint.ipv6 and (addresses6 := self._addresses6.get(endpoint.network_id)):
                addresses6.take(IPv6Address(endpoint.ipv6))
        except (YurtError, ValueError) as error:
            log.warning("network.address_not_adopted", endpoint=endpoint.id, error=str(error))
        self._veths[endpoint.network_id, str(endpoint.ipv4)] = str(endpoint.host_interface)
        self._names.add(endpoint)

    def _readopt_ports(self, attached: Attached, ports: Sequence[PortBinding]) -> None:
        try:
            attached.held = self._host.ports.hold_again(
                attached.request.container_id, ports, _addresses(attached)
            )
        except YurtError as error:  # someone took it meanwhile; packets still go to the container
            log.warning(
                "network.port_not_held", container=short(attached.request.container_id), error=str(error)
            )
            attached.held = self._host.ports.unheld(attached.request.container_id, ports)
        attached.targets = _targets(attached)
        self._host.rules.publish(attached.targets)

    async def _reenter(self, attached: Attached) -> None:
        """Serve DNS in its namespace again, and have it lead outside as it should, whatever was interrupted."""
        try:
            sockets = await self._host.in_thread(_enter, attached)
        except OSError as error:
            log.warning(
                "network.dns_not_adopted", container=short(attached.request.container_id), error=str(error)
            )
            return
        self._serve_dns(attached, sockets)


def _enter(attached: Attached) -> DnsSockets | None:
    assert attached.netns is not None
    moved = attached.serves_dns()
    inside = enter_namespace(attached.netns, dns=not moved)
    done = False
    try:
        _lead_outside(attached, inside)
        if moved:
            inside.move_dns()
        done = True
        return inside.dns
    finally:
        inside.close(dns=not done)


def _lead_outside(attached: Attached, inside: Inside) -> None:
    """Set its default routes, if networks of it have gateways."""
    again: list[tuple[Endpoint, IPv4Address | IPv6Address]] = []
    again += [(e, IPv4Address(e.gateway)) for e in attached.by_priority() if e.gateway][:1]
    again += [(e, IPv6Address(e.gateway6)) for e in attached.by_priority() if e.gateway6][:1]
    for through, gateway in again:
        index = inside.routes.index(str(through.interface))
        inside.routes.apply([netlink.set_default_route(gateway, index)])


def _servers(attached: Attached) -> tuple[str, ...]:
    """Return whom to ask about names that are no container's."""
    if attached.gateway is None:  # only internal networks: no way out, not by names either
        return ()
    return attached.request.dns or files.host_resolv_conf().servers


def _addresses(attached: Attached) -> Addresses:
    """Return the addresses that published ports lead to: those on the network that leads outside."""
    through = next((e for e in attached.endpoints if e.gateway == attached.gateway), None)
    if through is None or attached.gateway is None:
        return Addresses()
    return Addresses(through.ipv4, through.ipv6)


def _targets(attached: Attached) -> tuple[Target, ...]:
    through = _addresses(attached)
    if through.ipv4 is None:
        return ()
    found = [Target(through.ipv4, one) for one in attached.held.bindings if ":" not in one.host_ip]
    if through.ipv6:
        found += [Target(through.ipv6, one) for one in attached.held.bindings if ":" in one.host_ip]
    return tuple(found)


def _link_local(text: str) -> IPv4Interface | IPv6Interface:
    """Read an address that is to be given in addition, with its link's usual prefix unless it has one."""
    try:
        address = ip_interface(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid link-local IP address: {text}") from error
    if "/" in text:
        return address
    return ip_interface(f"{text}/{16 if address.version == 4 else 64}")


def _address6(text: str | None) -> IPv6Address | None:
    return IPv6Address(text) if text else None


def _names(request: SandboxRequest, endpoint: EndpointRequest) -> tuple[str, ...]:
    """Return the names of a container on a user-defined network, its own first, each once."""
    names = (request.name, *endpoint.aliases, short(request.container_id), request.hostname)
    return tuple(dict.fromkeys(name for name in names if name))


def _check_connectable(attached: Attached, network: Network) -> None:
    if attached.joined or network.bridge is None or attached.request.mode in {"host", "none"}:
        raise Forbidden(
            f"container cannot be connected to network {network.name}: one sharing the network of another "
            "container or of the host, or having none, cannot be connected to any other network"
        )
    if network.id in attached.networks():
        raise Forbidden(
            f"endpoint with name {attached.request.name} already exists in network {network.name}"
        )
