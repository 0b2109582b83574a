"""A file behind a URL: fetched once, and again only when it changed. `aiohttp` is imported when first needed.

Facts: RFC 9110, sections 8.8 (validators) and 13 (conditional requests).
"""

import asyncio
import hashlib
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from yurt.distribution.endpoints import proxy_for
from yurt.distribution.transport import Surroundings, open_session
from yurt.errors import NotFound, Unavailable

if TYPE_CHECKING:
    import aiohttp

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What came: *digest* is ``sha256:…`` of the content; *etag* and *modified* are the server's words about it."""

    digest: str
    size: int
    etag: str = ""
    modified: str = ""

    @property
    def mtime_ns(self) -> int:
        """When it changed last, as the server says; 0 when it does not."""
        try:
            return int(parsedate_to_datetime(self.modified).timestamp()) * 1_000_000_000
        except ValueError:
            return 0


async def download(
    url: str, place: Path, surroundings: Surroundings, *, known: Downloaded | None = None
) -> Downloaded | None:
    """Write what is behind *url* to *place*; return None, and write nothing, when it still is what *known* says.

    Raises NotFound when the server knows nothing of it, Unavailable when it cannot be had now. *place* may then
    hold a part.
    """
    import aiohttp

    headers: dict[str, str] = {}
    if known is not None and known.etag:
        headers["If-None-Match"] = known.etag
    elif known is not None and known.modified:
        headers["If-Modified-Since"] = known.modified
    try:
        async with (
            open_session(surroundings) as session,
            session.get(url, headers=headers, proxy=proxy_for(url, surroundings.proxies)) as response,
        ):
            if response.status == 304 and known is not None:
                return None
            if response.status in {404, 410}:
                raise NotFound(f"cannot fetch {url}: the server answers {response.status} {response.reason}")
            if response.status != 200:
                raise Unavailable(
                    f"cannot fetch {url}: the server answers {response.status} {response.reason}"
                )
            return await _written(response, place)
    except (aiohttp.ClientError, TimeoutError, ssl.SSLError) as error:
        raise Unavailable(
            f"cannot fetch {url}: {str(error) or type(error).__name__}",
            hint="check the address, the network and the proxy settings",
        ) from error


async def _written(response: "aiohttp.ClientResponse", place: Path) -> Downloaded:
    digest, size = hashlib.sha256(), 0
    with place.open("xb") as file:
        while piece := await _piece(response):
            digest.update(piece)
            size += len(piece)
            await asyncio.to_thread(file.write, piece)
    headers = response.headers
    return Downloaded(
        f"sha256:{digest.hexdigest()}", size, headers.get("ETag", ""), headers.get("Last-Modified", "")
    )


async def _piece(response: "aiohttp.ClientResponse") -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size < _PIECE and (piece := await response.content.readany()):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
