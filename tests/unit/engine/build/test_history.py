import time
from pathlib import Path

import pytest

from yurt.engine.build import history as module
from yurt.engine.build.history import CANCELED, COMPLETED, CUT_SHORT, FAILED, BuildHistory
from yurt.engine.build.model import Activity, Announced, Begun, BuildRequest, Built, Ended, Failed, Output
from yurt.errors import Conflict, NotFound
from yurt.oci.digest import Digest
from yurt.storage.metadata import Documents

STEPS = Announced((Activity("step 1", "FROM x"), Activity("step 2", "RUN y"), Activity("image x", "load")))
IMAGE = Digest("sha256:" + "a" * 64)


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    return Documents(tmp_path / "db")


@pytest.fixture
def history(tmp_path: Path, documents: Documents) -> BuildHistory:
    return BuildHistory(tmp_path / "history", documents)


def a_build(history: BuildHistory, *events: object, name: str = "shop") -> str:
    """Record a build that said *events*; return its id."""
    recording = history.begin(BuildRequest(tags=(name,)))
    for event in events:
        recording.take(event)  # type: ignore[arg-type]
    recording.end()
    return history.get("").id


def test_what_is_told_of_a_build(history: BuildHistory) -> None:
    """Steps count, what is loaded for them does not; the events come back as they were."""
    said = (STEPS, Ended("step 1", cached=True), Begun("step 2"), Output("é\n", "step 2"), Built(IMAGE))
    record = history.get(a_build(history, *said))
    assert (record.name, record.status, record.image) == ("shop", COMPLETED, IMAGE)
    assert (record.steps, record.cached) == (2, 1)
    assert record.ended_ns >= record.started_ns > 0
    assert [event for _, event in history.events(record)] == list(said)
    assert record.log_size > 0


def test_how_builds_end(history: BuildHistory, tmp_path: Path, documents: Documents) -> None:
    """Failed, given up, or, where the engine ended first, cut short; each is told apart after a restart."""
    failed, canceled = a_build(history, Failed("no")), a_build(history, STEPS)
    lost = history.begin(BuildRequest(tags=("lost",)))
    lost.take(Begun("step 1"))
    lost.flush()
    with pytest.raises(Conflict, match="is running"):
        history.remove("")
    (tmp_path / "history/stray.jsonl").write_text("{}")
    with (tmp_path / f"history/{history.get('').id}.jsonl").open("a") as file:
        file.write('{"at": 1, "kind"')  # a line that the engine's end cut
    again = BuildHistory(tmp_path / "history", documents)
    again.restore()
    assert [record.status for record in again.records()] == [CUT_SHORT, CANCELED, FAILED]
    assert (again.get(failed).error, again.get(canceled).error) == ("no", "")
    assert [event for _, event in again.events(again.get(""))] == [Begun("step 1")]
    assert not (tmp_path / "history/stray.jsonl").exists()
    lost.end()  # its engine is gone; only the file is to be closed
    again.remove("")
    assert again.clear() == 2
    assert list((tmp_path / "history").iterdir()) == []


def test_it_is_bounded(history: BuildHistory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In builds, in output of one build, and in bytes of all: the oldest go first."""
    monkeypatch.setattr(module, "MAX_LOG", 1000)
    noisy = a_build(history, *(Output("x" * 100, "step 1") for _ in range(100)), Built(IMAGE))
    assert history.get(noisy).log_size < 2000
    assert history.get(noisy).status == COMPLETED
    monkeypatch.setattr(module, "MAX_BUILDS", 3)
    names = [a_build(history, name=str(number)) for number in range(5)]
    assert [record.id for record in history.records()] == names[:1:-1]
    assert len(list((tmp_path / "history").iterdir())) == 3
    monkeypatch.setattr(module, "MAX_BYTES", 0)
    a_build(history, STEPS)
    a_build(history, STEPS)
    assert len(history.records()) == 1


def test_a_build_is_named_by_the_beginning_of_its_id(history: BuildHistory) -> None:
    """Nothing, several, and none."""
    with pytest.raises(NotFound, match="no such build"):
        history.get("")
    first = a_build(history)
    assert history.get(first[:6]).id == first
    with pytest.raises(NotFound):
        history.get("zzz")


def test_a_full_disk_is_no_reason_to_fail(
    history: BuildHistory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build goes on without a log."""
    (tmp_path / "history").write_text("no folder")
    assert history.get(a_build(history, STEPS, Built(IMAGE))).status == COMPLETED


def test_credentials_in_addresses_are_left_out(history: BuildHistory, tmp_path: Path) -> None:
    """Of the context, of what is fetched, and of what a step says."""
    address = "https://me:pa55@git.example.com/a.git"
    recording = history.begin(BuildRequest(remote=address))
    recording.take(Output(f"fetching '{address}'\n", "step 1"))
    recording.take(Failed(f"cannot fetch {address}"))
    recording.end()
    record = history.get("")
    assert record.name == "https://git.example.com/a.git"
    assert record.error == "cannot fetch https://git.example.com/a.git"
    assert next(event for _, event in history.events(record)) == Output(
        "fetching 'https://git.example.com/a.git'\n", "step 1"
    )
    assert b"pa55" not in (tmp_path / "history" / f"{record.id}.jsonl").read_bytes()


def test_a_build_does_not_wait_for_its_log(history: BuildHistory, tmp_path: Path) -> None:
    """What is taken is written soon, all of it in its order, by another thread; while a disk hangs, it only gathers."""
    recording = history.begin(BuildRequest(tags=("shop",)))
    (file,) = (tmp_path / "history").glob("*.jsonl")
    recording.take(Begun("step 1"))
    end = time.monotonic() + 30
    while not file.stat().st_size:
        assert time.monotonic() < end
        time.sleep(0.01)
    with recording._writing:  # as long as the disk hangs
        for number in range(1000):
            recording.take(Output(f"{number}\n", "step 1"))
    recording.end()
    events = [event for _, event in history.events(history.get(""))]
    assert events == [Begun("step 1"), *(Output(f"{number}\n", "step 1") for number in range(1000))]
