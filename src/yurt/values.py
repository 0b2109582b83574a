"""Values that are cheap to declare: what `dataclasses` does, without its 25 ms of imports and 1 ms a class.

For what is on the start-up path of a command; elsewhere use `dataclasses`. A value is a class with annotated fields::

    class Port(Value):
        target: int
        published: str = ""
        labels: Mapping[str, str] = made(factory=dict)

It has slots, can't be changed, compares and hashes by its fields, and is made by position or by name. `replace` makes
a changed copy.
"""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T", bound="Value")


class Made:
    """A default that is made anew for each value."""

    __slots__ = ("make",)

    def __init__(self, make: Any) -> None:
        self.make = make


def made(*, factory: Any) -> Any:
    """Return the default of a field that is what *factory* returns."""
    return Made(factory)


class _ValueType(type):
    _defaults: dict[str, Any]
    __slots__: tuple[str, ...]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _ValueType:
        names = tuple(namespace.get("__annotations__") or ())
        defaults = {each: namespace.pop(each) for each in names if each in namespace}
        namespace["__slots__"] = namespace["__match_args__"] = names
        namespace["_defaults"] = defaults
        return super().__new__(mcs, name, bases, namespace)


@dataclass_transform(frozen_default=True, field_specifiers=(made,))
class _Declared(_ValueType):
    """The metaclass as type checkers know it."""


class Value(metaclass=_Declared):
    """The base of all values."""

    __slots__ = ()

    def __init__(self, *given: Any, **named: Any) -> None:
        cls = type(self)
        names, defaults = cls.__slots__, cls._defaults
        if len(given) > len(names):
            raise TypeError(f"{cls.__name__} has {len(names)} fields, and {len(given)} were given")
        store = object.__setattr__
        for name, value in zip(names, given, strict=False):
            store(self, name, value)
        for name in names[len(given) :]:
            if name in named:
                value = named.pop(name)
            elif name in defaults:
                value = defaults[name]
                if value.__class__ is Made:
                    value = value.make()
            else:
                raise TypeError(f"{cls.__name__} needs {name}")
            store(self, name, value)
        if named:
            raise TypeError(f"{cls.__name__} has no field {', '.join(named)}, or it was given twice")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is a value: make a changed one with replace")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is a value: make a changed one with replace")

    def _fields(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in type(self).__slots__])

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self is other or self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).__slots__)
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._fields()


def replace(value: T, **changes: Any) -> T:
    """Return a copy of *value* with *changes*."""
    cls = type(value)
    fields = [changes.pop(name) if name in changes else getattr(value, name) for name in cls.__slots__]
    return cls(*fields, **changes)
