"""A project as one Compose file again: the long forms, all variables replaced, what `config` prints. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
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
    Resources,
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
    named.sort(key=lambda each: each.name)
    document: Plain = {
        "name": project.name,
        "services": {each.name: _service(project, each) for each in named},
    }
    networks = {a.network for each in named for a in each.networks}
    volumes = {m.source for each in named for m in each.mounts if m.type == "volume" and m.source}
    if used := {key: _network(each) for key, each in sorted(project.networks.items()) if key in networks}:
        document["networks"] = used
    if kept := {key: _volume(each) for key, each in sorted(project.volumes.items()) if key in volumes}:
        document["volumes"] = kept
    for group, sources in (("secrets", project.secrets), ("configs", project.configs)):
        wanted = {_source_of(item) for each in named for item in each.given.get(group) or ()}
        if needed := {key: _top_source(each) for key, each in sorted(sources.items()) if key in wanted}:
            document[group] = needed
    document |= _sorted_deep(project.extensions)
    return document


def _filled(values: Mapping[str, Any], meant: Collection[str] = ()) -> Plain:
    """Return *values* without the empty ones; under the keys *meant* only None is empty."""
    return {
        key: value
        for key, value in values.items()
        if value not in (None, "", [], {}, False) or (key in meant and value is not None)
    }


def _sorted(values: Mapping[str, Any]) -> Plain:
    return {key: values[key] for key in sorted(values)}


def _sorted_deep(value: Any) -> Any:
    match value:
        case dict():
            return {key: _sorted_deep(value[key]) for key in sorted(value)}
        case list():
            return [_sorted_deep(each) for each in value]
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)


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


def _service(project: Project, s: Service) -> Plain:
    given = {_target(item, group) for group in PLACES for item in s.given.get(group) or ()}
    limits = _filled(
        {
            "cpus": None if s.resources.nano_cpus is None else f"{s.resources.nano_cpus / 1e9:g}",
            "memory": _text(s.resources.memory),
            "pids": s.resources.pids,
        }
    )
    deploy = _filled(
        {
            "replicas": s.replicas if s.replicas != 1 else None,
            "resources": {"limits": limits} if limits else None,
        }
    )
    # In the order of Docker Compose, so that what both print can be compared line by line.
    values = _filled(
        {
            "profiles": list(s.profiles),
            "annotations": _sorted(s.annotations),
            "attach": None if s.attach else False,
            "build": None if s.build is None else _build(s.build),
            "develop": {"watch": [_rule(each) for each in s.watch]} if s.watch else None,
            "blkio_config": _block(s.block),
            "cap_add": list(s.cap_add),
            "cap_drop": list(s.cap_drop),
            "cgroup_parent": s.cgroup_parent,
            "cgroup": s.cgroup,
            **_processors(s.resources),
            "command": None if s.command is None else list(s.command),
            "configs": [_reference(each, "configs") for each in s.given.get("configs") or ()],
            "container_name": s.container_name,
            "depends_on": {
                edge.service: {"condition": edge.condition.value}
                | ({"restart": True} if edge.restart else {})
                | {"required": edge.required}
                for edge in sorted(s.depends_on, key=lambda edge: edge.service)
            },
            "deploy": deploy,
            "device_cgroup_rules": list(s.device_cgroup_rules),
            "devices": list(s.devices),
            "dns": list(s.dns),
            "dns_opt": list(s.dns_opt),
            "dns_search": list(s.dns_search),
            "domainname": s.domainname,
            "entrypoint": None if s.entrypoint is None else list(s.entrypoint),
            "environment": _sorted(s.environment),
            "expose": list(s.expose),
            "external_links": list(s.external_links),
            "extra_hosts": [each.replace(":", "=", 1) for each in s.extra_hosts],
            "group_add": list(s.group_add),
            "gpus": _devices(s.device_requests),
            "hostname": s.hostname,
            "healthcheck": None if s.healthcheck is None else _healthcheck(s.healthcheck),
            "image": None if s.build and s.image == f"{project.name}-{s.name}" else s.image,
            "init": s.init,
            "ipc": s.ipc,
            "isolation": s.isolation,
            "labels": _sorted(s.labels),
            "links": list(s.links),
            "logging": _filled({"driver": s.logging_driver, "options": _sorted(s.logging_options)}),
            **_memory(s.resources),
            "mac_address": s.mac_address,
            "network_mode": s.network_mode,
            "networks": {
                each.network: _attachment(each) for each in sorted(s.networks, key=lambda each: each.network)
            },
            **_killing(s.resources),
            "pid": s.pid,
            "platform": s.platform,
            "ports": [
                _filled(
                    {
                        "mode": "ingress",
                        "host_ip": p.host_ip,
                        "target": p.target,
                        "published": p.published,
                        "protocol": p.protocol,
                    }
                )
                for p in s.ports
            ],
            "privileged": s.privileged,
            "pull_policy": s.pull_policy,
            "read_only": s.read_only,
            "restart": s.restart,
            "runtime": s.runtime,
            "secrets": [_reference(each, "secrets") for each in s.given.get("secrets") or ()],
            "security_opt": list(s.security_opt),
            "shm_size": _text(s.shm_size),
            "stdin_open": s.stdin_open,
            "stop_grace_period": duration(s.stop_grace_period),
            "stop_signal": s.stop_signal,
            "storage_opt": _sorted(s.storage_opt),
            "sysctls": _sorted(s.sysctls),
            "tmpfs": list(s.tmpfs),
            "tty": s.tty,
            "ulimits": {
                u.name: u.soft if u.soft == u.hard else {"soft": u.soft, "hard": u.hard}
                for u in sorted(s.ulimits, key=lambda u: u.name)
            },
            "user": s.user,
            "userns_mode": s.userns_mode,
            "uts": s.uts,
            "volumes": [_mount(each) for each in s.mounts if each.target not in given],
            "volumes_from": list(s.volumes_from),
            "working_dir": s.working_dir,
            "post_start": [_hook(each) for each in s.post_start],
            "pre_stop": [_hook(each) for each in s.pre_stop],
        },
        meant=("attach", "command", "entrypoint", "init"),
    )
    return {**values, **_sorted_deep(s.extensions)}


def _processors(r: Resources) -> Plain:
    return {
        "cpu_period": r.cpu_period,
        "cpu_quota": r.cpu_quota,
        "cpu_rt_period": r.cpu_rt_period,
        "cpu_rt_runtime": r.cpu_rt_runtime,
        "cpuset": r.cpuset,
        "cpu_shares": r.cpu_shares,
    }


def _memory(r: Resources) -> Plain:
    return {
        "mem_reservation": _text(r.memory_reservation),
        "memswap_limit": _text(r.memory_swap),
        "mem_swappiness": _text(r.memory_swappiness),
    }


def _killing(r: Resources) -> Plain:
    return {"oom_kill_disable": r.oom_kill_disable, "oom_score_adj": r.oom_score_adj}


def _build(build: Build) -> Plain:
    return _filled(
        {
            "context": build.context,
            "dockerfile": "" if build.dockerfile_inline else build.dockerfile,
            "dockerfile_inline": build.dockerfile_inline,
            "args": _sorted(build.args),
            "labels": _sorted(build.labels),
            "cache_from": list(build.cache_from),
            "cache_to": list(build.cache_to),
            "additional_contexts": _sorted(build.additional_contexts),
            "secrets": [{"source": key} for key in build.secrets],
            "ssh": list(build.ssh),
            "ulimits": {each.name: {"soft": each.soft, "hard": each.hard} for each in build.ulimits},
            "entitlements": list(build.entitlements),
            "no_cache": build.no_cache,
            "pull": build.pull,
            "extra_hosts": [each.replace(":", "=", 1) for each in build.extra_hosts],
            "network": build.network,
            "target": build.target,
            "shm_size": _text(build.shm_size),
            "tags": list(build.tags),
            "platforms": [build.platform] if build.platform else [],
        }
    )


def _healthcheck(check: Healthcheck) -> Plain:
    return _filled(
        {
            "test": list(check.test),
            "timeout": duration(check.timeout),
            "interval": duration(check.interval),
            "retries": check.retries,
            "start_period": duration(check.start_period),
            "start_interval": duration(check.start_interval),
            "disable": check.disable,
        }
    )


def _attachment(each: Attachment) -> Plain | None:
    values = {
        "aliases": list(each.aliases),
        "driver_opts": _sorted(each.driver_opts),
        "gw_priority": each.gw_priority or None,
        "interface_name": each.interface_name,
        "ipv4_address": each.ipv4_address,
        "ipv6_address": each.ipv6_address,
        "link_local_ips": list(each.link_local_ips),
        "mac_address": each.mac_address,
        "priority": each.priority or None,
    }
    return _filled(values) or None


def _mount(mount: Mount) -> Plain:
    values = _filled(
        {"type": mount.type, "source": mount.source, "target": mount.target, "read_only": mount.read_only}
    )
    match mount.type:
        case "bind":
            values["bind"] = {
                **_filled({"propagation": mount.propagation, "selinux": mount.selinux}),
                "create_host_path": mount.create_host_path,
                **_filled({"recursive": mount.recursive}),
            }
        case "volume":
            values["volume"] = _filled(
                {"labels": _sorted(mount.labels), "nocopy": mount.nocopy, "subpath": mount.subpath}
            )
        case "tmpfs":
            values |= _filled({"tmpfs": _filled({"size": _text(mount.size), "mode": mount.mode})})
        case "image":
            values |= _filled({"image": _filled({"subpath": mount.subpath})})
    return values


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
            "driver": network.driver,
            "driver_opts": _sorted(network.driver_opts),
            "ipam": ipam,
            "external": network.external,
            "internal": network.internal,
            "attachable": network.attachable,
            "labels": _sorted(network.labels),
            "enable_ipv4": network.enable_ipv4,
            "enable_ipv6": network.enable_ipv6,
        },
        meant=("enable_ipv4", "enable_ipv6"),
    )


_POOL = {
    "Subnet": "subnet",
    "Gateway": "gateway",
    "IPRange": "ip_range",
    "AuxiliaryAddresses": "aux_addresses",
}


def _volume(volume: Volume) -> Plain:
    return _filled(
        {
            "name": volume.name,
            "driver": volume.driver,
            "driver_opts": _sorted(volume.driver_opts),
            "external": volume.external,
            "labels": _sorted(volume.labels),
        }
    )
