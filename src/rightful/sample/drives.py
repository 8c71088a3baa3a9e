"""The sample company's OneDrive: a tree for each person, with the names that people really give to files.

Every file begins with its owner's canary, so that a foreign file shows. Trees need a file system that tells letter case apart.
"""

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rightful.errors import ConfigurationError
from rightful.sample.chance import choice, content, number, words
from rightful.sample.people import Person

_MODIFIED_S = 1_735_689_600  # 2025-01-01T00:00:00Z
_MIB = 1 << 20
_FOLDERS = ("Documents", "Documents/Projects/2025", "Pictures", "Recordings", "Notebooks", "Desktop")
_KINDS = ("docx", "xlsx", "txt", "md", "png", "json")


@dataclass(frozen=True, slots=True)
class File:
    """One file: path below the owner's folder, and how large it is."""

    path: str
    size_bytes: int


_E_ACUTE = "é"
_AWKWARD = (
    "Documents/plain.txt",
    "Documents/with some  spaces .txt",
    " leading space",
    "trailing space ",
    "trailing dot.",
    "...",
    "-rf",
    "--help",
    ".hidden/.secret",
    "CON",
    "Documents/con.txt",
    "aux.tar.gz",
    "LPT1",
    "Report.txt",
    "report.txt",
    "REPORT.TXT",
    f"caf{_E_ACUTE}.txt",
    unicodedata.normalize("NFD", f"caf{_E_ACUTE}.txt"),
    "🎉 party 🎂/👩‍👩‍👧 family.jpg",
    "資料/見積書「最終」.txt",
    "عربي.txt",
    "zero\u200bwidth.txt",
    "\u202etxt.exe",
    "two\nlines.txt",
    "tab\there.txt",
    "bell\x07.txt",
    "back\\slash.txt",
    'what? <this> | "that": *.txt',
    "100%.txt",
    "%2e%2e%2fescape.txt",
    "~$locked.docx",
    "a+b=c&d;e'f`g$h!.txt",
    "part-00000-00000.jsonl",
    "RequestInfo.json",
    "manifest-sha256.txt",
    "x" * 251 + ".txt",
    "漢" * 83 + ".txt",
    "/".join(f"level-{depth:02d}-{'d' * 30}" for depth in range(30)) + "/deep.txt",
    # Not UTF-8: one byte of Latin-1.
    "caf\udce9.txt",
)
_EMPTY = "Documents/empty.txt"
_LINKS = {"link to somebody else.txt": "../ANN/Documents/plain.txt", "link to all": "..", "broken link": "nowhere"}
"""Symbolic links, in ann's tree: never followed, named in the ledger."""


def files(person: Person) -> Iterator[File]:
    """Yield the files of one person's folder."""
    if person.key in {"ann", "ANN", "ann2"}:
        yield from (File(path, 200 + number("size", person.key, path, below=3000)) for path in _AWKWARD)
        yield File(_EMPTY, 0)
    if person.key == "ann":
        yield File("Recordings/all hands.mp4", 5 * _MIB + 12_345)
    if person.key == "busy":
        yield from (File(f"Archive/{place:04d}.eml", 300) for place in range(400))
    for place in range(4 + number("files", person.key, below=9)):
        name = f"{words(2, 'file', person.key, place)} {place}.{choice(_KINDS, person.key, place)}"
        yield File(f"{choice(_FOLDERS, 'folder', person.key, place)}/{name}", 100 + number("size", person.key, place, below=6000))


def write(root: Path, people: Sequence[Person], *, on_person: Callable[[], None] = lambda: None) -> None:
    """Write everybody's tree below a folder; raises `ConfigurationError` where letter case or a name is lost there."""
    root.mkdir(parents=True)
    _check_case(root)
    for person in people:
        if person.has_data and person.folder:
            _write_tree(root / person.folder, person)
        on_person()


def _check_case(root: Path) -> None:
    probe = root / "case"
    probe.mkdir()
    if (root / "CASE").exists():
        raise ConfigurationError(
            f"the folder {root} does not tell letter case apart, and two people of the sample company differ by it alone",
            hint="choose a folder on a case-sensitive file system",
        )
    probe.rmdir()


def _write_tree(folder: Path, person: Person) -> None:
    folder.mkdir()
    for file in files(person):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body(person, file))
        os.utime(path, (_MODIFIED_S, _MODIFIED_S))
    if person.key == "ann":
        for name, target in _LINKS.items():
            (folder / name).symlink_to(target)


def body(person: Person, file: File) -> bytes:
    """Return what a file holds: its owner's canary, then bytes of its own."""
    if not file.size_bytes:
        return b""
    head = f"{person.canary}\n".encode()
    return head + content(max(0, file.size_bytes - len(head)), person.tenant_id, person.key, file.path)
