"""Log drivers: their options, checked when a container is made, and what they mean for its log and its forwarder.

Every driver but `none` writes the same log (`yurt.shim.log`); they differ in its bound, and in where a forwarder
(`yurt.shim.forwarder`) sends its lines. Messages are Docker's.
"""

import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yurt.engine.containers.model import Container
from yurt.errors import InvalidArgument
from yurt.ids import short
from yurt.shim.receivers import JOURNAL, LOCAL_SYSLOG

REMOTE = ("fluentd", "gelf", "journald", "syslog")
DRIVERS = tuple(sorted((*REMOTE, "json-file", "local")))  # `none` is understood, and not told, as in Docker
CACHE_SIZE, CACHE_FILES = 20 << 20, 5  # of `local`, and of what remote drivers keep here, as in Docker

_COMMON = {"mode", "max-buffer-size", "cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"}
_SAYING = {"labels", "labels-regex", "env", "env-regex", "tag"}
_BOUND = {"max-size", "max-file", "compress"}
_OPTIONS = {
    "json-file": _SAYING | _BOUND,
    "local": _BOUND,
    "syslog": _SAYING
    | {
        "syslog-address",
        "syslog-facility",
        "syslog-format",
        "syslog-tls-ca-cert",
        "syslog-tls-cert",
        "syslog-tls-key",
        "syslog-tls-skip-verify",
    },
    "gelf": _SAYING
    | {
        "gelf-address",
        "gelf-compression-level",
        "gelf-compression-type",
        "gelf-tcp-max-reconnect",
        "gelf-tcp-reconnect-delay",
    },
    "fluentd": _SAYING
    | {
        "fluentd-address",
        "fluentd-async",
        "fluentd-async-reconnect-interval",
        "fluentd-buffer-limit",
        "fluentd-max-retries",
        "fluentd-request-ack",
        "fluentd-retry-wait",
        "fluentd-sub-second-precision",
    },
    "journald": _SAYING,
}
_FACILITIES = {
    name: number
    for number, name in enumerate(
        ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"]
    )
} | {f"local{number}": 16 + number for number in range(8)}
_FORMATS = ("", "rfc3164", "rfc5424", "rfc5424micro")
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([^\d.\s]*)")
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+|0")
_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")

Options = Mapping[str, str]


# ---- checks


def check(driver: str, options: Options) -> None:
    """Raise InvalidArgument for an unknown driver or option, or a value that makes no sense."""
    if driver in ("", "none"):
        return
    if driver not in _OPTIONS:
        raise InvalidArgument(
            f'error looking up logging plugin {driver}: plugin "{driver}" not found',
            hint=f"there are: {', '.join(DRIVERS)}, none",
        )
    _check_buffer(options)
    if driver == "gelf":
        _check_gelf(options)
    for name in options:
        if name not in _OPTIONS[driver] | _COMMON:
            where = f"log driver {driver}" if driver == "local" else f"{driver} log driver"
            raise InvalidArgument(
                f"unknown log opt '{name}' for {where}",
                hint=f"known are: {', '.join(sorted(_OPTIONS[driver]))}",
            )
    bound(driver, options)
    for name in ("labels-regex", "env-regex"):
        _regex(options.get(name, ""))
    for action in _ACTION.findall(options.get("tag", "")):
        if action not in _FIELDS:
            raise InvalidArgument(
                f"invalid tag template: cannot evaluate {{{{{action}}}}}",
                hint=f"known are: {', '.join(sorted(_FIELDS))}",
            )
    if "{{" in _ACTION.sub("", options.get("tag", "")):
        raise InvalidArgument("template: log-tag:1: unclosed action")
    if driver == "syslog":
        _check_syslog(options)
    elif driver == "fluentd":
        _check_fluentd(options)


def check_available(driver: str, options: Options) -> None:
    """Raise InvalidArgument when this host has no such service. Asked at the start, as in Docker."""
    failed = "failed to create task for container: failed to initialize logging driver: "
    if driver == "journald" and not Path(JOURNAL).exists():
        raise InvalidArgument(f"{failed}journald is not enabled on this host")
    if (
        driver == "syslog"
        and not _syslog_address(options)
        and not any(Path(path).exists() for path in LOCAL_SYSLOG)
    ):
        raise InvalidArgument(
            f"{failed}Unix syslog delivery error",
            hint="this host has no syslog; name one with --log-opt syslog-address=udp://host:514",
        )


def _check_buffer(options: Options) -> None:
    mode = options.get("mode", "")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidArgument(f"logger: logging mode not supported: {mode}")
    if "max-buffer-size" in options:
        if mode != "non-blocking":
            raise InvalidArgument("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
        try:
            size_of(options["max-buffer-size"])
        except InvalidArgument as error:
            raise InvalidArgument(f"error parsing option max-buffer-size: {error}") from None
    disabled = options.get("cache-disabled", "")
    if disabled and disabled not in _TRUE + _FALSE:
        raise InvalidArgument(f"invalid value for option cache-disabled: {disabled}")


def _check_syslog(options: Options) -> None:
    _syslog_address(options)
    if options.get("syslog-format", "") not in _FORMATS:
        raise InvalidArgument("Invalid syslog format")
    _facility(options.get("syslog-facility", ""))


def _check_gelf(options: Options) -> None:
    address = options.get("gelf-address", "")
    if not address:
        raise InvalidArgument("gelf-address is a required parameter")
    url = urlsplit(address)
    if url.scheme not in ("tcp", "udp"):
        raise InvalidArgument("gelf: endpoint needs to be TCP or UDP")
    if not url.netloc.rpartition(":")[2].isdecimal():
        raise InvalidArgument("gelf: please provide gelf-address as proto://host:port")
    for name in ("gelf-compression-level", "gelf-compression-type"):
        if name in options and url.scheme != "udp":
            raise InvalidArgument("compression is only supported on UDP")
    for name in ("gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"):
        if name in options and url.scheme != "tcp":
            raise InvalidArgument(f'"{name}" is only valid for TCP')
    kind, level = options.get("gelf-compression-type", "gzip"), options.get("gelf-compression-level", "1")
    if kind not in ("gzip", "zlib", "none"):
        raise InvalidArgument(
            f'unknown value "{kind}" for log opt "gelf-compression-type" for gelf log driver'
        )
    if not re.fullmatch(r"-1|\d", level):
        raise InvalidArgument(
            f'unknown value "{level}" for log opt "gelf-compression-level" for gelf log driver'
        )


def _check_fluentd(options: Options) -> None:
    _fluentd_address(options)
    for name in ("fluentd-async", "fluentd-request-ack", "fluentd-sub-second-precision"):
        _truth(options.get(name, "false"))
    if "fluentd-buffer-limit" in options:
        size_of(options["fluentd-buffer-limit"])
    for name in ("fluentd-retry-wait", "fluentd-async-reconnect-interval"):
        if not _DURATION.fullmatch(options.get(name, "0")):
            raise InvalidArgument(f'time: invalid duration "{options[name]}"')
    retries = options.get("fluentd-max-retries", "0")
    if not retries.isdecimal():
        raise InvalidArgument(f'strconv.ParseUint: parsing "{retries}": invalid syntax')


# ---- values


def bound(driver: str, options: Options) -> tuple[int, int]:
    """Return how many bytes a segment of the log has, 0 for no bound, and how many segments are kept."""
    if driver in REMOTE:
        return (
            size_of(options.get("cache-max-size", "") or str(CACHE_SIZE)),
            _count(options.get("cache-max-file", "") or str(CACHE_FILES)),
        )
    _truth(options.get("compress") or "false")
    if driver == "local":
        text = options.get("max-size", "")
        try:
            size = size_of(text) if text else CACHE_SIZE
        except InvalidArgument as error:
            raise InvalidArgument(f"invalid value for max-size: {text}: {error}") from None
        return size, _count(options.get("max-file", "") or str(CACHE_FILES))
    if not options.get("max-size"):
        if options.get("compress", "") in _TRUE:
            raise InvalidArgument(
                "compress cannot be true when max-file is less than 2 or max-size is not set"
            )
        return 0, 1
    size = size_of(options["max-size"], kilo=1000)
    if size < 1:
        raise InvalidArgument("max-size must be a positive number")
    files = _count(options.get("max-file") or "1")
    if files < 2 and options.get("compress", "") in _TRUE:
        raise InvalidArgument("compress cannot be true when max-file is less than 2 or max-size is not set")
    return size, files


def packs(driver: str, options: Options) -> bool:
    """Return whether segments that are written no more are compressed: those of `local` unless it is told not to."""
    if driver not in ("json-file", "local"):
        return False
    return _truth(options.get("compress") or ("true" if driver == "local" else "false"))


def is_readable(driver: str, options: Options) -> bool:
    """Return whether `logs` may show what the driver took. What remote ones take is kept here too."""
    return driver != "none" and not (driver in REMOTE and options.get("cache-disabled", "") in _TRUE)


def attributes(container: Container) -> dict[str, str]:
    """Return what the options want said of each line: the labels and variables they name, and the tag if they have one."""
    options = container.host.log_options
    found = _named(container, options)
    if options.get("tag") and container.host.log_driver not in REMOTE:
        found["tag"] = tag_of(container)
    return found


def forwarding(container: Container) -> dict[str, Any] | None:
    """Return what a forwarder needs to know; None when the driver sends nothing anywhere."""
    driver, options = container.host.log_driver, container.host.log_options
    if driver not in REMOTE:
        return None
    plan: dict[str, Any] = {
        "driver": driver,
        "tag": tag_of(container),
        "hostname": socket.gethostname(),
        "attributes": _named(container, options),
        "container_id": container.id,
        "container_name": container.name,
        "image_id": container.image_id,
        "image_name": container.config.image,
        "command": _command(container),
    }
    if driver == "syslog":
        plan |= {
            "address": _syslog_address(options),
            "facility": _facility(options.get("syslog-facility", "")),
            "format": options.get("syslog-format", ""),
        }
    elif driver == "gelf":
        plan |= {
            "address": options["gelf-address"],
            "created": _rfc3339(container.created_ns),
            "compression": options.get("gelf-compression-type", "gzip"),
            "compression_level": int(options.get("gelf-compression-level", "1")),
        }
    elif driver == "fluentd":
        plan |= {
            "address": _fluentd_address(options),
            "ack": _truth(options.get("fluentd-request-ack", "false")),
            "sub_second": _truth(options.get("fluentd-sub-second-precision", "false")),
        }
    else:
        plan |= {"address": JOURNAL}
    return plan


def tag_of(container: Container) -> str:
    """Return the tag, its template filled in."""
    template = container.host.log_options.get("tag") or "{{.ID}}"
    return _ACTION.sub(lambda match: _FIELDS[match[1]](container), template)


def _command(container: Container) -> str:
    return " ".join((container.path, *container.args))


_FIELDS: dict[str, Callable[[Container], str]] = {
    ".ID": lambda container: short(container.id),
    ".FullID": lambda container: container.id,
    ".Name": lambda container: container.name,
    ".ImageID": lambda container: container.image_id[:12],
    ".ImageFullID": lambda container: container.image_id,
    ".ImageName": lambda container: container.config.image,
    ".Command": _command,
    ".DaemonName": lambda _container: "yurt",
}


def _named(container: Container, options: Options) -> dict[str, str]:
    found: dict[str, str] = {}
    variables = dict(entry.split("=", 1) for entry in container.config.env if "=" in entry)
    for kind, values in (("labels", container.config.labels), ("env", variables)):
        for name in options.get(kind, "").split(","):
            if name in values:
                found[name] = values[name]
        if pattern := options.get(f"{kind}-regex", ""):
            expression = _regex(pattern)
            found |= {name: value for name, value in values.items() if expression.search(name)}
    return found


def _rfc3339(time_ns: int) -> str:
    from datetime import UTC, datetime

    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC).strftime('%Y-%m-%dT%H:%M:%S')}.{rest:09d}Z"


def _syslog_address(options: Options) -> str:
    """Return the address with its port; empty: the host's own syslog."""
    address = options.get("syslog-address", "")
    if not address:
        return ""
    url = urlsplit(address)
    if url.scheme in ("unix", "unixgram"):
        if not Path(url.path).exists():
            raise InvalidArgument(f"stat {url.path}: no such file or directory")
        return address
    if url.scheme == "tcp+tls":
        raise InvalidArgument(
            "syslog over TLS is not supported", hint="use tcp://, through a relay that adds the encryption"
        )
    if url.scheme not in ("udp", "tcp"):
        raise InvalidArgument(f"unsupported scheme: '{url.scheme}'")
    return f"{url.scheme}://{_with_port(url.netloc, 514)}"


def _fluentd_address(options: Options) -> str:
    given = options.get("fluentd-address", "") or "127.0.0.1:24224"
    url = urlsplit(given if "://" in given else f"tcp://{given}")
    if url.scheme == "unix":
        return given
    if url.scheme != "tcp":
        raise InvalidArgument(f"invalid fluentd-address ({given}): unsupported scheme: '{url.scheme}'")
    port = url.netloc.rpartition(":")[2] if ":" in url.netloc.rpartition("]")[2] else "0"
    if not port.isdecimal():
        raise InvalidArgument(
            f'invalid fluentd-address ({given}): parse "tcp://{url.netloc}": invalid port ":{port}" after host'
        )
    return f"tcp://{_with_port(url.netloc, 24224)}"


def _with_port(where: str, port: int) -> str:
    return where if ":" in where.rpartition("]")[2] else f"{where}:{port}"


def _facility(text: str) -> int:
    if text.isdecimal() and int(text) < 24:
        return int(text)
    try:
        return _FACILITIES[text or "daemon"]
    except KeyError:
        raise InvalidArgument("invalid syslog facility") from None


def _truth(text: str) -> bool:
    if text not in _TRUE + _FALSE:
        raise InvalidArgument(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        raise InvalidArgument(f'strconv.Atoi: parsing "{text}": invalid syntax') from None
    if count < 1:
        raise InvalidArgument("max-file cannot be less than 1")
    return count


def _regex(pattern: str) -> "re.Pattern[str]":
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InvalidArgument(f"error parsing regexp: {error}: `{pattern}`") from None


def size_of(text: str, *, kilo: int = 1024) -> int:
    """Return the bytes that ``10m`` or ``1.5 GB`` means; *kilo* is the step between units."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidArgument(f"invalid size: '{text}'")
    number, suffix = match[1], match[2].lower()
    unit = suffix.removesuffix("b").removesuffix("i")
    if unit not in ("", "k", "m", "g", "t", "p"):
        raise InvalidArgument(f"invalid suffix: '{match[2]}'")
    return int(float(number) * kilo ** ("kmgtp".index(unit) + 1 if unit else 0))
