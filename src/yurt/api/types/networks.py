"""Networks on the wire."""

from msgspec import field

from yurt.api.types.base import Wire


class EndpointIpam(Wire, omit_defaults=True, kw_only=True):
    ipv4_address: str | None = field(default=None, name="IPv4Address")
    ipv6_address: str | None = field(default=None, name="IPv6Address")
    link_local_ips: list[str] | None = field(default=None, name="LinkLocalIPs")


class EndpointSettings(Wire, kw_only=True):
    """A container's share of one network, as asked (the first few fields) and as it is."""

    ipam_config: EndpointIpam | None = field(default=None, name="IPAMConfig")
    links: list[str] | None = None
    aliases: list[str] | None = None
    mac_address: str | None = ""
    driver_opts: dict[str, str] | None = None
    gw_priority: int | None = 0
    network_id: str | None = field(default="", name="NetworkID")
    endpoint_id: str | None = field(default="", name="EndpointID")
    gateway: str | None = ""
    ip_address: str | None = field(default="", name="IPAddress")
    ip_prefix_len: int | None = field(default=0, name="IPPrefixLen")
    ipv6_gateway: str | None = field(default="", name="IPv6Gateway")
    global_ipv6_address: str | None = field(default="", name="GlobalIPv6Address")
    global_ipv6_prefix_len: int | None = field(default=0, name="GlobalIPv6PrefixLen")
    dns_names: list[str] | None = field(default=None, name="DNSNames")


class IpamConfig(Wire, omit_defaults=True, kw_only=True):
    subnet: str | None = None
    ip_range: str | None = field(default=None, name="IPRange")
    gateway: str | None = None
    auxiliary_addresses: dict[str, str] | None = None


class Ipam(Wire, kw_only=True):
    driver: str | None = "default"
    options: dict[str, str] | None = None
    config: list[IpamConfig] | None = None


class CreateNetwork(Wire, kw_only=True):
    """The body of ``POST /networks/create``."""

    name: str = ""
    check_duplicate: bool | None = None
    driver: str | None = ""
    scope: str | None = ""
    enable_ipv4: bool | None = field(default=None, name="EnableIPv4")
    enable_ipv6: bool | None = field(default=None, name="EnableIPv6")
    ipam: Ipam | None = field(default=None, name="IPAM")
    internal: bool | None = False
    attachable: bool | None = False
    ingress: bool | None = False
    config_only: bool | None = False
    config_from: dict[str, str | None] | None = None
    options: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class NetworkCreated(Wire, kw_only=True):
    id: str
    warning: str = ""


class ConnectContainer(Wire, kw_only=True):
    container: str = ""
    endpoint_config: EndpointSettings | None = None


class DisconnectContainer(Wire, kw_only=True):
    container: str = ""
    force: bool | None = False


class NetworkContainer(Wire, kw_only=True):
    name: str
    endpoint_id: str = field(name="EndpointID")
    mac_address: str
    ipv4_address: str = field(name="IPv4Address")
    ipv6_address: str = field(default="", name="IPv6Address")


class ConfigFrom(Wire, kw_only=True):
    network: str = ""


class NetworkInspect(Wire, kw_only=True):
    """The answer of ``GET /networks/{id}`` and each entry of the list."""

    name: str
    id: str
    created: str
    scope: str = "local"
    driver: str
    enable_ipv4: bool = field(default=True, name="EnableIPv4")
    enable_ipv6: bool = field(default=False, name="EnableIPv6")
    ipam: Ipam = field(name="IPAM")
    internal: bool
    attachable: bool = False
    ingress: bool = False
    config_from: ConfigFrom = field(default_factory=ConfigFrom)
    config_only: bool = False
    containers: dict[str, NetworkContainer]
    options: dict[str, str]
    labels: dict[str, str]


class NetworksPruned(Wire, kw_only=True):
    networks_deleted: list[str] | None
