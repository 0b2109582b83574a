"""A minimal Debian system as a tar archive, by mmdebstrap."""

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from yurt.catalog.mirror import KEYRING, Mirror
from yurt.errors import Unavailable
from yurt.linux.process import run

PACKAGES = ("ca-certificates", "netbase", "tzdata")

# Kept small: no manuals, no translations; copyright notices stay, as their licences ask.
_DPKG = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/groff/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    # A layer is written once and lost as a whole when the host crashes: syncing each file is time for nothing.
    "force-unsafe-io",
)
_APT = (
    'Acquire::Languages "none"',
    'Acquire::GzipIndexes "true"',
    'Apt::AutoRemove::SuggestsImportant "false"',
    'APT::Keep-Downloaded-Packages "false"',
)


def bootstrap_argv(suite: str, target: Path, mirror: Mirror, *, sources: Path, policy: Path) -> list[str]:
    """Return the command that writes the archive of *suite* to *target*.

    *sources* and *policy* are files on the host that become apt's sources and /usr/sbin/policy-rc.d.
    """
    return [
        "mmdebstrap",
        "--mode=root",
        "--format=tar",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt={option}" for option in _DPKG),
        *(f"--aptopt={option}" for option in _APT),
        # mmdebstrap gives the system the host's name and resolvers; an image has neither.
        '--customize-hook=rm -f "$1/etc/hostname"; : >"$1/etc/resolv.conf"',
        '--customize-hook=rm -f "$1/etc/apt/sources.list" "$1"/etc/apt/sources.list.d/*',
        f"--customize-hook=upload {shlex.quote(str(sources))} /etc/apt/sources.list.d/debian.sources",
        # No service starts when a package is installed: there is no init.
        f"--customize-hook=upload {shlex.quote(str(policy))} /usr/sbin/policy-rc.d",
        '--customize-hook=chmod 755 "$1/usr/sbin/policy-rc.d"',
        '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/debconf/*-old',
        '--customize-hook=find "$1/var/log" -type f -delete',
        suite,
        str(target),
        *mirror.lines(suite),
    ]


async def bootstrap(
    suite: str,
    folder: Path,
    mirror: Mirror,
    *,
    proxies: Mapping[str, str],
    on_line: Callable[[str], None],
) -> Path:
    """Make the archive of *suite* in *folder*, which is the caller's to remove; return its path.

    *on_line* gets mmdebstrap's news. A missing mmdebstrap or keyring raises Unavailable naming the package.
    """
    if not os.path.exists(KEYRING):
        raise Unavailable(
            f"cannot verify Debian's packages: {KEYRING} is missing",
            hint="apt-get install debian-archive-keyring",
        )
    sources, policy, target = folder / "debian.sources", folder / "policy-rc.d", folder / "rootfs.tar"
    sources.write_text(mirror.sources(suite))
    policy.write_text("#!/bin/sh\n# No service starts inside a container that is being built.\nexit 101\n")
    for path in (sources, policy):
        path.chmod(0o644)
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "TMPDIR": str(folder),
        "LC_ALL": "C.UTF-8",
        **proxies,
    }
    rest = ""

    def on_output(piece: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + piece.decode(errors="replace")).replace("\r", "\n").split("\n")
        for line in lines:
            if line.startswith(("I: ", "E: ")):
                on_line(line[3:])

    await run(
        bootstrap_argv(suite, target, mirror, sources=sources, policy=policy),
        env=environment,
        on_output=on_output,
    )
    return target
