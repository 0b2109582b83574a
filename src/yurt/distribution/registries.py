"""Registries: the way from a reference to the repository that has it, mirrors and insecure registries considered."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self, TypeVar
from urllib.parse import urlsplit

from yurt.distribution.auth import Auth
from yurt.distribution.endpoints import Endpoint, endpoints
from yurt.distribution.errors import Refusal
from yurt.distribution.repository import Patience, Repository, Resolved
from yurt.distribution.transport import RefusalError, Surroundings, connect
from yurt.errors import Unauthorized, YurtError
from yurt.oci.reference import HUB, Reference
from yurt.settings import EngineSettings

T = TypeVar("T")


class Registries:
    """The registries of the world, as this host may reach them."""

    def __init__(self, surroundings: Surroundings | None = None, *, patience: Patience | None = None) -> None:
        self._surroundings = surroundings or Surroundings()
        self._patience = patience or Patience()

    @classmethod
    def of(cls, settings: EngineSettings) -> Self:
        """Return the registries as *settings* have them."""
        return cls(
            Surroundings(
                mirrors=settings.registry_mirrors,
                insecure=settings.insecure_registries,
                ca_bundle=settings.ca_bundle,
                proxies=settings.proxies,
            )
        )

    @asynccontextmanager
    async def pulling(
        self, reference: Reference, auth: Auth | None
    ) -> AsyncIterator[tuple[Repository, Resolved]]:
        """Give the repository that has *reference* and what it names there.

        Whatever a mirror answers but the image, the next is asked, and the registry itself at last; its
        refusal counts. Credentials are for the registry only.
        """
        async with self._asking(
            reference, auth, lambda repository: repository.resolve(reference)
        ) as answered:
            yield answered

    async def tags(self, reference: Reference, auth: Auth | None) -> tuple[str, ...]:
        """Return every tag of the repository of *reference*; a mirror is asked first, as for a pull."""
        async with self._asking(reference, auth, lambda repository: repository.tags()) as (_, tags):
            return tags

    @asynccontextmanager
    async def _asking(
        self, reference: Reference, auth: Auth | None, ask: Callable[[Repository], Awaitable[T]]
    ) -> AsyncIterator[tuple[Repository, T]]:
        """Give the first repository, the registry's own at last, that answers *ask*, and its answer."""
        candidates = self._endpoints(reference.registry)
        mirrors = [[endpoint] for endpoint in candidates if endpoint.mirror]
        origin = [endpoint for endpoint in candidates if not endpoint.mirror]
        async with AsyncExitStack() as stack:
            for group in [*mirrors, origin]:
                is_mirror = group is not origin
                try:
                    async with AsyncExitStack() as attempt:
                        transport = await attempt.enter_async_context(
                            connect(group, None if is_mirror else auth, self._surroundings)
                        )
                        repository = Repository(transport, reference, self._patience)
                        answer = await ask(repository)
                        stack.push_async_exit(attempt.pop_all())
                except YurtError:
                    if not is_mirror:
                        raise
                    continue
                break
            yield repository, answer

    @asynccontextmanager
    async def pushing(self, reference: Reference, auth: Auth | None) -> AsyncIterator[Repository]:
        """Give the repository that *reference* is pushed to."""
        origin = [endpoint for endpoint in self._endpoints(reference.registry) if not endpoint.mirror]
        async with connect(origin, auth, self._surroundings) as transport:
            yield Repository(transport, reference, self._patience)

    async def login(self, auth: Auth) -> None:
        """Return when the registry at ``auth.server_address`` (empty: the Hub) takes the credentials; Unauthorized otherwise."""
        address = auth.server_address
        host = urlsplit(address).netloc if "://" in address else address.partition("/")[0]
        registry = HUB if host in {"", "index.docker.io", HUB} else host
        origin = [endpoint for endpoint in self._endpoints(registry) if not endpoint.mirror]
        async with connect(origin, auth, self._surroundings) as transport:
            try:
                async with transport.request("GET", "/v2/", scopes=()):
                    pass
            except RefusalError as error:
                raise _login_error(error.refusal, registry) from error

    def _endpoints(self, registry: str) -> list[Endpoint]:
        return endpoints(registry, mirrors=self._surroundings.mirrors, insecure=self._surroundings.insecure)


def _login_error(refusal: Refusal, registry: str) -> YurtError:
    if refusal.status in {401, 403}:
        return Unauthorized(f"login to {registry} failed: unauthorized: incorrect username or password")
    return refusal.kind(f"login to {registry} failed: {refusal}")
