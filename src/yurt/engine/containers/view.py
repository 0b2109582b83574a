"""What a start needs to see of the mounts in the engine's own folder: its own, hardly ever those of other containers.

Why that matters is told in `yurt.shim.view`, which hides the rest from the runtime.
"""

import os
from pathlib import Path

from yurt.oci.runtime_spec import SpecRequest

CROWD = 50  # containers that run; beside fewer, hiding their mounts costs more than it saves


def needed(request: SpecRequest, *, bundle: Path, run: Path) -> tuple[str, ...] | None:
    """Return the paths below *run* that the runtime mounts or joins for *request*; None when it must see everything.

    Everything is for those whose mounts travel to the host or from it, for what shows the folder itself (``-v /:/host``)
    and for hooks, of which nobody knows what they look at.
    """
    if request.hooks or request.propagation not in ("", "private", "rprivate"):
        return None
    top = os.path.realpath(run)
    paths = [str(bundle)]
    for mount in request.mounts:
        if mount.kind != "bind":
            continue
        source = os.path.realpath(mount.source)
        if any("shared" in option or "slave" in option for option in mount.options) or _is_below(top, source):
            return None
        if _is_below(source, top):
            paths.append(source)
    paths += [path for path in request.namespaces.values() if _is_below(path, str(run))]
    # One inside of another comes along with it.
    return tuple(
        path
        for path in dict.fromkeys(paths)
        if not any(path != other and _is_below(path, other) for other in paths)
    )


def _is_below(path: str, folder: str) -> bool:
    """Tell whether *path* is *folder* or in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
