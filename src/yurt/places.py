"""Where an engine lives when nobody says otherwise. Plain text and `os` only: the command line starts with this."""

import os

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the command line's start-up
if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_ROOT = "/var/lib/yurt"
SYSTEM_RUN = "/run/yurt"
SYSTEM_SOCKET = f"unix://{SYSTEM_RUN}/yurt.sock"
OUTSIDE = "YURT_OUTSIDE_SOCKETS"  # its sockets in the host's network: JSON, TCP address → descriptors
ENTERED = (
    "YURT_ENTERED_BY"  # the user whose engine this is, in the environment of one that is in its namespaces
)


def user(environ: "Mapping[str, str]") -> int:
    """Return whose engine it is: 0 for the host's root. In its own namespaces a user's engine is root by number."""
    return os.geteuid() or int(environ.get(ENTERED) or 0)


def default_root(environ: "Mapping[str, str]") -> str:
    """Return where state lives: the system folder for root, the XDG data folder otherwise."""
    if chosen := environ.get("YURT_ROOT"):
        return chosen
    return SYSTEM_ROOT if user(environ) == 0 else _data_folder(environ)


def default_host(environ: "Mapping[str, str]") -> str:
    """Return the engine's address when no one chose another: Yurt's own socket, in the root if one was chosen."""
    if chosen := environ.get("YURT_ROOT"):
        return f"unix://{os.path.abspath(chosen)}/yurt.sock"
    return f"unix://{runtime_folder(environ)}/yurt.sock"


def runtime_folder(environ: "Mapping[str, str]") -> str:
    """Return where sockets are, and what does not outlive a boot.

    A user without such a folder (nobody logged in through PAM) has it in the data folder.
    """
    number = user(environ)
    if number == 0:
        return SYSTEM_RUN
    if chosen := environ.get("XDG_RUNTIME_DIR"):
        return f"{chosen}/yurt"
    usual = f"/run/user/{number}"
    return f"{usual}/yurt" if os.path.isdir(usual) else f"{_data_folder(environ)}/run"


def config_file(environ: "Mapping[str, str]") -> str:
    """Return where an engine's settings are read from."""
    if user(environ) == 0:
        return "/etc/yurt/yurt.toml"
    return (environ.get("XDG_CONFIG_HOME") or f"{_home(environ)}/.config") + "/yurt/yurt.toml"


def chosen_host(environ: "Mapping[str, str]") -> str:
    """Return the engine a client talks to: ``YURT_HOST``, else ``DOCKER_HOST``, else the default socket."""
    return environ.get("YURT_HOST") or environ.get("DOCKER_HOST") or default_host(environ)


def _data_folder(environ: "Mapping[str, str]") -> str:
    return (environ.get("XDG_DATA_HOME") or f"{_home(environ)}/.local/share") + "/yurt"


def _home(environ: "Mapping[str, str]") -> str:
    return environ.get("HOME", "/").rstrip("/")
