"""What a container uses, in the form that Docker's statistics have, since every client computes with it."""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yurt.engine.containers.model import Container
from yurt.linux import cgroup

_NET_COLUMNS = {
    "rx_bytes": 0,
    "rx_packets": 1,
    "rx_errors": 2,
    "rx_dropped": 3,
    "tx_bytes": 8,
    "tx_packets": 9,
    "tx_errors": 10,
    "tx_dropped": 11,
}
NEVER = "0001-01-01T00:00:00Z"


def _group(container: Container) -> cgroup.Cgroup:
    return cgroup.Cgroup(container.id, parent=container.host.cgroup_parent)


def sample(container: Container, previous: dict[str, Any] | None) -> dict[str, Any]:
    """Return one sample; *previous* gives the ``pre…`` half. A container that does not run has empty numbers."""
    alive = container.state.pid > 0
    usage = _group(container).usage() if alive else cgroup.Usage()
    document: dict[str, Any] = {
        "name": f"/{container.name}",
        "id": container.id,
        "read": _timestamp(time.time_ns()) if alive else NEVER,
        "preread": previous["read"] if previous else NEVER,
        "num_procs": 0,
        "storage_stats": {},
        "pids_stats": _pids(usage) if alive else {},
        "cpu_stats": _cpu(usage, alive=alive),
        "precpu_stats": previous["cpu_stats"] if previous else _cpu(cgroup.Usage(), alive=False),
        "memory_stats": _memory(usage) if alive else {},
        "blkio_stats": _block(usage),
    }
    if alive and (networks := _networks(container.state.pid)):
        document["networks"] = networks
    return document


def _timestamp(time_ns: int) -> str:
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def _pids(usage: cgroup.Usage) -> dict[str, int]:
    return {"current": usage.pids, "limit": usage.pids_limit or 2**64 - 1}


def _cpu(usage: cgroup.Usage, *, alive: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "cpu_usage": {
            "total_usage": usage.cpu_total,
            "usage_in_kernelmode": usage.cpu_system,
            "usage_in_usermode": usage.cpu_user,
        },
        "throttling_data": {
            "periods": usage.periods,
            "throttled_periods": usage.throttled_periods,
            "throttled_time": usage.throttled_time,
        },
    }
    if usage.cpu_per_core:
        document["cpu_usage"]["percpu_usage"] = list(usage.cpu_per_core)
    if alive:
        document["system_cpu_usage"], document["online_cpus"] = cgroup.system_cpu_time()
    return document


def _memory(usage: cgroup.Usage) -> dict[str, Any]:
    return {
        "usage": usage.memory,
        "max_usage": usage.memory_peak,
        "limit": usage.memory_limit or cgroup.host_memory(),
        "stats": usage.memory_stat,
    }


def _block(usage: cgroup.Usage) -> dict[str, Any]:
    def entries(counters: tuple[cgroup.BlockCounter, ...]) -> list[dict[str, Any]] | None:
        return [
            {"major": one.major, "minor": one.minor, "op": one.operation, "value": one.value}
            for one in counters
        ] or None

    return {
        "io_service_bytes_recursive": entries(usage.block_bytes),
        "io_serviced_recursive": entries(usage.block_operations),
        "io_queue_recursive": None,
        "io_service_time_recursive": None,
        "io_wait_time_recursive": None,
        "io_merged_recursive": None,
        "io_time_recursive": None,
        "sectors_recursive": None,
    }


def _networks(pid: int) -> dict[str, dict[str, int]]:
    """Return the counters of the container's interfaces, but for the loopback."""
    found = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]:
            name, _colon, rest = line.partition(":")
            columns = rest.split()
            if name.strip() != "lo":
                found[name.strip()] = {key: int(columns[index]) for key, index in _NET_COLUMNS.items()}
    return found
