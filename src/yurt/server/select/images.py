"""Filters of ``GET /images/json``."""

import fnmatch
from collections.abc import Callable, Iterable, Mapping

from yurt.engine.images.model import Image
from yurt.server.select import labels
from yurt.server.wire import times

KNOWN = ("before", "dangling", "label", "reference", "since", "until")
TRUE = frozenset({"1", "true", "True", "TRUE", "t", "T"})


def select(
    images: Iterable[Image], filters: Mapping[str, tuple[str, ...]], *, lookup: Callable[[str], Image]
) -> list[Image]:
    """Return what the list shows, newest first."""
    before = [lookup(ref).created_ns for ref in filters.get("before", ())]
    since = [lookup(ref).created_ns for ref in filters.get("since", ())]
    until = [times.parse(text) for text in filters.get("until", ())]
    dangling = {value in TRUE for value in filters.get("dangling", ())}
    patterns = filters.get("reference", ())
    return [
        image
        for image in sorted(images, key=lambda one: one.created_ns, reverse=True)
        if labels.match(image.config.labels, filters)
        and all(image.created_ns < moment for moment in [*before, *until])
        and all(image.created_ns > moment for moment in since)
        and (not dangling or (not image.tags) in dangling)
        and (not patterns or any(_is_named(tag, pattern) for tag in image.tags for pattern in patterns))
    ]


def _is_named(tag: str, pattern: str) -> bool:
    """A pattern without a tag matches every tag; without a slash, the last part of the name alone."""
    name = tag.rpartition(":")[0]
    candidates = (tag, name)
    return any(fnmatch.fnmatchcase(candidate, pattern) for candidate in candidates)
