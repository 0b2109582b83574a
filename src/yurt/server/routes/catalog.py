"""Yurt's own: which base images can be had without a registry. Docker's API has no such question."""

from aiohttp.web_response import StreamResponse

from yurt.api.types.base import Wire
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route


class CatalogEntry(Wire, kw_only=True):
    """One image of the catalog; *tags* are all its names, that of *reference* first."""

    reference: str
    suite: str
    description: str
    tags: list[str]


class CatalogRoutes:
    def routes(self) -> tuple[Route, ...]:
        return (Route("GET", "/yurt/catalog", self.list),)

    async def list(self, _call: Call) -> StreamResponse:
        from yurt.catalog.find import catalog  # most engines are never asked

        entries = [
            CatalogEntry(
                reference=recipe.reference,
                suite=recipe.suite,
                description=recipe.description,
                tags=list(recipe.tags),
            )
            for recipe in catalog()
        ]
        return answers.as_json(entries)
