"""Instructions given with `commit` and `import`: a configuration changed by them, with no files touched. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from yurt.dockerfile.parser import parse
from yurt.engine.build.files import ContextTree
from yurt.engine.build.layout import Base, lay_out
from yurt.engine.build.plan import Planner
from yurt.errors import InvalidArgument
from yurt.oci.config import ImageConfig

_BASE = "changed"
_WORDS = frozenset(
    ("cmd", "entrypoint", "env", "expose", "healthcheck", "label", "onbuild", "stopsignal")
) | {"user", "volume", "workdir"}


def changed(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    """Return *config* after the instructions *changes*; InvalidArgument when one would change files."""
    if not changes:
        return config
    for change in changes:
        word = change.split(maxsplit=1)[0] if change.strip() else ""
        if word.lower() not in _WORDS:
            raise InvalidArgument(
                f"{word} is not a valid change command", hint=f"one of {', '.join(sorted(_WORDS)).upper()}"
            )
    file = parse("\n".join((f"FROM {_BASE}", *changes)).encode(), file="--change")
    layout = lay_out(file, target="", given={}, platform="linux")
    base = Base(id=_BASE, chain=_BASE, config=replace(config, on_build=()))
    planned = Planner(layout=layout, images={_BASE: base}, context=ContextTree("", {}), given={}).plan()
    after = planned.stages[-1].config
    # The planner gives RUN a search path; an image gets one only if somebody says so.
    has_path = any(entry.startswith("PATH=") for entry in config.env) or any(
        "PATH" in text for text in changes
    )
    return replace(
        after,
        env=after.env if has_path else tuple(e for e in after.env if not e.startswith("PATH=")),
        on_build=(
            *config.on_build,
            *after.on_build,
        ),  # the triggers are its children's business: kept, not run
        history=config.history,
        created=config.created,
        diff_ids=config.diff_ids,
    )
