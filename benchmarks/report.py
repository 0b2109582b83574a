"""The table of a run, for people in a terminal and for docs/benchmarks.md."""

import os
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.measure import Comparison

HEADER = ("case", "Yurt", "Docker", "ratio", "target", "")


def rows(results: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return the table's cells: medians in milliseconds, the median of the pairs' ratios, and whether it is within target."""
    return [
        (
            result.name,
            f"{result.our_median * 1000:.0f} ms",
            f"{result.their_median * 1000:.0f} ms",
            f"{result.ratio:.2f}",
            f"≤ {result.target:.2f}",
            "ok" if result.within_target else "MISSED",
        )
        for result in results
    ]


def text(results: Sequence[Comparison]) -> str:
    """Return an aligned table for a terminal."""
    table = [HEADER, *rows(results)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def write(path: Path, results: Sequence[Comparison], versions: Sequence[str]) -> None:
    """Write the page *path*: how it was measured, and the table."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `scripts/bench`; not edited by hand. Yurt and the reference Docker do the same work in turns in",
        "one run (Y D Y D …), after one uncounted pair. Times are medians; a ratio is the median of the pairs' ratios,",
        "Yurt divided by Docker, so smaller is better. The machine is shared and noisy: read ratios, not milliseconds.",
        "",
        f"Taken {date.today().isoformat()} on {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, "
        + ", ".join(versions)
        + ".",
        "",
        "| case | Yurt | Docker | ratio | target | |",
        "|---|---:|---:|---:|---:|---|",
        *("| " + " | ".join(row) + " |" for row in rows(results)),
        "",
    ]
    for result in results:
        spread = ", ".join(f"{value * 1000:.0f}" for value in result.ours)
        theirs = ", ".join(f"{value * 1000:.0f}" for value in result.theirs)
        lines.append(f"- {result.name}: Yurt {spread}; Docker {theirs} (ms, in the order taken).")
    path.write_text("\n".join(lines) + "\n")
