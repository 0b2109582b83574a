"""What a container was made from, kept in a label of the one that replaces it, so that a rollback can make it again.

The label holds a create body as compressed JSON. Nothing is in it that the engine would not show of the old
container. Pure.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from yurt.compose import labels
from yurt.errors import Conflict

LIMIT = 4 << 20  # bytes that a kept configuration may unfold to
_CONFIG = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Hostname", "Domainname", "User", "WorkingDir",
           "Tty", "OpenStdin", "StopSignal", "StopTimeout", "Volumes")  # fmt: skip


def body_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the create body of a container from what ``inspect`` says of it; its image by its ID."""
    config = found["Config"]
    body: dict[str, Any] = {key: config[key] for key in _CONFIG if config.get(key) not in (None, "", [], {})}
    if body.get("Hostname") == found["Id"][:12]:
        del body["Hostname"]  # given by the engine
    body["Image"] = found["Image"]
    body["Labels"] = {
        key: value
        for key, value in (config.get("Labels") or {}).items()
        if key not in (labels.PREVIOUS, labels.REPLACE)
    }
    body["HostConfig"] = {
        key: value for key, value in found["HostConfig"].items() if value not in (None, "", [], {})
    }
    own = {found["Name"].removeprefix("/"), found["Id"][:12]}
    endpoints: dict[str, Any] = {}
    for name, settings in (found["NetworkSettings"].get("Networks") or {}).items():
        kept = {key: settings.get(key) for key in ("IPAMConfig", "Links", "DriverOpts", "GwPriority")}
        kept["Aliases"] = [alias for alias in settings.get("Aliases") or () if alias not in own]
        endpoints[name] = {key: value for key, value in kept.items() if value}
    body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    return body


def copied(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a create body, down to its leaves."""
    found: dict[str, Any] = json.loads(json.dumps(body))
    return found


def packed(body: Mapping[str, Any]) -> str:
    """Return *body* as the text of a label."""
    return base64.b64encode(zlib.compress(json.dumps(body, separators=(",", ":")).encode(), 9)).decode()


def unpacked(text: str) -> dict[str, Any]:
    """Return what `packed` made of; Conflict if it is damaged."""
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(text, validate=True), LIMIT)
        body = json.loads(data)
        if stream.unconsumed_tail or not isinstance(body, dict) or "Image" not in body:
            raise ValueError("not a configuration")
    except (ValueError, zlib.error) as error:
        raise Conflict(f"what is kept of the container before is damaged: {error}") from error
    return body
