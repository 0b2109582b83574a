"""The messages of BuildKit's services that clients of the docker driver send and read. Field numbers are facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from yurt.server.buildkit.protobuf import blob, blobs, flag, mapping, message, messages, number, text, texts


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing, or nothing that counts here."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    seconds: int = number(1)
    nanos: int = number(2)

    @classmethod
    def of(cls, nanoseconds: int) -> Self:
        """Return the time that is so many nanoseconds after 1970."""
        return cls(*divmod(nanoseconds, 1_000_000_000))


@dataclass(frozen=True, slots=True)
class Any:
    type_url: str = text(1)
    value: bytes = blob(2)


@dataclass(frozen=True, slots=True)
class Status:
    """google.rpc.Status: an error with its details."""

    code: int = number(1)
    message: str = text(2)
    details: tuple[Any, ...] = messages(3, Any)


# moby.buildkit.v1.Control


@dataclass(frozen=True, slots=True)
class Platform:
    architecture: str = text(1)
    os: str = text(2)
    variant: str = text(3)


@dataclass(frozen=True, slots=True)
class BuildkitVersion:
    package: str = text(1)
    version: str = text(2)
    revision: str = text(3)


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    id: str = text(1)
    labels: Mapping[str, str] = mapping(2)
    platforms: tuple[Platform, ...] = messages(3, Platform)
    version: BuildkitVersion | None = message(5, BuildkitVersion)


@dataclass(frozen=True, slots=True)
class ListWorkersResponse:
    record: tuple[WorkerRecord, ...] = messages(1, WorkerRecord)


@dataclass(frozen=True, slots=True)
class InfoResponse:
    version: BuildkitVersion | None = message(1, BuildkitVersion)


@dataclass(frozen=True, slots=True)
class Exporter:
    type: str = text(1)
    attrs: Mapping[str, str] = mapping(2)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A place that a build cache comes from or goes to."""

    type: str = text(1)
    attrs: Mapping[str, str] = mapping(2)


@dataclass(frozen=True, slots=True)
class CacheOptions:
    exports: tuple[CacheEntry, ...] = messages(4, CacheEntry)
    imports: tuple[CacheEntry, ...] = messages(5, CacheEntry)


@dataclass(frozen=True, slots=True)
class SolveRequest:
    """Control/Solve: what becomes of the result; with a *frontend*, also what is built."""

    ref: str = text(1)
    definition: bytes = blob(2)
    exporter: str = text(3)  # clients before 0.13
    exporter_attrs: Mapping[str, str] = mapping(4)
    session: str = text(5)
    frontend: str = text(6)
    frontend_attrs: Mapping[str, str] = mapping(7)
    cache: CacheOptions | None = message(8, CacheOptions)
    entitlements: tuple[str, ...] = texts(9)
    frontend_inputs: Mapping[str, bytes] = mapping(10, blob)
    internal: bool = flag(11)
    exporters: tuple[Exporter, ...] = messages(13, Exporter)


@dataclass(frozen=True, slots=True)
class SolveResponse:
    exporter_response: Mapping[str, str] = mapping(1)


@dataclass(frozen=True, slots=True)
class StatusRequest:
    ref: str = text(1)


@dataclass(frozen=True, slots=True)
class Vertex:
    digest: str = text(1)
    inputs: tuple[str, ...] = texts(2)
    name: str = text(3)
    cached: bool = flag(4)
    started: Timestamp | None = message(5, Timestamp)
    completed: Timestamp | None = message(6, Timestamp)
    error: str = text(7)


@dataclass(frozen=True, slots=True)
class VertexStatus:
    id: str = text(1)
    vertex: str = text(2)
    name: str = text(3)
    current: int = number(4)
    total: int = number(5)
    timestamp: Timestamp | None = message(6, Timestamp)
    started: Timestamp | None = message(7, Timestamp)
    completed: Timestamp | None = message(8, Timestamp)


@dataclass(frozen=True, slots=True)
class VertexLog:
    vertex: str = text(1)
    timestamp: Timestamp | None = message(2, Timestamp)
    stream: int = number(3)
    msg: bytes = blob(4)


@dataclass(frozen=True, slots=True)
class Position:
    line: int = number(1)
    character: int = number(2)


@dataclass(frozen=True, slots=True)
class Range:
    start: Position | None = message(1, Position)
    end: Position | None = message(2, Position)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    filename: str = text(1)
    data: bytes = blob(2)
    language: str = text(4)


@dataclass(frozen=True, slots=True)
class VertexWarning:
    vertex: str = text(1)
    level: int = number(2)
    short: bytes = blob(3)
    detail: tuple[bytes, ...] = blobs(4)
    url: str = text(5)
    info: SourceInfo | None = message(6, SourceInfo)
    ranges: tuple[Range, ...] = messages(7, Range)


@dataclass(frozen=True, slots=True)
class StatusResponse:
    vertexes: tuple[Vertex, ...] = messages(1, Vertex)
    statuses: tuple[VertexStatus, ...] = messages(2, VertexStatus)
    logs: tuple[VertexLog, ...] = messages(3, VertexLog)
    warnings: tuple[VertexWarning, ...] = messages(4, VertexWarning)


@dataclass(frozen=True, slots=True)
class BytesMessage:
    """A piece of a session that is led through Control/Session."""

    data: bytes = blob(1)


@dataclass(frozen=True, slots=True)
class UsageRecord:
    id: str = text(1)
    mutable: bool = flag(2)
    in_use: bool = flag(3)
    size: int = number(4)
    created_at: Timestamp | None = message(6, Timestamp)
    last_used_at: Timestamp | None = message(7, Timestamp)
    usage_count: int = number(8)
    description: str = text(9)
    record_type: str = text(10)
    shared: bool = flag(11)


@dataclass(frozen=True, slots=True)
class PruneRequest:
    filter: tuple[str, ...] = texts(1)
    all: bool = flag(2)
    keep_duration: int = number(3)  # nanoseconds
    reserved_space: int = number(4)
    max_used_space: int = number(5)
    min_free_space: int = number(6)


@dataclass(frozen=True, slots=True)
class DiskUsageResponse:
    record: tuple[UsageRecord, ...] = messages(1, UsageRecord)


# moby.buildkit.v1.frontend.LLBBridge


@dataclass(frozen=True, slots=True)
class ApiCap:
    id: str = text(1)
    enabled: bool = flag(2)


@dataclass(frozen=True, slots=True)
class PongResponse:
    frontend_caps: tuple[ApiCap, ...] = messages(1, ApiCap)
    llb_caps: tuple[ApiCap, ...] = messages(2, ApiCap)
    workers: tuple[WorkerRecord, ...] = messages(3, WorkerRecord)


@dataclass(frozen=True, slots=True)
class FrontendSolveRequest:
    """LLBBridge/Solve: what is built."""

    definition: bytes = blob(1)
    frontend: str = text(2)
    frontend_opt: Mapping[str, str] = mapping(3)
    frontend_inputs: Mapping[str, bytes] = mapping(13, blob)


@dataclass(frozen=True, slots=True)
class Source:
    identifier: str = text(1)


@dataclass(frozen=True, slots=True)
class Input:
    digest: str = text(1)


@dataclass(frozen=True, slots=True)
class Op:
    inputs: tuple[Input, ...] = messages(1, Input)
    source: Source | None = message(3, Source)


@dataclass(frozen=True, slots=True)
class Definition:
    """A graph of encoded Ops, the last of which only names the one that is the result.

    Clients take a graph with no *metadata* (by digest of the Op) for none.
    """

    ops: tuple[bytes, ...] = blobs(1)
    metadata: Mapping[str, bytes] = mapping(2, blob)


@dataclass(frozen=True, slots=True)
class Ref:
    """A result: *definition* comes back when it is an input of another build."""

    id: str = text(1)
    definition: Definition | None = message(2, Definition)


@dataclass(frozen=True, slots=True)
class Result:
    """Either *ref*, or *refs* by platform, which is only recognized here."""

    ref: Ref | None = message(3, Ref)
    refs: bytes = blob(4)
    metadata: Mapping[str, bytes] = mapping(10, blob)


@dataclass(frozen=True, slots=True)
class FrontendSolveResponse:
    result: Result | None = message(3, Result)


@dataclass(frozen=True, slots=True)
class ReturnRequest:
    result: Result | None = message(1, Result)
    error: Status | None = message(2, Status)


# moby.filesync.v1: fsutil's packets, credentials


@dataclass(frozen=True, slots=True)
class Stat:
    """A file as its owner sees it. *mode* holds Go's file mode bits, *mod_time* nanoseconds."""

    path: str = text(1)
    mode: int = number(2)
    uid: int = number(3)
    gid: int = number(4)
    size: int = number(5)
    mod_time: int = number(6)
    linkname: str = text(7)


@dataclass(frozen=True, slots=True)
class Packet:
    type: int = number(1)
    stat: Stat | None = message(2, Stat)
    id: int = number(3)
    data: bytes = blob(4)


@dataclass(frozen=True, slots=True)
class CredentialsRequest:
    host: str = text(1)


@dataclass(frozen=True, slots=True)
class CredentialsResponse:
    username: str = text(1)
    secret: str = text(2)


# moby.sshforward.v1.SSH


@dataclass(frozen=True, slots=True)
class CheckAgentRequest:
    id: str = text(1)


# moby.buildkit.secrets.v1.Secrets


@dataclass(frozen=True, slots=True)
class GetSecretRequest:
    id: str = text(1)


@dataclass(frozen=True, slots=True)
class GetSecretResponse:
    data: bytes = blob(1)


# containerd.services.content.v1.Content, as a session offers it for a client's folders of blobs


@dataclass(frozen=True, slots=True)
class InfoOfContentRequest:
    digest: str = text(1)


@dataclass(frozen=True, slots=True)
class ReadContentRequest:
    digest: str = text(1)
    offset: int = number(2)
    size: int = number(3)  # 0: all


@dataclass(frozen=True, slots=True)
class ReadContentResponse:
    offset: int = number(1)
    data: bytes = blob(2)


@dataclass(frozen=True, slots=True)
class WriteContentRequest:
    """A piece of the blob *expected*, of *total* bytes, or the end of it. *ref* names the transfer."""

    action: int = number(1)
    ref: str = text(2)
    total: int = number(3)
    expected: str = text(4)
    offset: int = number(5)
    data: bytes = blob(6)


@dataclass(frozen=True, slots=True)
class WriteContentResponse:
    action: int = number(1)
    offset: int = number(4)
