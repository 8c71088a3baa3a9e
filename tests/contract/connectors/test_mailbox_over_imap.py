"""`mailbox` passes the suite over a real Dovecot, and changes nothing there."""

import random
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.contract.connectors.test_mailbox_connector import LETTER, LETTER_SAYS, PLAIN, files, row, skips
from tests.servers.dovecot import MASTER, MASTER_PASSWORD, OWN_PASSWORD, DovecotServer
from tests.servers.port import free_port
from tests.unit.export.world import World

from rightful.connectors.interface import Cursor, Item, ReadHeader
from rightful.connectors.mailbox import MailboxConnector
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, identified

LARGE = b"Subject: large\r\n\r\n" + random.Random(7).randbytes(900_000).hex().encode() + b"\r\n"


def crlf(message: bytes) -> bytes:
    """As IMAP gives a message that lies there with the system's ends of lines."""
    return message.replace(b"\n", b"\r\n")


def settings(dovecot: DovecotServer, **changed: Any) -> MailboxSettings:
    said = {
        "url": f"imaps://localhost:{dovecot.tls_port}",
        "ca": dovecot.ca,
        "user": "{folder}",
        "login": MASTER,
        "password": MASTER_PASSWORD,
        "absent": "empty",
        **changed,
    }
    return MailboxSettings(**said)


def connect(dovecot: DovecotServer, **changed: Any) -> MailboxConnector:
    return MailboxConnector("mail", settings(dovecot, **changed), siblings={}, folder=Path("/"))


def read(connector: MailboxConnector, number: int = 1, folder: str = "ann", cursor: Cursor | None = None) -> list[Item]:
    items = list(connector.read(connector.plan(())[number], [identified(folder=(folder,))], cursor))
    return [item for item in items if not isinstance(item, ReadHeader)]


@dataclass(frozen=True, slots=True)
class Box:
    """A folder of a Maildir, with UIDs of our choice as Dovecot keeps them there."""

    validity: int
    files: Mapping[str, bytes]
    """By the file's name, in the order of their UIDs."""

    def lines(self, below: str = "") -> dict[str, bytes]:
        listed = "".join(f"{number} :{name.split('/')[1].partition(':')[0]}\n" for number, name in enumerate(self.files, 1))
        head = f"3 V{self.validity} N{len(self.files) + 1} G{self.validity:032x}\n"
        return {f"{below}{name}": content for name, content in {**self.files, "dovecot-uidlist": (head + listed).encode()}.items()}


def fill(dovecot: DovecotServer) -> None:
    inbox = Box(11, {"cur/2.host:2,RS": LETTER, "cur/3.host:2,": LARGE})
    dovecot.fill(
        {
            "ann": {
                **inbox.lines(),
                **Box(12, {"cur/1.host:2,": PLAIN}).lines(".Entw&APw-rfe/"),
                **Box(13, {"cur/1.host:2,F": b"\n"}).lines(".Archive.2024/"),
            },
            "ANN": Box(14, {"cur/2.host:2,": PLAIN}).lines(),
            "ann2": {},
            "anna": {"new/1.host": PLAIN},
        }
    )
    dovecot.publish({".News/new/1.host": PLAIN})


class TestImap(ConnectorSuite):
    """A service account that logs in for each person."""

    @pytest.fixture
    def connector(self, dovecot: DovecotServer) -> Iterator[MailboxConnector]:
        fill(dovecot)
        with closing(connect(dovecot)) as connector:
            yield connector

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        letter, plain = crlf(LETTER), crlf(PLAIN)
        return {
            ANN.name: Found(
                rows=(
                    row("Archive/2024", "13-1.eml", b"\r\n", flags="flagged"),
                    row("Entwürfe", "12-1.eml", plain, subject="plain"),
                    row("INBOX", "11-1.eml", letter, flags="answered seen", **LETTER_SAYS),
                    row("INBOX", "11-2.eml", LARGE, subject="large"),
                ),
                files={"Archive/2024/13-1.eml": b"\r\n", "Entwürfe/12-1.eml": plain, "INBOX/11-1.eml": letter, "INBOX/11-2.eml": LARGE},
                skipped=("Public",),
            ),
            ANN2.name: Found(skipped=("Public",)),
            UPPER.name: Found(
                rows=(row("INBOX", "14-1.eml", plain, subject="plain"),), files={"INBOX/14-1.eml": plain}, skipped=("Public",)
            ),
        }

    @pytest.fixture
    def broken(self, dovecot: DovecotServer) -> MailboxConnector:
        return connect(dovecot, url=f"imaps://localhost:{free_port()}")


@pytest.mark.parametrize("user", ["{folder}*" + MASTER, "{folder}"])
def test_a_master_user_reads_over_a_connection_that_begins_without_tls(dovecot: DovecotServer, user: str) -> None:
    fill(dovecot)
    said = {"url": f"imap://localhost:{dovecot.port}", "user": user, "login": "" if "*" in user else MASTER}
    with closing(connect(dovecot, **said)) as connector:
        assert list(files(read(connector, folder="ANN"))) == ["INBOX/14-1.eml"]
        assert read(connector, folder="nobody") == []


# -- what is left alone ---------------------------------------------------------------------------------------------------
def test_nothing_is_changed_and_nothing_becomes_seen(dovecot: DovecotServer) -> None:
    fill(dovecot)
    with closing(connect(dovecot)) as connector:
        before = sorted(path.name for path in (dovecot.home("ann") / "Maildir").rglob("*host*"))
        assert len(files(read(connector))) == 4
        assert len(read(connector, 0)) == 1
    assert sorted(path.name for path in (dovecot.home("ann") / "Maildir").rglob("*host*")) == before


# -- who is let in --------------------------------------------------------------------------------------------------------
def test_a_wrong_password_is_told_and_not_taken_for_an_absent_person(dovecot: DovecotServer) -> None:
    fill(dovecot)
    with closing(connect(dovecot, password="wrong")) as connector, pytest.raises(SourceRefused, match="AUTHENTICATIONFAILED") as caught:
        read(connector)
    assert "wrong" not in str(caught.value)
    assert "ann" not in str(caught.value)


def test_who_has_no_mailbox_stands_in_the_ledger_unless_the_operator_knows_better(dovecot: DovecotServer) -> None:
    fill(dovecot)
    with closing(connect(dovecot, absent="record")) as connector:
        assert list(skips(read(connector, folder="nobody")).values()) == [
            "the server lets nobody in for them: no mailbox, or no right to read it"
        ]
        assert skips(read(connector, 0, folder="nobody")) == {}
    with closing(connect(dovecot, absent="empty")) as connector:
        assert read(connector, folder="nobody") == []


def test_a_server_that_tells_no_reason_is_asked_for_the_probe(dovecot: DovecotServer) -> None:
    fill(dovecot)
    said: dict[str, Any] = {"login": "", "password": OWN_PASSWORD}  # everybody has it: a person's own refusal has no reason
    with closing(connect(dovecot, **said)) as connector, pytest.raises(SourceRefused, match="for nobody"):
        read(connector, folder="nobody")
    with closing(connect(dovecot, **said, probe="ann")) as connector:
        connector.check()
        assert read(connector, folder="nobody") == []
    with closing(connect(dovecot, probe="nobody")) as connector, pytest.raises(SourceRefused, match="probe"):
        connector.check()


@pytest.mark.parametrize("name", ["ann*rightful", "*ann", "ann\x00", "ann\r\n", "\uff41nn", "a nn", "ann\u200b", 'ann"', "ann\u00a0"])
def test_a_name_that_may_mean_somebody_else_is_never_sent(dovecot: DovecotServer, name: str) -> None:
    fill(dovecot)
    with closing(connect(dovecot)) as connector:
        found = read(connector, folder=name)
        assert list(skips(found)) == ["."] or found == []
        assert files(found) == {}


def test_a_server_is_believed_only_with_its_certificate(dovecot: DovecotServer) -> None:
    for changed in ({"ca": ""}, {"url": f"imaps://127.0.0.2:{dovecot.tls_port}"}, {"url": f"imap://localhost:{dovecot.port}", "ca": ""}):
        with closing(connect(dovecot, **changed)) as connector, pytest.raises((SourceRefused, SourceUnavailable)):
            connector.check()


# -- while mail comes and goes --------------------------------------------------------------------------------------------
def boxes(count: int, validity: int = 11) -> dict[str, bytes]:
    return Box(validity, {f"cur/{number}.host:2,": b"Subject: %d\n\n" % number for number in range(1, count + 1)}).lines()


def test_a_read_that_was_interrupted_goes_on_though_earlier_messages_were_deleted(dovecot: DovecotServer) -> None:
    dovecot.fill({"ann": boxes(9)})
    with closing(connect(dovecot)) as connector:
        paths = list(files(read(connector)))
        assert paths == [f"INBOX/11-{number}.eml" for number in range(1, 10)]
        for number in (1, 5, 7):
            (dovecot.home("ann") / f"Maildir/cur/{number}.host:2,").unlink()
        assert list(files(read(connector, cursor=Cursor(paths[4])))) == [paths[5], paths[7], paths[8]]


def test_a_folder_that_was_rebuilt_is_read_again_and_never_mixed(dovecot: DovecotServer) -> None:
    dovecot.fill({"ann": boxes(3)})
    with closing(connect(dovecot)) as connector:
        cursor = Cursor(list(files(read(connector)))[1])
    dovecot.fill({"ann": boxes(3, validity=12)})
    with closing(connect(dovecot)) as connector:
        header = next(iter(connector.read(connector.plan(())[1], [identified(folder=("ann",))], cursor)))
        assert isinstance(header, ReadHeader)
        assert header.is_cursor_lost


def test_a_message_that_is_deleted_before_its_turn_stands_in_the_ledger(dovecot: DovecotServer) -> None:
    dovecot.fill({"ann": boxes(600)})
    with closing(connect(dovecot)) as connector:
        found: list[Item] = []
        for item in connector.read(connector.plan(())[1], [identified(folder=("ann",))]):
            found += [] if isinstance(item, ReadHeader) else [item]
            if len(found) == 1:
                (dovecot.home("ann") / "Maildir/cur/550.host:2,").unlink(missing_ok=True)
    assert skips(found) | {"Public": ""} == {"INBOX/11-550.eml": "deleted while the mailbox was read", "Public": ""}
    assert len(files(found)) == 599


def test_a_whole_export_has_messages_of_any_size_and_their_index(dovecot: DovecotServer, tmp_path: Path) -> None:
    big = {f"cur/{number}.host:2,": b"Subject: %d\n\n" % number + b"x" * 3_000_000 for number in range(1, 5)}
    dovecot.fill({"ann": Box(11, big).lines()})
    with closing(connect(dovecot)) as connector:
        world = World(tmp_path, {"1": {"folder": ("ann",)}}, {"mail": connector})
        operation = world.submit("1")
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        assert (world.get(operation).sources[0].files, world.get(operation).sources[0].rows) == (4, 4)
        assert world.verify(operation).state is PackageState.WHOLE
        delivered = world.package(operation) / "data/Product/mail"
        assert (delivered / "INBOX/11-2.eml").read_bytes() == crlf(big["cur/2.host:2,"])
        world.stop()


def test_an_export_that_was_interrupted_is_byte_identical(dovecot: DovecotServer, tmp_path: Path) -> None:
    letters = {f"cur/{number}.host:2,": b"Subject: %d\n\n" % number + b"x" * 1_500_000 for number in range(1, 5)}
    dovecot.fill({"ann": Box(11, letters).lines()})

    class Breaking(MailboxConnector):
        breaks_after = 0

        def read(self, *arguments: Any) -> Iterator[ReadHeader | Item]:
            for number, item in enumerate(super().read(*arguments)):
                if 0 < self.breaks_after < number:
                    raise SourceUnavailable("down", source_name="mail")
                yield item

    digests = []
    for breaks_after in (0, 2):
        with closing(Breaking("mail", settings(dovecot), siblings={}, folder=Path("/"))) as connector:
            connector.breaks_after = breaks_after
            folder = tmp_path / str(breaks_after)
            folder.mkdir()
            world = World(folder, {"1": {"folder": ("ann",)}}, {"mail": connector})
            operation = world.submit("1")
            while world.step():
                pass
            assert (world.get(operation).status is OperationStatus.RUNNING) == bool(breaks_after)
            connector.breaks_after = 0
            world.run()
            assert world.verify(operation).state is PackageState.WHOLE
            manifest = (world.package(operation) / "manifest-sha256.txt").read_text()
            digests.append([line for line in manifest.splitlines() if "  data/" in line])
            world.stop()
    assert digests[0] == digests[1]
    assert len(digests[0]) >= 5
