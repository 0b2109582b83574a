"""What a build of Yurt's own client brings beside Docker's protocol: secrets and SSH agents, in headers.

The classic protocol has no place for them, and an address or an archive would be logged or kept. A header of HTTP
is short, so the text is cut in pieces.
"""

import base64
import binascii
import json
from collections.abc import Mapping

from yurt.errors import InvalidArgument

HEADER = "X-Yurt-Build"
PIECE = 6000  # characters in one header; servers take about 8,000
MAX_SECRET = 500 * 1024  # bytes, as with BuildKit


def to_headers(secrets: Mapping[str, bytes], agents: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that bring *secrets* by id, and the paths of agents' sockets by id; none for nothing."""
    if not secrets and not agents:
        return {}
    document = {
        "secrets": {name: base64.b64encode(content).decode() for name, content in secrets.items()},
        "agents": dict(agents),
    }
    text = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    return {f"{HEADER}-{number}": piece for number, piece in enumerate(pieces)}


def from_headers(headers: Mapping[str, str]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the secrets and agents that `to_headers` put in; raise InvalidArgument when something else is there."""
    text, number = "", 0
    while (piece := headers.get(f"{HEADER}-{number}")) is not None:
        text += piece
        number += 1
    if not text:
        return {}, {}
    try:
        document = json.loads(base64.urlsafe_b64decode(text))
        secrets = {
            str(name): base64.b64decode(content, validate=True)
            for name, content in document["secrets"].items()
        }
        return secrets, {str(name): str(path) for name, path in document["agents"].items()}
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as broken:
        raise InvalidArgument(f"the headers {HEADER} hold no secrets and agents") from broken
