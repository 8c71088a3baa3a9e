"""Where a person's own place lies below a root: a relative path with identifier kinds in braces."""

import itertools
import os
import re

from rightful.subject.matching import is_usable
from rightful.subject.model import IdentifiedSubject

PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]+)\}")

TEMPLATE_HINT = "put an identifier into it, for instance {upn}/"


class PathTemplate:
    """A path template that `template_problem` finds nothing wrong with."""

    def __init__(self, path: str) -> None:
        segments = _segments(path)
        fixed = list(itertools.takewhile(lambda segment: not PLACEHOLDER.search(segment), segments))
        self.fixed = tuple(fixed)
        """The same beginning for everybody: it belongs to the root. Where it is missing the source is missing, not the person."""
        self._segments = segments[len(fixed) :]

    def places(self, subject: IdentifiedSubject) -> list[tuple[str, ...]]:
        """Return what the rest stands for with a subject's identifiers, in segments, in the order of their bytes."""
        choices = [_fill(segment, subject) for segment in self._segments]
        return sorted(set(itertools.product(*choices)), key=lambda place: [os.fsencode(segment) for segment in place])

    def root(self, place: tuple[str, ...]) -> str:
        """Return a place as the whole template has it (`FileItem.root`)."""
        return "/".join((*self.fixed, *place))


def template_problem(path: str) -> str:
    """Say what is wrong with a path template; nothing where it is one."""
    for segment in _segments(path):
        if segment in {"", ".", ".."} or "\0" in segment or set("{}") & set(PLACEHOLDER.sub("", segment)):
            return "is not a relative path with identifier kinds in braces"
    return "" if PLACEHOLDER.search(path) else "is the same folder for everybody"


def kinds_in(path: str) -> list[str]:
    """Return the kinds of identifiers in a template, in their order."""
    return PLACEHOLDER.findall(path)


def values_in(path: str, root: str) -> dict[str, str]:
    """Read the identifiers out of a place as `PathTemplate.root` gives it, by kind, for a template with at most one in a segment."""
    found = {}
    for template, name in zip(_segments(path), root.split("/"), strict=True):
        before, *kind_and_rest = PLACEHOLDER.split(template)
        if kind_and_rest:
            found[kind_and_rest[0]] = name.removeprefix(before).removesuffix(kind_and_rest[1])
    return found


def _segments(path: str) -> list[str]:
    return path.removesuffix("/").split("/")


def _fill(segment: str, subject: IdentifiedSubject) -> list[str]:
    """Return what a segment of the template stands for; nothing where an identifier is missing or cannot be a name."""
    pieces = PLACEHOLDER.split(segment)
    choices = [
        [value for value in subject.values(piece) if _can_be_name(piece, value)] if number % 2 else [piece]
        for number, piece in enumerate(pieces)
    ]
    return ["".join(choice) for choice in itertools.product(*choices)]


def _can_be_name(kind: str, value: str) -> bool:
    return is_usable(kind, value) and value not in {".", ".."} and not set("/\0") & set(value)
