"""Data subjects and their identifiers, as plain values."""

import enum

import msgspec

from rightful.ids import SubjectId, TenantId


class SubjectKind(enum.StrEnum):
    """Which collection of the directory a subject belongs to."""

    USER = "user"
    INBOUND_PROFILE = "inbound_profile"
    """Somebody of another tenant who was shared into this one (GRAPH-04)."""


class DataSubject(msgspec.Struct, frozen=True, kw_only=True):
    """The person whose data is exported, as the directory knows them."""

    tenant_id: TenantId
    subject_id: SubjectId
    kind: SubjectKind = SubjectKind.USER
    user_principal_name: str = ""
    display_name: str = ""
    language: str = ""
    """BCP 47, or empty where the directory does not say."""
    recipient: str = ""
    """The person's public key of age, or empty where the directory does not say."""
    home_tenant_id: str = ""
    """Of an inbound profile; empty for users."""

    def __repr__(self) -> str:
        """Name the kind only: a repr may end up in a log."""
        return f"DataSubject({self.kind})"


class Weakness(enum.StrEnum):
    """Why an identifier is not searched for."""

    EMPTY = "empty"
    """NULL, or nothing but blanks."""
    SHORT = "too_short"
    SHARED = "shared"
    """It belongs to more people than the operator allows."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """How an identifier was found: kept in memory, for whoever asks why it is searched for."""

    kind: str
    value: str
    place: str
    """Where it stood, in the directory's own names: `people.mail`."""
    round: int = 0
    """0: in what the directory has on the person; else the round of looking further in which it was found."""
    from_kind: str = ""
    from_value: str = ""
    """The identifier that led to it; empty in round 0."""
    over: tuple[str, ...] = ()
    """Names of the sources that lie between where it stood and what names the person, nearest first; empty where nothing does."""

    def __repr__(self) -> str:
        """Name the kind only."""
        return f"Reached({self.kind}, {self.place})"


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """An identifier that was found and is too weak to be searched for."""

    kind: str
    place: str
    weakness: Weakness
    value: str = ""
    people: int = 0
    """How many share it."""

    def __repr__(self) -> str:
        """Leave the value out."""
        return f"Refused({self.kind}, {self.place}, {self.weakness})"


class IdentifiedSubject(msgspec.Struct, frozen=True, kw_only=True):
    """A data subject with every identifier that is known of them.

    `identifiers` maps a kind (`id`, `upn`, `mail`, `employee_id`, …) to its values, each value once, in a fixed order.
    Kinds `id` and `upn` are always there for a user whose directory row has them. No value is empty.
    """

    subject: DataSubject
    identifiers: dict[str, tuple[str, ...]]
    reached: tuple[Reached, ...] = ()
    """How each was found, in the order it was; a directory that cannot tell leaves it empty."""
    refused: tuple[Refused, ...] = ()
    """What was found and is no identifier."""

    def values(self, kind: str) -> tuple[str, ...]:
        """Return the values of one kind, none where nothing is known."""
        return self.identifiers.get(kind, ())

    def __repr__(self) -> str:
        """Name the kinds only: a repr may end up in a log."""
        return f"IdentifiedSubject({', '.join(sorted(self.identifiers))})"
