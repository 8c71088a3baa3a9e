"""The digest of the rules that a package was made by: equal for packages made alike, another one where a rule is another."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rightful.package.label import Label, StatementSettings

_encode = msgspec.json.Encoder(order="sorted").encode

SETTINGS = ("table", "match", "caseless", "via", "include", "exclude", "time")
"""The settings of sources that say whose rows are found and which columns and files: never an address or a secret."""


class SourcePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What decides on what a source brings."""

    name: str
    connector: str
    product: str
    redact: Mapping[str, str]
    unreadable: str
    label: Label
    """What is stated on its data, by itself or by what holds for every source."""
    settings: Mapping[str, Any]
    """Those of `SETTINGS` that the source has."""


def policy_digest(sources: Iterable[SourcePolicy], *, formats: Iterable[str], statement: StatementSettings) -> str:
    """Return the SHA-256 of the policy as JSON without white space, members ascending: 64 hex digits."""
    own = {name: getattr(statement, name) for name in ("contact", "officer", "authority", "laws")}
    policy = {"formats": list(formats), "sources": list(sources), "statement": own}
    return hashlib.sha256(_encode(policy)).hexdigest()
