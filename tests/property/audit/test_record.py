"""The canonical form of a record: one text for one record, and nobody else's."""

import json

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from rightful.audit.record import Action, AuditRecord, Target, decode, encode
from rightful.ids import TenantId

# Whatever UTF-8 can say: control characters, quotes, other alphabets, characters beyond the BMP.
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBER = st.integers(0, 2**53 - 1)
RECORDS = st.builds(
    AuditRecord,
    tenant_id=TEXT.map(TenantId),
    seq=NUMBER,
    time_us=NUMBER,
    action=st.sampled_from(Action),
    outcome=TEXT,
    object_id=TEXT,
    app_id=TEXT,
    address=TEXT,
    request_id=TEXT,
    client_request_id=TEXT,
    target=st.sampled_from(Target),
    target_id=TEXT,
    subject_id=TEXT,
    count=NUMBER,
)


@given(RECORDS)
def test_reading_the_canonical_form_back_gives_the_record(record: AuditRecord) -> None:
    assert decode(encode(record)) == record


@given(RECORDS, RECORDS)
def test_different_records_have_different_bytes(one: AuditRecord, other: AuditRecord) -> None:
    assert (encode(one) == encode(other)) == (one == other)


@given(RECORDS, TEXT, TEXT)
def test_text_that_moves_from_one_field_to_the_next_changes_the_bytes(record: AuditRecord, one: str, other: str) -> None:
    first = msgspec.structs.replace(record, target_id=one + other, subject_id="")
    second = msgspec.structs.replace(record, target_id=one, subject_id=other)
    assert (encode(first) == encode(second)) == (first == second)


@given(RECORDS)
@example(
    AuditRecord(
        tenant_id=TenantId('\x7f\u2028\x1f\\"/\b\f\n\r\t\x00é😀'),
        time_us=0,
        action=Action.CALL,
        outcome="",
        object_id="",
        app_id="",
        address="",
        request_id="",
        client_request_id="",
        target=Target.SERVICE,
        target_id="",
        subject_id="",
    )
)
def test_the_standard_library_writes_the_same_bytes(record: AuditRecord) -> None:
    # Without spaces and with its minimal escapes, Python's own writer is RFC 8785 for arrays of texts and whole numbers.
    assert json.dumps(list(msgspec.structs.astuple(record)), ensure_ascii=False, separators=(",", ":")).encode() == encode(record)
