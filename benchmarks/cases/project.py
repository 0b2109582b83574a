"""A project of six services from an image that is there: its start, an `up` with nothing to do, and `config`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cases import say
from benchmarks.engines import Engines
from benchmarks.images import BUSYBOX
from benchmarks.measure import Comparison, Contestant, compare

SERVICES = f"""
name: bench-project
x-base: &base {{image: {BUSYBOX}, command: sleep 1000, init: false, stop_grace_period: 0s}}
services:
  db: {{<<: *base, volumes: ["data:/data"]}}
  cache: {{<<: *base}}
  web: {{<<: *base, depends_on: [db, cache], ports: ["127.0.0.1::80"], environment: {{A: "1"}}}}
  worker: {{<<: *base, depends_on: [db, cache], deploy: {{replicas: 1}}}}
  beat: {{<<: *base, depends_on: [cache]}}
  mail: {{<<: *base, networks: [default, back]}}
networks: {{back: }}
volumes: {{data: }}
"""


def thousand_lines() -> str:
    """Return a Compose file of a thousand lines: fifty services that use what the language has."""
    lines = ["x-env: &env", "  TZ: UTC", "services:"]
    for number in range(50):
        lines += [
            f"  service{number}:",
            f"    image: registry.example.com/team/service{number}:${{TAG:-latest}}",
            f'    command: ["serve", "--port", "{8000 + number}"]',
            "    environment:",
            "      <<: *env",
            f"      NAME: service{number}",
            "      SECRET: ${SECRET-none}",
            "    ports:",
            f'      - "{9000 + number}:80"',
            "    volumes:",
            "      - ./data:/data:ro",
            f"      - volume{number}:/var/lib/data",
            "    healthcheck:",
            '      test: ["CMD", "true"]',
            "      interval: 30s",
            "    labels:",
            f"      com.example.number: '{number}'",
        ]
        lines += ["    depends_on:", f"      - service{number - 1}"] if number else []
    lines += ["volumes:", *(f"  volume{number}:" for number in range(50))]
    return "\n".join(lines) + "\n"


def cases(engines: Engines) -> Iterator[Comparison]:
    """Yield the comparisons with Docker and its Compose. Podman has no Compose of its own and takes no part."""
    ours, theirs = engines.ours, engines.theirs
    with tempfile.TemporaryDirectory(prefix="yurt-bench-project-") as folder:
        (Path(folder) / "compose.yaml").write_text(SERVICES)
        (Path(folder) / "long.yaml").write_text(thousand_lines())
        project = ("compose", "--project-directory", folder)
        up, down = (*project, "up", "--detach"), (*project, "down", "--timeout", "0")
        yield compare(
            "compose up of six services",
            Contestant(ours.work(*up), undo=ours.work(*down)),
            Contestant(theirs.work(*up), undo=theirs.work(*down)),
            target=0.5,
            runs=7,
            report=say,
        )
        for engine in (ours, theirs):
            engine.run(*up)
        yield compare(
            "compose up, nothing to do",
            Contestant(ours.work(*up)),
            Contestant(theirs.work(*up)),
            target=0.4,
            runs=11,
            report=say,
        )
        for engine in (ours, theirs):
            engine.run(*down, "--volumes")
        config = ("compose", "-f", str(Path(folder) / "long.yaml"), "config")
        yield compare(
            "compose config of 1,000 lines",
            Contestant(ours.work(*config)),
            Contestant(theirs.work(*config)),
            target=1.0,
            runs=11,
            report=say,
        )
