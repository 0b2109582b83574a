"""What is sent to the engine to make a project's containers, networks, volumes and images. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yurt import __version__
from yurt.compose import labels
from yurt.compose.model import Attachment, Healthcheck, Hook, Mount, Network, Project, Service, Volume
from yurt.values import Value

Json = dict[str, Any]
INTERFACE = "com.docker.network.endpoint.ifname"


class Stamp(Value):
    """What tells one container of a service from another."""

    number: int
    config_hash: str
    image_id: str
    oneoff: bool = False
    replaces: str = ""  # the name of the container that this one takes the place of


def container(project: Project, service: Service, stamp: Stamp) -> Json:
    """Return the body of ``POST /containers/create``."""
    body = specification(project, service)
    body["Labels"] = {**body["Labels"], **container_labels(project, service, stamp)}
    return body


def container_labels(project: Project, service: Service, stamp: Stamp) -> dict[str, str]:
    edges = (f"{e.service}:{e.condition.value}:{str(e.restart).lower()}" for e in service.depends_on)
    found = {
        labels.PROJECT: project.name,
        labels.SERVICE: service.name,
        labels.NUMBER: str(stamp.number),
        labels.ONEOFF: str(stamp.oneoff),
        labels.CONFIG_HASH: stamp.config_hash,
        labels.WORKING_DIR: project.directory,
        labels.CONFIG_FILES: ",".join(project.files),
        labels.IMAGE: stamp.image_id,
        labels.DEPENDS_ON: ",".join(edges),
        labels.VERSION: __version__,
    }
    if project.environment_files:
        found[labels.ENVIRONMENT_FILE] = ",".join(project.environment_files)
    if stamp.replaces:
        found[labels.REPLACE] = stamp.replaces
    return found


def specification(project: Project, service: Service) -> Json:
    """Return the create body without the labels that differ between containers of one service."""
    s = service
    body: Json = {
        "Image": s.image,
        "Env": [f"{name}={value}" for name, value in s.environment.items()],
        "Labels": dict(s.labels),
        "ExposedPorts": _exposed(s),
        "HostConfig": host_config(project, s),
        "NetworkingConfig": {"EndpointsConfig": endpoints(project, s)},
    }
    optional: Json = {
        "Cmd": None if s.command is None else list(s.command),
        "Entrypoint": None if s.entrypoint is None else list(s.entrypoint),
        "Hostname": s.hostname,
        "Domainname": s.domainname,
        "User": s.user,
        "WorkingDir": s.working_dir,
        "Tty": s.tty,
        "OpenStdin": s.stdin_open,
        "StopSignal": s.stop_signal,
        "StopTimeout": None if s.stop_grace_period is None else -(-s.stop_grace_period // 10**9),
        "Healthcheck": None if s.healthcheck is None else healthcheck(s.healthcheck),
        "Volumes": {m.target: {} for m in s.mounts if _is_anonymous(m)},
    }
    body |= {
        key: value
        for key, value in optional.items()
        if value or (key in ("Cmd", "Entrypoint", "StopTimeout") and value is not None)
    }
    return body


def healthcheck(check: Healthcheck) -> Json:
    if check.disable:
        return {"Test": ["NONE"]}
    values = {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {key: value for key, value in values.items() if value}


def _exposed(service: Service) -> Json:
    ports: Json = {f"{port.target}/{port.protocol}": {} for port in service.ports}
    return ports | {port if "/" in port else f"{port}/tcp": {} for port in service.expose}


def host_config(project: Project, service: Service) -> Json:
    s, r = service, service.resources
    bindings: dict[str, list[Json]] = {}
    for port in s.ports:
        key = f"{port.target}/{port.protocol}"
        bindings.setdefault(key, []).append({"HostIp": port.host_ip, "HostPort": port.published})
    policy, _, attempts = s.restart.partition(":")
    binds = [bind for mount in s.mounts if (bind := _bind(project, mount))]
    mounts = [
        _mount(project, mount) for mount in s.mounts if not _bind(project, mount) and _is_explicit(mount)
    ]
    driver = (
        {"Type": s.logging_driver, "Config": dict(s.logging_options)}
        if s.logging_driver or s.logging_options
        else None
    )
    weights, rates = _block(s)
    values: Json = {
        "NetworkMode": network_mode(project, s),
        "PortBindings": bindings,
        "RestartPolicy": {"Name": policy, "MaximumRetryCount": int(attempts or 0)} if policy else None,
        "Binds": binds,
        "Mounts": mounts,
        "Tmpfs": {path: options for path, _, options in (each.partition(":") for each in s.tmpfs)},
        "VolumesFrom": list(s.volumes_from),
        "CapAdd": list(s.cap_add),
        "CapDrop": list(s.cap_drop),
        "Privileged": s.privileged,
        "ReadonlyRootfs": s.read_only,
        "Init": s.init,
        "ShmSize": s.shm_size,
        "Ulimits": [{"Name": u.name, "Soft": u.soft, "Hard": u.hard} for u in s.ulimits],
        "Sysctls": dict(s.sysctls),
        "ExtraHosts": list(s.extra_hosts),
        "Dns": list(s.dns),
        "DnsSearch": list(s.dns_search),
        "DnsOptions": list(s.dns_opt),
        "LogConfig": driver,
        "SecurityOpt": list(s.security_opt),
        "GroupAdd": list(s.group_add),
        "Devices": [_device(each) for each in s.devices],
        "DeviceCgroupRules": list(s.device_cgroup_rules),
        "DeviceRequests": [
            {
                "Driver": each.driver,
                "Count": each.count,
                "DeviceIDs": list(each.device_ids) or None,
                "Capabilities": [list(each.capabilities)],
                "Options": dict(each.options),
            }
            for each in s.device_requests
        ],
        "BlkioWeight": s.block.weight,
        "BlkioWeightDevice": weights,
        **rates,
        "StorageOpt": dict(s.storage_opt),
        "CgroupnsMode": s.cgroup,
        "CgroupParent": s.cgroup_parent,
        "IpcMode": s.ipc,
        "PidMode": s.pid,
        "UTSMode": s.uts,
        "UsernsMode": s.userns_mode,
        "Runtime": s.runtime,
        "Isolation": s.isolation,
        "Annotations": dict(s.annotations),
        "NanoCpus": r.nano_cpus,
        "Memory": r.memory,
        "MemoryReservation": r.memory_reservation,
        "MemorySwap": r.memory_swap,
        "MemorySwappiness": r.memory_swappiness,
        "PidsLimit": r.pids,
        "CpuShares": r.cpu_shares,
        "CpuPeriod": r.cpu_period,
        "CpuQuota": r.cpu_quota,
        "CpusetCpus": r.cpuset,
        "CpuRealtimePeriod": r.cpu_rt_period,
        "CpuRealtimeRuntime": r.cpu_rt_runtime,
        "OomKillDisable": r.oom_kill_disable,
        "OomScoreAdj": r.oom_score_adj,
    }
    return {
        key: value
        for key, value in values.items()
        if value or (value is False and key in ("Init", "OomKillDisable"))
    }


def _block(service: Service) -> tuple[list[Json], Json]:
    """Return the weights by device, and the lists of rates by the engine's name for them."""
    b = service.block
    rates = {
        "BlkioDeviceReadBps": b.device_read_bps,
        "BlkioDeviceWriteBps": b.device_write_bps,
        "BlkioDeviceReadIOps": b.device_read_iops,
        "BlkioDeviceWriteIOps": b.device_write_iops,
    }
    return (
        [{"Path": path, "Weight": weight} for path, weight in b.weight_device],
        {key: [{"Path": path, "Rate": rate} for path, rate in found] for key, found in rates.items()},
    )


def hook(item: Hook) -> Json:
    """Return the body of ``POST /containers/ID/exec`` for a hook."""
    return {
        "Cmd": list(item.command),
        "User": item.user,
        "Privileged": item.privileged,
        "WorkingDir": item.working_dir,
        "Env": [f"{name}={value}" for name, value in item.environment.items()],
        "AttachStdout": True,
        "AttachStderr": True,
    }


def network_mode(project: Project, service: Service) -> str:
    if service.network_mode:
        return service.network_mode
    return project.networks[service.networks[0].network].name if service.networks else "none"


def endpoints(project: Project, service: Service) -> Json:
    links = _links(project, service)
    return {
        project.networks[each.network].name: endpoint(service.name, each)
        | ({"Links": links} if links else {})
        for each in service.networks
    }


def _links(project: Project, service: Service) -> list[str]:
    """Return ``CONTAINER:ALIAS`` of each link: to the first container of a service, or to one outside the project."""
    found = []
    for link in service.links:
        name, _, alias = link.partition(":")
        other = project.services.get(name)
        container = (other.container_name if other else "") or f"{project.name}-{name}-1"
        found.append(f"{container}:{alias or name}")
    for link in service.external_links:
        name, _, alias = link.partition(":")
        found.append(f"{name}:{alias or name}")
    return found


def endpoint(name: str, attachment: Attachment) -> Json:
    ipam = {
        "IPv4Address": attachment.ipv4_address,
        "IPv6Address": attachment.ipv6_address,
        "LinkLocalIPs": list(attachment.link_local_ips),
    }
    values = {
        "Aliases": list(dict.fromkeys([*([name] if name else []), *attachment.aliases])),
        "IPAMConfig": {key: value for key, value in ipam.items() if value},
        "MacAddress": attachment.mac_address,
        "DriverOpts": dict(attachment.driver_opts)
        | ({INTERFACE: attachment.interface_name} if attachment.interface_name else {}),
        "GwPriority": attachment.gw_priority,
    }
    return {key: value for key, value in values.items() if value}


def _is_explicit(mount: Mount) -> bool:
    """An anonymous volume stands in ``Volumes``, not among the mounts."""
    return not _is_anonymous(mount)


def _is_anonymous(mount: Mount) -> bool:
    return mount.type == "volume" and not mount.source and not mount.labels and not mount.nocopy


def _bind(project: Project, mount: Mount) -> str:
    """Return the mount as ``SOURCE:TARGET[:OPTIONS]``; empty if that can't say it."""
    if mount.type in ("tmpfs", "image") or not mount.source or mount.subpath or mount.recursive:
        return ""
    if mount.type == "bind" and (not mount.create_host_path or ":" in mount.source):
        return ""
    source = mount.source if mount.type == "bind" else project.volumes[mount.source].name
    options = [
        "ro" if mount.read_only else "rw",
        *([mount.selinux] if mount.selinux else []),
        *([mount.propagation] if mount.propagation else []),
        *(["nocopy"] if mount.nocopy else []),
    ]
    return f"{source}:{mount.target}:{','.join(options)}"


_RECURSION: Mapping[str, Json] = {
    "": {},
    "enabled": {},
    "disabled": {"NonRecursive": True},
    "writable": {"ReadOnlyNonRecursive": True},
    "readonly": {"ReadOnlyForceRecursive": True},
}


def _mount(project: Project, mount: Mount) -> Json:
    body: Json = {"Type": mount.type, "Target": mount.target, "ReadOnly": mount.read_only}
    if mount.type == "bind":
        body["Source"] = mount.source
        options: Json = {"Propagation": mount.propagation} if mount.propagation else {}
        body["BindOptions"] = (
            options | {"CreateMountpoint": mount.create_host_path} | _RECURSION[mount.recursive]
        )
    elif mount.type == "volume":
        body["Source"] = project.volumes[mount.source].name if mount.source else ""
        body["VolumeOptions"] = {"NoCopy": mount.nocopy} | (
            {"Subpath": mount.subpath} if mount.subpath else {}
        )
        if mount.labels:
            body["VolumeOptions"]["Labels"] = dict(mount.labels)
    elif mount.type == "image":
        body["Source"] = mount.source
        body["ImageOptions"] = {"Subpath": mount.subpath} if mount.subpath else {}
    else:
        sizes = {"SizeBytes": mount.size, "Mode": mount.mode}
        body["TmpfsOptions"] = {key: value for key, value in sizes.items() if value}
    return body


def _device(text: str) -> Json:
    source, _, rest = text.partition(":")
    target, _, permissions = rest.partition(":")
    return {
        "PathOnHost": source,
        "PathInContainer": target or source,
        "CgroupPermissions": permissions or "rwm",
    }


def network(project: Project, item: Network, config_hash: str) -> Json:
    """Return the body of ``POST /networks/create``."""
    body: Json = {
        "Name": item.name,
        "Driver": item.driver or "bridge",
        "Internal": item.internal,
        "Attachable": item.attachable,
        "Options": dict(item.driver_opts),
        "Labels": {**item.labels, **_own(project, labels.NETWORK, item.key, config_hash)},
    }
    if item.ipam or item.ipam_driver or item.ipam_options:
        body["IPAM"] = {"Driver": item.ipam_driver or "default", "Config": [dict(pool) for pool in item.ipam]}
        if item.ipam_options:
            body["IPAM"]["Options"] = dict(item.ipam_options)
    if item.enable_ipv4 is not None:
        body["EnableIPv4"] = item.enable_ipv4
    if item.enable_ipv6 is not None:
        body["EnableIPv6"] = item.enable_ipv6
    return body


def volume(project: Project, item: Volume, config_hash: str) -> Json:
    """Return the body of ``POST /volumes/create``."""
    return {
        "Name": item.name,
        "Driver": item.driver or "local",
        "DriverOpts": dict(item.driver_opts),
        "Labels": {**item.labels, **_own(project, labels.VOLUME, item.key, config_hash)},
    }


def _own(project: Project, kind: str, key: str, config_hash: str) -> Mapping[str, str]:
    return {
        labels.PROJECT: project.name,
        kind: key,
        labels.CONFIG_HASH: config_hash,
        labels.VERSION: __version__,
    }
