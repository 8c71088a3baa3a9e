"""Where mail is kept is recognised, and what is proposed for it is what its connector reads."""

import mailbox
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from rightful.connectors.interface import FileItem
from rightful.connectors.mailbox import MailboxConnector
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.errors import ConfigurationError
from rightful.sources import mailboxes, survey
from rightful.sources.proposing import Known, Proposal
from rightful.testing.connector_suite import identified

ANN, BEN, EVE = "ann@contoso.example", "ben@contoso.example", "eve@contoso.example"
KNOWN = Known.of({"upn": [ANN], "mail": [ANN, BEN, EVE], "folder": ["ann", "ben"]}, {})
Write = Callable[..., None]


def mbox(path: Path, letters: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with closing(mailbox.mbox(path)) as box:
        add(box, letters)


def maildir(path: Path, letters: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    add(mailbox.Maildir(path), letters)


def add(box: mailbox.Mailbox, letters: int) -> None:
    for number in range(letters):
        box.add(f"From: {ANN}\nSubject: {number}\n\nHello.\n")


def proposed(address: str, folder: Path) -> Proposal:
    assert survey.connector_of(address, folder) == "mailbox"
    common = {"connector": "mailbox", "url": address}
    return mailboxes.propose_mailboxes("post", address, folder, common, KNOWN, product="Post")


def letters_of(proposal: Proposal, base: Path, **identifiers: tuple[str, ...]) -> int:
    own = {key: value for key, value in proposal.settings.items() if key not in {"connector", "product", "label"}}
    connector = MailboxConnector("post", msgspec.convert(own, MailboxSettings), siblings={}, folder=base)
    connector.check()
    items = list(connector.read(connector.plan(())[1], [identified(**identifiers)]))[1:]
    assert all(isinstance(item, FileItem) for item in items)
    return len(items)


@pytest.mark.parametrize(
    ("write", "laid", "below", "path"),
    [
        (mbox, "{}", "", "{mail}"),
        (mbox, "{}.mbox", "", "{mail}.mbox"),
        (mbox, "{}/INBOX", "", "{mail}"),
        (mbox, "{}.mbox", f"/{BEN}.mbox", "{mail}.mbox"),
        (mbox, "{}/INBOX", f"/{BEN}/INBOX", "{mail}/INBOX"),
        (mbox, "{}/INBOX", f"/{BEN}", "{mail}"),
        (maildir, "{}", "", "{mail}"),
        (maildir, "{}", f"/{BEN}/", "{mail}"),
        (maildir, "{}/Maildir", "", "{mail}/Maildir"),
        (maildir, "{}/Maildir", f"/{BEN}/Maildir", "{mail}/Maildir"),
        (maildir, "{}/INBOX", "", "{mail}"),
    ],
)
def test_what_is_proposed_for_people_s_mailboxes_reads_each_one_s_own(
    tmp_path: Path, write: Write, laid: str, below: str, path: str
) -> None:
    for owner, letters in (ANN, 1), (BEN, 2), (EVE, 3):
        write(tmp_path / "my post" / laid.format(owner), letters)
    (tmp_path / "my post" / ".index").write_text("what a server puts beside them")
    for address in f"my post{below}", f"{tmp_path}/my post{below}", f"file://{tmp_path}/my%20post{below.replace('@', '%40')}":
        proposal = proposed(address, tmp_path)
        assert (proposal.settings["path"], proposal.settings["format"]) == (path, write.__name__)
        assert proposal.settings["url"] == address.removesuffix(below.replace("@", "%40")).removesuffix(below)
        assert BEN not in "".join(proposal.reasons)
        assert letters_of(proposal, tmp_path, mail=(BEN,)) == 2


def test_somebody_who_has_no_mail_counts_for_nothing(tmp_path: Path) -> None:
    mbox(tmp_path / "post" / "ann", 1)
    for name in "ben", "eve", "zoe":
        mbox(tmp_path / "post" / name, 0)
    proposal = proposed("post", tmp_path)
    assert (proposal.settings["path"], proposal.reasons) == ("{folder}", ("1 of 1 mailboxes are named after somebody's folder",))


def test_mailboxes_that_are_named_after_nobody_are_proposed_with_a_remark(tmp_path: Path) -> None:
    for name in "x.mbox", "y.mbox":
        mbox(tmp_path / "post" / name, 1)
    proposal = proposed("post", tmp_path)
    assert proposal.settings["path"] == "{upn}.mbox"
    assert "look whether `path` is right" in proposal.reasons[0]


def test_a_mailbox_whose_path_says_nobody_is_refused(tmp_path: Path) -> None:
    mbox(tmp_path / "all.mbox", 2)
    with pytest.raises(ConfigurationError, match="nothing in its path is an identifier"):
        proposed("all.mbox", tmp_path)


@pytest.mark.parametrize(("written", "url"), [("${BASE}/ann", "${BASE}"), ("post/${WHO}", "post"), ("${ALL}", "post")])
def test_a_variable_in_the_address_stays_where_it_covers_the_folder(tmp_path: Path, written: str, url: str) -> None:
    mbox(tmp_path / "post" / "ann", 1)
    common = {"connector": "mailbox", "url": written}
    assert mailboxes.propose_mailboxes("post", "post/ann", tmp_path, common, KNOWN, product="Post").settings["url"] == url


def test_a_mailbox_beside_the_configuration_is_read_from_its_folder(tmp_path: Path) -> None:
    mbox(tmp_path / "ann", 1)
    proposal = proposed("ann", tmp_path)
    assert proposal.settings["url"] == "."
    assert letters_of(proposal, tmp_path, folder=("ann",)) == 1


def documents(folder: Path) -> None:
    for name in "ann", "ben":
        (folder / name / "Documents").mkdir(parents=True)
        mbox(folder / name / "old.mbox", 1)


def texts(folder: Path) -> None:
    for name in "ann", "ben":
        (folder / name).write_text("Dear From\nFrom now on\n")


def links(folder: Path) -> None:
    mbox(folder.parent / "elsewhere", 1)
    for name in "ann", "ben":
        (folder / name).symlink_to(folder.parent / "elsewhere")


def pipes(folder: Path) -> None:
    for name in "ann", "ben":
        os.mkfifo(folder / name)


@pytest.mark.parametrize("lay", [documents, texts, links, pipes])
def test_what_is_no_mail_or_more_than_mail_stays_a_source_of_folders(tmp_path: Path, lay: Callable[[Path], None]) -> None:
    (tmp_path / "all").mkdir()
    lay(tmp_path / "all")
    assert survey.connector_of("all", tmp_path) == "files"
