"""Where engines live."""

import os

import pytest

from yurt import places


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a normal user who is not logged in."""
    monkeypatch.setattr(os, "geteuid", lambda: 987654)
    return {"HOME": "/home/alice"}


def test_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's folders."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert places.default_root({}) == "/var/lib/yurt"
    assert places.default_host({}) == "unix:///run/yurt/yurt.sock"
    assert places.config_file({}) == "/etc/yurt/yurt.toml"
    assert places.default_host({"YURT_ROOT": "/r"}) == "unix:///r/yurt.sock"


def test_of_a_user(alice: dict[str, str]) -> None:
    """XDG's folders; without one for sockets, the data folder."""
    assert places.default_root(alice) == "/home/alice/.local/share/yurt"
    assert places.default_host(alice) == "unix:///home/alice/.local/share/yurt/run/yurt.sock"
    assert places.config_file(alice) == "/home/alice/.config/yurt/yurt.toml"
    chosen = {name: f"/{name}" for name in ("XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME")}
    assert places.default_root(alice | chosen) == "/XDG_DATA_HOME/yurt"
    assert places.default_host(alice | chosen) == "unix:///XDG_RUNTIME_DIR/yurt/yurt.sock"
    assert places.config_file(alice | chosen) == "/XDG_CONFIG_HOME/yurt/yurt.toml"


def test_of_a_users_engine_in_its_namespaces(monkeypatch: pytest.MonkeyPatch, alice: dict[str, str]) -> None:
    """It is root by number there, and its places are still the user's."""
    outside = (places.default_root(alice), places.default_host(alice), places.config_file(alice))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    inside = alice | {places.ENTERED: "987654"}
    assert (places.default_root(inside), places.default_host(inside), places.config_file(inside)) == outside
