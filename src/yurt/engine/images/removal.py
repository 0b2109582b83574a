"""What removing an image means: which references go, and whether the image goes with them. Decides; does nothing."""

from collections.abc import Collection
from dataclasses import dataclass

from yurt.engine.images.model import Image
from yurt.errors import Conflict
from yurt.ids import short
from yurt.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Removal:
    """*references* are forgotten, and the image with them when *whole*."""

    references: tuple[Reference, ...]
    whole: bool


def plan_removal(
    image: Image,
    ref: str,
    *,
    asked: Reference | None,
    references: Collection[Reference],
    holders: Collection[str],
    force: bool,
) -> Removal:
    """Decide what ``rmi REF`` does. *asked* is the reference meant by *ref*, None when it was an id.

    Raises Conflict where a container needs what would go, or an id has several tags, or names in several repositories.
    """
    tags = [reference for reference in references if reference.tag]
    holder = short(min(holders)) if holders else ""
    if asked is not None:
        others = [reference for reference in references if reference != asked]
        if any(reference.tag for reference in others) or (asked.digest and others):
            # The digests of a repository stay for as long as a tag of it does.
            same = [r for r in others if r.canonical_name == asked.canonical_name]
            if asked.tag and same and not any(r.tag for r in same):
                return Removal((asked, *same), whole=False)
            return Removal((asked,), whole=False)
        if holder and not force:
            raise Conflict(
                f'conflict: unable to remove repository reference "{ref}" (must force)'
                f" - container {holder} is using its referenced image {image.id.short}",
                hint="remove the container first, or use --force to drop only the name",
            )
        return Removal(tuple(references), whole=not holder)
    repositories = {reference.canonical_name for reference in references}
    if (len(tags) > 1 or len(repositories) > 1) and not force:
        raise Conflict(
            f"conflict: unable to delete {image.id.short} (must be forced)"
            " - image is referenced in multiple repositories",
            hint="remove it by its names, or use --force",
        )
    if holder and not (force and references):
        forced = "must" if not force else "cannot"
        raise Conflict(
            f"conflict: unable to delete {image.id.short} ({forced} be forced)"
            f" - image is being used by container {holder}",
            hint="remove the container first",
        )
    return Removal(tuple(references), whole=not holder)
