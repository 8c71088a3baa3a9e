"""Whatever is done to a chain without the key is found, and what was not touched is never blamed."""

from collections.abc import Callable, Iterable

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from rightful.audit.chain import ChainCheck, ChainReport
from rightful.audit.checkpoint import ChainCheckpoint, CheckpointKey
from rightful.audit.finding import FindingKind
from rightful.audit.record import FIRST_HASH, NOBODY, OK, Action, AuditRecord, Target, decode, encode, link, record
from rightful.ids import TenantId

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
KEY = CheckpointKey(bytes(32))
Row = tuple[int, str, bytes]
LENGTHS = st.integers(1, 14)


def chain(values: Iterable[AuditRecord]) -> list[Row]:
    found: list[Row] = []
    previous = FIRST_HASH
    for number, value in enumerate(values, 1):
        text = encode(msgspec.structs.replace(value, seq=number))
        previous = link(previous, text)
        found.append((number, text.decode(), previous))
    return found


def built(length: int, tenant_id: TenantId = TENANT) -> list[Row]:
    return chain(
        record(NOBODY, tenant_id=tenant_id, time_us=number, action=Action.CALL, outcome=OK, target=Target.SERVICE, target_id=str(number))
        for number in range(length)
    )


def signed(rows: list[Row], at: int) -> ChainCheckpoint:
    return KEY.sign(tenant_id=TENANT, seq=at, hash_=rows[at - 1][2], time_us=1)


def check(rows: Iterable[Row], *checkpoints: ChainCheckpoint, tenant_id: TenantId = TENANT) -> ChainReport:
    found = ChainCheck(tenant_id, checkpoints)
    for row in rows:
        found.add(*row)
    return found.report()


def renumbered(rows: Iterable[Row]) -> list[Row]:
    return [(number, text, hash_) for number, (_, text, hash_) in enumerate(rows, 1)]


@given(LENGTHS, st.data())
def test_untouched_chain_has_no_finding(length: int, data: st.DataObject) -> None:
    rows = built(length)
    at = data.draw(st.integers(1, length))
    report = check(rows, signed(rows, at))
    assert report.findings == ()
    assert (report.records, report.head, report.signed) == (length, length, at)


@given(LENGTHS, st.data(), st.binary(max_size=64), st.booleans())
def test_one_changed_byte_string_is_found_at_its_place(length: int, data: st.DataObject, other: bytes, in_hash: bool) -> None:  # noqa: FBT001 - drawn
    rows = built(length)
    place = data.draw(st.integers(1, length))
    number, text, hash_ = rows[place - 1]
    assume(other not in {hash_, text.encode()})
    rows[place - 1] = (number, text, other) if in_hash else (number, other.decode("latin-1"), hash_)
    (finding,) = check(rows).findings
    assert (finding.kind, finding.first) == (FindingKind.CHANGED, place)


@given(LENGTHS, st.data(), st.booleans())
def test_removed_records_are_found(length: int, data: st.DataObject, is_renumbered: bool) -> None:  # noqa: FBT001 - drawn
    rows = built(length)
    first = data.draw(st.integers(1, length))
    last = data.draw(st.integers(first, length))
    left = rows[: first - 1] + rows[last:]
    left = renumbered(left) if is_renumbered else left
    report = check(left, signed(rows, length))
    if last == length:
        assert [(each.kind, each.first, each.last) for each in report.findings] == [(FindingKind.CUT, first, last)]
    elif is_renumbered and last == length - 1:
        # Nothing follows that would tell: what stands there does not fit, more cannot be said.
        assert [each.first for each in report.findings] == [first]
    else:
        assert [(each.kind, each.first, each.last) for each in report.findings] == [(FindingKind.REMOVED, first, last)]


@given(st.integers(2, 14), st.data())
def test_swapped_records_are_found(length: int, data: st.DataObject) -> None:
    rows = built(length)
    one = data.draw(st.integers(1, length - 1))
    other = data.draw(st.integers(one + 1, length))
    rows[one - 1], rows[other - 1] = rows[other - 1], rows[one - 1]
    found = [(each.kind, each.first) for each in check(renumbered(rows)).findings]
    assert found == [(FindingKind.REORDERED, one), (FindingKind.REORDERED, other)]


@given(LENGTHS, st.data(), st.integers(1, 3))
def test_inserted_records_are_found(length: int, data: st.DataObject, count: int) -> None:
    rows = built(length)
    place = data.draw(st.integers(1, length))
    foreign = [
        (0, encode(msgspec.structs.replace(decode(rows[0][1]), target_id="x", seq=place + n)).decode(), bytes(32)) for n in range(count)
    ]
    report = check(renumbered(rows[: place - 1] + foreign + rows[place - 1 :]))
    assert [(each.kind, each.first, each.last) for each in report.findings] == [(FindingKind.INSERTED, place, place + count - 1)]


CHANGES: list[Callable[[list[Row], int], list[Row]]] = [
    lambda rows, at: rows[:at] + rows[at + 1 :],
    lambda rows, at: rows[:at] + [rows[at]] * 2 + rows[at + 1 :],
    lambda rows, at: rows[:at] + rows[:at][::-1] + rows[at:],
    lambda rows, at: rows[at:] + rows[:at],
    lambda rows, at: [*rows[:at], (0, rows[at][1].replace("ok", "no"), b""), *rows[at + 1 :]],
]


@given(st.integers(2, 14), st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 40)), min_size=1, max_size=4))
def test_whatever_was_rewritten_to_fit_again_is_found_by_the_checkpoint(
    length: int, changes: list[tuple[Callable[[list[Row], int], list[Row]], int]]
) -> None:
    genuine = built(length)
    rows = genuine
    for change, at in changes:
        rows = change(rows, at % len(rows)) if rows else rows
    forged = chain(decode(text) for _, text, _ in rows)
    assume(forged[:length] != genuine)
    kinds = {each.kind for each in check(forged, signed(genuine, length)).findings}
    assert kinds & {FindingKind.REWRITTEN, FindingKind.CUT}
    assert check(forged).findings == ()  # the chain alone cannot tell


@given(st.integers(2, 14), st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 40)), min_size=1, max_size=4))
def test_whatever_was_done_without_making_it_fit_is_found(
    length: int, changes: list[tuple[Callable[[list[Row], int], list[Row]], int]]
) -> None:
    genuine = built(length)
    rows = genuine
    for change, at in changes:
        rows = renumbered(change(rows, at % len(rows))) if rows else rows
    assume(rows != genuine)
    assert check(rows, signed(genuine, length)).findings


@given(LENGTHS, st.data())
def test_forger_who_numbers_records_around_the_checkpoints_is_found(length: int, data: st.DataObject) -> None:
    honest = built(length)
    at = data.draw(st.integers(1, length))
    numbers = data.draw(st.lists(st.integers(1, 2 * length).filter(lambda number: number != at), min_size=1, max_size=length, unique=True))
    forged: list[Row] = []
    previous = FIRST_HASH
    for place, number in enumerate([*sorted(numbers), 2 * length + 1], 1):
        value = record(NOBODY, tenant_id=TENANT, time_us=place, action=Action.CALL, outcome=OK, target=Target.SERVICE, target_id="forged")
        text = encode(msgspec.structs.replace(value, seq=number))
        previous = link(previous, text)
        forged.append((place, text.decode(), previous))
    assert check(forged, signed(honest, at)).findings
