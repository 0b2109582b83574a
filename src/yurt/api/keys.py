"""The keys that leave a container's terminal: how clients write them, and the bytes that a terminal sends for them."""

from __future__ import annotations

from yurt.errors import InvalidArgument

DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q"


def parse_keys(text: str) -> bytes:
    """Read ``ctrl-p,ctrl-q`` or ``a,b``; raises InvalidArgument that names the key that is none."""
    keys = bytearray()
    for word in text.split(","):
        name = word.removeprefix("ctrl-")
        if name == word and len(word.encode()) == 1:
            keys += word.encode()
        elif name != word and len(name) == 1 and ("a" <= name.lower() <= "z" or name in "@[\\]^_"):
            keys.append(ord(name.upper()) & 0x1F)
        else:
            raise InvalidArgument(
                f"invalid detach key {word!r}",
                hint="one character, or ctrl- and one: --detach-keys ctrl-p,ctrl-q",
            )
    return bytes(keys)
