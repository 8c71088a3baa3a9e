"""Addresses of IMAP servers: `imaps://HOST`, `imap://HOST:PORT` (RFC 5092, scheme, host and port alone)."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_PORTS = {"imaps": 993, "imap": 143}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def is_imap(url: str) -> bool:
    """Say whether a URL is meant to be an IMAP server's."""
    return re.match(r"imaps?:", url, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class ImapAddress:
    """A server."""

    host: str
    port: int
    is_encrypted: bool
    """From the first byte (RFC 8314); else by STARTTLS."""

    @classmethod
    def parse(cls, url: str) -> "ImapAddress":
        """Read an address; raises `ValueError` with what is wrong."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("is no URL") from None
        if not parts.hostname or port == 0 or not url.isascii():
            raise ValueError("is not imaps://HOST or imaps://HOST:PORT")
        if parts.username is not None or parts.path not in {"", "/"} or "?" in url or "#" in url:
            raise ValueError("has more in it than scheme, host and port")
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "imaps")

    @property
    def is_loopback(self) -> bool:
        """Whether nothing leaves the machine."""
        return self.host in _LOOPBACK

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'imaps' if self.is_encrypted else 'imap'}://{host}:{self.port}"
