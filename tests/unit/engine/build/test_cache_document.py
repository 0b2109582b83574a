"""The list of steps in a build cache that may have been written by anybody."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.engine.build.cache_document import CacheDocument, KeptStep
from yurt.errors import InvalidArgument

KEY = "ab" * 32
DIGEST = "sha256:" + "cd" * 32
STEPS = (
    KeptStep(KEY, 0, DIGEST, "", "2026-01-02T03:04:05.678901Z", "RUN x"),
    KeptStep("cd" * 32, parent=DIGEST, what="RUN true"),
)


def test_it_comes_back_as_it_was() -> None:
    document = CacheDocument(STEPS)
    assert CacheDocument.from_bytes(document.to_bytes(), layers=1) == document
    assert document.by_key()[KEY] is STEPS[0]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"key": "x"}, "a key is none"),
        ({"key": KEY, "layer": 1, "diff_id": DIGEST}, "a layer that is not there"),
        ({"key": KEY, "layer": -2, "diff_id": DIGEST}, "a layer that is not there"),
        ({"key": KEY, "layer": 0}, "a layer that is not there"),
        ({"key": KEY, "layer": 0, "diff_id": "sha256:0"}, "invalid digest"),
        ({"key": KEY, "parent": "../../etc"}, "invalid digest"),
        ({"key": KEY, "created": "tomorrow"}, "tomorrow"),
        ({"key": KEY, "layer": "0"}, "is broken"),
        ({}, "is broken"),
    ],
)
def test_what_makes_no_sense_is_refused(step: dict[str, object], why: str) -> None:
    with pytest.raises(InvalidArgument, match=why):
        CacheDocument.from_bytes(msgspec.json.encode({"steps": [step]}), layers=1)


def test_another_version_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="version 2, not 1"):
        CacheDocument.from_bytes(b'{"version": 2}', layers=0)


@given(st.binary())
def test_any_bytes_are_a_list_or_not(data: bytes) -> None:
    with suppress(InvalidArgument):
        CacheDocument.from_bytes(data, layers=0)
