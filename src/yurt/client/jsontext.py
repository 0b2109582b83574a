"""JSON by the interpreter's own native functions, without the `json` package around them.

`json` imports `re` and with it a dozen modules: a quarter of Python's start-up, for bodies of a few hundred bytes.
`loads` and `dumps` mean what they mean there; where the native functions are missing or differ, `json` is used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from typing import Any


class _Context:
    """What the native scanner asks for; the values are those of `json.loads`."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float  # NaN, Infinity and -Infinity
    memo: dict[str, str] = {}  # noqa: RUF012 - cleared by the scanner itself


def _native() -> tuple[Any, Any]:
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    encode = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True)
    scan = make_scanner(_Context())  # type: ignore[arg-type]
    if "".join(encode({"a": [1]}, 0)) != '{"a": [1]}' or scan('{"a": [1]}', 0) != ({"a": [1]}, 10):
        raise ImportError("the native functions differ here")
    return encode, scan


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is no JSON: {value!r}")


try:
    _encode, _scan = _native()
except (ImportError, TypeError, AttributeError):
    import json

    _encode = _scan = None

    def dumps(value: Any) -> str:
        """Return *value* as JSON."""
        return json.dumps(value)

    def loads(text: str | bytes) -> Any:
        """Return the value that *text* is; ValueError when it is not JSON."""
        return json.loads(text)

else:

    def dumps(value: Any) -> str:
        """Return *value* as JSON."""
        return "".join(_encode(value, 0))

    def loads(text: str | bytes) -> Any:
        """Return the value that *text* is; ValueError when it is not JSON."""
        plain = (text.decode() if isinstance(text, bytes) else text).strip(" \t\r\n")
        try:
            value, end = _scan(plain, 0)
        except StopIteration:
            raise ValueError(f"not JSON: {plain[:80]!r}") from None
        if end != len(plain):
            raise ValueError(f"not JSON: {plain[end : end + 80]!r} follows its end")
        return value
