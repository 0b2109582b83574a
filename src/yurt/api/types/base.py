"""What all wire structures share: PascalCase names, unknown fields ignored, ``null`` accepted for anything optional.

Docker's clients send ``null`` for empty lists and maps and for numbers, and fields that no engine knows any more;
so every field of a request has a default and allows None. Shapes only: translation to and from the engine's
values is `yurt.server.wire`'s.
"""

from typing import Any

import msgspec

Empty = dict[str, Any]
"""The ``{}`` of Go's set-like maps, as in ``"ExposedPorts": {"80/tcp": {}}``."""


OMITTED: Any = msgspec.UNSET
"""The value of a field that an answer does not have at all, where Docker leaves out what is empty."""


class Wire(msgspec.Struct, rename="pascal"):
    """Base of all wire structures; ``snake_case`` here is ``SnakeCase`` there."""


class IdAnswer(Wire, kw_only=True):
    """The answer to creating a thing."""

    id: str


class Message(Wire, rename="lower", kw_only=True):
    """The body of an error."""

    message: str
