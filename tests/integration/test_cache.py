"""`yurt.cache` between processes, over a real Valkey server."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from yurt.cache import Cache, RedisTier
from yurt.tasks import broker

PROGRAM = """
import os, sys, time
from yurt.cache import Cache
cache = Cache.from_url(sys.argv[1], prefix=sys.argv[3])

@cache.cached(ttl="1m", key="slow", tags=["t"], lease=float(sys.argv[4]))
def slow():
    with open(sys.argv[2], "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(float(sys.argv[5]))
    return os.getpid()

print(slow())
"""


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[broker.Broker]:
    folder = tmp_path_factory.mktemp("broker")
    yield broker.ensure(folder)
    broker.stop(folder)


def a_process(
    valkey: broker.Broker, file: Path, *, lease: float = 30, cost: float = 0.5
) -> "subprocess.Popen[str]":
    argv = [
        sys.executable,
        "-c",
        PROGRAM,
        valkey.cache_url(),
        str(file),
        file.parent.name,
        str(lease),
        str(cost),
    ]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def wait_for_computations(file: Path, count: int) -> list[int]:
    deadline = time.monotonic() + 30
    while not file.exists() or len(file.read_text().split()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [int(line) for line in file.read_text().split()]


def test_processes_that_ask_at_once_are_answered_by_one_computation(
    valkey: broker.Broker, tmp_path: Path
) -> None:
    """The others wait for it, and all have its answer."""
    file = tmp_path / "computed"
    processes = [a_process(valkey, file, cost=1) for _ in range(4)]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    (computed,) = file.read_text().split()
    assert answers == {f"{computed}\n"}


def test_a_process_killed_while_computing_is_replaced_when_its_lease_ends(
    valkey: broker.Broker, tmp_path: Path
) -> None:
    """Nobody waits for the dead for ever."""
    file = tmp_path / "computed"
    with a_process(valkey, file, lease=1, cost=60) as first:
        wait_for_computations(file, 1)
        first.kill()
    with a_process(valkey, file, lease=1, cost=0) as second:
        answer = second.communicate(timeout=30)[0]
    assert answer == f"{wait_for_computations(file, 2)[1]}\n"


def test_an_invalidation_by_another_process_counts_while_a_value_is_computed(
    valkey: broker.Broker, tmp_path: Path
) -> None:
    """What was computed from old data is nobody's hit."""
    file = tmp_path / "computed"
    tier = RedisTier(valkey.cache_url(), prefix=tmp_path.name)
    cache = Cache(tier)
    with a_process(valkey, file, cost=1) as first:
        wait_for_computations(file, 1)
        cache.invalidate("t")
        first.communicate(timeout=30)
    assert cache.get("slow", tags=["t"]) is None
    with a_process(valkey, file, cost=0) as second:
        second.communicate(timeout=30)
    assert cache.get("slow", tags=["t"]) == wait_for_computations(file, 2)[1]
    tier.close()


def test_a_server_that_goes_away_and_comes_back_is_used_again(tmp_path: Path) -> None:
    """Meanwhile every call computes."""
    made = broker.ensure(tmp_path / "b")
    tier = RedisTier(made.cache_url())
    cache = Cache(tier)
    calls = []

    @cache.cached(key="k")
    def answer() -> int:
        calls.append(1)
        return 7

    try:
        assert [answer(), answer(), len(calls)] == [7, 7, 1]
        broker.stop(tmp_path / "b")
        assert [answer(), answer(), len(calls)] == [7, 7, 3]
        broker.ensure(tmp_path / "b")
        deadline = time.monotonic() + 20
        while answer.peek() != 7:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        tier.close()
        broker.stop(tmp_path / "b")
