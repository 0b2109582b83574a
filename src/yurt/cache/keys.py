"""From a function's arguments to a key: readable when short, never the same for different arguments."""

import datetime as dt
import enum
import hashlib
import inspect
import json
import uuid
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from yurt.errors import InvalidArgument

LONGEST = 200

Template = str | Callable[..., str]
Tags = Iterable[str] | Callable[..., Iterable[str]]


class KeyMaker:
    """Makes the keys and tags of one function's calls."""

    def __init__(self, function: Callable[..., Any], key: Template | None, tags: Tags) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.signature = inspect.signature(function)
        self.key_template = key
        self.tag_templates: Tags = tags if callable(tags) else tuple(tags)

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the key; arguments that no key can tell apart raise InvalidArgument."""
        if callable(self.key_template):
            return short(self.key_template(*args, **kwargs))
        arguments = self._arguments(args, kwargs)
        if self.key_template is not None:
            return short(filled(self.key_template, arguments))
        try:
            listed = ",".join(f"{name}={canonical(value)}" for name, value in arguments.items())
        except InvalidArgument as error:
            raise InvalidArgument(
                f"cannot make a key of the arguments of {self.name}: {error}",
                hint='give cached a key: key="orders:{order.pk}" or key=lambda order: ...',
            ) from error
        return short(f"{self.name}({listed})")

    def tags(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
        """Return the tags of one call, sorted."""
        if callable(self.tag_templates):
            return tuple(sorted(set(self.tag_templates(*args, **kwargs))))
        if not any("{" in template for template in self.tag_templates):
            return tuple(sorted(set(self.tag_templates)))
        arguments = self._arguments(args, kwargs)
        return tuple(sorted({filled(template, arguments) for template in self.tag_templates}))

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments


class _Quoted:
    """An argument inside a template: its text is quoted, so that ``a:b`` can't pass for two parts."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> "_Quoted":
        return _Quoted(getattr(self._value, name))

    def __getitem__(self, name: Any) -> "_Quoted":
        return _Quoted(self._value[name])

    def __format__(self, spec: str) -> str:
        return quote(format(self._value, spec), safe="@-._~")


def filled(template: str, arguments: dict[str, Any]) -> str:
    """Return *template* with ``{name}``, ``{name.attribute}`` and ``{name[0]}`` replaced."""
    try:
        return template.format(**{name: _Quoted(value) for name, value in arguments.items()})
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        raise InvalidArgument(
            f"cannot fill {template!r}: {type(error).__name__} {error}",
            hint=f"there are {', '.join(arguments)}",
        ) from error


def canonical(value: Any) -> str:
    """Return text that is equal for equal arguments and different for others, types told apart."""
    match value:
        case None | bool():
            return repr(value)
        case enum.Enum():
            return f"{type(value).__qualname__}.{value.name}"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float() | bytes():
            return repr(value)
        case Decimal() | uuid.UUID():
            return f"{type(value).__name__}({value})"
        case dt.datetime() | dt.date() | dt.time():
            return f"{type(value).__name__}({value.isoformat()})"
        case dt.timedelta():
            return f"timedelta({value.total_seconds()!r})"
        case list() | tuple():
            return f"{type(value).__name__}[{','.join(canonical(inner) for inner in value)}]"
        case set() | frozenset():
            return f"{type(value).__name__}[{','.join(sorted(canonical(inner) for inner in value))}]"
        case dict():
            pairs = sorted(f"{canonical(name)}:{canonical(inner)}" for name, inner in value.items())
            return f"{{{','.join(pairs)}}}"
    raise InvalidArgument(f"{type(value).__qualname__} is not a plain value")


def short(key: str) -> str:
    """Return *key*, its end replaced by a digest of the whole when it is long or has odd characters."""
    if len(key) <= LONGEST and key.isascii() and key.isprintable() and " " not in key:
        return key
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    start = "".join(c if c.isascii() and c.isprintable() and c != " " else "_" for c in key[:80])
    return f"{start}~{digest}"
