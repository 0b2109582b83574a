"""The containers that there are."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from yurt.engine.containers.model import Container, ContainerConfig, HostConfig, RestartPolicy, State, Status
from yurt.engine.containers.registry import Registry, Waiter
from yurt.errors import Conflict, InvalidArgument, NotFound
from yurt.storage.metadata import Documents


def a_container(container_id: str, name: str) -> Container:
    return Container(
        id=container_id,
        name=name,
        created_ns=1,
        image_id="sha256:0",
        config=ContainerConfig("image", labels={"a": "b"}),
        host=HostConfig(restart=RestartPolicy("always")),
        endpoints=(),
        path="sh",
        args=(),
    )


@pytest.fixture
def documents(tmp_path: Path):
    opened = Documents(tmp_path / "db")
    yield opened
    opened.close()


def test_find(documents: Documents) -> None:
    """A container is found by id, name, slash and name, and a beginning of its id that no other has."""
    registry = Registry(documents)
    first = registry.add(a_container("aa11", "one"))
    registry.add(a_container("aa22", "two"))
    for ref in ("aa11", "one", "/one", "aa1"):
        assert registry.find(ref) is first
    with pytest.raises(InvalidArgument, match="Multiple IDs found with provided prefix: aa"):
        registry.find("aa")
    for ref in ("", "none", "bb"):
        with pytest.raises(NotFound, match="No such container"):
            registry.find(ref)


def test_names(documents: Documents) -> None:
    """A name is one container's; it is free again when dropped."""
    registry = Registry(documents)
    entry = registry.add(a_container("aa11", "one"))
    with pytest.raises(Conflict, match="already in use"):
        registry.reserve("one", "other")
    registry.drop(entry)
    registry.reserve("one", "other")
    assert list(registry) == []


def test_stored(documents: Documents) -> None:
    """Another registry on the same documents knows the same containers, as they were changed."""
    registry = Registry(documents)
    entry = registry.add(a_container("aa11", "one"))
    changed = registry.update(
        entry, lambda container: replace(container, state=State(Status.EXITED, exit_code=3))
    )
    again = Registry(documents)
    again.load()
    assert again.find("one").container == changed


async def test_notify(documents: Documents) -> None:
    """Who waits is told once, when the condition holds."""
    entry = Registry(documents).add(a_container("aa11", "one"))
    loop = asyncio.get_running_loop()
    exit_waiter, removal_waiter = loop.create_future(), loop.create_future()
    entry.waiters += [Waiter("next-exit", exit_waiter), Waiter("removed", removal_waiter)]
    entry.container = replace(entry.container, state=State(Status.EXITED, exit_code=3))
    entry.notify("next-exit", "not-running")
    assert exit_waiter.result().exit_code == 3
    assert not removal_waiter.done()
    assert len(entry.waiters) == 1
