"""The signed start of a chain whose oldest records were purged: the chain goes on from the hash that it names.

What is signed (Ed25519, RFC 8032) is a JSON array as RFC 8785 writes it:
`["rightful-audit-start",1,tenant,seq,hash,cut,newest,time,days]` (docs/reference/audit.md). Without the key nobody makes a start, so what
somebody cut off is told from what was purged.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from rightful.audit.checkpoint import CheckpointKey, is_signature
from rightful.ids import TenantId

_PURPOSE = "rightful-audit-start"
_encode = msgspec.json.Encoder().encode
_Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Number = Annotated[int, msgspec.Meta(ge=1)]


class ChainStart(msgspec.Struct, frozen=True, kw_only=True):
    """From where a chain goes on; as JSON it is a line."""

    version: Literal[1] = 1
    tenant_id: TenantId
    seq: _Number
    """The number of the last record that was purged: so many are gone."""
    hash: _Hash
    """That record's, 64 hex digits."""
    cut: _Number
    """How many this purge took."""
    newest_us: int
    """The latest time of those: earlier than `time_us` by `days`, at least."""
    time_us: int
    days: _Number
    """How long records were kept."""
    key: str
    """The public key, 64 hex digits."""
    signature: str


def decode(line: bytes | str) -> ChainStart:
    """Read a start from its line; raises `msgspec.MsgspecError`. Members that are not its own are passed over."""
    return msgspec.json.decode(line, type=ChainStart)


def encode(start: ChainStart) -> bytes:
    """Return a start's line."""
    return _encode(start)


def is_signed(start: ChainStart, trusted: Iterable[str]) -> bool:
    """Say whether a start is signed by one of these public keys."""
    return is_signature(start.key, start.signature, _signed(start), trusted)


def sign(
    key: CheckpointKey, *, tenant_id: TenantId, seq: int, hash_: bytes, cut: int, newest_us: int, time_us: int, days: int
) -> ChainStart:
    """Make a start."""
    unsigned = ChainStart(
        tenant_id=tenant_id,
        seq=seq,
        hash=hash_.hex(),
        cut=cut,
        newest_us=newest_us,
        time_us=time_us,
        days=days,
        key=key.public,
        signature="",
    )
    return msgspec.structs.replace(unsigned, signature=key.signature(_signed(unsigned)))


def _signed(start: ChainStart) -> bytes:
    said = (start.tenant_id, start.seq, start.hash, start.cut, start.newest_us, start.time_us, start.days)
    return _encode((_PURPOSE, start.version, *said))
