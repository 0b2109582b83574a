"""Record the reference engine's answers: `scripts/record-parity [NOUN…]`.

A dockerd of the reference's binaries is started with a data folder and a network namespace of its own, so that lists,
prunes and counts are of what the cases made, and nothing of this host's own Docker is touched.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.parity import cases
from tests.parity.asking import Request, ask
from tests.parity.play import Player

RECORDED = cases.FOLDER / "recorded"
PATIENCE = 40.0


@contextlib.contextmanager
def reference() -> Iterator[str]:
    """Yield the socket of a fresh reference engine; afterwards nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="parity-reference-") as name:
        folder = Path(name)
        sock = folder / "docker.sock"
        command = [
            *("dockerd", "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
            *("--pidfile", str(folder / "pid"), "--host", f"unix://{sock}"),
        ]
        inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["unshare", "--net", "--mount", *inside], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            deadline = time.monotonic() + PATIENCE
            while not _answers(str(sock)):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(
                        "record-parity: dockerd does not start:\n" + (folder / "log").read_text()[-2000:]
                    )
                time.sleep(0.1)
            yield str(sock)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _answers(sock: str) -> bool:
    with contextlib.suppress(OSError):
        return ask(sock, Request("GET", "/_ping")).status == 200
    return False


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="scripts/record-parity", description=__doc__)
    parser.add_argument("nouns", nargs="*", metavar="NOUN", help="files of tests/parity/cases (default: all)")
    chosen = parser.parse_args(arguments)
    if os.geteuid() != 0:
        parser.error("the reference engine needs root")
    if shutil.which("dockerd") is None:
        parser.error("no dockerd on PATH; hint: scripts/reference-docker install")
    RECORDED.mkdir(exist_ok=True)
    with reference() as sock:
        player = Player(sock)
        for noun in chosen.nouns or cases.nouns():
            begun = time.perf_counter()
            answers = {scenario.name: player.play(scenario) for scenario in cases.load(noun)}
            write(noun, answers)
            count = sum(len(found) for found in answers.values())
            print(f"{noun}: {count} answers in {time.perf_counter() - begun:.1f} s", file=sys.stderr)


def write(noun: str, answers: Mapping[str, Any]) -> None:
    text = json.dumps(answers, indent=1, sort_keys=True, ensure_ascii=False)
    (RECORDED / f"{noun}.json").write_text(text + "\n")


def read(noun: str) -> dict[str, dict[str, Any]]:
    """Return the recorded answers of *noun*: scenario → case → answer."""
    answers: dict[str, dict[str, Any]] = json.loads((RECORDED / f"{noun}.json").read_text())
    return answers


if __name__ == "__main__":
    main()
