"""BuildKit's services as clients of the docker driver use them: Control, and the gateway (LLBBridge) of a solve.

A client solves in two halves. Control/Solve says what becomes of the result and answers when all is done; with
the same reference, LLBBridge/Solve says what is built, and Return hands the result over to the first half.
Control/Status watches meanwhile. A frontend named in Control/Solve itself is built there and then.
"""

import hashlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import yurt
from yurt.engine.build.checking import Examined
from yurt.engine.build.model import Activity, BuildEvent, BuildRequest, Built, CacheExported, Warned
from yurt.engine.build.origin import Origin
from yurt.engine.build.pruning import MOUNT, CacheEntry, PruneLimits
from yurt.engine.images.model import Image, Pruned
from yurt.errors import Internal, NotFound, Unimplemented, YurtError
from yurt.oci.descriptor import Descriptor
from yurt.oci.platform import Platform as OciPlatform
from yurt.oci.reference import Reference
from yurt.server.buildkit import messages as wire
from yurt.server.buildkit.attributes import (
    ARCHIVES,
    FILES,
    KEPT,
    Asked,
    Export,
    asked,
    cached,
    exports,
    listed,
)
from yurt.server.buildkit.delivery import send_archive, send_files
from yurt.server.buildkit.failures import failure
from yurt.server.buildkit.grpc import Exchange, GrpcError, Handler
from yurt.server.buildkit.jobs import Job, Jobs
from yurt.server.buildkit.origin import LOAD_DEFINITION, SessionOrigin
from yurt.server.buildkit.progress import ImageExport, Narrator
from yurt.server.buildkit.protobuf import decode, encode
from yurt.server.buildkit.questions import answer
from yurt.server.buildkit.sessions import Sessions

CONTROL = "/moby.buildkit.v1.Control"
GATEWAY = "/moby.buildkit.v1.frontend.LLBBridge"
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
BUILD_ID = "buildkit-controlapi-buildid"
GATEWAY_CAPS = (
    "frontend.caps", "frontend.inputs", "gateway.evaluate", "gateway.solve.metadata", "proto.refarray",
    "reference.output", "return", "returnmap", "solve.inlinereturn",
)  # fmt: skip
LLB_CAPS = (
    "exec.meta.network", "exec.meta.setsdefaultpath", "exec.meta.ulimit", "exec.mount.bind", "exec.mount.cache",
    "exec.mount.cache.sharing", "exec.mount.secret", "exec.mount.ssh", "exec.meta.security", "exec.mount.tmpfs", "exec.mount.tmpfs.size", "exec.secretenv",
    "file.base", "meta.description", "platform", "source.image", "source.image.resolvemode", "source.local",
    "source.local.excludepatterns", "source.local.followpaths", "source.local.sessionid",
    "source.local.sharedkeyhint",
)  # fmt: skip
VERSION = wire.BuildkitVersion("yurt", f"v{yurt.__version__}", "")
DELIVERY = "delivery"
WORKER = {
    "org.mobyproject.buildkit.worker.hostname": "yurt",
    # Buildx asks the docker driver for exports of caches and archives only where images are containerd's.
    "org.mobyproject.buildkit.worker.snapshotter": "overlayfs",
}
OUR_IMAGE = "yurt-image://"


class Builds(Protocol):
    """What is needed of the engine's builder."""

    def build(self, request: BuildRequest, origin: Origin) -> AsyncIterator[BuildEvent]: ...
    async def examine(self, request: BuildRequest, origin: Origin) -> Examined: ...
    async def cache_entries(self) -> tuple[CacheEntry, ...]: ...
    async def prune(self, limits: PruneLimits | None = None) -> Pruned: ...
    def files_of(self, image: Image) -> AbstractAsyncContextManager[Path]: ...
    def packed(self, folder: Path) -> AsyncIterator[bytes]: ...


class Workshop(Protocol):
    """Makes the builder when it is first needed."""

    async def builds(self) -> Builds: ...


class Images(Protocol):
    """What is needed of the engine's images."""

    @property
    def platform(self) -> OciPlatform: ...
    def get(self, ref: str) -> Image: ...
    async def tag(self, image: Image, reference: str) -> Image: ...
    def archive(self, image: Image, references: Sequence[Reference]) -> AsyncIterator[bytes]: ...


class Control:
    """Answers the calls of every client; jobs and sessions are common to all connections."""

    def __init__(self, workshop: Workshop, images: Images, sessions: Sessions) -> None:
        self._workshop = workshop
        self._images = images
        self._sessions = sessions
        self._jobs = Jobs()

    def methods(self) -> Mapping[str, Handler]:
        """Return the handlers by path; what is not here is refused with Unimplemented."""
        return {
            f"{CONTROL}/ListWorkers": self.list_workers,
            f"{CONTROL}/Info": self.info,
            f"{CONTROL}/Solve": self.solve,
            f"{CONTROL}/Status": self.status,
            f"{CONTROL}/Session": self._sessions.serve_tunnel,
            f"{CONTROL}/DiskUsage": self.disk_usage,
            f"{CONTROL}/Prune": self.prune,
            f"{GATEWAY}/Ping": self.ping,
            f"{GATEWAY}/Solve": self.solve_frontend,
            f"{GATEWAY}/Evaluate": self.evaluate,
            f"{GATEWAY}/Return": self.take_result,
            TRACES: self.drop_traces,
        }

    async def list_workers(self, exchange: Exchange) -> None:
        await exchange.send(wire.ListWorkersResponse((self._worker(),)))

    async def info(self, exchange: Exchange) -> None:
        await exchange.send(wire.InfoResponse(VERSION))

    async def solve(self, exchange: Exchange) -> None:
        """Run a job from its request to the export of its result."""
        request = await exchange.request(wire.SolveRequest)
        if request.definition or request.frontend_inputs:
            raise Unimplemented("building from LLB is not supported: only Dockerfiles are built")
        async with self._jobs.run(request) as job:
            wanted = exports(request)
            narrator = Narrator(f"{request.ref} export", job.publish)
            if request.frontend:
                image_id = await self._build(
                    job, asked(request.frontend, request.frontend_attrs, entitlements=request.entitlements)
                )
            else:
                image_id = await self._returned(job)
            response: dict[str, str] = {}
            for each in wanted:
                if image_id and each.kind != KEPT:
                    await self._deliver(job, self._images.get(image_id), each)
            if image_id and any(each.kind == KEPT for each in wanted):
                names = [name for each in wanted if each.kind == KEPT for name in each.names]
                response = await self._export(self._images.get(image_id), names, narrator)
        await exchange.send(wire.SolveResponse(response | job.response))

    async def status(self, exchange: Exchange) -> None:
        """Tell the progress of a job until it is over."""
        request = await exchange.request(wire.StatusRequest)
        await exchange.begin()
        job = await self._jobs.find(request.ref)
        async for news in job.watch():
            await exchange.send(news)

    async def ping(self, exchange: Exchange) -> None:
        await self._job(exchange)
        await exchange.send(
            wire.PongResponse(
                tuple(wire.ApiCap(name, enabled=True) for name in GATEWAY_CAPS),
                tuple(wire.ApiCap(name, enabled=True) for name in LLB_CAPS),
                (self._worker(),),
            )
        )

    async def solve_frontend(self, exchange: Exchange) -> None:
        """Build; the answer names the result with a reference that counts within the job."""
        request = await exchange.request(wire.FrontendSolveRequest)
        if request.definition:
            raise Unimplemented("building from LLB is not supported: only Dockerfiles are built")
        inputs = {name: image_of(data) for name, data in request.frontend_inputs.items()}
        job = await self._job(exchange)
        what = asked(request.frontend, request.frontend_opt, inputs, entitlements=job.request.entitlements)
        if what.question:
            result = wire.Result(metadata=await self._answer(job, what))
            await exchange.send(wire.FrontendSolveResponse(result))
            return
        image_id = await self._build(job, what)
        reference = wire.Ref(uuid.uuid4().hex, definition_of(image_id))
        job.images[reference.id] = image_id
        await exchange.send(wire.FrontendSolveResponse(wire.Result(reference)))

    async def evaluate(self, exchange: Exchange) -> None:
        """A result is handed out only when it is made."""
        await exchange.send(wire.Empty())

    async def take_result(self, exchange: Exchange) -> None:
        """Hand a frontend's result, or its failure, to the solve that waits for it."""
        request = await exchange.request(wire.ReturnRequest)
        job = await self._job(exchange)
        if not job.returned.done():
            job.returned.set_result(request)
        await exchange.send(wire.Empty())

    async def disk_usage(self, exchange: Exchange) -> None:
        entries = await (await self._workshop.builds()).cache_entries()
        await exchange.send(wire.DiskUsageResponse(tuple(map(_usage, entries))))

    async def prune(self, exchange: Exchange) -> None:
        """Tell what went. Of filters those of times only; clients send them as durations."""
        request = await exchange.request(wire.PruneRequest)
        if any(request.filter):
            raise Unimplemented(
                f"the build cache cannot be pruned by {request.filter[0]}",
                hint="filter by until, or by --max-used-space and --reserved-space",
            )
        builds = await self._workshop.builds()
        before = {entry.key: entry for entry in await builds.cache_entries()}
        pruned = await builds.prune(
            PruneLimits(
                until_ns=time.time_ns() - request.keep_duration if request.keep_duration else 0,
                max_used=request.max_used_space or None,
                min_free=request.min_free_space,
                reserved=request.reserved_space,
            )
        )
        left = {entry.key for entry in await builds.cache_entries()}
        gone = [entry for key, entry in before.items() if key not in left]
        await exchange.begin()
        for entry in gone:
            await exchange.send(_usage(entry))
        if (rest := pruned.freed - sum(entry.freed for entry in gone)) > 0:
            await exchange.send(wire.UsageRecord("build cache", size=rest, record_type="regular"))

    async def drop_traces(self, exchange: Exchange) -> None:
        """Clients send what they measured of themselves; nobody here looks at it."""
        await exchange.send(wire.Empty())

    async def _job(self, exchange: Exchange) -> Job:
        return await self._jobs.find(exchange.metadata.get(BUILD_ID, ""))

    async def _returned(self, job: Job) -> str:
        """Wait for the frontend's result; return the id of its image, empty when it has none."""
        returned = await job.returned
        if returned.error is not None and returned.error.code:
            raise GrpcError(returned.error)
        result = returned.result
        if result is None or result.ref is None or not result.ref.id:
            return ""
        if result.ref.id not in job.images:
            raise NotFound(f"the result {result.ref.id} is none of this build's")
        return job.images[result.ref.id]

    async def _answer(self, job: Job, what: Asked) -> dict[str, bytes]:
        """Answer a question about a Dockerfile, as metadata of a result that is no image."""
        narrator = Narrator(f"{job.request.ref} {uuid.uuid4().hex}", job.publish)
        origin = SessionOrigin(what, job.request.session, self._sessions, narrator)
        builds = await self._workshop.builds()
        with job.building():
            try:
                return answer(
                    what.question,
                    what.request,
                    await builds.examine(what.request, origin),
                    platform=what.request.platform or str(self._images.platform),
                )
            except YurtError as error:
                raise failure(
                    error, name=what.request.dockerfile, dockerfile=origin.dockerfile_text
                ) from error

    async def _build(self, job: Job, what: Asked) -> str:
        """Build; return the image's id. The build ends with its job, or with the caller."""
        narrator = Narrator(f"{job.request.ref} {uuid.uuid4().hex}", job.publish)
        origin = SessionOrigin(what, job.request.session, self._sessions, narrator)
        builds = await self._workshop.builds()
        with job.building():
            try:
                cache_from, cache_to = cached(job.request, what.options)
                request = replace(
                    what.request,
                    ref=job.request.ref,
                    title=_title(job, what.request),
                    cache_from=cache_from,
                    cache_to=cache_to,
                )
                async for event in builds.build(request, origin):
                    if isinstance(event, Built):
                        return event.image_id
                    if isinstance(event, CacheExported):
                        job.response["cache.manifest"] = _descriptor(event.manifest)
                    if isinstance(event, Warned):
                        text = origin.dockerfile_text
                        source = wire.SourceInfo(what.request.dockerfile, text, "Dockerfile")
                        narrator.warn(LOAD_DEFINITION, event.finding, source=source)
                    narrator.take(event)
            except YurtError as error:
                failed = failure(error, name=what.request.dockerfile, dockerfile=origin.dockerfile_text)
                narrator.fail(failed.status.message)
                raise failed from error
        raise Internal("the build ended without an image")

    async def _deliver(self, job: Job, image: Image, wanted: Export) -> None:
        """Send the image, or its files, to the client."""
        narrator = Narrator(f"{job.request.ref} export {wanted.number}", job.publish)
        narrator.announce(Activity(DELIVERY, _delivering(wanted.kind)))
        narrator.begin(DELIVERY)
        builds = await self._workshop.builds()
        try:
            session = await self._sessions.find(job.request.session)
            if wanted.kind in ARCHIVES:
                names = [Reference.parse(name).tagged() for name in wanted.names]
                await send_archive(session, wanted.number, self._images.archive(image, names))
            else:
                async with builds.files_of(image) as folder:
                    if wanted.kind == FILES:
                        await send_files(session, wanted.number, folder)
                    else:
                        await send_archive(session, wanted.number, builds.packed(folder))
        except YurtError as error:
            narrator.end(DELIVERY, error=error.message)
            raise
        narrator.end(DELIVERY)

    async def _export(self, image: Image, names: list[str], narrator: Narrator) -> dict[str, str]:
        """Name the image; return what the client is told of it."""
        export = ImageExport(narrator, image.id)
        named = [Reference.parse(name).tagged() for name in names]
        try:
            for reference in named:
                await self._images.tag(image, str(reference))
                export.named(reference)
        except YurtError as error:
            export.end(error=error.message)
            raise
        export.end()
        response = {"containerimage.digest": str(image.id), "containerimage.config.digest": str(image.id)}
        if named:
            response["image.name"] = ",".join(reference.canonical for reference in named)
        return response

    def _worker(self) -> wire.WorkerRecord:
        platform = self._images.platform
        return wire.WorkerRecord(
            "yurt",
            WORKER,
            (wire.Platform(platform.architecture, "linux", platform.variant),),
            VERSION,
        )


def _delivering(kind: str) -> str:
    """Return what BuildKit calls it."""
    if kind in ARCHIVES:
        return f"exporting to {kind} image format"
    return f"exporting to client {'directory' if kind == FILES else 'tarball'}"


def _title(job: Job, request: BuildRequest) -> str:
    """Return what the history calls the build: the names that its image gets, else what is built of what."""
    names = [name for each in job.request.exporters for name in listed(each.attrs.get("name", ""))]
    return ", ".join(names) or request.remote or request.target or request.dockerfile


def _descriptor(blob: Descriptor) -> str:
    return json.dumps({"mediaType": blob.media_type, "digest": str(blob.digest), "size": blob.size})


def _usage(entry: CacheEntry) -> wire.UsageRecord:
    return wire.UsageRecord(
        entry.key[:25],
        mutable=entry.kind == MOUNT,
        in_use=entry.in_use,
        size=entry.size,
        created_at=wire.Timestamp.of(entry.created_ns),
        last_used_at=wire.Timestamp.of(entry.used_ns),
        usage_count=entry.uses,
        description=entry.description,
        record_type=entry.kind,
        shared=entry.shared,
    )


def definition_of(image_id: str) -> wire.Definition:
    """Return a graph that says nothing but which image of ours a result is: clients bring it back as an input."""
    op = encode(wire.Op(source=wire.Source(f"{OUR_IMAGE}{image_id}")))
    digest = f"sha256:{hashlib.sha256(op).hexdigest()}"
    return wire.Definition((op, encode(wire.Op(inputs=(wire.Input(digest),)))), {digest: b""})


def image_of(definition: bytes) -> str:
    """Return the image's id that `definition_of` put in; raise Unimplemented for a graph of anyone else's."""
    for data in decode(wire.Definition, definition).ops:
        source = decode(wire.Op, data).source
        if source is not None and source.identifier.startswith(OUR_IMAGE):
            return source.identifier.removeprefix(OUR_IMAGE)
    raise Unimplemented("building from LLB is not supported: only Dockerfiles are built")
