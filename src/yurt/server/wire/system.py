"""The engine's own facts to the wire: version, info, disk usage."""

from collections.abc import Iterator, Sequence

from yurt.api.types import system as wire
from yurt.api.types.base import OMITTED
from yurt.api.types.volumes import VolumeUsage
from yurt.api.version import LATEST, OLDEST, ApiVersion
from yurt.engine.build.pruning import CacheEntry
from yurt.engine.containers.log_drivers import DRIVERS as LOG_DRIVERS
from yurt.engine.system import DiskUsage, Info, Version
from yurt.isolation import Level
from yurt.server.wire import containers, images, times, volumes
from yurt.server.wire.containers import ImageName
from yurt.server.wire.endpoints import NetworkId

__all__ = ["USAGE_KINDS", "ImageName", "NetworkId", "disk_usage", "info", "version"]

USAGE_KINDS = frozenset({"container", "image", "volume", "build-cache"})
GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def version(value: Version) -> wire.VersionAnswer:
    arch = GO_ARCH.get(value.machine, value.machine)
    engine = wire.Component(
        name="Engine",
        version=value.engine,
        details={
            "ApiVersion": str(LATEST),
            "Arch": arch,
            "Experimental": "false",
            "KernelVersion": value.kernel,
            "MinAPIVersion": str(OLDEST),
            "Os": "linux",
        },
    )
    runtime = wire.Component(name=value.runtime_name, version=value.runtime_version, details={})
    return wire.VersionAnswer(
        platform=wire.Platform(name=f"Yurt {value.engine}"),
        components=[engine, runtime],
        version=value.engine,
        api_version=str(LATEST),
        min_api_version=str(OLDEST),
        arch=arch,
        kernel_version=value.kernel,
    )


WITH_FIREWALL = ApiVersion(1, 49)  # the first version that tells of it
WITH_DEVICES = ApiVersion(1, 50)
WITHOUT_BRIDGE_NETFILTER = ApiVersion(1, 49)


def info(value: Info, *, version: ApiVersion = LATEST) -> wire.InfoAnswer:
    runtime = value.version.runtime_name
    limited = value.controllers
    return wire.InfoAnswer(
        id=value.id,
        containers=value.running + value.paused + value.stopped,
        containers_running=value.running,
        containers_paused=value.paused,
        containers_stopped=value.stopped,
        images=value.images,
        driver="overlay2",
        driver_status=[["Backing Filesystem", value.filesystem], ["Supports d_type", "true"]],
        plugins=wire.PluginsInfo(
            volume=["local"], network=["bridge", "host", "null"], log=list(LOG_DRIVERS)
        ),
        memory_limit="memory" in limited,
        swap_limit=value.swap_limit,
        cpu_cfs_period="cpu" in limited,
        cpu_cfs_quota="cpu" in limited,
        cpu_shares="cpu" in limited,
        cpu_set="cpuset" in limited,
        pids_limit="pids" in limited,
        ipv4_forwarding=value.ip_forward,
        debug=value.debug,
        n_fd=value.open_files,
        oom_kill_disable=value.cgroup_version == 1 and "memory" in limited,
        n_goroutines=value.tasks,
        system_time=times.rfc3339(times.now()),
        logging_driver="json-file",
        cgroup_driver="cgroupfs" if limited else "none",
        cgroup_version=str(value.cgroup_version),
        n_events_listener=value.listeners,
        kernel_version=value.version.kernel,
        operating_system=value.operating_system,
        os_version=value.os_version,
        architecture=value.version.machine,
        registry_config={
            "IndexConfigs": {
                "docker.io": {
                    "Mirrors": list(value.registry_mirrors),
                    "Name": "docker.io",
                    "Official": True,
                    "Secure": True,
                }
            },
            "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
            "Mirrors": list(value.registry_mirrors) or None,
        },
        ncpu=value.cpus,
        mem_total=value.memory,
        docker_root_dir=value.root,
        http_proxy=value.proxies.get("HTTP_PROXY", ""),
        https_proxy=value.proxies.get("HTTPS_PROXY", ""),
        no_proxy=value.proxies.get("NO_PROXY", ""),
        name=value.hostname,
        labels=[],
        experimental_build=False,
        server_version=value.version.engine,
        runtimes={runtime: wire.Runtime(path=value.runtime_path)},
        default_runtime=runtime,
        swarm={"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": False,
               "Error": "", "RemoteManagers": None},
        live_restore_enabled=True,
        init_binary=value.init_path,
        containerd_commit={"ID": ""},
        runc_commit={"ID": value.version.runtime_version},
        init_commit={"ID": ""},
        security_options=list(_security_options(value)),
        warnings=list(value.warnings) or None,
        discovered_devices=[wire.DiscoveredDevice(source="cdi", id=name) for name in value.devices]
        if value.devices and version >= WITH_DEVICES
        else OMITTED,
        firewall_backend={"Driver": "nftables"} if version >= WITH_FIREWALL else OMITTED,
        bridge_nf_iptables=False if version < WITHOUT_BRIDGE_NETFILTER else OMITTED,
        bridge_nf_ip6tables=False if version < WITHOUT_BRIDGE_NETFILTER else OMITTED,
    )  # fmt: skip


def _security_options(value: Info) -> Iterator[str]:
    """Yield Docker's, and the level of isolation, which is ours."""
    if value.has_apparmor:
        yield "name=apparmor"
    yield "name=seccomp,profile=builtin"
    if value.isolation is not Level.ROOT:
        yield "name=rootless"
    yield f"name=isolation,level={value.isolation}"


def disk_usage(
    usage: DiskUsage,
    *,
    kinds: frozenset[str] = USAGE_KINDS,
    caches: Sequence[CacheEntry] = (),
    network_id: NetworkId,
    image_name: ImageName,
    version: ApiVersion = LATEST,
) -> wire.DiskUsageAnswer:
    """Return the answer of ``GET /system/df``; what was not asked for is null."""
    answered = []
    for measured in usage.containers:
        entry = containers.summary(measured.container, network_id=network_id, image_name=image_name)
        entry.size_rw, entry.size_root_fs = measured.written or OMITTED, measured.total
        answered.append(entry)
    return wire.DiskUsageAnswer(
        layers_size=usage.layers,
        images=[
            images.summary(
                image,
                containers=usage.users.get(image.id, 0),
                shared=usage.shared[image.id],
                version=version,
            )
            for image in usage.images
        ]
        if "image" in kinds
        else None,
        containers=answered if "container" in kinds else None,
        volumes=[
            volumes.to_wire(used.volume, usage=VolumeUsage(ref_count=used.holders, size=used.size))
            for used in usage.volumes
        ]
        if "volume" in kinds
        else None,
        build_cache=[
            wire.BuildCacheEntry(
                id=entry.key[:25],
                type=entry.kind,
                description=entry.description,
                in_use=entry.in_use,
                shared=entry.shared,
                size=entry.size,
                created_at=times.rfc3339(entry.created_ns),
                last_used_at=times.rfc3339(entry.used_ns) if entry.used_ns else None,
                usage_count=entry.uses,
            )
            for entry in caches
        ]
        if "build-cache" in kinds
        else None,
    )
