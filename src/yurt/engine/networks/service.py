"""Networks: bridges on the host, and each container's share of them.

What is durable is only the list of networks (`store`). All else is derived: addresses in use, names and published
ports are those of the containers that run, told again by `adopt` after a restart; bridges and packet rules are made
anew by `restore` when they are gone. Kernel calls take a millisecond or wait for the kernel's own lock, so they are
made in a few threads of this service.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import TypeVar

import structlog

from yurt.engine.events import Events
from yurt.engine.networks import files, ipam
from yurt.engine.networks.dns import DnsServer
from yurt.engine.networks.firewall import Firewall, Target, tag_of
from yurt.engine.networks.model import (
    Endpoint,
    EndpointRequest,
    Network,
    PortBinding,
    Sandbox,
    SandboxRequest,
)
from yurt.engine.networks.names import NameTable
from yurt.engine.networks.namespaces import (
    DnsSockets,
    HostLinks,
    Inside,
    Wire,
    enter_namespace,
    forget,
    keep,
    new_namespace,
    write_sysctl,
)
from yurt.engine.networks.pool import NamespacePool
from yurt.engine.networks.ports import Documents
from yurt.engine.networks.published import HeldPorts
from yurt.engine.networks.store import PREDEFINED, NetworkStore
from yurt.errors import Conflict, Forbidden, InvalidArgument, NotFound, Unavailable, YurtError, translated
from yurt.ids import new_id, short
from yurt.linux import netlink
from yurt.linux.nftables import Nftables
from yurt.settings import EngineSettings

log = structlog.get_logger()

T = TypeVar("T")

DEFAULT = "bridge"
BRIDGE_NAME = "com.docker.network.bridge.name"
MTU = "com.docker.network.driver.mtu"
THREADS = 4


@dataclass(slots=True)
class _Attached:
    """A started container: what `close_sandbox` has to undo."""

    request: SandboxRequest
    netns: Path | None
    endpoints: list[Endpoint] = field(default_factory=list)
    held: HeldPorts = field(default_factory=lambda: HeldPorts((), ()))
    targets: tuple[Target, ...] = ()
    dns: DnsServer | None = None
    gateway: str | None = None
    joined: "_Attached | None" = None  # mode container:<id>

    def networks(self) -> tuple[str, ...]:
        return tuple(endpoint.network_id for endpoint in self.endpoints)


class NetworkService:
    """Docker's networks, for this engine. See `yurt.engine.networks.model` for the values."""

    def __init__(self, documents: Documents, events: Events, settings: EngineSettings) -> None:
        self._events = events
        self._folder = settings.run / "netns"
        self._tag = tag_of(settings.root)
        self._store = NetworkStore(documents)
        self._addresses: dict[str, ipam.AddressPool] = {}  # by network id
        self._names = NameTable()
        self._sandboxes: dict[str, _Attached] = {}
        self._veths: dict[tuple[str, str], str] = {}  # (network id, address) → the veth that had it last
        self._changing = asyncio.Lock()  # networks are made and removed one at a time
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="yurt-network")
        self._pool = NamespacePool(self._executor)
        self._links: HostLinks | None = None
        self._firewall: Firewall | None = None
        self._nft: Nftables | None = None

    # -- life of the service -------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Afterwards every stored network and the predefined ones exist in the kernel, whatever was there before.

        Containers that still run are told next, by `adopt`, and then `sweep` removes what nobody adopted.
        """
        self._store.load()
        with translated(
            {PermissionError: Unavailable}, "cannot set up networks", hint="start the engine as root"
        ):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._links = HostLinks()
            self._nft = Nftables()
            self._firewall = Firewall(self._nft, self._tag)
            if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() != "1":
                write_sysctl("ipv4/ip_forward", "1")
            self._add_predefined()
            networks = self._store.bridges()
            for network in networks:
                self._addresses[network.id] = _address_pool(network)
                await self._in_thread(self._ensure_bridge, network)
            self._firewall.restore(networks)
            self._firewall.allow_forwarding(networks)
        self._pool.fill_when_quiet()

    async def close(self) -> None:
        """Stop serving: DNS ends, ports are let go; containers keep their network and published ports."""
        await self._pool.close()
        for attached in self._sandboxes.values():
            attached.held.release()
            if attached.dns is not None:
                attached.dns.close()
        self._sandboxes.clear()
        self._executor.shutdown(wait=True)
        if self._links is not None:
            self._links.close()
        if self._nft is not None:
            self._nft.close()

    async def dismantle(self) -> None:
        """Afterwards nothing of this engine's networks is left in the kernel; the stored networks remain stored."""
        for container_id in tuple(self._sandboxes):
            await self.close_sandbox(container_id)
        await self.sweep()
        bridges = [network.bridge for network in self._store.bridges() if network.bridge]
        self._rules.dismantle(bridges)
        await self._in_thread(self._host.apply, [netlink.delete_link(bridge) for bridge in bridges])

    # -- networks ------------------------------------------------------------------------------------------

    async def create(
        self,
        name: str,
        *,
        driver: str = "bridge",
        subnet: str | None = None,
        gateway: str | None = None,
        internal: bool = False,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Network:
        """Make a network of its own bridge. The name must be free; so must *subnet*, if one is chosen."""
        async with self._changing, AsyncExitStack() as undo:
            self._store.check_new(name)
            if driver in {"host", "none", "null"}:
                raise Forbidden(f'only one instance of "{driver}" network is allowed')
            if driver != "bridge":
                raise NotFound(f'plugin "{driver}" not found', hint="networks have the driver bridge here")
            network = self._plan(
                name,
                subnet=subnet,
                gateway=gateway,
                internal=internal,
                labels=labels or {},
                options=options or {},
            )
            addresses = _address_pool(network)
            undo.push_async_callback(self._in_thread, self._drop_bridge, network)
            await self._in_thread(self._ensure_bridge, network)
            self._rules.add_network(network)
            undo.callback(self._rules.remove_network, network)
            self._store.add(network)
            undo.pop_all()
            self._addresses[network.id] = addresses
        self._tell("create", network)
        return network

    def get(self, ref: str) -> Network:
        """Return the network named *ref*, or whose id is or begins with it."""
        return self._store.get(DEFAULT if ref == "default" else ref)

    def list(self) -> tuple[Network, ...]:
        """Return all networks, oldest first."""
        return self._store.all()

    def endpoints(self, network_id: str) -> Mapping[str, Endpoint]:
        """Return the endpoints of running containers on a network, by container id."""
        return {
            container_id: endpoint
            for container_id, attached in self._sandboxes.items()
            for endpoint in attached.endpoints
            if endpoint.network_id == network_id
        }

    def name_of(self, container_id: str) -> str:
        """Return the name of a container that has a sandbox here; its id when it has none."""
        attached = self._sandboxes.get(container_id)
        return attached.request.name if attached else container_id

    async def remove(self, ref: str) -> None:
        """Afterwards the network does not exist. One in use by a running container, or predefined, is refused."""
        async with self._changing:
            network = self.get(ref)
            if network.predefined:
                raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
            if used := self.endpoints(network.id):
                users = ", ".join(f'name:"{self.name_of(c)}" id:"{short(c)}"' for c in used)
                raise Conflict(
                    f"error while removing network: network {network.name} has active endpoints ({users})",
                    hint="stop these containers or disconnect them first",
                )
            self._store.remove(network)
            self._addresses.pop(network.id, None)
            self._veths = {key: veth for key, veth in self._veths.items() if key[0] != network.id}
            self._rules.remove_network(network)
            await self._in_thread(self._drop_bridge, network)
        self._tell("destroy", network)

    async def prune(self, *, where: Callable[[Network], bool] = lambda _network: True) -> tuple[Network, ...]:
        """Remove the networks that no running container is on and that *where* holds for; return them."""
        unused = [n for n in self.list() if not n.predefined and not self.endpoints(n.id) and where(n)]
        for network in unused:
            await self.remove(network.id)
        return tuple(unused)

    # -- sandboxes -----------------------------------------------------------------------------------------

    async def open_sandbox(self, request: SandboxRequest) -> Sandbox:
        """Give a starting container its network. All or nothing: after a failure nothing of it is left."""
        await self.close_sandbox(request.container_id)
        attached = _Attached(request, None)
        if request.mode == "host":
            self._check_texts(attached)
        elif request.mode.startswith("container:"):
            attached.joined = self._running(request.mode.removeprefix("container:"))
            attached.netns = attached.joined.netns
        elif request.mode == "none":
            self._check_texts(attached)
            attached.netns = self._folder / request.container_id
            await self._in_thread(self._make_namespace, attached.netns, self._pool.take(), (), None)
        else:
            await self._attach(attached)
        self._sandboxes[request.container_id] = attached
        for endpoint in attached.endpoints:
            self._tell_endpoint("connect", endpoint, request.container_id)
        return self._sandbox(attached)

    async def close_sandbox(self, container_id: str) -> None:
        """Afterwards the container has no network; whatever fails on the way, the rest is undone. Idempotent.

        The kernel takes its time to remove the interfaces; it does so by itself when the last process is gone.
        """
        attached = self._sandboxes.pop(container_id, None)
        if attached is None:
            return
        failures: list[Exception] = []
        for undo in self._undoing(attached):
            try:
                undo()
            except (YurtError, OSError) as error:
                failures.append(error)
        if attached.netns is not None and attached.joined is None:
            try:
                await self._in_thread(forget, attached.netns)
            except OSError as error:
                failures.append(error)
        for endpoint in attached.endpoints:
            self._tell_endpoint("disconnect", endpoint, container_id)
        if failures:
            raise ExceptionGroup(f"cannot take down the network of {short(container_id)}", failures)

    async def adopt(
        self, request: SandboxRequest, endpoints: Sequence[Endpoint], ports: Sequence[PortBinding]
    ) -> Sandbox:
        """Take over a container that ran on while the engine was away. What cannot be had again is logged."""
        attached = _Attached(request, None)
        if request.mode.startswith("container:"):
            attached.joined = self._running(request.mode.removeprefix("container:"))
            attached.netns = attached.joined.netns
        elif request.mode != "host":
            attached.netns = self._folder / request.container_id
            attached.endpoints = [e for e in endpoints if e.network_id in self._addresses]
            for endpoint in attached.endpoints:
                self._claim(endpoint)
            self._readopt_ports(attached, ports)
            if request.mode != "none":
                await self._reopen_dns(attached)
        self._sandboxes[request.container_id] = attached
        return self._sandbox(attached)

    async def sweep(self) -> None:
        """Afterwards only adopted containers have namespaces, interfaces and published ports."""
        kept = {a.netns.name for a in self._sandboxes.values() if a.netns is not None}
        for path in self._folder.iterdir():
            if path.name not in kept:
                await self._in_thread(forget, path)
        veths = {e.host_interface for a in self._sandboxes.values() for e in a.endpoints}
        bridges = {network.bridge for network in self._store.bridges()}
        stray = [
            link.name
            for link in await self._in_thread(self._host.links)
            if (link.name.startswith(self._prefix("v")) and link.name not in veths)
            or (link.name.startswith(self._prefix("u")) and link.name not in bridges)
        ]
        await self._in_thread(self._host.apply, [netlink.delete_link(name) for name in stray])
        self._rules.keep_published(t for a in self._sandboxes.values() for t in a.targets)

    async def connect(self, container_id: str, request: EndpointRequest) -> Endpoint:
        """Put a running container on one more network, at once."""
        attached = self._running(container_id)
        network = self.get(request.network)
        self._check_connectable(attached, network)
        with ExitStack() as undo:
            endpoint = self._endpoint(attached, network, request, undo)
            attached.endpoints.append(endpoint)
            undo.callback(attached.endpoints.remove, endpoint)
            await self._in_thread(self._plug, attached, endpoint)
            undo.pop_all()
        self._names.add(endpoint)
        self._tell_endpoint("connect", endpoint, container_id)
        return endpoint

    async def disconnect(self, container_id: str, network_ref: str) -> None:
        """Take a running container off a network, at once; ports published through it end."""
        attached = self._running(container_id)
        network = self.get(network_ref)
        for endpoint in attached.endpoints:
            if endpoint.network_id == network.id:
                break
        else:
            raise Conflict(f"container {container_id} is not connected to network {network.name}")
        attached.endpoints.remove(endpoint)
        self._names.remove(endpoint)
        if any(target.address == endpoint.ipv4 for target in attached.targets):
            self._rules.unpublish(attached.targets)
            attached.targets = ()
            attached.held.release()
        await self._in_thread(self._unplug, attached, endpoint)
        self._give_back(endpoint)
        self._tell_endpoint("disconnect", endpoint, container_id)

    def sandbox(self, container_id: str) -> Sandbox:
        """Return what a running container has now: its hosts file changes with `connect` and `disconnect`."""
        return self._sandbox(self._running(container_id))

    # -- attaching, in steps ---------------------------------------------------------------------------------

    async def _attach(self, attached: _Attached) -> None:
        request = attached.request
        wanted = self._wanted(request)
        self._check_texts(attached)
        async with AsyncExitStack() as undo:
            for network, endpoint_request in wanted:
                endpoint = self._endpoint(attached, network, endpoint_request, undo)
                attached.endpoints.append(endpoint)
            attached.gateway = self._gateway(attached)
            attached.held = HeldPorts.hold(request.ports if attached.gateway else ())
            undo.callback(attached.held.release)
            attached.netns = self._folder / request.container_id
            undo.push_async_callback(self._in_thread, forget, attached.netns)
            hairpin = bool(attached.held.bindings)
            wires = [self._wire(endpoint, hairpin=hairpin) for endpoint in attached.endpoints]
            sockets = await self._in_thread(
                self._make_namespace, attached.netns, self._pool.take(), wires, attached.gateway
            )
            self._serve_dns(attached, sockets)
            undo.callback(self._stop_dns, attached)
            attached.targets = self._targets(attached)
            self._rules.publish(attached.targets)
            undo.pop_all()
        for endpoint in attached.endpoints:
            self._names.add(endpoint)

    def _wanted(self, request: SandboxRequest) -> Sequence[tuple[Network, EndpointRequest]]:
        """Return the networks to attach to, that of the mode first."""
        mode = self.get(request.mode)
        wanted = {self.get(e.network).id: e for e in request.endpoints}
        first = wanted.pop(mode.id, EndpointRequest(mode.name))
        requests = [(mode, first), *((self.get(identifier), e) for identifier, e in wanted.items())]
        for network, _endpoint in requests:
            if network.bridge is None:
                raise InvalidArgument(f"cannot attach a container to both {mode.name} and {network.name}")
        return requests

    def _endpoint(
        self,
        attached: _Attached,
        network: Network,
        request: EndpointRequest,
        undo: "ExitStack | AsyncExitStack",
    ) -> Endpoint:
        """Reserve an address and names on a network; *undo* gives them back."""
        user_defined = not network.predefined
        if request.ipv4 and not user_defined:
            raise InvalidArgument(
                "invalid endpoint settings: user specified IP address is supported on user defined networks only"
            )
        if request.aliases and not user_defined:
            raise InvalidArgument(
                "invalid endpoint settings: network-scoped aliases are only supported for user-defined networks"
            )
        addresses = self._addresses[network.id]
        address = addresses.take(ipam.parse_address(request.ipv4) if request.ipv4 else None)
        undo.callback(addresses.give_back, address)
        identifier = new_id()
        names = _names(attached.request, request) if user_defined else ()
        used = {endpoint.interface for endpoint in attached.endpoints}
        return Endpoint(
            id=identifier,
            network_id=network.id,
            network_name=network.name,
            aliases=request.aliases,
            ipv4=str(address),
            prefix_length=addresses.subnet.prefixlen,
            gateway=None if network.internal else str(addresses.gateway),
            mac=request.mac or ipam.mac_of(address),
            interface=next(f"eth{n}" for n in range(len(used) + 1) if f"eth{n}" not in used),
            host_interface=self._prefix("v") + identifier[:8],
            dns_names=names,
        )

    def _wire(self, endpoint: Endpoint, *, hairpin: bool = False) -> Wire:
        network = self._store.get(endpoint.network_id)
        key = (endpoint.network_id, str(endpoint.ipv4))
        replaces = self._veths.get(key)
        self._veths[key] = str(endpoint.host_interface)
        return Wire(
            bridge=str(network.bridge),
            host_interface=str(endpoint.host_interface),
            interface=str(endpoint.interface),
            mac=str(endpoint.mac),
            address=IPv4Interface(f"{endpoint.ipv4}/{endpoint.prefix_length}"),
            mtu=_mtu(network),
            hairpin=hairpin,
            replaces=replaces,
        )

    def _make_namespace(
        self, path: Path, inside: Inside | None, wires: Sequence[Wire], gateway: str | None
    ) -> DnsSockets | None:
        """In a thread: keep a namespace at *path* with *wires* in it; return its DNS sockets if it has wires."""
        inside = inside or new_namespace()
        done = False
        try:
            forget(path)
            keep(inside.descriptor, path)
            if wires:
                for wire in wires:
                    self._ensure_bridge_named(wire.bridge)
                self._host.connect(inside, wires, IPv4Address(gateway) if gateway else None)
            done = bool(wires)
            return inside.dns if done else None
        finally:
            inside.close(dns=not done)

    def _plug(self, attached: _Attached, endpoint: Endpoint) -> None:
        assert attached.netns is not None
        inside = enter_namespace(attached.netns)
        try:
            gateway = self._gateway(attached)
            self._host.connect(
                inside,
                [self._wire(endpoint)],
                IPv4Address(gateway) if gateway and not attached.gateway else None,
            )
            attached.gateway = attached.gateway or gateway
        finally:
            inside.close()

    def _unplug(self, attached: _Attached, endpoint: Endpoint) -> None:
        assert attached.netns is not None
        self._host.apply([netlink.delete_link(str(endpoint.host_interface))])
        if endpoint.gateway != attached.gateway:
            return
        attached.gateway = self._gateway(attached)
        if attached.gateway is None:
            return
        inside = enter_namespace(attached.netns)
        try:
            through = next(e for e in attached.endpoints if e.gateway == attached.gateway)
            index = inside.routes.index(str(through.interface))
            inside.routes.apply([netlink.set_default_route(IPv4Address(attached.gateway), index)])
        finally:
            inside.close()

    def _gateway(self, attached: _Attached) -> str | None:
        """Return the gateway of the first network that leads outside."""
        return next((e.gateway for e in attached.endpoints if e.gateway), None)

    def _targets(self, attached: _Attached) -> tuple[Target, ...]:
        address = next((e.ipv4 for e in attached.endpoints if e.gateway == attached.gateway), None)
        if address is None or attached.gateway is None:
            return ()
        return tuple(Target(address, binding) for binding in attached.held.bindings)

    def _serve_dns(self, attached: _Attached, sockets: DnsSockets | None) -> None:
        if sockets is None:
            return
        attached.dns = DnsServer(
            sockets.udp,
            sockets.tcp,
            addresses=lambda name: self._names.addresses(attached.networks(), name),
            name_of=lambda address: self._names.name_of(attached.networks(), address),
            servers=lambda: self._servers(attached),
        )

    def _servers(self, attached: _Attached) -> tuple[str, ...]:
        if attached.gateway is None:  # only internal networks: no way out, not by names either
            return ()
        return attached.request.dns or files.host_resolv_conf().servers

    @staticmethod
    def _stop_dns(attached: _Attached) -> None:
        if attached.dns is not None:
            attached.dns.close()

    # -- undoing, adopting -----------------------------------------------------------------------------------

    def _undoing(self, attached: _Attached) -> Sequence[Callable[[], None]]:
        steps: MutableSequence[Callable[[], None]] = [
            partial(self._rules.unpublish, attached.targets),
            attached.held.release,
            partial(self._stop_dns, attached),
        ]
        for endpoint in attached.endpoints:
            steps += [partial(self._names.remove, endpoint), partial(self._give_back, endpoint)]
        return steps

    def _give_back(self, endpoint: Endpoint) -> None:
        addresses = self._addresses.get(endpoint.network_id)
        if addresses is not None and endpoint.ipv4 is not None:
            addresses.give_back(IPv4Address(endpoint.ipv4))

    def _claim(self, endpoint: Endpoint) -> None:
        try:
            self._addresses[endpoint.network_id].take(IPv4Address(endpoint.ipv4 or ""))
        except (YurtError, ValueError) as error:
            log.warning("network.address_not_adopted", endpoint=endpoint.id, error=str(error))
        self._veths[endpoint.network_id, str(endpoint.ipv4)] = str(endpoint.host_interface)
        self._names.add(endpoint)

    def _readopt_ports(self, attached: _Attached, ports: Sequence[PortBinding]) -> None:
        attached.gateway = self._gateway(attached)
        try:
            attached.held = HeldPorts.hold(ports)
        except YurtError as error:  # someone took it meanwhile; packets still go to the container
            log.warning(
                "network.port_not_held", container=short(attached.request.container_id), error=str(error)
            )
            attached.held = HeldPorts(tuple(ports), ())
        attached.targets = self._targets(attached)
        self._rules.publish(attached.targets)

    async def _reopen_dns(self, attached: _Attached) -> None:
        assert attached.netns is not None
        try:
            inside = await self._in_thread(lambda path: enter_namespace(path, dns=True), attached.netns)
        except OSError as error:
            log.warning(
                "network.dns_not_adopted", container=short(attached.request.container_id), error=str(error)
            )
            return
        inside.close(dns=False)
        self._serve_dns(attached, inside.dns)

    def _running(self, container_id: str) -> _Attached:
        attached = self._sandboxes.get(container_id)
        if attached is None:
            raise Conflict(f"container {short(container_id)} is not running: it has no network")
        return attached

    def _check_connectable(self, attached: _Attached, network: Network) -> None:
        if network.bridge is None or attached.netns is None or attached.request.mode == "none":
            raise Forbidden(
                f"container cannot be connected to network {network.name}: "
                "container sharing the host's network or having none cannot be connected to any other network"
            )
        if attached.joined is not None:
            raise Forbidden(
                "container sharing network namespace with another container or host cannot be connected to any other network"
            )
        if network.id in attached.networks():
            raise Forbidden(
                f"endpoint with name {attached.request.name} already exists in network {network.name}"
            )

    # -- texts -----------------------------------------------------------------------------------------------

    def _check_texts(self, attached: _Attached) -> None:
        """Raise for an extra host that cannot be written, before anything is made."""
        self._extra_hosts(attached.request)

    def _extra_hosts(self, request: SandboxRequest) -> Sequence[tuple[str, str]]:
        gateway = self._store.get(DEFAULT).gateway
        return [files.parse_extra_host(text, gateway=gateway) for text in request.extra_hosts]

    def _sandbox(self, attached: _Attached) -> Sandbox:
        request = attached.request
        if attached.joined is not None:
            return replace(
                self._sandbox(attached.joined), container_id=request.container_id, endpoints=(), ports=()
            )
        extra = self._extra_hosts(request)
        host = files.host_resolv_conf()
        if attached.netns is None:
            hosts = files.host_hosts_text(extra)
        else:
            own = [(e.ipv4, _own_names(request.hostname)) for e in attached.endpoints if e.ipv4]
            hosts = files.hosts_text(own, extra)
        if request.mode in {"host", "none"}:
            resolv = files.own_resolv_conf(
                host, servers=request.dns, search=request.dns_search, options=request.dns_options
            )
        else:
            resolv = files.embedded_resolv_conf(host, search=request.dns_search, options=request.dns_options)
        return Sandbox(
            container_id=request.container_id,
            netns=attached.netns,
            endpoints=tuple(attached.endpoints),
            ports=attached.held.bindings,
            hosts=hosts,
            resolv_conf=str(resolv),
        )

    # -- bridges ---------------------------------------------------------------------------------------------

    def _add_predefined(self) -> None:
        known = {network.name for network in self._store.all()}
        for name in PREDEFINED:
            if name in known:
                continue
            if name == DEFAULT:
                network = self._plan(name, labels={}, options={})
                network = replace(network, predefined=True)
            else:
                driver = "null" if name == "none" else name
                network = Network(new_id(), name, driver, time.time_ns(), predefined=True)
            self._store.add(network)

    def _plan(
        self,
        name: str,
        *,
        subnet: str | None = None,
        gateway: str | None = None,
        internal: bool = False,
        labels: Mapping[str, str],
        options: Mapping[str, str],
    ) -> Network:
        """Decide on a new network's subnet, gateway and bridge."""
        mine = [IPv4Network(n.subnet) for n in self._store.bridges() if n.subnet]
        if subnet is None:
            chosen = ipam.free_subnet([*mine, *self._host.destinations()])
        else:
            chosen = ipam.parse_subnet(subnet)
            if any(chosen.overlaps(other) for other in mine):
                raise Conflict(
                    "invalid pool request: Pool overlaps with other one on this address space",
                    hint=f"{subnet} is used by another network: yurt network ls, yurt network inspect",
                )
        identifier = new_id()
        network = Network(
            id=identifier,
            name=name,
            driver="bridge",
            created_ns=time.time_ns(),
            subnet=str(chosen),
            gateway=str(ipam.parse_address(gateway)) if gateway else str(chosen.network_address + 1),
            bridge=options.get(BRIDGE_NAME) or self._prefix("u") + identifier[:8],
            internal=internal,
            labels=dict(labels),
            options=dict(options),
        )
        _check_options(network)
        if any(network.bridge == other.bridge for other in self._store.bridges()):
            raise Conflict(f"cannot make network {name}: bridge {network.bridge} belongs to another network")
        return network

    def _ensure_bridge(self, network: Network) -> None:
        gateway = IPv4Address(str(network.gateway))
        prefix = str(network.subnet).rpartition("/")[2]
        self._host.ensure_bridge(
            str(network.bridge), IPv4Interface(f"{gateway}/{prefix}"), ipam.mac_of(gateway), mtu=_mtu(network)
        )

    def _ensure_bridge_named(self, bridge: str) -> None:
        """Make a bridge again that someone removed behind our back."""
        if not Path(f"/sys/class/net/{bridge}").exists():
            self._ensure_bridge(next(n for n in self._store.bridges() if n.bridge == bridge))

    def _drop_bridge(self, network: Network) -> None:
        self._host.apply([netlink.delete_link(str(network.bridge))])

    # -- small things ------------------------------------------------------------------------------------------

    def _prefix(self, kind: str) -> str:
        """Return how our interfaces' names begin: yu… for bridges, yv… for veths."""
        return f"y{kind}{self._tag[:5]}"

    @property
    def _host(self) -> HostLinks:
        if self._links is None:
            raise Unavailable("networks are not set up", hint="restore() was not called, or failed")
        return self._links

    @property
    def _rules(self) -> Firewall:
        if self._firewall is None:
            raise Unavailable("networks are not set up", hint="restore() was not called, or failed")
        return self._firewall

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)

    def _tell(self, action: str, network: Network) -> None:
        self._events.publish("network", action, network.id, {"name": network.name, "type": network.driver})

    def _tell_endpoint(self, action: str, endpoint: Endpoint, container_id: str) -> None:
        self._events.publish(
            "network",
            action,
            endpoint.network_id,
            {"container": container_id, "name": endpoint.network_name, "type": "bridge"},
        )


def _names(request: SandboxRequest, endpoint: EndpointRequest) -> tuple[str, ...]:
    """Return the names of a container on a user-defined network, its own first, each once."""
    names = (request.name, *endpoint.aliases, short(request.container_id), request.hostname)
    return tuple(dict.fromkeys(name for name in names if name))


def _own_names(hostname: str) -> str:
    bare = hostname.partition(".")[0]
    return hostname if bare == hostname else f"{hostname} {bare}"


def _address_pool(network: Network) -> ipam.AddressPool:
    return ipam.AddressPool(IPv4Network(str(network.subnet)), IPv4Address(str(network.gateway)))


def _mtu(network: Network) -> int | None:
    value = network.options.get(MTU)
    return int(value) if value else None


def _check_options(network: Network) -> None:
    if len(str(network.bridge).encode()) > 15 or set(str(network.bridge)) & set('/ "\\*'):
        raise InvalidArgument(f"invalid bridge name {network.bridge!r}: at most 15 characters, no slash")
    value = network.options.get(MTU, "1500")
    if not value.isdecimal() or not 68 <= int(value) <= 65535:
        raise InvalidArgument(f"invalid {MTU} {value!r}: a number from 68 to 65535")
