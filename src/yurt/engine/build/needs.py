"""Which files of the context a build reads, as far as the Dockerfile alone tells. Pure."""

from yurt.dockerfile.instructions import Copy, Run
from yurt.dockerfile.mounts import parse_mount
from yurt.dockerfile.remote import is_remote
from yurt.engine.build.layout import Layout


def context_needs(layout: Layout) -> tuple[str, ...] | None:
    """Return the paths and patterns that the needed stages name, sorted; () when they read nothing.

    None: it takes everything, or that is not known before it runs (a path with variables in it).
    """
    found: set[str] = set()
    for stage in layout.stages:
        for instruction in stage.instructions:
            for source in _sources(instruction):
                path = source.strip("/")
                if path in {"", "."} or "$" in path or ".." in path.split("/"):
                    return None
                found.add(path)
    return tuple(sorted(found))


def _sources(instruction: object) -> tuple[str, ...]:
    if isinstance(instruction, Copy):
        if instruction.origin:
            return ()
        return tuple(source for source in instruction.sources if not (instruction.add and is_remote(source)))
    if isinstance(instruction, Run):
        sources = []
        for text in instruction.mounts:
            try:
                mount = parse_mount(text)
            except ValueError:
                continue  # told when the step is planned
            if mount.kind == "bind" and not mount.origin:
                sources.append(mount.source or ".")
        return tuple(sources)
    return ()
