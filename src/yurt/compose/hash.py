"""The hash of a service's configuration: equal hashes mean that its container need not be made anew. Pure.

It covers exactly what is sent to the engine, so whatever changes nothing there (the order of files, a comment,
the number of replicas, how the image is built) recreates nothing.
"""

from __future__ import annotations

import json
from typing import Any

from yurt.compose import payload
from yurt.compose.model import Network, Project, Service, Volume

try:  # the interpreter's own: `hashlib` loads OpenSSL first, a tenth of an `up` that has nothing to do
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]  # before Python 3.12
    except ImportError:
        from hashlib import sha256


def service_hash(project: Project, service: Service) -> str:
    """Return the config hash of *service*, 64 hexadecimal digits."""
    body = payload.specification(project, service)
    if service.files:
        body["Files"] = [
            [each.target, each.uid, each.gid, each.mode, sha256(each.content).hexdigest()]
            for each in service.files
        ]
    return _hash(body)


def network_hash(project: Project, network: Network) -> str:
    """Return the config hash of *network*."""
    return _hash({**payload.network(project, network, ""), "Labels": dict(network.labels)})


def volume_hash(project: Project, volume: Volume) -> str:
    """Return the config hash of *volume*."""
    return _hash({**payload.volume(project, volume, ""), "Labels": dict(volume.labels)})


def _hash(value: Any) -> str:
    return str(sha256(json.dumps(value, sort_keys=True).encode()).hexdigest())
