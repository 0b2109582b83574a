"""The texts of a container's /etc/hosts and /etc/resolv.conf. Pure, but for reading the host's own two files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from yurt.errors import InvalidArgument

EMBEDDED_DNS = "127.0.0.11"
HOST_GATEWAY = "host-gateway"
HOSTS = Path("/etc/hosts")
RESOLV_CONF = Path("/etc/resolv.conf")
RESOLVED_CONF = Path("/run/systemd/resolve/resolv.conf")  # the servers behind systemd-resolved's 127.0.0.53

_LOCAL = (
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("fe00::", "ip6-localnet"),
    ("ff00::", "ip6-mcastprefix"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
)


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """A resolver configuration, see resolv.conf(5)."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what *text* says; as in resolv.conf(5) the last ``search`` or ``domain`` line counts."""
        servers: list[str] = []
        search: tuple[str, ...] = ()
        options: list[str] = []
        for line in text.splitlines():
            match line.split("#")[0].split(";")[0].split():
                case ["nameserver", server, *_]:
                    servers.append(server)
                case ["search" | "domain", *names]:
                    search = tuple(names)
                case ["options", *words]:
                    options += words
        return cls(tuple(servers), search, tuple(options))

    def __str__(self) -> str:
        lines = [f"nameserver {server}" for server in self.servers]
        if self.search:
            lines.append(f"search {' '.join(self.search)}")
        if self.options:
            lines.append(f"options {' '.join(self.options)}")
        return "".join(f"{line}\n" for line in lines)


def host_resolv_conf(path: Path = RESOLV_CONF) -> ResolvConf:
    """Return the host's configuration; without one the resolver asks this machine, as resolv.conf(5) says."""
    try:
        found = ResolvConf.parse(path.read_text(errors="replace"))
    except FileNotFoundError:
        found = ResolvConf()
    return found if found.servers else ResolvConf(("127.0.0.1",), found.search, found.options)


def embedded_resolv_conf(
    host: ResolvConf, *, search: Sequence[str] = (), options: Sequence[str] = ()
) -> ResolvConf:
    """Return the configuration of a container that asks the embedded DNS.

    ``ndots:0``, unless *options* say another: a container's name has no dot and must be asked as it is first.
    A search list of one dot means: none.
    """
    chosen = tuple(options) or tuple(o for o in host.options if not o.startswith("ndots:"))
    if not any(option.startswith("ndots:") for option in chosen):
        chosen = (*chosen, "ndots:0")
    domains = tuple(search) or host.search
    return ResolvConf((EMBEDDED_DNS,), () if domains == (".",) else domains, chosen)


def own_resolv_conf(
    host: ResolvConf, *, servers: Sequence[str] = (), search: Sequence[str] = (), options: Sequence[str] = ()
) -> ResolvConf:
    """Return the configuration of a container without the embedded DNS: in modes host and none, and where it needs none.

    A search list of one dot means: none.
    """
    domains = tuple(search) or host.search
    return ResolvConf(
        tuple(servers) or host.servers, () if domains == (".",) else domains, tuple(options) or host.options
    )


def reachable(host: ResolvConf, *, six: bool, behind: Path = RESOLVED_CONF) -> ResolvConf | None:
    """Return the host's configuration with the servers that a container reaches by itself; None when there is none.

    Not those on the host's loopback, and those of IPv6 only for a container that has it (*six*). Where the host asks
    systemd-resolved, they are the servers that this one asks.
    """
    if all(_is_loopback(server) for server in host.servers) and behind.exists():
        host = host_resolv_conf(behind)
    servers = tuple(
        server for server in host.servers if not _is_loopback(server) and (six or ":" not in server)
    )
    return ResolvConf(servers, host.search, host.options) if servers else None


def _is_loopback(server: str) -> bool:
    try:
        return ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def parse_extra_host(text: str, *, gateway: str | None) -> tuple[str, str]:
    """Return (address, name) of ``name:address``; the address ``host-gateway`` stands for *gateway*."""
    name, separator, address = text.partition(":")
    if not separator:
        name, separator, address = text.partition("=")
    if not name or not address:
        raise InvalidArgument(f'bad format for add-host: "{text}"', hint="write it as name:address")
    if address == HOST_GATEWAY:
        if gateway is None:
            raise InvalidArgument(f"cannot resolve {text}: the default network has no gateway")
        address = gateway
    return address.strip("[]"), name


def hosts_text(own: Iterable[tuple[str, str]], extra: Iterable[tuple[str, str]]) -> str:
    """Return a hosts file: the local names, *extra* (address, names), then the container's *own*."""
    return "".join(f"{address}\t{names}\n" for address, names in (*_LOCAL, *extra, *own))


def host_hosts_text(extra: Iterable[tuple[str, str]], path: Path = HOSTS) -> str:
    """Return the host's own file with *extra* appended (mode host)."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        text = hosts_text((), ())
    if text and not text.endswith("\n"):
        text += "\n"
    return text + "".join(f"{address}\t{names}\n" for address, names in extra)


def own_names(hostname: str, domainname: str = "") -> str:
    """Return the names in a container's own line: the host name, and without its domain if it has one."""
    bare = hostname.partition(".")[0]
    full = f"{hostname}.{domainname}" if domainname else hostname
    return full if bare == full else f"{full} {bare}"
