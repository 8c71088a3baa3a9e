"""Secrets that sign what webhooks are told, as Standard Webhooks writes them. Pure."""

import base64
import binascii

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


def parse(text: str) -> bytes:
    """Return the bytes of `whsec_` and base64; raises `ValueError` where it is something else, or not of 24 to 64 bytes."""
    if not text.startswith(PREFIX):
        raise ValueError("does not begin with whsec_")
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is no base64 after whsec_") from None
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise ValueError(f"has {len(secret)} bytes, and needs {LEAST_BYTES} to {MOST_BYTES}")
    return secret
