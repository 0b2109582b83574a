"""Networks are found by name, id or the beginning of an id, and survive a restart."""

from pathlib import Path

import pytest

from yurt.engine.networks.model import Network
from yurt.engine.networks.store import NetworkStore
from yurt.errors import Conflict, Forbidden, InvalidArgument, NotFound
from yurt.storage.metadata import Documents

SHOP = Network("abc" + "0" * 61, "shop", "bridge", 2, subnet="172.20.0.0/16", labels={"a": "b"}, bridge="yu1")
OTHER = Network("abd" + "0" * 61, "other", "host", 1)


def test_a_network_is_found(tmp_path: Path) -> None:
    """By name before id; an ambiguous beginning is refused; all come oldest first, also after a restart."""
    documents = Documents(tmp_path / "meta.db")
    store = NetworkStore(documents)
    store.add(SHOP)
    store.add(OTHER)
    again = NetworkStore(documents)
    again.load()
    for found in (store, again):
        assert found.all() == (OTHER, SHOP)
        assert found.bridges() == (SHOP,)
        assert found.get("shop") == found.get(SHOP.id) == found.get("abc") == SHOP
        with pytest.raises(Conflict, match="ambiguous"):
            found.get("ab")
        for missing in ("", "sho", "f"):
            with pytest.raises(NotFound):
                found.get(missing)
    again.remove(SHOP)
    again.remove(SHOP)
    third = NetworkStore(documents)
    third.load()
    assert third.all() == (OTHER,)
    documents.close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bridge", Forbidden),
        ("default", Forbidden),
        ("shop", Conflict),
        ("", InvalidArgument),
        ("a/b", InvalidArgument),
        ("  ", InvalidArgument),
        ("a\nb", InvalidArgument),
    ],
)
def test_names_that_cannot_be_had(tmp_path: Path, name: str, kind: type[Exception]) -> None:
    """Predefined, taken and malformed names are refused."""
    documents = Documents(tmp_path / "meta.db")
    store = NetworkStore(documents)
    store.add(SHOP)
    with pytest.raises(kind):
        store.check_new(name)
    for free in ("shop_default", "two words", "-a", "été"):
        store.check_new(free)
    documents.close()
