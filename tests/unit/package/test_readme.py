import re

import pytest

from rightful.language import OFFERED
from rightful.operation.model import AskedBy
from rightful.package.ledger import Ledger, SkippedEntry
from rightful.package.readme import format_readme
from rightful.testing.package_builder import (
    COMPLETED_AT,
    OPERATION_ID,
    SUBJECT_ID,
    SUBMITTED_AT,
    TENANT_ID,
    SampleSource,
    package_entries,
)


def _readme(*sources: SampleSource, organization: str = "Contoso", language: str = "") -> str:
    return package_entries(*sources, organization=organization, language=language)["README.txt"].decode()


def test_each_source_is_named_with_what_was_found() -> None:
    text = _readme(
        SampleSource(name="orders", product="Shop", rows=tuple({"id": number} for number in range(1500))),
        SampleSource(name="drive", product="OneDrive", files={"a.txt": b"x" * 2048}),
        SampleSource(name="hr", product="HR"),
        SampleSource(name="archive", product="HR", skip_reason="switched off by the operator"),
    )
    assert "Shop / orders\n    1,500 records, " in text
    assert "OneDrive / drive\n    1 file, 2 kB\n    in data/OneDrive/drive/\n" in text
    assert "HR / hr\n    searched; nothing was found\n" in text
    assert "HR / archive\n    not searched: switched off by the operator\n" in text
    assert "WHAT IS NOT IN IT" not in text


@pytest.mark.parametrize(
    ("asked_by", "line"),
    [
        (AskedBy.SUBJECT, "Asked by:    you\n"),
        (AskedBy.ORGANIZATION, "Asked by:    the controller or one of its applications, for you\n"),
        (None, ""),
    ],
)
def test_it_says_who_asked_and_names_nobody(asked_by: AskedBy | None, line: str) -> None:
    text = package_entries(SampleSource(name="hr"), asked_by=asked_by)["README.txt"].decode()
    assert line in text
    assert ("Asked by" in text) == (asked_by is not None)


@pytest.mark.parametrize("language", OFFERED)
def test_who_asked_is_said_in_each_language(language: str) -> None:
    texts = [package_entries(SampleSource(name="hr"), language=language, asked_by=by)["README.txt"].decode() for by in (*AskedBy, None)]
    lengths = [text.count("\n") for text in texts]
    twice = 1 if language == "en" else 2
    assert lengths[0] == lengths[1] == lengths[2] + twice
    assert len(set(texts)) == 3


def test_what_could_not_be_read_is_said() -> None:
    skipped = (SkippedEntry(path="a", reason="permission denied"), SkippedEntry(path="b", reason="not a regular file"))
    text = _readme(SampleSource(name="drive", product="OneDrive", skipped=skipped))
    assert "OneDrive / drive\n    something is there, and nothing of it could be read\n" in text
    assert "in data/" not in text
    assert "OneDrive / drive: 2 items could not be read (not a regular file; permission denied)" in text


def test_empty_package_says_that_everything_was_searched() -> None:
    assert "Every system was searched, and nothing was found on you." in _readme(SampleSource(name="hr"))


def test_a_source_that_knows_people_by_what_this_person_has_not_was_not_searched() -> None:
    text = _readme(SampleSource(name="hr"), SampleSource(name="calls", product="HR", identifiers={"telephone": 0, "device_id": 0}))
    assert "HR / calls\n    nothing to search for: this system knows people by device id or telephone, and none of yours is known\n" in text
    assert "Every system was searched" not in text
    assert "Nothing was found on you." in text


def test_spellings_that_were_not_searched_are_said() -> None:
    assert "not in other spellings" in _readme(SampleSource(name="hr", identifiers={"employee_id": 1, "mail": 2}))
    assert "not in other spellings" not in _readme(SampleSource(name="hr", identifiers={"employee_id": 1}))


def test_how_to_check_it_is_there_for_each_system() -> None:
    text = _readme()
    assert "sha256sum --quiet -c manifest-sha256.txt tagmanifest-sha256.txt" in text
    assert "shasum -a 256 -c manifest-sha256.txt tagmanifest-sha256.txt" in text
    assert "Get-FileHash" in text


def test_organization_keeps_to_one_line() -> None:
    assert "Contoso Ltd was asked for" in _readme(organization="Contoso\n  Ltd")
    assert "The controller was asked for" in _readme(organization=" ")


def test_pages_are_named_only_where_they_are() -> None:
    ledger = Ledger(
        operation_id=OPERATION_ID,
        tenant_id=TENANT_ID,
        subject_id=SUBJECT_ID,
        configured=(),
        sources=(),
        submitted_at=SUBMITTED_AT,
        completed_at=COMPLETED_AT,
    )
    with_pages, without = (format_readme(ledger, organization="Contoso", has_pages=has_pages).decode() for has_pages in (True, False))
    assert "VERIFY.html" in with_pages
    assert "START-HERE.html" in with_pages
    assert ".html" not in without


@pytest.mark.parametrize("language", ["de", "es", "fr", "ja", "zh-Hans"])
def test_it_is_in_the_persons_language_and_below_in_english(language: str) -> None:
    sources = (SampleSource(name="orders", product="Shop", rows=({"id": 1},)), SampleSource(name="hr"))
    english = _readme(*sources)
    text = _readme(*sources, language=language)
    assert text.startswith("(English below)\n\n")
    assert text.endswith(english)
    own = text.removesuffix(english)
    words = set(re.findall(r"[A-Za-z]{4,}", own)) & set(re.findall(r"[A-Za-z]{4,}", english))
    assert not words & {"record", "records", "searched", "nothing", "folder", "file", "files", "what", "with", "this"}
    assert "sha256sum --quiet -c manifest-sha256.txt tagmanifest-sha256.txt" in own


def test_english_stands_there_once() -> None:
    assert _readme(language="en") == _readme()
    assert "below" not in _readme().splitlines()[0]


def test_note_that_nothing_was_delivered_is_in_both_languages_too() -> None:
    [note, english] = package_entries(language="de")["data/nothing-delivered.txt"].decode().splitlines()
    assert note.startswith("Es gibt keinen Datensatz")
    assert [english] == package_entries()["data/nothing-delivered.txt"].decode().splitlines()
