"""One running container in the place of another: whether both can run at once, and the steps of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from yurt.compose.model import Service
from yurt.compose.observed import ObservedContainer
from yurt.compose.plan import Draft, Verb

_TEMPORARY = re.compile(r"[0-9a-f]{12}_(.+)")


def obstacle(service: Service, old: ObservedContainer, *, renew_anonymous: bool) -> str:
    """Return why two containers of *service* can't run side by side; empty if they can."""
    if service.network_mode == "host":
        return "it uses the host's network, whose ports only one can have"
    if service.network_mode.startswith(("service:", "container:")):
        return f"it lives in the network of {service.network_mode.partition(':')[2]}"
    if (
        any(each.ipv4_address or each.ipv6_address or each.mac_address for each in service.networks)
        or service.mac_address
    ):
        return "it has a fixed address, which only one can have"
    if service.rollover.order == "start-first":
        return ""
    shared = next((m for m in service.mounts if m.type == "volume" and m.source and not m.read_only), None)
    if shared is not None:
        return f"both would write to the volume {shared.source}"
    if old.anonymous and not renew_anonymous:
        return f"both would write to its volume at {old.anonymous[0][1]}"
    return ""


def original_name(name: str) -> str:
    """Return the name that a container with a temporary one is to get; empty for one that has its own."""
    found = _TEMPORARY.fullmatch(name)
    return found[1] if found else ""


def roll(
    draft: Draft,
    old: ObservedContainer,
    name: str,
    cause: str,
    *,
    publishes: bool,
    moves_ports: bool,
    renew_anonymous: bool = False,
    ready: Sequence[int] = (),
    gated: Callable[[], Sequence[int]] = tuple,
) -> int:
    """Plan that a new container proves itself beside *old* and takes over from it; returns the last step to wait for.

    Where ports can't be moved, one that *publishes* is tried without them first, and then swapped in.
    """
    temporary = f"{old.id[:12]}_{name}"
    trial = publishes and not moves_ports

    def add(verb: Verb, shown: str, why: str, *after: int, reference: str = "", withheld: str = "") -> int:
        return draft.add(
            verb,
            shown,
            why,
            after,
            reference=reference,
            service=old.service,
            index=old.number,
            replaces=old.id,
            withheld=withheld,
            volumes=verb is Verb.CREATE and renew_anonymous,
        )

    held = "all" if moves_ports else "ports" if trial else "nothing"
    first = f"{temporary}.trial" if trial else temporary
    created = add(Verb.CREATE, first, cause, *ready, withheld=held)
    started = add(Verb.START, first, "must prove itself", created, *gated())
    proved = add(Verb.PROVE, first, f"before it takes over from {name}", started)
    if trial:
        draft.notices.append(
            f"{old.service}: this engine can't move a published port between containers, so it is closed from the "
            "stop of the old one until the new one listens; Yurt's engine can"
        )
        made = add(Verb.CREATE, temporary, cause, proved, withheld="nothing")
        free = add(Verb.SWAP, temporary, f"takes over from {name}", made)
    else:
        moved = add(Verb.SUCCEED, temporary, f"from {name}", proved) if moves_ports else proved
        drained = add(Verb.DRAIN, name, "its last requests", moved, reference=old.id)
        free = add(Verb.STOP, name, f"succeeded by {created}", drained, reference=old.id)
    gone = add(Verb.REMOVE, name, "succeeded", free, reference=old.id)
    renamed = add(Verb.RENAME, name, f"takes the place of {old.id[:12]}", gone, reference=temporary)
    if trial:
        add(Verb.REMOVE, first, "has proved itself", renamed)
    return renamed
