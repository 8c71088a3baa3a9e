"""The CSV directory: what is a usable file, and what happens when it changes."""

import os
import resource
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.directory.csv_files import AGAIN_S, CsvDirectory
from rightful.directory.csv_settings import CsvDirectorySettings, CsvInboundSettings, CsvMoreSettings
from rightful.directory.csv_text import read_rows
from rightful.errors import SourceError, SourceRefused
from rightful.ids import SubjectId, TenantId
from rightful.subject.matching import normalise
from rightful.testing.clock import ManualClock

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
PEOPLE = "id,upn,salary,mail\n1,ann@c.example,secret-value,a@c.example\n2,bob@c.example,9,\n"


def _write(path: Path, text: str | bytes, *, age_s: float = 60.0) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(text if isinstance(text, bytes) else text.encode())
    at = beside.stat().st_mtime - age_s
    os.utime(beside, (at, at))
    beside.replace(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _write(tmp_path / "people.csv", PEOPLE)
    return tmp_path


def _directory(folder: Path, **changed: Any) -> CsvDirectory:
    return CsvDirectory(TENANT, CsvDirectorySettings(**{"file": "people.csv", "identifiers": {"mail": "mail"}, **changed}), folder=folder)


@pytest.fixture
def directory(folder: Path) -> Iterator[CsvDirectory]:
    directory = _directory(folder)
    yield directory
    directory.close()


def _mails(directory: CsvDirectory, person: str) -> tuple[str, ...]:
    [found] = directory.identify([each for each in directory.subjects([SubjectId(person)]) if each])
    assert found is not None
    return found.values("mail")


def test_further_files_and_profiles_of_others(folder: Path) -> None:
    _write(folder / "devices.csv", "\ufeffowner,number, device ,\r\nANN@C.example,, d1 ,\r\n\r\n,1,d2,\r\n".encode())
    _write(folder / "guests.csv", "user_id,upn,display_name,home_tenant_id\np1,g@f.example,Guest,t2\n")
    directory = _directory(
        folder,
        more=(CsvMoreSettings(file="devices.csv", from_={"upn": "owner", "id": "number"}, identifiers={"device": "device"}),),
        inbound_profiles=CsvInboundSettings(file="guests.csv"),
    )
    directory.check()
    [ann] = directory.identify([each for each in directory.subjects([SubjectId("1")]) if each])
    assert ann is not None
    assert ann.values("device") == ("d1", "d2")
    assert {each.place for each in ann.reached} == {"people.id", "people.upn", "people.mail", "devices.device"}
    [guest] = directory.list_inbound_profiles()
    assert (guest, guest.display_name) == (directory.find_inbound_profile("p1"), "Guest")
    assert directory.columns()["mail"] == ("mail",)
    assert directory.known(10)["device"] == {"d1", "d2"}
    assert directory.ambiguous_names() == 0
    directory.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,upn,mail\n1,a@c.example,secret\n1,b@c.example,\n", "lines 2 and 3 have the same in column 'id'"),
        ('id,upn,mail\n1,a@c.example,"sec\nret"\n 1 ,b@c.example,\n', "lines 2 and 4 have the same in column 'id'"),
        ("id,upn,mail\n,a@c.example,secret\n", "line 2 has nothing in column 'id'"),
        ("id,upn,mail\n1,a@c.example,secret,\n", "line 2 has 4 values, line 1 has 3"),
        ("id,upn,mail\n1,secret\n", "line 2 has 2 values"),
        ("id,upn,Mail\n", "no column 'mail'"),
        ("id,upn,mail,MAIL\n", "line 1 names a column twice"),
        ("", "no column 'id'"),
        ("1,a@c.example,secret\n2,b@c.example,\n", "no column 'id': line 1 has 3 names"),
        ("id;upn;mail;secret\n", "no column 'id': line 1 has 1 names"),
        ('id,upn,mail\n1,a@c.example,"secret\n', "line 2 is not CSV"),
        ('id,upn,mail\n1,a@c.example,"secret"x\n', "line 2 is not CSV"),
        (b"id,upn,mail\n1,a@c.example,secret\xff\n", "line 2 is not UTF-8"),
        ("id,upn,mail\n1,a@c.example,sec\x00ret\n", "line 2 holds a NUL"),
        ("id,upn,mail\n".encode("utf-16-le"), "NUL"),
        (
            "id,upn,mail\naaaaaaaa-0000-4000-8000-00000000000E,a@c.example,\nAAAAAAAA-0000-4000-8000-00000000000e,b@c.example,\n",
            "lines 2 and 3 have the same",
        ),
    ],
)
def test_file_that_is_not_usable_is_refused_by_line_and_without_a_value(tmp_path: Path, text: str | bytes, said: str) -> None:
    _write(tmp_path / "people.csv", text)
    directory = _directory(tmp_path)
    for ask in (directory.check, partial(directory.find_user, "1")):
        with pytest.raises(SourceRefused) as caught:
            ask()
        assert said in caught.value.message
        assert caught.value.source_name == "directory"
        assert not any(word in f"{caught.value} {caught.value.hint}" for word in ("secret", "a@c", "aaaa"))
    directory.close()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        (tmp_path / "people.csv").mkdir()
    else:
        os.mkfifo(tmp_path / "people.csv")
    directory = _directory(tmp_path)
    with pytest.raises(SourceError):
        directory.find_user("1")
    directory.close()


def test_changed_file_is_read_before_the_next_answer(folder: Path, directory: CsvDirectory) -> None:
    assert _mails(directory, "1") == ("a@c.example",)
    _write(folder / "people.csv", PEOPLE.replace("a@c", "b@c"))  # of the same size
    assert _mails(directory, "1") == ("b@c.example",)
    _write(folder / "people.csv", PEOPLE, age_s=0)
    assert _mails(directory, "1") == ("b@c.example",), "it may be half written yet"
    os.utime(folder / "people.csv", (1_700_000_000, 1_700_000_000))
    assert _mails(directory, "1") == ("a@c.example",)


def test_broken_file_leaves_the_old_one_in_use_and_is_said_once(
    folder: Path, directory: CsvDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _mails(directory, "1") == ("a@c.example",)
    assert not directory.is_stale()
    for broken in (PEOPLE + "1,twice@c.example,,\n", None):
        if broken is None:
            (folder / "people.csv").unlink()
        else:
            _write(folder / "people.csv", broken)
        capsys.readouterr()
        for _ in range(3):
            assert _mails(directory, "1") == ("a@c.example",)
        said = capsys.readouterr().out
        assert said.count("stays in use") == 1
        assert "twice" not in said
        assert directory.is_stale()
        with pytest.raises(SourceRefused):
            directory.check()  # the doctor sees it
    _write(folder / "people.csv", PEOPLE.replace("a@c", "b@c"))
    assert _mails(directory, "1") == ("b@c.example",)
    assert not directory.is_stale()


def test_new_file_is_read_once_a_passing_error_has_passed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock(datetime.now(UTC))
    settings = CsvDirectorySettings(file="people.csv", identifiers={"mail": "mail"})
    directory = CsvDirectory(TENANT, settings, folder=folder, clock=clock)
    assert _mails(directory, "1") == ("a@c.example",)
    _write(folder / "people.csv", PEOPLE.replace("a@c", "b@c"))
    lowest = os.dup(0)
    os.close(lowest)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        for _ in range(3):
            assert _mails(directory, "1") == ("a@c.example",), "no file can be opened"
            clock.advance(AGAIN_S)
        assert _mails(directory, "1") == ("a@c.example",)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert _mails(directory, "1") == ("a@c.example",), "it is not tried for each answer"
    clock.advance(AGAIN_S)
    assert _mails(directory, "1") == ("b@c.example",)
    assert capsys.readouterr().out.count("stays in use") == 1, "an error that stays is told once"
    directory.close()


def test_answers_are_of_one_moment_while_files_change(folder: Path, directory: CsvDirectory) -> None:
    stop, wrong = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            found = directory.find_user("1")
            mails = _mails(directory, "1")
            if found is None or mails not in {("a@c.example",), ("b@c.example",)}:
                wrong.append((found, mails))

    directory.find_user("1")  # a file that changes while it is read for the first time is an error: nothing is in use yet
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(25):
            _write(folder / "people.csv", PEOPLE.replace("a@c", "b@c" if number % 2 else "a@c"), age_s=60 + number)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong


def test_rows_of_a_large_file_are_not_in_memory_all_at_once() -> None:
    rows = "".join(f"{n},u{n}@contoso.example,Mail.{n}@contoso.example\n" for n in range(30_000))
    content = f"id,upn,mail\n{rows}".encode()
    tracemalloc.start()
    try:
        for _ in read_rows(content, file="people.csv", columns=["id", "upn", "mail"], delimiter=",", unique="id"):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(content), "rows go into the table one by one"


def test_people_who_share_are_counted_over_a_thousand_rows(folder: Path) -> None:
    _write(
        folder / "people.csv", "id,upn,mail\n" + "".join(f"{n},u{n}@c.example,{'All' if n % 2 else 'all'}@c.example\n" for n in range(1000))
    )
    directory = _directory(folder)
    [found] = directory.identify([each for each in directory.subjects([SubjectId("7")]) if each])
    directory.close()
    assert found is not None
    assert "mail" not in found.identifiers
    assert [each.people for each in found.refused] == [1000]


_cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@given(st.lists(st.tuples(_cells, _cells), max_size=8), st.sampled_from(",;\t|"))
def test_every_text_is_read_as_it_was_written(rows: list[tuple[str, str]], delimiter: str) -> None:
    written = "".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in [("a", "b"), *rows])
    found = list(read_rows(written.encode(), file="f.csv", columns=["b", "a"], delimiter=delimiter))
    assert found == [(normalise("", b) or None, normalise("", a) or None) for a, b in rows]


@given(st.binary(max_size=60))
def test_any_bytes_are_rows_or_refused(content: bytes) -> None:
    try:
        rows = list(read_rows(b"a,b\n" + content, file="f.csv", columns=["a"], delimiter=",", unique="a"))
    except SourceRefused:
        return
    assert all(row[0] for row in rows)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"delimiter": ";;"}, "one character"),
        ({"delimiter": '"'}, "one character"),
        ({"more": (CsvMoreSettings(file="old/people.csv", from_={"id": "id"}, identifiers={"x": "x"}),)}, "called alike"),
    ],
)
def test_settings_that_cannot_be_meant_are_said(changed: dict[str, Any], said: str) -> None:
    [(_, message, hint)] = CsvDirectory.problems(CsvDirectorySettings(file="people.csv", **changed))
    assert said in message
    assert hint
    assert not list(CsvDirectory.problems(CsvDirectorySettings(file="people.csv", delimiter="\t")))
