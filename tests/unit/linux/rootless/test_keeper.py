"""The keeper as it answers, and its client: what one says, the other understands."""

import asyncio
import errno
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from yurt.engine import boot
from yurt.errors import Unavailable
from yurt.linux.relay.ports import Inside, Lead, Relay, Taken
from yurt.linux.rootless.client import KeeperClient
from yurt.linux.rootless.keeper import BOOT, SOCKET, Keeper, forget_earlier_boot
from yurt.linux.rootless.outgoing import Outgoing


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[Keeper]:
    """One that answers in *tmp_path*; its relay is never connected through."""
    way = Outgoing(tmp_path / "net", 1, mark_file=tmp_path / "outgoing", search="", tell=lambda _text: None)
    inside = Inside(-1)
    relay = Relay(inside)
    made = Keeper(7, "no further numbers", way, relay)
    async with await asyncio.start_unix_server(made.hear, tmp_path / SOCKET):
        yield made
        relay.keep(())
    inside.close()


async def test_it_tells_how_things_stand(keeper: Keeper, tmp_path: Path) -> None:
    """Where the namespaces are, what carries packets, and what is missing."""
    look = await asyncio.to_thread(KeeperClient(tmp_path).look)
    assert look.namespaces == {"user": "/proc/7/ns/user", "mnt": "/proc/7/ns/mnt", "net": "/proc/7/ns/net"}
    assert (look.outgoing, look.problem, look.lacking) == ("", "", "no further numbers")


async def test_ports_are_taken_and_given_back(keeper: Keeper, tmp_path: Path) -> None:
    """As the relay does it; a refusal is one here, too."""
    client = KeeperClient(tmp_path)
    asked = Lead("tcp", "127.0.0.1", 0, 0, "127.0.0.1", 80)
    (first,) = await asyncio.to_thread(client.take, "first", [asked])
    assert first == replace(asked, port=first.port)
    with pytest.raises(Taken) as refused:
        await asyncio.to_thread(client.take, "second", [first])
    assert (refused.value.errno, refused.value.lead) == (errno.EADDRINUSE, first)
    await asyncio.to_thread(client.keep, ["second"])
    assert await asyncio.to_thread(client.take, "second", [first]) == [first]
    await asyncio.to_thread(client.drop, "second")


async def test_it_is_told_to_end(keeper: Keeper, tmp_path: Path) -> None:
    """With the namespaces; a signal ends it without them."""
    await asyncio.to_thread(KeeperClient(tmp_path).end)
    assert (keeper.ending.is_set(), keeper.dismantled) == (True, True)


async def test_what_is_no_request_ends_the_connection(keeper: Keeper, tmp_path: Path) -> None:
    """The keeper goes on for others."""
    reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET)
    writer.write(b'{"op": "dance"}\n')
    assert await reader.read() == b""
    writer.close()
    assert (await asyncio.to_thread(KeeperClient(tmp_path).look)).lacking


def test_without_a_keeper(tmp_path: Path) -> None:
    """What to do is said."""
    with pytest.raises(Unavailable, match="does not answer") as gone:
        KeeperClient(tmp_path).look()
    assert "start the engine again" in str(gone.value.hint)


def test_what_an_engine_left_in_this_boot_stays(tmp_path: Path) -> None:
    """Its own mark of the boot has the same folder; only what another boot left goes."""
    forget_earlier_boot(tmp_path)
    boot.remember(tmp_path)
    (tmp_path / "containers").mkdir()
    forget_earlier_boot(tmp_path)
    assert not boot.is_another(tmp_path)
    assert (tmp_path / "containers").exists()
    (tmp_path / BOOT).write_text("another")
    forget_earlier_boot(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {BOOT}
    assert boot.is_another(tmp_path)
