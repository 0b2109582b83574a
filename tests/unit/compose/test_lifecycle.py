"""yurt.compose.lifecycle: the plans of down, stop, start, restart and rm, compared as they print."""

from pathlib import Path
from textwrap import dedent

from tests.unit.compose.projects import a_project, as_observed

from yurt.compose.lifecycle import DownOptions, plan_down, plan_remove, plan_start, plan_stop
from yurt.compose.observed import ObservedContainer
from yurt.values import replace

TEXT = """
services:
  web: {image: w, depends_on: {db: {condition: service_healthy}}}
  db: {image: p, healthcheck: {test: "true"}, volumes: ["data:/data"]}
volumes: {data: }
"""


def lines(text: str) -> str:
    return dedent(text).strip()


def test_down(tmp_path: Path) -> None:
    """Who depends on others stops first; networks go last, volumes only when asked."""
    project = a_project(TEXT, tmp_path)
    observed = as_observed(project)
    assert str(plan_down(project, "shop", observed, DownOptions())) == lines("""
        1. stop container shop-web-1: down
        2. stop container shop-db-1: down (after 1)
        3. remove container shop-db-1: down (after 2)
        4. remove container shop-web-1: down (after 1)
        5. remove network shop_default: down (after 3, 4)
    """)
    assert "6. remove volume shop_data: down -v (after 3, 4)" in str(
        plan_down(project, "shop", observed, DownOptions(volumes=True))
    )


def test_down_without_file(tmp_path: Path) -> None:
    """Without the file the labels say what is the project's, and in which order it stops."""
    project = a_project(TEXT, tmp_path)
    with_file = plan_down(project, "shop", as_observed(project), DownOptions(volumes=True))
    assert str(plan_down(None, "shop", as_observed(project), DownOptions(volumes=True))) == str(with_file)


def test_down_images(tmp_path: Path) -> None:
    """--rmi local removes what was built without a name, all removes all."""
    project = a_project("services: {a: {build: .}, b: {image: redis}}", tmp_path)
    observed = replace(as_observed(project), containers=(), networks={})
    local = plan_down(project, "shop", observed, DownOptions(images="local"))
    assert str(local) == "1. remove image shop-a: down --rmi local"
    assert "remove image redis" in str(plan_down(project, "shop", observed, DownOptions(images="all")))


def test_down_orphans(tmp_path: Path) -> None:
    """Orphans stay, with a notice, unless asked for."""
    project = a_project(TEXT, tmp_path)
    orphan = ObservedContainer(id="o", name="shop-old-1", service="old")
    observed = replace(as_observed(project), containers=(orphan,))
    plan = plan_down(project, "shop", observed, DownOptions())
    assert "shop-old-1" not in str(plan)
    assert "shop-old-1" in plan.notices[0]
    assert "remove container shop-old-1" in str(
        plan_down(project, "shop", observed, DownOptions(remove_orphans=True))
    )


def test_stop(tmp_path: Path) -> None:
    """Only running containers are stopped; with services named, only theirs."""
    project = a_project(TEXT, tmp_path)
    assert str(plan_stop(as_observed(project), ["db"])) == "1. stop container shop-db-1: asked for"
    assert not plan_stop(as_observed(project, states={"web": "exited 0", "db": "exited 0"}), [])
    assert str(plan_stop(as_observed(project), ["db"], kill=True)) == "1. kill container shop-db-1: asked for"


def test_start(tmp_path: Path) -> None:
    """Starting goes by dependencies, and waits for their health."""
    project = a_project(TEXT, tmp_path)
    observed = as_observed(project, states={"web": "exited 0", "db": "exited 0"})
    assert str(plan_start(project, observed, [])) == lines("""
        1. start container shop-db-1: asked for
        2. wait until db is healthy: web needs it (after 1)
        3. start container shop-web-1: asked for (after 2)
    """)


def test_restart(tmp_path: Path) -> None:
    """Restarting a service leaves those alone that it depends on."""
    project = a_project(TEXT, tmp_path)
    assert str(plan_start(project, as_observed(project), ["web"], restart=True)) == (
        "1. restart container shop-web-1: asked for"
    )


def test_remove(tmp_path: Path) -> None:
    """rm takes stopped containers; with -s, running ones too."""
    project = a_project(TEXT, tmp_path)
    observed = as_observed(project, states={"web": "exited 0"})
    assert str(plan_remove(observed, [], stop=False, volumes=False)) == (
        "1. remove container shop-web-1: asked for"
    )
    assert str(plan_remove(observed, ["db"], stop=True, volumes=True)) == lines("""
        1. stop container shop-db-1: asked for
        2. remove container shop-db-1: asked for (after 1)
    """)
