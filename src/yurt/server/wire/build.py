"""``POST /build``: the query to the engine's BuildRequest, and its events to the lines of the answer."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from yurt.api import build_extras
from yurt.api.types.containers import Ulimit
from yurt.api.types.stream import StreamLine
from yurt.dockerfile.remote import is_remote
from yurt.engine.build.cache_places import CachePlace, words_of
from yurt.engine.build.model import (
    BuildEvent,
    BuildRequest,
    Built,
    CacheExported,
    Failed,
    Output,
    Pulling,
    Warned,
)
from yurt.engine.build.named_contexts import IMAGE, LAYOUT, LayoutPlace
from yurt.engine.build.order import InOrder
from yurt.errors import InvalidArgument, Unimplemented
from yurt.server.call import Call, decode
from yurt.server.wire import progress, registry

if TYPE_CHECKING:  # most engines never build
    from yurt.engine.build.origin import Archive

CLASSIC = "1"
WITHOUT_EFFECT = (
    "cpushares",
    "cpusetcpus",
    "cpusetmems",
    "cpuperiod",
    "cpuquota",
    "memswap",
    "cgroupparent",
)
NOT_ASKED = frozenset({"", "0", "null", "[]"})  # what clients send for what nobody asked for
FOLDER = "folder:"  # begins the folder of the archive that a further context is
TAIL = 20  # lines of a failed step's output that are told again
DEFAULT_SHM = 64 * 1024 * 1024


def request(call: Call) -> BuildRequest:
    if call.text("version", CLASSIC) not in {"", CLASSIC}:
        raise Unimplemented(
            "this endpoint speaks the classic builder's protocol only",
            hint="BuildKit's clients call /grpc and /session",
        )
    if call.flag("squash"):
        raise Unimplemented("squashing layers is not supported", hint="leave --squash out")
    if (isolation := call.text("isolation")) not in {"", "default"}:
        raise InvalidArgument(f'unsupported isolation: "{isolation}"', hint="leave --isolation out")
    if call.text("securityopt") not in NOT_ASKED:
        raise InvalidArgument(
            "security options are not supported on linux", hint="a RUN with --security says what it may"
        )
    if call.text("outputs") not in NOT_ASKED:
        raise Unimplemented(
            "this endpoint builds images only", hint="leave --output out, or build with BuildKit's client"
        )
    network, remote = call.text("networkmode"), call.text("remote")
    contexts = call.json_of("contexts", dict[str, str]) or {}
    return BuildRequest(
        tags=tuple(tag for tag in call.texts("t") if tag),
        dockerfile=call.text("dockerfile") or "Dockerfile",
        target=call.text("target"),
        build_args=call.json_of("buildargs", dict[str, str | None]) or {},
        labels=call.json_of("labels", dict[str, str]) or {},
        no_cache=call.flag("nocache"),
        pull=call.flag("pull"),
        quiet=call.flag("q"),
        platform=call.text("platform"),
        network_mode="" if network == "default" else network,
        extra_hosts=_hosts(call.text("extrahosts")),
        shm_size=call.integer("shmsize") or DEFAULT_SHM,
        memory=max(call.integer("memory") or 0, 0),
        ulimits=tuple(
            (limit.name, limit.soft, limit.hard) for limit in call.json_of("ulimits", list[Ulimit]) or ()
        ),
        entitlements=frozenset(call.texts("allow")),
        no_cache_stages=frozenset(call.texts("nocachefilter")),
        remote="" if remote == "client-session" else remote,
        contexts=_starting(contexts, IMAGE),
        folders=frozenset(_starting(contexts, FOLDER)),
        layouts={name: LayoutPlace.parse(text) for name, text in _starting(contexts, LAYOUT).items()},
        addresses={name: text for name, text in contexts.items() if is_remote(text)},
        cache_from=_places(call, "cachefrom", CachePlace.source),
        cache_to=_places(call, "cacheto", CachePlace.target),
        title=call.text("title"),
    )


def _starting(contexts: dict[str, str], mark: str) -> dict[str, str]:
    """Return the contexts that begin with *mark*, without it."""
    return {name: text.removeprefix(mark) for name, text in contexts.items() if text.startswith(mark)}


def _places(
    call: Call, name: str, place: Callable[[str, dict[str, str]], CachePlace]
) -> tuple[CachePlace, ...]:
    """Return the build caches in a JSON list: names of images, or Yurt's own clients' ``type=…``."""
    return tuple(place(*words_of(text)) for text in call.json_of(name, list[str]) or ())


def warnings(call: Call) -> tuple[StreamLine, ...]:
    """Return a line for each wish that builds here do not fulfil, but that does not change what is built."""
    asked = [name for name in WITHOUT_EFFECT if call.text(name) not in NOT_ASKED]
    return tuple(StreamLine(stream=f"[Warning] {name} has no effect on builds here\n") for name in asked)


def origin(call: Call) -> "Archive":
    from yurt.engine.build.origin import Archive

    headers = call.request.headers
    secrets, agents = build_extras.from_headers(headers)
    auths = registry.auths(headers.get("X-Registry-Config"))
    contexts = _starting(call.json_of("contexts", dict[str, str]) or {}, FOLDER)
    return Archive(call.chunks(), auths=auths, secrets=secrets, agents=agents, contexts=contexts)


def _hosts(text: str) -> tuple[str, ...]:
    """Clients send ``name:ip,name:ip`` or a JSON list of them."""
    if not text:
        return ()
    if text.startswith("["):
        return tuple(decode(text.encode(), list[str]))
    hosts = tuple(text.split(","))
    if not all(":" in host for host in hosts):
        raise InvalidArgument(f"invalid extra hosts {text!r}", hint="write name:address")
    return hosts


class Lines:
    """The lines of one build, as its events come in: stages that run at once are told one after the other."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._order = InOrder()
        self._has_begun = False

    def begin(self) -> list[StreamLine]:
        return []

    def of(self, event: BuildEvent) -> list[StreamLine]:
        told = [line for each in self._order.take(event) for line in lines(each, quiet=self._quiet)]
        if isinstance(event, Failed) and event.step and self._quiet:
            return [StreamLine(stream=failure(event))]  # what the step said is all there is to find out why
        if isinstance(event, Failed) and not self._has_begun:
            return []  # then the error is the answer's status
        self._has_begun = self._has_begun or bool(told)
        return told


def failure(event: Failed) -> str:
    """Return what people need to see of a failed step, and where in the Dockerfile it stands."""
    said = ""
    if event.step:
        tail = "".join(f"{line}\n" for line in event.tail.splitlines()[-TAIL:])
        said = f"------\n > {event.step}:\n{tail}------\n"
    return f"{said}{event.excerpt}"


def lines(event: BuildEvent, *, quiet: bool) -> tuple[StreamLine, ...]:
    """Return what the client is told; with *quiet* the image's id is the one thing said, as in Docker."""
    if isinstance(event, Built):
        return (
            (StreamLine(stream=event.image_id + "\n"),)
            if quiet
            else (StreamLine(aux={"ID": event.image_id}),)
        )
    if quiet:
        return ()
    if isinstance(event, CacheExported):
        return (StreamLine(aux={"CacheManifest": str(event.manifest.digest)}),)
    if isinstance(event, Output):
        return (StreamLine(stream=event.text),)
    if isinstance(event, Failed):
        return (StreamLine(stream=failure(event)),)
    if isinstance(event, Warned):
        return (StreamLine(stream=f"[Warning] {event.finding}\n"),)
    if isinstance(event, Pulling):
        return (progress.to_wire(event.progress),)
    return ()
