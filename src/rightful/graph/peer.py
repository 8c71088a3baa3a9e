"""The service that leads, as those that stand by reach it: it tells its address in the store that they share, sealed.

Whoever can write the database could else name an address of their own there, and be sent every caller's token: what was sealed with another
key, or changed, does not open. The certificate is told too, so that neither its issuer nor its name has to be one that machines trust.
"""

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import structlog

from rightful.config.model import ServerSettings
from rightful.errors import ConfigurationError
from rightful.ids import OperationId, TenantId
from rightful.pinned import DEFAULT_PORTS, PinnedHost
from rightful.sealing import Sealer

_log = structlog.get_logger(__name__)

_PLACE = (TenantId(""), OperationId("peer"))
"""What it is sealed for: no operation has this id."""
_END = "-----END CERTIFICATE-----"
_ANSWER_S = 60.0
_KEPT = 64


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service is reached, and by which certificate it is known."""

    address: str
    """Scheme, host and port."""
    certificate: str = ""
    """PEM; empty where it speaks plain HTTP on loopback."""


def peer_of(server: ServerSettings, folder: Path) -> Peer | None:
    """Return this service as others reach it; None where its configuration does not say how."""
    if not server.own_address:
        return None
    if server.tls is None:
        return Peer(address=server.own_address)
    begun, end, _ = (folder / server.tls.cert).read_text(encoding="ascii").partition(_END)
    return Peer(address=server.own_address, certificate=f"{begun[begun.find('-----BEGIN') :]}{end}\n")


def seal(peer: Peer | None, sealer: Sealer) -> bytes:
    """Return what is told in the store: nothing where there is nothing to tell."""
    return b"" if peer is None else sealer.seal(msgspec.json.encode(peer), *_PLACE)


class Leader:
    """Knows the service that leads, as the store told last. Asked from any thread; one at a time tells it."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._told = b""
        self._host: PinnedHost | None = None

    @property
    def host(self) -> PinnedHost | None:
        """Connections to it; None while none is known."""
        return self._host

    def tell(self, told: bytes) -> None:
        """Take what stands in the store now."""
        if told == self._told:
            return
        before, self._host, self._told = self._host, None, told
        if told:
            try:
                self._host = _connected(msgspec.json.decode(self._sealer.open(told, *_PLACE), type=Peer))
            except (ConfigurationError, msgspec.MsgspecError):
                _log.warning("where the service that leads is reached was sealed with another seal_key: requests are not passed on to it")
        if before is not None:
            before.keep_none()  # what is under way may end

    def close(self) -> None:
        """End every exchange."""
        host, self._host = self._host, None
        if host is not None:
            host.close()


def _connected(peer: Peer) -> PinnedHost:
    parts = urlsplit(peer.address)
    context: ssl.SSLContext | None = None
    if parts.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False  # it is this one certificate, whatever names are in it
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # and it need not be an authority's
        context.load_verify_locations(cadata=peer.certificate)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return PinnedHost(parts.scheme, parts.hostname or "", port, may_be_private=True, tls=context, answer_timeout_s=_ANSWER_S, kept=_KEPT)
