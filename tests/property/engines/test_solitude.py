"""Whatever work comes, and however long it takes: nobody waits for ever, neither who wants to be alone nor who does not."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from rightful.engines.solitude import (
    ALONE_S,
    FIRST_PATIENCE_S,
    LONGEST_PATIENCE_S,
    LONGEST_VAIN_S,
    PUT_OFF_TIMES,
    Solitude,
)

KEPT_S = LONGEST_PATIENCE_S + ALONE_S
"""How long one may be kept from beginning at a time."""
IN_VAIN_S = (1 + PUT_OFF_TIMES) * sum(FIRST_PATIENCE_S * 2**times for times in range(6)) + LONGEST_PATIENCE_S
"""How long one wants to be alone where nobody works for longer than it waits at last."""

TRIES = 8
SHORT_S = LONGEST_PATIENCE_S - 5
LONG_S = 4 * 3600.0
_ARRIVED_S = 1800.0


@dataclass
class Piece:
    """A piece of work."""

    takes_s: float
    is_suspected: bool
    not_before: float = 0.0
    began_at: float | None = None
    was_alone: bool = False


@dataclass
class Hand:
    """A thread: it waits to begin, claims the oldest that is due, and does it, as those of an engine do."""

    number: int
    piece: Piece | None = None
    is_asking: bool = False
    until: float = 0.0
    kept_since: float | None = None
    longest_kept_s: float = 0.0


@dataclass
class Workshop:
    """Some threads, pieces of work of which each suspect stays to be done, and others that come without end."""

    hands: list[Hand]
    suspects: list[Piece]
    others: Iterator[Piece]
    look_s: float
    solitude: Solitude = field(default_factory=Solitude)
    now: float = 1.0
    kept_s: float = 0.0
    turn: tuple[Hand, float] | None = None
    """Who was alone last, and since when."""

    def run(self, longest_s: float) -> None:
        """Work until no suspect is left."""
        while any(piece.began_at is None for piece in self.suspects):
            assert self.now < longest_s, "somebody waits for ever"
            for hand in self.hands:
                self._move(hand)
            is_kept = any(hand.kept_since is not None for hand in self.hands)
            self.kept_s += self.look_s if is_kept else 0.0
            self.now += self.look_s

    def _move(self, hand: Hand) -> None:
        while True:
            if hand.is_asking:
                if not self._ask(hand):
                    return
            elif hand.piece is not None:
                if self.now < hand.until:
                    return
                self._leave(hand)
            elif not self._join(hand):
                return

    def _join(self, hand: Hand) -> bool:
        if not self.solitude.begin(hand.number, self.now):
            hand.kept_since = self.now if hand.kept_since is None else hand.kept_since
            hand.longest_kept_s = max(hand.longest_kept_s, self.now - hand.kept_since)
            return False
        hand.kept_since = None
        self._check_turn(hand)
        held = [each.piece for each in self.hands]
        due = (each for each in self.suspects if each.began_at is None and each.not_before <= self.now and each not in held)
        hand.piece = next(due, None) or next(self.others)
        hand.is_asking = hand.piece.is_suspected
        if not hand.is_asking:
            self.solitude.call_back(hand.number, self.now)
            self.turn = None if self.turn is not None and self.turn[0] is hand else self.turn
            self._start(hand, hand.piece)
        return True

    def _check_turn(self, hand: Hand) -> None:
        """Check that nobody begins beside one that is alone before its time is over."""
        if self.turn is None or self.turn[0] is hand:
            return
        piece = self.turn[0].piece
        assert piece is None or not piece.was_alone or self.now - self.turn[1] >= ALONE_S
        self.turn = None

    def _ask(self, hand: Hand) -> bool:
        assert hand.piece is not None
        answer = self.solitude.ask(hand.number, self.now)
        if answer is None:
            return False
        hand.is_asking = False
        if answer:
            hand.piece.not_before = self.now + answer
            self._leave(hand)
        else:
            hand.piece.was_alone = self.solitude.others == 0
            self._start(hand, hand.piece)
        return True

    def _start(self, hand: Hand, piece: Piece) -> None:
        working = [each for each in self.hands if each is not hand and each.piece is not None]
        assert not (piece.was_alone and working)
        if piece.was_alone and (self.turn is None or self.turn[0] is not hand):
            self.turn = (hand, self.now)
        piece.began_at = self.now
        hand.until = self.now + piece.takes_s

    def _leave(self, hand: Hand) -> None:
        hand.piece = None
        self.solitude.end()


def workshop(threads: int, suspects: list[tuple[float, float]], others: list[float], look_s: float) -> Workshop:
    """Make one to which suspects come at these times, to take so long, and other work again and again."""

    def come() -> Iterator[Piece]:
        while True:
            yield from (Piece(takes_s, is_suspected=False) for takes_s in others)

    pieces = [Piece(takes_s, is_suspected=True, not_before=at) for at, takes_s in suspects]
    return Workshop([Hand(number) for number in range(threads)], pieces, come(), look_s)


def durations(longest_s: float) -> st.SearchStrategy[float]:
    """Make durations of pieces of work, most of them short."""
    return st.one_of(st.floats(0.1, 20.0), st.floats(0.1, longest_s))


def arrivals(longest_s: float) -> st.SearchStrategy[list[tuple[float, float]]]:
    """Make times at which suspects come, and how long they take."""
    return st.lists(st.tuples(st.floats(0.0, _ARRIVED_S), durations(longest_s)), min_size=1, max_size=6)


@given(st.integers(1, 5), arrivals(SHORT_S), st.lists(durations(SHORT_S), min_size=1, max_size=6))
def test_each_suspect_is_alone_within_a_bound_and_nobody_waits_longer_for_it_than_another(
    threads: int, suspects: list[tuple[float, float]], others: list[float]
) -> None:
    look_s = 2.5
    shop = workshop(threads, suspects, others, look_s)
    shop.run(_ARRIVED_S + len(suspects) * (IN_VAIN_S + 2 * KEPT_S + TRIES * (LONGEST_PATIENCE_S + look_s)))
    assert all(piece.was_alone for piece in shop.suspects)
    assert all(hand.longest_kept_s <= KEPT_S + look_s for hand in shop.hands)


@given(st.integers(1, 5), arrivals(LONG_S), st.lists(durations(LONG_S), min_size=1, max_size=6))
def test_however_long_work_takes_each_suspect_is_begun_within_a_bound_and_nobody_waits_long_for_it(
    threads: int, suspects: list[tuple[float, float]], others: list[float]
) -> None:
    look_s = 30.0
    shop = workshop(threads, suspects, others, look_s)
    tried_s = (1 + PUT_OFF_TIMES) * LONGEST_PATIENCE_S + LONG_S + look_s
    shop.run(_ARRIVED_S + len(suspects) * (LONGEST_VAIN_S + 2 * KEPT_S + LONG_S + 2 * tried_s))
    assert all(hand.longest_kept_s <= KEPT_S + 2 * look_s for hand in shop.hands)


@given(
    st.integers(2, 4), st.lists(st.floats(100.0, 300.0), min_size=20, max_size=25), st.lists(st.floats(0.5, 60.0), min_size=1, max_size=6)
)
def test_others_have_at_least_as_much_time_to_begin_as_they_are_kept(threads: int, suspects: list[float], others: list[float]) -> None:
    look_s = 5.0
    shop = workshop(threads, [(0.0, takes_s) for takes_s in suspects], others, look_s)
    shop.run(1e6)
    turns = 2 + shop.now / ALONE_S
    assert shop.kept_s <= shop.now / 2 + KEPT_S + 2 * look_s * turns
