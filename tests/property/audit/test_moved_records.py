"""Records that only stand elsewhere are found without the key's help and named exactly; and the checker of the docs finds as much."""

import itertools
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.audit.test_chain import KEY, TENANT, Row, built, chain, check, renumbered, signed

from rightful.audit.chain import MOST_SUSPECTS
from rightful.audit.checkpoint import encode as encode_checkpoint
from rightful.audit.finding import FindingKind
from rightful.audit.record import decode, encode
from rightful.ids import TenantId

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "check-the-audit-trail.md"
REORDERED, REMOVED = FindingKind.REORDERED, FindingKind.REMOVED


def named(rows: Iterable[Row], genuine: list[Row], *signed_at: int) -> list[tuple[FindingKind, int, int, str]]:
    found = check(rows, *(signed(genuine, at) for at in signed_at)).findings
    return [(each.kind, each.first, each.last, each.detail) for each in found]


def places(found: Iterable[tuple[FindingKind, int, int, str]]) -> list[int]:
    return [place for _, first, last, _ in found for place in range(first, last + 1)]


@pytest.mark.parametrize("signed_at", [(), (3,), (6,), (2, 4, 6), (1, 2, 3, 4, 5, 6)], ids=str)
def test_every_order_of_a_small_chain_names_what_stands_elsewhere_and_nothing_else(signed_at: tuple[int, ...]) -> None:
    genuine = built(8)
    for order in itertools.permutations(range(6)):
        found = named(renumbered([genuine[n] for n in (*order, 6, 7)]), genuine, *signed_at)
        assert {kind for kind, *_ in found} <= {REORDERED}, order
        assert places(found) == [place for place, n in enumerate(order, 1) if n != place - 1], order


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 11, 12), [(4, 5, "here stand records 6 to 7"), (6, 7, "here stand records 4 to 5")]),
        ((3, 4, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12), [(1, 2, "here stand records 3 to 4"), (3, 4, "here stand records 1 to 2")]),
        ((1, 2, 3, 4, 5, 6, 9, 10, 11, 7, 8, 12), [(7, 9, "here stand records 9 to 11"), (10, 11, "here stand records 7 to 8")]),
        ((7, 8, 9, 10, 11, 1, 2, 3, 4, 5, 6, 12), [(1, 5, "here stand records 7 to 11"), (6, 11, "here stand records 1 to 6")]),
        ((1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11, 12), [(4, 4, "here stands record 5"), (5, 5, "here stands record 4")]),
        ((9, 10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8), [(1, 4, "here stand records 9 to 12"), (5, 12, "here stand records 1 to 8")]),
    ],
    ids=str,
)
def test_moved_blocks_are_told_as_blocks(order: tuple[int, ...], expected: list[tuple[int, int, str]]) -> None:
    genuine = built(12)
    for signed_at in ((), (12,), (4, 8, 12)):
        assert named(renumbered([genuine[n - 1] for n in order]), genuine, *signed_at) == [(REORDERED, *each) for each in expected]


@given(st.integers(2, 400), st.data())
def test_blocks_of_a_long_chain_in_any_order(length: int, data: st.DataObject) -> None:
    genuine = built(length)
    edges = sorted({0, length, *data.draw(st.lists(st.integers(1, length - 1), max_size=8))})
    blocks = data.draw(st.permutations([range(*pair) for pair in itertools.pairwise(edges)]))
    order = [n for block in blocks for n in block]
    signed_at = data.draw(st.lists(st.integers(1, length), unique=True, max_size=4))
    found = named(renumbered([genuine[n] for n in order]), genuine, *signed_at)
    assert {kind for kind, *_ in found} <= {REORDERED}
    assert places(found) == [place for place, n in enumerate(order, 1) if n != place - 1]


@given(st.integers(4, 60), st.data(), st.booleans())
def test_moved_and_removed_records_are_told_apart(length: int, data: st.DataObject, is_renumbered: bool) -> None:  # noqa: FBT001 - drawn
    genuine = built(length)
    first = data.draw(st.integers(1, length - 3))
    last = data.draw(st.integers(first, length - 3))
    left = genuine[: first - 1] + genuine[last:]
    # Two of those well behind the gap change places: the one after the gap cannot be checked by itself.
    one, other = sorted(data.draw(st.lists(st.integers(first, len(left) - 1), min_size=2, max_size=2, unique=True)))
    kept = left[:]
    kept[one], kept[other] = kept[other], kept[one]
    rows = renumbered(kept) if is_renumbered else [(left[n][0], *kept[n][1:]) for n in range(len(left))]
    found = [each[:3] for each in named(rows, genuine, length)]
    moved = [rows[n][0] for n in (one, other)]
    assert sorted(found) == sorted([(REMOVED, first, last), *((REORDERED, place, place) for place in moved)])


def test_nothing_is_said_of_the_others_where_a_copy_was_put_in() -> None:
    genuine = built(12)
    for first, last, at in itertools.product(range(12), range(12), range(13)):
        if first > last:
            continue
        found = named(renumbered(genuine[:at] + genuine[first : last + 1] + genuine[at:]), genuine, 6, 12)
        put = last - first + 1
        assert found, (first, last, at)
        # Which of two alike stretches is the copy cannot always be told; how many there are can.
        assert len(places(found)) == put, (first, last, at, found)
        assert {kind for kind, *_ in found} <= {FindingKind.INSERTED, FindingKind.CHANGED}


def test_chain_that_fits_nowhere_is_told_in_bounds() -> None:
    genuine = built(1000)
    found = named(renumbered(genuine[::-1]), genuine, 1000)
    assert found[-1][:3] == (FindingKind.CHANGED, MOST_SUSPECTS + 1, 1000)
    assert len(found) <= MOST_SUSPECTS + 2
    overlapping = [row for first in range(0, 500, 2) for row in genuine[first : first + 60]]
    assert len(named(renumbered(overlapping), genuine, 1000)) <= 2 * MOST_SUSPECTS + 2


@pytest.mark.parametrize("at", [1000, 500])
def test_copies_are_told_in_bounds_however_they_overlap(at: int) -> None:
    genuine = built(1000)
    copies = {
        "one within the other": [row for first in range(120) for row in genuine[first : 1000 - first]],
        "one beside the other": [row for first in range(120) for row in genuine[2 * first : 2 * first + 500]],
        "all alike": genuine[100:900] * 120,
    }
    for name, rows in copies.items():
        for signed_at in ((), (1000,)):
            found = named(renumbered(genuine[:at] + rows + genuine[at:]), genuine, *signed_at)
            assert 0 < len(found) <= MOST_SUSPECTS, (name, signed_at)
            if at == 1000:  # what stands before them is blamed for nothing
                assert [each[:3] for each in found] == [(FindingKind.CHANGED, 1001, 1000 + len(rows))]


def tampered(rows: list[Row], chance: random.Random) -> list[Row]:
    """Do one of the things that somebody without the key can do."""
    one, other = sorted((chance.randrange(len(rows)), chance.randrange(len(rows))))
    place, text, hash_ = rows[one]
    swapped = rows[:]
    swapped[one], swapped[other] = (place, *rows[other][1:]), (rows[other][0], text, hash_)
    texts = rows[:]
    texts[one], texts[other] = (place, rows[other][1], hash_), (rows[other][0], text, rows[other][2])
    hashes = rows[:]
    hashes[one], hashes[other] = (place, text, rows[other][2]), (rows[other][0], rows[other][1], hash_)
    value = decode(text)
    forged = [decode(each) for _, each, _ in rows]
    forged[one] = msgspec.structs.replace(value, subject_id="forged")
    said = encode(msgspec.structs.replace(value, seq=chance.randrange(1, 15))).decode()
    return chance.choice(
        (
            swapped,
            texts,
            hashes,
            rows[:one] + rows[one + 1 :],
            renumbered(rows[:one] + rows[one + 1 :]),
            renumbered(rows[:one] + rows[other:] + rows[one:other]),
            renumbered(rows[:one] + rows[one:other] + rows[one:]),
            rows[:one],
            [*rows[:one], (place, text.replace("ok", "no"), hash_), *rows[one + 1 :]],
            [*rows[:one], (place, said, hash_), *rows[one + 1 :]],
            rows[:one] + [(number + 1, each, made) for number, each, made in rows[one:]],
            rows[:one] + chain(forged)[one:] if [each[0] for each in rows] == list(range(1, len(rows) + 1)) else rows[one:],
        )
    )


def test_checker_of_the_docs_finds_the_same_chains_wrong(tmp_path: Path) -> None:
    """Each variant is the chain of a tenant of its own, so that one run of the outside checker judges them all."""
    script = HOWTO.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    (tmp_path / "check.py").write_text(script)
    chance = random.Random(11)
    expected: dict[str, bool] = {}
    with (tmp_path / "audit.jsonl").open("wb") as exported, (tmp_path / "checkpoints.jsonl").open("wb") as kept:
        for number in range(2000):
            tenant_id = TenantId(TENANT[:-6] + f"{number:06}")
            genuine = built(12, tenant_id)
            rows = genuine
            for _ in range(number % 4):
                rows = tampered(rows, chance) or genuine
            checkpoints = [KEY.sign(tenant_id=tenant_id, seq=at, hash_=genuine[at - 1][2], time_us=1) for at in (4, 8, 12)]
            expected[tenant_id] = bool(check(rows, *checkpoints, tenant_id=tenant_id).findings)
            kept.writelines(encode_checkpoint(each) + b"\n" for each in checkpoints)
            for place, text, hash_ in rows:
                line = {"tenant": tenant_id, "seq": place, "record": text, "hash": hash_.hex()}
                exported.write(msgspec.json.encode(line) + b"\n")
    command = [sys.executable, "-I", "check.py", "audit.jsonl", "checkpoints.jsonl"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    blamed = {word for line in ended.stdout.splitlines() if line.startswith("record ") for word in line.split() if word in expected}
    assert ended.stderr == ""
    assert blamed == {tenant_id for tenant_id, is_wrong in expected.items() if is_wrong}
    assert 1000 < len(blamed) < 1600
