"""Where an engine lives when nobody says otherwise. Plain text and `os` only: the command line starts with this."""

import os

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the command line's start-up
if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_ROOT = "/var/lib/yurt"
SYSTEM_SOCKET = "unix:///run/yurt/yurt.sock"


def default_root(environ: "Mapping[str, str]") -> str:
    """Return where state lives: the system folder for root, the XDG data folder otherwise."""
    if chosen := environ.get("YURT_ROOT"):
        return chosen
    if os.geteuid() == 0:
        return SYSTEM_ROOT
    return (environ.get("XDG_DATA_HOME") or environ.get("HOME", "/").rstrip("/") + "/.local/share") + "/yurt"


def default_host(environ: "Mapping[str, str]") -> str:
    """Return the engine's address when no one chose another: Yurt's own socket, in the root if one was chosen."""
    if chosen := environ.get("YURT_ROOT"):
        return f"unix://{os.path.abspath(chosen)}/yurt.sock"
    if os.geteuid() == 0:
        return SYSTEM_SOCKET
    return f"unix://{environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.geteuid()}'}/yurt/yurt.sock"


def chosen_host(environ: "Mapping[str, str]") -> str:
    """Return the engine a client talks to: ``YURT_HOST``, else ``DOCKER_HOST``, else the default socket."""
    return environ.get("YURT_HOST") or environ.get("DOCKER_HOST") or default_host(environ)
