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
    config = None
    if network.subnet:
        config = [
            wire.IpamConfig(
                subnet=network.subnet,
                ip_range=network.ip_range,
                gateway=network.gateway,
                auxiliary_addresses=dict(network.reserved) or None,
            )
        ]
        if network.subnet6:
            config.append(wire.IpamConfig(subnet=network.subnet6, gateway=network.gateway6))
    return wire.NetworkInspect(
        name=network.name,
        id=network.id,
        created=times.rfc3339(network.created_ns),
        driver=WIRE_DRIVERS.get(network.driver, network.driver),
        ipam=wire.Ipam(
            config=config,
            options=None if network.ipam_options is None else dict(network.ipam_options),
        ),
        enable_ipv6=network.subnet6 is not None,
        internal=network.internal,
        attachable=network.attachable,
        containers={
            container_id: wire.NetworkContainer(
                name=container_name(container_id),
                endpoint_id=endpoint.id,
                mac_address=endpoint.mac or "",
                ipv4_address=f"{endpoint.ipv4}/{endpoint.prefix_length}" if endpoint.ipv4 else "",
                ipv6_address=f"{endpoint.ipv6}/{endpoint.prefix_length6}" if endpoint.ipv6 else "",
            )
            for container_id, endpoint in endpoints.items()
        },
        options=_options(network),
        labels=dict(network.labels),
    )


def _options(network: Network) -> dict[str, str]:
    """The default bridge says what it does, for tools look there for the name of its interface."""
    if not (network.predefined and network.bridge):
        return dict(network.options)
    prefix = "com.docker.network.bridge."
    return {
        f"{prefix}default_bridge": "true",
        f"{prefix}enable_icc": "true",
        f"{prefix}enable_ip_masquerade": "true",
        f"{prefix}host_binding_ipv4": "0.0.0.0",  # noqa: S104 - what is so, not what is opened here
        f"{prefix}name": network.bridge,
        "com.docker.network.driver.mtu": "1500",
        **network.options,
    }
