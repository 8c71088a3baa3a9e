"""How things on the wire are made up: properties with their types. Answers are written by it, and described by it. Pure."""

import enum
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

GRAPH = "microsoft.graph"
OURS = "rightful"
"""The namespace of what Graph does not have."""


class Edm(enum.Enum):
    """OData's own types, as far as they occur here."""

    STRING = "Edm.String"
    DOUBLE = "Edm.Double"
    INT32 = "Edm.Int32"
    INT64 = "Edm.Int64"
    BOOLEAN = "Edm.Boolean"
    DATE_TIME = "Edm.DateTimeOffset"
    DATE = "Edm.Date"


@dataclass(frozen=True, slots=True)
class Words:
    """A type with a closed list of values."""

    namespace: str
    name: str
    doc: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Property(Generic[T]):
    """One property, and how it is read off the value that an answer shows."""

    name: str
    type: "Edm | Words | Shape[Any]"
    show: Callable[[T], object]
    doc: str
    _: KW_ONLY
    is_nullable: bool = False
    is_list: bool = False
    is_left_out: bool = False
    """Where there is nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(Generic[T]):
    """An object: an entity where it has a key, else a part of one."""

    namespace: str
    name: str
    doc: str
    key: str = ""
    properties: tuple[Property[T], ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of all properties."""
        return frozenset(each.name for each in self.properties)

    def show(self, value: T, select: tuple[str, ...] = ()) -> dict[str, object]:
        """Return a value's members, all or the selected ones, in the order of the properties."""
        chosen = [each for each in self.properties if each.name in select] if select else self.properties
        return {each.name: member for each in chosen if (member := each.show(value)) or not each.is_left_out}
