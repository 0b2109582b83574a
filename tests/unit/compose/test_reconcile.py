"""yurt.compose.reconcile: the plans of `up`, compared as they print."""

from pathlib import Path
from textwrap import dedent

import pytest
from tests.unit.compose.projects import a_project, as_observed, nothing

from yurt.compose.observed import Observed, ObservedContainer, ObservedResource
from yurt.compose.reconcile import UpOptions, plan_images, plan_up
from yurt.errors import Conflict, InvalidArgument, NotFound
from yurt.values import replace

SHOP = """
services:
  web:
    image: shop
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
  migrate: {image: shop, command: migrate, depends_on: [db]}
  db: {image: postgres, healthcheck: {test: pg_isready}, volumes: ["data:/var/lib/postgresql/data"]}
volumes: {data: }
"""


def lines(text: str) -> str:
    return dedent(text).strip()


def test_everything_missing(tmp_path: Path) -> None:
    """From nothing: shared things first, containers at once, starts in the order of health."""
    project = a_project(SHOP, tmp_path)
    assert str(plan_up(project, nothing(project), UpOptions())) == lines("""
        1. create network shop_default: missing
        2. create volume shop_data: missing
        3. create container shop-db-1: missing (after 1, 2)
        4. start container shop-db-1: created (after 3)
        5. create container shop-migrate-1: missing (after 1)
        6. start container shop-migrate-1: created (after 4, 5)
        7. create container shop-web-1: missing (after 1)
        8. wait until db is healthy: web needs it (after 4)
        9. wait until migrate has completed: web needs it (after 6)
        10. start container shop-web-1: created (after 7, 8, 9)
    """)


def test_nothing_changed(tmp_path: Path) -> None:
    """A second `up` does nothing; what has completed stays so."""
    project = a_project(SHOP, tmp_path)
    observed = as_observed(project, states={"migrate": "exited 0"})
    plan = plan_up(project, observed, UpOptions())
    assert str(plan) == "nothing to do"
    assert plan.notices == ()


def test_one_changed(tmp_path: Path) -> None:
    """Only the service that changed is made anew: its old container stays until the new one is there."""
    project = a_project(SHOP, tmp_path)
    observed = as_observed(project, states={"migrate": "exited 0"})
    changed = a_project(SHOP.replace("pg_isready}", "pg_isready, retries: 9}"), tmp_path)
    assert str(plan_up(changed, observed, UpOptions())) == lines("""
        1. create container db1000000000_shop-db-1: configuration changed
        2. stop container shop-db-1: replaced by 1 (after 1)
        3. remove container shop-db-1: replaced by 1 (after 2)
        4. rename container shop-db-1: takes the place of db1000000000 (after 3)
        5. start container shop-db-1: recreated (after 4)
    """)


def test_image_changed(tmp_path: Path) -> None:
    """A new image makes the containers of all services with that image anew, the one-shot first."""
    project = a_project(SHOP, tmp_path)
    observed = as_observed(project, states={"migrate": "exited 0"})
    newer = replace(observed, images={**observed.images, "shop": "sha256:newer"})
    assert str(plan_up(project, newer, UpOptions())) == lines("""
        1. create container migrate10000_shop-migrate-1: image changed
        2. remove container shop-migrate-1: replaced by 1 (after 1)
        3. rename container shop-migrate-1: takes the place of migrate10000 (after 2)
        4. start container shop-migrate-1: recreated (after 3)
        5. create container web100000000_shop-web-1: image changed
        6. stop container shop-web-1: replaced by 5 (after 5)
        7. remove container shop-web-1: replaced by 5 (after 6)
        8. rename container shop-web-1: takes the place of web100000000 (after 7)
        9. wait until migrate has completed: web needs it (after 4)
        10. start container shop-web-1: recreated (after 8, 9)
    """)


def test_stopped(tmp_path: Path) -> None:
    """A stopped container is started; the one-shot runs again, as someone who waits for it starts."""
    project = a_project(SHOP, tmp_path)
    observed = as_observed(project, states={"migrate": "exited 0", "web": "exited 137"})
    assert str(plan_up(project, observed, UpOptions())) == lines("""
        1. start container shop-migrate-1: not running
        2. wait until migrate has completed: web needs it (after 1)
        3. start container shop-web-1: not running (after 2)
    """)


def test_restart_true(tmp_path: Path) -> None:
    """A dependant with ``restart: true`` is restarted when its dependency is made anew, others are not."""
    text = """
    services:
      web: {image: w, depends_on: {db: {condition: service_started, restart: true}}}
      job: {image: w, depends_on: [db]}
      db: {image: postgres}
    """
    project = a_project(text, tmp_path)
    plan = plan_up(
        project, as_observed(project), UpOptions(services=("db", "web", "job"), force_recreate=False)
    )
    assert not plan
    changed = a_project(text.replace("image: postgres", "image: postgres, user: me"), tmp_path)
    text = str(plan_up(changed, as_observed(project), UpOptions()))
    assert "6. restart container shop-web-1: db is recreated (after 5)" in text
    assert "shop-job-1" not in text


def test_scale(tmp_path: Path) -> None:
    """Scaling up fills the free numbers, scaling down removes the highest."""
    project = a_project("services: {web: {image: w, scale: 3}}", tmp_path)
    observed = as_observed(project)
    assert str(plan_up(project, observed, UpOptions(scale={"web": 1}))) == lines("""
        1. stop container shop-web-2: scaled down to 1
        2. remove container shop-web-2: scaled down to 1 (after 1)
        3. stop container shop-web-3: scaled down to 1
        4. remove container shop-web-3: scaled down to 1 (after 3)
    """)
    holed = replace(observed, containers=(observed.containers[0], observed.containers[2]))
    assert str(plan_up(project, holed, UpOptions())) == lines("""
        1. create container shop-web-2: missing
        2. start container shop-web-2: created (after 1)
    """)


def test_shared_network(tmp_path: Path) -> None:
    """Who lives in another service's network is made after it, and anew with it."""
    text = "services: {vpn: {image: v}, app: {image: a, network_mode: 'service:vpn'}}"
    project = a_project(text, tmp_path)
    plan = str(plan_up(project, nothing(project), UpOptions()))
    assert "4. create container shop-app-1: missing (after 3)" in plan
    changed = a_project(text.replace("image: v}", "image: v, user: me}"), tmp_path)
    plan = str(plan_up(changed, as_observed(project), UpOptions()))
    assert "shop-app-1: vpn, whose network it shares, is recreated" in plan


def test_orphans(tmp_path: Path) -> None:
    """Containers of services that are gone are told of, and removed only when asked."""
    project = a_project("services: {web: {image: w}}", tmp_path)
    observed = as_observed(project)
    orphan = ObservedContainer(id="o" * 64, name="shop-old-1", service="old")
    observed = replace(observed, containers=(*observed.containers, orphan))
    plan = plan_up(project, observed, UpOptions())
    assert not plan
    assert "shop-old-1; --remove-orphans removes them" in plan.notices[0]
    assert str(plan_up(project, observed, UpOptions(remove_orphans=True))) == lines("""
        1. stop container shop-old-1: orphan
        2. remove container shop-old-1: orphan (after 1)
    """)


def test_other_folder(tmp_path: Path) -> None:
    """That another folder has a project of this name is told before its containers are touched."""
    project = a_project("services: {web: {image: w}}", tmp_path)
    observed = as_observed(project)
    marks = {"com.docker.compose.project.working_dir": "/elsewhere"}
    there = replace(observed, containers=tuple(replace(each, labels=marks) for each in observed.containers))
    assert "was brought up from /elsewhere" in plan_up(project, there, UpOptions()).notices[0]


def test_network_made_anew(tmp_path: Path) -> None:
    """When a network is gone, the containers that were on it are made anew."""
    project = a_project("services: {web: {image: w}}", tmp_path)
    plan = str(plan_up(project, replace(as_observed(project), networks={}), UpOptions()))
    assert "create container web100000000_shop-web-1: its network shop_default is made anew (after 1)" in plan


def test_external(tmp_path: Path) -> None:
    """An external network or volume must be there, and is never made."""
    text = "services: {web: {image: w, networks: [out]}}\nnetworks: {out: {external: true}}"
    project = a_project(text, tmp_path)
    with pytest.raises(NotFound, match="the network out is declared external, and is not there"):
        plan_up(project, nothing(project), UpOptions())
    there = replace(nothing(project), networks={"out": ObservedResource("out")})
    assert "create network" not in str(plan_up(project, there, UpOptions()))


def test_foreign_volume(tmp_path: Path) -> None:
    """A volume of another project is used, and that is said."""
    project = a_project("services: {web: {image: w, volumes: ['d:/d']}}\nvolumes: {d: }", tmp_path)
    observed = as_observed(project)
    foreign = replace(observed, volumes={"shop_d": ObservedResource("shop_d", "d", "other")})
    assert "was made by the project 'other'" in plan_up(project, foreign, UpOptions()).notices[0]


def test_changed_network(tmp_path: Path) -> None:
    """A network with another configuration is not taken as it is."""
    project = a_project("services: {web: {image: w}}", tmp_path)
    changed = replace(
        as_observed(project),
        networks={"shop_default": ObservedResource("shop_default", "default", "shop", "0" * 64)},
    )
    from yurt import __version__

    ours = {"com.docker.compose.version": __version__}
    changed = replace(changed, containers=tuple(replace(each, labels=ours) for each in changed.containers))
    with pytest.raises(Conflict, match="the network shop_default was made with another configuration"):
        plan_up(project, changed, UpOptions())


def test_flags(tmp_path: Path) -> None:
    """--force-recreate, --no-recreate, --no-deps and --no-start do what they say."""
    project = a_project("services: {web: {image: w, depends_on: [db]}, db: {image: p}}", tmp_path)
    observed = as_observed(project)
    forced = str(plan_up(project, observed, UpOptions(services=("web",), force_recreate=True)))
    assert "shop-web-1: asked for" in forced
    assert "shop-db-1" not in forced
    stale = replace(
        observed, containers=tuple(replace(each, config_hash="x") for each in observed.containers)
    )
    assert not plan_up(project, stale, UpOptions(no_recreate=True))
    alone = str(plan_up(project, nothing(project), UpOptions(services=("web",), no_deps=True)))
    assert "shop-db-1" not in alone
    created = str(plan_up(project, nothing(project), UpOptions(no_start=True)))
    assert "start" not in created


def test_container_name_scaled(tmp_path: Path) -> None:
    """A service with a container_name can't be scaled."""
    project = a_project("services: {web: {image: w, container_name: x}}", tmp_path)
    with pytest.raises(
        InvalidArgument, match="cannot scale web to 2: its container_name 'x' can be used once"
    ):
        plan_up(project, nothing(project), UpOptions(scale={"web": 2}))


def test_images(tmp_path: Path) -> None:
    """What is missing is built or pulled, once for each image; --build builds all."""
    text = "services: {beat: {image: shop-web}, web: {build: .}, worker: {image: shop-web, build: .}, db: {image: postgres}}"
    project = a_project(text, tmp_path)
    absent = Observed(images={"shop-web": None, "postgres": None})
    assert str(plan_images(project, absent, UpOptions())) == lines("""
        1. build image shop-web: missing
        2. pull image postgres: missing
    """)
    there = Observed(images={"shop-web": "sha256:1", "postgres": "sha256:2"})
    assert str(plan_images(project, there, UpOptions())) == "nothing to do"
    assert str(plan_images(project, there, UpOptions(build=True))) == "1. build image shop-web: asked for"
    assert "pull image postgres: pull policy is always" in str(
        plan_images(project, there, UpOptions(pull="always"))
    )


def test_images_never(tmp_path: Path) -> None:
    """An image that may not be pulled or built is an error, not a surprise."""
    project = a_project("services: {db: {image: postgres, pull_policy: never}}", tmp_path)
    with pytest.raises(NotFound, match="its pull policy is never"):
        plan_images(project, Observed(images={"postgres": None}), UpOptions())
    project = a_project("services: {web: {build: .}}", tmp_path)
    with pytest.raises(NotFound, match="is not built"):
        plan_images(project, Observed(images={"shop-web": None}), UpOptions(no_build=True))
