"""Features of containers that go beyond a plain run, each as a program inside sees it."""

import contextlib
import gc
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError
from docker.models.containers import Container
from docker.types import IPAMConfig, IPAMPool, Mount
from tests.conftest import Needs
from tests.integration.engine_host import IMAGE, EngineHost, _processes, busybox_image
from tests.integration.throwaway import SLEEP, refusal, said, until

from yurt.engine.networks.files import ResolvConf, host_resolv_conf, reachable
from yurt.engine.networks.firewall import tag_of
from yurt.linux.mount import mounted_below, unmount
from yurt.linux.nftables import Nftables

pytestmark = pytest.mark.root


class TestNamespaces:
    def test_ipc_is_shared_with_those_who_may(self, client: docker.DockerClient) -> None:
        """Shared memory of a shareable container is that of those who join it; a private one cannot be joined."""
        donor = client.containers.run(IMAGE, SLEEP, ipc_mode="shareable", detach=True)
        assert donor.exec_run(["sh", "-c", "echo hi > /dev/shm/x; stat -f -c %T /dev/shm"]).exit_code == 0
        assert said(client, "cat /dev/shm/x", ipc_mode=f"container:{donor.name}") == "hi"
        broken = client.containers.create(IMAGE, ["/nope"], ipc_mode="shareable")
        with pytest.raises(APIError, match="no such file"):
            broken.start()
        assert (
            broken.id not in Path("/proc/self/mountinfo").read_text()
        )  # nothing of the failed start is left
        private = client.containers.run(IMAGE, SLEEP, detach=True)
        reason = refusal(client, ipc_mode=f"container:{private.id}")
        assert reason == (
            f"failed to join IPC namespace: container {private.id}: non-shareable IPC "
            "(hint: use IpcMode:shareable for the donor container)"
        )

    def test_processes_are_seen_by_who_joins(self, client: docker.DockerClient) -> None:
        """--pid container:X shows X's processes, --pid host those of the host."""
        other = client.containers.run(IMAGE, SLEEP, detach=True)
        assert "sleep 600" in said(client, "ps -o args", pid_mode=f"container:{other.name}")
        assert int(said(client, "echo $$", pid_mode="host")) > 1

    def test_a_shared_network_has_one_name(self, client: docker.DockerClient) -> None:
        """Who joins another's network has its address, host name and hosts file; its own ports are refused."""
        other = client.containers.run(IMAGE, SLEEP, hostname="web", domainname="corp", detach=True)
        other.reload()
        address = other.attrs["NetworkSettings"]["IPAddress"]
        mode = f"container:{other.name}"
        assert said(client, "hostname; hostname -i", network_mode=mode).split() == ["web", address]
        assert f"{address}\tweb.corp web" in said(client, "cat /etc/hosts", network_mode=mode)
        assert "port publishing and the container type" in refusal(client, network_mode=mode, ports={"80": 1})
        other.stop(timeout=0)
        assert refusal(client, network_mode=mode) == (
            f"cannot join network namespace of a non running container: container {other.name} is exited"
        )

    def test_a_missing_container_is_not_a_missing_image(self, client: docker.DockerClient) -> None:
        """Naming a container that is not there is the request's fault: with 404, clients would pull the image."""
        for options in (
            {"network_mode": "container:nope"},
            {"pid_mode": "container:nope"},
            {"volumes_from": ["nope"]},
            {"links": {"nope": "db"}},
        ):
            with pytest.raises(APIError, match="No such container: nope") as refused:
                client.containers.create(IMAGE, ["true"], **options)
            assert refused.value.status_code == 400


def _address(container: Container) -> str:
    container.reload()
    return str(container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"])


def hosts_of(container: Container) -> str:
    return str(container.exec_run("cat /etc/hosts").output.decode())


class TestLinks:
    def test_a_link_is_a_name(self, client: docker.DockerClient) -> None:
        """--link gives a name to the other's address, on the default network and on one's own."""
        network = client.networks.create("feature-links")
        for options in ({}, {"network": network.name}):
            other = client.containers.run(IMAGE, SLEEP, detach=True, **options)
            other.reload()
            (settings,) = other.attrs["NetworkSettings"]["Networks"].values()
            hosts = said(client, "cat /etc/hosts", links={other.name: "db"}, **options)
            assert f"{settings['IPAddress']}\tdb {other.name} {other.short_id}" in hosts
            other.remove(force=True)

    def test_a_link_follows_the_other_s_address(self, client: docker.DockerClient) -> None:
        """Also with a restart of the other: its name never stands for an address that someone else may have."""
        other = client.containers.run(IMAGE, SLEEP, name="feature-db", detach=True)
        linked = client.containers.run(IMAGE, SLEEP, links={other.name: "db"}, detach=True)
        first = _address(other)
        assert f"{first}\tdb" in hosts_of(linked)
        other.stop(timeout=0)
        assert "db" not in hosts_of(linked)
        other.start()
        assert _address(other) != first, "or this proves nothing"
        assert f"{_address(other)}\tdb" in hosts_of(linked)
        other.remove(force=True)
        assert "db" not in hosts_of(linked)

    def test_links_are_shown(self, client: docker.DockerClient) -> None:
        """As Docker spells them; a link to a stopped container keeps from starting."""
        other = client.containers.create(IMAGE, SLEEP, name="feature-db")
        linked = client.containers.create(IMAGE, SLEEP, name="feature-web", links={"feature-db": "db"})
        assert linked.attrs["HostConfig"]["Links"] == ["/feature-db:/feature-web/db"]
        with pytest.raises(
            APIError, match="Cannot link to a non running container: /feature-db AS /feature-w"
        ):
            linked.start()
        other.start()
        linked.start()


class TestDevicesAndGroups:
    def test_device_rules_let_nodes_be_made(self, client: docker.DockerClient) -> None:
        """Without a rule the node cannot be opened; with one it can."""
        command = "mknod /full c 1 7 && mknod /fuse c 10 229 && head -c0 /fuse && echo opened"
        assert said(client, f"({command}) 2>&1 | tail -1", device_cgroup_rules=["c 10:* rwm"]) == "opened"
        assert "not permitted" in said(client, f"({command}) 2>&1 | tail -1")

    def test_a_parent_group_of_ones_own(self, client: docker.DockerClient) -> None:
        """--cgroup-parent says below which group; statistics, pause and removal know it there."""
        container = client.containers.run(IMAGE, SLEEP, cgroup_parent="/feature-groups", detach=True)
        groups = [line.partition("::")[2] or line for line in _groups(container)]
        assert any(f"/feature-groups/{container.id}" in line for line in groups)
        assert container.stats(stream=False)["pids_stats"]["current"] == 1
        assert len(container.top()["Processes"]) == 1
        container.pause()
        container.unpause()
        container.remove(force=True)
        left = [path for path in Path("/sys/fs/cgroup").glob("**/feature-groups") if path.is_dir()]
        try:
            assert not [child for path in left for child in path.iterdir() if child.is_dir()]
        finally:
            for path in left:
                path.rmdir()

    def test_an_unlimited_number_of_processes(self, client: docker.DockerClient) -> None:
        """`update --pids-limit -1` takes a limit away."""
        container = client.containers.run(IMAGE, SLEEP, pids_limit=50, detach=True)
        url = client.api._url("/containers/{0}/update", container.id)
        assert client.api._post_json(url, data={"PidsLimit": -1}).status_code == 200
        files = Path("/sys/fs/cgroup").glob(f"**/yurt/{container.id}/pids.max")
        assert next(files).read_text().strip() == "max"
        container.reload()
        assert container.attrs["HostConfig"]["PidsLimit"] is None

    def test_running_out_of_memory_is_told(self, client: docker.DockerClient) -> None:
        """In the state, in the exit code and as an event."""
        container = client.containers.create(
            IMAGE, ["sh", "-c", "x=$(head -c 60000000 /dev/zero | tr '\\0' a)"], mem_limit="20m"
        )
        since = container.attrs["Created"]
        container.start()
        assert container.wait()["StatusCode"] == 137
        container.reload()
        assert container.attrs["State"]["OOMKilled"] is True
        events = client.events(
            since=since, until=time.time(), filters={"container": container.id}, decode=True
        )
        assert "oom" in [event["Action"] for event in events]


def _groups(container: Any) -> list[str]:
    container.reload()
    return Path(f"/proc/{container.attrs['State']['Pid']}/cgroup").read_text().splitlines()


class TestNetworks:
    def test_addresses_come_from_the_range(self, client: docker.DockerClient) -> None:
        """--ip-range, --aux-address and --gateway decide which address a container gets; inspect shows them."""
        pool = IPAMPool("10.213.7.0/24", "10.213.7.128/25", "10.213.7.254", {"printer": "10.213.7.128"})
        client.networks.create("feature-range", ipam=IPAMConfig(pool_configs=[pool]), attachable=True)
        shown = said(client, "ip -4 -o addr show eth0; ip route", network="feature-range")
        assert "inet 10.213.7.129/24" in shown
        assert "default via 10.213.7.254" in shown
        attrs = client.networks.get("feature-range").attrs
        assert attrs["Attachable"] is True
        assert attrs["IPAM"]["Config"] == [
            {
                "Subnet": "10.213.7.0/24",
                "IPRange": "10.213.7.128/25",
                "Gateway": "10.213.7.254",
                "AuxiliaryAddresses": {"printer": "10.213.7.128"},
            }
        ]


def six(client: docker.DockerClient, name: str, **options: Any) -> IPv6Network:
    """Make a network with IPv6; return its subnet, which is its own on this host, whoever else tests here."""
    network = client.networks.create(name, enable_ipv6=True, **options)
    network.reload()
    return IPv6Network(network.attrs["IPAM"]["Config"][1]["Subnet"])


def host_port(container: Any, port: str) -> int:
    container.reload()
    return int(container.ports[port][0]["HostPort"])


@pytest.fixture
def needs_ipv6(needs: Needs) -> None:
    needs.file("/proc/net/if_inet6")


@pytest.mark.usefixtures("needs_ipv6")
class TestIPv6:
    def test_addresses_names_and_the_way_out(self, client: docker.DockerClient) -> None:
        """A container has an address and a default route of each family, names have AAAA and reverse records."""
        subnet = six(client, "feature-six")
        gateway, first, second = (str(subnet[number]) for number in (1, 2, 3))
        web = client.containers.run(IMAGE, SLEEP, name="feature-web6", network="feature-six", detach=True)
        web.reload()
        settings = web.attrs["NetworkSettings"]["Networks"]["feature-six"]
        assert (settings["GlobalIPv6Address"], settings["GlobalIPv6PrefixLen"]) == (first, 64)
        assert settings["IPv6Gateway"] == gateway
        assert settings["IPAddress"]
        seen = said(
            client,
            f"ip -6 route; nslookup -type=aaaa feature-web6; ping -6 -c1 -w5 {first} && "
            f"ping -6 -c1 -w5 {gateway} && echo reached; nslookup {first}; cat /etc/hosts",
            network="feature-six",
        )
        assert f"default via {gateway} dev eth0" in seen
        assert "reached" in seen
        assert f"Address: {first}" in seen
        assert "name = feature-web6.feature-six" in seen
        assert f"{second}\t" in seen
        attrs = client.networks.get("feature-six").attrs
        assert attrs["EnableIPv6"] is True
        assert {"Subnet": str(subnet), "Gateway": gateway} in attrs["IPAM"]["Config"]
        assert attrs["Containers"][web.id]["IPv6Address"] == f"{first}/64"

    def test_a_static_address_and_a_second_network(self, client: docker.DockerClient) -> None:
        """An address can be chosen; a network can be joined and left while it runs, the route follows."""
        six(client, "feature-six-a")
        subnet = six(client, "feature-six-b")
        box = client.containers.run(IMAGE, SLEEP, network="feature-six-a", detach=True)
        client.networks.get("feature-six-b").connect(box, ipv6_address=str(subnet[77]))
        assert f"{subnet[77]}/64".encode() in box.exec_run(["ip", "-6", "addr"]).output
        client.networks.get("feature-six-a").disconnect(box)
        assert f"default via {subnet[1]}".encode() in box.exec_run(["ip", "-6", "route"]).output
        with pytest.raises(APIError, match="no configured subnet contains IP address fd00:1::1"):
            client.networks.get("feature-six-a").connect(box, ipv6_address="fd00:1::1")

    def test_published_ports_answer_on_ipv6(self, client: docker.DockerClient) -> None:
        """A port published on every address answers on the host's IPv6 addresses; one on [::] only there."""
        subnet = six(client, "feature-six")
        serve = ["nc", "-ll", "-p", "80", "-e", "echo", "six"]
        web = client.containers.run(
            IMAGE, serve, network="feature-six", ports={"80/tcp": None, "81/tcp": ("::", None)}, detach=True
        )
        port, other = host_port(web, "80/tcp"), host_port(web, "81/tcp")
        until(lambda: fetched(str(subnet[1]), port) == b"six\n")
        assert fetched("127.0.0.1", port) == b"six\n"
        with pytest.raises(APIError, match=rf"Bind for \[::\]:{other} failed: port is already allocated"):
            client.containers.run(
                IMAGE, SLEEP, network="feature-six", ports={"1": ("::", other)}, detach=True
            )

    def test_networks_are_apart(self, client: docker.DockerClient) -> None:
        """No way from one network to another, and none out of an internal one."""
        one = six(client, "feature-six-a")
        other = six(client, "feature-six-b", internal=True)
        client.containers.run(IMAGE, SLEEP, network="feature-six-a", detach=True)
        assert said(client, "ip -6 route | grep -c default || true", network="feature-six-b") == "0"
        blocked = f"ip -6 route add default via {other[1]}; ping -6 -c1 -w1 {one[2]} >&2 || echo no"
        assert said(client, blocked, network="feature-six-b", cap_add=["NET_ADMIN"]) == "no"

    def test_a_subnet_is_chosen_or_found(self, client: docker.DockerClient) -> None:
        """Without --subnet the network gets a unique local one; an overlapping one is refused."""
        subnet = six(client, "feature-six")
        assert subnet.prefixlen == 64
        assert subnet.is_private
        taken = IPAMConfig(pool_configs=[IPAMPool(str(subnet))])
        with pytest.raises(APIError, match="Pool overlaps with other one"):
            client.networks.create("feature-six-b", enable_ipv6=True, ipam=taken)
        with pytest.raises(APIError, match="IPv6 is not enabled"):
            client.networks.create("feature-six-c", ipam=taken)

    def test_it_outlives_the_engine(self, new_engine: Callable[[], EngineHost]) -> None:
        """After kill -9 and a start the container's IPv6 address is still its own, and its port still answers."""
        host = new_engine()
        client = host.client()
        subnet = six(client, "feature-six")
        serve = ["nc", "-ll", "-p", "80", "-e", "echo", "six"]
        web = client.containers.run(IMAGE, serve, network="feature-six", ports={"80": None}, detach=True)
        port = host_port(web, "80/tcp")
        until(lambda: fetched(str(subnet[1]), port) == b"six\n")
        host.kill()
        assert fetched(str(subnet[1]), port) == b"six\n"
        host.start()
        assert fetched(str(subnet[1]), port) == b"six\n"
        assert f"{subnet[3]}/64" in said(host.client(), "ip -6 addr", network="feature-six")
        gc.collect()


def fetched(address: str, port: int) -> bytes:
    """Return what answers there; nothing when nobody does."""
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            return connection.recv(100)
    except OSError:
        return b""


class TestFilesOnTheHost:
    """What inspection tells of the host's files, and what the container sees of them."""

    def test_paths_are_those_of_files_that_exist(self, client: docker.DockerClient) -> None:
        """None before the first start; the log is none in Docker's own format, and so has no path."""
        box = client.containers.create(IMAGE, SLEEP)
        attrs = box.attrs
        assert (attrs["HostsPath"], attrs["ResolvConfPath"], attrs["HostnamePath"]) == ("", "", "")
        box.start()
        box.reload()
        attrs = box.attrs
        for key, path in {"HostsPath": "/etc/hosts", "ResolvConfPath": "/etc/resolv.conf", "HostnamePath": "/etc/hostname"}.items():  # fmt: skip
            assert Path(attrs[key]).read_bytes() == box.exec_run(["cat", path]).output
        assert attrs["LogPath"] == ""
        box.exec_run(["touch", "/here"])
        data = attrs["GraphDriver"]["Data"]
        assert Path(data["UpperDir"], "here").exists()
        assert Path(data["MergedDir"], "here").exists()
        assert Path(data["LowerDir"].split(":")[0], "bin/busybox").exists()
        image = client.images.get(IMAGE).attrs["GraphDriver"]["Data"]
        assert data["LowerDir"].split(":")[0] == image["UpperDir"]
        box.kill()
        box.reload()
        assert Path(box.attrs["HostsPath"]).exists()

    def test_who_is_asked_for_names(self, client: docker.DockerClient) -> None:
        """On the default network the host's servers, or those given; from the first network with names on, the engine."""
        reached = reachable(host_resolv_conf(), six=False)
        if reached is None:
            pytest.skip("this host asks only itself")
        client.networks.create("feature-names")
        box = client.containers.run(IMAGE, SLEEP, detach=True)

        def servers(container: Any) -> list[str]:
            text = container.exec_run(["cat", "/etc/resolv.conf"]).output.decode()
            return list(ResolvConf.parse(text).servers)

        assert servers(box) == list(reached.servers)
        given = client.containers.run(IMAGE, SLEEP, dns=["192.0.2.53"], detach=True)
        assert servers(given) == ["192.0.2.53"]
        client.networks.get("feature-names").connect(box)
        client.networks.get("feature-names").connect(given)
        assert servers(box) == ["127.0.0.11"]
        assert (
            len(
                re.findall(
                    rb"^[0-9.]+\t[0-9a-f]{12}$", box.exec_run(["cat", "/etc/hosts"]).output, re.MULTILINE
                )
            )
            == 2
        )
        given.exec_run(["sh", "-c", "echo nameserver 192.0.2.99 > /etc/resolv.conf"])
        for one in (box, given):
            client.networks.get("feature-names").disconnect(one)
        assert servers(box) == list(reached.servers)
        assert servers(given) == ["192.0.2.99"], "what the container wrote itself stays"


class TestInit:
    def test_an_init_reaps_and_passes_on(self, client: docker.DockerClient, needs: Needs) -> None:
        """--init: the first process is an init; orphans do not stay as zombies, the exit code is the program's."""
        needs.program("tini")
        container = client.containers.run(
            IMAGE, ["sh", "-c", "(sleep 0.1 &) ; exec sleep 600"], init=True, detach=True
        )
        until(lambda: len(container.top()["Processes"]) == 2)  # the init and the program
        assert container.exec_run(["cat", "/proc/1/comm"]).output == b"docker-init\n"
        assert "<defunct>" not in str(container.top())
        failing = client.containers.run(IMAGE, ["sh", "-c", "exit 7"], init=True, detach=True)
        assert failing.wait()["StatusCode"] == 7


class TestCreation:
    def test_an_image_for_another_processor_is_missing(self, client: docker.DockerClient) -> None:
        """So that the client pulls the right one."""
        with pytest.raises(APIError, match="does not match the specified platform") as refused:
            client.containers.create(IMAGE, ["true"], platform="linux/s390x")
        assert refused.value.status_code == 404

    def test_a_network_that_is_not_there(self, client: docker.DockerClient) -> None:
        """The container is made, as in Docker, and its start says what is missing."""
        container = client.containers.create(IMAGE, ["true"], network_mode="nope")
        with pytest.raises(APIError, match="failed to set up container networking: network nope not found"):
            container.start()

    def test_low_ports_and_ping_need_no_privilege(self, client: docker.DockerClient) -> None:
        """Any user in a container may listen on port 80 and ping, as in Docker."""
        settings = "ip_unprivileged_port_start ping_group_range"
        assert said(client, f"cd /proc/sys/net/ipv4 && cat {settings}").split() == ["0", "0", "2147483647"]

    def test_no_descriptor_of_the_engine_gets_in(self, client: docker.DockerClient) -> None:
        """A program has its three streams and no more; a working folder cannot name one either."""
        assert said(client, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]  # 3: ls reads the folder
        container = client.containers.run(IMAGE, SLEEP, detach=True)
        assert container.exec_run(["ls", "/proc/self/fd"]).output.split() == [b"0", b"1", b"2", b"3"]
        for number in (3, 5, 7, 8, 9):
            assert "links of /proc may lead out" in refusal(client, working_dir=f"/proc/self/fd/{number}")


class TestCommit:
    def test_what_changed_becomes_a_layer(self, client: docker.DockerClient) -> None:
        """Files made, changed and removed, and the configuration with its changes; the container goes on."""
        command = "echo new > /made; rm /etc/group; mkdir -p /d/e; ln -s made /link; exec sleep 600"
        container = client.containers.run(
            IMAGE, ["sh", "-c", command], environment={"A": "1"}, labels={"of": "container"}, detach=True
        )
        until(lambda: container.exec_run(["readlink", "/link"]).exit_code == 0)
        image = container.commit(
            repository="feature-committed",
            tag="1",
            message="why",
            author="me",
            changes='CMD ["cat", "/made"]',
        )
        try:
            container.reload()
            assert container.status == "running"
            assert container.exec_run(["cat", "/made"]).output == b"new\n"
            assert client.containers.run(image, remove=True) == b"new\n"
            assert said(client, "ls /etc; readlink /link; ls /d; echo $A", image=image).split() == [
                "hostname", "hosts", "passwd", "resolv.conf", "made", "e", "1",
            ]  # fmt: skip
            assert image.labels == {"of": "container"}
            assert (image.attrs["Author"], image.attrs["Comment"]) == ("me", "why")
            assert image.history()[0]["Comment"] == "why"
            assert image.attrs["Parent"] == container.attrs["Image"]
            # The container's own layer is still its own: what it writes now is not in the image.
            container.exec_run(["sh", "-c", "echo later > /made"])
            assert client.containers.run(image, remove=True) == b"new\n"
        finally:
            client.images.remove(image.id, force=True)

    def test_a_stopped_one_and_one_that_changed_nothing(self, client: docker.DockerClient) -> None:
        """Both can be committed; the second has the layers of its image and no more."""
        container = client.containers.create(IMAGE, ["true"])
        image = container.commit()
        try:
            assert image.tags == []
            assert image.attrs["RootFS"] == client.images.get(IMAGE).attrs["RootFS"]
        finally:
            client.images.remove(image.id, force=True)

    def test_only_the_configuration_is_changed(self, client: docker.DockerClient) -> None:
        """RUN is refused; a container that is not there, too."""
        container = client.containers.create(IMAGE, ["true"])
        with pytest.raises(APIError, match="RUN is not a valid change command"):
            container.commit(changes="RUN true")
        with pytest.raises(APIError, match="No such container: nope"):
            client.api.commit("nope")

    def test_an_import_takes_changes(self, client: docker.DockerClient) -> None:
        """`import --change` gives the image a command, and --platform its processor."""
        client.api.import_image_from_data(
            busybox_image(), repository="feature-imported", tag="1", changes=["CMD echo hi", "ENV A=b"]
        )
        try:
            assert client.containers.run("feature-imported:1", remove=True) == b"hi\n"
            assert client.images.get("feature-imported:1").attrs["Config"]["Env"] == ["A=b"]
        finally:
            client.images.remove("feature-imported:1")


class TestSubpaths:
    def test_a_folder_of_a_volume(self, client: docker.DockerClient) -> None:
        """--mount volume-subpath shows one folder of a volume; it may not lead out, not even later."""
        volume = client.volumes.create("feature-sub")
        said(client, "mkdir /v/sub && echo hi > /v/sub/f", volumes={volume.name: {"bind": "/v"}})

        def mount(subpath: str) -> Mount:
            found = Mount("/e", volume.name)
            found["VolumeOptions"] = {"Subpath": subpath}
            return found

        assert said(client, "cat /e/f", mounts=[mount("sub")]) == "hi"
        assert "cannot access path" in refusal(client, mounts=[mount("nope")])
        assert "subpath must be a relative path" in refusal(client, mounts=[mount("../..")])
        box = client.containers.create(IMAGE, ["true"], mounts=[mount("sub")])
        said(client, "rm -r /v/sub && ln -s /etc /v/sub", volumes={volume.name: {"bind": "/v"}})
        with pytest.raises(APIError, match="path concatenation escapes the base directory"):
            box.start()


class TestPruning:
    def test_what_is_old_enough_goes(self, client: docker.DockerClient) -> None:
        """`prune --filter until=1h` spares what is younger than an hour, whatever it is."""
        container = client.containers.create(IMAGE, ["true"])
        network = client.networks.create("feature-prune")
        for prune in (client.containers.prune, client.networks.prune, client.images.prune):
            assert not {name for name, gone in prune({"until": "1h"}).items() if gone}
        container.reload()
        network.reload()

    def test_an_unnamed_volume_goes_and_a_named_one_stays(self, client: docker.DockerClient) -> None:
        """`volume prune` takes anonymous volumes that nobody uses; with all also the named."""
        named = client.volumes.create("feature-named")
        container = client.containers.create(IMAGE, ["true"], volumes=["/data"])
        anonymous = container.attrs["Mounts"][0]["Name"]
        assert not client.volumes.prune()["VolumesDeleted"]  # in use, and named
        container.remove()
        assert client.volumes.prune()["VolumesDeleted"] == [anonymous]
        assert client.volumes.prune({"all": True})["VolumesDeleted"] == [named.name]

    def test_a_network_that_a_stopped_container_names_stays(self, client: docker.DockerClient) -> None:
        """It would not start without it."""
        network = client.networks.create("feature-held")
        container = client.containers.create(IMAGE, ["true"], network=network.name)
        assert client.networks.prune()["NetworksDeleted"] is None
        container.remove()
        assert client.networks.prune()["NetworksDeleted"] == [network.name]

    def test_the_build_cache_is_counted(self, client: docker.DockerClient) -> None:
        """`system df` shows the layers that only the build cache has; pruning frees them."""
        stages = (f"FROM {IMAGE} AS first", "RUN head -c 50000 /dev/zero > /fifty", f"FROM {IMAGE}")
        source = "\n".join((*stages, "COPY --from=first /etc/passwd /copied")).encode()
        image, _output = client.images.build(fileobj=io.BytesIO(source), tag="feature-cache:1")
        client.images.remove(image.id, force=True)
        before = client.df()["BuildCache"]
        freed = client.api.prune_builds()["SpaceReclaimed"]
        assert sum(entry["Size"] for entry in before) >= 50000
        assert freed > 0
        assert client.df()["BuildCache"] == []


class TestReboot:
    def test_policies_bring_containers_back(self, new_engine: Callable[[], EngineHost]) -> None:
        """After a reboot always and unless-stopped run again, but not what a person stopped, nor what has no policy."""
        host = new_engine()
        client = host.client()
        network = client.networks.create("feature-reboot", enable_ipv6=True)
        made = {}
        for name, policy in (
            ("always", "always"), ("unless", "unless-stopped"), ("stopped", "unless-stopped"), ("plain", "no"),
        ):  # fmt: skip
            made[name] = client.containers.run(
                IMAGE, SLEEP, name=name, restart_policy={"Name": policy}, network=network.name, detach=True
            )
        made["stopped"].stop(timeout=0)
        rebooted(host)
        host.start()
        again = host.client()

        def status(name: str) -> str:
            return str(again.containers.get(name).status)

        until(lambda: status("always") == status("unless") == "running")
        assert (status("stopped"), status("plain")) == ("exited", "exited")
        assert b"unless" in again.containers.get("always").exec_run(["nslookup", "unless"]).output
        assert again.containers.get("plain").attrs["State"]["ExitCode"] == 255
        gc.collect()


def rebooted(host: EngineHost) -> None:
    """Leave of *host* what a reboot leaves: its files on the disk, and nothing in the kernel or below /run."""
    pids = [
        int(pid)
        for folder in Path("/sys/fs/cgroup").glob("**/yurt/*")
        if (host.root / "containers" / folder.name).exists()
        for pid in (folder / "cgroup.procs").read_text().split()
    ]
    host.kill()
    for pid, _line in _processes((str(host.root), str(host.run))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # shims first: nobody writes an exit down
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    tag = tag_of(host.root)
    nft = Nftables()
    nft.run("".join(f"add table {f} yurt_{tag}\ndelete table {f} yurt_{tag}\n" for f in ("ip", "ip6")))
    nft.close()
    for name in os.listdir("/sys/class/net"):
        if name.startswith((f"yu{tag[:5]}", f"yv{tag[:5]}")):
            subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)
    for point in mounted_below(host.run):
        unmount(point, lazy=True)
    shutil.rmtree(host.run)
