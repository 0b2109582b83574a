"""What a container cannot do to the host, and what its options let it do, tried from inside."""

import io
import tarfile
import time
from pathlib import Path

import docker
import pytest
from docker.errors import APIError
from tests.integration.engine_host import IMAGE
from tests.integration.throwaway import SLEEP, refusal, said, until

from yurt.linux import apparmor

pytestmark = pytest.mark.root

# The shell expands the pattern, for which it opens the folder itself: one more number than the process was given.
DESCRIPTORS = "cd /proc/self/fd; echo *"
GIVEN = {"0 1 2", "0 1 2 3"}


def a_tar(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


class TestDescriptors:
    def test_no_descriptor_of_the_engine_is_in_a_container(self, client: docker.DockerClient) -> None:
        """Not with a terminal, not in an exec, not in a health check: standard input and both outputs are all."""
        assert said(client, DESCRIPTORS) in GIVEN
        assert said(client, DESCRIPTORS, tty=True) in GIVEN
        check = {"test": ["CMD-SHELL", f"({DESCRIPTORS}) > /tmp/checked"], "interval": 10**9}
        container = client.containers.run(IMAGE, SLEEP, healthcheck=check, detach=True)
        for options in ({}, {"tty": True}, {"stdin": True}):
            answer = container.exec_run(["sh", "-c", DESCRIPTORS], **options)
            assert answer.output.decode().strip() in GIVEN
        until(lambda: container.exec_run(["cat", "/tmp/checked"]).output.decode().strip() in GIVEN)
        assert container.exec_run("ls /proc/1/fd").output.decode().split() == ["0", "1", "2"]

    def test_nor_in_a_step_of_a_build(self, client: docker.DockerClient) -> None:
        """What RUN starts has no more than that."""
        dockerfile = f"FROM {IMAGE}\nRUN ({DESCRIPTORS}) > /found\n"
        image, _log = client.images.build(fileobj=io.BytesIO(dockerfile.encode()), nocache=True)
        assert said(client, "cat /found", image=image.id) in GIVEN
        image.remove(force=True)


class TestWorkingFolder:
    """A runtime that forgets a descriptor of the host's must not be able to start a process in it (CVE-2024-21626)."""

    @pytest.mark.parametrize(
        "path", ["/proc/self/fd/7", "/proc/1/root", "/link/7", "/proc/thread-self/cwd/.."]
    )
    def test_links_of_proc_are_no_working_folder(self, client: docker.DockerClient, path: str) -> None:
        """Named as they are or by a link of the image; when started, and in an exec."""
        box = client.containers.run(IMAGE, ["ln", "-s", "/proc/self/fd", "/link"], detach=True)
        box.wait()
        image = box.commit("links")
        sentence = f"cannot use {path} as the working directory"
        assert sentence in refusal(client, working_dir=path, image=image.id)
        running = client.containers.run(image.id, SLEEP, detach=True)
        answer = running.exec_run(["pwd"], workdir=path)
        assert answer.exit_code == 128  # Docker's, of what is neither missing nor forbidden
        assert not answer.output.startswith(b"/")  # pwd never ran
        running.remove(force=True)
        box.remove()
        image.remove(force=True)

    def test_nor_in_a_dockerfile(self, client: docker.DockerClient) -> None:
        """The build ends at the line."""
        dockerfile = f"FROM {IMAGE}\nWORKDIR /proc/self/fd/7\n"
        with pytest.raises(APIError, match="links of /proc may lead out of the container"):
            client.images.build(fileobj=io.BytesIO(dockerfile.encode()))

    def test_the_rest_of_proc_is(self, client: docker.DockerClient) -> None:
        """What is no link to somewhere can be one, and a link to a folder, too."""
        assert said(client, "pwd", working_dir="/proc/sys") == "/proc/sys"
        assert said(client, "pwd -P", working_dir="/made/for/this") == "/made/for/this"


class TestCopying:
    def test_a_race_does_not_lead_out(self, client: docker.DockerClient, tmp_path: Path) -> None:
        """A container turns a folder into a link and back while files are copied: nothing comes from, or goes, outside.

        Each copy either works inside or is refused with a reason.
        """
        (tmp_path / "secret").write_text("of the host")
        flip = (
            f"mkdir /d && echo inside > /d/secret && ln -s {tmp_path} /link && while :; do "
            "mv -T /d /kept; mv -T /link /d; mv -T /d /link; mv -T /kept /d; done"
        )
        container = client.containers.run(IMAGE, ["sh", "-c", flip], detach=True)
        until(lambda: container.exec_run(["test", "-e", "/d"]).exit_code == 0)
        copied = refused = 0
        deadline = time.monotonic() + 60
        while copied < 40 or (not refused and time.monotonic() < deadline):
            for path in ("/d/secret", "/d/.", "/d"):
                try:
                    stream, _facts = container.get_archive(path)
                    data = b"".join(stream)
                except APIError as error:
                    assert error.status_code in {400, 404}, error  # noqa: PT017 - most copies are not refused
                    refused += 1
                else:
                    assert b"of the host" not in data
                    copied += 1
            try:
                container.put_archive("/d", a_tar(planted="x", secret="inside"))
            except APIError as error:
                assert error.status_code in {400, 404, 409}, error  # noqa: PT017
                refused += 1
        container.reload()
        assert container.status == "running"
        assert (copied, refused) >= (1, 1)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"secret": "of the host"}


class TestOptions:
    def test_control_groups_can_be_written(self, client: docker.DockerClient) -> None:
        """Only when that is asked for."""
        command = "mkdir $(find /sys/fs/cgroup -maxdepth 1 -name pids -o -maxdepth 1 -path /sys/fs/cgroup | tail -1)/x"
        command += " 2>/dev/null && echo made || echo refused"
        assert said(client, command) == "refused"
        assert said(client, command, security_opt=["writable-cgroups=true"]) == "made"

    def test_a_profile_without_effect_is_told_of(self, client: docker.DockerClient) -> None:
        """AppArmor is the host's: a profile that cannot be had is refused there, and a warning elsewhere."""
        answer = client.api.create_container(
            IMAGE, ["true"], host_config=client.api.create_host_config(security_opt=["apparmor=yurt-no-such"])
        )
        if apparmor.is_enabled():
            with pytest.raises(APIError, match="yurt-no-such"):
                client.api.start(answer["Id"])
        else:
            assert answer["Warnings"] == [
                "The AppArmor profile yurt-no-such has no effect: this host has no AppArmor"
            ]
            client.api.start(answer["Id"])

    def test_the_default_profile_is_shown(self, client: docker.DockerClient) -> None:
        """Where the host has AppArmor, inspect and `docker info` say so."""
        container = client.containers.run(IMAGE, SLEEP, detach=True)
        container.reload()
        expected = apparmor.DEFAULT if apparmor.is_enabled() else ""
        assert container.attrs["AppArmorProfile"] == expected
        assert ("name=apparmor" in client.info()["SecurityOptions"]) is apparmor.is_enabled()
