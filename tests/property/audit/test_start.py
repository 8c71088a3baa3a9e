"""A chain whose oldest records were purged is checked as well as a whole one: from its signed start on, and from no other."""

import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.property.audit.test_chain import CHANGES, KEY, TENANT, Row, built, chain, signed

from rightful.audit import start as starts
from rightful.audit.chain import ChainCheck, ChainReport
from rightful.audit.checkpoint import ChainCheckpoint, CheckpointKey
from rightful.audit.checkpoint import encode as encode_checkpoint
from rightful.audit.cutting import Cut
from rightful.audit.finding import FindingKind
from rightful.audit.record import decode
from rightful.audit.start import ChainStart
from rightful.ids import TenantId

TRUSTED = {KEY.public}
HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "check-the-audit-trail.md"


def start(rows: list[Row], seq: int, key: CheckpointKey = KEY) -> ChainStart:
    return starts.sign(key, tenant_id=TENANT, seq=seq, hash_=rows[seq - 1][2], cut=seq, newest_us=seq - 1, time_us=99, days=1)


def check(rows: Iterable[Row], begins: ChainStart | None, *checkpoints: ChainCheckpoint) -> ChainReport:
    found = ChainCheck(TENANT, checkpoints, begins)
    for row in rows:
        found.add(*row)
    return found.report()


def renumbered(rows: Iterable[Row], after: int) -> list[Row]:
    return [(number, text, hash_) for number, (_, text, hash_) in enumerate(rows, after + 1)]


@given(st.integers(2, 30), st.data())
def test_what_is_left_of_an_untouched_chain_has_no_finding(length: int, data: st.DataObject) -> None:
    rows = built(length)
    at, signed_at = data.draw(st.integers(1, length - 1)), data.draw(st.integers(1, length))
    begins = start(rows, at)
    report = check(rows[at:], begins, signed(rows, signed_at))
    assert report.findings == ()
    assert (report.records, report.head, report.start) == (length - at, length, begins)
    assert report.signed == (signed_at if signed_at > at else 0)


@given(st.integers(2, 30), st.data())
def test_cut_without_a_start_or_beyond_it_is_found(length: int, data: st.DataObject) -> None:
    rows = built(length)
    at = data.draw(st.integers(1, length - 1))
    further = data.draw(st.integers(at + 1, length))
    (finding,) = check(rows[at:], None).findings
    assert (finding.kind, finding.first, finding.last) == (FindingKind.REMOVED, 1, at)
    begins, last = start(rows, at), signed(rows, length)
    (finding,) = check(rows[further:], begins, last).findings
    expected = FindingKind.CUT if further == length else FindingKind.REMOVED
    assert (finding.kind, finding.first, finding.last) == (expected, at + 1, further)


@given(st.integers(3, 14), st.data(), st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 40)), min_size=1, max_size=4))
def test_whatever_is_done_to_what_is_left_is_found(length: int, data: st.DataObject, changes: list[tuple[object, int]]) -> None:
    genuine = built(length)
    at = data.draw(st.integers(1, length - 2))
    rows = left = genuine[at:]
    for change, place in changes:
        rows = renumbered(change(rows, place % len(rows)), at) if rows else rows  # type: ignore[operator]  # of CHANGES
    assume(rows != left)
    assert check(rows, start(genuine, at), signed(genuine, length)).findings


@given(st.integers(3, 14), st.data())
def test_records_from_before_the_start_are_no_part_of_the_chain_any_more(length: int, data: st.DataObject) -> None:
    genuine = built(length)
    at = data.draw(st.integers(1, length - 1))
    first = data.draw(st.integers(0, at - 1))
    place = data.draw(st.integers(0, length - at))
    rows = renumbered(genuine[at : at + place] + genuine[first:at] + genuine[at + place :], at)
    found = check(rows, start(genuine, at), signed(genuine, length)).findings
    assert found
    assert {each.kind for each in found} <= {FindingKind.INSERTED, FindingKind.CHANGED}


@given(st.integers(3, 14), st.data())
def test_chain_that_was_written_anew_does_not_go_on_from_the_start(length: int, data: st.DataObject) -> None:
    genuine = built(length)
    at = data.draw(st.integers(1, length - 1))
    forged = chain(msgspec.structs.replace(decode(text), target_id="forged") for _, text, _ in genuine)
    assert check(forged[at:], start(genuine, at)).findings


@given(st.integers(2, 14), st.data())
def test_start_that_names_another_record_than_a_checkpoint_is_found(length: int, data: st.DataObject) -> None:
    genuine = built(length)
    at = data.draw(st.integers(1, length - 1))
    forged = chain(msgspec.structs.replace(decode(text), target_id="forged") for _, text, _ in genuine)
    found = check(forged[at:], start(forged, at), signed(genuine, at)).findings  # by somebody who has the key
    assert [(each.kind, each.first) for each in found] == [(FindingKind.START, at)]


STARTS = st.builds(
    lambda seq, cut, newest, time, days, hash_: starts.sign(
        KEY, tenant_id=TENANT, seq=seq, hash_=hash_, cut=cut, newest_us=newest, time_us=time, days=days
    ),
    *[st.integers(1, 2**53 - 1)] * 5,
    st.binary(min_size=32, max_size=32),
)


@given(STARTS)
def test_start_is_read_back_from_its_line_and_is_signed(value: ChainStart) -> None:
    assert starts.decode(starts.encode(value)) == value
    assert starts.is_signed(value, TRUSTED)
    assert not starts.is_signed(value, {CheckpointKey(bytes(31) + b"x").public})


@pytest.mark.parametrize("name", ["tenant_id", "seq", "hash", "cut", "newest_us", "time_us", "days", "key", "signature"])
@given(STARTS, st.integers(1, 2**40), st.binary(min_size=32, max_size=32))
def test_whatever_is_changed_in_a_start_breaks_its_signature(name: str, value: ChainStart, number: int, text: bytes) -> None:
    other: object = number if isinstance(getattr(value, name), int) else TenantId("t") if name == "tenant_id" else text.hex()
    assume(other != getattr(value, name))
    assert not starts.is_signed(msgspec.structs.replace(value, **{name: other}), {*TRUSTED, text.hex()})


def test_signature_of_a_checkpoint_is_none_of_a_start() -> None:
    rows = built(3)
    checkpoint, begins = signed(rows, 2), start(rows, 2)
    assert not starts.is_signed(msgspec.structs.replace(begins, signature=checkpoint.signature), TRUSTED)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=20), st.integers(0, 21), st.data())
def test_cut_takes_what_is_old_enough_from_the_beginning_and_is_signed_for(times: list[int], before: int, data: st.DataObject) -> None:
    rows = chain(
        msgspec.structs.replace(decode(text), time_us=time_us) for (_, text, _), time_us in zip(built(len(times)), times, strict=True)
    )
    signed_at = data.draw(st.integers(1, len(times)))
    cut = Cut(TENANT, None, signed(rows, signed_at), before)
    for row in rows:
        if not cut.is_over:
            cut.add(*row)
    expected = next((place for place, time_us in enumerate(times) if time_us >= before), len(times))
    expected = min(expected, signed_at - 1)
    assert (cut.number if cut.is_due else 0) == expected
    if expected:
        assert (cut.seq, cut.hash) == (expected, rows[expected - 1][2])
        assert (cut.oldest_us, cut.newest_us) == (min(times[:expected]), max(times[:expected]))


@given(st.integers(4, 14), st.data())
def test_nothing_is_cut_where_what_goes_or_the_next_one_does_not_fit(length: int, data: st.DataObject) -> None:
    rows = built(length)
    before = data.draw(st.integers(1, length - 2))
    place = data.draw(st.integers(0, before))
    number, text, hash_ = rows[place]
    rows[place] = (number, text.replace("ok", "no"), hash_)
    cut = Cut(TENANT, None, signed(rows, length), before)
    for row in rows:
        if not cut.is_over:
            cut.add(*row)
    assert not cut.is_due
    assert not cut.is_in_order


def test_checker_of_the_docs_goes_on_from_a_start_and_finds_the_same_chains_wrong(tmp_path: Path) -> None:
    """Each variant is the chain of a tenant of its own, so that one run of the outside checker judges them all."""
    script = HOWTO.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    (tmp_path / "check.py").write_text(script)
    chance = random.Random(12)
    expected: dict[str, bool] = {}
    with (tmp_path / "audit.jsonl").open("wb") as exported, (tmp_path / "checkpoints.jsonl").open("wb") as kept:
        for number in range(300):
            tenant_id = TenantId(TENANT[:-6] + f"{number:06}")
            genuine = built(12, tenant_id)
            at = chance.randrange(1, 11)
            rows = genuine[at + chance.choice((0, 0, 1)) :]
            for _ in range(number % 3):
                rows = renumbered(chance.choice(CHANGES)(rows, chance.randrange(len(rows))), at) or rows
            begins = starts.sign(KEY, tenant_id=tenant_id, seq=at, hash_=genuine[at - 1][2], cut=at, newest_us=1, time_us=9, days=1)
            checkpoints = [KEY.sign(tenant_id=tenant_id, seq=seq, hash_=genuine[seq - 1][2], time_us=1) for seq in (4, 8, 12)]
            check_ = ChainCheck(tenant_id, checkpoints, begins)
            exported.write(msgspec.json.encode({"tenant": tenant_id, "start": begins}) + b"\n")
            for place, text, hash_ in rows:
                check_.add(place, text, hash_)
                exported.write(msgspec.json.encode({"tenant": tenant_id, "seq": place, "record": text, "hash": hash_.hex()}) + b"\n")
            kept.writelines(encode_checkpoint(each) + b"\n" for each in checkpoints)
            expected[tenant_id] = bool(check_.report().findings)
    command = [sys.executable, "-I", "check.py", "audit.jsonl", "checkpoints.jsonl"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    blamed = {word for line in ended.stdout.splitlines() if line.startswith("record ") for word in line.split() if word in expected}
    assert ended.stderr == ""
    assert blamed == {tenant_id for tenant_id, is_wrong in expected.items() if is_wrong}
    assert 100 < len(blamed) < 290
