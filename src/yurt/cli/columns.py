"""The fields of Docker's lists: from what the API answers to what a table or ``--format`` shows. Pure."""

from __future__ import annotations

from yurt.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CONTAINER = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "State": "STATE",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Size": "SIZE",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
}
IMAGE = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "VIRTUAL SIZE",
}
UNKNOWN = "N/A"
VOLUME = {
    "Driver": "DRIVER",
    "Name": "VOLUME NAME",
    "Mountpoint": "MOUNTPOINT",
    "Scope": "SCOPE",
    "Labels": "LABELS",
    "Availability": "AVAILABILITY",
    "Group": "GROUP",
    "Links": "LINKS",
    "Size": "SIZE",
    "Status": "STATUS",
}
CACHE = {
    "ID": "CACHE ID",
    "CacheType": "CACHE TYPE",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "LastUsedSince": "LAST USED",
    "UsageCount": "USAGE",
    "Shared": "SHARED",
}
NETWORK = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}
STATS = {
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "Container": "CONTAINER",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
SEARCH = {
    "Name": "NAME",
    "Description": "DESCRIPTION",
    "StarCount": "STARS",
    "IsOfficial": "OFFICIAL",
}
HISTORY = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}


class Row(dict[str, object]):
    """A row whose labels can also be asked one by one: ``{{.Label "name"}}``."""

    def __init__(self, labels: Mapping[str, str] | None, fields: Mapping[str, object]) -> None:
        super().__init__(sorted(fields.items()))
        self._labels = labels or {}

    def get(self, name: str, default: object = None) -> object:
        if name == "Label":
            return lambda key: self._labels.get(key, "")
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        return name == "Label" or super().__contains__(name)


def labels_text(labels: Mapping[str, str] | None) -> str:
    """Write labels as lists show them."""
    return ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items()))


def ports_text(ports: Sequence[Mapping[str, Any]]) -> str:
    """Write a container's ports; neighbours published under their own number are joined: ``8000-8002/tcp``."""
    keys = sorted(
        (port["PrivatePort"], port.get("IP") or "", port.get("PublicPort") or 0, port["Type"])
        for port in ports
    )
    texts: list[str] = []
    single: list[str] = []  # published under another number
    ranges: dict[tuple[str, str], tuple[int, int]] = {}  # (address, type) → the neighbours so far
    for private, address, public, kind in keys:
        where = f"[{address}]" if ":" in address else address
        if address and public != private:
            single.append(f"{where}:{public}->{private}/{kind}")
            continue
        first, last = ranges.get((where, kind), (private, private))
        if private > last + 1:
            texts.append(_range_text(where, kind, first, last))
            first = private
        ranges[where, kind] = first, private
    texts += [_range_text(*key, *ends) for key, ends in ranges.items()]
    return ", ".join(texts + single)


def _range_text(where: str, kind: str, first: int, last: int) -> str:
    ports = f"{first}" if first == last else f"{first}-{last}"
    return f"{where}:{ports}->{ports}/{kind}" if where else f"{ports}/{kind}"


def container_row(entry: Mapping[str, Any], *, full: bool) -> Row:
    """Return the fields of one entry of ``/containers/json``."""
    command = f'"{entry.get("Command") or ""}"' if full else _short_command(entry.get("Command") or "")
    names = [name.lstrip("/") for name in entry.get("Names") or ()]
    mounts = [mount.get("Name") or mount.get("Source") or "" for mount in entry.get("Mounts") or ()]
    written, virtual = entry.get("SizeRw") or 0, entry.get("SizeRootFs") or 0
    size = output.size(written, digits=3)
    image = entry.get("Image") or "<no image>"
    identifier = entry["Id"]
    return Row(
        entry.get("Labels"),
        {
            "ID": identifier if full else output.short_id(identifier),
            "Image": image if full or not image.startswith("sha256:") else output.short_id(image),
            "Command": command,
            "CreatedAt": output.local_time(entry["Created"]),
            "RunningFor": output.age(entry["Created"]),
            "Status": entry.get("Status") or "",
            "State": entry.get("State") or "",
            "Ports": ports_text(entry.get("Ports") or ()),
            "Names": ",".join(name for name in names if "/" not in name),
            "Size": f"{size} (virtual {output.size(virtual, digits=3)})" if virtual else size,
            "Labels": labels_text(entry.get("Labels")),
            "Mounts": ",".join(mount if full else output.shortened(mount, 15) for mount in mounts),
            "LocalVolumes": str(sum(mount.get("Driver") == "local" for mount in entry.get("Mounts") or ())),
            "Platform": (entry.get("ImageManifestDescriptor") or {}).get("platform"),
            "Networks": ",".join((entry.get("NetworkSettings") or {}).get("Networks") or {}),
        },
    )


def _short_command(text: str) -> str:
    return f'"{output.shortened(text, 20)}"'


def image_rows(entry: Mapping[str, Any], *, full: bool) -> list[Row]:
    """Return a row for each tag of one entry of ``/images/json``; one with ``<none>`` if it has none."""
    digests = {
        name: digest for name, _, digest in (ref.partition("@") for ref in entry.get("RepoDigests") or ())
    }
    names = [tag for tag in entry.get("RepoTags") or () if tag != "<none>:<none>"]
    pairs = [(name, tag) for name, _, tag in (tag.rpartition(":") for tag in names)]
    pairs = pairs or [(name, "<none>") for name in digests if name != "<none>"] or [("<none>", "<none>")]
    return [
        Row(
            entry.get("Labels"),
            {
                "Repository": name,
                "Tag": tag,
                "Digest": digests.get(name, "<none>"),
                "ID": entry["Id"] if full else output.short_id(entry["Id"]),
                "CreatedSince": output.age(entry["Created"]),
                "CreatedAt": output.local_time(entry["Created"]),
                "Size": output.size(entry["Size"], digits=3),
                "Containers": UNKNOWN if entry.get("Containers", -1) < 0 else str(entry["Containers"]),
                "SharedSize": UNKNOWN,
                "UniqueSize": UNKNOWN,
                "VirtualSize": output.size(entry["Size"]),
            },
        )
        for name, tag in pairs
    ]


def volume_row(entry: Mapping[str, Any]) -> Row:
    """Return the fields of one volume."""
    return Row(
        entry.get("Labels"),
        {
            "Driver": entry["Driver"],
            "Name": entry["Name"],
            "Mountpoint": entry.get("Mountpoint") or "",
            "Scope": entry.get("Scope") or "local",
            "Labels": labels_text(entry.get("Labels")),
            **dict.fromkeys(("Availability", "Group", "Links", "Size", "Status"), UNKNOWN),
        },
    )


def cache_row(entry: Mapping[str, Any], *, full: bool) -> Row:
    """Return the fields of one part of the build cache."""
    made, used = entry.get("CreatedAt") or "", entry.get("LastUsedAt") or ""
    return Row(
        None,
        {
            "ID": entry["ID"] if full else entry["ID"][:12],
            "Parent": entry.get("Parent") or "",
            "CacheType": entry["Type"],
            "Description": entry.get("Description") or "",
            "InUse": str(bool(entry.get("InUse"))).lower(),
            "Shared": str(bool(entry.get("Shared"))).lower(),
            "Size": output.size(entry.get("Size") or 0),
            "CreatedAt": made,
            "CreatedSince": output.age(output.moment(made)),
            "LastUsedAt": used,
            "LastUsedSince": output.age(output.moment(used)),
            "UsageCount": str(entry.get("UsageCount") or 0),
        },
    )


def network_row(entry: Mapping[str, Any], *, full: bool) -> Row:
    """Return the fields of one network."""
    return Row(
        entry.get("Labels"),
        {
            "ID": entry["Id"] if full else output.short_id(entry["Id"]),
            "Name": entry["Name"],
            "Driver": entry["Driver"],
            "Scope": entry.get("Scope") or "local",
            "IPv4": str(entry.get("EnableIPv4", True)).lower(),
            "IPv6": str(entry.get("EnableIPv6", False)).lower(),
            "Internal": str(entry.get("Internal", False)).lower(),
            "Labels": labels_text(entry.get("Labels")),
            "CreatedAt": (entry.get("Created") or "").replace("T", " ").replace("Z", " +0000 UTC"),
        },
    )


def history_row(entry: Mapping[str, Any], *, full: bool, in_words: bool = True) -> Row:
    """Return the fields of one entry of an image's history; sizes and ages *in_words*, or as numbers and moments."""
    identifier, created_by = entry.get("Id") or "<missing>", (entry.get("CreatedBy") or "").replace("\t", " ")
    moment, size = output.iso_time(entry["Created"]), entry.get("Size") or 0
    return Row(
        None,
        {
            "ID": identifier if full else output.short_id(identifier),
            "CreatedSince": output.age(entry["Created"]) if in_words else moment,
            "CreatedAt": moment,
            "CreatedBy": created_by if full else output.shortened(created_by, 45),
            "Size": output.size(size, digits=3) if in_words else str(size),
            "Comment": entry.get("Comment") or "",
        },
    )


def search_row(entry: Mapping[str, Any], *, full: bool) -> Row:
    """Return the fields of one image that a search found."""
    description = (entry.get("description") or "").replace("\n", " ").replace("\r", " ")
    return Row(
        None,
        {
            "Name": entry["name"],
            "Description": description if full else output.shortened(description, 45),
            "StarCount": str(entry.get("star_count") or 0),
            "IsOfficial": "[OK]" if entry.get("is_official") else "",
        },
    )


def stats_row(entry: Mapping[str, Any], *, asked: str = "") -> Row:
    """Return the fields of one answer of ``/containers/ID/stats``; *asked* is how its container was named."""
    cpu, before = entry.get("cpu_stats") or {}, entry.get("precpu_stats") or {}
    memory = entry.get("memory_stats") or {}
    used = _total(cpu) - _total(before)
    passed = (cpu.get("system_cpu_usage") or 0) - (before.get("system_cpu_usage") or 0)
    processors = cpu.get("online_cpus") or len((cpu.get("cpu_usage") or {}).get("percpu_usage") or ()) or 1
    share = used / passed * processors * 100 if used > 0 and passed > 0 else 0.0
    counters = memory.get("stats") or {}
    cache = counters.get("total_inactive_file", counters.get("inactive_file", 0))
    usage = memory.get("usage") or 0
    usage = usage - cache if cache < usage else usage
    limit = memory.get("limit") or 0
    networks = (entry.get("networks") or {}).values()
    blocks = (entry.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    read = sum(block["value"] for block in blocks if block["op"].lower() == "read")
    written = sum(block["value"] for block in blocks if block["op"].lower() == "write")
    received = sum(network["rx_bytes"] for network in networks)
    sent = sum(network["tx_bytes"] for network in networks)
    identifier = entry.get("id") or ""
    return Row(
        None,
        {
            "ID": output.short_id(identifier),
            "Name": (entry.get("name") or "").lstrip("/"),
            "Container": asked or output.short_id(identifier),
            "CPUPerc": f"{share:.2f}%",
            "MemUsage": f"{output.binary_size(usage)} / {output.binary_size(limit)}",
            "MemPerc": f"{usage / limit * 100 if limit else 0:.2f}%",
            "NetIO": f"{output.size(received, digits=3)} / {output.size(sent, digits=3)}",
            "BlockIO": f"{output.size(read, digits=3)} / {output.size(written, digits=3)}",
            "PIDs": str((entry.get("pids_stats") or {}).get("current") or 0),
        },
    )


def _total(cpu: Mapping[str, Any]) -> int:
    return int((cpu.get("cpu_usage") or {}).get("total_usage") or 0)
