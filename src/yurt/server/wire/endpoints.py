"""A container's share of its networks: ``NetworkSettings`` of inspect and of the list."""

from collections.abc import Callable

from yurt.api.types import containers as wire
from yurt.api.types.networks import EndpointIpam, EndpointSettings
from yurt.engine.containers.model import Container
from yurt.engine.networks.model import Endpoint, EndpointRequest
from yurt.server.wire import ports

NetworkId = Callable[[str], str]
"""Return the id of the network of that name or id; empty if it is gone."""


def to_wire(container: Container, network_id: NetworkId) -> dict[str, EndpointSettings]:
    """Return ``Networks``: what it has while it runs, what it will ask for otherwise.

    Clients (Compose among them) recognise a stopped container's networks by their NetworkID.
    """
    asked = {request.network: request for request in container.endpoints}
    by_id = {network_id(name): request for name, request in asked.items()}
    if container.networks:
        return {
            endpoint.network_name: _live(endpoint, by_id.get(endpoint.network_id))
            for endpoint in container.networks
        }
    mode = container.host.network_mode
    if mode in {"host", "none"}:
        return {mode: EndpointSettings(network_id=network_id(mode))}
    return {name: _wanted(request, network_id(name)) for name, request in asked.items()}


def _ipam(request: EndpointRequest | None) -> EndpointIpam | None:
    if request is None or not (request.ipv4 or request.ipv6 or request.link_local):
        return None
    return EndpointIpam(
        ipv4_address=request.ipv4, ipv6_address=request.ipv6, link_local_ips=list(request.link_local) or None
    )


def _live(endpoint: Endpoint, request: EndpointRequest | None) -> EndpointSettings:
    return EndpointSettings(
        ipam_config=_ipam(request),
        aliases=list(endpoint.aliases) or None,
        mac_address=endpoint.mac or "",
        network_id=endpoint.network_id,
        endpoint_id=endpoint.id,
        gateway=endpoint.gateway or "",
        ip_address=endpoint.ipv4 or "",
        ip_prefix_len=endpoint.prefix_length,
        ipv6_gateway=endpoint.gateway6 or "",
        global_ipv6_address=endpoint.ipv6 or "",
        global_ipv6_prefix_len=endpoint.prefix_length6,
        dns_names=list(endpoint.dns_names) or None,
        gw_priority=endpoint.gateway_priority,
        driver_opts=(dict(request.options) if request else {}) or None,
    )


def _wanted(request: EndpointRequest, network_id: str) -> EndpointSettings:
    return EndpointSettings(
        ipam_config=_ipam(request),
        aliases=list(request.aliases) or None,
        mac_address=request.mac or "",
        network_id=network_id,
        gw_priority=request.gateway_priority,
        driver_opts=dict(request.options) or None,
    )


def settings(container: Container, network_id: NetworkId) -> wire.NetworkSettings:
    """Return ``NetworkSettings`` of inspect; the flat fields tell of the default network, as ever."""
    networks = to_wire(container, network_id)
    is_live = bool(container.networks)
    answer = wire.NetworkSettings(
        sandbox_id=container.id if is_live else "",
        ports=ports.to_wire(container.ports, container.config.exposed_ports) if is_live else {},
        networks=networks,
    )
    if is_live and (default := networks.get("bridge")):
        answer.endpoint_id = default.endpoint_id or ""
        answer.gateway = default.gateway or ""
        answer.ip_address = default.ip_address or ""
        answer.ip_prefix_len = default.ip_prefix_len or 0
        answer.mac_address = default.mac_address or ""
    return answer
