"""Who one is to registries: the ``auths`` of Docker's ``config.json``, shared with Docker's own command line.

Credential helpers (``credsStore``) are not asked.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any

from yurt.errors import InvalidArgument, translated

HUB = "https://index.docker.io/v1/"


def server(text: str) -> str:
    """Return the key under which *text* is kept: a host name, or Docker Hub's address for it and for nothing."""
    name = text.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return HUB if name in ("", "docker.io", "index.docker.io", "registry-1.docker.io") else name


def server_of(image: str) -> str:
    """Return the key of the registry that *image* comes from."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return server(first if is_host else "")


def header(environ: Mapping[str, str], image: str) -> dict[str, str]:
    """Return the header that tells the engine who is asking for *image*; empty when nobody logged in there."""
    key = server_of(image)
    known = _known(environ).get(key)
    return {"X-Registry-Auth": _encoded(known)} if known else {}


def header_of_all(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the header that lets a build pull from every registry one is logged in to."""
    known = _known(environ)
    return {"X-Registry-Config": _encoded(known)} if known else {}


def _known(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return who one is, by registry."""
    found = {}
    for key, entry in _read(environ).get("auths", {}).items():
        if entry.get("auth"):
            name, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
            found[key] = {"username": name, "password": password, "serveraddress": key}
    return found


def _encoded(body: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


def store(environ: Mapping[str, str], key: str, name: str, password: str) -> None:
    """Afterwards *key* is in the file, readable by its owner only."""
    config = _read(environ)
    auth = base64.b64encode(f"{name}:{password}".encode()).decode()
    config.setdefault("auths", {})[key] = {"auth": auth}
    _write(environ, config)


def forget(environ: Mapping[str, str], key: str) -> bool:
    """Afterwards *key* is not in the file; tells whether it was."""
    config = _read(environ)
    if config.get("auths", {}).pop(key, None) is None:
        return False
    _write(environ, config)
    return True


def _path(environ: Mapping[str, str]) -> str:
    folder = environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME", "/"), ".docker")
    return os.path.join(folder, "config.json")


def _read(environ: Mapping[str, str]) -> dict[str, Any]:
    path = _path(environ)
    try:
        with (
            translated({ValueError: InvalidArgument}, f"cannot read {path}"),
            open(path, encoding="utf-8") as file,
        ):
            config: dict[str, Any] = json.load(file)
            return config
    except FileNotFoundError:
        return {}


def _write(environ: Mapping[str, str], config: Mapping[str, Any]) -> None:
    path = _path(environ)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    new = f"{path}.new"
    with open(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(config, file, indent="\t")
    os.replace(new, path)
