"""YAML text to nodes. The text is not trusted: its depth, its size and what its aliases unfold to are bounded.

The tree is built from libyaml's events, without recursion, so nesting can't exhaust the stack. Scalars follow
YAML 1.2's core schema, as Compose files do: `on`, `yes` and `22:22` are text.
"""

import re
from typing import Any

import yaml

from yurt.compose.nodes import MappingNode, Node, PlainScalar, Position, ScalarNode, SequenceNode, problem
from yurt.errors import InvalidArgument

MAX_BYTES = 8 << 20
MAX_DEPTH = 64
MAX_NODES = 200_000  # after aliases are unfolded: a real file has some hundreds

_Parser: Any
try:
    from yaml._yaml import CParser as _Parser
except ImportError:  # PyYAML built without libyaml: several times slower, and the same events
    _Parser = yaml.Loader

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,64}|0o[0-7]{1,64}|0x[0-9a-fA-F]{1,64}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.nan")
_CORE = "tag:yaml.org,2002:"
_NO_TABS = "YAML is indented with spaces, not tabs"
_TYPES = frozenset({"str", "int", "float", "bool", "null", "map", "seq"})


def load(text: str | bytes, file: str) -> MappingNode:
    """Return the single mapping that *text* holds; *file* is what errors call it.

    An empty document is an empty mapping. Raises InvalidArgument with the position of whatever is wrong.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidArgument(f"{file}: not UTF-8 text: {error.reason} at byte {error.start}") from error
    if len(text) > MAX_BYTES:
        raise InvalidArgument(f"{file}: larger than {MAX_BYTES >> 20} MiB, which no Compose file is")
    try:
        node = _Composer(text, file).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Position(file, mark.line + 1, mark.column + 1) if mark else Position(file, 1, 1)
        raise problem(
            at, "", f"not valid YAML: {error.problem or error.context}", hint=_advice(error, text)
        ) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise InvalidArgument(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from error
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return MappingNode({}, {}, Position(file, 1, 1))
    if not isinstance(node, MappingNode):
        raise problem(node, "", "not a Compose file", expected="a mapping with `services:` at the top")
    return node


def _advice(error: yaml.MarkedYAMLError, text: str) -> str | None:
    said = f"{error.problem} {error.context}"
    mark = error.problem_mark
    # By index: YAML counts lines by more characters than Python's own ways to split them.
    if "cannot start any token" in said and mark and "\t" in text[mark.index - mark.column : mark.index + 1]:
        return _NO_TABS
    if "found a tab character" in said:
        return _NO_TABS
    if "did not find expected key" in said or "expected <block end>" in said:
        return "check the indentation: the keys of one mapping begin in the same column"
    if "mapping values are not allowed" in said:
        return "check the indentation, and quote values that contain a colon and a space"
    return None


class _Frame:
    """A collection that is still open."""

    __slots__ = ("anchor", "at", "entries", "items", "key", "key_at", "keys", "mapping", "merges", "tag")

    def __init__(self, *, mapping: bool, at: Position, tag: str, anchor: str | None) -> None:
        self.mapping = mapping
        self.at = at
        self.tag = tag
        self.anchor = anchor
        self.items: list[Node] = []
        self.entries: dict[str, Node] = {}
        self.keys: dict[str, Position] = {}
        self.merges: list[Node] = []
        self.key: str | None = None
        self.key_at = at


class _Composer:
    def __init__(self, text: str, file: str) -> None:
        self.parser = _Parser(text)
        self.file = file
        self.anchors: dict[
            str, tuple[Node, int, int]
        ] = {}  # the node, how many nodes and levels it unfolds to
        self.counts = [0]
        self.depths = [0]

    def at(self, event: Any) -> Position:
        mark = event.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1)

    def document(self) -> Node | None:
        frames: list[_Frame] = []
        root: Node | None = None
        documents = 0
        while True:
            event = self.parser.get_event()
            name = type(event).__name__
            if name == "StreamEndEvent":
                return root
            if name == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise problem(self.at(event), "", "a second YAML document in the file", expected="one")
                continue
            if name in ("StreamStartEvent", "DocumentEndEvent"):
                continue
            if name in ("MappingStartEvent", "SequenceStartEvent"):
                if len(frames) >= MAX_DEPTH:
                    raise problem(self.at(event), "", f"nested deeper than {MAX_DEPTH} levels")
                mapping = name == "MappingStartEvent"
                if frames and frames[-1].mapping and frames[-1].key is None:
                    raise problem(self.at(event), "", "a key that is not text", expected="a plain key")
                frames.append(
                    _Frame(mapping=mapping, at=self.at(event), tag=self.tag(event), anchor=event.anchor)
                )
                self.counts.append(1)
                self.depths.append(1)
                continue
            if name in ("MappingEndEvent", "SequenceEndEvent"):
                node = self.closed(frames.pop())
            elif name == "AliasEvent":
                node = self.alias(event, len(frames))
            else:
                node = self.scalar(event)
            if not frames:
                root = node
            elif frames[-1].mapping:
                self.into_mapping(frames[-1], node)
            else:
                frames[-1].items.append(node)

    def count(self, nodes: int, at: Position) -> None:
        self.counts[-1] += nodes
        if self.counts[-1] > MAX_NODES:
            raise problem(
                at, "", f"its aliases unfold to more than {MAX_NODES} values", hint="use fewer aliases"
            )

    def tag(self, event: Any) -> str:
        tag = event.tag or ""
        if tag in ("", "!") or (tag.startswith(_CORE) and tag.removeprefix(_CORE) in _TYPES):
            return ""
        if tag not in ("!reset", "!override"):
            raise problem(
                self.at(event), "", f"the YAML tag {tag} is not known", expected="!reset or !override"
            )
        return str(tag)

    def scalar(self, event: Any) -> ScalarNode:
        at = self.at(event)
        text = event.value
        plainly = (event.style in (None, "") and event.tag in (None, "")) or event.tag in (
            f"{_CORE}int", f"{_CORE}float", f"{_CORE}bool", f"{_CORE}null")  # fmt: skip
        node = ScalarNode(resolve(text) if plainly else text, at, text, self.tag(event))
        self.count(1, at)
        if event.anchor:
            self.anchors[event.anchor] = (node, 1, 0)
        return node

    def alias(self, event: Any, depth: int) -> Node:
        at = self.at(event)
        found = self.anchors.get(event.anchor)
        if found is None:
            raise problem(
                at, "", f"the alias *{event.anchor} has no anchor before it", expected=f"&{event.anchor}"
            )
        node, nodes, levels = found
        if depth + levels > MAX_DEPTH:
            raise problem(at, "", f"nested deeper than {MAX_DEPTH} levels")
        self.depths[-1] = max(self.depths[-1], levels + 1)
        self.count(nodes, at)
        return node

    def into_mapping(self, frame: _Frame, node: Node) -> None:
        if frame.key is None:
            if not isinstance(node, ScalarNode):
                raise problem(node, "", "a key that is not text", expected="a plain key")
            frame.key, frame.key_at = node.text, node.at
            return
        key, frame.key = frame.key, None
        if key == "<<":
            frame.merges.append(node)
        elif key in frame.entries:
            raise problem(frame.key_at, "", f"{key!r} is here twice, first at line {frame.keys[key].line}")
        else:
            frame.entries[key], frame.keys[key] = node, frame.key_at

    def closed(self, frame: _Frame) -> Node:
        nodes, levels = self.counts.pop(), self.depths.pop()
        self.count(nodes, frame.at)
        self.depths[-1] = max(self.depths[-1], levels + 1)
        node: Node
        if frame.mapping:
            for merged in frame.merges:
                for source in merged.items if isinstance(merged, SequenceNode) else (merged,):
                    if not isinstance(source, MappingNode):
                        raise problem(
                            merged, "<<", "can't be merged", expected="a mapping or a list of mappings"
                        )
                    for key, value in source.entries.items():
                        if key not in frame.entries:
                            frame.entries[key], frame.keys[key] = value, source.position(key)
            node = MappingNode(frame.entries, frame.keys, frame.at, frame.tag)
        else:
            node = SequenceNode(tuple(frame.items), frame.at, frame.tag)
        if frame.anchor:
            self.anchors[frame.anchor] = (node, nodes, levels)
        return node


def resolve(text: str) -> PlainScalar:
    """Return what YAML's core schema makes of a scalar written without quotes."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        if text.startswith("0o"):
            return int(text, 0)
        if text.startswith("0x"):
            return int(text, 0)
        if len(text) > 1 and text[0] == "0" and text.isdigit() and set(text) <= set("01234567"):
            return int(text, 8)  # file modes in Compose files are written the old way
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(
            text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".nan", "nan")
        )
    return text
