"""The daemon's settings: the command line, else the environment, else the configuration file, else defaults."""

import hashlib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from yurt import places
from yurt.errors import InvalidArgument, NotFound
from yurt.isolation import Level
from yurt.settings import (
    EngineSettings,
    ListenAddress,
    TlsFiles,
    default_host,
    default_root,
)

CA_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian and its kin
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora and its kin
    Path("/etc/ssl/cert.pem"),  # Alpine
)
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


class ConfigFile(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    """What ``yurt.toml`` may say; absent keys leave the default."""

    root: str | None = None
    host: str | tuple[str, ...] | None = None
    tlsverify: bool = False
    tlscacert: str | None = None
    tlscert: str | None = None
    tlskey: str | None = None
    debug: bool = False
    require_isolation: str | None = None
    runtime: str | None = None
    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    debian_mirror: str | None = None
    ca_bundle: str | None = None
    proxies: dict[str, str] = msgspec.field(default_factory=dict)


def read(path: Path) -> ConfigFile:
    """Return the file's settings; raise InvalidArgument naming what is wrong and where."""
    try:
        document = tomllib.loads(path.read_text())
        return msgspec.convert(document, ConfigFile)
    except FileNotFoundError as missing:
        raise NotFound(f"no configuration file {path}") from missing
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as broken:
        raise InvalidArgument(f"{path}: {broken}") from broken


def resolve(
    environ: Mapping[str, str],
    *,
    root: str | None = None,
    hosts: Sequence[str] = (),
    config: str | None = None,
    debug: bool = False,
    require_isolation: str | None = None,
    tlsverify: bool = False,
    tlscacert: str | None = None,
    tlscert: str | None = None,
    tlskey: str | None = None,
) -> EngineSettings:
    """Return the settings for arguments as given on the command line (None: not given)."""
    chosen = config or environ.get("YURT_CONFIG")
    if chosen:
        file = read(Path(chosen))
    else:
        usual = Path(places.config_file(environ))
        file = read(usual) if _is_there(usual) else ConfigFile()
    named_root = root or environ.get("YURT_ROOT") or file.root
    root_path = (Path(named_root) if named_root else default_root(environ)).absolute()
    beside = dict(environ) | ({"YURT_ROOT": str(root_path)} if named_root else {})
    chosen_hosts = hosts or environ.get("YURT_HOST") or file.host or default_host(beside)
    required = require_isolation or environ.get("YURT_REQUIRE_ISOLATION") or file.require_isolation
    addresses = (chosen_hosts,) if isinstance(chosen_hosts, str) else chosen_hosts
    run = runtime_folder(root_path, environ)
    return EngineSettings(
        root=root_path,
        run=run,
        keeper=run if os.geteuid() == 0 and environ.get(places.ENTERED) else None,
        listen=tuple(dict.fromkeys(map(ListenAddress.parse, addresses))),
        inherited_sockets=_inherited_sockets(environ),
        outside_sockets=_outside_sockets(environ),
        tls=_tls(
            tlsverify or file.tlsverify,
            tlscacert or file.tlscacert,
            tlscert or file.tlscert,
            tlskey or file.tlskey,
        ),
        debug=debug or file.debug,
        require_isolation=Level.parse(required) if required else None,
        runtime=file.runtime,
        registry_mirrors=file.registry_mirrors,
        insecure_registries=file.insecure_registries,
        debian_mirror=file.debian_mirror,
        ca_bundle=Path(file.ca_bundle) if file.ca_bundle else _host_ca_bundle(),
        proxies=_proxies(environ) | file.proxies,
    )


def runtime_folder(root: Path, environ: Mapping[str, str]) -> Path:
    """Return where an engine keeps what does not outlive a boot; each root has its own."""
    folder = Path(places.runtime_folder(environ))
    unnamed = {name: value for name, value in environ.items() if name != "YURT_ROOT"}
    if root == default_root(unnamed):
        return folder
    return folder / hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]


def _is_there(usual: Path) -> bool:
    """Tell whether a user, or the host, has settings in the *usual* place."""
    try:
        return usual.exists()
    except OSError as error:  # such as the home of another user
        raise InvalidArgument(
            f"cannot look for the settings {usual}: {error.strerror}",
            hint="set HOME to a folder of yours, or name a file with --config",
        ) from error


def _tls(verify: bool, ca: str | None, certificate: str | None, key: str | None) -> TlsFiles | None:  # noqa: FBT001
    """Return the files when all are given; None when none is. Half of them would be no mutual TLS: InvalidArgument."""
    files = {"--tlscacert": ca, "--tlscert": certificate, "--tlskey": key}
    if not verify and not any(files.values()):
        return None
    missing = [flag for flag, file in files.items() if not file]
    if not verify:
        missing.insert(0, "--tlsverify")
    if missing or not (ca and certificate and key):
        raise InvalidArgument(
            f"TLS is asked for without {', '.join(missing)}",
            hint="mutual TLS needs --tlsverify, --tlscacert, --tlscert and --tlskey (or the keys in yurt.toml)",
        )
    return TlsFiles(Path(ca), Path(certificate), Path(key))


def _outside_sockets(environ: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return what this process, as it was before it went into its namespaces, has left open for itself."""
    text = environ.get(places.OUTSIDE, "") if environ.get(places.ENTERED) else ""
    return msgspec.json.decode(text, type=dict[str, tuple[int, ...]]) if text else {}


def _inherited_sockets(environ: Mapping[str, str]) -> int:
    """Return how many sockets systemd passed to this very process (sd_listen_fds(3))."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return 0
    count = environ.get("LISTEN_FDS", "")
    return int(count) if count.isdecimal() else 0


def _host_ca_bundle() -> Path | None:
    return next((path for path in CA_BUNDLES if path.exists()), None)


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return proxy variables by their upper-case names; programs look for either case."""
    found = {}
    for name in PROXY_VARIABLES:
        if value := environ.get(name) or environ.get(name.lower()):
            found[name] = value
    return found
