"""Progress to the lines of the JSON streams."""

from yurt.api.types.stream import ProgressDetail, StreamLine
from yurt.engine.images.push import Pushed
from yurt.engine.progress import Progress


def to_wire(progress: Progress) -> StreamLine:
    detail = ProgressDetail(current=progress.current, total=progress.total)
    has_numbers = progress.current is not None or progress.total is not None
    return StreamLine(
        status=progress.status,
        id=progress.id or None,
        progress_detail=detail if has_numbers or progress.id else None,
    )


def pushed(result: Pushed) -> StreamLine:
    """The last line of a push: by what digest the registry has the image. Programs read it, people do not see it."""
    return StreamLine(
        progress_detail=ProgressDetail(),
        aux={"Tag": result.tag, "Digest": str(result.digest), "Size": result.size},
    )
