"""All that docker-py's high-level client offers for containers: the same holds on Docker and on yurtd."""

import io
import json
import socket
import tarfile
import threading
import time
from datetime import datetime
from typing import Any

import docker
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound
from docker.types import Healthcheck, LogConfig, Mount, Ulimit
from docker.utils.socket import demux_adaptor, frames_iter
from tests.e2e.cli_host import IMAGE
from tests.e2e.sdk_host import MARK, Sdk, tar_of, until

# docker-py leaves hijacked sockets to the garbage collector.
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
BOTH = "echo out; echo err >&2"


def text_of(sock: Any) -> bytes:
    """Read what docker-py gave for a socket to its end, and close it."""
    raw: socket.socket = getattr(sock, "_sock", sock)
    raw.settimeout(20)
    with raw.makefile("rb") as file:
        data = file.read()
    raw.close()
    return data


def test_run_gives_the_output(sdk: Sdk) -> None:
    """One stream or both; a failing command is an error with its code; nothing is left of it."""
    run = sdk.client.containers.run
    assert run(IMAGE, ["sh", "-c", BOTH], remove=True) == b"out\n"
    assert run(IMAGE, ["sh", "-c", BOTH], remove=True, stdout=False, stderr=True) == b"err\n"
    assert sorted(run(IMAGE, ["sh", "-c", BOTH], remove=True, stderr=True).split()) == [b"err", b"out"]
    assert run(IMAGE, "echo 'of one string'", remove=True) == b"of one string\n"
    with pytest.raises(ContainerError) as failed:
        run(IMAGE, ["sh", "-c", f"{BOTH}; exit 7"], remove=True, name="sdk-failing")
    assert (failed.value.exit_status, failed.value.stderr) == (7, b"err\n")
    with pytest.raises(NotFound):
        sdk.client.containers.get("sdk-failing")
    with pytest.raises(APIError) as broken:
        run(IMAGE, ["/nosuch"], remove=True)
    assert broken.value.status_code == 400
    assert "no such file or directory" in broken.value.explanation
    with pytest.raises(ImageNotFound):
        sdk.client.containers.create("sdk-nosuch:1", "true")


def test_run_streams(sdk: Sdk) -> None:
    """With `stream`, lines come while the command runs."""
    stream = sdk.client.containers.run(
        IMAGE, ["sh", "-c", "echo first; sleep 1; echo second"], stream=True, remove=True
    )
    begun = time.monotonic()
    assert next(stream) == b"first\n"
    assert time.monotonic() - begun < 0.9
    assert b"".join(stream) == b"second\n"


def test_all_options_of_create_arrive(sdk: Sdk) -> None:
    """What docker-py sends is what inspection tells."""
    wished: dict[str, Any] = {
        "auto_remove": True, "blkio_weight": 500, "cap_add": ["NET_ADMIN"], "cap_drop": ["MKNOD"], "cpu_period": 100000,
        "cpu_quota": 50000, "cpu_shares": 512, "cpuset_cpus": "0", "detach": True,
        "devices": ["/dev/null:/dev/nothing:rw"], "dns": ["192.0.2.1"], "dns_opt": ["ndots:1"],
        "dns_search": ["example.test"], "domainname": "example.test", "environment": {"A": "1", "B": "two words"},
        "entrypoint": ["sh", "-c"], "extra_hosts": {"there": "192.0.2.2"}, "group_add": ["1234"],
        "healthcheck": Healthcheck(test=["CMD", "true"], interval=10**9, retries=3), "hostname": "felt",
        "ipc_mode": "private", "labels": {MARK: "", "a": "b"},
        "log_config": LogConfig(type="json-file", config={"max-size": "1m"}), "mac_address": "02:42:00:00:12:34",
        "mem_limit": "64m", "mem_reservation": "32m", "mem_swappiness": 10, "memswap_limit": "128m",
        "mounts": [Mount("/scratch", None, type="tmpfs")], "name": "sdk-options", "oom_score_adj": 100,
        "pids_limit": 50, "ports": {"80/tcp": None, "53/udp": ("127.0.0.1", None)}, "privileged": False,
        "read_only": True, "restart_policy": {"Name": "no"}, "runtime": None, "security_opt": ["no-new-privileges"],
        "shm_size": "32m", "stdin_open": True, "stop_signal": "SIGINT", "sysctls": {"net.ipv4.ip_forward": "0"},
        "tmpfs": {"/run": "size=1m"}, "tty": False, "ulimits": [Ulimit(name="nofile", soft=100, hard=200)],
        "user": "1000:1000", "volumes": {"/tmp": {"bind": "/host", "mode": "ro"}}, "working_dir": "/tmp",
    }  # fmt: skip
    container = sdk.client.containers.create(IMAGE, ["sleep 30"], **wished)
    attrs = sdk.client.containers.get("sdk-options").attrs
    config, host = attrs["Config"], attrs["HostConfig"]
    assert {"A=1", "B=two words"} <= set(config["Env"])
    told = {
        "Hostname": "felt", "Domainname": "example.test", "User": "1000:1000", "WorkingDir": "/tmp", "OpenStdin": True,
        "StopSignal": "SIGINT", "Entrypoint": ["sh", "-c"], "Cmd": ["sleep 30"], "Labels": {MARK: "", "a": "b"},
    }  # fmt: skip
    assert {key: config[key] for key in told} == told
    assert config["Healthcheck"]["Test"] == ["CMD", "true"]
    assert set(config["ExposedPorts"]) == {"80/tcp", "53/udp"}
    told = {
        "AutoRemove": True, "CapAdd": ["NET_ADMIN"], "CapDrop": ["MKNOD"], "CpuPeriod": 100000,
        "CpuQuota": 50000, "CpuShares": 512, "CpusetCpus": "0", "Dns": ["192.0.2.1"], "DnsOptions": ["ndots:1"],
        "DnsSearch": ["example.test"], "ExtraHosts": ["there:192.0.2.2"], "GroupAdd": ["1234"],
        "IpcMode": "private", "Memory": 64 << 20, "MemoryReservation": 32 << 20, "MemorySwap": 128 << 20,
        "OomScoreAdj": 100, "PidsLimit": 50, "ReadonlyRootfs": True, "SecurityOpt": ["no-new-privileges"],
        "ShmSize": 32 << 20, "Sysctls": {"net.ipv4.ip_forward": "0"}, "Tmpfs": {"/run": "size=1m"},
        "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "Binds": ["/tmp:/host:ro"],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
    }  # fmt: skip
    assert {key: host[key] for key in told} == told
    assert (container.name, container.status, container.labels["a"]) == ("sdk-options", "created", "b")
    container.start()
    assert container.exec_run(["sh", "-c", "sleep 0.2; id -u; pwd; hostname; echo $B; cat /etc/resolv.conf"]).output.decode(
    ).splitlines()[:4] == ["1000", "/tmp", "felt", "two words"]  # fmt: skip
    until(lambda: sdk.client.containers.get("sdk-options").health == "healthy")
    container.reload()
    assert set(container.ports) == {"80/tcp", "53/udp"}
    assert container.ports["53/udp"][0]["HostIp"] == "127.0.0.1"


def test_list_filters(sdk: Sdk) -> None:
    """By status, name, label, exit code, ancestor, ID, health, network and publication; before, since and limit."""
    first = sdk.shell("exit 3", name="sdk-list-1", labels={MARK: "", "n": "1"})
    first.wait()
    second = sdk.start("sleep", "60", name="sdk-list-2", labels={MARK: "", "n": "2"}, ports={"80/tcp": None})

    def names(*, all: bool = True, **filters: object) -> set[str]:  # noqa: A002 - docker-py's own word
        found = sdk.client.containers.list(all=all, filters={"label": MARK, **filters})
        return {each.name.removeprefix("sdk-list-") for each in found}

    assert names() == {"1", "2"}
    assert names(all=False) == {"2"}
    assert names(status="exited") == {"1"}
    assert names(status=["exited", "running"]) == {"1", "2"}
    assert names(exited=3) == {"1"}
    assert names(exited=0) == set()
    assert names(label=[MARK, "n=2"]) == {"2"}
    assert names(name="sdk-list-1") == {"1"}
    assert names(id=second.id[:12]) == {"2"}
    assert names(ancestor=IMAGE) == {"1", "2"}
    assert names(network="bridge") == {"1", "2"}
    assert names(health="none") == {"1", "2"}
    (published,) = sdk.client.api.port(second.id, 80)[:1]
    assert names(publish=published["HostPort"]) == {"2"}
    assert names(expose="80") == {"2"}
    assert names(before=second.id) == {"1"}
    assert names(since=first.name) == {"2"}
    found = sdk.client.containers.list(limit=1, filters={"label": MARK}, sparse=True)
    assert [(each.id, each.status) for each in found] == [(second.id, "running")]
    assert sdk.client.containers.get(second.short_id) == second
    with pytest.raises(NotFound, match="No such container: sdk-nosuch"):
        sdk.client.containers.get("sdk-nosuch")
    with pytest.raises(APIError) as wrong:
        names(nosuch="x")
    assert wrong.value.status_code == 400


def test_prune(sdk: Sdk) -> None:
    """Stopped ones with the label go, and are named; running ones stay."""
    gone = sdk.start("true", labels={MARK: "", "sdk.prune": "1"})
    gone.wait()
    stays = sdk.start("sleep", "60", labels={MARK: "", "sdk.prune": "1"})
    told = sdk.client.containers.prune({"label": "sdk.prune"})
    assert told["ContainersDeleted"] == [gone.id]
    assert isinstance(told["SpaceReclaimed"], int)
    stays.reload()
    assert stays.status == "running"


def test_attach(sdk: Sdk) -> None:
    """What is said from the start on, by stream."""
    going = sdk.client.containers.create(IMAGE, ["sh", "-c", BOTH], labels={MARK: ""})
    stream = going.attach(stream=True, demux=True, stdout=True, stderr=True)
    going.start()
    assert sorted(stream, key=str) == [(None, b"err\n"), (b"out\n", None)]


def test_attach_socket(sdk: Sdk) -> None:
    """A socket in both directions; the end of the input arrives, and the output after it is read."""
    container = sdk.client.containers.create(
        IMAGE, ["sh", "-c", "cat; echo end >&2"], stdin_open=True, labels={MARK: ""}
    )
    sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    container.start()
    raw = sock._sock
    raw.sendall(b"line\n")
    raw.shutdown(socket.SHUT_WR)
    raw.settimeout(20)
    frames = [demux_adaptor(*frame) for frame in frames_iter(sock, tty=False)]
    assert frames == [(b"line\n", None), (None, b"end\n")]
    assert container.wait()["StatusCode"] == 0
    sock.close()
    raw.close()


def test_attach_socket_of_a_terminal(sdk: Sdk) -> None:
    """With a terminal the bytes are raw; `resize` is seen inside."""
    container = sdk.start("sh", tty=True, stdin_open=True)
    sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.resize(33, 101)
    sock._sock.sendall(b"stty size; exit 4\n")
    assert b"33 101" in text_of(sock)
    assert container.wait()["StatusCode"] == 4
    sock.close()


def test_commit_diff_export(sdk: Sdk) -> None:
    """The changed files are told, are in an export, and in the image of a commit."""
    container = sdk.shell("echo new > /made; rm /etc/passwd; exec sleep 60")
    until(lambda: len(container.diff()) > 2)
    assert sorted(container.diff(), key=lambda each: str(each["Path"])) == [
        {"Path": "/etc", "Kind": 0},
        {"Path": "/etc/passwd", "Kind": 2},
        {"Path": "/made", "Kind": 1},
    ]
    with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
        names = tar.getnames()
    assert "made" in names
    assert "etc/passwd" not in names
    image = container.commit(
        "sdk-committed", tag="1", message="said", author="A. N. Other", changes=["ENV X=1", f"LABEL {MARK}="],
        conf={"Labels": {MARK: ""}, "Cmd": ["cat", "/made"]},
    )  # fmt: skip
    assert image.tags == ["sdk-committed:1"]
    assert (image.attrs["Author"], image.attrs["Comment"]) == ("A. N. Other", "said")
    assert "X=1" in image.attrs["Config"]["Env"]
    assert sdk.client.containers.run("sdk-committed:1", remove=True) == b"new\n"


def test_exec_run(sdk: Sdk) -> None:
    """Whole, by stream, streamed, both; with a user, a folder, variables, a terminal, and the exit code."""
    container = sdk.start("sleep", "60")

    def run(script: str, **options: Any) -> Any:
        # docker-py loses what arrives together with the answer's headers.
        return container.exec_run(["sh", "-c", f"sleep 0.2; {script}"], **options)

    assert run(f"{BOTH}; exit 3", demux=True) == (3, (b"out\n", b"err\n"))
    assert container.exec_run("sh -c 'sleep 0.2; echo one string'") == (0, b"one string\n")
    assert run(BOTH, stderr=False) == (0, b"out\n")
    assert run(BOTH, stdout=False) == (0, b"err\n")
    assert run("id -un; pwd; echo $A", user="alice", workdir="/tmp", environment={"A": "b c"}) == (
        0, b"alice\n/tmp\nb c\n",
    )  # fmt: skip
    assert run("echo $A", environment=["A=list"]).output == b"list\n"
    code, stream = run("echo first; sleep 0.4; echo second", stream=True)
    assert (code, list(stream)) == (None, [b"first\n", b"second\n"])
    code, stream = run(f"echo out; sleep 0.2; {BOTH}", stream=True, demux=True)
    assert code is None
    assert sorted(stream, key=str) == [(None, b"err\n"), (b"out\n", None), (b"out\n", None)]
    assert run("test -t 1 && echo terminal", tty=True) == (0, b"terminal\r\n")
    assert run("true", detach=True).output == ""
    assert container.exec_run(["nosuch"]).exit_code in {126, 127}
    container.stop(timeout=2)
    with pytest.raises(APIError) as dead:
        run("true")
    assert dead.value.status_code == 409


def test_exec_by_a_socket(sdk: Sdk) -> None:
    """Input and output by one socket; the exit code by inspection."""
    container = sdk.start("sleep", "60")
    code, sock = container.exec_run(["cat"], stdin=True, socket=True)
    assert code is None
    sock._sock.sendall(b"abc\n")
    sock._sock.shutdown(socket.SHUT_WR)
    assert text_of(sock) == b"\x01\0\0\0\0\0\0\x04abc\n"
    sock.close()
    code, sock = container.exec_run(["sh"], stdin=True, socket=True, tty=True)
    sock._sock.sendall(b"echo $((6*7)); exit\n")
    assert b"42\r\n" in text_of(sock)
    sock.close()


def test_low_level_exec(sdk: Sdk) -> None:
    """exec_create, exec_start, exec_resize and exec_inspect of APIClient."""
    container, api = sdk.start("sleep", "60"), sdk.client.api
    made = api.exec_create(container.id, ["sh", "-c", "sleep 0.5; stty size; exit 5"], tty=True, stdin=True)
    sock = api.exec_start(made["Id"], socket=True, tty=True)
    assert api.exec_inspect(made["Id"])["Running"] is True
    api.exec_resize(made["Id"], height=12, width=34)
    assert text_of(sock) == b"12 34\r\n"
    sock.close()
    until(lambda: api.exec_inspect(made["Id"])["Running"] is False)
    told = api.exec_inspect(made["Id"])
    assert (told["ExitCode"], told["ContainerID"]) == (5, container.id)
    assert told["ProcessConfig"]["entrypoint"] == "sh"


def test_files_in_and_out(sdk: Sdk) -> None:
    """put_archive and get_archive of running and stopped containers; what is not there is said."""
    container = sdk.start("sleep", "60")
    assert container.put_archive("/tmp", tar_of(one="1", two="22")) is True
    assert container.exec_run(["sh", "-c", "sleep 0.2; cat /tmp/one /tmp/two"]).output == b"122"
    container.kill()
    container.wait()
    assert container.put_archive("/", io.BytesIO(tar_of(three="333"))) is True
    chunks, stat = container.get_archive("/three")
    assert {key: stat[key] for key in ("name", "size", "linkTarget")} == {
        "name": "three",
        "size": 3,
        "linkTarget": "",
    }
    assert stat["mode"] & 0o777 == 0o640
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        member = tar.extractfile("three")
        assert member is not None
        assert member.read() == b"333"
    chunks, _ = container.get_archive("/tmp", encode_stream=True)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        assert {"tmp/one", "tmp/two"} <= set(tar.getnames())
    with pytest.raises(NotFound):
        container.get_archive("/nosuch")
    with pytest.raises(NotFound):
        container.put_archive("/nosuch", tar_of(one="1"))
    with pytest.raises(APIError) as no_folder:
        container.put_archive("/three", tar_of(one="1"))
    assert no_folder.value.status_code == 400


def test_logs(sdk: Sdk) -> None:
    """All, by stream, the tail, with times, since, until, streamed and followed."""
    container = sdk.shell("echo one; sleep 0.2; echo bad >&2; sleep 1.2; echo two; sleep 0.3; echo three")
    follow = container.logs(stream=True, follow=True)
    assert b"".join(follow) == b"one\nbad\ntwo\nthree\n"
    container.wait()
    assert container.logs() == b"one\nbad\ntwo\nthree\n"
    assert container.logs(stdout=False) == b"bad\n"
    assert container.logs(stderr=False, tail=2) == b"two\nthree\n"
    assert container.logs(tail="all") == b"one\nbad\ntwo\nthree\n"
    assert container.logs(tail=0) == b""
    stamped = container.logs(timestamps=True).decode().splitlines()
    times, words = zip(*(line.split(" ") for line in stamped), strict=True)
    assert words == ("one", "bad", "two", "three")
    assert list(times) == sorted(times)
    second = datetime.fromisoformat(f"{times[2][:26]}+00:00").timestamp()
    assert container.logs(since=second - 0.5) == b"two\nthree\n"
    assert container.logs(until=second - 0.5) == b"one\nbad\n"
    assert list(container.logs(stream=True, follow=False, stderr=False)) == [b"one\n", b"two\n", b"three\n"]


def test_following_is_closed_by_the_client(sdk: Sdk) -> None:
    """`close` of a followed log ends it from another thread, as docker-py's documentation has it."""
    container = sdk.shell("echo ready; sleep 60")
    stream = container.logs(stream=True, follow=True)
    assert next(stream) == b"ready\n"
    timer = threading.Timer(0.3, stream.close)
    timer.start()
    assert list(stream) == []
    timer.join()


def test_life(sdk: Sdk) -> None:
    """pause, unpause, rename, restart, kill with a signal, stop, start, remove with force, link and volumes."""
    container = sdk.shell("trap 'exit 9' USR1; while :; do sleep 0.1; done", name="sdk-life")

    def status() -> str:
        container.reload()
        return str(container.status)

    container.pause()
    assert status() == "paused"
    container.unpause()
    assert status() == "running"
    container.rename("sdk-afterlife")
    assert (status(), container.name) == ("running", "sdk-afterlife")
    before = container.attrs["State"]["Pid"]
    container.restart(timeout=0)
    assert status() == "running"
    assert container.attrs["State"]["Pid"] != before
    until(lambda: b"sleep" in str(container.top()).encode())
    container.kill("SIGUSR1")
    assert container.wait() == {"StatusCode": 9}
    container.start()
    container.stop(timeout=0)
    assert (status(), container.attrs["State"]["ExitCode"]) == ("exited", 137)
    container.start()
    with pytest.raises(APIError) as running:
        container.remove()
    assert running.value.status_code == 409
    container.remove(force=True, v=True)
    with pytest.raises(NotFound):
        container.reload()
    with pytest.raises(NotFound):
        container.kill()


def test_wait_conditions(sdk: Sdk) -> None:
    """`removed` and `next-exit` are waited for from before they happen."""
    api = sdk.client.api
    for condition, after in (("next-exit", False), ("removed", True), ("not-running", False)):
        container = sdk.client.containers.create(IMAGE, ["sh", "-c", "sleep 0.8; exit 6"], labels={MARK: ""})
        if condition == "not-running":
            container.start()
        answers: list[object] = []
        waiter = threading.Thread(
            target=lambda to=answers, c=container, k=condition: to.append(api.wait(c.id, condition=k))
        )
        waiter.start()
        if condition != "not-running":
            time.sleep(0.2)
            container.start()
        if after:
            assert container.wait(timeout=20) == {"StatusCode": 6}
            time.sleep(0.2)
            assert answers == []
            container.remove()
        waiter.join(20)
        assert answers == [{"StatusCode": 6}], condition
    assert container.wait(timeout=5) == {"StatusCode": 6}


def test_stats(sdk: Sdk) -> None:
    """One answer, and one each second; decoded or not; of a stopped container zeros."""
    container = sdk.start("sleep", "60")
    once = container.stats(stream=False)
    assert once["id"] == container.id
    assert once["name"] == f"/{container.name}"
    assert once["memory_stats"]["usage"] > 0
    assert once["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert once["cpu_stats"]["online_cpus"] > 0
    assert once["precpu_stats"]["system_cpu_usage"] > 0
    assert {"rx_bytes", "tx_bytes"} <= set(once["networks"]["eth0"])
    stream = container.stats(decode=True)
    first, second = next(stream), next(stream)
    assert first["read"] < second["read"]
    assert second["precpu_stats"]["cpu_usage"] == first["cpu_stats"]["cpu_usage"]
    assert json.loads(next(container.stats()))["id"] == container.id
    container.kill()
    container.wait()
    assert container.stats(stream=False)["pids_stats"] == {}


def test_top(sdk: Sdk) -> None:
    """Docker's columns, and those that ps's arguments ask for."""
    container = sdk.start("sleep", "60")
    told = container.top()
    assert told["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert told["Processes"][0][-1] == "sleep 60"
    told = container.top(ps_args="-eo pid,comm")
    assert told["Titles"] == ["PID", "COMMAND"]
    assert [row[1] for row in told["Processes"]] == ["sleep"]


def test_update(sdk: Sdk) -> None:
    """Limits and the policy of restarts of a running container."""
    container = sdk.start("sleep", "60")
    assert container.update(
        cpu_shares=256, mem_limit="96m", memswap_limit="96m", restart_policy={"Name": "on-failure", "MaximumRetryCount": 2}
    )["Warnings"] in (None, [])  # fmt: skip
    container.reload()
    host = container.attrs["HostConfig"]
    assert (host["CpuShares"], host["Memory"]) == (256, 96 << 20)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}


def test_low_level_calls(sdk: Sdk) -> None:
    """APIClient: create_host_config, create_container, port, inspect, containers, put_archive and remove."""
    api = sdk.client.api
    host = api.create_host_config(port_bindings={8080: ("127.0.0.1", None)}, binds=["/tmp:/host:ro"])
    made = api.create_container(
        IMAGE, "sleep 60", ports=[8080], host_config=host, labels={MARK: ""}, name="sdk-low",
        networking_config=api.create_networking_config({"bridge": api.create_endpoint_config()}),
    )  # fmt: skip
    assert made["Warnings"] in (None, [])
    api.start(made["Id"])
    (published,) = api.port(made["Id"], 8080)
    assert published["HostIp"] == "127.0.0.1"
    assert int(published["HostPort"]) > 0
    (row,) = api.containers(filters={"id": made["Id"]}, size=True)
    assert row["SizeRootFs"] > 0
    assert row["Names"] == ["/sdk-low"]
    assert docker.utils.parse_repository_tag(row["Image"]) == tuple(IMAGE.split(":"))
    api.stop(made["Id"], timeout=0)
    api.remove_container("sdk-low", v=True)
