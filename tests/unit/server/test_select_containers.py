"""Filters of the list of containers."""

from dataclasses import replace

import pytest

from yurt.engine.containers.model import Container, ContainerConfig, HostConfig, State, Status
from yurt.engine.networks.model import EndpointRequest, PortBinding
from yurt.errors import InvalidArgument, NotFound
from yurt.server.select import containers as selection

SECOND = 1_000_000_000
NOW = 1_795_503_129 * SECOND
NEW = Container(
    id="c" * 64,
    name="web",
    created_ns=NOW,
    image_id="sha256:" + "1" * 64,
    config=ContainerConfig(image="shop:1", exposed_ports=("80/tcp",)),
    host=HostConfig(network_mode="front"),
    endpoints=(EndpointRequest("front"),),
    path="sleep",
    args=("10",),
    state=State(Status.RUNNING, started_ns=NOW),
    ports=(PortBinding(80, host_ip="0.0.0.0", host_port=8000),),
)
OLD = replace(
    NEW,
    id="a" * 64,
    name="db",
    created_ns=NOW - SECOND,
    config=replace(NEW.config, labels={"tier": "data", "solo": ""}),
    state=State(Status.EXITED, exit_code=3, finished_ns=NOW),
    ports=(),
)


def lookup(ref: str) -> Container:
    for container in (OLD, NEW):
        if ref in (container.name, container.id):
            return container
    raise NotFound(f"No such container: {ref}")


def shown(
    filters: dict[str, tuple[str, ...]] | None = None, *, everything: bool = True, limit: int | None = None
) -> list[str]:
    found = selection.select(
        [OLD, NEW],
        filters or {},
        everything=everything,
        limit=limit,
        lookup=lookup,
        descends=lambda container, name: container.config.image == name,
        network_id=lambda name: "id of " + name,
    )
    return [container.name for container in found]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["web", "db"]),
        ({"status": ("exited",)}, ["db"]),
        ({"status": ("exited", "running")}, ["web", "db"]),
        ({"exited": ("3",)}, ["db"]),
        ({"name": ("^/we",)}, ["web"]),
        ({"name": ("b",)}, ["web", "db"]),
        ({"id": ("aaaa",)}, ["db"]),
        ({"label": ("tier",)}, ["db"]),
        ({"label": ("tier=data", "solo=")}, ["db"]),
        ({"label": ("tier=other",)}, []),
        ({"before": ("web",)}, ["db"]),
        ({"since": ("db",)}, ["web"]),
        ({"network": ("front",)}, ["web", "db"]),
        ({"publish": ("8000/tcp",)}, ["web"]),
        ({"publish": ("7000-9000",)}, ["web"]),
        ({"expose": ("80",)}, ["web", "db"]),
        ({"ancestor": ("shop:1",)}, ["web", "db"]),
        ({"ancestor": ("other",)}, []),
        ({"health": ("none",)}, ["web", "db"]),
    ],
)
def test_a_filter_lets_through(filters: dict[str, tuple[str, ...]], names: list[str]) -> None:
    """Values of one key are alternatives, keys add up; the newest comes first."""
    assert shown(filters) == names


def test_unasked_only_what_runs_is_shown() -> None:
    """Like `docker ps`; a filter for a status, or a number, asks for all."""
    assert shown(everything=False) == ["web"]
    assert shown({"status": ("exited",)}, everything=False) == ["db"]
    assert shown(everything=False, limit=5) == ["web", "db"]
    assert shown(limit=1) == ["web"]


def test_wrong_values_are_refused() -> None:
    """A status that does not exist, or a container that is not there."""
    with pytest.raises(InvalidArgument, match="invalid filter 'status=dizzy'"):
        shown({"status": ("dizzy",)})
    for key, value in (("health", "fine"), ("exited", "three"), ("is-task", "perhaps")):
        with pytest.raises(InvalidArgument, match=f"invalid filter '{key}={value}'"):
            shown({key: (value,)})
    with pytest.raises(NotFound, match="No such container: nobody"):
        shown({"before": ("nobody",)})
