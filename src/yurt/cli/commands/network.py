"""`yurt network`: networks on which containers find each other by name."""

from __future__ import annotations

from yurt.cli import columns, output
from yurt.cli.commands.containers import filters, show_inspected
from yurt.cli.flags import Options, command
from yurt.cli.values import pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from yurt.cli.session import Session


@command(
    "ls [OPTIONS]",
    "List networks",
    flags="""
    -q, --quiet             Only ids
    -f, --filter NAME=VALUE…  name=, driver=, label=, id=, type=, dangling=
    --format TEMPLATE       table, json, or a template: '{{.Name}}'
    --no-trunc              Show everything in full
    """,
    example="yurt network ls -f driver=bridge",
)
def ls(session: Session, options: Options) -> None:
    entries = session.client.json("GET", "/networks", query={"filters": filters(options)})
    entries.sort(key=lambda entry: entry["Name"])
    rows = [columns.network_row(entry, full=options.flag("no-trunc")) for entry in entries]
    for line in output.listing(
        rows, columns.NETWORK, ["ID", "Name", "Driver", "Scope"], options, width=session.width()
    ):
        session.print(line)


@command(
    "create [OPTIONS] NETWORK",
    "Create a network",
    flags="""
    -d, --driver DRIVER    Driver (default: bridge)
    --subnet CIDR…         Addresses: 10.9.0.0/24
    --gateway ADDRESS…     Gateway
    --ip-range CIDR…       Give addresses from this part only
    --aux-address NAME=ADDRESS…  Addresses that others use
    --internal             No way out
    --attachable           Accepted and without meaning here
    --ipam-driver NAME     Who gives out addresses (default: default)
    --ipam-opt NAME=VALUE…  Option of that driver
    --ipv4                 With IPv4 (default: true)
    --ipv6                 With IPv6
    --label NAME=VALUE…    Set a label
    -o, --opt NAME=VALUE…  Option of the driver
    """,
    example="yurt network create --subnet 10.9.0.0/24 shop",
)
def create(session: Session, options: Options) -> None:
    body: dict[str, Any] = {
        "Name": options.arguments[0],
        "Driver": options.text("driver", "bridge"),
        "Internal": options.flag("internal"),
        "Attachable": options.flag("attachable"),
        "EnableIPv4": options.flag("ipv4", default=True),
        "EnableIPv6": options.flag("ipv6"),
        "Labels": pairs(options.all("label")),
        "Options": pairs(options.all("opt")),
    }
    subnets, gateways, ranges = options.all("subnet"), options.all("gateway"), options.all("ip-range")
    if len(gateways) > len(subnets) or len(ranges) > len(subnets):
        raise options.invalid("gateway", " ".join([*gateways, *ranges]), "each needs a --subnet")
    ipam: dict[str, Any] = {}
    if options.has("ipam-driver"):
        ipam["Driver"] = options.text("ipam-driver")
    if options.has("ipam-opt"):
        ipam["Options"] = pairs(options.all("ipam-opt"))
    if subnets:
        pools = [
            {"Subnet": subnet}
            | ({"Gateway": gateways[index]} if index < len(gateways) else {})
            | ({"IPRange": ranges[index]} if index < len(ranges) else {})
            for index, subnet in enumerate(subnets)
        ]
        if options.has("aux-address"):
            pools[0]["AuxiliaryAddresses"] = pairs(options.all("aux-address"))  # type: ignore[assignment]
        ipam["Config"] = pools
    if ipam:
        body["IPAM"] = ipam
    created = session.client.json("POST", "/networks/create", json=body)
    if created.get("Warning"):
        session.warn(created["Warning"])
    session.print(created["Id"])


@command(
    "inspect [OPTIONS] NETWORK [NETWORK...]",
    "Show all that is known of networks",
    flags="""
    -f, --format TEMPLATE   A template: '{{.Driver}}', or json
    -v, --verbose           With what the driver knows besides
    """,
    example="yurt network inspect shop",
)
def inspect(session: Session, options: Options) -> int:
    return show_inspected(session, options, ["network"])


@command(
    "rm [OPTIONS] NETWORK [NETWORK...]",
    "Remove networks",
    flags="    -f, --force   None of that name is no error",
    example="yurt network rm shop",
)
def rm(session: Session, options: Options) -> int:
    def act(name: str) -> None:
        from yurt.errors import NotFound

        try:
            session.client.request("DELETE", f"/networks/{name}").read()
        except NotFound:
            if not options.flag("force"):
                raise
            return
        session.print(name)

    return session.for_each(options.arguments, act)


@command(
    "prune [OPTIONS]",
    "Remove networks that no container uses",
    flags="""
    -f, --force             Do not ask
    --filter NAME=VALUE…    label=, until=
    """,
    example="yurt network prune -f",
)
def prune(session: Session, options: Options) -> int:
    from yurt.cli.commands.prune import prune_networks

    return prune_networks(session, options)


@command(
    "connect [OPTIONS] NETWORK CONTAINER",
    "Connect a container to a network",
    flags="""
    --alias NAME…    Another name on that network
    --ip ADDRESS     IPv4 address
    --ip6 ADDRESS    IPv6 address
    --link-local-ip ADDRESS…  A further address of the link
    --link NAME[:ALIAS]…      A name for another container
    --gw-priority NUMBER      The network with the highest leads out
    --driver-opt NAME=VALUE…  Option of the driver
    """,
    example="yurt network connect --alias cache shop redis",
)
def connect(session: Session, options: Options) -> None:
    network, container = options.arguments
    endpoint: dict[str, Any] = {}
    if options.has("alias"):
        endpoint["Aliases"] = options.all("alias")
    for flag, field in (("ip", "IPv4Address"), ("ip6", "IPv6Address")):
        if options.has(flag):
            endpoint.setdefault("IPAMConfig", {})[field] = options.text(flag)
    if options.has("link-local-ip"):
        endpoint.setdefault("IPAMConfig", {})["LinkLocalIPs"] = options.all("link-local-ip")
    if options.has("link"):
        endpoint["Links"] = options.all("link")
    if options.has("gw-priority"):
        endpoint["GwPriority"] = options.number("gw-priority")
    if options.has("driver-opt"):
        endpoint["DriverOpts"] = pairs(options.all("driver-opt"))
    body = {"Container": container, "EndpointConfig": endpoint}
    session.client.request("POST", f"/networks/{network}/connect", json=body).read()


@command(
    "disconnect [OPTIONS] NETWORK CONTAINER",
    "Disconnect a container from a network",
    flags="    -f, --force   Even if it cannot be reached",
    example="yurt network disconnect shop redis",
)
def disconnect(session: Session, options: Options) -> None:
    network, container = options.arguments
    body = {"Container": container, "Force": options.flag("force")}
    session.client.request("POST", f"/networks/{network}/disconnect", json=body).read()
