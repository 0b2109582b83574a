"""The boot of the machine that an engine was last up in. What the kernel held before is gone, whatever files still say.

The engine's folder for what does not outlive a boot says it. Where that lies in memory, it is gone itself.
"""

import shutil
from pathlib import Path

from yurt.errors import Unavailable, translated
from yurt.linux import host
from yurt.linux.mount import mounted_below, unmount

MARK = "boot"
CONTAINERS, NETWORKS, RUNTIME = "containers", "netns", "runtime"  # what of an earlier boot nobody may believe


def is_another(run: Path) -> bool:
    """Tell whether the machine was restarted since an engine was last up with the folder *run*, or none ever was."""
    try:
        return (run / MARK).read_text() != host.boot_id()
    except FileNotFoundError:
        return not (run / CONTAINERS).exists()  # else by an engine from before there were marks


def remember(run: Path) -> None:
    """Afterwards this is the boot that an engine was last up in. For when nothing of an earlier one is left to give up."""
    if (run / MARK).exists() and not is_another(run):
        return
    with translated({OSError: Unavailable}, f"cannot write below {run}"):
        aside = run / f"{MARK}.new"
        aside.write_text(host.boot_id())
        aside.replace(run / MARK)


def clear(run: Path) -> None:
    """Remove what an earlier boot left in *run*, where that does not lie in memory: sockets, process numbers, bundles.

    What is not of this engine stays: its listening socket may be there, and the folders of others.
    """
    for name in (CONTAINERS, NETWORKS, RUNTIME):
        for point in mounted_below(run / name):
            unmount(point, lazy=True)
        shutil.rmtree(run / name, ignore_errors=True)
