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
    'Acquire::Languages "none";',
    'Acquire::GzipIndexes "true";',
    'APT::AutoRemove::SuggestsImportant "false";',
    # mmdebstrap itself installs from the packages that apt keeps: this is for the finished system only.
    'APT::Keep-Downloaded-Packages "false";',
    'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };',
)
_DULL = ("hook", "tempdir", "architecture", "signed-by", "I: done")  # of interest to mmdebstrap's own authors
_POLICY = "#!/bin/sh\n# No service starts when a package is installed: there is no init.\nexit 101\n"


def system_files(suite: str, mirror: Mirror) -> dict[str, str]:
    """Return the files that the finished system has beyond its packages, by path."""
    return {
        "/etc/apt/sources.list.d/debian.sources": mirror.sources(suite),
        "/etc/apt/apt.conf.d/90yurt": "".join(f"{line}\n" for line in _APT),
        "/usr/sbin/policy-rc.d": _POLICY,
    }


def bootstrap_argv(suite: str, target: Path, mirror: Mirror, *, uploads: Mapping[Path, str]) -> list[str]:
    """Return the command that writes the archive of *suite* to *target*; *uploads* are files on the host → paths in it."""
    return [
        "mmdebstrap",
        "--mode=root",
        "--format=tar",
        "--variant=minbase",
        # Its own is taken away in the end; ours stays.
        "--skip=chroot/policy-rc.d",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt={option}" for option in _DPKG),
        '--aptopt=Acquire::Languages "none"',
        # mmdebstrap gives the system the host's name and resolvers; an image has neither.
        '--customize-hook=rm -f "$1/etc/hostname"; : >"$1/etc/resolv.conf"',
        '--customize-hook=rm -f "$1/etc/apt/sources.list" "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/apt.conf.d/99*',
        *(f"--customize-hook=upload {shlex.quote(str(path))} {inside}" for path, inside in uploads.items()),
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
    target = folder / "rootfs.tar"
    uploads: dict[Path, str] = {}
    for index, (inside, text) in enumerate(system_files(suite, mirror).items()):
        path = folder / f"file-{index}"
        path.write_text(text)
        path.chmod(0o644)
        uploads[path] = inside
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
            if line.startswith(("I: ", "E: ")) and not any(word in line for word in _DULL):
                on_line(line[3:].rstrip("."))

    await run(bootstrap_argv(suite, target, mirror, uploads=uploads), env=environment, on_output=on_output)
    return target
