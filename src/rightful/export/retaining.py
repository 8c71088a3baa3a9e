"""What of a tenant's was kept long enough, as `retention` says; and erasing it, a few rows at a time.

The order: what an earlier purge left of an audit chain, receipts, operations, then the audit chain. A chain is cut in two steps: its signed
start is put down, then the records before it are erased. After a kill the next purge goes on.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
import structlog

from rightful.audit import checkpoint as checkpoints
from rightful.audit import start as starts
from rightful.audit.checkpoint import ChainCheckpoint, CheckpointKey
from rightful.audit.cutting import Cut
from rightful.audit.record import NOBODY, Actor
from rightful.audit.start import ChainStart
from rightful.clock import Clock, from_microseconds, to_microseconds
from rightful.config.model import DeadlineSettings, TenantConfig
from rightful.ids import TenantId
from rightful.operation import deadline
from rightful.store.interface import Store
from rightful.store.place import AuditReader
from rightful.store.values import Purgeable, PurgeKind, PurgeLimits, Retention

_log = structlog.get_logger(__name__)

MOST_AHEAD = timedelta(days=31)
"""A clock that is so far ahead of all that is known may be wrong: nothing is purged by it."""
_MARGIN = timedelta(days=31)
"""What a day off at the end of a period may add to it, and more."""
_LONGEST_MONTH = 31
_OPERATIONS = 50
_RECEIPTS = 500
_RECORDS = 1000
"""How many go in one transaction (some 5 ms)."""
_PAGE = 1000


def limits(tenant: TenantConfig, now: datetime) -> PurgeLimits:
    """Return what of a tenant's was kept long enough."""
    retention = tenant.retention
    return PurgeLimits(
        tenant_id=tenant.id,
        operations_before=_before(now, retention.operations_days),
        receipts_before=_before(now, retention.receipts_days),
        received_before=now - _longest(tenant.deadlines),
    )


def _before(now: datetime, days: int) -> datetime | None:
    return now - timedelta(days=days) if days else None


def _longest(settings: DeadlineSettings) -> timedelta:
    """Return after how long no request has to be answered any more, at the latest."""
    regulation = deadline.regulations().get(settings.regulation)
    if regulation is None:
        return timedelta()
    periods = filter(None, (regulation.period, regulation.extended))
    return max(timedelta(days=each.months * _LONGEST_MONTH + each.days) for each in periods) + _MARGIN


def service_days(tenants: Iterable[TenantConfig]) -> int:
    """Return how long records that belong to no tenant are kept: as long as any tenant's; 0: for ever."""
    days = [tenant.retention.audit_days for tenant in tenants]
    return max(days) if days and all(days) else 0


def last_known(retention: Retention, signed: ChainCheckpoint | None) -> datetime | None:
    """Return the latest moment that is known of a store before this one: of the last purge, or else of the last checkpoint."""
    if retention.purged_at is not None or signed is None:
        return retention.purged_at
    return from_microseconds(signed.time_us)


def is_doubtful(known: datetime | None, now: datetime) -> bool:
    """Say whether the clock may be wrong: it is far ahead of the latest moment that is known."""
    return known is not None and now - known > MOST_AHEAD


class Purge:
    """Erases what was kept long enough; by somebody, or by the service itself."""

    def __init__(
        self,
        store: Store,
        key: CheckpointKey,
        clock: Clock,
        *,
        earlier_keys: Iterable[str] = (),
        by: Actor = NOBODY,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._trusted = frozenset({key.public, *earlier_keys})
        self._by = by
        self._is_stopping = is_stopping

    def tenant(self, tenant: TenantConfig) -> dict[PurgeKind, int]:
        """Erase what of a tenant's was kept long enough; return how much of each kind."""
        found = limits(tenant, self._clock.now())
        purged = {PurgeKind.OPERATIONS: 0, PurgeKind.RECEIPTS: 0}
        while not self._is_stopping() and (number := self._store.purge_receipts(found, limit=_RECEIPTS, by=self._by)):
            purged[PurgeKind.RECEIPTS] += number
        is_more = tenant.retention.operations_days > 0
        while is_more and not self._is_stopping():
            part = self._store.purge_operations(found, limit=_OPERATIONS, by=self._by)
            purged[PurgeKind.OPERATIONS] += part.number
            is_more = part.is_more
        purged[PurgeKind.AUDIT_RECORDS] = self.chain(tenant.id, tenant.retention.audit_days)
        return purged

    def chain(self, tenant_id: TenantId, days: int) -> int:
        """Erase what of a chain was kept long enough, and put down that this was looked for; return how many records go."""
        retention = self._store.retention(tenant_id)
        if retention.line and not self._is_ours(retention.start, tenant_id):
            _log.error(
                "the start of an audit chain is signed by no key that is trusted here: run `rightful audit verify`", tenant=tenant_id
            )
            return 0
        start, number = retention.start, 0
        cut = self._cut(tenant_id, days, start) if days else None
        if cut is not None and self._store.put_chain_start(cut, self._by):
            start, number = cut, cut.cut
        while start is not None and not self._is_stopping() and self._store.purge_records(start, limit=_RECORDS):
            pass
        if not self._is_stopping():
            self._store.put_purged(tenant_id)
        return number

    def _is_ours(self, start: ChainStart | None, tenant_id: TenantId) -> bool:
        return start is not None and start.tenant_id == tenant_id and starts.is_signed(start, self._trusted)

    def _cut(self, tenant_id: TenantId, days: int, start: ChainStart | None) -> ChainStart | None:
        """Return the start that a chain is to have, None where nothing of it is to go."""
        signed = self._store.last_chain_checkpoint(tenant_id)
        if signed is None or signed.tenant_id != tenant_id or not checkpoints.is_signed(signed, self._trusted):
            return None
        now = self._clock.now()
        cut = Cut(tenant_id, start, signed, to_microseconds(now - timedelta(days=days)))
        after = start.seq if start else 0
        while not cut.is_over and not self._is_stopping():
            page = self._store.chain(tenant_id, after_seq=after, limit=_PAGE)
            for entry in page:
                if not cut.is_over:
                    cut.add(entry.seq, entry.canonical, entry.hash)
                    after = entry.seq
            if len(page) < _PAGE:
                break
        if not cut.is_in_order or not self._stands(signed):
            _log.error("the audit trail was tampered with, and nothing of it is purged: run `rightful audit verify`", tenant=tenant_id)
            return None
        if not cut.is_due:
            return None
        return starts.sign(
            self._key,
            tenant_id=tenant_id,
            seq=cut.seq,
            hash_=cut.hash,
            cut=cut.number,
            newest_us=cut.newest_us,
            time_us=to_microseconds(now),
            days=days,
        )

    def _stands(self, signed: ChainCheckpoint) -> bool:
        found = self._store.chain(signed.tenant_id, after_seq=signed.seq - 1, limit=1)
        return bool(found) and (found[0].seq, found[0].hash.hex()) == (signed.seq, signed.hash)


def purgeable_records(trail: AuditReader, tenant_id: TenantId, days: int, trusted: frozenset[str], now: datetime) -> Purgeable:
    """Return how many records of a chain would be purged; none where it is not signed, or does not fit."""
    nothing = Purgeable(kind=PurgeKind.AUDIT_RECORDS, number=0)
    start, lines = trail.retention(tenant_id).start, deque(trail.checkpoints(tenant_id), maxlen=1)
    try:
        signed = checkpoints.decode(lines[0]) if lines else None
    except (msgspec.MsgspecError, UnicodeError):
        signed = None
    if not days or signed is None or signed.tenant_id != tenant_id or not checkpoints.is_signed(signed, trusted):
        return nothing
    cut = Cut(tenant_id, start, signed, to_microseconds(now - timedelta(days=days)))
    for entry in trail.chain(tenant_id):
        if start is None or entry.seq > start.seq:
            cut.add(entry.seq, entry.canonical, entry.hash)
        if cut.is_over:
            break
    if not cut.is_due:
        return nothing
    oldest, newest = from_microseconds(cut.oldest_us), from_microseconds(cut.newest_us)
    return Purgeable(kind=PurgeKind.AUDIT_RECORDS, number=cut.number, oldest=oldest, newest=newest)
