"""Engines of normal users: throw-away users of this machine, whose yurtd is found where it is by default."""

import io
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
import trustme
from docker.errors import APIError, DockerException
from tests.conftest import Needs
from tests.integration.engine_host import BUSYBOX, IMAGE
from tests.integration.rootless_host import RootlessHost
from tests.integration.someone import Someone
from tests.integration.test_build import build
from tests.integration.throwaway import SLEEP, refusal, said, until

from yurt.cli.engine_stop import listener
from yurt.client.sync import Client
from yurt.linux.namespace import run_in_network

pytestmark = pytest.mark.root

SERVER = "mkdir /w; echo hello > /w/index.html; exec httpd -f -h /w -p 80"


@pytest.fixture(scope="module")
def rootless(needs: Needs) -> Iterator[RootlessHost]:
    """The engine of a user with further numbers."""
    with ExitStack() as undo:
        yield an_engine(needs, undo)


@pytest.fixture
def new_rootless(needs: Needs) -> Iterator[Callable[..., RootlessHost]]:
    """Return what makes an engine of another user; its words are `an_engine`'s."""
    with ExitStack() as undo:
        yield lambda *flags, **more: an_engine(needs, undo, *flags, **more)


@pytest.fixture
def client(rootless: RootlessHost) -> Iterator[docker.DockerClient]:
    client = rootless.client()
    yield client
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    client.networks.prune()
    client.volumes.prune({"all": True})
    client.close()


def a_user(needs: Needs, undo: ExitStack, *, subids: bool = True) -> Someone:
    needs.root()
    for program in ("runc", "useradd", "newuidmap", "pasta", "slirp4netns"):
        needs.program(program)
    needs.file(str(BUSYBOX))
    someone = Someone(subids=subids)
    undo.callback(someone.remove)
    return someone


def an_engine(needs: Needs, undo: ExitStack, *flags: str, subids: bool = True, **more: Any) -> RootlessHost:
    host = RootlessHost(a_user(needs, undo, subids=subids), *flags, **more)

    def finish() -> None:
        host.dismantle()
        until(lambda: host.leftovers() == [])

    host.start()
    undo.callback(finish)
    host.load_busybox()
    return host


def fetch(port: int, host: str = "127.0.0.1") -> str:
    """Return what a web server answers, "" when there is none."""
    try:
        with socket.create_connection((host, port), timeout=5) as web:
            web.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: web.recv(4096), b"")).decode().rpartition("\r\n")[2].strip()
    except OSError:
        return ""


def port_of(container: Any, name: str = "80/tcp") -> int:
    container.reload()
    return int(container.ports[name][0]["HostPort"])


def test_the_level_is_told(client: docker.DockerClient, rootless: RootlessHost) -> None:
    """In info, in inspect, and that limits are not kept; the user is the root of containers, others are others."""
    info = client.info()
    assert {"name=rootless", "name=isolation,level=subuids"} <= set(info["SecurityOptions"])
    assert (info["CgroupDriver"], info["MemoryLimit"]) == ("none", False)
    assert [text for text in info["Warnings"] if "no limits" in text]
    container = client.containers.run(IMAGE, SLEEP, detach=True)
    container.reload()
    assert container.attrs["Isolation"] == "rootless with subuids, with seccomp"
    assert Path(f"/proc/{container.attrs['State']['Pid']}").stat().st_uid == rootless.someone.uid
    assert said(client, "grep Seccomp: /proc/self/status") == "Seccomp:\t2"


def test_what_containers_do(client: docker.DockerClient) -> None:
    """Users, exec, logs, top, files in and out, a terminal."""
    assert said(client, "id -u && id -G", user="alice") == "1000\n1000"
    container = client.containers.run(IMAGE, "sh -c 'echo one; echo two >&2; sleep 600'", detach=True)
    until(lambda: container.logs() == b"one\ntwo\n")
    assert container.exec_run("id -u", user="1000").output == b"1000\n"
    assert container.exec_run("tty", tty=True).output.strip() == b"/dev/pts/0"
    assert len(container.top()["Processes"]) >= 1
    archive = b"".join(container.get_archive("/etc/passwd")[0])
    assert b"alice" in archive
    assert container.put_archive("/tmp", archive)
    assert container.exec_run("cat /tmp/passwd").output.startswith(b"root:")
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137


def test_the_docker_command_works_for_the_user(rootless: RootlessHost, needs: Needs) -> None:
    """With nothing but DOCKER_HOST; files of the user are mounted with the user's rights."""
    needs.program("docker")
    (rootless.someone.home / "mine").write_text("of the user\n")
    mine = f"{rootless.someone.home}/mine:/mine:ro"
    assert rootless.cli("run", "--rm", "-v", mine, IMAGE, "cat", "/mine") == "of the user"
    assert (
        rootless.cli("run", "--rm", "-v", "/etc:/host", IMAGE, "sh", "-c", "cat /host/shadow || true") == ""
    )
    assert "rootless" in rootless.cli("info", "--format", "{{.SecurityOptions}}")


def test_limits_are_discarded_and_nothing_is_paused(client: docker.DockerClient) -> None:
    """Without cgroups: Docker's warning for the one, a sentence for the other."""
    made = client.api.create_container(
        IMAGE, SLEEP, host_config=client.api.create_host_config(mem_limit="64m", pids_limit=50)
    )
    assert [
        text for text in made["Warnings"] if text.startswith("Your kernel does not support memory limits")
    ]
    client.api.start(made["Id"])
    with pytest.raises(APIError, match="no cgroup to freeze it in"):
        client.api.pause(made["Id"])
    client.api.update_container(made["Id"], mem_limit="80m")


@pytest.mark.parametrize(
    ("options", "command", "expected"),
    [
        ({"pid_mode": "host"}, "test -d /proc/self && echo yes", "yes"),
        ({"ipc_mode": "host"}, "test -d /dev/mqueue && echo yes", "yes"),
        ({"network_mode": "host"}, "test -d /sys/class/net/lo && echo yes", "yes"),
        ({"network_mode": "none"}, "ip -o link | wc -l", "1"),
        ({"privileged": True}, "test -e /dev/full && echo yes", "yes"),
        ({"read_only": True}, "touch /x 2>/dev/null || echo no", "no"),
        ({"tmpfs": {"/t": "size=1m"}}, "touch /t/x && echo yes", "yes"),
        ({"cap_drop": ["ALL"]}, "chown 1 /etc 2>/dev/null || echo no", "no"),
        ({"devices": ["/dev/null:/dev/mine"]}, "echo > /dev/mine && echo yes", "yes"),
        ({"sysctls": {"net.ipv4.ip_forward": "1"}}, "cat /proc/sys/net/ipv4/ip_forward", "1"),
        ({"oom_score_adj": -500}, "echo yes", "yes"),
        ({"init": True}, "echo yes", "yes"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options(client: docker.DockerClient, options: dict[str, Any], command: str, expected: str) -> None:
    """Each has its effect here as for root."""
    assert said(client, command, **options) == expected


def test_a_number_beyond_the_users_is_refused(client: docker.DockerClient) -> None:
    """In words, with what gives more."""
    assert "there is no user or group 70000 in this engine" in refusal(client, user="70000")


def test_a_build(client: docker.DockerClient) -> None:
    """Owners, removed files, replaced folders: layers are what they are on an engine of root's."""
    made = build(
        client,
        f"FROM {IMAGE}\n"
        "RUN mkdir -p /d/e && touch /d/e/old && echo bob:x:1234:1234::/:/bin/sh >> /etc/passwd\n"
        "COPY --chown=1234:1234 file /file\n"
        "RUN rm -r /d/e && mkdir /d/e && touch /d/e/new && rm /etc/group\n"
        "USER bob\n"
        "CMD id -un && stat -c %u /file && ls /d/e && ls /etc/group\n",
        tag="built",
        files={"file": "x"},
    )
    assert not made.error, made.output
    assert client.containers.run(
        "built", "sh -c 'id -un; stat -c %u /file; ls /d/e /etc/group; true'", remove=True
    ) == (b"bob\n1234\n/d/e:\nnew\n")
    packed = b"".join(client.images.get("built").save())
    client.images.remove("built")
    (loaded,) = client.images.load(io.BytesIO(packed))
    assert b"new" in client.containers.run(loaded, "ls /d/e", remove=True)


def test_what_a_container_changed_becomes_an_image(client: docker.DockerClient) -> None:
    """Without a pause, which there is not."""
    container = client.containers.run(
        IMAGE, ["sh", "-c", "rm /etc/group; echo made > /made; sleep 600"], detach=True
    )
    until(lambda: container.exec_run("cat /made").output == b"made\n")
    image = container.commit("changed")
    assert said(client, "cat /made; ls /etc/group 2>&1 || true", image=image).startswith(
        "made\nls: /etc/group: No such"
    )


def test_names_that_the_kernel_does_not_take(client: docker.DockerClient) -> None:
    """A domain is in the hosts file, and a warning tells that it is nowhere else."""
    made = client.api.create_container(IMAGE, "cat /etc/hosts", hostname="web", domainname="corp")
    assert [text for text in made["Warnings"] if "domain name" in text]
    client.api.start(made["Id"])
    client.api.wait(made["Id"])
    assert b"\tweb.corp web\n" in client.api.logs(made["Id"])


def test_a_named_volume(client: docker.DockerClient) -> None:
    """Takes the image's content, with its owners, and keeps what containers write."""
    volumes = {"kept": {"bind": "/home", "mode": "rw"}}
    assert said(client, "touch /home/x; chown 7:8 /home/x", volumes=volumes) == ""
    assert said(client, "stat -c %u:%g /home/x", volumes=volumes) == "7:8"


def test_names_on_a_network(client: docker.DockerClient) -> None:
    """Containers of a network find one another by name and alias."""
    network = client.networks.create("shop")
    db = client.containers.create(IMAGE, ["sh", "-c", SERVER], name="db")
    network.connect(db, aliases=["store"])
    db.start()
    for name in ("db", "store"):
        assert said(client, f"wget -qO- http://{name}/", network="shop") == "hello"


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_published_port(client: docker.DockerClient, address: str) -> None:
    """Is reached from the host, and free again when the container has ended."""
    web = client.containers.run(IMAGE, ["sh", "-c", SERVER], detach=True, ports={"80/tcp": (address, 0)})
    port = port_of(web)
    until(lambda: fetch(port) == "hello")
    assert "port is already allocated" in refusal(client, ports={"80/tcp": port})
    web.remove(force=True)
    socket.create_server(("127.0.0.1", port)).close()


def test_a_published_port_is_taken_over(client: docker.DockerClient, rootless: RootlessHost) -> None:
    """By a container that runs, in both families; what was connected stays with the old one."""
    old = client.containers.run(IMAGE, ["sh", "-c", SERVER], detach=True, ports={"80/tcp": None})
    port = port_of(old)
    until(lambda: fetch(port) == fetch(port, "::1") == "hello")
    new = client.containers.run(IMAGE, ["sh", "-c", SERVER.replace("hello", "new")], detach=True)
    until(lambda: b"80" in new.exec_run(["netstat", "-ltn"]).output)
    body = {"Of": old.id, "PortBindings": {"80/tcp": [{"HostPort": str(port)}]}, "Aliases": {}}
    with closing(Client(rootless.host)) as ours:
        ours.request("POST", f"/yurt/containers/{new.id}/succeed", json=body).read()
    assert fetch(port) == fetch(port, "::1") == "new"
    old.remove(force=True)
    assert fetch(port) == fetch(port, "::1") == "new"
    new.remove(force=True)
    socket.create_server(("::1", port), family=socket.AF_INET6).close()


def test_a_published_port_of_datagrams(client: docker.DockerClient) -> None:
    """Answers come from the address that was asked."""
    container = client.containers.run(IMAGE, SLEEP, detach=True, ports={"53/udp": 0})
    port = port_of(container, "53/udp")
    inside = os.open(f"/proc/{container.attrs['State']['Pid']}/ns/net", os.O_RDONLY)
    answering = run_in_network(inside, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    os.close(inside)
    with answering, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answering.bind(("0.0.0.0", 53))
        for end in (answering, asking):
            end.settimeout(10)
        asking.connect(("127.0.0.9", port))
        for question in (b"one", b"two"):
            asking.send(question)
            said_there, sender = answering.recvfrom(100)
            answering.sendto(said_there.upper(), sender)
            assert asking.recv(100) == question.upper()


def test_a_low_port_is_refused(client: docker.DockerClient) -> None:
    """With the setting that would allow it."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if lowest <= 80:
        pytest.skip("this host lets everyone have low ports")
    assert "low ports are kept for root" in refusal(client, ports={"80/tcp": 80})


def test_packets_find_the_way_out_and_not_to_the_hosts_loopback(client: docker.DockerClient) -> None:
    """There is a default route; what listens on the host's 127.0.0.1 is not reached through its gateway."""
    gateway = said(client, "ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p'", network_mode="host")
    assert gateway
    with socket.create_server(("127.0.0.1", 0)) as inner:
        port = inner.getsockname()[1]
        for address in (gateway, "10.0.2.2", "10.0.2.3"):
            assert said(client, f"nc -w 2 {address} {port} </dev/null && echo yes || echo no") == "no"


@contextmanager
def an_outside() -> Iterator[tuple[str, int]]:
    """Yield the address of a server on this machine that a user's engine has no address of: it shouts back."""
    address = "198.51.100.9"  # TEST-NET-2
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    try:
        with socketserver.ThreadingTCPServer((address, 0), Shouting) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield address, server.server_address[1]
            finally:
                server.shutdown()
                thread.join()
    finally:
        subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=True)


class Shouting(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line.upper())


def talk(client: docker.DockerClient) -> str:
    """Return what an outsider answers to a container, in several turns."""
    with an_outside() as (address, port):
        words = "for word in one two three; do echo $word; sleep 0.1; done"
        return said(client, f"({words}) | nc -w 5 {address} {port}")


def test_what_is_sent_outside_arrives(client: docker.DockerClient) -> None:
    """In both directions: pasta's window updates belong to no connection, and must not end this one."""
    assert talk(client) == "ONE\nTWO\nTHREE"


def test_names_of_the_world_are_asked_of_the_host(client: docker.DockerClient) -> None:
    """On the default network and on one of the user's; what runs there asks the host's resolver through the way out."""
    network = client.networks.create("mine")
    for options in ({}, {"network": network.name}):
        resolver = said(client, "sed -n 's/^nameserver //p' /etc/resolv.conf | head -1", **options)
        # No name is asked for that needs the world: that somebody answers, and says what it makes of it, is enough.
        answer = said(client, "nslookup no-such-name.invalid 2>&1 || true", **options)
        assert f"Server:\t\t{resolver}" in answer
        assert "timed out" not in answer


def test_a_network_of_ipv6(client: docker.DockerClient) -> None:
    """Addresses, names and a published port on the user's host."""
    pool = docker.types.IPAMPool(subnet="fd5e:1::/64")
    network = client.networks.create(
        "six", enable_ipv6=True, ipam=docker.types.IPAMConfig(pool_configs=[pool])
    )
    web = client.containers.run(
        IMAGE, ["sh", "-c", SERVER], name="web", network=network.name, ports={"80/tcp": None}, detach=True
    )
    assert said(client, "wget -qO- http://web", network=network.name) == "hello"
    assert said(client, "ping -6 -c 1 web >/dev/null && echo yes", network=network.name) == "yes"
    until(lambda: fetch(port_of(web), "::1") == "hello")


def test_the_api_over_tcp(needs: Needs, monkeypatch: pytest.MonkeyPatch) -> None:
    """With mutual TLS, at an address of the host's network; without it the engine does not start."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # which would outrank docker-py's own settings
        monkeypatch.delenv(variable, raising=False)
    ca = trustme.CA()
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="yurt-papers-")))
        folder.chmod(0o755)
        ca.cert_pem.write_to_path(folder / "ca.pem")
        for name, issued in (
            ("engine", ca.issue_cert("127.0.0.1")),
            ("client", ca.issue_cert("client.test")),
        ):
            issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
            issued.private_key_pem.write_to_path(folder / f"{name}-key.pem")
        for file in folder.iterdir():
            file.chmod(0o644)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        host = RootlessHost(a_user(needs, undo))
        told = ("--host", f"unix://{host.socket}", "--host", f"tcp://127.0.0.1:{port}")
        ours = ("ca.pem", "engine.pem", "engine-key.pem")
        flags = zip(
            ("--tlscacert", "--tlscert", "--tlskey"), (str(folder / name) for name in ours), strict=True
        )
        refused = subprocess.run(host.command(*told), capture_output=True, text=True, timeout=60, check=False)
        assert (refused.returncode, "mutual TLS only" in refused.stderr) == (1, True)
        host.flags = (*told, "--tlsverify", *(word for pair in flags for word in pair))
        host.start()
        undo.callback(until, lambda: host.leftovers() == [])
        undo.callback(host.dismantle)
        host.load_busybox()
        trust = docker.tls.TLSConfig(
            client_cert=(str(folder / "client.pem"), str(folder / "client-key.pem")),
            ca_cert=str(folder / "ca.pem"),
            verify=True,
        )
        with closing(docker.DockerClient(f"https://127.0.0.1:{port}", tls=trust)) as far:
            assert said(far, "ls /proc/self/fd | head -c 6 | tr '\n' ' '") == "0 1 2"
        with pytest.raises(DockerException):
            docker.DockerClient(f"https://127.0.0.1:{port}", tls=docker.tls.TLSConfig(verify=False))


def test_what_kill_9_leaves(new_rootless: Callable[..., RootlessHost]) -> None:
    """Containers, their ports, names and way out outlive the engine; a new keeper takes over from a killed one."""
    host = new_rootless()
    host.client().networks.create("shop")
    web = host.client().containers.run(
        IMAGE, ["sh", "-c", SERVER], detach=True, ports={"80/tcp": None}, name="web", network="shop"
    )
    port, pid = port_of(web), web.attrs["State"]["Pid"]
    until(lambda: fetch(port) == "hello")

    def is_as_it_was(what: str) -> None:
        client = host.client()
        web = client.containers.get("web")
        assert (web.status, web.attrs["State"]["Pid"]) == ("running", pid), what
        until(lambda: fetch(port) == "hello")
        assert web.exec_run("echo in").output == b"in\n", what
        assert said(client, "wget -qO- http://web/", network="shop") == "hello", what
        assert port_of(web) == port, what

    host.kill()
    assert fetch(port) == "hello", "while no engine runs"
    host.start()
    is_as_it_was("the engine was killed")
    os.kill(host.keeper(), signal.SIGKILL)
    host.kill()
    host.start()
    is_as_it_was("the engine and the keeper were killed")
    web = host.client().containers.get("web")
    web.stop(timeout=0)
    assert fetch(port) == ""
    web.start()
    until(lambda: fetch(port_of(web)) == "hello")


def test_crun(new_rootless: Callable[..., RootlessHost], needs: Needs) -> None:
    """The other runtime, which is taken where all cgroups are in one tree."""
    needs.program("crun")
    client = new_rootless(one_tree=True).client()
    assert client.info()["DefaultRuntime"] == "crun"
    assert said(client, "id -u", user="alice") == "1000"
    web = client.containers.run(IMAGE, ["sh", "-c", SERVER], detach=True, ports={"80/tcp": None}, tty=True)
    until(lambda: fetch(port_of(web)) == "hello")
    assert web.exec_run("echo in").output == b"in\n"
    web.stop(timeout=0)


def test_one_uid(new_rootless: Callable[..., RootlessHost]) -> None:
    """A user without further numbers: everything belongs to it, nobody else can be become, and that is said."""
    host = new_rootless(subids=False)
    client = host.client()
    info = client.info()
    assert "name=isolation,level=one-uid" in info["SecurityOptions"]
    warned = "\n".join(info["Warnings"])
    assert "this engine has one uid" in warned
    assert f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {host.someone.name}" in warned
    assert said(client, "id -u; cat /proc/self/uid_map | wc -l") == "0\n1"
    assert "there is no user or group 1000 in this engine" in refusal(client, user="alice")
    made = build(client, f"FROM {IMAGE}\nCOPY --chown=5:6 f /f\nRUN stat -c %u:%g /f\n", files={"f": ""})
    assert not made.error, made.output
    assert "0:0" in made.output
    web = client.containers.run(IMAGE, ["sh", "-c", SERVER], detach=True, ports={"80/tcp": None}, tty=True)
    until(lambda: fetch(port_of(web)) == "hello")
    assert web.attrs["Isolation"] == "rootless with one uid, with seccomp"


@pytest.mark.parametrize(
    ("subids", "level", "word"),
    [(False, "subuids", "gives .* no further numbers"), (True, "root", "the host has another root")],
)
def test_a_level_that_is_not_reached_is_refused(needs: Needs, subids: bool, level: str, word: str) -> None:
    """Before anything is made: one sentence, and nothing is left running."""
    with ExitStack() as undo:
        someone = a_user(needs, undo, subids=subids)
        command = someone.command(sys.executable, "-m", "yurt.daemon", "--require-isolation", level)
        refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert (
            f"at least {'root namespaces' if level == 'root' else 'rootless with subuids'} is required"
            in (refused.stderr)
        )
        assert re.search(word, refused.stderr)
        assert someone.processes() == []


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        ({"tun": False}, "/dev/net/tun is not open to this user (chmod 0666 /dev/net/tun)"),
        (
            {"without": "pasta slirp4netns"},
            "neither pasta nor slirp4netns is installed (apt-get install passt)",
        ),
    ],
)
def test_without_a_way_out(
    new_rootless: Callable[..., RootlessHost], more: dict[str, Any], warning: str
) -> None:
    """The engine runs, containers reach one another and are reached, and info says what is missing."""
    host = new_rootless(**more)
    client = host.client()
    assert f"WARNING: containers reach nothing outside: {warning}" in client.info()["Warnings"]
    web = client.containers.run(IMAGE, ["sh", "-c", SERVER], detach=True, ports={"80/tcp": None})
    until(lambda: fetch(port_of(web)) == "hello")


def test_slirp4netns_serves_where_pasta_is_not(new_rootless: Callable[..., RootlessHost]) -> None:
    """Its address is the way out then."""
    client = new_rootless(without="pasta").client()
    assert "default via 10.0.2.2" in said(client, "ip route", network_mode="host")
    assert talk(client) == "ONE\nTWO\nTHREE"


def test_the_yurt_command_looks_after_the_users_engine(needs: Needs) -> None:
    """The first command starts it, in the user's own places; doctor tells of it; it is restarted by its user only."""
    with ExitStack() as undo:
        host = RootlessHost(a_user(needs, undo))

        def yurt(*words: str, within: Callable[..., list[str]] = host.as_someone) -> str:
            argv = within(sys.executable, "-m", "yurt.cli.main", *words)
            environ = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=environ)
            return done.stdout.strip() or done.stderr.strip()

        assert yurt("info", "--format", "{{.DockerRootDir}}") == str(host.root)
        told = yurt("doctor")
        assert "rootless with subuids, with seccomp" in told
        assert "has further numbers for users of containers" in told
        before = listener(str(host.socket))
        yurt("system", "restart")
        after = listener(str(host.socket))
        assert 0 not in {before, after}
        assert before != after
        refused = yurt("-H", host.host, "system", "restart", within=lambda *argv: list(argv))
        assert f"is user {host.someone.uid}'s" in refused
        assert listener(str(host.socket)) == after
