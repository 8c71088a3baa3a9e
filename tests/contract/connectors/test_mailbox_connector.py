"""`mailbox` passes the suite over real mbox files and Maildirs, and loses nothing while mail comes and goes."""

import hashlib
import itertools
import json
import mailbox
import os
import random
import re
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.export.world import World

from rightful.config.model import SourceConfig
from rightful.connectors import registry
from rightful.connectors.interface import Cursor, FileItem, Item, ReadHeader, Rows, SkippedItem
from rightful.connectors.mailbox import MailboxConnector
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.errors import ConfigurationError, SourceUnavailable
from rightful.operation.model import OperationStatus
from rightful.package.schema import Redaction
from rightful.package.third_parties import MAIL, PERSON
from rightful.package.verify import PackageState
from rightful.sources.trying import try_out
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, collect, identified

MIB = 1 << 20
LETTER = b"""\
Date: Fri, 21 Nov 1997 09:55:06 -0600
From: =?utf-8?q?Zo=C3=AB?= <zoe@fabrikam.example>
To: ann@contoso.example, =?utf-8?b?5YaZ55yf?= <photo@contoso.example>
Cc: bob@contoso.example
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Message-ID: <1@fabrikam.example>

Hello Ann.
"""
LARGE = b"Subject: large\n\n" + random.Random(7).randbytes(900_000).hex().encode() + b"\n"
STATUS = b"Status: RO\nX-Status: AF\n\n"
OTHERS = b"Subject: another's\n\n"
PLAIN = b"Subject: plain\n\nFrom here on it is plain.\n"


def connect(root: Path, form: str = "mbox", path: str = "{folder}", **options: object) -> MailboxConnector:
    settings = MailboxSettings(url=f"file://{root}", path=path, format=form, **options)  # type: ignore[arg-type]
    return MailboxConnector("mail", settings, siblings={}, folder=Path("/"))


def mbox(*messages: bytes, line: bytes = b"From zoe@fabrikam.example Sat Nov 28 19:06:37 2026") -> bytes:
    return b"".join(line + b"\n" + message + b"\n" for message in messages)


def name_of(message: bytes) -> str:
    return f"{hashlib.sha256(message).hexdigest()[:16]}.eml"


def row(folder: str, name: str, message: bytes, flags: str = "", **said: object) -> dict[str, object]:
    fields = dict.fromkeys(("date", "from", "to", "cc", "subject", "message_id", "bcc"))
    return {"folder": folder, "file": f"{folder}/{name}", "size_bytes": len(message), "flags": flags, **fields, **said}


LETTER_SAYS: dict[str, Any] = {
    "date": datetime(1997, 11, 21, 15, 55, 6, tzinfo=UTC),
    "from": "Zoë <zoe@fabrikam.example>",
    "to": "ann@contoso.example, 写真 <photo@contoso.example>",
    "cc": "bob@contoso.example",
    "subject": "Grüße",
    "message_id": "<1@fabrikam.example>",
}


def read(connector: MailboxConnector, number: int = 1, folder: str = "ann", cursor: Cursor | None = None) -> list[Item]:
    items = list(connector.read(connector.plan(())[number], [identified(folder=(folder,))], cursor))
    return [item for item in items if not isinstance(item, ReadHeader)]


def files(items: Sequence[Item]) -> dict[str, bytes]:
    return {item.path: b"".join(item.open()) for item in items if isinstance(item, FileItem)}


def skips(items: Sequence[Item]) -> dict[str, str]:
    return {item.path: item.reason for item in items if isinstance(item, SkippedItem)}


class TestMboxFile(ConnectorSuite):
    """A file for each person."""

    @pytest.fixture
    def connector(self, tmp_path: Path) -> MailboxConnector:
        (tmp_path / "ann").write_bytes(mbox(LETTER, PLAIN, LARGE, PLAIN, STATUS))
        (tmp_path / "ANN").write_bytes(mbox(OTHERS))
        (tmp_path / "ann2").write_bytes(b"")
        (tmp_path / "anna").write_bytes(mbox(PLAIN))
        return connect(tmp_path)

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        again = name_of(PLAIN).replace(".eml", "-2.eml")
        return {
            ANN.name: Found(
                rows=(
                    row("INBOX", name_of(LETTER), LETTER, **LETTER_SAYS),
                    row("INBOX", name_of(PLAIN), PLAIN, subject="plain"),
                    row("INBOX", name_of(LARGE), LARGE, subject="large"),
                    row("INBOX", again, PLAIN, subject="plain"),
                    row("INBOX", name_of(STATUS), STATUS, flags="seen answered flagged"),
                ),
                files={
                    f"INBOX/{name_of(LETTER)}": LETTER,
                    f"INBOX/{name_of(PLAIN)}": PLAIN,
                    f"INBOX/{name_of(LARGE)}": LARGE,
                    f"INBOX/{again}": PLAIN,
                    f"INBOX/{name_of(STATUS)}": STATUS,
                },
            ),
            ANN2.name: Found(),
            UPPER.name: Found(
                rows=(row("INBOX", name_of(OTHERS), OTHERS, subject="another's"),), files={f"INBOX/{name_of(OTHERS)}": OTHERS}
            ),
        }

    @pytest.fixture
    def broken(self, tmp_path: Path) -> MailboxConnector:
        return connect(tmp_path / "nowhere")


class TestMboxFolder(ConnectorSuite):
    """A folder for each person, with a file for each folder of mail."""

    @pytest.fixture
    def connector(self, tmp_path: Path) -> MailboxConnector:
        home = tmp_path / "ann/mail"
        (home / "Archive").mkdir(parents=True)
        (home / "Archive/2024").write_bytes(mbox(PLAIN))
        (home / "INBOX").write_bytes(mbox(LETTER, PLAIN))
        (home / "INBOX.msf").write_bytes(b'// <!-- <mdb:mork:z v="1.4"/> -->')
        (home / "link").symlink_to("../../anna")
        os.mkfifo(home / "pipe")
        (tmp_path / "ANN/mail").mkdir(parents=True)
        (tmp_path / "ANN/mail/x").write_bytes(mbox(LETTER))
        (tmp_path / "anna").write_bytes(mbox(PLAIN))
        return connect(tmp_path, path="{folder}/mail")

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        letter, plain = name_of(LETTER), name_of(PLAIN)
        return {
            ANN.name: Found(
                rows=(
                    row("Archive/2024", plain, PLAIN, subject="plain"),
                    row("INBOX", letter, LETTER, **LETTER_SAYS),
                    row("INBOX", plain, PLAIN, subject="plain"),
                ),
                files={f"Archive/2024/{plain}": PLAIN, f"INBOX/{letter}": LETTER, f"INBOX/{plain}": PLAIN},
                skipped=("INBOX.msf", "link", "pipe"),
            ),
            ANN2.name: Found(),
            UPPER.name: Found(rows=(row("x", letter, LETTER, **LETTER_SAYS),), files={f"x/{letter}": LETTER}),
        }

    @pytest.fixture
    def broken(self, tmp_path: Path) -> MailboxConnector:
        return connect(tmp_path / "nowhere")


class TestMaildir(ConnectorSuite):
    """Maildirs, with Maildir++'s folders."""

    @pytest.fixture
    def connector(self, tmp_path: Path) -> MailboxConnector:
        write(tmp_path / "ann", {"cur/2.M1.host,S=9:2,RS": LETTER, "new/3.M1.host": LARGE, "tmp/4.M1.host": PLAIN})
        write(tmp_path / "ann", {"dovecot.index": b"x", ".Entw&APw-rfe/cur/1.host:2,": PLAIN, "Archive/2024/new/5": b""})
        (tmp_path / "ann/cur/link:2,S").symlink_to("2.M1.host,S=9:2,RS")
        (tmp_path / "ann/.Linked").symlink_to("../anna")
        write(tmp_path / "ANN", {"new/2.M1.host": PLAIN})
        write(tmp_path / "anna", {"new/2.M1.host": PLAIN})
        return connect(tmp_path, "maildir")

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {
            ANN.name: Found(
                rows=(
                    row("Archive/2024", "5.eml", b""),
                    row("Entwürfe", "1.host.eml", PLAIN, subject="plain"),
                    row("INBOX", "2.M1.host.eml", LETTER, flags="answered seen", **LETTER_SAYS),
                    row("INBOX", "3.M1.host.eml", LARGE, subject="large"),
                ),
                files={
                    "Archive/2024/5.eml": b"",
                    "Entwürfe/1.host.eml": PLAIN,
                    "INBOX/2.M1.host.eml": LETTER,
                    "INBOX/3.M1.host.eml": LARGE,
                },
                skipped=("INBOX/link.eml", "Linked"),
            ),
            ANN2.name: Found(),
            UPPER.name: Found(rows=(row("INBOX", "2.M1.host.eml", PLAIN, subject="plain"),), files={"INBOX/2.M1.host.eml": PLAIN}),
        }

    @pytest.fixture
    def broken(self, tmp_path: Path) -> MailboxConnector:
        return connect(tmp_path / "nowhere", "maildir")


def write(folder: Path, content: Mapping[str, bytes]) -> None:
    for path, text in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text)


def test_the_registry_finds_it() -> None:
    assert registry.find("mailbox") is MailboxConnector


@pytest.mark.parametrize(
    ("form", "path", "options"),
    [
        ("mbox", "everybody", {}),
        ("mbox", "{upn}-{mail}", {}),
        ("maildir", "{upn}", {"unquote": "mboxrd"}),
        ("mbox", "../{upn}", {}),
        ("mbox", "{upn}", {"include": ("[z-a]",)}),
        ("maildir", "{upn}", {"exclude": ("",)}),
    ],
)
def test_what_the_configuration_alone_shows_is_refused(form: str, path: str, options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        connect(Path("/srv"), form, path, **options)


@pytest.mark.parametrize("form", ["mbox", "maildir"])
def test_a_whole_export_has_messages_and_index(tmp_path: Path, form: str) -> None:
    if form == "mbox":
        write(tmp_path, {"mail/ann": mbox(LETTER, PLAIN)})
    else:
        write(tmp_path, {"mail/ann/new/1": LETTER, "mail/ann/cur/2:2,S": PLAIN})
    world = World(tmp_path, {"1": {"folder": ("ann",)}}, {"mail": connect(tmp_path / "mail", form)})
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert (world.get(operation).sources[0].files, world.get(operation).sources[0].rows) == (2, 2)
    assert world.verify(operation).state is PackageState.WHOLE
    delivered = world.package(operation) / "data/Product/mail"
    index = [json.loads(line) for line in (delivered / "part-00000-00000.jsonl").read_text().splitlines()]
    assert [(delivered / each["file"]).read_bytes() for each in index] == [LETTER, PLAIN]
    assert (index[0]["date"], index[0]["subject"]) == ("1997-11-21T15:55:06.000000Z", "Grüße")
    world.stop()


# -- what is withheld ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", ["mbox", "maildir"])
def test_a_redacted_mailbox_is_its_index_and_names_nobody_else(tmp_path: Path, form: str) -> None:
    letter = LETTER.replace(b"Subject: ", b"Bcc: carl@x.example\nSubject: ask carl@x.example ")
    write(tmp_path, {"mail/ann": mbox(letter)} if form == "mbox" else {"mail/ann/new/1": letter})
    people = {"1": {"folder": ("ann",), "mail": ("ann@contoso.example",)}}
    rules: Mapping[str, Redaction] = {"from": "others", "to": "others", "cc": "hash", "subject": "mails_and_phones", "message_id": "drop"}
    world = World(tmp_path, people, {"mail": connect(tmp_path / "mail", form, messages=False)}, redact={"mail": rules})
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert (world.get(operation).sources[0].files, world.get(operation).sources[0].rows) == (0, 1)
    assert world.verify(operation).state is PackageState.WHOLE
    [line] = (world.package(operation) / "data/Product/mail/part-00000-00000.jsonl").read_text().splitlines()
    index = json.loads(line)
    assert (index["from"], index["to"]) == (PERSON, f"ann@contoso.example, {PERSON}")
    assert index["subject"] == f"ask {MAIL} Grüße"
    assert not index.keys() & {"message_id", "bcc"}, "rules that were written without bcc must not let it out"
    for path in world.package(operation).rglob("*"):
        if path.is_file():
            assert not re.search(rb"zoe|fabrikam|photo@|bob@|carl", path.read_bytes()), path
    assert "withheld" in world.ledger(operation)["mail"]["searched"]
    world.stop()


def test_whom_a_message_went_to_besides_is_in_the_index_of_messages_that_say_so_themselves(tmp_path: Path) -> None:
    letter = LETTER.replace(b"Subject: ", b"Bcc: carl@x.example\nBCC: =?utf-8?q?D=C3=B6rte?=\n <d@x.example>\nSubject: ")
    write(tmp_path, {"ann": mbox(letter, PLAIN)})
    [rows] = (item.batch.to_pylist() for item in read(connect(tmp_path), 0) if isinstance(item, Rows))
    assert [each["bcc"] for each in rows] == ["carl@x.example, Dörte <d@x.example>", None]


def test_what_cannot_be_read_is_told_where_messages_are_withheld_too(tmp_path: Path) -> None:
    write(tmp_path, {"ann/cur/1": LETTER, "bob/letters.txt": b"x"})
    (tmp_path / "ann/.Linked").symlink_to("../anna")
    connector = connect(tmp_path, "maildir", messages=False)
    assert len(connector.plan(())) == 1
    assert list(skips(read(connector, 0))) == ["Linked"]
    assert list(skips(read(connector, 0, "bob"))) == ["INBOX"]


# -- while mail comes and goes -------------------------------------------------------------------------------------------
def after_first(connector: MailboxConnector, do: Callable[[], object]) -> list[Item]:
    """Read, and do something once the first message is there."""
    items: list[Item] = []
    for item in connector.read(connector.plan(())[1], [identified(folder=("ann",))]):
        if isinstance(item, ReadHeader):
            continue
        if not items:
            do()
        items.append(item)
    return items


def test_mail_that_is_appended_to_an_mbox_disturbs_nobody(tmp_path: Path) -> None:
    file = tmp_path / "ann"
    file.write_bytes(mbox(LETTER, LARGE))
    found = after_first(connect(tmp_path), lambda: file.write_bytes(mbox(LETTER, LARGE, PLAIN)))
    assert list(files(found).values()) == [LETTER, LARGE]


def test_an_mbox_that_is_written_anew_is_an_outage(tmp_path: Path) -> None:
    file = tmp_path / "ann"
    file.write_bytes(mbox(LETTER, PLAIN, STATUS))
    with pytest.raises(SourceUnavailable, match="written anew"):
        after_first(connect(tmp_path), lambda: file.write_bytes(mbox(PLAIN, STATUS, LETTER)))


def test_a_large_message_that_moved_is_an_outage_not_another_message(tmp_path: Path) -> None:
    file = tmp_path / "ann"
    file.write_bytes(mbox(PLAIN, LARGE))
    [_, large] = read(connect(tmp_path))
    file.write_bytes(mbox(LARGE))
    assert isinstance(large, FileItem)
    with pytest.raises(SourceUnavailable, match="written anew"):
        b"".join(large.open())


def test_an_interrupted_read_misses_nothing_when_earlier_messages_were_deleted(tmp_path: Path) -> None:
    letters = [b"Subject: %d\n\n" % number for number in range(10)]
    (tmp_path / "ann").write_bytes(mbox(*letters))
    cursor = Cursor(list(files(read(connect(tmp_path))))[5].encode())
    (tmp_path / "ann").write_bytes(mbox(*letters[4:]))
    assert list(files(read(connect(tmp_path), cursor=cursor)).values()) == letters[6:]


def test_a_read_whose_last_message_was_deleted_starts_again(tmp_path: Path) -> None:
    (tmp_path / "ann").write_bytes(mbox(LETTER, PLAIN))
    cursor = Cursor(f"INBOX/{name_of(LETTER)}")
    connector = connect(tmp_path)
    subject = [identified(folder=("ann",))]

    def lost() -> bool:
        header = next(iter(connector.read(connector.plan(())[1], subject, cursor)))
        assert isinstance(header, ReadHeader)
        return header.is_cursor_lost

    assert not lost()
    (tmp_path / "ann").write_bytes(mbox(PLAIN))
    assert lost()


def test_an_export_goes_on_though_the_message_that_it_stopped_at_was_deleted(tmp_path: Path) -> None:
    letters = [b"Subject: %d\n\n" % number + b"x" * 5_000_000 for number in range(3)]
    file = tmp_path / "mail/ann"
    write(tmp_path, {"mail/ann": mbox(*letters)})

    class Broken(MailboxConnector):
        is_down = True

        def read(self, *arguments: Any) -> Iterator[ReadHeader | Item]:
            for number, item in enumerate(super().read(*arguments)):
                if number == 3 and self.is_down:
                    raise SourceUnavailable("down", source_name="mail")
                yield item

    settings = MailboxSettings(url=f"file://{tmp_path}/mail", path="{folder}", format="mbox")
    connector = Broken("mail", settings, siblings={}, folder=tmp_path)
    world = World(tmp_path, {"1": {"folder": ("ann",)}}, {"mail": connector})
    operation = world.submit("1")
    while world.step():
        pass
    assert world.get(operation).status is OperationStatus.RUNNING
    connector.is_down = False
    file.write_bytes(mbox(letters[0], letters[2]))
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.get(operation).sources[0].files == 2
    assert world.verify(operation).state is PackageState.WHOLE
    world.stop()


def test_a_message_that_moves_in_a_maildir_keeps_its_name(tmp_path: Path) -> None:
    home = tmp_path / "ann"
    write(home, {"new/1.host": LETTER, "new/2.host": PLAIN, "new/3.host": LARGE, "new/4.host": STATUS})
    (home / "cur").mkdir()

    def meddle() -> None:
        (home / "new/2.host").rename(home / "cur/2.host:2,S")
        (home / "new/3.host").rename(home / "cur/3.host:2,")
        (home / "new/4.host").unlink()

    found = after_first(connect(tmp_path, "maildir"), meddle)
    (home / "cur/3.host:2,").rename(home / "cur/3.host:2,RS")
    assert files(found) == {"INBOX/1.host.eml": LETTER, "INBOX/2.host.eml": PLAIN, "INBOX/3.host.eml": LARGE}
    assert skips(found) == {}


def test_a_folder_that_a_read_stopped_in_and_that_cannot_be_read_any_more_is_told(tmp_path: Path) -> None:
    write(tmp_path / "ann", {".A/cur/1": LETTER, ".A/cur/2": LETTER, ".B/cur/1": LETTER})
    (tmp_path / "ann/.A").rename(tmp_path / "moved")
    (tmp_path / "ann/.A").symlink_to("../moved")
    found = read(connect(tmp_path, "maildir"), cursor=Cursor("A/1.eml"))
    assert skips(found) == {"A": "symbolic link, not followed"}
    assert list(files(found)) == ["B/1.eml"]
    found = read(connect(tmp_path, "maildir"), cursor=Cursor("A"))
    assert (skips(found), list(files(found))) == ({}, ["B/1.eml"])


def test_a_maildir_that_never_rests_is_read_and_said_to_have_gaps(tmp_path: Path) -> None:
    home = tmp_path / "ann"
    write(home, {f"cur/{number}.host:2,": LETTER for number in range(3)})
    is_under_way, is_over = threading.Event(), threading.Event()

    def meddle() -> None:
        names = itertools.cycle([home / "cur/1.host:2,S", home / "cur/1.host:2,"])
        before = home / "cur/1.host:2,"
        while not is_over.is_set():
            before = before.rename(next(names))
            is_under_way.set()

    meddling = threading.Thread(target=meddle)
    meddling.start()
    assert is_under_way.wait(10)
    try:
        found = read(connect(tmp_path, "maildir"))
    finally:
        is_over.set()
        meddling.join()
    assert "may be missing" in skips(found)["INBOX"]
    assert files(found).keys() >= {"INBOX/0.host.eml", "INBOX/2.host.eml"}
    assert skips(read(connect(tmp_path, "maildir"))) == {}


# -- hostile content -----------------------------------------------------------------------------------------------------
def test_nothing_outside_a_mailbox_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"secret": mbox(PLAIN), "bob/new/1": PLAIN})
    (tmp_path / "ann").symlink_to("secret")
    assert skips(read(connect(tmp_path))) == {"INBOX": "symbolic link, not followed"}
    (tmp_path / "ann").unlink()
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/new").symlink_to("../bob/new")
    assert skips(read(connect(tmp_path, "maildir"))) == {"INBOX": "symbolic link, not followed"}
    assert read(connect(tmp_path, "maildir"), folder="../bob") == []


def test_a_folder_that_is_no_maildir_is_told_not_taken_for_empty(tmp_path: Path) -> None:
    write(tmp_path, {"ann/letters.txt": b"x"})
    assert list(skips(read(connect(tmp_path, "maildir")))) == ["INBOX"]
    write(tmp_path, {"bob": b"no mbox"})
    assert list(skips(read(connect(tmp_path), folder="bob"))) == ["INBOX"]


def test_two_files_of_one_unique_name_are_two_messages(tmp_path: Path) -> None:
    write(tmp_path / "ann", {"new/1.host": LETTER, "cur/1.host:2,S": PLAIN, "cur/2.host,S=1:2,": LETTER, "cur/2.host,S=2:2,": PLAIN})
    assert sorted(files(read(connect(tmp_path, "maildir"))).values()) == sorted([LETTER, PLAIN, LETTER, PLAIN])


def test_folders_that_would_be_called_alike_stay_apart(tmp_path: Path) -> None:
    write(tmp_path / "ann", {"new/1": b"1", "INBOX/new/1": b"2", ".INBOX/new/1": b"3", ".Sent/new/1": b"4", "Sent/new/1": b"5"})
    assert sorted(files(read(connect(tmp_path, "maildir"))).values()) == [b"1", b"2", b"3", b"4", b"5"]


def test_folders_are_chosen_by_patterns(tmp_path: Path) -> None:
    write(tmp_path / "ann", {"new/1": b"1", ".Trash/new/1": b"2", ".Archive/new/1": b"3"})
    connector = connect(tmp_path, "maildir", exclude=("Trash",), include=("INBOX", "Trash"))
    assert files(read(connector)) == {"INBOX/1.eml": b"1"}
    assert len(read(connector, 0)) == 1


def test_two_mailboxes_of_a_person_are_both_read(tmp_path: Path) -> None:
    write(tmp_path, {"a@x": mbox(LETTER, PLAIN), "a-b@x": mbox(LETTER)})
    connector, subject = connect(tmp_path, path="{mail}"), identified(mail=("a-b@x", "a@x"))
    [found] = collect(connector, [subject])
    order = [f"a-b@x/INBOX/{name_of(LETTER)}", f"a@x/INBOX/{name_of(LETTER)}", f"a@x/INBOX/{name_of(PLAIN)}"]
    assert list(found.files) == order
    assert [each["file"] for each in found.rows] == order
    for number, path in enumerate(order):
        items = list(connector.read(connector.plan(())[1], [subject], Cursor(path)))[1:]
        assert [item.path for item in items if isinstance(item, FileItem)] == order[number + 1 :]


def test_an_index_says_whose_mailbox_it_is_by_the_folders_name(tmp_path: Path) -> None:
    write(tmp_path, {"home-e10/mail": mbox(LETTER)})
    items = list(connect(tmp_path, path="home-{employee_id}/mail").read(connect(tmp_path).plan(())[0], [ANN.subject]))
    [rows] = [item.batch.to_pylist() for item in items if isinstance(item, Rows)]
    assert rows[0]["\x1fmatch:employee_id"] == "e10"


def test_a_header_of_many_megabytes_stays_small_in_the_index(tmp_path: Path) -> None:
    write(tmp_path, {"ann": mbox(*[b"Subject: " + b"x" * MIB * 2 + b"\n\n"] * 3), "mail/ann/new/1": b"To: " + b"a@x, " * MIB})
    batches = [
        item.batch for item in (*read(connect(tmp_path), 0), *read(connect(tmp_path / "mail", "maildir"), 0)) if isinstance(item, Rows)
    ]
    assert sum(batch.num_rows for batch in batches) == 4
    assert all(batch.nbytes < MIB for batch in batches)


def test_a_message_of_a_hundred_megabytes_takes_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "ann").open("wb") as file:
        file.write(b"From a@x Sat Nov 28 19:06:37 2026\nSubject: x\n\n")
        for _ in range(100):
            file.write((b"y" * 99 + b"\n") * (MIB // 100))
        file.write(b"\n" + mbox(PLAIN))
    tracemalloc.start()
    try:
        sizes = [(item.size_bytes, sum(map(len, item.open()))) for item in read(connect(tmp_path)) if isinstance(item, FileItem)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [size for size, _ in sizes] == [14 - 2 + 100 * (MIB // 100) * 100, len(PLAIN)]
    assert all(said == got for said, got in sizes)
    assert peak < 8 * MIB


def test_quoted_lines_are_unquoted_as_the_operator_says(tmp_path: Path) -> None:
    quoted = b"\n>From a\n>>From b\n> From c\n"
    write(tmp_path, {"ann": mbox(quoted)})
    found = {how: next(iter(files(read(connect(tmp_path, unquote=how))).values())) for how in ("none", "mboxo", "mboxrd")}
    assert found == {"none": quoted, "mboxo": b"\nFrom a\n>>From b\n> From c\n", "mboxrd": b"\nFrom a\n>From b\n> From c\n"}


# -- beside Python's own -------------------------------------------------------------------------------------------------
def test_pythons_mailbox_finds_the_same(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "ann")
    for text in (LETTER, PLAIN, STATUS):
        box.add(text)
    box.flush()
    theirs = [box.get_bytes(key) for key in box.iterkeys()]
    box.close()
    assert list(files(read(connect(tmp_path))).values()) == theirs
    home = mailbox.Maildir(tmp_path / "bob")
    key = home.add(LETTER)
    sent = home.add_folder("Sent")
    sent_key = sent.add(PLAIN)
    assert files(read(connect(tmp_path, "maildir"), folder="bob")) == {
        f"INBOX/{key}.eml": home.get_bytes(key),
        f"Sent/{sent_key}.eml": sent.get_bytes(sent_key),
    }


@pytest.mark.parametrize("most", [10, 2])
def test_trial_shows_the_index_and_the_messages(tmp_path: Path, most: int) -> None:
    (tmp_path / "ann").write_bytes(mbox(LETTER, PLAIN, STATUS))
    settings = MailboxSettings(url=f"file://{tmp_path}", path="{folder}", format="mbox")
    source = SourceConfig(name="mail", connector="mailbox", product="Mail", settings=settings)
    trial = try_out(source, connect(tmp_path), identified(folder=("ann",)), most=most, is_shown=True)
    counted = min(most, 3)
    assert (trial.rows, trial.files, trial.is_whole, len(trial.lines)) == (counted, counted, most > counted, 2 * counted)
    assert trial.columns[:2] == ("folder", "file")
    assert trial.identifiers == {"folder": 1}
