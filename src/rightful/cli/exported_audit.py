"""The audit trail as `rightful audit export` wrote it, read without the store."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from rightful.audit import start as starts
from rightful.audit.start import ChainStart
from rightful.errors import ConfigurationError
from rightful.ids import TenantId
from rightful.store.values import ChainEntry, Retention


class _Line(msgspec.Struct, frozen=True):
    tenant: TenantId
    seq: int = 0
    record: str = ""
    hash: str = ""
    start: ChainStart | None = None


class ExportedAudit:
    """See `store.place.AuditReader`; the checkpoints are elsewhere. The file is read through for each chain, and never held."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _lines(self) -> Iterator[_Line]:
        decode = msgspec.json.Decoder(_Line).decode
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield decode(line)
                except (msgspec.MsgspecError, UnicodeError) as error:
                    hint = "give what `rightful audit export` wrote; where it did, somebody has changed it since"
                    raise ConfigurationError(f"line {number} of {self._path} cannot be read", code="AuditDamaged", hint=hint) from error

    def tenants(self) -> tuple[TenantId, ...]:
        """Return whose chains there are."""
        return tuple(sorted({line.tenant for line in self._lines()}))

    def chain(self, tenant_id: TenantId) -> Iterator[ChainEntry]:
        """Yield the entries of a chain, as they stand there; places rise."""
        place = 0
        for line in self._lines():
            if line.tenant != tenant_id or line.start is not None:
                continue
            place = max(line.seq, place + 1)
            yield ChainEntry(seq=place, canonical=line.record, hash=_bytes(line.hash))

    def checkpoints(self, tenant_id: TenantId) -> Iterator[str]:
        """Yield nothing: they are given besides."""
        del tenant_id
        yield from ()

    def retention(self, tenant_id: TenantId) -> Retention:
        """Return the start of a chain, the first where there are several."""
        found = (line.start for line in self._lines() if line.tenant == tenant_id and line.start is not None)
        start = next(found, None)
        return Retention() if start is None else Retention(start=start, line=starts.encode(start).decode())


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
