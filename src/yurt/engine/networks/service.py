"""Networks: bridges on the host, and each container's share of them.

What is durable is only the list of networks (`store`). All else is derived: addresses in use, names and published
ports are those of the containers that run, told again by `adopt` after a restart; bridges and packet rules are made
anew by `restore` when they are gone.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from yurt.engine import boot
from yurt.engine.events import Events
from yurt.engine.networks import files
from yurt.engine.networks.firewall import tag_of
from yurt.engine.networks.host import Host
from yurt.engine.networks.model import (
    Endpoint,
    EndpointRequest,
    Network,
    PortBinding,
    Sandbox,
    SandboxRequest,
)
from yurt.engine.networks.namespaces import write_sysctl
from yurt.engine.networks.ports import Documents, HostPorts
from yurt.engine.networks.published import OwnPorts
from yurt.engine.networks.relayed import KeeperPorts
from yurt.engine.networks.sandboxes import Attached, Sandboxes
from yurt.engine.networks.store import DEFAULT, PREDEFINED, NetworkStore
from yurt.engine.repairs import Repairs, repairs
from yurt.errors import Conflict, Forbidden, NotFound, Unavailable, translated
from yurt.ids import new_id, short
from yurt.linux.relay.client import RelayClient
from yurt.linux.rootless.client import KeeperClient
from yurt.settings import EngineSettings

IPAM_DRIVER = "default"  # the only one
_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


class NetworkService:
    """Docker's networks, for this engine. See `yurt.engine.networks.model` for the values."""

    def __init__(self, documents: Documents, events: Events, settings: EngineSettings) -> None:
        self._events = events
        self._folder = settings.run / boot.NETWORKS
        self._tag = tag_of(settings.root)
        self._has_keeper = settings.keeper is not None
        self._ports: HostPorts = (
            KeeperPorts(KeeperClient(settings.keeper))
            if settings.keeper
            else OwnPorts(RelayClient(settings.run))
        )
        self._store = NetworkStore(documents)
        self._changing = asyncio.Lock()  # networks are made and removed one at a time
        self._opened: tuple[Host, Sandboxes] | None = None

    # -- life of the service -------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Afterwards every stored network and the predefined ones exist in the kernel, whatever was there before.

        Containers that still run are told next, by `adopt`, and then `sweep` removes what nobody adopted.
        """
        self._store.load()
        with translated({OSError: Unavailable}, "cannot set up networks", hint="start the engine as root"):
            self._folder.mkdir(parents=True, exist_ok=True)
            host = Host(self._tag, self._ports)
            self._opened = host, Sandboxes(host, self._store, self._folder)
            if _IP_FORWARD.read_text().strip() != "1":
                write_sysctl("ipv4/ip_forward", "1")
            self._add_predefined()
            networks = self._store.bridges()
            for network in networks:
                self._sandboxes.serve(network)
                await host.in_thread(host.bridges.ensure, network)
            host.rules.restore(networks)
            if self._has_keeper:
                host.rules.drop_strays()
            host.rules.allow_forwarding(networks)
        host.watch(self._store.bridges)
        host.pool.fill_when_quiet()

    async def close(self) -> None:
        """Stop serving: DNS ends, ports are let go; containers keep their network and published ports. Idempotent."""
        if self._opened is not None:
            host, sandboxes = self._opened
            self._opened = None
            sandboxes.let_go()
            await host.close()

    async def dismantle(self) -> None:
        """Afterwards nothing of this engine's networks is left in the kernel; the stored networks remain stored."""
        for container_id in self._sandboxes.ids():
            await self.close_sandbox(container_id)
        await self.sweep()
        networks = self._store.bridges()
        self._host.rules.dismantle(network.bridge for network in networks if network.bridge)
        for network in networks:
            await self._host.in_thread(self._host.bridges.drop, network)

    # -- networks ------------------------------------------------------------------------------------------

    async def create(
        self,
        name: str,
        *,
        driver: str = "bridge",
        subnet: str | None = None,
        gateway: str | None = None,
        ipv6: bool = False,
        subnet6: str | None = None,
        gateway6: str | None = None,
        ip_range: str | None = None,
        reserved: Mapping[str, str] | None = None,
        attachable: bool = False,
        internal: bool = False,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        ipam_driver: str = IPAM_DRIVER,
        ipam_options: Mapping[str, str] | None = None,
    ) -> Network:
        """Make a network of its own bridge. The name must be free; so must *subnet*, if one is chosen."""
        host = self._host
        async with self._changing, AsyncExitStack() as undo:
            self._store.check_new(name)
            if driver in {"host", "none", "null"}:
                raise Forbidden(f'only one instance of "{driver}" network is allowed')
            if driver != "bridge":
                raise NotFound(f'plugin "{driver}" not found', hint="networks have the driver bridge here")
            if ipam_driver != IPAM_DRIVER:
                raise NotFound(
                    f'plugin "{ipam_driver}" not found', hint=f"addresses have the driver {IPAM_DRIVER} here"
                )
            network = host.bridges.plan(
                name,
                self._store.bridges(),
                subnet=subnet,
                gateway=gateway,
                ipv6=ipv6,
                subnet6=subnet6,
                gateway6=gateway6,
                ip_range=ip_range,
                reserved=reserved,
                attachable=attachable,
                internal=internal,
                labels=labels or {},
                options=options or {},
                ipam_options=ipam_options,
            )
            self._sandboxes.serve(network)
            undo.callback(self._sandboxes.forget, network)
            undo.push_async_callback(host.in_thread, host.bridges.drop, network)
            await host.in_thread(host.bridges.ensure, network)
            host.rules.add_network(network)
            undo.callback(host.rules.remove_network, network)
            self._store.add(network)
            undo.pop_all()
        await asyncio.to_thread(self._store.sync)
        self._tell("create", network)
        return network

    def get(self, ref: str) -> Network:
        """Return the network named *ref*, or whose id is or begins with it."""
        return self._store.get(ref)

    def list(self) -> tuple[Network, ...]:
        """Return all networks, oldest first."""
        return self._store.all()

    def endpoints(self, network_id: str) -> Mapping[str, Endpoint]:
        """Return the endpoints of running containers on a network, by container id."""
        return self._sandboxes.endpoints(network_id) if self._opened else {}

    async def remove(self, ref: str) -> None:
        """Afterwards the network does not exist. One in use by a running container, or predefined, is refused."""
        async with self._changing:
            network = self.get(ref)
            if network.predefined:
                raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
            if used := self.endpoints(network.id):
                users = ", ".join(
                    f'name:"{self._sandboxes.get(user).request.name}" id:"{short(user)}"' for user in used
                )
                raise Conflict(
                    f"error while removing network: network {network.name} has active endpoints ({users})",
                    hint="stop these containers or disconnect them first",
                )
            self._store.remove(network)
            self._sandboxes.forget(network)
            self._host.rules.remove_network(network)
            await self._host.in_thread(self._host.bridges.drop, network)
            await asyncio.to_thread(self._store.sync)
        self._tell("destroy", network)

    async def prune(self, *, where: Callable[[Network], bool] = lambda _network: True) -> tuple[Network, ...]:
        """Remove the networks that no running container is on and that *where* holds for; return them."""
        unused = [n for n in self.list() if not n.predefined and not self.endpoints(n.id) and where(n)]
        for network in unused:
            await self.remove(network.id)
        self._events.pruned("network", 0)
        return tuple(unused)

    # -- sandboxes -----------------------------------------------------------------------------------------

    async def open_sandbox(self, request: SandboxRequest) -> Sandbox:
        """Give a starting container its network. All or nothing: after a failure nothing of it is left."""
        await self.close_sandbox(request.container_id)
        self._extra_hosts(request)  # refused before anything is made
        attached = await self._sandboxes.open(request)
        for endpoint in attached.endpoints:
            self._tell_endpoint("connect", endpoint, request.container_id)
        return self._to_sandbox(attached)

    async def close_sandbox(self, container_id: str) -> None:
        """Afterwards the container has no network. Idempotent; goes on past failures and raises them as a group."""
        for endpoint in await self._sandboxes.close(container_id):
            self._tell_endpoint("disconnect", endpoint, container_id)

    async def adopt(
        self, request: SandboxRequest, endpoints: Sequence[Endpoint], ports: Sequence[PortBinding]
    ) -> Sandbox:
        """Take over a container that ran on while the engine was away; *endpoints* and *ports* as it had them.

        Containers may be adopted in any order, also one that shares the namespace of another.
        """
        return self._to_sandbox(await self._sandboxes.adopt(request, endpoints, ports))

    async def sweep(self) -> Repairs:
        """Afterwards only adopted containers have namespaces, interfaces and published ports."""
        return repairs("removed", await self._sandboxes.sweep(), " that no running container has")

    def rename(self, container_id: str, name: str) -> tuple[Endpoint, ...]:
        """Have a running container found by its new name instead of its old one; return its endpoints now."""
        return self._sandboxes.rename(container_id, name)

    @asynccontextmanager
    async def succeeding(
        self,
        old_id: str,
        new_id: str,
        ports: Sequence[PortBinding],
        aliases: Mapping[str, tuple[str, ...]],
    ) -> AsyncIterator[tuple[Sandbox, Sandbox]]:
        """Have a running container take over ports and names from another; see `Sandboxes.succeeding`. Yields both."""
        async with self._sandboxes.succeeding(old_id, new_id, ports, aliases) as (old, new):
            yield self._to_sandbox(old), self._to_sandbox(new)

    async def connect(self, container_id: str, request: EndpointRequest) -> Endpoint:
        """Put a running container on one more network, at once."""
        endpoint = await self._sandboxes.connect(container_id, self.get(request.network), request)
        self._tell_endpoint("connect", endpoint, container_id)
        return endpoint

    async def disconnect(self, container_id: str, network_ref: str) -> None:
        """Take a running container off a network, at once; ports published through it end."""
        endpoint = await self._sandboxes.disconnect(container_id, self.get(network_ref))
        self._tell_endpoint("disconnect", endpoint, container_id)

    def sandbox(self, container_id: str) -> Sandbox:
        """Return what a running container has now: its hosts file changes with `connect` and `disconnect`."""
        return self._to_sandbox(self._sandboxes.get(container_id))

    def set_extra_hosts(self, container_id: str, extra_hosts: tuple[str, ...]) -> Sandbox | None:
        """Change the names in a running container's hosts file; return what it had before, None if it has no network."""
        attached = self._sandboxes.find(container_id)
        if attached is None:
            return None
        before = self._to_sandbox(attached)
        attached.request = replace(attached.request, extra_hosts=extra_hosts)
        return before

    # -- steps -----------------------------------------------------------------------------------------------

    def _to_sandbox(self, attached: Attached) -> Sandbox:
        request = attached.request
        if attached.joined and (owner := self._sandboxes.find(attached.joined)) is not None:
            return replace(self._to_sandbox(owner), container_id=request.container_id, endpoints=(), ports=())
        extra = self._extra_hosts(request)
        if attached.netns is None:
            hosts = files.host_hosts_text(extra)
        else:
            own = [
                (address, files.own_names(request.hostname, request.domainname))
                for e in attached.endpoints
                for address in (e.ipv4, e.ipv6)
                if address
            ]
            hosts = files.hosts_text(own, extra)
        return Sandbox(
            container_id=request.container_id,
            netns=attached.netns,
            endpoints=tuple(attached.endpoints),
            ports=attached.held.bindings,
            hosts=hosts,
            resolv_conf=str(_resolv_conf(attached)),
        )

    def _extra_hosts(self, request: SandboxRequest) -> Sequence[tuple[str, str]]:
        gateway = self._store.get(DEFAULT).gateway
        return [files.parse_extra_host(text, gateway=gateway) for text in request.extra_hosts]

    def _add_predefined(self) -> None:
        known = {network.name for network in self._store.all()}
        for name in PREDEFINED:
            if name in known:
                continue
            if name == DEFAULT:
                network = self._host.bridges.plan(name, self._store.bridges(), labels={}, options={})
                network = replace(network, predefined=True)
            else:
                driver = "null" if name == "none" else name
                network = Network(new_id(), name, driver, time.time_ns(), predefined=True)
            self._store.add(network)

    @property
    def _host(self) -> Host:
        return self._running()[0]

    @property
    def _sandboxes(self) -> Sandboxes:
        return self._running()[1]

    def _running(self) -> tuple[Host, Sandboxes]:
        if self._opened is None:
            raise Unavailable("networks are not set up", hint="the engine is starting or stopping; try again")
        return self._opened

    def _tell(self, action: str, network: Network) -> None:
        self._events.publish("network", action, network.id, {"name": network.name, "type": network.driver})

    def _tell_endpoint(self, action: str, endpoint: Endpoint, container_id: str) -> None:
        self._events.publish(
            "network",
            action,
            endpoint.network_id,
            {"container": container_id, "name": endpoint.network_name, "type": "bridge"},
        )


def _resolv_conf(attached: Attached) -> files.ResolvConf:
    """Return whom a container asks for names.

    On a network that knows names, the embedded DNS. On the default one the servers that it was given, or the host's, as
    in Docker, and the embedded DNS where a container can't reach them: it asks as the host does.
    """
    request, host = attached.request, files.host_resolv_conf()
    has_names = any(endpoint.dns_names for endpoint in attached.endpoints)
    if request.mode not in {"host", "none"}:
        six = any(endpoint.ipv6 for endpoint in attached.endpoints)
        there = host if request.dns else files.reachable(host, six=six)
        if has_names or there is None:
            return files.embedded_resolv_conf(host, search=request.dns_search, options=request.dns_options)
        host = there
    return files.own_resolv_conf(
        host, servers=request.dns, search=request.dns_search, options=request.dns_options
    )
