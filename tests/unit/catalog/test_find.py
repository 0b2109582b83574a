import pytest

from yurt.catalog.find import catalog, find
from yurt.catalog.model import NoSuchTag, Recipe
from yurt.dockerfile.parser import parse


@pytest.mark.parametrize(
    ("reference", "recipe"),
    [
        ("debian", "debian:trixie"),
        ("debian:12-slim", "debian:bookworm"),
        ("docker.io/library/python:3", "python:3.13"),
        ("python:3.11-slim-bookworm", "python:3.11-slim"),
        ("valkey/valkey:8", "valkey/valkey:8"),
        ("redis:7", "redis:7"),
        ("rabbitmq:management", "rabbitmq:4-management"),
    ],
)
def test_names_of_the_hub_lead_to_recipes(reference: str, recipe: str) -> None:
    """Every usual way to name an official image finds its recipe."""
    found = find(reference)
    assert found is not None
    assert found.reference == recipe


@pytest.mark.parametrize("reference", ["ghcr.io/library/debian", "someone/debian", "fedora", "valkey/other"])
def test_other_images_are_not_the_catalogs(reference: str) -> None:
    """The catalog answers for its own names on the Hub only."""
    assert find(reference) is None


def test_an_unknown_tag_says_which_there_are() -> None:
    """The hint lists the tags that can be had."""
    with pytest.raises(NoSuchTag) as caught:
        find("postgres:9")
    assert caught.value.message == "the catalog has no postgres:9"
    assert caught.value.hint == "it has 17, latest, 17-trixie, 15, 15-bookworm"


def test_no_name_stands_for_two_recipes() -> None:
    """A reference is unambiguous."""
    names = [reference for recipe in catalog() for reference in recipe.references]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "recipe", [each for each in catalog() if each.dockerfile], ids=lambda each: each.reference
)
def test_every_dockerfile_is_there_and_reads(recipe: Recipe) -> None:
    """A recipe's Dockerfile parses, and every file it copies is in its context."""
    context = recipe.context()
    dockerfile = parse(context[recipe.dockerfile.rpartition("/")[2]])
    declared = {name for arg in dockerfile.arguments for name, _ in arg.items}
    declared |= {
        name
        for stage in dockerfile.stages
        for each in stage.instructions
        if hasattr(each, "items")
        for name, _ in each.items
    }
    assert set(recipe.arguments) <= declared
