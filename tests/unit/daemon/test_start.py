"""What yurtd imports at its start: time that every start pays."""

import subprocess
import sys

BUILDS_ONLY = ("h2", "hpack", "yurt.server.buildkit", "yurt.engine.build.service", "yurt.engine.build.origin")


def test_what_only_builds_need_is_not_imported_at_start() -> None:
    """The builder and BuildKit's protocols come with the first client that builds."""
    script = "import sys, yurt.daemon.wiring; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in loaded if name.startswith(BUILDS_ONLY)] == []
