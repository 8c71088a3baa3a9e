"""Settings some of which are secrets."""

import re

import msgspec

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]+)?(/|\Z)")


class SecretSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What opens something, of which a `repr` shows no value."""

    def __repr__(self) -> str:
        """Name what is given, never its value."""
        return f"{type(self).__name__}({', '.join(self.given)})"

    @property
    def given(self) -> list[str]:
        """What is given."""
        return [name for name in self.__struct_fields__ if getattr(self, name)]


def is_loopback(url: str) -> bool:
    """Whether it is an `http://` address on loopback, where secrets may go without TLS."""
    return _LOOPBACK.match(url) is not None
