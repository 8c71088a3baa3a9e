"""A sealed package: what lies beside sealed entries so that whoever has the key can open them, and whoever has not can count them. Pure.

Each entry lies under a name that says nothing, as a file of age; `sealed/index.age`, sealed too, says which entry each name has. In the
open lie RequestInfo.json, HOW-TO-OPEN.txt, for a passphrase key.age, and last of all sealed.json: a package that has it is finished.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, assert_never

import msgspec

from rightful.age.header import HEADER_BYTES, read_header
from rightful.age.intake import Intake
from rightful.age.payload import content_bytes, payload_bytes
from rightful.age.ssh import is_by_ssh
from rightful.language import ENGLISH
from rightful.package import request_info
from rightful.package.finding import Finding, FindingKind, shown
from rightful.package.texts import Texts, texts

DOMAIN = "sealed"
FOLDER = "sealed/"
INDEX_PATH = "sealed/index.age"
LIST_PATH = "sealed.json"
HOW_TO_OPEN_PATH = "HOW-TO-OPEN.txt"
KEY_PATH = "key.age"
IN_THE_OPEN = frozenset({request_info.PATH, HOW_TO_OPEN_PATH, KEY_PATH, LIST_PATH})
"""What is not sealed."""

_FORMAT = "rightful-sealed/1"
_NAME = re.compile(r"sealed/[0-9a-f]{32}\.age")
_LARGEST_PATH_BYTES = 4096
_SEGMENTS_THAT_LEAD_OUT = frozenset({"", ".", ".."})
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")


class SealedEntry(msgspec.Struct, frozen=True, order=True):
    """An entry as it lies in the storage location."""

    name: str
    size_bytes: int = msgspec.field(name="bytes")


class _List(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    entries: tuple[SealedEntry, ...]


def sealed_bytes(size_bytes: int) -> int:
    """Return how long an entry of so many bytes is when it is sealed."""
    return HEADER_BYTES + payload_bytes(size_bytes)


def opened_bytes(sealed: int) -> int:
    """Return how long a sealed entry is when it is opened; raises `ValueError` where none is so long."""
    return content_bytes(sealed - HEADER_BYTES)


def format_index(names: Iterable[tuple[str, str]]) -> bytes:
    """Write which (name, path) belong together, one pair a line, sorted."""
    return "".join(f"{name}  {path}\n" for name, path in sorted(names)).encode()


def parse_index(chunks: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield each (name, path); raises `ValueError` where a line is none, leads out of the package, or comes twice.

    Whoever can write to the storage location can make an index: nothing in it is believed.
    """
    names, paths = set[str](), set[str]()
    for line in _lines(chunks):
        name, gap, path = line.partition("  ")
        is_safe = not _UNSAFE.search(path) and _SEGMENTS_THAT_LEAD_OUT.isdisjoint(path.split("/")) and len(line) <= _LARGEST_PATH_BYTES
        if not gap or not _NAME.fullmatch(name) or not is_safe:
            raise ValueError("its index names something that cannot be an entry")
        if name in names or path in paths or path in IN_THE_OPEN:
            raise ValueError("its index names an entry twice")
        names.add(name)
        paths.add(path)
        yield name, path


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LARGEST_PATH_BYTES:
            break
        for line in lines:
            try:
                yield line.decode()
            except UnicodeDecodeError:
                raise ValueError("its index is no text") from None
    if rest:
        raise ValueError("its index ends within a line, or has one that is too long")


def format_list(entries: Iterable[SealedEntry]) -> bytes:
    """Write sealed.json: the names and sizes that anybody sees who can list the storage location."""
    return msgspec.json.format(msgspec.json.encode(_List(format=_FORMAT, entries=tuple(sorted(entries)))), indent=1) + b"\n"


def parse_list(content: bytes) -> tuple[SealedEntry, ...]:
    """Read sealed.json; raises `ValueError` where it is none."""
    try:
        found = msgspec.json.decode(content, type=_List)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError(f"is not the list of a sealed package ({_FORMAT})") from None
    if found.format != _FORMAT:
        raise ValueError(f"is of a format other than {_FORMAT}: a newer version of Rightful may know it")
    return found.entries


def is_sealed(paths: Iterable[str]) -> bool:
    """Say whether a package with these entries is a sealed one, finished or not."""
    return any(path == LIST_PATH or path.startswith(FOLDER) for path in paths)


def check_list(there: dict[str, int], listed: Iterable[SealedEntry]) -> Iterator[Finding]:
    """Compare what lies there with the list: all that can be checked without the key.

    Nobody has signed the list: it makes no sealed package of one with entries that anybody can read.
    """
    expected = {entry.name: entry.size_bytes for entry in listed}
    if INDEX_PATH not in expected:
        yield Finding(FindingKind.MISSING, INDEX_PATH, "every finished sealed package has it")
    for name, size_bytes in expected.items():
        if name not in there:
            yield Finding(FindingKind.MISSING, shown(name), f"{LIST_PATH} lists it")
        elif there[name] != size_bytes:
            yield Finding(FindingKind.CHANGED, shown(name), f"has {there[name]} bytes, {LIST_PATH} says {size_bytes}")
    for path in there.keys() - {LIST_PATH}:
        if not (_NAME.fullmatch(path) or path == INDEX_PATH or path in IN_THE_OPEN):
            yield Finding(FindingKind.EXTRA, shown(path), "no sealed package has it")
        elif path not in expected:
            yield Finding(FindingKind.EXTRA, shown(path), f"{LIST_PATH} does not list it")


Opener = Literal["key", "passphrase", "ssh"]
"""What a package is opened with."""


def opener(key_file: bytes | None) -> Opener:
    """Say what opens a package with this key file, or with none."""
    if key_file is None:
        return "key"
    try:
        return "ssh" if is_by_ssh(read_header(Intake((key_file,)))) else "passphrase"
    except ValueError:
        return "passphrase"


def format_how_to_open(*, language: str, organization: str, by: Opener) -> bytes:
    """Write HOW-TO-OPEN.txt in a language, and below in English, for a person who knows neither us nor age."""
    said = [texts(DOMAIN, language)]
    if said[0].language != ENGLISH:
        said.append(texts(DOMAIN, ENGLISH))
    return "\n\n".join(_how_to_open(each, organization, by) for each in said).encode()


def _how_to_open(said: Texts, organization: str, by: Opener) -> str:
    first: tuple[str, ...] = ()
    match by:
        case "passphrase":
            key = said.say("The key is your passphrase: the one that was agreed with you when this was asked for.")
            option, first = "", (f"    age -d {KEY_PATH} > key.txt",)
        case "ssh":
            key = said.say("The key is your secret key of SSH, the other half of the public key that was given when this was asked for.")
            option, first = " --identity ~/.ssh/id_ed25519", (f"    age -d -i ~/.ssh/id_ed25519 {KEY_PATH} > key.txt",)
        case "key":
            key = said.say(
                "The key is the file with your secret key, the other half of the public key that was given when this was asked for."
            )
            option = " --identity key.txt"
        case never:
            assert_never(never)
    lines = [
        said.say("YOUR PERSONAL DATA, SEALED"),
        "",
        said.say("{organization} was asked for the personal data that it holds on you.", organization=organization),
        said.say("This folder has the answer, sealed: only who has the key can read it, or see the names of its files."),
        "",
        key,
        "",
        said.say("Open it with Rightful, in this folder. It checks what it has opened."),
        f"    rightful unseal . --to opened{option}",
        "",
        said.say("Or open one file after the other with age (https://age-encryption.org); the index says what each of them is."),
        *first,
        f"    age -d -i key.txt {INDEX_PATH}",
        f"    age -d -i key.txt -o opened-file {FOLDER}…",
        "",
    ]
    return "\n".join(lines)
