"""How a worker says by its name in Dask who it is: version, and the key that what is sent to it is sealed to."""

from rightful import __version__
from rightful.age.keys import Recipient, parse_recipient

_KIND = "rightful"


def name_of(recipient: Recipient) -> str:
    """Return the name of a worker."""
    return f"{_KIND}/{__version__}/{recipient}"


def parse_name(name: str) -> tuple[str, Recipient] | None:
    """Return version and key; None for a worker that is not one of ours."""
    kind, _, rest = name.partition("/")
    version, _, key = rest.partition("/")
    if kind != _KIND or not version:
        return None
    try:
        return version, parse_recipient(key)
    except ValueError:
        return None
