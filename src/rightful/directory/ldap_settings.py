"""The settings of a directory in an LDAP server."""

from typing import Annotated, Literal

import msgspec

from rightful.directory.closure import Limits
from rightful.directory.people import Columns, refuse_own_kinds


class LdapMoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries where more identifiers are found by identifiers that are known already."""

    base: str = ""
    """Below which entry; left out: the directory's own `base`."""
    filter: str
    """Which entries, in the form of RFC 4515."""
    from_: dict[str, str] = msgspec.field(name="from")
    """Kind of a known identifier to the attribute that it is looked up in; of several, either."""
    identifiers: Columns
    """Kind of identifier to the attribute, or attributes, that hold it."""


class LdapInboundSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where inbound shared user profiles are (GRAPH-04): people of other tenants."""

    base: str = ""
    """Below which entry; left out: the directory's own `base`."""
    filter: str
    """Which entries, in the form of RFC 4515."""
    user_id: str
    """Attribute of the profile's user id."""
    upn: str
    """Attribute of the user principal name."""
    display_name: str = ""
    """Attribute of the name to show."""
    home_tenant_id: str = ""
    """Attribute of the tenant that the person comes from."""
    identifiers: Columns = {}
    """Further kinds of identifiers to their attributes."""


class LdapDirectorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server, which of its entries are people, and which attributes hold identifiers."""

    url: str
    """`ldaps://host:636`, or `ldap://host:389` with `start_tls`; without TLS this machine alone."""
    start_tls: bool = False
    """Whether a connection to `ldap://` is encrypted before anything else is said (RFC 4511 4.14)."""
    ca: str = ""
    """Certificates (PEM) that the server's must come from, instead of the system's: `{file: PATH}`."""
    bind_dn: str = ""
    """Whom to bind as: an account that may read these entries and no more. Left out, with `password`: nobody (anonymous)."""
    password: str = ""
    """The password of `bind_dn`: `${NAME}` or `{file: PATH}`."""
    base: str
    """The entry below which people are."""
    filter: str = "(objectClass=person)"
    """Which entries below it are people, in the form of RFC 4515."""
    id: str
    """Attribute of the object id: `entryUUID`, for Active Directory `objectGUID`."""
    upn: str
    """Attribute of the user principal name."""
    display_name: str = ""
    """Attribute of the name to show."""
    language: str = ""
    """Attribute of the person's language, which packages are written in: `preferredLanguage`."""
    recipient: str = ""
    """Attribute of the person's public key of age (`age1…`) or of SSH (`ssh-ed25519 …`), which packages are sealed to where
    `export.sealed` is `age`."""
    identifiers: Columns = {}
    """Kind of identifier to the attribute, or attributes, that hold it; `id` and `upn` are always there."""
    more: tuple[LdapMoreSettings, ...] = ()
    """Further entries of the server: identifiers found by identifiers, round after round until nothing new is found."""
    limits: Limits = Limits()
    """How far the search goes, and which identifiers are too weak to be searched for."""
    inbound_profiles: LdapInboundSettings | None = None
    """Inbound shared user profiles; left out: there are none."""
    referrals: Literal["refuse", "ignore"] = "refuse"
    """What becomes of a part below `base` that other servers keep: an error, or left out. Referrals are never followed."""
    timeout_s: Annotated[float, msgspec.Meta(ge=1, le=600)] = 30.0
    """How long connecting may take, and each page of answers."""
    page_size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 500
    """How many entries to ask for at once (RFC 2696)."""

    def __post_init__(self) -> None:
        """Refuse kinds that are taken."""
        refuse_own_kinds(self.identifiers)

    def __repr__(self) -> str:
        """Leave everything out: there is a secret in it."""
        return "LdapDirectorySettings()"
