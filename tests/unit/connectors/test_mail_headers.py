"""What the header of a message says."""

from datetime import UTC, datetime

import pytest

from rightful.connectors import mail_headers


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=\r\n  b", "a b"),
        (b"=?utf-8?B?w7w=?=", "ü"),
        (b"=?utf-8?B?w7?=", "\ufffd"),
        (b"=?utf-8?Q?=E5=86?= =?utf-8?Q?=99?=", "写"),
        (b"=?utf-8*en?q?a_b c?=", "a b c"),
        (b"=?no-such-charset?q?=C3=A9?=", "é"),
        (b"=?unicode_escape?q?=5Cud800?=", "\\ud800"),
        (b"=?utf-7?q?+2AA-?=", "?"),
        (b"na\xc3\xafve", "naïve"),
        (b"na\xefve \x80", "naïve €"),
        (b"a\0b\x07", "a b"),
        (b"=?broken", "=?broken"),
    ],
)
def test_text_is_decoded_as_far_as_it_can_be(raw: bytes, text: str) -> None:
    assert mail_headers.text_of(raw) == text


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Fri, 21 Nov 1997 09:55:06 -0600", datetime(1997, 11, 21, 15, 55, 6, tzinfo=UTC)),
        ("21 Nov 97 09:55 GMT", datetime(1997, 11, 21, 9, 55, tzinfo=UTC)),
        ("Sat, 31 Dec 2016 23:59:60 +0000 (UTC)", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("Mon,  1 Jan 2024 00:00:00 +0530", datetime(2023, 12, 31, 18, 30, tzinfo=UTC)),
        ("Sun, 9 Nov 2025 24:00:00 +0000", None),
        ("Sun, 9 Nov 2025 12:00 -0199", datetime(2025, 11, 9, 14, 39, tzinfo=UTC)),
        ("9 Foo 2025 12:00:00 +0000", None),
        ("31 Feb 2024 00:00:00 +0000", None),
        ("1 Jan 0001 00:00:00 +0100", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_is_an_instant(text: str, instant: datetime | None) -> None:
    assert mail_headers.instant_of(text) == instant


def test_fields_end_with_the_header() -> None:
    head = b"TO: a@x\r\nX: Subject: no\r\nto : b@x\r\nDate: today\r\n\r\nSubject: of the body\r\n"
    assert mail_headers.fields(head) == {"to": "a@x, b@x", "date": "today"}
    assert mail_headers.fields(b"\nSubject: of the body\n") == {}


def test_a_field_goes_on_in_lines_that_begin_with_a_blank() -> None:
    head = b" no field\nSubject:\n\tone\r\n  two\nX: three\n Date: no\nmessage-id : <1@x>\n \n\tTo: no\nsUBJECT: the second\ncc: a@x\nCC:\n b@x"
    assert mail_headers.fields(head) == {"subject": "one two", "message-id": "<1@x>  To: no", "cc": "a@x, b@x"}


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_header_that_is_cut_within_a_character_keeps_those_before_it(cut: int) -> None:
    found = mail_headers.fields("Subject: é日😀é日😀".encode()[:-cut], is_cut=True)["subject"]
    assert found == "é日😀é日😀".encode()[:-cut].decode(errors="ignore")


def test_a_header_that_is_all_there_keeps_its_last_letter_of_another_character_set() -> None:
    assert mail_headers.fields("Subject: caf\u00e9".encode("latin-1")) == {"subject": "café"}
