"""Images of the catalog, made from the package mirror on a real engine."""

import io
import tarfile
import threading
import time
from collections.abc import Callable

import docker
import pytest
from tests.conftest import Needs
from tests.integration.engine_host import EngineHost

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.timeout(600)]

DEBIAN = "debian:12"


def pull(engine: EngineHost, reference: str) -> str:
    """Pull and return the image's id."""
    client = engine.client()
    client.api.timeout = 500
    for line in client.api.pull(*reference.split(":"), stream=True, decode=True):
        assert "error" not in line, line
    return str(client.images.get(reference).id)


def run(client: docker.DockerClient, image: str, command: str, **more: object) -> str:
    data: bytes = client.containers.run(image, ["sh", "-c", command], remove=True, **more)
    return data.decode()


@pytest.fixture(scope="module")
def debian(engine: EngineHost, needs: Needs) -> str:
    """The id of debian:12, pulled by two clients at once."""
    needs.program("mmdebstrap")
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(pull(engine, DEBIAN))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 2
    assert ids[0] == ids[1]
    return ids[0]


def test_one_bootstrap_serves_all_who_ask(debian: str, engine: EngineHost) -> None:
    """Two pulls at once made one image, and every name of it is there; a pull soon after makes nothing."""
    client = engine.client()
    image = client.images.get("debian:bookworm-slim")
    assert image.id == debian
    begun = time.perf_counter()
    assert pull(engine, "debian:bookworm") == debian
    assert time.perf_counter() - begun < 5
    assert list((engine.root / "build/bootstrap").iterdir()) == []


def test_the_image_says_where_it_comes_from(debian: str, client: docker.DockerClient) -> None:
    """Labels name mirror, suite and date; apt works in it, and starts no services."""
    labels = client.images.get(debian).labels
    assert labels["org.yurt.catalog.suite"] == "bookworm"
    assert labels["org.yurt.catalog.mirror"].startswith("http")
    assert labels["org.yurt.catalog.date"]
    shown = run(
        client,
        debian,
        "apt-get update -q >/dev/null && apt-cache show nginx | grep -c ^Package; policy-rc.d; echo $?",
    )
    assert shown.splitlines()[-1] == "101"
    assert "trixie" not in run(client, debian, "cat /etc/apt/sources.list.d/debian.sources")
    # Nothing of the host got in.
    assert run(
        client, debian, "ls /etc/hostname 2>&1 || true; head -c 4 /usr/share/zoneinfo/Asia/Bishkek"
    ).endswith("TZif")


PYTHON = """\
FROM python:3.11-slim
ENV TZ=Asia/Bishkek
RUN ln -snf /usr/share/zoneinfo/$TZ /etc/localtime && echo $TZ > /etc/timezone
RUN pip install --no-cache-dir six && python -m venv /venv && /venv/bin/pip --version
"""


def test_python_is_where_people_expect_it(debian: str, client: docker.DockerClient) -> None:
    """python, python3, pip and venv work with no further word, under /usr/local; the old paths too."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(PYTHON)
        archive.addfile(info, io.BytesIO(PYTHON.encode()))
    client.api.timeout = 500
    said = "".join(
        line.get("stream", "") + line.get("error", "")
        for line in client.api.build(
            fileobj=io.BytesIO(buffer.getvalue()), custom_context=True, tag="test/python:1", decode=True
        )
    )
    assert "Successfully tagged test/python:1" in said
    shown = run(
        client,
        "test/python:1",
        "python -c 'import sys, six, site; print(sys.prefix, six.__file__, *site.getsitepackages())';"
        "for name in python python3 pip; do command -v $name; done; date +%Z; echo $PYTHON_VERSION",
    )
    site = "/usr/local/lib/python3.11/site-packages"
    assert shown.splitlines() == [
        f"/usr/local {site}/six.py {site}",
        "/usr/local/bin/python",
        "/usr/local/bin/python3",
        "/usr/local/bin/pip",
        "+06",
        "3.11.2",
    ]


def test_redis_runs_as_its_own_user_and_answers_the_network(
    debian: str, client: docker.DockerClient, engine: EngineHost
) -> None:
    """As with the image of that name: options alone mean the server, data in /data, no protected mode."""
    pull(engine, "redis:7")
    server = client.containers.run("redis:7", ["--appendonly", "yes"], detach=True)
    network = client.networks.create("catalog-test")
    try:
        network.connect(server, aliases=["cache"])
        deadline = time.monotonic() + 20
        while "Ready to accept" not in server.logs().decode() and time.monotonic() < deadline:
            time.sleep(0.05)
        asked = run(
            client,
            "redis:7",
            "redis-cli -h cache set a 1 && redis-cli -h cache get a",
            network="catalog-test",
        )
        assert asked.split() == ["OK", "1"]
        assert server.exec_run("stat -c '%U' /data /proc/1").output.split() == [b"redis", b"redis"]
    finally:
        server.remove(force=True, v=True)
        network.remove()


def test_an_unknown_tag_says_which_there_are(client: docker.DockerClient) -> None:
    """The answer lists what can be had."""
    with pytest.raises(docker.errors.APIError) as caught:
        client.images.pull("postgres", tag="9")
    assert "the catalog has no postgres:9" in caught.value.explanation


def test_a_kill_in_the_middle_leaves_nothing(new_engine: Callable[[], EngineHost], needs: Needs) -> None:
    """After kill -9 during a bootstrap the next start has no half-made image and no rubbish."""
    needs.program("mmdebstrap")
    host = new_engine()
    work = host.root / "build/bootstrap"
    puller = threading.Thread(target=lambda: _ignore(lambda: pull(host, DEBIAN)))
    puller.start()
    deadline = time.monotonic() + 30
    while not list(work.glob("*/mmdebstrap.*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    host.kill()
    puller.join()
    host.start()
    assert not work.exists() or list(work.iterdir()) == []
    assert [image.tags for image in host.client().images.list()] == [["busybox:test"]]


def _ignore(function: Callable[[], object]) -> None:
    try:
        function()
    except Exception:  # the engine is killed meanwhile: whatever docker-py makes of that
        return


def test_the_catalog_can_be_listed(client: docker.DockerClient) -> None:
    """GET /yurt/catalog names every image, its suite and what it is."""
    entries = client.api._result(client.api._get(client.api._url("/yurt/catalog")), json=True)
    listed = {entry["Reference"]: entry["Suite"] for entry in entries}
    assert listed["debian:bookworm"] == "bookworm"
    assert {"python:3.13", "redis:7", "postgres:15", "nginx:1.26", "busybox:1.37"} <= set(listed)
