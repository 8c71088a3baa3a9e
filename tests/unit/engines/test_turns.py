"""A tenant with much to do takes the common threads, never the last one that another tenant could need."""

import random

import pytest

from rightful.engines.turns import Turns
from rightful.ids import TenantId

A, B, C = TenantId("a"), TenantId("b"), TenantId("c")


def test_single_tenant_takes_every_thread() -> None:
    turns = Turns(4, 1)
    assert turns.threads == 4
    for _ in range(4):
        assert turns.passing_over() == frozenset()
        turns.take(A)


@pytest.mark.parametrize("tenants", [2, 3, 5, 6, 50])
def test_busy_tenant_gets_the_common_threads_and_each_other_one_of_its_own(tenants: int) -> None:
    turns = Turns(4, tenants)
    spare = turns.threads - 4
    assert spare == min(tenants - 1, 4)
    for _ in range(4):
        assert A not in turns.passing_over()
        turns.take(A)
    assert turns.passing_over() == {A}
    others = [TenantId(str(number)) for number in range(spare)]
    for other in others:
        assert other not in turns.passing_over()
        turns.take(other)


def test_thread_that_is_given_back_counts_again() -> None:
    turns = Turns(1, 2)
    turns.take(A)
    assert turns.passing_over() == {A}
    turns.give_back(A)
    assert turns.passing_over() == frozenset()
    turns.take(A)
    turns.take(B)
    turns.give_back(A)
    assert turns.passing_over() == {B}


def test_tenant_that_holds_none_is_never_passed_over() -> None:
    chance = random.Random(7)
    for tenants in (2, 3, 8):
        turns = Turns(4, tenants)
        held: list[TenantId] = []
        for _ in range(500):
            asking = TenantId(str(chance.randrange(tenants)))
            if len(held) < turns.threads and asking not in turns.passing_over():
                turns.take(asking)
                held.append(asking)
            elif held:
                turns.give_back(held.pop(chance.randrange(len(held))))
            assert turns.passing_over() <= set(held)
            if len(held) < 4:
                assert turns.passing_over() == frozenset()
