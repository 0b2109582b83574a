"""What a client asks for is done, warned of or refused: nothing is ignored silently."""

import io
import json
import tarfile
import time
from typing import Any

import docker
import pytest
import requests
from tests.integration.test_api_files import an_archive

pytestmark = [
    pytest.mark.root,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
IMAGE = "busybox:test"


def ask(client: docker.DockerClient, method: str, path: str, **more: Any) -> requests.Response:
    """Send a request as it stands; docker-py has no argument for everything."""
    answer: requests.Response = client.api.request(method, client.api.base_url + path, timeout=60, **more)
    return answer


def dockerfile(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("POST", "/containers/web/start?checkpoint=one", None, 501, "checkpoints are not supported"),
        (
            "POST",
            "/networks/create",
            {"Name": "x", "IPAM": {"Driver": "weird"}},
            404,
            'plugin "weird" not found',
        ),
        ("POST", '/build/prune?filters={"id":["x"]}', None, 400, "invalid filter 'id'"),
        (
            "GET",
            f'/images/{IMAGE}/json?platform={{"os":"linux","architecture":"s390x"}}',
            None,
            404,
            "does not provide the specified platform (linux/s390x)",
        ),
        ("GET", f"/images/{IMAGE}/history?platform=linux/s390x", None, 404, "linux/s390x"),
        ("GET", f"/images/{IMAGE}/get?platform=linux/s390x", None, 404, "linux/s390x"),
        ("DELETE", f"/images/{IMAGE}?platforms=linux/s390x", None, 404, "linux/s390x"),
        ("POST", "/images/load?platform=linux/s390x", None, 501, "images have one platform here"),
        (
            "GET",
            "/events?since=20&until=10",
            None,
            400,
            "`since` time (20) cannot be after `until` time (10)",
        ),
    ],
    ids=lambda value: value.partition("?")[0] if isinstance(value, str) and value[0] == "/" else "",
)
def test_what_is_not_offered_is_refused(
    client: docker.DockerClient, method: str, path: str, body: object, status: int, sentence: str
) -> None:
    """With its status and a sentence that names it; and what it would have changed is as before."""
    client.containers.create(IMAGE, ["sleep", "100"], name="web")
    client.networks.create("side")
    answer = ask(client, method, path, json=body)
    assert (answer.status_code, sentence in answer.json()["message"]) == (status, True), answer.text
    assert client.containers.get("web").status == "created"
    assert client.images.get(IMAGE).tags == [IMAGE]


def test_an_image_of_the_platform_that_is_asked_for(client: docker.DockerClient) -> None:
    """The machine's own platform is what its images have."""
    info = client.info()
    own = {"x86_64": "amd64", "aarch64": "arm64"}.get(info["Architecture"], info["Architecture"])
    for text in (f"linux/{own}", json.dumps({"os": "linux", "architecture": own})):
        assert ask(client, "GET", f"/images/{IMAGE}/json", params={"platform": text}).status_code == 200


def test_a_build_says_what_has_no_effect(client: docker.DockerClient) -> None:
    """Limits of the processor are told once each; what clients send for nothing asked is none."""
    answer = ask(
        client,
        "POST",
        "/build?cpushares=512&cpuperiod=0&ulimits=null&cachefrom=[]",
        data=dockerfile(f"FROM {IMAGE}\nLABEL a=b\n"),
        headers={"Content-Type": "application/x-tar"},
    )
    lines = [json.loads(line) for line in answer.text.splitlines()]
    told = [line["stream"] for line in lines if "Warning" in line.get("stream", "")]
    assert told == ["[Warning] cpushares has no effect on builds here\n"]
    image = next(line["aux"]["ID"] for line in lines if "aux" in line)
    client.images.remove(image)


def test_a_young_build_cache_is_spared(client: docker.DockerClient) -> None:
    """`until` removes nothing that was made since; without it all goes."""
    context = dockerfile(f"FROM {IMAGE}\nRUN echo {time.time_ns()} > /made\n")

    def is_cached() -> bool:
        answer = ask(
            client,
            "POST",
            "/build?t=cached:1",
            data=context,
            headers={"Content-Type": "application/x-tar"},
        )
        assert "Successfully tagged cached:1" in answer.text
        return "Using cache" in answer.text

    try:
        assert not is_cached()
        spared = ask(client, "POST", "/build/prune", params={"filters": json.dumps({"until": ["1h"]})})
        assert spared.json() == {"CachesDeleted": None, "SpaceReclaimed": 0}
        assert is_cached()
        assert ask(client, "POST", "/build/prune").status_code == 200
        assert not is_cached()
    finally:
        client.images.remove("cached:1")


def test_files_of_the_containers_user(client: docker.DockerClient) -> None:
    """copyUIDGID gives what is put to the container's user, else it stays the archive's."""
    container = client.containers.run(IMAGE, ["sleep", "100"], user="alice", detach=True)
    for query, owner in (("", b"1000 0"), ("&copyUIDGID=1", b"1000 1000")):
        ask(
            client,
            "PUT",
            f"/containers/{container.id}/archive?path=/tmp{query}",
            data=an_archive(("f", b"x")),
        )
        assert container.exec_run(["stat", "-c", "%u %g", "/tmp/f"]).output.strip() == owner


def test_a_terminal_of_a_size(client: docker.DockerClient) -> None:
    """The first program at a terminal finds it as large as it was asked for."""
    body = {
        "Image": IMAGE,
        "Cmd": ["stty", "size"],
        "Tty": True,
        "HostConfig": {"ConsoleSize": [33, 99]},
    }
    made = client.containers.get(ask(client, "POST", "/containers/create", json=body).json()["Id"])
    assert made.attrs["HostConfig"]["ConsoleSize"] == [33, 99]
    made.start()
    made.wait()
    assert made.logs().strip() == b"33 99"


def test_a_commit_with_a_configuration(client: docker.DockerClient) -> None:
    """What the body says outranks the container, `changes` outrank both; what both leave open is the container's."""
    container = client.containers.create(
        IMAGE, ["sleep", "100"], environment={"A": "1", "B": "1", "C": "1"}, labels={"of": "container"}
    )
    image = container.commit(
        conf={"Env": ["A=2", "B=2"], "Labels": {"asked": "yes"}, "WorkingDir": "/tmp"}, changes="ENV B=3"
    )
    try:
        config = image.attrs["Config"]
        variables = dict(one.split("=", 1) for one in config["Env"])
        assert {name: variables[name] for name in "ABC"} == {"A": "2", "B": "3", "C": "1"}
        assert (config["Labels"], config["WorkingDir"]) == ({"of": "container", "asked": "yes"}, "/tmp")
        assert config["Cmd"] == ["sleep", "100"]
    finally:
        client.images.remove(image.id)


def test_volumes_and_prunes_are_told(client: docker.DockerClient) -> None:
    """Mounting at the start, unmounting at the end, and each prune with what it freed."""
    begun = time.time()
    container = client.containers.create(
        IMAGE, ["true"], volumes={"told": {"bind": "/v", "mode": "ro"}}, name="teller"
    )
    container.start()
    container.wait()
    client.containers.prune()
    client.volumes.prune({"all": True})
    events = list(client.events(since=begun, until=time.time(), decode=True, filters={"type": "volume"}))
    told = [(event["Action"], event["Actor"]["ID"]) for event in events]
    assert told == [
        ("create", "told"),
        ("mount", "told"),
        ("unmount", "told"),
        ("destroy", "told"),
        ("prune", ""),
    ]
    mounted = events[1]["Actor"]["Attributes"]
    assert mounted == {
        "container": container.id,
        "destination": "/v",
        "driver": "local",
        "propagation": "",
        "read/write": "false",
    }
    assert events[2]["Actor"]["Attributes"] == {"container": container.id, "driver": "local"}
    assert events[4]["Actor"]["Attributes"] == {"reclaimed": "0"}


def test_shared_sizes(client: docker.DockerClient) -> None:
    """What several images have is told when it is asked for, and in the disk usage."""
    container = client.containers.create(IMAGE, ["true"])
    image = container.commit()
    try:
        listed = {one["Id"]: one for one in ask(client, "GET", "/images/json?shared-size=1").json()}
        assert listed[image.id]["SharedSize"] == client.images.get(IMAGE).attrs["Size"]
        used = {one["Id"]: one for one in client.df()["Images"]}
        assert used[image.id]["SharedSize"] == listed[image.id]["SharedSize"]
        assert {one["SharedSize"] for one in ask(client, "GET", "/images/json").json()} == {-1}
    finally:
        client.images.remove(image.id, force=True)
