"""RUN: a hidden container on the files so far, its output passed on as it comes."""

import asyncio
import codecs
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from yurt.dockerfile.mounts import RunMount
from yurt.engine.build.activities import key_of
from yurt.engine.build.cache_mounts import CacheMounts
from yurt.engine.build.model import BuildEvent, BuildRequest, Output
from yurt.engine.build.mounting import Mounting, Shown
from yurt.engine.build.origin import Origin
from yurt.engine.build.ports import Containers, Stream
from yurt.engine.build.steps import RunWork, Step
from yurt.engine.build.surroundings import certificates, environment, proxy_variables
from yurt.engine.containers.model import ContainerConfig, CreateRequest, HostConfig, MountRequest, Resources
from yurt.engine.images.model import Image, Layer
from yurt.ids import new_id, short
from yurt.oci.digest import Digest
from yurt.settings import EngineSettings

TAIL = 4000  # characters of a failed step's output that its error carries


@dataclass(frozen=True, slots=True)
class Ran:
    """A RUN that ended. *container* still holds what it changed; *tail* is the end of its output.

    *targets* are the paths that something was mounted on.
    """

    container: str
    exit_code: int
    error: str
    tail: str
    targets: tuple[str, ...] = ()


class Runner:
    """Runs the RUN steps of one build. *folder* is the build's own."""

    def __init__(
        self,
        containers: Containers,
        settings: EngineSettings,
        request: BuildRequest,
        origin: Origin,
        *,
        folder: Path,
        caches: CacheMounts,
        emit: Callable[[BuildEvent], None],
    ) -> None:
        self._containers = containers
        self._settings = settings
        self._request = request
        self._folder = folder
        self._caches = caches
        self._origin = origin
        self._emit = emit
        self._renewed: set[Path] | None = set() if request.no_cache else None

    async def run(
        self,
        step: Step,
        work: RunWork,
        layers: Sequence[Layer],
        shown: Mapping[RunMount, Shown],
        undo: AsyncExitStack,
        *,
        stage: int,
    ) -> Ran:
        """Run *work* on *layers* and wait for its end. *shown* has the files that mounts start from.

        The container's removal is pushed on *undo*: when that unwinds nothing of it is left, running or not.
        """
        folder = self._folder / f"run-{new_id()[:12]}"  # others run now, too
        folder.mkdir()
        where = step.instruction.location
        mounting = Mounting(where, folder, shown, self._origin, self._caches, undo, self._renewed)
        mounts = [made for mount in work.mounts if (made := await mounting.request(mount)) is not None]
        request = self._create_request(step, work, mounts, mounting.variables, folder)
        secrets = tuple(f"{name}={value}" for name, value in mounting.secrets.items())
        request = replace(request, secret_env=secrets)
        container, _warnings = await self._containers.create(request, image=_image(step, layers))
        undo.push_async_callback(self._containers.discard, container.id)
        self._emit(Output(f" ---> Running in {short(container.id)}\n", stage=stage))
        stream = await self._containers.attach(container.id, stdin=False, stdout=True, stderr=True)
        undo.push_async_callback(stream.close)
        waiter = asyncio.ensure_future(self._containers.waiter(container.id, "next-exit"))
        try:
            await self._containers.start(container.id)
            tail = await self._pass_on(stream, stage, key_of(step))
            ended = await waiter
        finally:
            waiter.cancel()
        return Ran(container.id, ended.exit_code, ended.error, tail, tuple(mount.target for mount in mounts))

    async def _pass_on(self, stream: Stream, stage: int, activity: str) -> str:
        """Say the output as it comes; return its end."""
        decoders = {number: codecs.getincrementaldecoder("utf-8")(errors="replace") for number in range(3)}
        buffer, tail = bytearray(), ""
        while piece := await stream.read():
            buffer += piece
            text: list[str] = []
            number = 1
            while len(buffer) >= 8 and len(buffer) >= 8 + (size := int.from_bytes(buffer[4:8], "big")):
                if text and buffer[0] % 3 != number:
                    tail = self._said(text, Output("", activity, number, stage), tail)
                number = buffer[0] % 3
                text.append(decoders[number].decode(bytes(buffer[8 : 8 + size])))
                del buffer[: 8 + size]
            tail = self._said(text, Output("", activity, number, stage), tail)
        return tail

    def _said(self, text: list[str], event: Output, tail: str) -> str:
        """Say with *event* what gathered in *text*, which is empty then; return the new tail."""
        if not (said := "".join(text)):
            return tail
        text.clear()
        self._emit(replace(event, text=said))
        return (tail + said)[-TAIL:]

    def _create_request(
        self,
        step: Step,
        work: RunWork,
        asked: Sequence[MountRequest],
        variables: Mapping[str, str],
        folder: Path,
    ) -> CreateRequest:
        mounts, certificate_variables = certificates(self._settings.ca_bundle)
        added = [*mounts, *asked]
        for name, content in work.scripts:
            path = folder / name
            path.write_text(content)
            path.chmod(0o755)
            added.append(MountRequest(kind="bind", source=str(path), target=f"/dev/{name}", read_only=True))
        env = environment(
            step.config.env,
            certificate_variables.items(),
            proxy_variables(self._settings.proxies).items(),
            _pairs(work.unkeyed),
            _pairs(work.environment),
            variables.items(),
        )
        return CreateRequest(
            name=None,
            config=ContainerConfig(image=step.key[:12], cmd=work.argv, env=env),
            host=HostConfig(
                mounts=tuple(added),
                network_mode=work.network or "bridge",
                privileged=work.privileged,
                extra_hosts=self._request.extra_hosts,
                shm_size=self._request.shm_size,
                resources=Resources(memory=self._request.memory, ulimits=self._request.ulimits),
            ),
            hidden=True,
        )


def _pairs(entries: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (entry.partition("=") for entry in entries)]


def _image(step: Step, layers: Sequence[Layer]) -> Image:
    """Return the files so far as an image, with what of the configuration counts for RUN: variables, user, folder."""
    config = replace(
        step.config,
        entrypoint=(),
        cmd=(),
        healthcheck=None,
        volumes=(),
        exposed_ports=(),
        labels={},
        stop_signal="",
    )
    name = Digest(f"sha256:{step.key}")
    return Image(id=name, config=config, manifest=name, layers=tuple(layers), size=0)
