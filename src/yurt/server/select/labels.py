"""The ``label`` and ``label!`` filters, the same for every noun."""

from collections.abc import Mapping


def has(labels: Mapping[str, str], wanted: str) -> bool:
    """Tell whether *labels* has ``key`` or ``key=value``."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def match(labels: Mapping[str, str], filters: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether all of ``label`` and none of ``label!`` are there."""
    return all(has(labels, wanted) for wanted in filters.get("label", ())) and not any(
        has(labels, unwanted) for unwanted in filters.get("label!", ())
    )
