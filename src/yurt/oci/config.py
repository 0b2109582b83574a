"""ImageConfig: what an image says about running it (OCI image specification, config.md, and Docker's additions)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from yurt.errors import InvalidArgument

MAX_BYTES = 8 << 20

_KNOWN = frozenset(
    {"architecture", "os", "variant", "created", "author", "config", "rootfs", "history"}
    # Docker's build-time leftovers: of a container that is gone, and that nothing reads.
    | {"container", "container_config", "docker_version", "id", "parent", "throwaway"}
)
_KNOWN_CONFIG = frozenset(
    {"Env", "Entrypoint", "Cmd", "User", "WorkingDir", "Labels", "ExposedPorts", "Volumes"}
    | {"StopSignal", "Shell", "OnBuild", "Healthcheck", "ArgsEscaped"}
)


@dataclass(frozen=True, slots=True)
class History:
    """How one step of an image came to be."""

    created: str = ""  # RFC 3339
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The configuration document of an image, parsed; `to_document` is the inverse of `from_document`.

    *healthcheck* keeps Docker's form (Test, Interval in nanoseconds, …), as it stands in the document.
    *other* and *other_config* hold what this version does not know, of the document and of its
    ``config`` part, so that it is not lost when an image is built on another.
    """

    architecture: str = "amd64"
    os: str = "linux"
    variant: str = ""
    created: str = ""  # RFC 3339
    author: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    shell: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()
    healthcheck: Mapping[str, Any] | None = None
    args_escaped: bool = False
    diff_ids: tuple[str, ...] = ()
    history: tuple[History, ...] = ()
    other: Mapping[str, Any] = field(default_factory=dict)
    other_config: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse a configuration blob; raise InvalidArgument when it is not one."""
        if len(data) > MAX_BYTES:
            raise InvalidArgument(f"invalid image configuration: it is larger than {MAX_BYTES} bytes")
        try:
            document = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidArgument(f"invalid image configuration: it is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise InvalidArgument("invalid image configuration: it is not a JSON object")
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the configuration in a decoded document; raise InvalidArgument where a field has a wrong shape."""
        run = _mapping(document, "config")
        rootfs = _mapping(document, "rootfs")
        if rootfs.get("type", "layers") != "layers":
            raise InvalidArgument(f"invalid image configuration: rootfs of type {rootfs['type']!r}")
        history = document.get("history")
        steps = [step for step in history if isinstance(step, dict)] if isinstance(history, list) else []
        return cls(
            architecture=_text(document, "architecture"),
            os=_text(document, "os") or "linux",
            variant=_text(document, "variant"),
            created=_text(document, "created"),
            author=_text(document, "author"),
            env=_texts(run, "Env"),
            entrypoint=_texts(run, "Entrypoint"),
            cmd=_texts(run, "Cmd"),
            user=_text(run, "User"),
            working_dir=_text(run, "WorkingDir"),
            labels={key: str(value) for key, value in _mapping(run, "Labels").items()},
            exposed_ports=tuple(_mapping(run, "ExposedPorts")),
            volumes=tuple(_mapping(run, "Volumes")),
            stop_signal=_text(run, "StopSignal"),
            shell=_texts(run, "Shell"),
            on_build=_texts(run, "OnBuild"),
            healthcheck=_mapping(run, "Healthcheck") or None,
            args_escaped=bool(run.get("ArgsEscaped")),
            diff_ids=_texts(rootfs, "diff_ids"),
            history=tuple(map(_history_from, steps)),
            other={key: value for key, value in document.items() if key not in _KNOWN},
            other_config={key: value for key, value in run.items() if key not in _KNOWN_CONFIG},
        )

    def to_document(self) -> dict[str, Any]:
        """Return the document; what is empty is left out, as Docker and the specification do."""
        run: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in sorted(self.exposed_ports)},
            "Env": list(self.env),
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Healthcheck": self.healthcheck,
            "Volumes": {path: {} for path in sorted(self.volumes)},
            "WorkingDir": self.working_dir,
            "Labels": dict(sorted(self.labels.items())),
            "StopSignal": self.stop_signal,
            "Shell": list(self.shell),
            "OnBuild": list(self.on_build),
            "ArgsEscaped": self.args_escaped,
        }
        optional: dict[str, Any] = {"variant": self.variant, "created": self.created, "author": self.author}
        return (
            {"architecture": self.architecture, "os": self.os}
            | _present(optional)
            | {
                "config": _present(run) | dict(self.other_config),
                "rootfs": {"type": "layers", "diff_ids": list(map(str, self.diff_ids))},
                "history": [_history_to(step) for step in self.history],
            }
            | dict(self.other)
        )

    def to_bytes(self) -> bytes:
        """Return the blob: its digest is the image's id."""
        return msgspec.json.encode(self.to_document())


def _history_from(step: Mapping[str, Any]) -> History:
    return History(
        created=_text(step, "created"),
        created_by=_text(step, "created_by"),
        comment=_text(step, "comment"),
        author=_text(step, "author"),
        empty_layer=bool(step.get("empty_layer")),
    )


def _history_to(step: History) -> dict[str, Any]:
    return _present(
        {
            "created": step.created,
            "created_by": step.created_by,
            "author": step.author,
            "comment": step.comment,
            "empty_layer": step.empty_layer,
        }
    )


def _present(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value}


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(key, "text")
    return value


def _texts(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = document.get(key)
    if value is None:
        return ()
    if isinstance(value, str):  # old images: a command given as one word
        return (value,)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(key, "a list of texts")
    return tuple(value)


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key, "an object")
    return value


def _wrong(key: str, expected: str) -> InvalidArgument:
    return InvalidArgument(f"invalid image configuration: {key} is not {expected}")
