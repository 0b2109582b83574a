"""The library's context runs commands as transactions and says why one is refused."""

import contextlib
import os
import resource
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from yurt.errors import Internal, Unavailable
from yurt.linux import nftables
from yurt.linux.nftables import Nftables

if TYPE_CHECKING:
    from tests.conftest import Needs


@pytest.fixture
def nft(needs: "Needs") -> Iterator[Nftables]:
    needs.program("nft")  # comes with the library
    context = Nftables()
    yield context
    context.close()


def test_a_refusal_says_what_and_why(nft: Nftables) -> None:
    """nft's own words and the commands are in the error."""
    with pytest.raises(Internal, match="syntax error") as refusal:
        nft.run("add tabel ip yurt")
    assert "add tabel ip yurt" in refusal.value.message


def test_nothing_to_do_is_nothing(nft: Nftables) -> None:
    """An empty text is no error."""
    nft.run("")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host without it the error says which package to install."""
    monkeypatch.setattr(nftables, "LIBRARY", "libnothing.so.1")
    with pytest.raises(Unavailable) as missing:
        Nftables()
    assert missing.value.hint == "apt-get install libnftables1"


def test_many_open_files(nft: Nftables) -> None:
    """A context made in time works on however many files are open; a late one is refused instead of aborting."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _number in range(nftables.HIGHEST_DESCRIPTOR + 1):
            stack.callback(os.close, os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        assert nft.listing("list table ip no-such-table") == []
        with pytest.raises(Unavailable, match="files are open"):
            Nftables()
