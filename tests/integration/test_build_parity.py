"""The same Dockerfile on the reference engine's BuildKit and on ours: the same files, the same configuration."""

import io
import subprocess
import tarfile
from pathlib import Path

import docker
import pytest
from tests.conftest import Needs
from tests.integration.engine_host import EngineHost, busybox_image

pytestmark = [pytest.mark.root, pytest.mark.docker]

IMAGE = "yurt-parity/busybox:1"
RESULT = "yurt-parity/result:1"
DOCKERFILE = f"""\
FROM {IMAGE} AS st
RUN mkdir -p /o/d && echo x > /o/d/x && chown 7:8 /o/d/x && ln -s x /o/d/l && mkdir -m 700 /o/p && chown 9 /o/p
FROM {IMAGE}
USER 1000
WORKDIR /wd/deep
COPY single .
COPY single renamed
COPY single /new/dir/
COPY src /copied
COPY src/ /copied2/
COPY src/link /linked
COPY src/dlink /dlinked
COPY s* /glob/
COPY --chown=3:4 --chmod=711 src /owned/x/y
COPY --chown=5 single /o5/a/b
COPY --from=st /o /o
COPY --from=st --chown=1:1 /o/d/x /ox
COPY --from=st /o/d/* /og/
ADD arch.tar /add/
COPY arch.tar /plain/
ADD --chown=3:4 --chmod=711 --link --exclude=**/b.txt src /added/
COPY --link --exclude=a.txt src /excluded/
ENV A="x y" B=$HOME C='$A' D=${{A:-z}} E=\\$A
ENV F ${{A}} and more
LABEL k="v $A" 'q q'=1
ENV G=${{A%y}}z H=${{A/x/q}}
VOLUME /vol /vol2
EXPOSE 80 443/tcp 53/udp
CMD echo hi
ENTRYPOINT ["/bin/sh","-c"]
STOPSIGNAL 9
HEALTHCHECK --interval=5s --timeout=3s --start-period=1m --start-interval=2s --retries=4 CMD check it
ONBUILD RUN echo
SHELL ["/bin/sh","-ec"]
"""
LIST = (
    r"find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /bin -o -path /etc -o -name .dockerenv \) -prune"
    " -o -print | sort | while read f; do stat -c '%n %F %a %u:%g %s %N' \"$f\"; done"
)
FIELDS = (
    *("Env", "Cmd", "Entrypoint", "Labels", "User", "WorkingDir", "Volumes", "ExposedPorts", "OnBuild"),
    *("StopSignal", "Shell", "Healthcheck"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src/sub").mkdir(parents=True)
    (tmp_path / "src/a.txt").write_text("a")
    (tmp_path / "src/sub/b.txt").write_text("b")
    (tmp_path / "src/link").symlink_to("a.txt")
    (tmp_path / "src/dlink").symlink_to("sub")
    (tmp_path / "single").write_text("s")
    (tmp_path / "single").chmod(0o640)
    with tarfile.open(tmp_path / "arch.tar", "w") as archive:
        archive.add(tmp_path / "src", "src")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path


def listing(client: docker.DockerClient) -> list[str]:
    data: bytes = client.containers.run(RESULT, [LIST], entrypoint=["sh", "-c"], user="0", remove=True)
    return data.decode().splitlines()


def configuration(client: docker.DockerClient) -> dict[str, object]:
    config = client.images.get(RESULT).attrs["Config"]
    return {name: config.get(name) for name in FIELDS}


def test_files_and_configuration_are_the_same(folder: Path, engine: EngineHost, needs: Needs) -> None:
    """Owners, modes, names, links and sizes of every file, and each field of the configuration."""
    needs.program("docker")
    reference = docker.DockerClient(base_url=needs.reference())
    ours = engine.client()
    try:
        for client in (reference, ours):
            client.api.import_image_from_data(busybox_image(), repository=IMAGE[:-2], tag="1")
        subprocess.run(["docker", "build", "-q", "-t", RESULT, str(folder)], check=True, capture_output=True)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, path.name)
        list(
            ours.api.build(
                fileobj=io.BytesIO(buffer.getvalue()), custom_context=True, tag=RESULT, decode=True
            )
        )
        assert listing(ours) == listing(reference)
        assert configuration(ours) == configuration(reference)
    finally:
        for client in (reference, ours):
            for image in (RESULT, IMAGE):
                client.images.remove(image, force=True)
        reference.close()
