"""Who wants to be alone has its turn, and keeps nobody from working for long."""

import pytest

from rightful.engines.solitude import ALONE_S, FIRST_PATIENCE_S, LONGEST_PATIENCE_S, LONGEST_VAIN_S, LOOK_AGAIN_S, PUT_OFF_TIMES, Solitude

A, B, C = "a", "b", "c"


def in_company(*others: str) -> Solitude:
    """Return a state in which the first one came and went, and these work."""
    solitude = Solitude()
    assert solitude.begin(A, 0.0)
    solitude.call_back(A, 0.0)
    solitude.end()
    for who in others:
        assert solitude.begin(who, 0.0)
    return solitude


def in_vain(solitude: Solitude, who: str, now: float) -> tuple[float, float]:
    """Ask until one is put off; return how long that took, and for how long one is."""
    assert solitude.ask(who, now) is None
    waited_s = 0.0
    while (put_off_s := solitude.ask(who, now + waited_s)) is None:
        waited_s += 1.0
    return waited_s, put_off_s


def test_first_one_is_alone_until_it_calls_the_others() -> None:
    solitude = Solitude()
    assert solitude.begin(A, 1.0)
    assert not solitude.begin(B, 2.0)
    assert solitude.ask(A, 2.0) == 0.0
    solitude.end()
    assert solitude.begin(A, 3.0)
    assert not solitude.begin(B, 3.0)
    solitude.call_back(A, 4.0)
    assert solitude.begin(B, 4.0)


def test_one_waits_until_the_others_are_done_and_nobody_begins_meanwhile() -> None:
    solitude = in_company(A, B)
    assert solitude.ask(A, 1.0) is None
    assert not solitude.begin(C, 1.0)
    solitude.end()  # B
    assert solitude.ask(A, 2.0) == 0.0
    assert solitude.others == 0
    assert not solitude.begin(B, 2.0)
    assert not solitude.begin(C, 1.0 + ALONE_S)


def test_who_waits_in_vain_is_put_off_and_waits_twice_as_long_each_time_up_to_a_limit() -> None:
    solitude = in_company(A, B)
    now, waits = 1.0, []
    for _ in range(9):
        waited_s, put_off_s = in_vain(solitude, A, now)
        waits.append(waited_s)
        assert put_off_s == PUT_OFF_TIMES * waited_s
        assert solitude.begin(C, now + waited_s)
        solitude.end()
        now += waited_s + put_off_s
    assert waits == [FIRST_PATIENCE_S, 10, 20, 40, 80, 160, LONGEST_PATIENCE_S, LONGEST_PATIENCE_S, LONGEST_PATIENCE_S]


def test_once_one_was_alone_the_next_waits_as_little_as_the_first() -> None:
    solitude = in_company(A, B)
    now = 1.0
    for _ in range(3):
        now += sum(in_vain(solitude, A, now))
    assert solitude.ask(A, now) is None
    solitude.end()  # B
    assert solitude.ask(A, now + 1) == 0.0
    solitude.call_back(A, now + 2)
    assert solitude.begin(B, now + 2)
    assert in_vain(solitude, A, now + 4)[0] == FIRST_PATIENCE_S


def test_all_who_want_to_be_alone_are_put_off_when_one_waited_in_vain() -> None:
    solitude = in_company(A, B, C)
    waited_s, put_off_s = in_vain(solitude, A, 1.0)
    now = 1.0 + waited_s
    assert solitude.ask(B, now + 3) == put_off_s - 3
    assert solitude.begin("d", now + 3)  # which nobody is kept by
    assert solitude.ask(B, now + put_off_s) is None


def test_second_one_looks_again_soon_while_the_first_waits() -> None:
    solitude = in_company(A, B)
    assert solitude.ask(A, 1.0) is None
    assert solitude.ask(B, 1.0) == LOOK_AGAIN_S
    solitude.end()  # B gives back what it has claimed
    assert solitude.ask(A, 1.0) == 0.0


@pytest.mark.parametrize("waited_s", [0.0, 4.0])
def test_who_is_alone_for_long_is_so_no_more_and_others_have_as_long_as_they_were_kept(waited_s: float) -> None:
    solitude = in_company(A, B)
    assert solitude.ask(A, 1.0) is None
    solitude.end()  # B
    alone_at = 1.0 + waited_s
    assert solitude.ask(A, alone_at) == 0.0
    until = alone_at + ALONE_S
    assert not solitude.begin(B, until - 1)
    assert solitude.begin(B, until)
    solitude.end()  # A, and it has found one more
    assert solitude.begin(A, until + 2)
    kept_s = waited_s + ALONE_S
    assert solitude.ask(A, until + 2) == kept_s - 2
    assert solitude.ask(A, until + kept_s) is None


def test_first_one_of_all_is_alone_for_no_longer_than_others() -> None:
    solitude = Solitude()
    assert solitude.begin(A, 1.0)
    assert not solitude.begin(B, ALONE_S)
    assert solitude.begin(B, 1.0 + ALONE_S)


def test_others_have_as_long_as_they_were_kept_by_one_that_called_them_back() -> None:
    solitude = in_company(A)
    assert solitude.ask(A, 10.0) == 0.0
    solitude.call_back(A, 17.0)
    assert solitude.begin(B, 17.0)
    assert solitude.ask(A, 20.0) == 4.0
    solitude.call_back(B, 21.0)  # who was not alone
    assert solitude.ask(A, 24.0) is None


def test_who_waited_in_vain_for_hours_has_its_turn_beside_others_until_one_comes_alone() -> None:
    solitude = in_company(A, B)
    now, began = 1.0, 1.0
    while (answer := solitude.ask(A, now)) != 0.0:
        now += 1.0 if answer is None else answer
        assert now - began < LONGEST_VAIN_S + (1 + PUT_OFF_TIMES) * LONGEST_PATIENCE_S
    assert now - began >= LONGEST_VAIN_S
    assert solitude.others == 1
    assert solitude.begin(C, now)
    assert solitude.ask(C, now) == 0.0  # the next one too
    solitude.end()
    solitude.end()
    assert solitude.others == 0
    assert solitude.ask(A, now) == 0.0
    assert not solitude.begin(B, now)  # and now it is alone
    solitude.call_back(A, now + 1)
    assert solitude.begin(B, now + 1)
    assert solitude.ask(A, now + 3) is None  # and waits again
