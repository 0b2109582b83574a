"""Where a registry answers: its addresses in the order they are tried. Decides; asks no one."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from yurt.errors import InvalidArgument
from yurt.oci.reference import HUB

HUB_HOST = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to try: *url* without a slash at its end. *verify* False: any certificate will do."""

    url: str
    verify: bool = True
    mirror: bool = False


def endpoints(registry: str, *, mirrors: Iterable[str] = (), insecure: Iterable[str] = ()) -> list[Endpoint]:
    """Return the addresses of *registry*: for the Hub its mirrors first; where it is insecure, http after https."""
    host = HUB_HOST if registry == HUB else registry
    found = [_mirror(mirror, insecure) for mirror in mirrors] if registry == HUB else []
    if is_insecure(host, insecure):
        return [*found, Endpoint(f"https://{host}", verify=False), Endpoint(f"http://{host}", verify=False)]
    return [*found, Endpoint(f"https://{host}")]


def is_insecure(host: str, insecure: Iterable[str]) -> bool:
    """Tell whether *host* may be asked without encryption: this machine itself, or one in *insecure*.

    *insecure* holds hosts (``registry.lan:5000``) and networks (``10.0.0.0/8``).
    """
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return host in insecure or name in insecure
    return address.is_loopback or host in insecure or any(_contains(item, address) for item in insecure)


def proxy_for(url: str, proxies: Mapping[str, str]) -> str | None:
    """Return the proxy that *proxies* (``HTTPS_PROXY``, ``NO_PROXY`` and so on, in either case) say for *url*."""
    settings = {key.lower(): value for key, value in proxies.items()}
    parts = urlsplit(url)
    host = parts.hostname or ""
    for item in settings.get("no_proxy", "").split(","):
        rule = item.strip().lstrip(".").lower()
        if rule == "*" or (rule and (host == rule or host.endswith(f".{rule}"))):
            return None
    if is_insecure(parts.netloc, ()):
        return None
    return settings.get(f"{parts.scheme}_proxy") or settings.get("all_proxy") or None


def _mirror(text: str, insecure: Iterable[str]) -> Endpoint:
    url = text if "://" in text else f"https://{text}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise InvalidArgument(f"invalid registry mirror {text!r}", hint="a mirror is https://host[:port]")
    return Endpoint(url.rstrip("/"), verify=not is_insecure(parts.netloc, insecure), mirror=True)


def _contains(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except (ValueError, TypeError):
        return False
