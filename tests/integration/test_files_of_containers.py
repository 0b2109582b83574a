"""Files of a container copied while it does not run, and exported: what is its own, and what is mounted."""

import io
import tarfile
from pathlib import Path

import docker
import pytest
from docker.errors import APIError
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.throwaway import SLEEP, said, until

from yurt.linux.mount import mounted_below

pytestmark = pytest.mark.root


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getnames()


def a_tar(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_volumes_are_seen_while_it_does_not_run(
    engine: EngineHost, client: docker.DockerClient, tmp_path: Path
) -> None:
    """Before its first start and after its end: volumes and binds are at their places, read-only ones stay so."""
    volume = client.volumes.create("files-stopped")
    said(
        client,
        "echo kept > /v/file; mkdir /v/sub; echo below > /v/sub/file",
        volumes={volume.name: {"bind": "/v"}},
    )
    (tmp_path / "file").write_text("host")
    binds = [f"{volume.name}:/deep/data", f"{tmp_path}:/host:ro", f"{tmp_path}/file:/one-file"]
    container = client.containers.create(IMAGE, ["true"], volumes=binds)
    for _time in range(2):
        for path in ("/deep/data/file", "/deep/data/sub/file", "/host/file", "/one-file"):
            stream, _facts = container.get_archive(path)
            assert names(b"".join(stream)) == [path.rpartition("/")[2]]
        container.put_archive("/deep/data", a_tar("planted", "x"))
        with pytest.raises(APIError, match=r"[Rr]ead-only"):
            container.put_archive("/host", a_tar("planted", "x"))
        container.start()
        container.wait()
    assert said(client, "ls /v", volumes={volume.name: {"bind": "/v"}}).split() == ["file", "planted", "sub"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert mounted_below(engine.run / "containers") == ()


def test_a_place_that_is_a_link_stays_inside(client: docker.DockerClient, tmp_path: Path) -> None:
    """A container that puts a link to the host where its volume belongs gets the volume inside all the same."""
    box = client.containers.run(IMAGE, ["ln", "-s", str(tmp_path), "/data"], detach=True)
    box.wait()
    image = box.commit("files-link")
    container = client.containers.create(image.id, ["true"], volumes=["files-linked:/data"])
    container.put_archive("/data", a_tar("planted", "x"))
    assert list(tmp_path.iterdir()) == []
    assert said(client, "ls /v", volumes={"files-linked": {"bind": "/v"}}) == "planted"
    container.remove()
    box.remove()
    image.remove(force=True)


def test_an_export_is_its_own_files(client: docker.DockerClient) -> None:
    """Nothing of /proc, of /sys or of a volume, whether it runs or not; nor an entry for the root."""
    command = "echo x > /data/volume; echo y > /tmp/own; echo > /ready; sleep 600"
    container = client.containers.run(
        IMAGE, ["sh", "-c", command], volumes=["files-export:/data"], detach=True
    )
    until(lambda: container.exec_run(["test", "-e", "/ready"]).exit_code == 0)
    running = names(b"".join(container.export()))
    container.kill()
    container.wait()
    stopped = names(b"".join(container.export()))
    assert running == stopped
    assert {"bin/busybox", "tmp/own", "data", "proc", "sys"} <= set(running)
    assert not [name for name in running if name.startswith(("proc/", "sys/", "data/"))]


def test_an_export_can_be_imported(client: docker.DockerClient) -> None:
    """What comes out is an image's content again."""
    container = client.containers.run(IMAGE, SLEEP, detach=True)
    data = b"".join(container.export())
    client.api.import_image_from_data(data, repository="files-import", tag="1")
    assert said(client, "echo it runs", image="files-import:1") == "it runs"
    client.images.remove("files-import:1", force=True)
