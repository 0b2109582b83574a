"""The table of a run, for people in a terminal and for docs/benchmarks.md."""

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.measure import Comparison

HEADER = ("case", "Yurt", "Docker", "Podman", "ratio", "target", "")


def _shown(values: Sequence[float], unit: str) -> str:
    if not values:
        return "–"
    median = statistics.median(values)
    return f"{median * 1000:.0f} ms" if unit == "s" else f"{median:.0f} {unit}"


def rows(results: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return the table's cells: medians, the median of the pairs' ratios, and whether it is within target."""
    return [
        (
            result.name,
            _shown(result.ours, result.unit),
            _shown(result.theirs, result.unit)
            + ("" if result.against == "Docker" else f" ({result.against})"),
            _shown(result.podman, result.unit),
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
        "Written by `scripts/bench`; not edited by hand. Yurt, the reference Docker and Podman do the same work in",
        "turns in one run (Y D P Y D P …), after one uncounted round. Numbers are medians; a ratio is the median of",
        "the pairs' ratios, Yurt divided by Docker, so smaller is better. Memory is the proportional set size (PSS)",
        "of the engine, its helpers and the processes beside each container, without the containers themselves; no",
        "port is published. The machine is shared and noisy: read ratios, not milliseconds.",
        "",
        f"Taken {date.today().isoformat()} on {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, "
        + ", ".join(versions)
        + ".",
        "",
        "| case | Yurt | Docker | Podman | ratio | target | |",
        "|---|---:|---:|---:|---:|---:|---|",
        *("| " + " | ".join(row) + " |" for row in rows(results)),
        "",
    ]
    for result in results:
        taken = {"Yurt": result.ours, result.against: result.theirs, "Podman": result.podman}
        told = "; ".join(
            f"{who} {', '.join(f'{value * 1000:.0f}' if result.unit == 's' else f'{value:.0f}' for value in values)}"
            for who, values in taken.items()
            if values
        )
        lines.append(f"- {result.name}: {told} ({'ms' if result.unit == 's' else result.unit}).")
    path.write_text("\n".join(lines) + "\n")
