"""What `rmi` does is decided before it is done."""

from collections.abc import Sequence

import pytest

from yurt.engine.images.model import Image
from yurt.engine.images.removal import Removal, plan_removal
from yurt.errors import Conflict
from yurt.oci.config import ImageConfig
from yurt.oci.digest import Digest
from yurt.oci.reference import Reference

ID = Digest.of(b"image")
IMAGE = Image(id=ID, config=ImageConfig(), manifest=Digest.of(b"manifest"), layers=(), size=0)
SHA = f"@{Digest.of(b'x')}"
HOLDER = "f" * 64


def plan(
    ref: str | None, names: Sequence[str], *, holders: Sequence[str] = (), force: bool = False
) -> tuple[set[str], bool]:
    """Return what goes; *ref* None is removal by id."""
    asked = None if ref is None else Reference.parse(ref)
    removal: Removal = plan_removal(
        IMAGE,
        ref or ID.short,
        asked=asked,
        references=[Reference.parse(name) for name in names],
        holders=holders,
        force=force,
    )
    return {str(reference) for reference in removal.references}, removal.whole


def test_the_last_name_takes_the_image_along() -> None:
    """And the digests of the repository go with its tag."""
    assert plan("a:1", ["a:1"]) == ({"a:1"}, True)
    assert plan("a:1", ["a:1", f"a{SHA}"]) == ({"a:1", f"a{SHA}"}, True)
    assert plan(f"a{SHA}", [f"a{SHA}"]) == ({f"a{SHA}"}, True)


def test_one_of_several_names_goes_alone() -> None:
    """The image keeps its others; a repository's digest goes with its last tag."""
    assert plan("a:1", ["a:1", "a:2"]) == ({"a:1"}, False)
    assert plan("a:1", ["a:1", "b:1"]) == ({"a:1"}, False)
    assert plan("a:1", ["a:1", "b:1", f"a{SHA}"]) == ({"a:1", f"a{SHA}"}, False)
    assert plan(f"a{SHA}", ["a:1", f"a{SHA}"]) == ({f"a{SHA}"}, False)


def test_by_id_the_only_tag_goes_with_its_digest() -> None:
    """They cannot be anything else."""
    assert plan(None, ["a:1", f"a{SHA}"]) == ({"a:1", f"a{SHA}"}, True)
    assert plan(None, []) == (set(), True)


@pytest.mark.parametrize("names", [["a:1", "a:2"], ["a:1", "b:1"], ["a:1", f"b{SHA}"]], ids=" ".join)
def test_by_id_several_names_need_force(names: list[str]) -> None:
    """Several tags, or a digest of another repository: Docker's sentence."""
    with pytest.raises(Conflict, match=r"must be forced.*referenced in multiple repositories"):
        plan(None, names)
    assert plan(None, names, force=True) == (set(names), True)


def test_an_image_in_use_keeps_its_last_name() -> None:
    """The sentence names the container."""
    with pytest.raises(Conflict, match=rf"must force.*container {HOLDER[:12]} is using"):
        plan("a:1", ["a:1"], holders=[HOLDER])
    assert plan("a:1", ["a:1", "a:2"], holders=[HOLDER]) == ({"a:1"}, False)


def test_force_takes_the_names_of_an_image_in_use_and_no_more() -> None:
    """The container keeps its file system."""
    assert plan("a:1", ["a:1"], holders=[HOLDER], force=True) == ({"a:1"}, False)
    assert plan(None, ["a:1"], holders=[HOLDER], force=True) == ({"a:1"}, False)
    with pytest.raises(Conflict, match="cannot be forced"):
        plan(None, [], holders=[HOLDER], force=True)
    with pytest.raises(Conflict, match=r"must be forced.*being used"):
        plan(None, ["a:1"], holders=[HOLDER])
