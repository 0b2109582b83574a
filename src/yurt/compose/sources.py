"""The files of a project, read: each with its variables replaced, what it extends and what it includes.

The environment and the place are handed in; this module and `project` are the only ones here that read files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from yurt.compose import dotenv
from yurt.compose.extends import extended
from yurt.compose.include import MAX_FILES, Inclusion, included, refuse_remote, with_environment
from yurt.compose.interpolate import interpolated
from yurt.compose.load import load
from yurt.compose.merge import merged
from yurt.compose.nodes import MappingNode, Node, problem
from yurt.compose.rebase import rebased
from yurt.errors import InvalidArgument, NotFound, translated

UNREADABLE: Mapping[type[BaseException], type[InvalidArgument | NotFound]] = {
    FileNotFoundError: NotFound,
    OSError: InvalidArgument,
}


class Sources:
    """Reads files for one project; *cwd* is what paths are shown relative to, *missing* is told of unset variables."""

    def __init__(
        self, *, cwd: str, home: str, missing: Callable[[str], object], interpolate: bool = True
    ) -> None:
        self._cwd = cwd
        self._home = home
        self._missing = missing
        self._interpolate = interpolate
        self._read = 0

    def whole(
        self,
        files: Sequence[tuple[str, bytes]],
        directory: str,
        environ: Mapping[str, str],
        trail: tuple[str, ...] = (),
    ) -> MappingNode:
        """Return *files* (path, content) of a project in *directory* as one document, later ones over earlier ones.

        *trail* are the files whose includes led here.
        """
        documents = []
        for path, content in files:
            document = self._document(content, path, environ)
            document = extended(document, self._extender(path, directory, environ))
            read = partial(self._included, environ=environ, trail=(*trail, path))
            documents.append(included(document, directory, read))
        return merged(documents)

    def _document(self, content: bytes, path: str, environ: Mapping[str, str]) -> MappingNode:
        self._read += 1
        document = load(content, self.shown(path))
        if not self._interpolate:
            return document
        result = interpolated(document, environ, missing=lambda name: void(self._missing(name)))
        assert isinstance(result, MappingNode)
        return result

    def shown(self, path: str) -> str:
        return path[len(self._cwd) + 1 :] if path.startswith(f"{self._cwd}/") else path

    def _content(self, at: Node, path: str, place: str) -> bytes:
        if self._read >= MAX_FILES:
            raise problem(at, path, f"a project of more than {MAX_FILES} files")
        what = f"{at.at}: {path}: cannot read {self.shown(place)}"
        with translated(UNREADABLE, what), open(place, "rb") as file:
            return file.read()

    def _extender(
        self, own: str, directory: str, environ: Mapping[str, str]
    ) -> Callable[[Node, str, str], MappingNode]:
        known: dict[str, MappingNode] = {}

        def read(at: Node, path: str, file: str) -> MappingNode:
            refuse_remote(file, at, f"{path}.file")
            place = os.path.normpath(os.path.join(directory, file))
            if place not in known:
                content = self._content(at, f"{path}.file", place)
                found = self._document(content, place, environ)
                folder = os.path.dirname(place)
                known[place] = found if place == own else rebased(found, folder, self._home)
            return known[place]

        return read

    def _included(self, wish: Inclusion, environ: Mapping[str, str], trail: tuple[str, ...]) -> MappingNode:
        for path in wish.paths:
            if path in trail:
                circle = " → ".join(map(self.shown, (*trail[trail.index(path) :], path)))
                raise problem(wish.at, wish.path, f"goes in a circle: {circle}")
        variables = self._variables(wish, environ)
        files = [(path, self._content(wish.at, wish.path, path)) for path in wish.paths]
        found = self.whole(files, wish.directory, variables, trail)
        return with_environment(rebased(found, wish.directory, self._home), variables)

    def _variables(self, wish: Inclusion, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the variables of an included project: its own files', over which go those of whoever includes it."""
        files = wish.env_files
        if files is None:
            default = os.path.join(wish.directory, ".env")
            files = (default,) if os.path.isfile(default) else ()
        found: dict[str, str] = {}
        for place in files:
            content = self._content(wish.at, f"{wish.path}.env_file", place)
            with translated({UnicodeDecodeError: InvalidArgument}, f"{self.shown(place)} is not UTF-8 text"):
                text = content.decode("utf-8")
            found.update(dotenv.parse(text, self.shown(place), {**found, **environ}))
        return {**found, **environ}


def void(_: object) -> None:
    """Forget a value: for callbacks that answer nothing."""
