"""Values as people write them after a flag: sizes, times, ports, mounts. Pure; each raises InvalidArgument."""

from __future__ import annotations

from yurt.errors import InvalidArgument

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from typing import Any

SIZE_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
TIME_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


def size(text: str) -> int:
    """Read ``512m``, ``1.5g``, ``64MiB`` as bytes; -1 stays (no limit)."""
    if text == "-1":
        return -1
    number = text.rstrip("bBiIkKmMgGtTpP ")
    unit = text[len(number) :].strip().lower()
    unit = unit.removesuffix("ib") if len(unit) > 1 and unit.endswith("ib") else unit
    unit = unit.removesuffix("b") if len(unit) > 1 else unit
    try:
        return int(float(number) * SIZE_UNITS[unit])
    except (KeyError, ValueError):
        raise InvalidArgument(f"invalid size {text!r}", hint="for example 512m or 2g") from None


def nanoseconds(text: str) -> int:
    """Read ``1m30s``, ``500ms`` or ``0``."""
    total, number, rest = 0.0, "", text
    if text == "0":
        return 0
    while rest:
        number = ""
        while rest and (rest[0].isdecimal() or rest[0] == "."):
            number, rest = number + rest[0], rest[1:]
        unit = next((unit for unit in ("ms", "us", "µs", "ns", "s", "m", "h") if rest.startswith(unit)), "")
        if not number or not unit or number.count(".") > 1 or number == ".":
            break
        total += float(number) * TIME_UNITS[unit]
        rest = rest[len(unit) :]
        if not rest:
            return int(total)
    raise InvalidArgument(f"invalid duration {text!r}", hint="for example 30s or 1m30s")


def _port_range(text: str, what: str, whole: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    ends = [first, last if dash else first]
    if not all(end.isdecimal() and 0 < int(end) < 65536 for end in ends) or int(ends[0]) > int(ends[1]):
        raise InvalidArgument(f"invalid {what} port {text!r} in {whole!r}", hint="for example -p 8080:80/tcp")
    return int(ends[0]), int(ends[1])


def published_port(text: str) -> list[tuple[str, dict[str, str]]]:
    """Read ``[ip:][host:]container[/protocol]`` with ranges; returns (``80/tcp``, binding) pairs."""
    rest, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in ("tcp", "udp", "sctp"):
        raise InvalidArgument(f"invalid protocol {protocol!r} in {text!r}", hint="tcp, udp or sctp")
    rest, _, container = rest.rpartition(":")
    address, _, host = rest.rpartition(":") if not rest.endswith("]") else (rest, "", "")
    address = address.removeprefix("[").removesuffix("]")
    first, last = _port_range(container, "container", text)
    if not host:
        return [
            (f"{port}/{protocol}", {"HostIp": address, "HostPort": ""}) for port in range(first, last + 1)
        ]
    host_first, host_last = _port_range(host, "host", text)
    if first == last and host_first != host_last:
        return [(f"{first}/{protocol}", {"HostIp": address, "HostPort": host})]
    if host_last - host_first != last - first:
        raise InvalidArgument(
            f"the port ranges in {text!r} differ in length", hint="for example -p 8000-8002:80-82"
        )
    return [
        (f"{first + step}/{protocol}", {"HostIp": address, "HostPort": str(host_first + step)})
        for step in range(last - first + 1)
    ]


def exposed_port(text: str) -> list[str]:
    """Read ``80``, ``80/udp`` or ``80-82``."""
    return [port for port, _ in published_port(text)]


def _boolean(text: str, option: str, whole: str) -> bool:
    if text.lower() in ("", "true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise InvalidArgument(f"invalid value for {option!r} in --mount {whole!r}: {text!r}")


def mount(text: str) -> dict[str, Any]:
    """Read ``type=bind,source=/a,target=/b,readonly`` into the API's Mount."""
    result: dict[str, Any] = {"Type": "volume"}
    options: dict[str, dict[str, Any]] = {"Bind": {}, "Volume": {}, "Tmpfs": {}, "Image": {}}
    for field in text.split(","):
        key, _, value = field.strip().partition("=")
        match key.lower():
            case "type":
                result["Type"] = value.lower()
            case "source" | "src":
                result["Source"] = value
            case "target" | "dst" | "destination":
                result["Target"] = value
            case "readonly" | "ro":
                result["ReadOnly"] = _boolean(value, key, text)
            case "consistency":
                result["Consistency"] = value
            case "bind-propagation":
                options["Bind"]["Propagation"] = value
            case "bind-nonrecursive":
                options["Bind"]["NonRecursive"] = _boolean(value, key, text)
            case "bind-create-src":
                options["Bind"]["CreateMountpoint"] = _boolean(value, key, text)
            case "volume-nocopy":
                options["Volume"]["NoCopy"] = _boolean(value, key, text)
            case "volume-subpath":
                options["Volume"]["Subpath"] = value
            case "volume-label":
                name, _, label = value.partition("=")
                options["Volume"].setdefault("Labels", {})[name] = label
            case "volume-driver":
                options["Volume"].setdefault("DriverConfig", {})["Name"] = value
            case "volume-opt":
                name, _, option = value.partition("=")
                options["Volume"].setdefault("DriverConfig", {}).setdefault("Options", {})[name] = option
            case "tmpfs-size":
                options["Tmpfs"]["SizeBytes"] = size(value)
            case "tmpfs-mode":
                options["Tmpfs"]["Mode"] = int(value, 8)
            case "image-subpath":
                options["Image"]["Subpath"] = value
            case _:
                raise InvalidArgument(
                    f"unknown field {key!r} in --mount {text!r}",
                    hint="for example --mount type=volume,source=data,target=/data",
                )
    if not result.get("Target"):
        raise InvalidArgument(f"--mount {text!r} has no target", hint="add target=/path/in/the/container")
    for kind, given in options.items():
        if given:
            if kind.lower() != result["Type"]:
                raise InvalidArgument(
                    f"--mount {text!r} mixes options of {kind.lower()} with type {result['Type']}"
                )
            result[f"{kind}Options"] = given
    return result


def ulimit(text: str) -> dict[str, Any]:
    """Read ``nofile=1024[:2048]``."""
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}
    except ValueError:
        raise InvalidArgument(f"invalid ulimit {text!r}", hint="for example nofile=1024:2048") from None


def device(text: str) -> dict[str, str]:
    """Read ``/dev/on/host[:/dev/in/container][:rwm]``."""
    parts = text.split(":")
    permissions = "rwm"
    if len(parts) > 1 and parts[-1] and set(parts[-1]) <= set("rwm"):
        permissions = parts.pop()
    if not 1 <= len(parts) <= 2 or not parts[0]:
        raise InvalidArgument(f"invalid device {text!r}", hint="for example /dev/fuse:/dev/fuse:rw")
    return {
        "PathOnHost": parts[0],
        "PathInContainer": parts[-1] or parts[0],
        "CgroupPermissions": permissions,
    }


def gpus(text: str) -> dict[str, Any]:
    """Read ``all``, a number, or fields such as ``driver=nvidia,"device=0,1",capabilities=compute``."""
    import csv

    found: dict[str, Any] = {"Driver": "", "Count": 0, "Capabilities": [["gpu"]], "Options": {}}
    (fields,) = csv.reader([text])
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals:
            key, value = "count", field
        match key:
            case "count":
                try:
                    found["Count"] = -1 if value == "all" else int(value)
                except ValueError:
                    raise InvalidArgument(
                        f'invalid count ({value}): value must be either "all" or an integer'
                    ) from None
            case "device":
                found["DeviceIDs"] = value.split(",")
            case "driver":
                found["Driver"] = value
            case "capabilities":
                found["Capabilities"] = [sorted({*value.split(","), "gpu"})]
            case "options":
                found["Options"] = pairs(value.split(","))
            case _:
                raise InvalidArgument(f"unexpected key '{key}' in '{field}'", hint="for example --gpus all")
    return found


def restart_policy(text: str) -> dict[str, Any]:
    """Read ``no``, ``always``, ``unless-stopped``, ``on-failure[:times]``."""
    name, mark, times = text.partition(":")
    if name not in ("", "no", "always", "unless-stopped", "on-failure") or (
        mark and not (name == "on-failure" and times.isdecimal())
    ):
        raise InvalidArgument(
            f"invalid restart policy {text!r}", hint="no, always, unless-stopped or on-failure[:TIMES]"
        )
    return {"Name": name or "no", "MaximumRetryCount": int(times or 0)}


def pairs(texts: list[str]) -> dict[str, str]:
    """Read ``name=value`` texts; without "=" the value is empty."""
    return {name: value for name, _, value in (text.partition("=") for text in texts)}
