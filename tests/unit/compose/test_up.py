"""yurt.compose.up, execute, observe and watch: plans done on an engine in memory."""

import io
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.compose.fake_engine import FakeEngine
from tests.unit.compose.projects import a_project

from yurt.compose.execute import Executor, How
from yurt.compose.lifecycle import DownOptions, plan_down
from yurt.compose.observe import observe
from yurt.compose.progress import Lines
from yurt.compose.reconcile import UpOptions
from yurt.compose.up import up, wait_until_up
from yurt.compose.watch import Watch
from yurt.errors import Conflict, Unavailable

SHOP = """
services:
  web: {image: w, depends_on: {db: {condition: service_healthy}, job: {condition: service_completed_successfully}}}
  job: {image: w}
  db: {image: p, healthcheck: {test: "true"}, volumes: ["d:/d"]}
volumes: {d: }
"""
PROGRAMS = {"db": "healthy", "job": "exit 0"}


def an_engine(**programs: Any) -> Any:
    return FakeEngine(images={"w": "sha256:w", "p": "sha256:p"}, programs={**PROGRAMS, **programs})


def bring_up(engine: Any, project: Any, *, wait: bool = False, timeout: Any = None, **options: Any) -> Any:
    out = io.StringIO()
    wanted = UpOptions(**options)
    with Watch(engine, project.name) as watch:
        plan = up(
            engine,
            project,
            wanted,
            watch=watch,
            progress=lambda: Lines(out),
            how=How(),
            notice=lambda text: print(text, file=out),
        )
        if wait:
            wait_until_up(engine, watch, project, wanted, timeout=timeout)
    return plan, out.getvalue()


def test_up_and_down(tmp_path: Path) -> None:
    """Up makes all that is missing in order, a second up does nothing, down leaves nothing but volumes."""
    project, engine = a_project(SHOP, tmp_path), an_engine()
    _, told = bring_up(engine, project, wait=True)
    starts = [call.split("/")[2] for call in engine.calls if call.endswith("/start")]
    assert starts[-1] == "shop-web-1"
    assert " ✔ Container shop-db-1  Healthy\n" in told
    assert " ✔ Container shop-job-1  Exited\n" in told
    assert told.index("Container shop-db-1  Healthy") < told.index("Container shop-web-1  Started")
    engine.calls.clear()
    plan, told = bring_up(engine, project, wait=True)
    assert (str(plan), told, engine.calls) == ("nothing to do", "", [])
    observed = observe(engine, "shop")
    Executor(engine, project, observed).run(plan_down(project, "shop", observed, DownOptions()))
    assert (engine.containers, engine.networks, list(engine.volumes)) == ({}, {}, ["shop_d"])


def test_only_what_changed(tmp_path: Path) -> None:
    """A changed service is made anew, and nothing else is touched."""
    engine = an_engine()
    bring_up(engine, a_project(SHOP, tmp_path))
    before = {each["Name"]: each["Id"] for each in engine.containers.values()}
    engine.calls.clear()
    bring_up(engine, a_project(SHOP.replace("web: {image: w", "web: {image: w, user: me"), tmp_path))
    after = {each["Name"]: each["Id"] for each in engine.containers.values()}
    assert {name for name in before if before[name] != after[name]} == {"/shop-web-1", "/shop-job-1"} & {
        "/shop-web-1"
    }
    assert not any("shop-db-1" in call for call in engine.calls)


def test_failing_dependency(tmp_path: Path) -> None:
    """A one-shot that fails stops the rest, with its code and its last lines."""
    engine = an_engine(job="exit 3")
    engine.output["job"] = b"cannot migrate\n"
    with pytest.raises(Conflict) as caught:
        bring_up(engine, a_project(SHOP, tmp_path))
    assert (
        str(caught.value)
        == "service job failed: container shop-job-1 exited (3); its last lines:\n    cannot migrate"
    )
    assert not any(call.endswith("shop-web-1/start") for call in engine.calls)


def test_unhealthy(tmp_path: Path) -> None:
    """A dependency that becomes unhealthy is named, with what its check wrote last."""
    engine = an_engine(db="unhealthy")
    engine.checks = {"db": "connecting\n  refused \n"}
    with pytest.raises(Conflict) as caught:
        bring_up(engine, a_project(SHOP, tmp_path))
    assert (
        str(caught.value) == "service db failed: container shop-db-1 is unhealthy: its check says “refused”"
    )


def test_no_health_check(tmp_path: Path) -> None:
    """Waiting for health where there is no check says so, instead of waiting for ever."""
    with pytest.raises(Conflict, match="service db can't become healthy: shop-db-1 has no health check"):
        bring_up(an_engine(db=""), a_project(SHOP, tmp_path))


def test_start_refused(tmp_path: Path) -> None:
    """A new container that can't start is removed again, and what waits for it is not begun."""
    engine = an_engine()
    engine.refuses_start = {"db"}
    with pytest.raises(Conflict, match="cannot start shop-db-1: port is already allocated"):
        bring_up(engine, a_project(SHOP, tmp_path))
    assert "/shop-db-1" not in {each["Name"] for each in engine.containers.values()}
    assert not any(call.endswith("shop-web-1/start") for call in engine.calls)


def test_wait_timeout(tmp_path: Path) -> None:
    """--wait-timeout ends the wait and says what was waited for."""
    project = a_project("services: {db: {image: p, healthcheck: {test: x}}}", tmp_path)
    engine = an_engine(db="healthy")
    engine._go_on = lambda *_: None
    began = time.monotonic()
    with pytest.raises(
        Unavailable, match="timed out while waiting for shop-db-1: it is running, its health starting"
    ):
        bring_up(engine, project, wait=True, timeout=0.1)
    assert time.monotonic() - began < 5


def test_labels(tmp_path: Path) -> None:
    """Containers, networks and volumes carry Compose's labels."""
    engine = an_engine()
    bring_up(engine, a_project(SHOP, tmp_path))
    container = next(each for each in engine.containers.values() if each["Name"] == "/shop-web-1")
    marks = container["Config"]["Labels"]
    prefix = "com.docker.compose."
    assert {key: marks[prefix + key] for key in ("project", "service", "container-number", "oneoff", "depends_on", "image")} == {
        "project": "shop", "service": "web", "container-number": "1", "oneoff": "False", "image": "sha256:w",
        "depends_on": "db:service_healthy:false,job:service_completed_successfully:false",
    }  # fmt: skip
    assert marks[prefix + "project.working_dir"] == str(tmp_path)
    assert engine.networks["shop_default"]["Labels"][prefix + "network"] == "default"
    assert engine.volumes["shop_d"]["Labels"][prefix + "volume"] == "d"


def test_scale(tmp_path: Path) -> None:
    """Many containers of a service are made at once, each with its number."""
    engine = an_engine()
    project = a_project("services: {web: {image: w}}", tmp_path)
    bring_up(engine, project, scale={"web": 30})
    numbers = {
        each["Config"]["Labels"]["com.docker.compose.container-number"] for each in engine.containers.values()
    }
    assert numbers == {str(number) for number in range(1, 31)}
    bring_up(engine, project, scale={"web": 2})
    assert sorted(each["Name"] for each in engine.containers.values()) == ["/shop-web-1", "/shop-web-2"]
