"""Mounts that travel, and what is mounted below a bind, as the host and a program inside see them."""

import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import APIError
from docker.types import Mount
from tests.integration.engine_host import IMAGE
from tests.integration.throwaway import said

from yurt.linux.mount import BindMount, TmpfsMount, mounted_below, set_propagation, unmount

pytestmark = pytest.mark.root


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A private mount of the host, with a tmpfs below it at ``below``."""
    BindMount(tmp_path, tmp_path).execute()
    set_propagation(tmp_path, "private")
    (tmp_path / "below").mkdir()
    TmpfsMount(tmp_path / "below").execute()
    yield tmp_path
    for point in mounted_below(tmp_path):
        unmount(point, lazy=True)


def test_a_mount_inside_shows_outside(client: docker.DockerClient, place: Path) -> None:
    """With rshared, what a container mounts is seen on the host; with rslave only the other way."""
    set_propagation(place, "shared")
    (place / "made").mkdir()
    command = "mount -t tmpfs none /m/made && echo mounted"
    options = {"cap_add": ["SYS_ADMIN"], "security_opt": ["apparmor=unconfined"]}
    assert said(client, command, volumes=[f"{place}:/m:rslave"], **options) == "mounted"
    assert place / "made" not in mounted_below(place)
    assert said(client, command, volumes=[f"{place}:/m:rshared"], **options) == "mounted"
    assert place / "made" in mounted_below(place)


def test_a_mount_outside_shows_inside(client: docker.DockerClient, place: Path) -> None:
    """With rslave, what the host mounts later is seen in the container that runs; with rprivate not."""
    set_propagation(place, "shared")
    (place / "later").mkdir()
    binds = [f"{place}:/slave:rslave", f"{place}:/private"]
    container = client.containers.run(IMAGE, ["sleep", "600"], volumes=binds, detach=True)
    TmpfsMount(place / "later").execute()
    (place / "later" / "file").touch()
    assert container.exec_run(["ls", "/slave/later"]).output == b"file\n"
    assert container.exec_run(["ls", "/private/later"]).output == b""


@pytest.mark.parametrize(("mode", "needed"), [("rshared", "shared"), ("rslave", "shared or slave")])
def test_a_private_place_lets_nothing_travel(
    client: docker.DockerClient, place: Path, mode: str, needed: str
) -> None:
    """The start is refused in Docker's words, instead of mounts that silently do not travel."""
    container = client.containers.create(IMAGE, ["true"], volumes=[f"{place}:/m:{mode}"])
    with pytest.raises(APIError) as refused:
        container.start()
    assert refused.value.explanation == (f"path {place} is mounted on {place} but it is not a {needed} mount")


def test_read_only_is_so_below_as_well(client: docker.DockerClient, place: Path) -> None:
    """A read-only bind protects what is mounted below it, unless that is asked to stay writable."""
    touch = "touch /m/below/x 2>/dev/null && echo written || echo refused"
    assert said(client, touch, volumes=[f"{place}:/m:ro"]) == "refused"
    assert said(client, touch, volumes=[f"{place}:/m"]) == "written"
    above = Mount("/m", str(place), type="bind", read_only=True)
    above["BindOptions"] = {"ReadOnlyNonRecursive": True}
    assert said(client, touch, mounts=[above]) == "written"


def test_a_bind_can_leave_out_what_is_below(client: docker.DockerClient, place: Path) -> None:
    """Without recursion the folder below is the empty one under the mount."""
    (place / "below" / "file").touch()
    alone = Mount("/m", str(place), type="bind")
    alone["BindOptions"] = {"NonRecursive": True}
    assert said(client, "ls /m/below", mounts=[alone]) == ""
    assert said(client, "ls /m/below", volumes=[f"{place}:/m"]) == "file"


def test_a_tmpfs_takes_the_options_that_it_has(client: docker.DockerClient) -> None:
    """Known options reach the kernel; an unknown one is refused when the container is made."""
    shown = said(client, "stat -c %a:%u /t; grep ' /t ' /proc/mounts", tmpfs={"/t": "mode=700,uid=1000,exec"})
    assert shown.startswith("700:1000")
    assert "noexec" not in shown
    with pytest.raises(APIError, match='invalid tmpfs option "fast"'):
        client.containers.create(IMAGE, ["true"], tmpfs={"/t": "fast"})


def test_a_folder_of_a_volume_is_never_a_link_out(client: docker.DockerClient) -> None:
    """While a container turns the folder into a link and back, no start mounts what the link leads to."""
    volume = client.volumes.create("mounts-race")
    shared = {volume.name: {"bind": "/v", "mode": "rw"}}
    said(client, "mkdir /v/sub; echo inside > /v/sub/file; ln -s /etc /v/link", volumes=shared)
    flip = "while :; do mv -T /v/sub /v/kept; mv -T /v/link /v/sub; mv -T /v/sub /v/link; mv -T /v/kept /v/sub; done"
    mount = Mount("/m", volume.name)
    mount["VolumeOptions"] = {"Subpath": "sub", "NoCopy": True}
    command = ["sh", "-c", "cat /m/file 2>/dev/null || ls /m"]
    box = client.containers.create(IMAGE, command, mounts=[mount])
    flipper = client.containers.run(IMAGE, ["sh", "-c", flip], volumes=shared, detach=True)
    seen: list[str] = []
    deadline = time.monotonic() + 60
    while len(seen) < 30 or (len(set(seen)) < 2 and time.monotonic() < deadline):
        try:
            box.start()
        except APIError as refused:
            seen.append("refused" if "/mounts-race/_data" in str(refused.explanation) else str(refused))
        else:
            box.wait()
            seen.append(box.logs(tail=1).decode().strip())
    flipper.reload()
    assert flipper.status == "running"
    assert set(seen) == {"inside", "refused"}
    assert not any("mounts-race" in line for line in Path("/proc/self/mountinfo").read_text().splitlines())


class TestImages:
    """`--mount type=image`: another image's files in a container."""

    def test_its_files_are_there_and_read_only(self, client: docker.DockerClient) -> None:
        """Nobody can write to them, and the image stays for as long as the container does."""
        client.images.get(IMAGE).tag("mounted", "1")
        mount = {"Type": "image", "Source": "mounted:1", "Target": "/img"}
        part = {
            "Type": "image", "Source": "mounted:1", "Target": "/part", "ImageOptions": {"Subpath": "etc/passwd"}
        }  # fmt: skip
        script = "cmp /img/bin/busybox /bin/busybox && cat /part; touch /img/x 2>&1; exec sleep 100"
        container = client.containers.get(
            client.api._result(
                client.api._post_json(
                    client.api._url("/containers/create"),
                    data={
                        "Image": IMAGE,
                        "Cmd": ["sh", "-c", script],
                        "HostConfig": {"Mounts": [mount, part]},
                    },
                ),
                json=True,
            )["Id"]
        )
        for _ in range(2):
            container.restart(timeout=0)
            assert container.exec_run(["ls", "/img/bin/busybox"]).exit_code == 0
        while b"Read-only file system" not in container.logs():
            time.sleep(0.02)
        assert b"root:x:0:0" in container.logs()
        (whole, piece) = client.api.inspect_container(container.id)["Mounts"]
        assert (whole["Type"], whole["Name"], whole["RW"]) == ("image", "mounted:1", False)
        assert client.api.inspect_container(container.id)["HostConfig"]["Mounts"] == [mount, part]
        assert piece["Destination"] == "/part"
        container.kill()
        container.wait()
        assert b"busybox" in b"".join(container.get_archive("/img/bin/busybox")[0])[:200]

    def test_what_is_wrong_is_said(self, client: docker.DockerClient) -> None:
        """No such image, no image named, a way out of it."""
        for change, words in (
            ({"Source": "nosuch:1"}, "No such image: nosuch:1"),
            ({"Source": ""}, "field Source must not be empty"),
            ({"ImageOptions": {"Subpath": "../x"}}, "subpath must be a relative path within the volume"),
        ):
            mount = {"Type": "image", "Source": IMAGE, "Target": "/img"} | change
            with pytest.raises(APIError, match=words):
                client.api.create_container_from_config(
                    {"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"Mounts": [mount]}}
                )
