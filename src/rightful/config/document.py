"""YAML as a tree of nodes that know their line; nothing is interpreted yet.

Only what a configuration needs: one document of mappings, lists and scalars. Duplicate keys are problems; tags are refused; aliases count
with all that they stand for, so that a few lines cannot become a billion nodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from rightful.config.problem import Problem

LARGEST_BYTES = 1 << 20
_LARGEST_NODES = 50_000
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as it stands in the file, without its quotes."""

    line: int
    text: str
    is_plain: bool
    """Without quotes: may mean a number, true, false or nothing."""
    size: int = 1

    @property
    def is_null(self) -> bool:
        """Whether nothing was given."""
        return self.is_plain and self.text in {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    items: tuple["Node", ...]
    size: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with their lines and values, in the file's order, each key once."""

    line: int
    entries: tuple[tuple[str, int, "Node"], ...]
    size: int

    def get(self, key: str) -> "Node | None":
        """Return the value of a key."""
        return next((node for name, _, node in self.entries if name == key), None)


Node = Scalar | Sequence | Mapping


class _Stop(Exception):
    """Carries the one problem after which reading cannot go on."""

    def __init__(self, line: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.line, self.message, self.hint = line, message, hint


class _Composer:
    """Builds the tree from PyYAML's events, without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node] = {}
        self._open: list[tuple[yaml.NodeEvent, list[Node]]] = []
        self._root: Node | None = None

    def compose(self, events: Iterator[yaml.Event]) -> Node | None:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Stop(_line(event), "a second document begins here", "keep one document in the file")
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
        return self._root

    def _node(self, event: yaml.NodeEvent) -> None:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _Stop(line, "this alias stands for nothing that is complete before it", "write the value itself")
            self._add(self._anchors[event.anchor], line)
            return
        if getattr(event, "tag", None) is not None:
            raise _Stop(line, "tags (!…) are not used in this file", "write the plain value")
        if isinstance(event, yaml.ScalarEvent):
            scalar = Scalar(line, event.value, event.style is None)
            self._remember(event, scalar)
            self._add(scalar, line)
            return
        if len(self._open) >= _DEEPEST:
            raise _Stop(line, f"nested deeper than {_DEEPEST} levels")
        self._open.append((event, []))

    def _close(self) -> None:
        event, children = self._open.pop()
        line = _line(event)
        size = 1 + sum(child.size for child in children)
        if size > _LARGEST_NODES:
            raise _Stop(line, f"more than {_LARGEST_NODES} values, counting what aliases repeat")
        node: Node
        node = Sequence(line, tuple(children), size) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(line, children, size)
        self._remember(event, node)
        self._add(node, line)

    def _mapping(self, line: int, children: list[Node], size: int) -> Mapping:
        seen: dict[str, int] = {}
        entries: list[tuple[str, int, Node]] = []
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._complain(key.line, "a key must be a plain text", "write `name: value`")
            elif key.text in seen:
                self._complain(key.line, f"this key stands here twice, first in line {seen[key.text]}", "keep one of them")
            else:
                seen[key.text] = key.line
                entries.append((key.text, key.line, value))
        return Mapping(line, tuple(entries), size)

    def _remember(self, event: yaml.NodeEvent, node: Node) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = node

    def _add(self, node: Node, line: int) -> None:
        if not self._open:
            self._root = node
            return
        children = self._open[-1][1]
        children.append(node)
        if sum(child.size for child in children[-2:]) > _LARGEST_NODES or len(children) > _LARGEST_NODES:
            raise _Stop(line, f"more than {_LARGEST_NODES} values, counting what aliases repeat")

    def _complain(self, line: int, message: str, hint: str) -> None:
        self.problems.append(Problem(file=self.file, line=line, setting="", message=message, hint=hint))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _syntax_problem(file: str, error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) if isinstance(error, yaml.MarkedYAMLError) else None
    line = mark.line + 1 if mark is not None else 0
    if isinstance(error, yaml.reader.ReaderError):
        said = "a character that YAML does not allow"
    hint = "indent with spaces" if said and "\\t" in said else "look at this line and the one before: indentation, quotes, brackets"
    return Problem(file=file, line=line, setting="", message=f"not YAML: {said or 'it cannot be read'}", hint=hint)


def parse(content: bytes, file: str) -> tuple[Node | None, list[Problem]]:
    """Read a document; never raises. No node where nothing is usable, and then at least one problem."""

    def refuse(message: str, hint: str, line: int = 0) -> tuple[None, list[Problem]]:
        return None, [Problem(file=file, line=line, setting="", message=message, hint=hint)]

    if len(content) > LARGEST_BYTES:
        return refuse("larger than 1 MiB", "a configuration is a few hundred lines")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return refuse("not UTF-8", "save it as UTF-8", content[: error.start].count(b"\n") + 1)
    composer = _Composer(file)
    try:
        root = composer.compose(yaml.parse(text, Loader=yaml.SafeLoader))
    except _Stop as stop:
        return None, [*composer.problems, Problem(file=file, line=stop.line, setting="", message=stop.message, hint=stop.hint)]
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets chr() and int() raise for "\UFFFFFFFF" and for endless version numbers.
        return None, [*composer.problems, _syntax_problem(file, error)]
    if root is None or (isinstance(root, Scalar) and root.is_null):
        return refuse("the file is empty", "`rightful init` writes one to begin with")
    return root, composer.problems
