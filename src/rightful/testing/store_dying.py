"""What a store notes when the service dies with what it has claimed, as the suite of stores asks for it."""

from datetime import timedelta

import pytest

from rightful.ids import OperationId
from rightful.operation.model import Failure
from rightful.store.deaths import ALONE, LONGEST_PAUSE_S, OVER_S, SUSPECTED, Deaths
from rightful.store.interface import Store
from rightful.store.values import Checkpoint, ClaimedOperation, EntryState, FinishSet, ReadSet
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import LEASE_S, OWNER, START, TENANT, accept, claim_reads, done, part, scan

_PLENTY = 100
_EXACTLY_S = 8
_KINDS = pytest.mark.parametrize("is_end", [False, True], ids=["read", "end"])


def _accept(store: Store, number: int, *, is_end: bool) -> OperationId:
    """Have an operation whose read is to be done, or whose package is to be finished."""
    operation_id = accept(store, number, "a")
    if is_end:
        store.checkpoint([done(read) for read in claim_reads(store).reads], owner=OWNER)
    return operation_id


def _claim(store: Store, suspects: int = _PLENTY) -> list[tuple[OperationId, int]]:
    """Claim; return what, and of how many deaths."""
    claim = store.claim(OWNER, lease_s=LEASE_S, limit=_PLENTY, suspects=suspects)
    return [] if claim is None else [(operation_id, deaths.times) for operation_id, deaths in _deaths(claim)]


def _deaths(claim: ReadSet | FinishSet) -> list[tuple[OperationId, Deaths]]:
    return [(each.operation_id, each.deaths) for each in (claim.reads if isinstance(claim, ReadSet) else claim.operations)]


def _claim_the_one(store: Store, clock: ManualClock) -> tuple[Deaths, int]:
    """Claim what there is, and wait for it; return its deaths, and how many seconds that took."""
    waited_s = 0
    while (claim := store.claim(OWNER, lease_s=LEASE_S, limit=_PLENTY)) is None:
        step_s = 1 if waited_s < _EXACTLY_S else _EXACTLY_S  # which divides all longer pauses
        clock.advance(step_s)
        waited_s += step_s
    ((_, deaths),) = _deaths(claim)
    return deaths, waited_s


class DyingSuite:
    """What every store promises about deaths of the service."""

    @_KINDS
    def test_what_a_service_died_with_is_suspected_and_claimed_apart(self, store: Store, is_end: bool) -> None:  # noqa: FBT001
        ids = [accept(store, number, "a") for number in range(3)]
        late = accept(store, 3, "b") if is_end else None
        others = "another"
        if is_end:
            own = claim_reads(store).reads
            (its_read,) = claim_reads(store, others).reads
            store.checkpoint([done(read) for read in own], owner=OWNER)
        for times in range(SUSPECTED):
            assert _claim(store, suspects=1) == [(each, times) for each in ids]
            store.release_all(OWNER, has_died=True)
        if late is None:
            late = accept(store, 3, "a")
        else:
            store.checkpoint([done(its_read)], owner=others)
        assert _claim(store, suspects=1) == [(ids[0], SUSPECTED)]
        assert _claim(store, suspects=2) == [(each, SUSPECTED) for each in ids[1:]]
        assert _claim(store, suspects=1) == [(late, 0)]
        store.release_all(has_died=True)  # beside each other: none is to blame
        assert _claim(store, suspects=1) == [(ids[0], SUSPECTED)]
        store.release_all(has_died=True)
        assert _claim(store, suspects=1) == [(ids[1], SUSPECTED)]  # the first one waits a moment

    @_KINDS
    def test_what_a_service_died_of_alone_waits_longer_each_time_and_is_proven_after_an_hour(
        self,
        store: Store,
        clock: ManualClock,
        is_end: bool,  # noqa: FBT001
    ) -> None:
        _accept(store, 1, is_end=is_end)
        waits: list[int] = []
        while True:
            deaths, waited_s = _claim_the_one(store, clock)
            waits.append(waited_s)
            if len(waits) == SUSPECTED + 1:
                first_at = clock.now()
            if deaths.are_proof:
                break
            assert deaths.times == len(waits) - 1
            last_at = clock.now()
            store.release_all(has_died=True)
        assert waits[: SUSPECTED + 6] == [0] * (SUSPECTED + 1) + [1, 2, 4, 8, 16]
        assert waits[-1] == max(waits) == LONGEST_PAUSE_S
        assert deaths.times >= SUSPECTED + ALONE
        assert timedelta(seconds=deaths.over_s) == last_at - first_at >= timedelta(seconds=OVER_S)

    @_KINDS
    def test_deaths_within_less_than_an_hour_prove_nothing_however_late_the_service_is_started_again(
        self,
        store: Store,
        clock: ManualClock,
        is_end: bool,  # noqa: FBT001
    ) -> None:
        _accept(store, 1, is_end=is_end)
        for _ in range(SUSPECTED + ALONE - 1):
            _claim_the_one(store, clock)
            store.release_all(has_died=True)
        _claim_the_one(store, clock)
        clock.advance(24 * OVER_S)  # it died at once, and nobody noticed
        store.release_all(has_died=True)
        deaths, _ = _claim_the_one(store, clock)
        assert deaths.times == SUSPECTED + ALONE
        assert deaths.over_s < OVER_S
        assert not deaths.are_proof

    @_KINDS
    def test_few_deaths_prove_nothing_over_however_long_a_time(self, store: Store, clock: ManualClock, is_end: bool) -> None:  # noqa: FBT001
        _accept(store, 1, is_end=is_end)
        for _ in range(SUSPECTED + ALONE - 1):
            _claim_the_one(store, clock)
            clock.advance(OVER_S)
            store.heartbeat(OWNER, lease_s=LEASE_S)
            store.release_all(has_died=True)
        deaths, _ = _claim_the_one(store, clock)
        assert deaths.over_s > OVER_S
        assert not deaths.are_proof

    def test_reads_and_ends_beside_each_other_are_not_alone(self, store: Store) -> None:
        first = _accept(store, 1, is_end=True)
        second = accept(store, 2, "a")
        for times in range(SUSPECTED + 2):
            assert (_claim(store), _claim(store)) == ([(first, min(times, SUSPECTED))], [(second, min(times, SUSPECTED))])
            store.release_all(has_died=True)

    def test_scan_takes_no_more_suspects_than_it_may(self, store: Store) -> None:
        for number in range(3):
            accept(store, number, "lake")
        for _ in range(SUSPECTED):
            assert len(claim_reads(store, scans=[scan()]).reads) == 3
            store.release_all(has_died=True)
        claim = store.claim(OWNER, lease_s=LEASE_S, limit=_PLENTY, scans=[scan()], suspects=2)
        assert claim is not None
        assert len(claim.operations) == 2
        assert claim.is_suspected

    @_KINDS
    def test_no_death_is_counted_where_a_service_stops_or_a_lease_runs_out(
        self,
        store: Store,
        clock: ManualClock,
        is_end: bool,  # noqa: FBT001
    ) -> None:
        operation_id = _accept(store, 1, is_end=is_end)
        assert _claim(store)
        store.release_all(OWNER)
        assert _claim(store)
        store.release_all()
        assert _claim(store)
        clock.advance(LEASE_S + 1)
        assert _claim(store)
        store.release_all("another", has_died=True)
        store.release_all(OWNER)
        assert _claim(store) == [(operation_id, 0)]

    def test_deaths_are_forgotten_when_a_read_is_brought_further_or_lived_through_or_resumed(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        claim_reads(store)
        store.release_all(has_died=True)
        (read,) = claim_reads(store).reads
        assert read.deaths.times == 1
        store.checkpoint([Checkpoint(read=read, next_part=0, rows=1)], owner=OWNER)  # nothing was put
        store.release_all()
        (read,) = claim_reads(store).reads
        assert read.deaths.times == 1
        store.checkpoint([Checkpoint(read=read, next_part=1, entries=(part(read, 0, EntryState.DONE),))], owner=OWNER)
        store.release_all()
        (read,) = claim_reads(store).reads
        assert read.deaths.times == 0
        store.release_all(has_died=True)
        (read,) = claim_reads(store).reads
        store.retry([read], owner=OWNER, at=START, is_failure=False)  # it was not its turn
        (read,) = claim_reads(store).reads
        assert read.deaths.times == 1
        store.retry([read], owner=OWNER, at=START)
        (read,) = claim_reads(store).reads
        assert read.deaths.times == 0
        store.release_all(has_died=True)
        assert store.fail(operation_id, Failure(code="x", message="y"))
        assert store.resume(TENANT, operation_id, sealed_location=b"sealed") is not None
        assert _claim(store) == [(operation_id, 0)]

    def test_deaths_are_forgotten_when_the_end_of_a_package_was_lived_through_or_resumed(self, store: Store) -> None:
        operation_id = _accept(store, 1, is_end=True)
        why = Failure(code="x", message="y")

        def claim() -> ClaimedOperation:
            claim = store.claim(OWNER, lease_s=LEASE_S, limit=_PLENTY)
            assert isinstance(claim, FinishSet)
            return claim.operations[0]

        assert claim().deaths.times == 0
        store.release_all(has_died=True)
        claimed = claim()
        assert claimed.deaths.times == 1
        store.retry_finish(claimed, owner=OWNER, at=START, is_failure=False)  # it was not its turn
        claimed = claim()
        assert claimed.deaths.times == 1
        store.retry_finish(claimed, owner=OWNER, at=START)
        claimed = claim()
        assert claimed.deaths.times == 0
        store.release_all(has_died=True)
        claimed = claim()
        assert claimed.deaths.times == 1
        store.retry_finish(claimed, owner=OWNER, at=START, waiting_for=why)
        assert claim().deaths.times == 0
        store.release_all(has_died=True)
        assert claim().deaths.times == 1
        assert store.fail(operation_id, why)
        assert store.resume(TENANT, operation_id, sealed_location=b"sealed") is not None
        assert _claim(store) == [(operation_id, 0)]
