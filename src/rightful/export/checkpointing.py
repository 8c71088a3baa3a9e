"""Signing checkpoints of the audit chains while the service runs."""

from collections.abc import Iterable

import structlog

from rightful.audit.checkpoint import ChainCheckpoint, CheckpointKey
from rightful.clock import Clock, to_microseconds
from rightful.config.model import Config
from rightful.ids import TenantId
from rightful.store.interface import Store

_log = structlog.get_logger(__name__)


def checkpoint_key(config: Config) -> CheckpointKey:
    """Return the key that signs: the configured one, else one made of the seal key."""
    text = config.audit.key.strip()
    return CheckpointKey(bytes.fromhex(text)) if text else CheckpointKey.derived(config.seal_key)


class Checkpoints:
    """Signs how far chains have come. Each checkpoint goes into the store and into the log: a log that is kept elsewhere proves the most.

    A chain is signed only as long as the record of its last checkpoint is still the one that was signed: otherwise the service would
    confirm what somebody else has written meanwhile.
    """

    def __init__(self, store: Store, key: CheckpointKey, clock: Clock, tenants: Iterable[TenantId]) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._tenants = tuple(tenants)
        self._last: dict[TenantId, ChainCheckpoint | None] = {}

    def sign(self) -> None:
        """Sign each chain that has grown since its last checkpoint."""
        for tenant_id in self._tenants:
            self._sign(tenant_id)

    def _sign(self, tenant_id: TenantId) -> None:
        head = self._store.chain_head(tenant_id)
        last = self._last[tenant_id] if tenant_id in self._last else self._store.last_chain_checkpoint(tenant_id)
        if last is not None and not self._stands(last):
            _log.error(
                "the audit trail was tampered with, and is not signed any more: run `rightful audit verify`",
                tenant=tenant_id,
                checkpoint=last.seq,
            )
            return
        if head is None or (last is not None and head.seq <= last.seq):
            self._last[tenant_id] = last
            return
        now_us = to_microseconds(self._clock.now())
        made = self._key.sign(tenant_id=tenant_id, seq=head.seq, hash_=head.hash, time_us=now_us)
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

    def _stands(self, last: ChainCheckpoint) -> bool:
        found = self._store.chain(last.tenant_id, after_seq=last.seq - 1, limit=1)
        return bool(found) and (found[0].seq, found[0].hash.hex()) == (last.seq, last.hash)
