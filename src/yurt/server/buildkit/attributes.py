"""What a client asks of the Dockerfile frontend and of exporters, as texts by name, to values. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from yurt.dockerfile.remote import is_remote
from yurt.engine.build.cache_places import CLIENT, FOLDER, REGISTRY, CachePlace
from yurt.engine.build.model import BuildRequest
from yurt.engine.build.named_contexts import IMAGE, LAYOUT, LayoutPlace
from yurt.errors import InvalidArgument, Unimplemented
from yurt.server.buildkit.messages import CacheEntry, CacheOptions, Exporter, SolveRequest

FRONTEND = "dockerfile.v0"
BUILD_ARG, LABEL, CONTEXT, SESSION = "build-arg:", "label:", "context:", "local-sessionid:"
INPUT, LOCAL = "input:", "local:"
UPLOAD = "http://buildkit-session"  # an address that only the client's session answers
_SILENT = frozenset({
    "cmdline", "source", "hostname", "multi-platform", "frontend.caps", "contextkey", "dockerfilekey",
    "cache-from", "cache-imports",  # of the solve that this is a half of
})  # fmt: skip
_SILENT_PREFIXES = ("vcs:", "input-metadata:", SESSION)
_REFUSED = {
    "cgroup-parent": "--cgroup-parent",
}
KEPT, FILES, TAR = "image", "local", "tar"  # kinds of exports
ARCHIVES = ("oci", "docker")
_IMAGE_EXPORTERS = frozenset({"moby", "image"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A build as a client asks for it: *folders* are its names for Dockerfile and context, *sessions* who has them."""

    request: BuildRequest
    dockerfile_folder: str
    context_folder: str
    sessions: Mapping[str, str]  # by folder
    upload: str = ""  # the path of an archive that the client has in place of folders
    options: Mapping[str, str] = field(default_factory=dict)  # of the frontend, as they came
    question: str = ""  # about the Dockerfile, in place of a build: its name


def asked(
    frontend: str,
    options: Mapping[str, str],
    inputs: Mapping[str, str] | None = None,
    *,
    entitlements: Iterable[str] = (),
) -> Asked:
    """Return what the frontend's options ask for; raise Unimplemented for what is not offered here.

    *inputs* are results of other builds, by the name that options have for them: ids of images.
    """
    if frontend != FRONTEND:
        raise Unimplemented(
            f"the frontend {frontend or 'of raw LLB'} is not supported: only Dockerfiles are built"
        )
    prefixed: dict[str, dict[str, str]] = {BUILD_ARG: {}, LABEL: {}, CONTEXT: {}, SESSION: {}}
    for name, value in options.items():
        for prefix, found in prefixed.items():
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = value
    _check(options)
    elsewhere = prefixed[CONTEXT]
    addresses = {name: value for name, value in elsewhere.items() if is_remote(value)}
    layouts = {
        name: _store(LayoutPlace.parse(value.removeprefix(LAYOUT), in_origin=True))
        for name, value in elsewhere.items()
        if value.startswith(LAYOUT)
    }
    rest = {name: value for name, value in elsewhere.items() if name not in {*addresses, *layouts}}
    contexts = _images(rest, inputs or {})
    network = options.get("force-network-mode", "")
    context = options.get("context", "")
    is_upload = context.startswith(f"{UPLOAD}/")
    return Asked(
        BuildRequest(
            dockerfile=options.get("filename") or "Dockerfile",
            target=options.get("target", ""),
            build_args=prefixed[BUILD_ARG],
            labels=prefixed[LABEL],
            no_cache=options.get("no-cache") == "",
            no_cache_stages=frozenset(listed(options.get("no-cache", ""))),
            entitlements=frozenset(entitlements),
            pull=options.get("image-resolve-mode") == "pull",
            platform=options.get("platform", ""),
            network_mode="" if network in {"default", "sandbox"} else network,
            extra_hosts=tuple(_host(text) for text in listed(options.get("add-hosts", ""))),
            shm_size=_number("shm-size", options.get("shm-size", "")) or BuildRequest().shm_size,
            ulimits=tuple(_ulimit(text) for text in listed(options.get("ulimit", ""))),
            contexts=contexts,
            folders=frozenset(prefixed[CONTEXT]) - {*contexts, *addresses, *layouts},
            addresses=addresses,
            layouts=layouts,
            remote="" if is_upload else context,
            subdir=options.get("contextsubdir", ""),
        ),
        options.get("dockerfilekey") or "dockerfile",
        options.get("contextkey") or "context",
        prefixed[SESSION],
        context.removeprefix(UPLOAD) if is_upload else "",
        options,
        options.get("requestid", ""),
    )


def cached(
    request: SolveRequest, options: Mapping[str, str]
) -> tuple[tuple[CachePlace, ...], tuple[CachePlace, ...]]:
    """Return the places that build caches come from and go to, as the solve says or the frontend's options.

    Folders are the client's, in stores of its session. A source of a kind that is unknown here is left out.
    """
    cache = request.cache or CacheOptions()
    sources = cache.imports or _imports(options.get("cache-imports", ""))
    taken = [
        _in_session(CachePlace.source(each.type, each.attrs, stores=CLIENT))
        for each in sources
        if each.type in {REGISTRY, FOLDER}
    ]
    given = [_in_session(CachePlace.target(each.type, each.attrs, stores=CLIENT)) for each in cache.exports]
    return tuple(taken), tuple(given)


def _in_session(place: CachePlace) -> CachePlace:
    return replace(place, name=f"{LOCAL}{place.name}") if place.kind == CLIENT else place


def _store(place: LayoutPlace) -> LayoutPlace:
    return replace(place, name=f"oci:{place.name}")  # what the client's session calls it


def _imports(text: str) -> tuple[CacheEntry, ...]:
    """Return the sources in the option ``cache-imports``."""
    try:
        found = json.loads(text or "[]")
        return tuple(CacheEntry(str(each["Type"]), dict(each["Attrs"] or {})) for each in found)
    except (ValueError, TypeError, KeyError, RecursionError) as broken:
        raise InvalidArgument("the option cache-imports is no list of build caches") from broken


def _images(contexts: Mapping[str, str], inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the named contexts that are images; the others are folders of the client's, of that name."""
    found: dict[str, str] = {}
    for name, value in contexts.items():
        if value.startswith(IMAGE):
            found[name] = value.removeprefix(IMAGE)
        elif value.startswith(INPUT) and value.removeprefix(INPUT) in inputs:
            found[name] = inputs[value.removeprefix(INPUT)]
        elif value != f"{LOCAL}{name}":
            raise Unimplemented(
                f"the build context {name}={value} is not supported: use a folder, an image, an address or a layout"
            )
    return found


def _check(options: Mapping[str, str]) -> None:
    known = {
        "filename", "target", "no-cache", "image-resolve-mode", "platform", "force-network-mode", "add-hosts",
        "shm-size", "ulimit", "context", "contextsubdir", "requestid",
    }  # fmt: skip
    for name, value in options.items():
        if name in _REFUSED:
            raise Unimplemented(f"{_REFUSED[name]} is not supported")
        if name.startswith("attest:"):
            if "disabled=true" not in value.split(","):
                raise Unimplemented(
                    "attestations are not supported: build with --provenance=false --sbom=false"
                )
        elif not (name in known | _SILENT or name.startswith((BUILD_ARG, LABEL, CONTEXT, *_SILENT_PREFIXES))):
            raise Unimplemented(f"the build option {name}={value} is not supported")
    if "," in options.get("platform", ""):
        raise Unimplemented("one build makes an image for one platform: name one with --platform")


@dataclass(frozen=True, slots=True)
class Export:
    """What becomes of the image: by *kind* it stays here (IMAGE), or goes to the client, as files or in an archive.

    *names* are the image's there; *number* is what the client knows this export by.
    """

    kind: str
    names: tuple[str, ...] = ()
    number: int = 0


def exports(request: SolveRequest) -> tuple[Export, ...]:
    """Return what the request's exporters ask for; none: the image is built for the cache only."""
    exporters = request.exporters
    if not exporters and request.exporter:
        exporters = (Exporter(request.exporter, request.exporter_attrs),)
    found = []
    for number, exporter in enumerate(exporters):
        kind = KEPT if exporter.type in _IMAGE_EXPORTERS else exporter.type
        if kind not in {KEPT, FILES, TAR, *ARCHIVES}:
            raise Unimplemented(
                f"a build cannot be exported as {exporter.type}: take local, tar, oci, docker or image"
            )
        if kind in ARCHIVES and exporter.attrs.get("tar") == "false":
            raise Unimplemented(
                f"type={kind},tar=false is not supported: leave tar out, and unpack the archive"
            )
        found.append(Export(kind, listed(exporter.attrs.get("name", "")), number))
    return tuple(found)


def listed(text: str) -> tuple[str, ...]:
    """Return the parts of a list that is written with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _host(text: str) -> str:
    """``name=address`` becomes ``name:address``, as the engine has it."""
    name, _, address = text.partition("=")
    return f"{name}:{address}" if address else text


def _number(name: str, text: str) -> int:
    if text and not text.isdecimal():
        raise InvalidArgument(f"{name}={text} is not a number")
    return int(text or 0)


def _ulimit(text: str) -> tuple[str, int, int]:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        return name, int(soft), int(hard or soft)
    except ValueError as broken:
        raise InvalidArgument(f"ulimit {text}: write name=soft:hard") from broken
