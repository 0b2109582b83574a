"""Networks in the real kernel. Traffic goes only to loopback addresses and namespaces made here."""

import asyncio
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from socket import inet_aton
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from dnslib import DNSRecord

from yurt.engine.events import Events
from yurt.engine.networks.firewall import tag_of
from yurt.engine.networks.ipam import mac_of
from yurt.engine.networks.model import EndpointRequest, PortBinding, Sandbox, SandboxRequest
from yurt.engine.networks.service import NetworkService
from yurt.errors import Conflict, Forbidden, InvalidArgument, NotFound
from yurt.ids import new_id
from yurt.linux import netlink
from yurt.linux.namespace import run_in_network, run_in_new_network
from yurt.linux.netlink import Rtnetlink
from yurt.linux.nftables import Nftables
from yurt.settings import EngineSettings
from yurt.storage.metadata import Documents

if TYPE_CHECKING:
    from tests.conftest import Needs

T = TypeVar("T")

pytestmark = pytest.mark.root


def a_request(name: str, *, mode: str = "bridge", **changes: Any) -> SandboxRequest:
    plain = mode in {"host", "none"} or mode.startswith("container:")
    endpoints = () if plain else (EndpointRequest(mode),)
    return replace(SandboxRequest(new_id(), name, name, mode, endpoints=endpoints), **changes)


def inside(sandbox: Sandbox, work: Callable[[], T]) -> T:
    """Call *work* in the sandbox's network namespace."""
    descriptor = os.open(str(sandbox.netns), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return run_in_network(descriptor, work)
    finally:
        os.close(descriptor)


@contextmanager
def a_server(sandbox: Sandbox, port: int, text: bytes) -> Iterator[None]:
    """A TCP server in the sandbox that sends *text* and the client's address, and closes."""

    def listen() -> socket.socket:
        return socket.create_server(("0.0.0.0", port))

    listening = inside(sandbox, listen)

    def serve() -> None:
        while True:
            try:
                connection, client = listening.accept()
            except OSError:
                return
            with connection:
                connection.sendall(text + b" " + client[0].encode())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def address_of(sandbox: Sandbox) -> str:
    """Return the sandbox's address on its first network."""
    return str(sandbox.endpoints[0].ipv4)


def read(address: str, port: int, *, timeout: float = 10) -> bytes:
    with socket.create_connection((address, port), timeout=timeout) as connection:
        return b"".join(iter(lambda: connection.recv(100), b""))


async def read_from(sandbox: Sandbox, address: str, port: int, **options: Any) -> bytes:
    return await asyncio.to_thread(inside, sandbox, lambda: read(address, port, **options))


def ask(name: str, kind: str = "A", *, tcp: bool = False) -> DNSRecord:
    """Ask the embedded DNS, from inside."""
    packet = DNSRecord.question(name, kind).pack()
    if tcp:
        with socket.create_connection(("127.0.0.11", 53), timeout=5) as connection:
            connection.sendall(len(packet).to_bytes(2) + packet)
            return DNSRecord.parse(connection.recv(65535)[2:])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(8)
        asking.sendto(packet, ("127.0.0.11", 53))
        return DNSRecord.parse(asking.recv(65535))


async def resolve(sandbox: Sandbox, name: str, kind: str = "A", **options: Any) -> list[str]:
    reply = await asyncio.to_thread(inside, sandbox, lambda: ask(name, kind, **options))
    return [str(record.rdata) for record in reply.rr]


def other_address() -> str:
    """Return an address of this machine that is not loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def traces(tag: str) -> list[str]:
    """Return what of an engine is left in the kernel."""
    with Rtnetlink() as routes:
        found = [link.name for link in routes.links() if link.name[2:].startswith(tag[:5])]
    nft = Nftables()
    try:
        tables = [e["table"]["name"] for e in nft.listing("list tables ip") if "table" in e]
        rules = str(nft.listing("list chain ip filter DOCKER-USER"))
    finally:
        nft.close()
    return found + [name for name in tables if name.endswith(tag)] + [tag] * (f"yu{tag[:5]}" in rules)


def listed(family: str, settings: EngineSettings) -> str:
    """Return the engine's table in *family*."""
    nft = Nftables()
    try:
        return str(nft.listing(f"list table {family} yurt_{tag_of(settings.root)}"))
    finally:
        nft.close()


async def wait_gone(settings: EngineSettings) -> None:
    """The kernel removes the interfaces of a dead namespace by itself, a little later, and tells nobody."""
    async with asyncio.timeout(10):
        while traces(tag_of(settings.root)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.fixture
def settings(tmp_path: Path, needs: "Needs") -> EngineSettings:
    needs.root()
    return EngineSettings(root=tmp_path / "root", run=tmp_path / "run")


@asynccontextmanager
async def a_service(settings: EngineSettings) -> AsyncIterator[NetworkService]:
    settings.root.mkdir(exist_ok=True)
    documents = Documents(settings.root / "meta.db")
    service = NetworkService(documents, Events(), settings)
    try:
        await service.restore()
        yield service
    finally:
        await service.close()
        documents.close()


@pytest.fixture
async def networks(settings: EngineSettings) -> AsyncIterator[NetworkService]:
    """A service; afterwards nothing of it may be left in the kernel."""
    async with a_service(settings) as service:
        yield service
        await service.dismantle()
    await wait_gone(settings)
    assert list((settings.run / "netns").iterdir()) == []
    assert str(settings.run) not in Path("/proc/self/mountinfo").read_text()


async def test_predefined_networks_exist(networks: NetworkService) -> None:
    """bridge, host and none exist and cannot be removed."""
    assert [network.name for network in networks.list()] == ["bridge", "host", "none"]
    with pytest.raises(Forbidden, match="pre-defined"):
        await networks.remove("bridge")


async def test_containers_reach_each_other_by_name(networks: NetworkService) -> None:
    """Two containers on a user-defined network find each other by name, alias and short id, and talk."""
    await networks.create("shop")
    web = await networks.open_sandbox(a_request("web", mode="shop"))
    db_request = a_request("db", mode="shop", endpoints=(EndpointRequest("shop", aliases=("postgres",)),))
    db = await networks.open_sandbox(db_request)
    address = address_of(db)
    for name in ("db", "postgres", "DB.", "db.shop", db_request.container_id[:12]):
        assert await resolve(web, name) == [address], name
    assert await resolve(web, "db", tcp=True) == [address]
    assert await resolve(web, "db", "AAAA") == []
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    assert await resolve(web, reverse, "PTR") == ["db.shop."]
    with a_server(db, 5432, b"hello"):
        own = address_of(web)
        assert await read_from(web, address, 5432) == b"hello " + own.encode()


async def test_an_alias_shared_by_replicas_is_answered_with_all(networks: NetworkService) -> None:
    """Each replica comes first at times: the order is one of chance."""
    await networks.create("shop")
    replicas = [
        await networks.open_sandbox(
            a_request(f"web-{n}", mode="shop", endpoints=(EndpointRequest("shop", aliases=("web",)),))
        )
        for n in range(2)
    ]
    addresses = {replica.endpoints[0].ipv4 for replica in replicas}
    first: set[str] = set()
    for _ in range(64):
        answer = await resolve(replicas[0], "web")
        assert sorted(answer) == sorted(filter(None, addresses))
        first.add(answer[0])
    assert first == addresses


async def test_a_published_port_answers_on_every_address(networks: NetworkService) -> None:
    """A published port answers from 127.0.0.1, from another address of the host, and from containers."""
    port = free_port()
    await networks.create("shop")
    await networks.create("other")
    web = await networks.open_sandbox(a_request("web", mode="shop", ports=(PortBinding(80, host_port=port),)))
    neighbour = await networks.open_sandbox(a_request("neighbour", mode="shop"))
    stranger = await networks.open_sandbox(a_request("stranger", mode="other"))
    assert web.ports == (PortBinding(80, "tcp", "0.0.0.0", port), PortBinding(80, "tcp", "::", port))
    with a_server(web, 80, b"shop"):
        assert (await asyncio.to_thread(read, "127.0.0.1", port)).startswith(b"shop ")
        assert (await asyncio.to_thread(read, other_address(), port)).startswith(b"shop ")
        for container in (stranger, neighbour, web):
            assert (await read_from(container, other_address(), port)).startswith(b"shop ")
        gateway = str(neighbour.endpoints[0].gateway)
        assert (await read_from(neighbour, gateway, port)).startswith(b"shop ")
    await networks.close_sandbox(web.container_id)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(read, "127.0.0.1", port)


async def test_a_udp_port_answers(networks: NetworkService) -> None:
    """A published UDP port answers on 127.0.0.1 and on the host's other address, also after its container changed."""

    def bind() -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind(("0.0.0.0", 5353))
        bound.settimeout(3)
        return bound

    port = 0
    with ExitStack() as clients:
        sockets = {}
        for address in ("127.0.0.1", other_address()):
            client = clients.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            client.settimeout(3)
            sockets[address] = client
        for _ in range(2):
            request = a_request("dns", ports=(PortBinding(5353, protocol="udp", host_port=port),))
            dns = await networks.open_sandbox(request)
            port = dns.ports[0].host_port
            with inside(dns, bind) as server:
                for address, client in sockets.items():
                    client.sendto(b"ping", (address, port))
                    data, peer = server.recvfrom(10)
                    server.sendto(data + b"!", peer)
                    assert client.recv(10) == b"ping!"
            await networks.close_sandbox(request.container_id)


async def test_a_port_on_one_address_answers_only_there(networks: NetworkService) -> None:
    """-p 127.0.0.1:…: answers on 127.0.0.1 and is refused on the host's other address."""
    port = free_port()
    binding = PortBinding(80, host_ip="127.0.0.1", host_port=port)
    web = await networks.open_sandbox(a_request("web", ports=(binding,)))
    with a_server(web, 80, b"shop"):
        assert (await asyncio.to_thread(read, "127.0.0.1", port)).startswith(b"shop ")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(read, other_address(), port)


async def test_a_taken_port_is_refused(networks: NetworkService) -> None:
    """A port that another container or program has is refused, and nothing of the container is left."""
    port = free_port()
    first = a_request("first", ports=(PortBinding(80, host_port=port),))
    await networks.open_sandbox(first)
    second = a_request("second", ports=(PortBinding(80, host_port=port),))
    with pytest.raises(Conflict) as refusal:
        await networks.open_sandbox(second)
    assert refusal.value.message == f"Bind for 0.0.0.0:{port} failed: port is already allocated"
    assert set(networks.endpoints(networks.get("bridge").id)) == {first.container_id}
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        taken = PortBinding(80, host_port=foreign.getsockname()[1])
        with pytest.raises(Conflict, match="already allocated"):
            await networks.open_sandbox(replace(second, ports=(taken,)))
    await networks.close_sandbox(first.container_id)
    await networks.open_sandbox(second)


@contextmanager
def an_outside_world() -> Iterator[Sandbox]:
    """Another machine, 203.0.113.2, on a wire to this one, 203.0.113.1."""
    descriptor, routes = run_in_new_network(Rtnetlink)
    with Rtnetlink() as host, routes:
        wire = netlink.add_veth(
            "outside0", bridge=0, peer="eth0", peer_mac="02:42:cb:00:71:02", netns=descriptor
        )
        try:
            host.apply([wire])
            host.apply([netlink.add_address(host.index("outside0"), IPv4Interface("203.0.113.1/24"))])
            index = routes.index("eth0")
            routes.apply(
                [
                    netlink.set_up(1),
                    netlink.set_up(index),
                    netlink.add_address(index, IPv4Interface("203.0.113.2/24")),
                    netlink.set_default_route(IPv4Address("203.0.113.1"), index),
                ]
            )
            yield Sandbox("outside", Path(f"/proc/self/fd/{descriptor}"), (), (), "", "")
        finally:
            host.apply([netlink.delete_link("outside0")])
            os.close(descriptor)


async def test_the_outside_world(networks: NetworkService) -> None:
    """Containers reach it with the host's address; it reaches their published ports and nothing else."""
    port = free_port()
    local = PortBinding(81, host_ip="127.0.0.1", host_port=free_port())
    await networks.create("inner", internal=True)
    web = await networks.open_sandbox(a_request("web", ports=(PortBinding(80, host_port=port), local)))
    hidden = await networks.open_sandbox(a_request("hidden", mode="inner"))
    with an_outside_world() as outside, a_server(outside, 7000, b"world"):
        assert await read_from(web, "203.0.113.2", 7000) == b"world 203.0.113.1"
        with a_server(web, 80, b"shop"), a_server(web, 81, b"local"), a_server(hidden, 80, b"hidden"):
            assert await read_from(outside, "203.0.113.1", port) == b"shop 203.0.113.2"
            for address, closed in ((address_of(web), 80), (address_of(hidden), 80), (address_of(web), 81)):
                with pytest.raises(TimeoutError):
                    await read_from(outside, address, closed, timeout=0.5)
            with pytest.raises(ConnectionRefusedError):
                await read_from(outside, "203.0.113.1", local.host_port)


async def test_networks_are_isolated(networks: NetworkService) -> None:
    """Containers of different networks do not reach each other, nor find each other's names."""
    await networks.create("one")
    await networks.create("two")
    a = await networks.open_sandbox(a_request("a", mode="one"))
    b = await networks.open_sandbox(a_request("b", mode="two"))
    with a_server(b, 80, b"secret"):
        with pytest.raises(TimeoutError):
            await read_from(a, address_of(b), 80, timeout=0.5)
    assert await resolve(a, "a") != []
    assert await resolve(a, "b.two") == []


def a_frame(*, source: str, mac: str, port: int) -> bytes:
    """An Ethernet frame to *mac* with a UDP datagram to the host's own 127.0.0.1."""
    udp = struct.pack("!HHHH", 40000, port, 8 + 4, 0) + b"evil"
    ip = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, *map(inet_aton, (source, "127.0.0.1"))
    )
    total = sum(struct.unpack("!10H", ip))
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return (
        netlink.mac_bytes(mac)
        + b"\x02\x42"
        + inet_aton(source)
        + b"\x08\x00"
        + ip[:10]
        + struct.pack("!H", checksum)
        + ip[12:]
        + udp
    )


async def test_containers_do_not_reach_the_hosts_loopback(
    networks: NetworkService, settings: EngineSettings
) -> None:
    """route_localnet on the bridges opens no way to what listens on 127.0.0.1; without our rule it would."""
    box = await networks.open_sandbox(a_request("box"))
    gateway = IPv4Address(str(box.endpoints[0].gateway))
    rules = Nftables()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.5)
        frame = a_frame(source=address_of(box), mac=mac_of(gateway), port=listening.getsockname()[1])

        def send() -> None:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sending:
                sending.bind(("eth0", 0))
                sending.send(frame)

        inside(box, send)
        with pytest.raises(TimeoutError):
            listening.recv(10)
        rules.run(f"flush chain ip yurt_{tag_of(settings.root)} raw")
        inside(box, send)
        assert listening.recv(10) == b"evil"
    rules.close()


async def test_an_internal_network_has_no_way_out(networks: NetworkService) -> None:
    """On an internal network there is no default route and no forwarding of names; neighbours are reached."""
    await networks.create("inner", internal=True)
    a = await networks.open_sandbox(a_request("a", mode="inner", ports=(PortBinding(80),)))
    b = await networks.open_sandbox(a_request("b", mode="inner"))
    assert a.ports == ()
    assert a.endpoints[0].gateway is None
    with a_server(b, 80, b"near"):
        assert (await read_from(a, address_of(b), 80)).startswith(b"near")
    with pytest.raises(OSError, match="unreachable"):
        await read_from(a, "192.0.2.1", 80)
    reply = await asyncio.to_thread(inside, a, lambda: ask("example.org"))
    assert reply.header.rcode == 2


async def test_static_addresses(networks: NetworkService) -> None:
    """An address asked for is given; a taken or foreign one is refused; it can be had again at once."""
    await networks.create("shop", subnet="172.31.250.0/24")
    asked = (EndpointRequest("shop", ipv4="172.31.250.9"),)
    request = a_request("a", mode="shop", endpoints=asked)
    for _ in range(3):
        sandbox = await networks.open_sandbox(request)
        assert sandbox.endpoints[0].ipv4 == "172.31.250.9"
        assert sandbox.endpoints[0].mac == "02:42:ac:1f:fa:09"
        with pytest.raises(Conflict, match="already in use"):
            await networks.open_sandbox(a_request("b", mode="shop", endpoints=asked))
        with a_server(sandbox, 80, b"static"):
            assert (await asyncio.to_thread(read, "172.31.250.9", 80)).startswith(b"static")
        await networks.close_sandbox(request.container_id)
    with pytest.raises(InvalidArgument, match="no configured subnet"):
        await networks.open_sandbox(
            a_request("c", mode="shop", endpoints=(EndpointRequest("shop", ipv4="10.0.0.1"),))
        )


async def test_connect_and_disconnect_a_running_container(networks: NetworkService) -> None:
    """A container gets a second interface while it runs, and loses it; its way out follows."""
    await networks.create("one")
    await networks.create("two")
    request = a_request("web", mode="one")
    web = await networks.open_sandbox(request)
    db = await networks.open_sandbox(a_request("db", mode="two"))
    assert await resolve(web, "db.two") == []
    endpoint = await networks.connect(request.container_id, EndpointRequest("two", aliases=("front",)))
    assert endpoint.interface == "eth1"
    assert await resolve(web, "db") == [address_of(db)]
    assert await resolve(db, "front") == [endpoint.ipv4]
    with pytest.raises(Forbidden, match="already exists"):
        await networks.connect(request.container_id, EndpointRequest("two"))
    with pytest.raises(Conflict, match="active endpoints"):
        await networks.remove("two")
    await networks.disconnect(request.container_id, "one")
    with a_server(db, 80, b"data"):
        assert (await read_from(web, address_of(db), 80)).startswith(b"data")
    routes = inside(web, lambda: Path("/proc/thread-self/net/route").read_text())
    assert routes.splitlines()[1].split()[:2] == ["eth1", "00000000"]
    with pytest.raises(Conflict, match="not connected"):
        await networks.disconnect(request.container_id, "one")
    await networks.connect(request.container_id, EndpointRequest("one"))
    assert [e.interface for e in networks.sandbox(request.container_id).endpoints] == ["eth1", "eth0"]


async def test_modes_without_a_network_of_their_own(networks: NetworkService) -> None:
    """host has the host's files and no namespace, none an empty namespace, container: another's."""
    host = await networks.open_sandbox(a_request("host", mode="host", extra_hosts=("db:10.0.0.7",)))
    assert (host.netns, host.endpoints) == (None, ())
    assert host.hosts.endswith("10.0.0.7\tdb\n")
    none = await networks.open_sandbox(a_request("none", mode="none"))
    links = inside(none, lambda: Path("/proc/thread-self/net/dev").read_text())
    assert len(links.splitlines()) == 3  # two of heading, and lo
    base_request = a_request("base")
    base = await networks.open_sandbox(base_request)
    joined = await networks.open_sandbox(a_request("side", mode=f"container:{base_request.container_id}"))
    assert (joined.netns, joined.hosts) == (base.netns, base.hosts)
    await networks.close_sandbox(joined.container_id)
    assert Path(str(base.netns)).exists()
    with pytest.raises(Conflict, match="not running"):
        await networks.open_sandbox(a_request("late", mode="container:" + "f" * 64))


async def test_an_unknown_network_is_refused(networks: NetworkService) -> None:
    """A network that does not exist is named, and nothing is left."""
    with pytest.raises(NotFound, match="network shop not found"):
        await networks.open_sandbox(a_request("web", mode="shop"))


async def test_overlapping_subnets_are_refused(networks: NetworkService) -> None:
    """Two networks never share addresses; a default subnet never covers a route of the host."""
    one = await networks.create("one", subnet="172.31.250.0/24")
    with Rtnetlink() as routes:
        host = routes.destinations()
    automatic = IPv4Network(str((await networks.create("three")).subnet))
    assert not any(automatic.overlaps(route) for route in host)
    assert one.gateway == "172.31.250.1"
    with pytest.raises(Conflict, match="overlaps"):
        await networks.create("two", subnet="172.31.0.0/16")
    with pytest.raises(Conflict, match="already exists"):
        await networks.create("one")


async def test_a_new_engine_adopts_what_still_runs(settings: EngineSettings, needs: "Needs") -> None:
    """After kill -9 names, ports and addresses of running containers work again; what is gone is swept."""
    port = free_port()
    request = a_request("web", mode="shop", ports=(PortBinding(80, host_port=port),))
    dead = a_request("dead", mode="shop", ports=(PortBinding(80),))
    async with a_service(settings) as before:  # closing is all that a dying process does: its sockets end
        network = await before.create("shop")
        web = await before.open_sandbox(request)
        side = await before.open_sandbox(a_request("side", mode=f"container:{request.container_id}"))
        await before.open_sandbox(dead)
    with a_server(web, 80, b"still"):
        assert (await asyncio.to_thread(read, "127.0.0.1", port)).startswith(b"still")
        async with a_service(settings) as after:
            assert after.get("shop") == network
            guest = a_request(
                "side", mode=f"container:{request.container_id}", container_id=side.container_id
            )
            await after.adopt(guest, (), ())
            adopted = await after.adopt(request, web.endpoints, web.ports)
            await after.sweep()
            assert adopted == web
            assert after.sandbox(side.container_id) == side
            assert [path.name for path in (settings.run / "netns").iterdir()] == [request.container_id]
            assert (await asyncio.to_thread(read, "127.0.0.1", port)).startswith(b"still")
            new = await after.open_sandbox(a_request("new", mode="shop"))
            assert address_of(new) != address_of(web)
            assert await resolve(web, "new") == [address_of(new)]
            assert await resolve(new, "dead") == []
            with pytest.raises(Conflict, match="already allocated"):
                await after.open_sandbox(a_request("thief", ports=(PortBinding(80, host_port=port),)))
            await after.close_sandbox(request.container_id)
            await after.dismantle()
    await wait_gone(settings)


async def test_rules_of_a_network_whose_removal_was_cut_short_go(
    settings: EngineSettings, needs: "Needs"
) -> None:
    """Its document is gone and its rules are not: in both families the next engine removes them, and no others."""
    async with a_service(settings) as before:
        kept = await before.create("kept", ipv6=True)
        gone = await before.create("gone", ipv6=True)
    documents = Documents(settings.root / "meta.db")
    documents.delete("network", gone.id)
    documents.close()
    async with a_service(settings) as after:
        for family in ("ip", "ip6"):
            rules = listed(family, settings)
            assert f"to_{kept.id[:12]}" in rules
            assert f"to_{gone.id[:12]}" not in rules
        await after.sweep()
        await after.dismantle()
    await wait_gone(settings)


async def test_networks_come_back_after_a_reboot(settings: EngineSettings, needs: "Needs") -> None:
    """With interfaces, rules and run folder gone, the stored networks are made anew and work."""
    async with a_service(settings) as before:
        network = await before.create("shop")
        await before.dismantle()
    assert traces(tag_of(settings.root)) == []
    async with a_service(settings) as after:
        await after.sweep()
        web = await after.open_sandbox(a_request("web", mode="shop"))
        assert web.endpoints[0].network_id == network.id
        with a_server(web, 80, b"back"):
            assert (await asyncio.to_thread(read, address_of(web), 80)).startswith(b"back")
        await after.dismantle()


async def test_names_of_others_are_asked_of_the_given_servers(networks: NetworkService) -> None:
    """A question that is about no container goes to the servers of --dns; silence becomes SERVFAIL."""
    upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    upstream.bind(("127.0.0.77", 53))
    upstream.settimeout(5)

    def serve() -> None:
        packet, client = upstream.recvfrom(4096)
        query = DNSRecord.parse(packet)
        upstream.sendto(query.reply().pack(), client)

    with upstream:
        box = await networks.open_sandbox(a_request("box", dns=("127.0.0.77",)))
        thread = threading.Thread(target=serve)
        thread.start()
        reply = await asyncio.to_thread(inside, box, lambda: ask("example.org"))
        thread.join()
        assert reply.header.rcode == 0
    refused = await asyncio.to_thread(inside, box, lambda: ask("example.org"))
    assert refused.header.rcode == 2


async def test_a_container_that_is_a_dns_server_can_have_port_53(networks: NetworkService) -> None:
    """Publishing port 53 moves the embedded DNS aside, so that the container may bind 0.0.0.0:53; names still work."""
    await networks.create("shop")
    ports = (PortBinding(53, protocol="udp"), PortBinding(53))
    server = await networks.open_sandbox(a_request("ns", mode="shop", ports=ports))

    def bind() -> tuple[socket.socket, socket.socket]:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("0.0.0.0", 53))
        return udp, socket.create_server(("0.0.0.0", 53))

    udp, tcp = inside(server, bind)
    with udp, tcp:
        assert await resolve(server, "ns") == [address_of(server)]
        assert await resolve(server, "ns", tcp=True) == [address_of(server)]


async def test_two_engines_side_by_side(networks: NetworkService, tmp_path: Path) -> None:
    """Engines with different roots do not touch each other's networks, also when one sweeps or is dismantled."""
    other = EngineSettings(root=tmp_path / "other", run=tmp_path / "other-run")
    web = await networks.open_sandbox(a_request("web"))
    with a_server(web, 80, b"first"):
        async with a_service(other) as second:
            assert second.get("bridge").subnet != networks.get("bridge").subnet
            stranger = await second.open_sandbox(a_request("web"))
            await second.sweep()
            with pytest.raises(TimeoutError):
                await read_from(stranger, address_of(web), 80, timeout=0.5)
            await second.dismantle()
        assert (await asyncio.to_thread(read, address_of(web), 80)).startswith(b"first")
    await wait_gone(other)


async def test_a_bridge_that_was_removed_is_made_again(networks: NetworkService) -> None:
    """Someone removes a bridge by hand: the next container has its network all the same."""
    bridge = str(networks.get("bridge").bridge)
    with Rtnetlink() as routes:
        routes.apply([netlink.delete_link(bridge)])
    web = await networks.open_sandbox(a_request("web"))
    with a_server(web, 80, b"here"):
        assert (await asyncio.to_thread(read, address_of(web), 80)).startswith(b"here")


async def test_many_at_once(networks: NetworkService) -> None:
    """Twenty containers start and end at the same time, each with its own address, and nothing is left."""
    requests = [a_request(f"job-{n}") for n in range(20)]
    sandboxes = await asyncio.gather(*(networks.open_sandbox(request) for request in requests))
    assert len({address_of(sandbox) for sandbox in sandboxes}) == 20
    await asyncio.gather(*(networks.close_sandbox(request.container_id) for request in requests))
    assert networks.endpoints(networks.get("bridge").id) == {}
    await networks.close_sandbox(requests[0].container_id)
