"""Networks."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from aiohttp.web_response import StreamResponse

from yurt.api.types import networks as wire
from yurt.engine.containers.model import Container
from yurt.engine.networks.model import Endpoint, EndpointRequest, Network
from yurt.errors import Conflict, Forbidden, InvalidArgument, NotFound, Unimplemented, YurtError
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.select import labels
from yurt.server.select import networks as selection
from yurt.server.wire import create, times
from yurt.server.wire import networks as translate


class NetworkBackend(Protocol):
    """What these routes need of the engine's networks."""

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
        labels: Mapping[str, str] = ...,
        options: Mapping[str, str] = ...,
        ipam_driver: str = ...,
        ipam_options: Mapping[str, str] | None = None,
    ) -> Network: ...
    def get(self, ref: str) -> Network: ...
    def list(self) -> Iterable[Network]: ...
    async def remove(self, ref: str) -> None: ...
    async def prune(self, *, where: Callable[[Network], bool] = ...) -> Iterable[Network]: ...
    def endpoints(self, network_id: str) -> Mapping[str, Endpoint]: ...


class Members(Protocol):
    """What these routes need of the engine's containers."""

    def get(self, ref: str) -> Container: ...
    def list(self) -> Iterable[Container]: ...
    async def connect(self, network: str, ref: str, request: EndpointRequest) -> None: ...
    async def disconnect(self, network: str, ref: str, *, force: bool = False) -> None: ...


class NetworkRoutes:
    def __init__(self, networks: NetworkBackend, containers: Members) -> None:
        self._networks = networks
        self._containers = containers

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/networks", self.list),
            Route("POST", "/networks/create", self.create),
            Route("POST", "/networks/prune", self.prune),
            Route("GET", "/networks/{id}", self.inspect),
            Route("DELETE", "/networks/{id}", self.remove),
            Route("POST", "/networks/{id}/connect", self.connect),
            Route("POST", "/networks/{id}/disconnect", self.disconnect),
        )

    async def list(self, call: Call) -> StreamResponse:
        filters = call.filters(*selection.KNOWN)
        for value in filters.get("type", ()):
            if value not in {"builtin", "custom"}:
                raise InvalidArgument(f"invalid filter: 'type'='{value}'")
        call.truths(filters, "dangling")
        found = selection.select(self._networks.list(), filters, is_used=self._is_used)
        return answers.as_json([translate.inspect(network, {}, self._container_name) for network in found])

    async def inspect(self, call: Call) -> StreamResponse:
        network = self._networks.get(call.places["id"])
        if call.text("scope", "local") not in {"", "local"}:
            raise NotFound(f"network {call.places['id']} not found")
        endpoints = self._networks.endpoints(network.id)
        return answers.as_json(translate.inspect(network, endpoints, self._container_name))

    async def create(self, call: Call) -> StreamResponse:
        body = await call.body(wire.CreateNetwork)
        _check_kind(body)
        first, six = _configs(body)
        network = await self._networks.create(
            body.name,
            driver=body.driver or "bridge",
            subnet=first.subnet or None,
            gateway=first.gateway or None,
            ipv6=bool(body.enable_ipv6),
            subnet6=six.subnet or None,
            gateway6=six.gateway or None,
            ip_range=first.ip_range or None,
            reserved=first.auxiliary_addresses,
            attachable=bool(body.attachable),
            internal=bool(body.internal),
            labels=body.labels or {},
            options=body.options or {},
            ipam_driver=(body.ipam and body.ipam.driver) or "default",
            ipam_options=body.ipam.options if body.ipam else None,
        )
        return answers.as_json(wire.NetworkCreated(id=network.id), status=201)

    async def remove(self, call: Call) -> StreamResponse:
        """Afterwards no such network is. A stopped container that names it does not hold it, as in Docker."""
        try:
            await self._networks.remove(call.places["id"])
        except Conflict as used:  # Docker's clients expect 403 where everything else that is in use is 409
            raise Forbidden(used.message, hint=used.hint) from used
        return answers.nothing()

    async def connect(self, call: Call) -> StreamResponse:
        body = await call.body(wire.ConnectContainer)
        network = self._networks.get(call.places["id"])
        await self._containers.connect(
            network.id, body.container, create.endpoint(network.name, body.endpoint_config)
        )
        return answers.nothing(200)

    async def disconnect(self, call: Call) -> StreamResponse:
        body = await call.body(wire.DisconnectContainer)
        network = self._networks.get(call.places["id"])
        try:
            await self._containers.disconnect(network.id, body.container, force=bool(body.force))
        except NotFound:
            if not body.force:
                raise
        return answers.nothing(200)

    async def prune(self, call: Call) -> StreamResponse:
        """Remove the networks that no container, running or not, is on; names are answered."""
        filters = call.filters("label", "label!", "until")
        before = times.cutoff(filters.get("until", ()))
        pruned = await self._networks.prune(
            where=lambda network: (
                labels.match(network.labels, filters)
                and not self._is_used(network)
                and not (before and network.created_ns >= before)
            )
        )
        return answers.as_json(
            wire.NetworksPruned(networks_deleted=[network.name for network in pruned] or None)
        )

    def _is_used(self, network: Network) -> bool:
        if self._networks.endpoints(network.id):
            return True
        names = {network.name, network.id}
        return any(
            container.host.network_mode in names
            or any(request.network in names for request in container.endpoints)
            for container in self._containers.list()
        )

    def _container_name(self, container_id: str) -> str:
        try:
            return self._containers.get(container_id).name
        except YurtError:
            return ""


def _check_kind(body: wire.CreateNetwork) -> None:
    """Refuse the kinds of networks that belong to a swarm, or that are not offered."""
    if body.ingress:
        raise Forbidden("Ingress network can only be global scope network", hint="there is no swarm here")
    if body.driver == "overlay":
        raise Forbidden(
            "This node is not a swarm manager: Yurt runs on one machine and has no overlay networks",
            hint="use the driver bridge",
        )
    if body.scope not in {None, "", "local"}:
        raise Forbidden(f"cannot create a {body.scope} scoped network when swarm is not active")
    if name := (body.config_from or {}).get("Network"):
        raise NotFound(
            f'configuration network "{name}" does not exist',
            hint="say what it would say in the network itself",
        )
    if body.config_only:
        raise Unimplemented(
            f"cannot create {body.name}: networks that are only a configuration are not supported",
            hint="leave --config-only out, and say the same in each network",
        )
    if body.enable_ipv4 is False:
        raise Unimplemented(
            "networks without IPv4 are not supported", hint="leave EnableIPv4 out: it can have both"
        )


def _configs(body: wire.CreateNetwork) -> tuple[wire.IpamConfig, wire.IpamConfig]:
    """Return what is asked of the IPv4 subnet and of the IPv6 one; a network has at most one of each."""
    asked = (body.ipam.config if body.ipam else None) or []
    six = [one for one in asked if ":" in (one.subnet or one.gateway or "")]
    four = [one for one in asked if one not in six]
    for kind, some in (("IPv4", four), ("IPv6", six)):
        if len(some) > 1:
            raise InvalidArgument(f"network {body.name} asks for {len(some)} {kind} subnets; it can have one")
    if six and not body.enable_ipv6:
        raise InvalidArgument(
            f"network {body.name} has an IPv6 subnet, but IPv6 is not enabled", hint="add --ipv6"
        )
    return (four or [wire.IpamConfig()])[0], (six or [wire.IpamConfig()])[0]
