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
    home_tenant_id: str = ""
    """Of an inbound profile; empty for users."""

    def __repr__(self) -> str:
        """Name the kind only: a repr may end up in a log."""
        return f"DataSubject({self.kind})"


class IdentifiedSubject(msgspec.Struct, frozen=True, kw_only=True):
    """A data subject with every identifier that is known of them.

    `identifiers` maps a kind (`id`, `upn`, `mail`, `employee_id`, …) to its values, each value once, in a fixed order.
    Kinds `id` and `upn` are always there for a user whose directory row has them. No value is empty.
    """

    subject: DataSubject
    identifiers: dict[str, tuple[str, ...]]

    def values(self, kind: str) -> tuple[str, ...]:
        """Return the values of one kind, none where nothing is known."""
        return self.identifiers.get(kind, ())

    def __repr__(self) -> str:
        """Name the kinds only: a repr may end up in a log."""
        return f"IdentifiedSubject({', '.join(sorted(self.identifiers))})"
