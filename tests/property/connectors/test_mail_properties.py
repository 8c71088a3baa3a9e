"""Mail of any kind: what is written into an mbox comes out again, and no header stops an index."""

import email.header
import mailbox
import re
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.connectors import mail_headers, mail_mbox, modified_utf7

FROM = b"From zoe@fabrikam.example Sat Nov 28 19:06:37 2026"
PIECES = [b"From ", b">", b"\n", b"\r\n", b"x", b"\0", b"\xff", b"Subject: y", b" ", b"From the desk of Ann", FROM, b"\n\n", b">From x\n"]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)


def messages_of(raw: bytes, unquote: str = "none") -> list[bytes]:
    def read(offset: int, length: int) -> bytes:
        return raw[offset : offset + length]

    whole = [mail_mbox.whole(read, span, unquote=unquote) for span in mail_mbox.spans(read, len(raw))]
    assert [b"".join(mail_mbox.content(read, span, unquote=unquote)) for span in mail_mbox.spans(read, len(raw))] == whole
    return whole


@given(st.lists(texts, max_size=5), st.sampled_from([b"\n", b"\r\n"]))
def test_messages_come_out_as_they_were_written(letters: list[bytes], end: bytes) -> None:
    quoted = [re.sub(rb"(?m)^(>*From )", rb">\1", letter) for letter in letters]
    raw = b"".join(FROM + end + letter + end + end for letter in quoted)
    found = messages_of(raw, "mboxrd")
    assert found == [letter + end for letter in letters]


@settings(deadline=None)  # the disk may be slow
@given(st.lists(texts, max_size=4))
def test_python_writes_what_is_read(letters: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        box = mailbox.mbox(f"{folder}/box")
        for letter in letters:
            box.add(b"Subject: x\n\n" + letter.replace(b"\r", b""))
        box.flush()
        raw = (Path(folder) / "box").read_bytes()
        theirs = [box.get_bytes(key) for key in box.iterkeys()]
        box.close()
    assert messages_of(raw) == theirs


@given(texts, st.integers(1, 40))
def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(letter: bytes, cut: int) -> None:
    raw = FROM + b"\nSubject: first\n\n" + b"\n" + FROM + b"\nSubject: last\n\n" + letter.replace(b"From ", b"from ")
    found = messages_of(raw[:-cut] if len(raw) - cut > 2 * len(FROM) + 20 else raw)
    assert found[0] == b"Subject: first\n\n"
    assert len(found) <= 2


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=20), st.sampled_from(["mboxo", "mboxrd"]))
def test_unquoting_does_not_depend_on_where_chunks_end(noise: bytes, cuts: list[int], how: str) -> None:
    raw = b">From a\n>>From b\n" + noise + b"\n>From c" + b"\n" + b">" * 1200 + b"From d\n>From"
    chunks, start = [], 0
    for cut in cuts:
        chunks.append(raw[start : start + cut])
        start += cut
    chunks.append(raw[start:])
    pieces = list(mail_mbox.unquoted((chunk for chunk in chunks if chunk), how))
    assert b"" not in pieces
    assert b"".join(pieces) == b"".join(mail_mbox.unquoted((raw,), how))


def test_a_separator_is_found_wherever_a_window_ends() -> None:
    for shift in range(-8, 60):
        body = b"Subject: a\n\n" + b"x" * (mail_mbox.WINDOW_BYTES - len(FROM) - 13 + shift) + b"\n"
        assert messages_of(FROM + b"\n" + body + b"\n" + FROM + b"\nSubject: b\n\n") == [body, b"Subject: b\n"]


def test_sentences_begin_no_message() -> None:
    body = b"\n\nFrom the desk of Ann\n\nFrom Monday on, at 10:00\n\nFrom " + b"y" * 1000 + b" Sat Nov 28 19:06:37 2026\n"
    assert messages_of(FROM + b"\n" + body + b"\n") == [body]
    for line in (
        b"From - Sat Nov 28 19:06:37 2026",
        b"From 1@xxx Tue Apr 02 10:11:12 +0000 2024",
        b"From a b@x  Sat Nov  8 19:06 2026",
        b"From a@x Tue, 02 Apr 2024 10:11:12",
        b"From Sat Nov 28 19:06:37 CET 2026",
    ):
        assert messages_of(line + b"\na\n\n" + line + b"\nb\n\n") == [b"a\n", b"b\n"], line


def test_a_file_without_dates_is_split_at_each_from_line_behind_an_empty_one() -> None:
    assert messages_of(b"From ann\na\nFrom here\n\nFrom bob\r\nb\r\n\r\nFrom c\n") == [b"a\nFrom here\n", b"b\r\n", b""]


@given(st.binary(max_size=2000))
def test_no_header_is_too_strange(raw: bytes) -> None:
    for value in mail_headers.fields(b"Subject: " + raw + b"\nFrom: " + raw + b"\n\n").values():
        value.encode()  # no lone surrogates
        assert not set("\0\r\n") & set(value)


@given(
    st.text("=?_-/+*\"' ()utf8isoQqBb0123\n\t\u00e9", max_size=80),
    st.sampled_from(["utf-7", "unicode_escape", "idna", "rot13", "utf-16", "\0", "x" * 70]),
)
def test_no_encoded_word_is_too_strange(text: str, charset: str) -> None:
    mail_headers.text_of(f"=?{charset}?Q?{text}?= =?{charset}?B?{text}?=".encode()).encode()


@given(st.text('abcäöü €写\U0001f600"<>@,=?_', min_size=1, max_size=60).filter(lambda text: text.strip() == text and "=?" not in text))
def test_pythons_encoded_words_are_decoded(text: str) -> None:
    for charset in ("utf-8", "utf-16-be"):
        if charset == "utf-8":
            raw = email.header.Header(text, charset).encode()
            assert mail_headers.text_of(raw.encode()) == text


@given(st.text(max_size=60))
def test_no_date_is_too_strange(text: str) -> None:
    for value in (text, "Fri, 21 Nov 1997 09:55:06 " + text, text + " 1 Jan 1 00:00:00 +9959", "31 Feb 9999 25:61:61 -9999"):
        mail_headers.instant_of(value)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=40))
def test_folder_names_go_to_and_fro(name: str) -> None:
    assert modified_utf7.decode_exactly(modified_utf7.encode(name)) == name


@given(st.text("&-,+ABCDw/\u00e4", max_size=12), st.text("&-,+ABCDw/\u00e4", max_size=12))
def test_two_folder_names_never_become_one(one: str, other: str) -> None:
    if modified_utf7.decode_exactly(one) == modified_utf7.decode_exactly(other):
        assert one == other
