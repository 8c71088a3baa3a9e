"""Signing checkpoints of the audit chains while the service runs."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog

from rightful.audit import start as starts
from rightful.audit.chain import ChainCheck
from rightful.audit.checkpoint import ChainCheckpoint, CheckpointKey, is_signed
from rightful.audit.start import ChainStart
from rightful.clock import Clock, to_microseconds
from rightful.config.model import Config
from rightful.faults import describe
from rightful.ids import TenantId
from rightful.store.interface import Store

_log = structlog.get_logger(__name__)


def checkpoint_key(config: Config) -> CheckpointKey:
    """Return the key that signs: the configured one, else one made of the seal key."""
    text = config.audit.key.strip()
    return CheckpointKey(bytes.fromhex(text)) if text else CheckpointKey.derived(config.seal_key)


_SLICE = 20_000
"""Records that are read at once (some 50 ms): of a chain that this run has not read to its end yet, and again of one that it has."""
_PAGE = 1000

Between = Callable[[], None]
"""Called after each page (some 3 ms), for what cannot wait until all chains are read. It raises nothing."""


def _nothing() -> None:
    """Let nothing be done."""


class _Reader:
    """Reads a chain from its first record on, and checks it. Where records are purged that it has not read yet, it begins anew."""

    def __init__(self, store: Store, tenant_id: TenantId, trusted: frozenset[str]) -> None:
        self._store = store
        self._tenant_id = tenant_id
        self._trusted = trusted
        self._begin(None)

    def _begin(self, start: ChainStart | None) -> None:
        self._start = start
        self._after = start.seq if start else -(2**63)  # whatever was put before record 1 is read too
        self.check = ChainCheck(self._tenant_id, start=start)
        self.is_at_end = False
        """Whether it has come to the end once."""

    def _is_purged(self) -> bool:
        """Begin anew where the chain has a later start by now, and say whether it has."""
        start = self._store.retention(self._tenant_id).start
        if start is None or start.tenant_id != self._tenant_id or not starts.is_signed(start, self._trusted):
            return False
        if self._start is not None and start.seq <= self._start.seq:
            return False
        self._begin(start)
        return True

    def read(self, between: Between, most: int = _SLICE) -> bool:
        """Read on, and say whether nothing was found wrong so far."""
        return self._read(between, most) or (self._is_purged() and self._read(between, most))

    def _read(self, between: Between, most: int) -> bool:
        while most > 0 and self.check.is_in_order:
            entries = self._store.chain(self._tenant_id, after_seq=self._after, limit=_PAGE)
            for entry in entries:
                self.check.add(entry.seq, entry.canonical, entry.hash)
                self._after = entry.seq
            between()
            if len(entries) < _PAGE:
                self.is_at_end = True
                break
            most -= len(entries)
        return self.check.is_in_order


class Checkpoints:
    """Signs how far chains have come. Each checkpoint goes into the store and into the log: a log that is kept elsewhere proves the most.

    Otherwise the service would confirm what somebody else has written: a chain is signed only up to where this run has read it, from its
    first record on, and found it in order, and only as long as the record of its last checkpoint is still the one that was signed, by a
    key that is trusted. What was read is read again, a slice each time.
    """

    def __init__(
        self, store: Store, key: CheckpointKey, clock: Clock, tenants: Iterable[TenantId], *, earlier_keys: Iterable[str] = ()
    ) -> None:
        self._store = store
        self._key = key
        self._trusted = frozenset({key.public, *earlier_keys})
        self._clock = clock
        self._readers = {tenant_id: _Reader(store, tenant_id, self._trusted) for tenant_id in tenants}
        self._again: dict[TenantId, _Reader] = {}
        self._last: dict[TenantId, ChainCheckpoint | None] = {}

    def read(self, between: Between = _nothing) -> None:
        """Read on in the chains that were not read to their end yet; they are not signed before."""
        for tenant_id, reader in self._readers.items():
            if not reader.is_at_end:
                with self._guarded(tenant_id):
                    reader.read(between)

    def sign(self, between: Between = _nothing) -> None:
        """Sign each chain that has grown since its last checkpoint."""
        for tenant_id, reader in self._readers.items():
            with self._guarded(tenant_id):
                self._sign(tenant_id, reader, between)

    @contextmanager
    def _guarded(self, tenant_id: TenantId) -> Iterator[None]:
        """Let whatever lies in one chain keep no other from being signed."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - as said
            _log.error("an audit chain cannot be read, and is not signed", tenant=tenant_id, error=describe(error))

    def _sign(self, tenant_id: TenantId, reader: _Reader, between: Between) -> None:
        last = self._last[tenant_id] if tenant_id in self._last else self._store.last_chain_checkpoint(tenant_id)
        if last is not None and not self._is_ours(last, tenant_id):
            _log.error(
                "the last checkpoint of an audit chain is signed by no key that is trusted here, and the chain is not signed any more: "
                "where audit.key was replaced, or the seal key that it was made of, name the earlier one in audit.earlier_keys; "
                "else run `rightful audit verify`",
                tenant=tenant_id,
                checkpoint=last.seq,
                key=last.key[:64],
            )
            return
        is_in_order = reader.read(between, sys.maxsize if reader.is_at_end else _SLICE) and self._is_still_in_order(tenant_id, between)
        if not is_in_order or (last is not None and not self._stands(last)):
            _log.error(
                "the audit trail was tampered with, and is not signed any more: run `rightful audit verify`",
                tenant=tenant_id,
                checkpoint=last.seq if last else 0,
            )
            return
        seq, hash_ = reader.check.head
        if not reader.is_at_end or seq <= (last.seq if last else 0):
            self._last[tenant_id] = last
            return
        now_us = to_microseconds(self._clock.now())
        made = self._key.sign(tenant_id=tenant_id, seq=seq, hash_=hash_, time_us=now_us)
        self._store.add_chain_checkpoint(made)
        self._last[tenant_id] = made
        _log.info(
            "audit checkpoint",
            version=made.version,
            tenant_id=tenant_id,
            seq=made.seq,
            hash=made.hash,
            time_us=made.time_us,
            key=made.key,
            signature=made.signature,
        )

    def _is_still_in_order(self, tenant_id: TenantId, between: Between) -> bool:
        again = self._again.get(tenant_id)
        if again is None or again.is_at_end:
            again = self._again[tenant_id] = _Reader(self._store, tenant_id, self._trusted)
        return again.read(between)

    def _is_ours(self, last: ChainCheckpoint, tenant_id: TenantId) -> bool:
        """Say whether a service made this checkpoint, and of this chain: who can write to the store can put another there."""
        return last is self._last.get(tenant_id) or (last.tenant_id == tenant_id and is_signed(last, self._trusted))

    def _stands(self, last: ChainCheckpoint) -> bool:
        found = self._store.chain(last.tenant_id, after_seq=last.seq - 1, limit=1)
        return bool(found) and (found[0].seq, found[0].hash.hex()) == (last.seq, last.hash)
