"""The registry client against a registry that misbehaves: each test says how, and what is made of it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from yurt.distribution.auth import Auth
from yurt.distribution.registries import Registries
from yurt.distribution.repository import MemorySink, Patience, Repository
from yurt.distribution.transport import Surroundings
from yurt.errors import Forbidden, InvalidArgument, NotFound, Unauthorized, Unavailable
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.manifest import Manifest
from yurt.oci.reference import Reference

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT = bytes(range(256)) * 4000
BLOB = Descriptor(MediaType.OCI_LAYER_GZIP, Digest.of(CONTENT), len(CONTENT))
MANIFEST = Manifest(MediaType.OCI_MANIFEST, BLOB, (BLOB,)).to_bytes()
IMPATIENT = Patience(attempts=3, unit=0.001)


class FakeRegistry:
    """A registry with one image, whose answers a test replaces. Remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, list[Handler]] = {}
        self.address = ""

    def answer(self, request: str, *handlers: Handler) -> None:
        """Let *handlers* answer *request* ("GET /v2/…"), one after another, the last for ever."""
        self.answers[request] = list(handlers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        key = f"{request.method} {request.path}"
        self.asked.append(key)
        self.headers.append(dict(request.headers))
        if waiting := self.answers.get(key):
            return await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(request)
        if key == "GET /v2/":
            return web.Response()
        if key == "GET /v2/app/manifests/1":
            return web.Response(body=MANIFEST, content_type=MediaType.OCI_MANIFEST)
        if key == f"GET /v2/app/blobs/{BLOB.digest}":
            return ranged(request, CONTENT)
        return refused(404, "NAME_UNKNOWN", "repository name not known to registry")

    def count(self, request: str) -> int:
        return self.asked.count(request)


def ranged(request: web.Request, content: bytes) -> web.Response:
    start = request.http_range.start or 0
    if not start:
        return web.Response(body=content)
    span = f"bytes {start}-{len(content) - 1}/{len(content)}"
    return web.Response(status=206, body=content[start:], headers={"Content-Range": span})


def refused(status: int, code: str, message: str = "", headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": message}]}, status=status, headers=headers)


def always(make: Callable[[], web.Response]) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        return make()

    return handler


async def broken(request: web.Request) -> web.StreamResponse:
    """Promise the whole blob, send a part, and break the connection."""
    response = web.StreamResponse(headers={"Content-Length": str(len(CONTENT))})
    await response.prepare(request)
    await response.write(CONTENT[:300_000])
    assert request.transport is not None
    request.transport.close()
    return response


BLOB_PATH = f"GET /v2/app/blobs/{BLOB.digest}"
MANIFEST_PATH = "GET /v2/app/manifests/1"


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    fake = FakeRegistry()
    async with served(fake.handle) as address:
        fake.address = address
        yield fake


@asynccontextmanager
async def served(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def pulling(
    registry: FakeRegistry, *, auth: Auth | None = None, name: str = "app:1"
) -> AsyncIterator[Repository]:
    reference = Reference.parse(f"{registry.address}/{name}")
    async with Registries(patience=IMPATIENT).pulling(reference, auth) as (repository, _resolved):
        yield repository


async def fetched(repository: Repository) -> bytes:
    sink = MemorySink()
    await repository.fetch(BLOB, sink)
    return bytes(sink.data)


async def resolve(registry: FakeRegistry, name: str = "app:1", auth: Auth | None = None) -> Digest:
    reference = Reference.parse(f"{registry.address}/{name}")
    async with Registries(patience=IMPATIENT).pulling(reference, auth) as (_repository, resolved):
        return resolved.digest


# Manifests


async def test_a_tag_leads_to_a_manifest(registry: FakeRegistry) -> None:
    """Every type is accepted, and the digest is of the bytes."""
    assert await resolve(registry) == Digest.of(MANIFEST)
    accepted = registry.headers[registry.asked.index(MANIFEST_PATH)]["Accept"]
    assert accepted.count("application/") == 4


async def test_bytes_of_another_digest_are_refused(registry: FakeRegistry) -> None:
    """Asked by digest, or claimed in a header: the bytes decide."""
    other = Digest.of(b"other")
    registry.answer(f"GET /v2/app/manifests/{other}", always(lambda: web.Response(body=MANIFEST)))
    with pytest.raises(InvalidArgument, match="manifest verification failed"):
        await resolve(registry, f"app@{other}")
    claimed = {"Docker-Content-Digest": str(other)}
    registry.answer(MANIFEST_PATH, always(lambda: web.Response(body=MANIFEST, headers=claimed)))
    with pytest.raises(InvalidArgument, match="manifest verification failed"):
        await resolve(registry)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            lambda: refused(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            "manifest for {}:1 not found: manifest unknown",
        ),
        (
            lambda: refused(404, "NAME_UNKNOWN", "no such name"),
            "repository {} not found: name unknown: no such name",
        ),
        (
            lambda: refused(403, "DENIED", "no"),
            "pull access denied for {}, repository does not exist or may require",
        ),
        (lambda: refused(401, "UNAUTHORIZED", "who"), "pull access denied for {}, repository does not exist"),
        (lambda: web.Response(status=404), "manifest for {}:1 not found"),
    ],
)
async def test_what_is_not_there_or_denied_is_not_found(
    registry: FakeRegistry, answer: Callable[[], web.Response], sentence: str
) -> None:
    """In Docker's words, so that scripts that read them go on working."""
    registry.answer(MANIFEST_PATH, always(answer))
    with pytest.raises(NotFound) as caught:
        await resolve(registry)
    assert str(caught.value).startswith(sentence.format(f"{registry.address}/app"))


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_registry_in_trouble_is_unavailable(registry: FakeRegistry, status: int) -> None:
    """The catalog may stand in."""
    registry.answer(MANIFEST_PATH, always(lambda: web.Response(status=status)))
    with pytest.raises(Unavailable):
        await resolve(registry)


async def test_an_endless_manifest_is_cut_off(registry: FakeRegistry) -> None:
    """Memory is ours."""
    registry.answer(MANIFEST_PATH, always(lambda: web.Response(body=bytes(5 << 20))))
    with pytest.raises(InvalidArgument, match="sends more than"):
        await resolve(registry)


# Reaching a registry


async def test_where_nothing_listens_is_unavailable_at_once() -> None:
    """No waiting, no retries."""
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable, match="cannot reach registry") as caught:
        async with Registries().pulling(Reference.parse("127.0.0.1:1/app:1"), None):
            pass
    assert caught.value.hint
    assert asyncio.get_running_loop().time() - started < 2


async def test_what_hangs_up_is_unavailable() -> None:
    """Something listens, but it is no registry."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable):
            async with Registries().pulling(Reference.parse(f"127.0.0.1:{port}/app:1"), None):
                pass


async def test_a_mirror_is_asked_first(registry: FakeRegistry) -> None:
    """And serves the blobs of what it has."""
    registry.answer("GET /v2/library/app/manifests/1", always(lambda: web.Response(body=MANIFEST)))
    registry.answer(f"GET /v2/library/app/blobs/{BLOB.digest}", always(lambda: web.Response(body=CONTENT)))
    surroundings = Surroundings(mirrors=(f"http://{registry.address}",))
    auth = Auth("me", "secret")
    async with Registries(surroundings).pulling(Reference.parse("app:1"), auth) as (repository, _):
        assert await fetched(repository) == CONTENT
    assert not any("Authorization" in headers for headers in registry.headers)


async def test_whatever_a_mirror_answers_the_next_is_asked(registry: FakeRegistry) -> None:
    """Not there, broken, or no registry at all."""
    registry.answer("GET /v2/library/app/manifests/1", always(lambda: web.Response(body=MANIFEST)))

    async def no(_request: web.Request) -> web.Response:
        return web.Response(status=403)

    async with served(no) as denying:
        mirrors = ("http://127.0.0.1:1", f"http://{denying}", f"http://{registry.address}")
        surroundings = Surroundings(mirrors=mirrors)
        async with Registries(surroundings).pulling(Reference.parse("app:1"), None) as (_, resolved):
            assert resolved.digest == Digest.of(MANIFEST)


# Blobs


async def test_a_blob_is_fetched_and_verified(registry: FakeRegistry) -> None:
    """Asked for as it is, without further compression."""
    async with pulling(registry) as repository:
        assert await fetched(repository) == CONTENT
    assert registry.headers[-1]["Accept-Encoding"] == "identity"


async def test_a_broken_transfer_goes_on_where_it_broke(registry: FakeRegistry) -> None:
    """With a range; who watches hears of the wait."""
    waits: list[int] = []
    registry.answer(BLOB_PATH, broken, lambda request: asyncio.sleep(0, ranged(request, CONTENT)))
    async with pulling(registry) as repository:
        sink = MemorySink()
        await repository.fetch(BLOB, sink, retrying=waits.append)
    assert bytes(sink.data) == CONTENT
    assert registry.headers[-1]["Range"].startswith("bytes=")
    assert waits == [1]


async def test_a_registry_that_knows_no_ranges_begins_again(registry: FakeRegistry) -> None:
    """A 200 is the whole."""
    registry.answer(BLOB_PATH, broken, always(lambda: web.Response(body=CONTENT)))
    async with pulling(registry) as repository:
        assert await fetched(repository) == CONTENT


async def test_a_wrong_continuation_is_thrown_away(registry: FakeRegistry) -> None:
    """The digest tells; one more attempt from the beginning."""

    async def wrong(request: web.Request) -> web.Response:
        return ranged(request, CONTENT[:300_000] + bytes(len(CONTENT) - 300_000))

    registry.answer(BLOB_PATH, broken, wrong, always(lambda: web.Response(body=CONTENT)))
    async with pulling(registry) as repository:
        assert await fetched(repository) == CONTENT


async def test_a_blob_that_breaks_every_time_is_given_up(registry: FakeRegistry) -> None:
    """After a few attempts."""

    async def nothing(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    registry.answer(BLOB_PATH, nothing)
    async with pulling(registry) as repository:
        with pytest.raises(Unavailable, match="broke 3 times"):
            await fetched(repository)
    assert registry.count(BLOB_PATH) >= 3


@pytest.mark.parametrize("content", [bytes(len(CONTENT)), CONTENT + b"more", CONTENT[:-1] + b"x"])
async def test_wrong_bytes_are_refused_for_good(registry: FakeRegistry, content: bytes) -> None:
    """A whole transfer of wrong or too many bytes is no accident."""
    registry.answer(BLOB_PATH, always(lambda: web.Response(body=content)))
    async with pulling(registry) as repository:
        with pytest.raises(InvalidArgument, match=r"verification failed|is longer than"):
            await fetched(repository)
    assert registry.count(BLOB_PATH) == 1


async def test_passing_trouble_is_waited_out(registry: FakeRegistry) -> None:
    """A 503 today is a blob tomorrow."""
    registry.answer(
        BLOB_PATH, always(lambda: web.Response(status=503)), always(lambda: web.Response(body=CONTENT))
    )
    async with pulling(registry) as repository:
        assert await fetched(repository) == CONTENT


async def test_a_missing_blob_is_not_asked_for_again(registry: FakeRegistry) -> None:
    """It will not come."""
    registry.answer(BLOB_PATH, always(lambda: refused(404, "BLOB_UNKNOWN", "blob unknown")))
    async with pulling(registry) as repository:
        with pytest.raises(NotFound):
            await fetched(repository)
    assert registry.count(BLOB_PATH) == 1


async def test_credentials_do_not_follow_a_redirect(registry: FakeRegistry) -> None:
    """Blobs often lie with another host."""
    seen: list[dict[str, str]] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.Response(body=CONTENT)

    challenge = {"WWW-Authenticate": 'Basic realm="x"'}
    registry.answer("GET /v2/", always(lambda: web.Response(status=401, headers=challenge)))
    async with served(elsewhere) as other:
        registry.answer(
            BLOB_PATH, always(lambda: web.Response(status=307, headers={"Location": f"http://{other}/b"}))
        )
        async with pulling(registry, auth=Auth("me", "secret")) as repository:
            assert await fetched(repository) == CONTENT
    assert registry.headers[-1]["Authorization"].startswith("Basic ")
    assert "Authorization" not in seen[0]


# Logging in


def bearer(registry: FakeRegistry, *, answer: Callable[[web.Request], web.Response]) -> list[str]:
    """Let the registry want tokens, given out by *answer*; return what each request brought along."""
    tokens: list[str] = []
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{registry.address}/token",service="reg"'}

    async def token(request: web.Request) -> web.Response:
        return answer(request)

    async def manifest(request: web.Request) -> web.Response:
        tokens.append(request.headers.get("Authorization", ""))
        if tokens[-1] != "Bearer good":
            return refused(401, "UNAUTHORIZED", "", challenge)
        return web.Response(body=MANIFEST)

    registry.answer("GET /v2/", always(lambda: web.Response(status=401, headers=challenge)))
    registry.answer("GET /token", token)
    registry.answer("POST /token", token)
    registry.answer(MANIFEST_PATH, manifest)
    return tokens


async def test_a_token_is_got_with_the_credentials(registry: FakeRegistry) -> None:
    """For the repository and the action, once."""
    asked: list[tuple[dict[str, str], str]] = []

    def answer(request: web.Request) -> web.Response:
        asked.append((dict(request.query), request.headers.get("Authorization", "")))
        return web.json_response({"access_token": "good"})

    bearer(registry, answer=answer)
    await resolve(registry, auth=Auth("me", "secret"))
    assert asked == [
        ({"service": "reg", "scope": "repository:app:pull", "account": "me"}, Auth("me", "secret").basic)
    ]


async def test_a_stale_token_is_replaced_once(registry: FakeRegistry) -> None:
    """A second refusal counts."""
    given = iter(["stale", "good"])
    tokens = bearer(registry, answer=lambda _request: web.json_response({"token": next(given)}))
    await resolve(registry)
    assert tokens == ["Bearer stale", "Bearer good"]
    tokens = bearer(registry, answer=lambda _request: web.json_response({"token": "bad"}))
    with pytest.raises(NotFound, match="pull access denied"):
        await resolve(registry)
    assert tokens == ["Bearer bad", "Bearer bad"]


async def test_an_identity_token_is_exchanged(registry: FakeRegistry) -> None:
    """In place of a password; a registry token is sent as it is."""
    bearer(registry, answer=lambda _request: web.json_response({"token": "good"}))
    await resolve(registry, auth=Auth(identity_token="identity"))
    assert registry.count("POST /token") == 1
    await resolve(registry, auth=Auth(registry_token="good"))
    assert registry.count("POST /token") == 1


async def test_wrong_credentials_are_told_from_none(registry: FakeRegistry) -> None:
    """Who gave some must mend them; who gave none may have to log in."""
    bearer(registry, answer=lambda _request: web.Response(status=401))
    with pytest.raises(Unauthorized, match="incorrect username or password"):
        await resolve(registry, auth=Auth("me", "wrong"))
    with pytest.raises(NotFound, match="may require 'docker login'"):
        await resolve(registry)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 5}', b'{"other": "x"}'])
async def test_an_answer_without_a_token_is_unavailable(registry: FakeRegistry, body: bytes) -> None:
    """The login service is broken, not the user."""
    bearer(registry, answer=lambda _request: web.Response(body=body))
    with pytest.raises(Unavailable, match="cannot get a token"):
        await resolve(registry)


async def test_login_asks_the_registry(registry: FakeRegistry) -> None:
    """Basic credentials are checked where they will be used."""
    challenge = {"WWW-Authenticate": 'Basic realm="x"'}

    async def root(request: web.Request) -> web.Response:
        good = request.headers.get("Authorization") == Auth("me", "secret").basic
        return web.Response() if good else web.Response(status=401, headers=challenge)

    registry.answer("GET /v2/", root)
    await Registries().login(Auth("me", "secret", server_address=registry.address))
    with pytest.raises(Unauthorized, match="incorrect username or password"):
        await Registries().login(Auth("me", "wrong", server_address=f"http://{registry.address}/v1/"))


# Writing


@asynccontextmanager
async def pushing(registry: FakeRegistry) -> AsyncIterator[Repository]:
    reference = Reference.parse(f"{registry.address}/app:1")
    async with Registries(patience=IMPATIENT).pushing(reference, None) as repository:
        yield repository


async def content() -> AsyncIterator[bytes]:
    yield CONTENT[:1000]
    yield CONTENT[1000:]


async def test_an_upload_follows_each_location(registry: FakeRegistry) -> None:
    """Relative or absolute, with its query."""
    got: list[bytes] = []

    async def patch(request: web.Request) -> web.Response:
        got.append(await request.read())
        assert request.query_string == "_state=1"
        return web.Response(status=202, headers={"Location": f"http://{registry.address}/up/2?_state=2"})

    async def put(request: web.Request) -> web.Response:
        assert dict(request.query) == {"_state": "2", "digest": str(BLOB.digest)}
        return web.Response(status=201)

    location = {"Location": "/up/1?_state=1"}
    registry.answer("POST /v2/app/blobs/uploads/", always(lambda: web.Response(status=202, headers=location)))
    registry.answer("PATCH /up/1", patch)
    registry.answer("PUT /up/2", put)
    async with pushing(registry) as repository:
        await repository.upload(BLOB, content)
    assert got == [CONTENT]


async def test_a_broken_upload_begins_again(registry: FakeRegistry) -> None:
    """With all of the content."""
    got: list[int] = []

    async def failing(request: web.Request) -> web.Response:
        await request.content.read(10)
        return web.Response(status=500)

    async def patch(request: web.Request) -> web.Response:
        got.append(len(await request.read()))
        return web.Response(status=202, headers={"Location": "/up"})

    location = {"Location": "/up"}
    registry.answer("POST /v2/app/blobs/uploads/", always(lambda: web.Response(status=202, headers=location)))
    registry.answer("PATCH /up", failing, patch)
    registry.answer("PUT /up", always(lambda: web.Response(status=201)))
    async with pushing(registry) as repository:
        await repository.upload(BLOB, content)
    assert got == [len(CONTENT)]


async def test_a_mount_that_becomes_an_upload_is_given_up(registry: FakeRegistry) -> None:
    """The caller sends the blob itself then."""
    location = {"Location": "/up"}
    registry.answer("POST /v2/app/blobs/uploads/", always(lambda: web.Response(status=202, headers=location)))
    registry.answer("DELETE /up", always(lambda: web.Response(status=204)))
    async with pushing(registry) as repository:
        assert await repository.mount(BLOB.digest, "other") is False
        registry.answer("POST /v2/app/blobs/uploads/", always(lambda: web.Response(status=201)))
        assert await repository.mount(BLOB.digest, "other") is True
    assert registry.count("DELETE /up") == 1


async def test_a_denied_push_is_forbidden(registry: FakeRegistry) -> None:
    """With the next step."""
    registry.answer("POST /v2/app/blobs/uploads/", always(lambda: refused(403, "DENIED", "no")))
    async with pushing(registry) as repository:
        with pytest.raises(Forbidden, match=r"push access denied for .*/app") as caught:
            await repository.upload(BLOB, content)
    assert caught.value.hint == "yurt login"
    assert registry.count("POST /v2/app/blobs/uploads/") == 1


async def test_an_upload_without_a_place_is_unavailable(registry: FakeRegistry) -> None:
    """The registry is broken."""
    registry.answer("POST /v2/app/blobs/uploads/", always(lambda: web.Response(status=202)))
    async with pushing(registry) as repository:
        with pytest.raises(Unavailable, match="without saying where"):
            await repository.upload(BLOB, content)


async def listed(registry: FakeRegistry, name: str = "app") -> tuple[str, ...]:
    return await Registries(patience=IMPATIENT).tags(Reference.parse(f"{registry.address}/{name}"), None)


async def test_tags_come_in_pages(registry: FakeRegistry) -> None:
    """Page by page in the registry's order, each tag once; a page that was had ends it."""

    async def page(request: web.Request) -> web.Response:
        tags, link = {
            "": (["2", "latest"], "/v2/app/tags/list?last=latest"),
            "latest": (["latest", "1"], "?last=1"),
            "1": (None, "/v2/app/tags/list"),
        }[request.query.get("last", "")]
        return web.json_response({"name": "app", "tags": tags}, headers={"Link": f'<{link}>; rel="next"'})

    registry.answer("GET /v2/app/tags/list", page)
    assert await listed(registry) == ("2", "latest", "1")
    assert registry.count("GET /v2/app/tags/list") == 3


async def test_tags_of_other_hosts_are_not_asked_for(registry: FakeRegistry) -> None:
    """Credentials go to the registry that they are for."""
    link = {"Link": '<http://127.0.0.1:1/v2/app/tags/list?last=1>; rel="next"'}
    registry.answer("GET /v2/app/tags/list", always(lambda: web.json_response({"tags": ["1"]}, headers=link)))
    assert await listed(registry) == ("1",)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"tags": [1]}', b"\xff"])
async def test_a_broken_list_of_tags_is_told(registry: FakeRegistry, body: bytes) -> None:
    """Whatever a registry sends, the sentence names the repository."""
    registry.answer("GET /v2/app/tags/list", always(lambda: web.Response(body=body)))
    with pytest.raises(InvalidArgument, match=r"list of the tags of .*/app is broken"):
        await listed(registry)


async def test_no_repository_has_no_tags(registry: FakeRegistry) -> None:
    """In Docker's words."""
    with pytest.raises(NotFound, match=r"repository .*/nosuch not found: name unknown"):
        await listed(registry, "nosuch")
