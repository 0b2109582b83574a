"""Doing several blocking requests at once, with nothing heavier than threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any


def together(calls: Sequence[Callable[[], Any]], *, limit: int = 8) -> list[Any]:
    """Return the results of *calls*, made at once by at most *limit* threads, in their order.

    All calls are made even if one fails; then the first failure is raised.
    """
    if len(calls) == 1:
        return [calls[0]()]
    results: list[Any] = [None] * len(calls)
    failures: dict[int, BaseException] = {}
    places = iter(range(len(calls)))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                place = next(places, None)
            if place is None:
                return
            try:
                results[place] = calls[place]()
            except BaseException as error:
                failures[place] = error

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(limit, len(calls)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[min(failures)]
    return results
