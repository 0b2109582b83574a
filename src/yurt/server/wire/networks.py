"""Networks to the wire."""

from collections.abc import Callable, Mapping

from yurt.api.types import networks as wire
from yurt.engine.networks.model import Endpoint, Network
from yurt.server.wire import times

WIRE_DRIVERS = {"none": "null"}  # what Docker calls them


def inspect(
    network: Network, endpoints: Mapping[str, Endpoint], container_name: Callable[[str], str]
) -> wire.NetworkInspect:
    """Return the answer of ``GET /networks/{id}``; the list has the same entries without containers."""
    config = [wire.IpamConfig(subnet=network.subnet, gateway=network.gateway)] if network.subnet else None
    return wire.NetworkInspect(
        name=network.name,
        id=network.id,
        created=times.rfc3339(network.created_ns),
        driver=WIRE_DRIVERS.get(network.driver, network.driver),
        ipam=wire.Ipam(options={}, config=config),
        internal=network.internal,
        containers={
            container_id: wire.NetworkContainer(
                name=container_name(container_id),
                endpoint_id=endpoint.id,
                mac_address=endpoint.mac or "",
                ipv4_address=f"{endpoint.ipv4}/{endpoint.prefix_length}" if endpoint.ipv4 else "",
            )
            for container_id, endpoint in endpoints.items()
        },
        options=dict(network.options),
        labels=dict(network.labels),
    )
