"""Where build caches are, as ``--cache-from`` and ``--cache-to`` say."""

import pytest

from yurt.engine.build.cache_places import CLIENT, FOLDER, IMAGE, INLINE, REGISTRY, CachePlace, words_of
from yurt.errors import InvalidArgument, YurtError


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("shop:cache", CachePlace(IMAGE, "shop:cache")),
        ("type=registry,ref=r.example/shop", CachePlace(REGISTRY, "r.example/shop:latest")),
        ("type=local,src=/c", CachePlace(FOLDER, "/c")),
        ("type=local,src=/c,tag=x", CachePlace(FOLDER, "/c", tag="x")),
    ],
)
def test_sources(text: str, place: CachePlace) -> None:
    """A name alone is an image's."""
    assert CachePlace.source(*words_of(text)) == place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            "type=registry,ref=r.example/shop,mode=max",
            CachePlace(REGISTRY, "r.example/shop:latest", whole=True),
        ),
        ("type=local,dest=/c,mode=min,compression=zstd", CachePlace(FOLDER, "/c")),
        ("type=local,dest=/c,ignore-error=true", CachePlace(FOLDER, "/c", ignore_error=True)),
        ("type=inline", CachePlace(INLINE)),
    ],
)
def test_targets(text: str, place: CachePlace) -> None:
    """How a cache is compressed is not asked here."""
    assert CachePlace.target(*words_of(text)) == place


def test_folders_of_clients_are_stores_of_theirs() -> None:
    assert CachePlace.target("local", {"dest": "c"}, stores=CLIENT) == CachePlace(CLIENT, "c")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("type=gha", "type gha is not supported"),
        ("type=registry", "has no ref"),
        ("type=registry,ref=UPPER", "invalid"),
        ("type=local", "has no dest"),
        ("type=local,dest=/c,mode=most", "mode=most is not min or max"),
        ("type=inline,mode=max", "mode=max is not possible"),
        ("type=local,dest=/c,colour=red", "colour is not known"),
        ("type=local,dest", "'dest' is no name=value"),
    ],
)
def test_what_is_no_target(text: str, why: str) -> None:
    with pytest.raises(YurtError, match=why):
        CachePlace.target(*words_of(text))


def test_a_digest_is_one() -> None:
    with pytest.raises(InvalidArgument, match="invalid digest"):
        CachePlace.source("local", {"src": "/c", "digest": "sha256:0"})
