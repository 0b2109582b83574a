"""From a reference to its recipe."""

from yurt.catalog.model import NoSuchTag, Recipe
from yurt.catalog.table import RECIPES
from yurt.oci.reference import HUB, LIBRARY, Reference

_BY_NAME = {reference: recipe for recipe in RECIPES for reference in recipe.references}
_REPOSITORIES = frozenset(recipe.repository for recipe in RECIPES)


def find(reference: str) -> Recipe | None:
    """Return the recipe of *reference*, None when the catalog has no such repository.

    Only names on Docker Hub (``debian``, ``library/debian``, ``docker.io/valkey/valkey``) are the catalog's, and
    a digest can never be had here. NoSuchTag names the tags that there are.
    """
    parsed = Reference.parse(reference).tagged()
    name = parsed.repository.removeprefix(LIBRARY)
    if parsed.registry != HUB or parsed.digest is not None or name not in _REPOSITORIES:
        return None
    # Official images carry nothing in front but library/; valkey/valkey is a repository of its own.
    if (recipe := _BY_NAME.get(f"{name}:{parsed.tag}")) is not None:
        return recipe
    raise NoSuchTag(f"the catalog has no {name}:{parsed.tag}", hint=f"it has {', '.join(tags(name))}")


def tags(repository: str) -> tuple[str, ...]:
    """Return every tag of *repository* in the table's order."""
    return tuple(tag for recipe in RECIPES if recipe.repository == repository for tag in recipe.tags)


def catalog() -> tuple[Recipe, ...]:
    """Return all recipes in the table's order."""
    return RECIPES
