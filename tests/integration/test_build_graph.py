"""A build is a graph: stages run at once, the same step runs once, and a failure ends all of them."""

import base64
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.test_build import Result, an_archive, build, run

pytestmark = pytest.mark.root

PATIENCE = "i=0; while [ ! -e {} ]; do i=$((i+1)); [ $i -lt 400 ] || exit 9; sleep 0.05; done"


def waits_for(path: str) -> str:
    """Return a command that waits for *path*, and fails with 9 when it does not come."""
    return PATIENCE.format(path)


def cache(id: str) -> str:  # noqa: A002 - the Dockerfile's word
    return f"--mount=type=cache,id={id},target=/c"


def seen(client: docker.DockerClient, id: str) -> str:  # noqa: A002
    """Return what steps wrote to /c/log of the cache *id*."""
    text = f"FROM {IMAGE}\nRUN {cache(id)} cp /c/log /log # {uuid.uuid4()}\n"  # without cache it would begin anew
    return run(client, build(client, text).image, "cat", "/log")


def meeting(id: str) -> str:  # noqa: A002
    """Return a Dockerfile whose two stages wait for each other, and talk on the way."""
    return (
        f"FROM {IMAGE} AS a\n"
        f"RUN {cache(id)} echo a1; touch /c/a; {waits_for('/c/b')}; echo a2; echo a > /out\n"
        f"FROM {IMAGE} AS b\n"
        f"RUN {cache(id)} echo b1; touch /c/b; {waits_for('/c/a')}; echo b2; echo b > /out\n"
        f"FROM {IMAGE}\nCOPY --from=a /out /a\nCOPY --from=b /out /b\n"
    )


def test_independent_stages_run_at_once(client: docker.DockerClient) -> None:
    """Two that wait for each other come to an end; what each says stays together, in the Dockerfile's order."""
    result = build(client, meeting("meet-classic"))
    assert result.error == ""
    assert run(client, result.image, "cat", "/a", "/b") == "a\nb\n"
    words = re.findall(r"^[ab][12]$|^Step \d+", result.output, re.MULTILINE)
    assert " ".join(words) == "Step 1 Step 2 a1 a2 Step 3 Step 4 b1 b2 Step 5 Step 6 Step 7"


def test_files_of_a_stage_are_waited_for_where_they_are_mounted(client: docker.DockerClient) -> None:
    result = build(
        client,
        f"FROM {IMAGE} AS a\nRUN sleep 0.2; echo from-a > /made\n"
        f"FROM {IMAGE}\nRUN --mount=type=bind,from=a,source=/made,target=/m cat /m > /got\n",
    )
    assert run(client, result.image, "cat", "/got") == "from-a\n"


@pytest.mark.parametrize("nocache", [False, True])
def test_the_same_step_of_two_stages_runs_once(client: docker.DockerClient, *, nocache: bool) -> None:
    name = f"twice-{nocache}"
    step = f"RUN {cache(name)} echo ran >> /c/log; sleep 0.3; cat /proc/sys/kernel/random/uuid > /when"
    result = build(
        client,
        f"FROM {IMAGE} AS a\n{step}\nRUN echo a\nFROM {IMAGE} AS b\n{step}\nRUN echo b\n"
        f"FROM {IMAGE}\nCOPY --from=a /when /a\nCOPY --from=b /when /b\n",
        nocache=nocache,
    )
    assert result.error == ""
    assert seen(client, name) == "ran\n"
    first, second = run(client, result.image, "cat", "/a", "/b").split()
    assert first == second


def test_the_same_step_of_two_builds_runs_once(engine: EngineHost, client: docker.DockerClient) -> None:
    """Eight builds at once: one of them makes the step, and all have the same files."""
    text = f"FROM {IMAGE}\nRUN {cache('builds')} echo ran >> /c/log; sleep 0.5; cat /proc/sys/kernel/random/uuid > /when\n"
    clients = [engine.client() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda one: build(one, text), clients))
    assert {result.error for result in results} == {""}
    assert len({result.image for result in results}) == 1
    assert seen(client, "builds") == "ran\n"


def test_a_step_whose_maker_gives_up_is_made_by_who_waits(
    engine: EngineHost, client: docker.DockerClient
) -> None:
    """The first build is ended in the middle of the step that the second waits for."""
    text = f"FROM {IMAGE}\nRUN {cache('heir')} echo ran >> /c/log; {waits_for('/c/go')}; echo done > /done\n"
    results: list[Result] = []
    maker = _yurt(engine, text)
    _until(lambda: _log_of(engine, "heir") == "ran\n")
    heir = threading.Thread(target=lambda: results.append(build(engine.client(), text)))
    heir.start()
    time.sleep(0.3)  # it waits now; nothing says so
    assert _log_of(engine, "heir") == "ran\n"
    maker.send_signal(signal.SIGTERM)
    maker.wait()
    _until(lambda: _log_of(engine, "heir") == "ran\nran\n")
    (_cache_folder(engine, "heir") / "go").touch()
    heir.join()
    assert results[0].error == ""
    assert run(client, results[0].image, "cat", "/done") == "done\n"


def test_a_failing_stage_ends_the_others_and_is_the_one_that_is_told(
    engine: EngineHost, client: docker.DockerClient
) -> None:
    result = build(
        client,
        f"FROM {IMAGE} AS slow\nRUN {cache('fail')} echo waiting; touch /c/started; sleep 1000\n"
        f"FROM {IMAGE} AS bad\nRUN {cache('fail')} echo reason; {waits_for('/c/started')}; exit 7\n"
        f"FROM {IMAGE}\nCOPY --from=slow / /a\nCOPY --from=bad / /b\n",
    )
    assert result.error.startswith("Dockerfile:4: RUN")
    assert "exit code 7" in result.error
    assert "reason\n" in result.output
    assert _left(engine) == []


def test_interrupting_the_client_ends_every_stage_within_a_second(engine: EngineHost) -> None:
    text = (
        "".join(
            f"FROM {IMAGE} AS s{n}\nRUN {cache('stop')} echo {n} >> /c/log; sleep 1000\n" for n in range(4)
        )
        + f"FROM {IMAGE}\n"
        + "".join(f"COPY --from=s{n} /bin /b{n}\n" for n in range(4))
    )
    process = _yurt(engine, text)
    _until(lambda: len(_log_of(engine, "stop").split()) == 4)
    process.send_signal(signal.SIGTERM)
    process.wait()
    _until(lambda: _left(engine) == [])


def _yurt(engine: EngineHost, dockerfile: str) -> "subprocess.Popen[bytes]":
    """Start `yurt build`; a process, so that it can be ended."""
    process = subprocess.Popen(
        [Path(sys.executable).with_name("yurt"), "build", "-"],
        env=os.environ | {"YURT_HOST": engine.host}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(dockerfile.encode())
    process.stdin.close()
    return process


def _cache_folder(engine: EngineHost, id: str) -> Path:  # noqa: A002
    return engine.root / "build/caches" / hashlib.sha256(id.encode()).hexdigest()[:32]


def _log_of(engine: EngineHost, id: str) -> str:  # noqa: A002
    file = _cache_folder(engine, id) / "log"
    return file.read_text() if file.exists() else ""


def _left(engine: EngineHost) -> list[str]:
    """Return what of builds is still there: folders, and mounts in them."""
    place = engine.root / "build/work"
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{place}/" in line]
    return [*mounts, *map(str, place.iterdir() if place.exists() else ())]


def _until(what: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_the_history_outlives_the_engine(new_engine: Callable[[], EngineHost]) -> None:
    """What went well, what failed, and what was cut short by the engine's end, each with its log."""
    engine = new_engine()
    client = engine.client()

    def ask(path: str) -> Any:
        answer = client.api._get(client.api._url(path))
        assert answer.status_code == 200, answer.text
        return answer

    build(client, f"FROM {IMAGE}\nRUN echo well\n", tag="history/well:1")
    build(client, f"FROM {IMAGE}\nRUN echo well\nRUN echo ill; exit 3\n")
    context = an_archive({"Dockerfile": f"FROM {IMAGE}\nRUN echo begun; sleep 600\n"})
    lines = client.api.build(fileobj=io.BytesIO(context), custom_context=True, decode=True)
    while "begun\n" not in next(lines).get("stream", ""):
        pass  # and keep the build: it ends with its client
    end = time.monotonic() + 30  # a moment of a log may be lost at a kill
    while not any('"begun\\n"' in log.read_text() for log in (engine.root / "build/history").glob("*.jsonl")):
        assert time.monotonic() < end, "it was not written"
        time.sleep(0.02)
    engine.kill()
    engine.start()
    listed = ask("/yurt/builds").json()
    assert [each["Status"] for each in listed] == ["cut short", "error", "completed"]
    assert [(each["Steps"], each["CachedSteps"]) for each in listed] == [(2, 1), (3, 2), (2, 1)]
    assert listed[2]["Name"] == "history/well:1"
    assert listed[1]["Error"].endswith("exit code 3")
    for each, said in zip(listed, (b"begun\n", b"ill\n", b"well\n"), strict=True):
        assert base64.b64encode(said) in ask(f"/yurt/builds/{each['ID']}/log").content


def test_a_dated_build_is_the_same_everywhere(new_engine: Callable[[], EngineHost]) -> None:
    """Two engines with roots of their own, stages that run at once, other times in the context: one digest."""
    dockerfile = (
        f"FROM {IMAGE} AS a\nRUN mkdir -p /x/y && echo a > /x/y/a && ln -s a /x/y/l\n"
        f"FROM {IMAGE} AS b\nWORKDIR /w\nRUN echo b > b && rm -r /root\n"
        f"FROM {IMAGE}\nCOPY --from=a /x /x\nCOPY --from=b /w /w\nCOPY file /f/\nRUN touch /etc/passwd\n"
    )
    one, other = new_engine().client(), new_engine().client()
    other.images.load(b"".join(one.images.get(IMAGE).save(named=True)))
    dated: dict[str, Any] = {"buildargs": {"SOURCE_DATE_EPOCH": "1700000000"}, "files": {"file": "same"}}
    first = build(one, dockerfile, **dated)
    time.sleep(1.1)  # what was not dated would differ in its seconds
    second = build(other, dockerfile, **dated)
    assert (first.error, second.error) == ("", "")
    assert first.image == second.image
    assert one.images.get(first.image).attrs["Created"] == "2023-11-14T22:13:20Z"
    assert build(one, dockerfile, files={"file": "same"}).image != first.image
