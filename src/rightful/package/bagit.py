"""The BagIt side of a package (RFC 8493): its declaration, its info, its manifests; writing and strict reading.

A manifest has one line for each entry, `digest, two spaces, path, LF`, in ascending order of paths. It is at once what RFC 8493
asks for and what `sha256sum -c` reads. The two differ on `%`, on backslashes and on line breaks in a path, so that no path in a
package holds one of these.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from rightful.errors import PackageError
from rightful.package.digest import is_sha256

BAGIT_PATH = "bagit.txt"
BAG_INFO_PATH = "bag-info.txt"
MANIFEST_PATH = "manifest-sha256.txt"
TAG_MANIFEST_PATH = "tagmanifest-sha256.txt"

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
"""All of bagit.txt (RFC 8493 2.1.1)."""

_CHUNK_BYTES = 64 * 1024
_LONGEST_PATH_BYTES = 1024
_LONGEST_SEGMENT_BYTES = 255
_LONGEST_LINE_BYTES = 64 + 2 + _LONGEST_PATH_BYTES + 1

_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\%]")
"""What readers of manifests take differently: controls and line separators, halves of surrogate pairs, backslash, percent."""

_PLAIN = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
"""Most paths, which have no problem: short, and no segment begins with a dot."""

_LABEL = re.compile(r"[A-Za-z][A-Za-z-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def path_problem(path: str) -> str:
    """Say why a path can't stand in a manifest; empty where it can."""
    if _PLAIN.fullmatch(path):
        return ""
    segments = path.split("/")
    problem = ""
    if any(segment in {"", ".", ".."} for segment in segments):
        problem = "has an empty segment, `.` or `..`"
    elif _AMBIGUOUS.search(path):
        problem = "holds a control character, a line separator, a lone surrogate, a backslash or a percent sign"
    elif path[-1].isspace():
        problem = "ends in a space"
    elif len(path) * 4 > _LONGEST_SEGMENT_BYTES and _is_long(path, segments):
        problem = f"is longer than {_LONGEST_PATH_BYTES} bytes, or {_LONGEST_SEGMENT_BYTES} a segment"
    return problem


def _is_long(path: str, segments: list[str]) -> bool:
    return len(path.encode()) > _LONGEST_PATH_BYTES or any(len(segment.encode()) > _LONGEST_SEGMENT_BYTES for segment in segments)


def format_manifest(entries: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """Write a manifest.

    Args:
        entries: (path, SHA-256), in strictly ascending order of paths.

    Yields:
        Chunks of about 64 KiB.

    Raises:
        PackageError: a path that can't stand in a manifest, twice the same, or out of order: a fault of whoever named the entries.
    """
    buffer = bytearray()
    before = ""
    for path, sha256 in entries:
        problem = path_problem(path) or ("" if path > before else "is out of order or listed twice")
        if problem or not is_sha256(sha256):
            raise PackageError(
                f"an entry's path {problem or 'has no SHA-256'}", hint="this is a fault in Rightful: keep the operation and report it"
            )
        before = path
        buffer += f"{sha256}  {path}\n".encode()
        if len(buffer) >= _CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def format_bag_info(
    *, organization: str, operation_id: str, bagged_at: datetime, software_agent: str, payload_bytes: int, payload_entries: int
) -> bytes:
    """Write bag-info.txt (RFC 8493 2.2.2); no value is folded."""
    lines = (
        ("Source-Organization", organization),
        ("External-Identifier", operation_id),
        ("External-Description", "Personal data held on one data subject"),
        ("Bagging-Date", bagged_at.strftime("%Y-%m-%d")),
        ("Bag-Software-Agent", software_agent),
        ("Payload-Oxum", f"{payload_bytes}.{payload_entries}"),
    )
    return "".join(f"{label}: {' '.join(value.split())}\n" for label, value in lines if value.split()).encode()


class Line(msgspec.Struct, frozen=True):
    """One line of a manifest."""

    path: str
    sha256: str


class BadLine(msgspec.Struct, frozen=True):
    """A line that is not as it must be."""

    number: int
    """1, 2, 3, …"""
    problem: str


def parse_manifest(chunks: Iterable[bytes]) -> Iterator[Line | BadLine]:
    """Read a manifest line by line, in memory that does not grow with it.

    Strict: exactly the form that `format_manifest` writes, in ascending order. Goes on after a bad line, except where a line has no end.
    """
    before = ""
    for number, line in enumerate(_lines(chunks), 1):
        parsed = _parse_line(line)
        if isinstance(parsed, str):
            yield BadLine(number, parsed)
            if len(line) > _LONGEST_LINE_BYTES:
                return
        elif parsed.path <= before:
            yield BadLine(number, "is out of order or listed twice")
        else:
            before = parsed.path
            yield parsed


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends; one that is too long comes cut, as the last."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if len(rest) > _LONGEST_LINE_BYTES:
            break
    if rest:
        yield rest


def _parse_line(line: bytes) -> Line | str:
    """Return the line, or what is wrong with it."""
    if not line.endswith(b"\n"):
        return "has no end" if len(line) <= _LONGEST_LINE_BYTES else "is too long"
    try:
        text = line[:-1].decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    sha256, separator, path = text[:64], text[64:66], text[66:]
    if not is_sha256(sha256) or separator != "  " or not path:
        return "is not a SHA-256 in lower case, two spaces and a path"
    problem = path_problem(path)
    return f"names a path that {problem}" if problem else Line(path, sha256)


def parse_bag_info(content: bytes) -> dict[str, str] | str:
    """Read bag-info.txt, strictly: `Label: value` lines, each label once, nothing folded. Returns what is wrong as a text."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n")[:-1], 1):
        label, separator, value = line.partition(": ")
        if not separator or not _LABEL.fullmatch(label) or label in values or _CONTROL.search(value):
            return f"line {number} is not `Label: value`, or its label came before"
        values[label] = value
    return values if text.endswith("\n") else "has no end"
