"""A project as one Compose file again: the long forms, all variables replaced, what `config` prints. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from yurt.compose import yamltext
from yurt.compose.model import (
    Attachment,
    BlockLimits,
    Build,
    DeviceRequest,
    Healthcheck,
    Hook,
    Mount,
    Network,
    Project,
    Service,
    Source,
    Volume,
    WatchRule,
)
from yurt.compose.mounts import PLACES

Plain = dict[str, Any]


def shown(project: Project, form: str, services: Iterable[str] = ()) -> str:
    """Return the project as YAML or JSON text, only with *services* (and what they need) if any are named."""
    return written(escaped(plain(project, services)), form)


def written(document: Any, form: str) -> str:
    """Return *document* as YAML or JSON text."""
    return json.dumps(document, indent=2) if form == "json" else yamltext.written(document)


def escaped(value: Any) -> Any:
    """Return *value* with every dollar sign doubled, so that reading it again replaces nothing."""
    match value:
        case dict():
            return {key: escaped(child) for key, child in value.items()}
        case list():
            return [escaped(child) for child in value]
        case str():
            return value.replace("$", "$$")
    return value


def plain(project: Project, services: Iterable[str] = ()) -> Plain:
    selection = {each.name for each in project.selection(services)}
    named = [each for each in project.services.values() if each.name in selection]
    document: Plain = {"name": project.name, "services": {each.name: _service(each) for each in named}}
    networks = {a.network for each in named for a in each.networks}
    volumes = {m.source for each in named for m in each.mounts if m.type == "volume" and m.source}
    if used := {key: _network(each) for key, each in project.networks.items() if key in networks}:
        document["networks"] = used
    if kept := {key: _volume(each) for key, each in project.volumes.items() if key in volumes}:
        document["volumes"] = kept
    for group, sources in (("configs", project.configs), ("secrets", project.secrets)):
        wanted = {_source_of(item) for each in named for item in each.given.get(group) or ()}
        if needed := {key: _top_source(each) for key, each in sources.items() if key in wanted}:
            document[group] = needed
    document |= dict(project.extensions)
    return document


def _filled(values: Mapping[str, Any]) -> Plain:
    return {key: value for key, value in values.items() if value not in (None, "", [], {}, False)}


def duration(nanoseconds: int | None) -> str | None:
    """Return a duration as Compose writes it: ``1m30s``, ``2m0s``."""
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    if rest:
        milliseconds = nanoseconds / 1_000_000
        return f"{milliseconds:g}ms" if nanoseconds < 1_000_000_000 else f"{nanoseconds / 1e9:g}s"
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _source_of(item: Any) -> str:
    return str(item.get("source")) if isinstance(item, dict) else str(item)


def _top_source(source: Source) -> Plain:
    values = {
        "name": source.name,
        "file": source.file,
        "environment": source.variable,
        "labels": dict(source.labels),
    }
    if source.content is not None and not source.variable:
        values["content"] = source.content.decode()
    return _filled(values)


def _target(item: Any, group: str) -> str:
    target = (item.get("target") or item.get("source")) if isinstance(item, dict) else item
    return str(target) if str(target).startswith("/") else f"{PLACES[group]}{target}"


def _reference(item: Any, group: str) -> Plain:
    """Return a service's config or secret in its long form."""
    if not isinstance(item, dict):
        item = {"source": item}
    target = (
        {"target": f"/run/secrets/{item['source']}"} if group == "secrets" and "target" not in item else {}
    )
    mode = item.get("mode")
    return {**item, **target} | ({"mode": f"{mode:04o}"} if isinstance(mode, int) else {})


def _hook(item: Hook) -> Plain:
    return _filled(
        {
            "command": list(item.command),
            "user": item.user,
            "privileged": item.privileged,
            "working_dir": item.working_dir,
            "environment": dict(item.environment),
        }
    )


def _rule(rule: WatchRule) -> Plain:
    return _filled(
        {
            "path": rule.path,
            "action": rule.action.value,
            "target": rule.target,
            "ignore": list(rule.ignore),
            "include": list(rule.include),
            "initial_sync": rule.initial_sync,
            "exec": None if rule.hook is None else _hook(rule.hook),
        }
    )


def _devices(requests: Iterable[DeviceRequest]) -> list[Plain]:
    return [
        _filled(
            {
                "capabilities": list(each.capabilities),
                "driver": each.driver,
                "count": each.count or None,
                "device_ids": list(each.device_ids),
                "options": dict(each.options),
            }
        )
        for each in requests
    ]


def _block(limits: BlockLimits) -> Plain:
    def listed(pairs: Iterable[tuple[str, int]], amount: str, *, text: bool = False) -> list[Plain]:
        return [{"path": path, amount: str(value) if text else value} for path, value in pairs]

    return _filled(
        {
            "weight": limits.weight,
            "weight_device": listed(limits.weight_device, "weight"),
            "device_read_bps": listed(limits.device_read_bps, "rate", text=True),
            "device_write_bps": listed(limits.device_write_bps, "rate", text=True),
            "device_read_iops": listed(limits.device_read_iops, "rate"),
            "device_write_iops": listed(limits.device_write_iops, "rate"),
        }
    )


def _service(s: Service) -> Plain:
    given = {_target(item, group) for group in PLACES for item in s.given.get(group) or ()}
    limits = _filled(
        {
            "cpus": None if s.resources.nano_cpus is None else f"{s.resources.nano_cpus / 1e9:g}",
            "memory": None if s.resources.memory is None else str(s.resources.memory),
            "pids": s.resources.pids,
        }
    )
    deploy = _filled(
        {
            "replicas": s.replicas if s.replicas != 1 else None,
            "resources": {"limits": limits} if limits else None,
        }
    )
    values = _filled(
        {
            "profiles": list(s.profiles),
            "image": s.image,
            "build": None if s.build is None else _build(s.build),
            "container_name": s.container_name,
            "hostname": s.hostname,
            "domainname": s.domainname,
            "environment": dict(s.environment),
            "labels": dict(s.labels),
            "annotations": dict(s.annotations),
            "depends_on": {
                edge.service: {"condition": edge.condition.value, "required": edge.required}
                | ({"restart": True} if edge.restart else {})
                for edge in s.depends_on
            },
            "deploy": deploy,
            "healthcheck": None if s.healthcheck is None else _healthcheck(s.healthcheck),
            "network_mode": s.network_mode,
            "links": list(s.links),
            "external_links": list(s.external_links),
            "post_start": [_hook(each) for each in s.post_start],
            "pre_stop": [_hook(each) for each in s.pre_stop],
            "develop": {"watch": [_rule(each) for each in s.watch]} if s.watch else None,
            "networks": {each.network: _attachment(each) for each in s.networks},
            "ports": [
                _filled(
                    {
                        "mode": "ingress",
                        "target": p.target,
                        "published": p.published,
                        "host_ip": p.host_ip,
                        "protocol": p.protocol,
                    }
                )
                for p in s.ports
            ],
            "expose": list(s.expose),
            "volumes": [_mount(each) for each in s.mounts if each.target not in given],
            "configs": [_reference(each, "configs") for each in s.given.get("configs") or ()],
            "secrets": [_reference(each, "secrets") for each in s.given.get("secrets") or ()],
            "gpus": _devices(s.device_requests),
            "blkio_config": _block(s.block),
            "storage_opt": dict(s.storage_opt),
            "tmpfs": list(s.tmpfs),
            "volumes_from": list(s.volumes_from),
            "restart": s.restart,
            "user": s.user,
            "working_dir": s.working_dir,
            "cap_add": list(s.cap_add),
            "cap_drop": list(s.cap_drop),
            "privileged": s.privileged,
            "read_only": s.read_only,
            "stdin_open": s.stdin_open,
            "tty": s.tty,
            "stop_signal": s.stop_signal,
            "stop_grace_period": duration(s.stop_grace_period),
            "shm_size": None if s.shm_size is None else str(s.shm_size),
            "ulimits": {
                u.name: u.soft if u.soft == u.hard else {"soft": u.soft, "hard": u.hard} for u in s.ulimits
            },
            "sysctls": dict(s.sysctls),
            "extra_hosts": [each.replace(":", "=", 1) for each in s.extra_hosts],
            "dns": list(s.dns),
            "dns_search": list(s.dns_search),
            "dns_opt": list(s.dns_opt),
            "logging": _filled({"driver": s.logging_driver, "options": dict(s.logging_options)}),
            "security_opt": list(s.security_opt),
            "group_add": list(s.group_add),
            "devices": list(s.devices),
            "device_cgroup_rules": list(s.device_cgroup_rules),
            "cgroup": s.cgroup,
            "cgroup_parent": s.cgroup_parent,
            "ipc": s.ipc,
            "pid": s.pid,
            "uts": s.uts,
            "userns_mode": s.userns_mode,
            "runtime": s.runtime,
            "isolation": s.isolation,
            "mac_address": s.mac_address,
            "platform": s.platform,
            "pull_policy": s.pull_policy,
            **_more_limits(s),
        }
    )
    for key, words in (("command", s.command), ("entrypoint", s.entrypoint)):
        if words is not None:
            values[key] = list(words)
    if s.init is not None:
        values["init"] = s.init
    if not s.attach:
        values["attach"] = False
    return values | dict(s.extensions)


def _more_limits(service: Service) -> Plain:
    r = service.resources
    return {
        "mem_reservation": None if r.memory_reservation is None else str(r.memory_reservation),
        "memswap_limit": None if r.memory_swap is None else str(r.memory_swap),
        "mem_swappiness": r.memory_swappiness,
        "cpu_shares": r.cpu_shares,
        "cpu_period": r.cpu_period,
        "cpu_quota": r.cpu_quota,
        "cpuset": r.cpuset,
        "cpu_rt_period": r.cpu_rt_period,
        "cpu_rt_runtime": r.cpu_rt_runtime,
        "oom_kill_disable": r.oom_kill_disable,
        "oom_score_adj": r.oom_score_adj,
    }


def _build(build: Build) -> Plain:
    return _filled(
        {
            "context": build.context,
            "dockerfile": "" if build.dockerfile_inline else build.dockerfile,
            "dockerfile_inline": build.dockerfile_inline,
            "args": dict(build.args),
            "labels": dict(build.labels),
            "target": build.target,
            "network": build.network,
            "platforms": [build.platform] if build.platform else [],
            "extra_hosts": [each.replace(":", "=", 1) for each in build.extra_hosts],
            "shm_size": build.shm_size,
            "cache_from": list(build.cache_from),
            "tags": list(build.tags),
            "no_cache": build.no_cache,
            "pull": build.pull,
        }
    )


def _healthcheck(check: Healthcheck) -> Plain:
    return _filled(
        {
            "test": list(check.test),
            "interval": duration(check.interval),
            "timeout": duration(check.timeout),
            "start_period": duration(check.start_period),
            "start_interval": duration(check.start_interval),
            "retries": check.retries,
            "disable": check.disable,
        }
    )


def _attachment(each: Attachment) -> Plain | None:
    values = {
        "aliases": list(each.aliases),
        "ipv4_address": each.ipv4_address,
        "ipv6_address": each.ipv6_address,
        "link_local_ips": list(each.link_local_ips),
        "mac_address": each.mac_address,
        "driver_opts": dict(each.driver_opts),
        "priority": each.priority or None,
        "gw_priority": each.gw_priority or None,
        "interface_name": each.interface_name,
    }
    return _filled(values) or None


def _mount(mount: Mount) -> Plain:
    bind = _filled({"propagation": mount.propagation, "selinux": mount.selinux, "recursive": mount.recursive})
    if mount.type == "bind" and not mount.create_host_path:
        bind["create_host_path"] = False
    return _filled(
        {
            "type": mount.type,
            "source": mount.source,
            "target": mount.target,
            "read_only": mount.read_only,
            "bind": bind,
            "volume": _filled(
                {"nocopy": mount.nocopy, "subpath": mount.subpath, "labels": dict(mount.labels)}
            )
            if mount.type == "volume"
            else None,
            "image": _filled({"subpath": mount.subpath}) if mount.type == "image" else None,
            "tmpfs": _filled({"size": mount.size, "mode": mount.mode}),
        }
    )


def _network(network: Network) -> Plain:
    ipam = _filled(
        {
            "driver": network.ipam_driver,
            "config": [
                {name: pool[wire] for wire, name in _POOL.items() if wire in pool} for pool in network.ipam
            ],
            "options": dict(network.ipam_options),
        }
    )
    return _filled(
        {
            "name": network.name,
            "external": network.external,
            "driver": network.driver,
            "driver_opts": dict(network.driver_opts),
            "internal": network.internal,
            "attachable": network.attachable,
            "enable_ipv4": network.enable_ipv4,
            "enable_ipv6": network.enable_ipv6,
            "ipam": ipam,
            "labels": dict(network.labels),
        }
    )


_POOL = {
    "Subnet": "subnet",
    "IPRange": "ip_range",
    "Gateway": "gateway",
    "AuxiliaryAddresses": "aux_addresses",
}


def _volume(volume: Volume) -> Plain:
    return _filled(
        {
            "name": volume.name,
            "external": volume.external,
            "driver": volume.driver,
            "driver_opts": dict(volume.driver_opts),
            "labels": dict(volume.labels),
        }
    )
