"""What RUN sees of the host and nothing of it stays in the image: certificates and proxies.

A proxy that opens TLS is common, and only the host trusts its certificate. The host's bundle is shown under /dev,
which is a file system in memory, so that no trace of the mount is left in the layer; variables name it to the
programs that look for one.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from yurt.engine.containers.model import MountRequest

CA_TARGET = "/dev/yurt-ca-certificates.crt"
CA_VARIABLES = (
    "SSL_CERT_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)


def certificates(bundle: Path | None) -> tuple[tuple[MountRequest, ...], dict[str, str]]:
    """Return the mount and the variables that show *bundle*; nothing when there is none."""
    if bundle is None or not bundle.is_file():
        return (), {}
    mount = MountRequest(kind="bind", source=str(bundle.resolve()), target=CA_TARGET, read_only=True)
    return (mount,), dict.fromkeys(CA_VARIABLES, CA_TARGET)


def proxy_variables(proxies: Mapping[str, str]) -> dict[str, str]:
    """Return the host's proxies under both spellings: programs disagree on which they read."""
    return {name: value for key, value in proxies.items() if value for name in (key.upper(), key.lower())}


def environment(image: Iterable[str], *layers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return what is added to the variables of *image*: later layers win over earlier ones, the image over all."""
    own = {entry.partition("=")[0] for entry in image}
    added: dict[str, str] = {}
    for layer in layers:
        added.update(layer)
    return tuple(f"{name}={value}" for name, value in added.items() if name not in own)
