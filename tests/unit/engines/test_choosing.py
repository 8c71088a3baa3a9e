"""Claims go to whom has least to do, what belongs together to one place, and nothing to whom failed lately while others can."""

from collections.abc import Hashable

from rightful.age import message
from rightful.engines.choosing import Choosing
from rightful.engines.cluster import Member
from rightful.ids import TenantId
from rightful.store.values import FinishSet, ReadSet
from rightful.testing.store_cases import TENANT

AGAIN_S = 30.0


def member(name: str, threads: int = 2) -> Member:
    return Member(address=name, recipient=message.new_identity().recipient, threads=threads, version="1")


def reads(source: str, tenant_id: TenantId = TENANT) -> ReadSet:
    return ReadSet(tenant_id=tenant_id, source_name=source, partition=0, reads=(), operations=())


def by_source(claim: ReadSet) -> Hashable | None:
    return claim.source_name if claim.source_name.startswith("lake") else None


FINISH = FinishSet(tenant_id=TENANT, operations=())
A, B, WIDE = member("a"), member("b"), member("c", threads=8)


def test_claim_goes_to_whom_has_least_to_do_for_its_threads() -> None:
    choosing = Choosing(by_source)
    assert choosing.choose(FINISH, (B, A), ()) == A
    assert choosing.choose(reads("table"), (A, B), (A,)) == B
    assert choosing.choose(FINISH, (A, WIDE), (A, WIDE, WIDE)) == WIDE
    assert choosing.home(reads("table")) is choosing.home(FINISH) is None


def test_what_belongs_together_stays_in_one_place_and_what_does_not_is_spread() -> None:
    choosing = Choosing(by_source)
    assert choosing.choose(reads("lake-1"), (A, B), ()) == A
    assert choosing.choose(reads("lake-2"), (A, B), (B,)) == B  # it has no lodger yet
    assert choosing.choose(reads("lake-1"), (A, B), (A, A)) == A
    assert choosing.home(reads("lake-1")) == A


def test_home_is_another_when_it_is_gone_or_something_went_wrong_there() -> None:
    choosing = Choosing(by_source)
    for number in (1, 2):
        choosing.choose(reads(f"lake-{number}"), (A, B), ())
    choosing.keep((B,))
    assert choosing.choose(reads("lake-1"), (B,), ()) == B
    choosing.note_end(B, is_fault=True)
    choosing.keep((A, B))
    assert choosing.home(reads("lake-1")) is choosing.home(reads("lake-2")) is None


def test_who_failed_gets_nothing_for_a_while_unless_it_is_the_only_one() -> None:
    now = [100.0]
    choosing = Choosing(by_source, lambda: now[0])
    assert choosing.able(()) == ()
    choosing.note_end(A, is_fault=True)
    assert choosing.able((A, B)) == (B,)
    assert choosing.able((A,)) == (A,)
    now[0] += AGAIN_S
    assert choosing.able((A, B)) == (A, B)


def test_who_failed_gets_work_again_when_it_could_do_some_or_came_again() -> None:
    choosing = Choosing(by_source)
    for member in (A, B):
        choosing.note_end(member, is_fault=True)
    choosing.note_end(A, is_fault=False)
    assert choosing.able((A, B)) == (A,)
    choosing.keep((A,))
    assert choosing.able((A, B)) == (A, B)
