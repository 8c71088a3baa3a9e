"""Names of folders of mail as IMAP servers write them: UTF-7 with `&` instead of `+`, `,` instead of `/` (RFC 3501 5.1.3)."""

import base64
import binascii
import re

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")
_OTHERS = re.compile(r"[^\x20-\x7e]+")


def decode_exactly(name: str) -> str:
    """Return a name as people write it; as it is where it is no such name, so that two names never become one."""
    try:
        decoded = _SHIFTED.sub(_decode, name)
    except (ValueError, binascii.Error):
        return name
    return decoded if encode(decoded) == name and not set("/\0") & set(decoded) else name


def encode(name: str) -> str:
    """Write a name as IMAP has it."""
    return _OTHERS.sub(_encode, name.replace("&", "&-"))


def _decode(found: re.Match[str]) -> str:
    if not found[1]:
        return "&"
    letters = found[1].replace(",", "/")
    return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True).decode("utf-16-be")


def _encode(found: re.Match[str]) -> str:
    raw = found[0].encode("utf-16-be", "surrogatepass")
    return "&" + base64.b64encode(raw).decode().rstrip("=").replace("/", ",") + "-"
