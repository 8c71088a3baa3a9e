"""A mailbox of 100,000 messages, as mbox and as Maildir: read and written to a local folder, and exported whole."""

import atexit
import hashlib
import mailbox
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchmarks.cluster import CACHE, Cluster
from benchmarks.figures import Figure, spread
from benchmarks.service import Service
from rightful.connectors.interface import FileItem, Rows
from rightful.connectors.mailbox import MailboxConnector
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.ids import SubjectId, TenantId
from rightful.storage.local import LocalStorage
from rightful.subject.model import DataSubject, IdentifiedSubject

MESSAGES = 100_000
TARGET = 20_000
_BARE = bytes(5_400)
"""As large as the letters are on average."""
UPN = "ann@contoso.example"
_SUBJECT = IdentifiedSubject(
    subject=DataSubject(tenant_id=TenantId("33333333-3333-4333-8333-333333333333"), subject_id=SubjectId("1")), identifiers={"upn": (UPN,)}
)


def mailboxes(cluster: Cluster, runs: int) -> list[Figure]:
    """Read and write in turn with Python's `mailbox`, then export the same mailbox as mbox."""
    count = max(100, int(MESSAGES * cluster.scale))
    root = _made(count)
    figures = []
    for form, theirs in (("mbox", _python_mbox), ("maildir", _python_maildir)):
        own: list[float] = []
        others: list[float] = []
        bare: list[float] = []
        durable: list[float] = []
        cpu: list[float] = []
        for _ in range(runs):
            rate, cpu_s = _rate(count, lambda form=form: _ours(root, form))  # type: ignore[misc]
            own.append(rate)
            cpu.append(1e6 * cpu_s / count)
            others.append(_rate(count, lambda theirs=theirs: theirs(root))[0])  # type: ignore[misc]
            bare.append(_rate(count, lambda: ((f"{number}.eml", (_BARE,)) for number in range(count)))[0])
            durable.append(_durable(count))
        case = f"{form}, {count:,} messages"
        figures += [
            Figure(
                case=case,
                name="read and written, messages a second",
                value=statistics.median(own),
                unit="",
                target=TARGET,
                is_less_better=False,
                rival=f"Python's mailbox, without an index: {spread(others, '')}; writing alone, nothing read: {spread(bare, '')}; "
                f"the same into the service's storage, durable: {spread(durable, '')}",
                runs=tuple(own),
            ),
            Figure(case=case, name="CPU of a message", value=statistics.median(cpu), unit="µs", runs=tuple(cpu)),
        ]
    return [*figures, *_exported(root, count)]


def _exported(root: Path, count: int) -> list[Figure]:
    people = root / "people.db"
    if not people.exists():
        with sqlite3.connect(people) as database:
            database.execute("CREATE TABLE people (id TEXT, upn TEXT)")
            database.execute("INSERT INTO people VALUES ('11111111-0000-4000-8000-000000000001', ?)", (UPN,))
        database.close()
    config = {
        "directory": {"connector": "sql", "url": f"sqlite:///{people}", "table": "people", "id": "id", "upn": "upn"},
        "sources": {"mail": {"connector": "mailbox", "url": f"file://{root}/mbox", "path": "{upn}", "format": "mbox"}},
    }
    with Service(config) as service:
        connection = service.connect()
        before, began = service.cpu_s(), time.perf_counter()
        operation = connection.follow(connection.submit(UPN), pause_s=0.05)
        wall, cpu = time.perf_counter() - began, service.cpu_s() - before
        connection.close()
    found = sum(source["rows"] for source in operation["sources"])
    if found != count:
        raise RuntimeError(f"{found} messages were exported, not {count}")
    case = f"mbox, {count:,} messages, whole package"
    return [
        Figure(case=case, name="submit to complete, messages a second", value=count / wall, unit="", target=TARGET, is_less_better=False),
        Figure(case=case, name="CPU of the service, a message", value=1e6 * cpu / count, unit="µs"),
    ]


def _made(count: int) -> Path:
    """Make the same mailbox in both forms, once: letters of 1 to 8 KB, one in a hundred of 100 KB."""
    root = CACHE / f"mailbox-{count}"
    if root.exists():
        return root
    half = root.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    box, home = half / "mbox" / UPN, half / "maildir" / UPN
    box.parent.mkdir(parents=True)
    for name in ("cur", "new", "tmp"):
        (home / name).mkdir(parents=True)
    chance = random.Random(11)
    text = "".join(chance.choices("abcdefghij klmnop qrstu\n", k=200_000))
    with box.open("wb") as file:
        for number in range(count):
            start = chance.randrange(100_000)
            body = text[start : start + (100_000 if number % 100 == 0 else chance.randrange(1_000, 8_000))]
            letter = (
                f"Return-Path: <zoe@fabrikam.example>\nReceived: from a.example by b.example; Sat, 28 Nov 2026 19:06:37 +0000\n"
                f"Date: Sat, {number % 28 + 1} Nov 2026 19:06:37 +0100\nFrom: =?utf-8?q?Zo=C3=AB?= <zoe@fabrikam.example>\nTo: {UPN}\n"
                f"Subject: Letter {number}\nMessage-ID: <{number}@fabrikam.example>\nMIME-Version: 1.0\n"
                f"Content-Type: text/plain; charset=utf-8\n\n{body}\n"
            ).encode()
            file.write(b"From zoe@fabrikam.example Sat Nov 28 19:06:37 2026\n" + letter + b"\n")
            (home / "cur" / f"{1_700_000_000 + number}.M1P{number}.host:2,S").write_bytes(letter)
    half.rename(root)
    return root


def _rate(count: int, contents: Callable[[], Iterable[tuple[str, Iterable[bytes]]]]) -> tuple[float, float]:
    """Write everything with its SHA-256 into a new folder; return messages a second, and the seconds of CPU."""
    folder = _folder()
    before, began = time.process_time(), time.perf_counter()
    written = sum(_write(folder, name, chunks) for name, chunks in contents())
    wall, cpu = time.perf_counter() - began, time.process_time() - before
    if written != count:
        raise RuntimeError(f"{written} messages were written, not {count}")
    return count / wall, cpu


def _durable(count: int) -> float:
    """Put as much into the service's own storage, nothing read; return entries a second."""
    storage = LocalStorage(_folder())
    began = time.perf_counter()
    for number in range(count):
        storage.put(f"{number}.eml", (_BARE,), size_bytes=len(_BARE))
    storage.sync()
    wall = time.perf_counter() - began
    storage.close()
    return count / wall


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="written-", dir=CACHE))
    # Not before the end: for minutes after thousands of files were deleted, ext4 makes new ones several times slower.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _write(folder: Path, name: str, chunks: Iterable[bytes]) -> bool:
    digest = hashlib.sha256()
    fd = os.open(f"{folder}/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    for chunk in chunks:
        digest.update(chunk)
        os.write(fd, chunk)
    os.close(fd)
    return name.endswith(".eml")


def _ours(root: Path, form: str) -> Iterator[tuple[str, Iterable[bytes]]]:
    settings = MailboxSettings(url=f"file://{root}/{form}", path="{upn}", format=form)  # type: ignore[arg-type]
    connector = MailboxConnector("mail", settings, siblings={}, folder=root)
    for partition in connector.plan(()):
        for number, item in enumerate(connector.read(partition, [_SUBJECT])):
            if isinstance(item, FileItem):
                yield item.path.rpartition("/")[2], item.open()
            elif isinstance(item, Rows):
                yield f"index-{number}.arrow", (item.batch.serialize().to_pybytes(),)


def _python_mbox(root: Path) -> Iterator[tuple[str, Iterable[bytes]]]:
    box = mailbox.mbox(root / "mbox" / UPN, create=False)
    yield from ((f"{key}.eml", (box.get_bytes(key),)) for key in box.iterkeys())
    box.close()


def _python_maildir(root: Path) -> Iterator[tuple[str, Iterable[bytes]]]:
    box = mailbox.Maildir(root / "maildir" / UPN, create=False)
    yield from ((f"{key}.eml", (box.get_bytes(key),)) for key in box.iterkeys())
