"""What attributes hold, as text, and how a text is searched for in them."""

import uuid
from collections.abc import Sequence

from rightful.directory.place import SOURCE_NAME
from rightful.errors import SourceRefused
from rightful.ids import is_guid

_MAIL = "smtp:"


def decode(attribute: str, values: Sequence[bytes]) -> list[str]:
    """Return an attribute's values as they are compared and shown, sorted: the order in which a server gives them means nothing.

    `objectGUID` (MS-DTYP 2.3.4.2: the first three parts little-endian) becomes a GUID's text. Of `proxyAddresses` those of `smtp:` count,
    without that. All else is UTF-8 (RFC 4517).
    """
    name = attribute.lower()
    try:
        if name == "objectguid":
            return sorted(str(uuid.UUID(bytes_le=value)) for value in values)
        texts = sorted(value.decode() for value in values)
    except ValueError:  # UnicodeDecodeError is one
        raise SourceRefused(
            f"the LDAP server: a value of {attribute!r} is no text",
            source_name=SOURCE_NAME,
            hint="name an attribute that holds text, or objectGUID",
        ) from None
    if name == "proxyaddresses":
        return [text[len(_MAIL) :] for text in texts if text[: len(_MAIL)].lower() == _MAIL]
    return texts


def encode(attribute: str, text: str) -> bytes | None:
    """Return what a text is searched for as; None where the attribute cannot hold it."""
    name = attribute.lower()
    if name == "objectguid":
        return uuid.UUID(text).bytes_le if is_guid(text.lower()) else None
    try:
        return f"{_MAIL}{text}".encode() if name == "proxyaddresses" else text.encode()
    except UnicodeEncodeError:
        return None
