"""Files in and out of a container: what `docker cp`, `diff` and `export` do."""

import io
import json
import tarfile
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, NotFound
from tests.integration.engine_host import EngineHost
from tests.integration.footprint import soon

pytestmark = [
    pytest.mark.root,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
IMAGE = "busybox:test"


def an_archive(*entries: tuple[str, bytes | str]) -> bytes:
    """Return a tar of files (bytes) and symbolic links (text)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size, entry.uid, entry.mode = len(content), 1000, 0o640
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def files_of(container: docker.models.containers.Container, path: str) -> dict[str, bytes]:
    chunks, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        return {
            entry.name: tar.extractfile(entry).read()  # type: ignore[union-attr]
            for entry in tar
            if entry.isreg()
        }


@pytest.mark.parametrize("running", [True, False])
def test_what_goes_in_comes_out(client: docker.DockerClient, running: bool) -> None:
    """Content, owner and mode, while it runs and while it does not."""
    container = client.containers.create(IMAGE, ["sleep", "100"])
    if running:
        container.start()
    assert container.put_archive("/tmp", an_archive(("a/b", b"hello"), ("c", b"x" * 3_000_000)))
    assert files_of(container, "/tmp/a") == {"a/b": b"hello"}
    assert files_of(container, "/tmp/c")["c"] == b"x" * 3_000_000
    chunks, stat = container.get_archive("/tmp/c")
    assert sum(map(len, chunks)) > 3_000_000  # until it is read, a stopped container waits, as in Docker
    assert (stat["name"], stat["size"], stat["mode"]) == ("c", 3_000_000, 0o640)
    container.start()
    assert container.exec_run(["stat", "-c", "%u %a", "/tmp/c"]).output == b"1000 640\n"


def test_links_do_not_lead_out(client: docker.DockerClient, tmp_path: Path) -> None:
    """Neither a container's link nor an archive's makes the engine touch the host's files."""
    victim = tmp_path / "victim"
    victim.write_text("host")
    container = client.containers.run(IMAGE, ["sh", "-c", f"ln -s {tmp_path} /out; sleep 100"], detach=True)
    container.exec_run("true")
    with pytest.raises(NotFound):
        container.put_archive("/out", an_archive(("victim", b"taken")))
    with pytest.raises(NotFound):
        container.put_archive("/tmp", an_archive(("evil", str(tmp_path)), ("evil/victim", b"taken")))
    for name in ("../../../victim", "/victim"):
        with pytest.raises(APIError, match="refusing archive entry"):
            container.put_archive("/tmp", an_archive((name, b"taken")))
    assert victim.read_text() == "host"


def test_a_copy_from_one_that_does_not_run_leaves_nothing(
    client: docker.DockerClient, engine: EngineHost
) -> None:
    """Its file system is mounted for that moment only, and the folder for it goes too."""
    container = client.containers.create(IMAGE, "true")
    list(container.get_archive("/etc/passwd")[0])
    bundle = engine.run / "containers" / container.id
    assert soon(lambda: not bundle.exists())


def test_volumes_are_seen(client: docker.DockerClient) -> None:
    """While it runs, what is mounted in it is part of it."""
    container = client.containers.run(
        IMAGE, ["sh", "-c", "echo v >/vol/f; sleep 100"], volumes=["data:/vol"], detach=True
    )
    while container.exec_run(["test", "-s", "/vol/f"]).exit_code:
        pass
    assert files_of(container, "/vol") == {"vol/f": b"v\n"}


def test_mistakes_are_told(client: docker.DockerClient) -> None:
    """A missing path, a target that is no folder, an archive that is none."""
    container = client.containers.create(IMAGE, "true")
    with pytest.raises(NotFound, match="Could not find the file /nope"):
        container.get_archive("/nope")
    with pytest.raises(APIError, match="is not a directory"):
        container.put_archive("/etc/passwd", an_archive(("a", b"")))
    with pytest.raises(APIError, match="cannot read the archive"):
        container.put_archive("/tmp", b"no archive at all" * 100)


def test_changes_and_export(client: docker.DockerClient) -> None:
    """Added, modified and deleted; and the whole file system as an archive."""
    container = client.containers.run(
        IMAGE, ["sh", "-c", "echo n >/new; rm /etc/group; echo >>/etc/passwd"], detach=True
    )
    container.wait()
    changed = {one["Path"]: one["Kind"] for one in container.diff()}
    assert changed == {"/etc": 0, "/etc/group": 2, "/etc/passwd": 0, "/new": 1}
    with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
    assert {"new", "bin/busybox", "etc/passwd"} <= names
    assert "etc/group" not in names


def test_what_an_engine_makes_in_a_container_is_no_change(client: docker.DockerClient) -> None:
    """The mark of a container is there for its programs; neither diff nor commit tell of it or of /etc/hosts."""
    container = client.containers.run(IMAGE, ["sleep", "100"], detach=True)
    assert container.exec_run(["test", "-e", "/.dockerenv"]).exit_code == 0
    assert container.diff() is None or container.diff() == []
    container.exec_run(["touch", "/etc/new"])
    assert {(one["Path"], one["Kind"]) for one in container.diff()} == {("/etc", 0), ("/etc/new", 1)}
    image = container.commit("made", "1")
    try:
        archive = io.BytesIO(b"".join(image.save()))
        with tarfile.open(fileobj=archive) as saved:
            (described,) = json.load(saved.extractfile("manifest.json") or io.BytesIO())
            layer = saved.extractfile(described["Layers"][-1])
            assert layer is not None
            with tarfile.open(fileobj=layer) as top:
                assert top.getnames() == ["etc", "etc/new"]
    finally:
        container.remove(force=True)
        client.images.remove("made:1")


def test_a_slash_behind_a_file_is_refused(client: docker.DockerClient) -> None:
    """As by the kernel: what ends with a slash is a folder, or a link to one."""
    container = client.containers.create(IMAGE, "true")
    with pytest.raises(docker.errors.APIError, match="lstat /bin/busybox/: not a directory"):
        container.get_archive("/bin/busybox/")
    container.get_archive("/bin/")
