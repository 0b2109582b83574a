"""Requests to one registry: the connection, who we are, and the answers' meaning. `aiohttp` is imported when first needed."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yurt.distribution.auth import ANONYMOUS, Auth, Challenge, check_realm, parse_challenges, token_url
from yurt.distribution.endpoints import Endpoint, proxy_for
from yurt.distribution.errors import Refusal, RegistryUnavailable
from yurt.errors import InvalidArgument, Unauthorized, reason_of
from yurt.oci.manifest import MAX_BYTES

if TYPE_CHECKING:
    import aiohttp

USER_AGENT = "yurt/0.1"
CONNECT_SECONDS = 10
SILENCE_SECONDS = 60  # an answer that stands still for so long is given up


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What this host says about reaching registries."""

    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict)


class Transport:
    """Authenticated requests to one endpoint. Open it with `connect`; use it within that block."""

    def __init__(
        self, session: "aiohttp.ClientSession", endpoint: Endpoint, auth: Auth, surroundings: Surroundings
    ) -> None:
        self.endpoint = endpoint
        self._session = session
        self._auth = auth
        self._surroundings = surroundings
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, ...], str] = {}
        self._lock = asyncio.Lock()

    async def ping(self) -> None:
        """Learn how the registry wants to be spoken to; RegistryUnavailable when no registry answers there."""
        response = await self._send("GET", f"{self.endpoint.url}/v2/", {})
        async with response:
            if response.status == 401:
                self._challenge = parse_challenges(response.headers.getall("WWW-Authenticate", []))
            elif response.status >= 500:
                raise RegistryUnavailable(
                    f"registry {self.endpoint.url} answers {response.status} {response.reason}"
                )

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        scopes: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        accept: tuple[int, ...] = (200,),
    ) -> AsyncIterator["aiohttp.ClientResponse"]:
        """Send one request and give its answer, if its status is in *accept*; `RefusalError` otherwise.

        *path* is below ``/v2/``, or a whole address as a Location has it. *data* may be bytes, or a
        function that returns an asynchronous iterator, called again should the request be sent twice.
        """
        url = path if "://" in path else f"{self.endpoint.url}{path}"
        own = url.startswith(f"{self.endpoint.url}/")
        for attempt in (1, 2):
            sent = dict(headers or {})
            if own and (authorization := await self._authorization(scopes)):
                sent["Authorization"] = authorization
            response = await self._send(method, url, sent, data=data() if callable(data) else data)
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(response)
                if response.status in accept:
                    with self._speaking():
                        yield response
                    return
                body = await self._read(response, 1 << 16)
                if response.status == 401 and own and attempt == 1:
                    challenge = parse_challenges(response.headers.getall("WWW-Authenticate", []))
                    if challenge is not None and (self._challenge is None or self._tokens.pop(scopes, "")):
                        self._challenge = challenge
                        continue
                raise RefusalError(Refusal.parse(response.status, body), url)

    async def read(self, response: "aiohttp.ClientResponse", *, limit: int = MAX_BYTES) -> bytes:
        """Return the whole body; InvalidArgument when it is longer than *limit*."""
        body = await self._read(response, limit + 1)
        if len(body) > limit:
            raise InvalidArgument(f"registry {self.endpoint.url} sends more than {limit} bytes")
        return body

    async def _read(self, response: "aiohttp.ClientResponse", limit: int) -> bytes:
        body = b""
        with self._speaking():
            while len(body) < limit and (piece := await response.content.read(limit - len(body))):
                body += piece
        return body

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], *, data: Any = None
    ) -> "aiohttp.ClientResponse":
        with self._speaking():
            return await self._session.request(
                method,
                url,
                headers=headers,
                data=data,
                proxy=proxy_for(url, self._surroundings.proxies),
                allow_redirects=method in {"GET", "HEAD"},
            )

    def _speaking(self) -> "_Speaking":
        return _Speaking(self.endpoint.url)

    async def _authorization(self, scopes: tuple[str, ...]) -> str | None:
        if self._auth.registry_token:
            return f"Bearer {self._auth.registry_token}"
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            return self._auth.basic if self._auth.username else None
        async with self._lock:
            if scopes not in self._tokens:
                self._tokens[scopes] = await self._token(self._challenge, scopes)
            return f"Bearer {self._tokens[scopes]}"

    async def _token(self, challenge: Challenge, scopes: tuple[str, ...]) -> str:
        check_realm(challenge.realm, self.endpoint.url)
        if self._auth.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": self._auth.identity_token,
                "service": challenge.service,
                "scope": " ".join(scopes),
                "client_id": "yurt",
            }
            response = await self._send("POST", challenge.realm, {}, data=form)
        else:
            headers = {"Authorization": self._auth.basic} if self._auth.username else {}
            url = token_url(challenge, scopes, account=self._auth.username)
            response = await self._send("GET", url, headers)
        async with response:
            body = await self._read(response, 1 << 20)
            if response.status in {401, 403}:
                refusal = Refusal.parse(response.status, body)
                if self._auth.is_anonymous:
                    raise RefusalError(refusal, challenge.realm)
                raise Unauthorized(
                    f"unauthorized: {refusal.message or 'incorrect username or password'}", hint="yurt login"
                )
            if response.status != 200:
                raise RegistryUnavailable(
                    f"cannot get a token from {challenge.realm}: it answers {response.status}"
                )
        return _token_of(body, challenge.realm)


class RefusalError(Exception):
    """A registry refused. Never leaves this package: whoever asked knows what it means."""

    def __init__(self, refusal: Refusal, url: str) -> None:
        super().__init__(f"{url}: {refusal}")
        self.refusal = refusal


class BrokenTransferError(Exception):
    """A connection broke while an answer was under way: the rest may be asked for."""


class _Speaking:
    """Translate what `aiohttp` raises."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import aiohttp

        match error:
            case aiohttp.ClientConnectorError() | aiohttp.ClientProxyConnectionError():
                raise RegistryUnavailable(
                    f"cannot reach registry {self._url}: {reason_of(error.os_error)}",
                    hint="check the name, the network and the proxy settings",
                ) from error
            case aiohttp.ClientSSLError() | ssl.SSLError():
                raise RegistryUnavailable(f"cannot trust registry {self._url}: {error}") from error
            case aiohttp.ConnectionTimeoutError():
                raise RegistryUnavailable(f"cannot reach registry {self._url}: it does not answer") from error
            case aiohttp.InvalidURL():
                raise RegistryUnavailable(
                    f"registry {self._url} sends its clients to no address: {error}"
                ) from error
            case aiohttp.ClientError() | TimeoutError() | ConnectionError():
                raise BrokenTransferError(str(error) or type(error).__name__) from error
            case _:
                pass


@asynccontextmanager
async def connect(
    candidates: list[Endpoint], auth: Auth | None, surroundings: Surroundings
) -> AsyncIterator[Transport]:
    """Open the first of *candidates* at which a registry answers; RegistryUnavailable with the last one's reason."""
    async with AsyncExitStack() as stack:
        failure: RegistryUnavailable | None = None
        for endpoint in candidates:
            session = await stack.enter_async_context(open_session(surroundings, verify=endpoint.verify))
            transport = Transport(session, endpoint, auth or ANONYMOUS, surroundings)
            try:
                await transport.ping()
            except (RegistryUnavailable, BrokenTransferError) as error:
                failure = (
                    error
                    if isinstance(error, RegistryUnavailable)
                    else RegistryUnavailable(f"registry {endpoint.url} breaks the connection: {error}")
                )
                continue
            break
        else:
            raise failure or RegistryUnavailable("no registry to ask")
        yield transport


def open_session(surroundings: Surroundings, *, verify: bool = True) -> "aiohttp.ClientSession":
    """Return what bytes are fetched with as they are sent; unless *verify*, any certificate will do."""
    import aiohttp

    context: ssl.SSLContext | bool = False
    if verify:
        context = ssl.create_default_context()
        if surroundings.ca_bundle is not None:
            context.load_verify_locations(surroundings.ca_bundle)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        auto_decompress=False,  # a blob's digest is of the bytes as they are sent
        cookie_jar=aiohttp.DummyCookieJar(),
        raise_for_status=False,
    )


def _token_of(body: bytes, realm: str) -> str:
    import msgspec

    try:
        document = msgspec.json.decode(body)
        token = document.get("token") or document.get("access_token")
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError):
        token = None
    if not isinstance(token, str) or not token:
        raise RegistryUnavailable(f"cannot get a token from {realm}: its answer holds none")
    return token
