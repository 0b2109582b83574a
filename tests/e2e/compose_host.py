"""`yurt compose` in a folder of a test's own."""

import json
import os
import subprocess
import textwrap
from pathlib import Path

from tests.e2e.cli_host import IMAGE, YURT, CommandLine, Result


class Compose:
    """`yurt compose` in one folder; the project is called after the test."""

    def __init__(self, command: CommandLine, folder: Path, name: str) -> None:
        self.command = command
        self.folder = folder
        self.name = name

    def write(self, text: str) -> None:
        """Write the Compose file: *text*, and a network that no other test's can overlap."""
        text = textwrap.dedent(text).replace("IMAGE", IMAGE)
        if "networks:" not in text:
            subnet = f"10.{90 + os.getpid() % 60}.{sum(self.name.encode()) % 250}.0/24"
            text += f"\nnetworks: {{default: {{ipam: {{config: [{{subnet: {subnet}}}]}}}}}}\n"
        (self.folder / "compose.yaml").write_text(text)

    def __call__(self, *words: str, input: bytes = b"") -> Result:  # noqa: A002
        where = [
            "--project-directory",
            str(self.folder),
            "-f",
            str(self.folder / "compose.yaml"),
            "-p",
            self.name,
        ]
        return self.command("compose", *where, *words, input=input)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [YURT, "compose", "-f", str(self.folder / "compose.yaml"), "-p", self.name, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.command.environ,
        )

    def ids(self) -> dict[str, str]:
        """Return the running containers' IDs by name."""
        lines = self("ps", "-a", "--format", "json").out.splitlines()
        return {row["Name"].removeprefix(f"{self.name}-"): row["ID"] for row in map(json.loads, lines)}
