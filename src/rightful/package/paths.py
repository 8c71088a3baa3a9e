"""Entry paths: where each thing lies in a package, under names that are safe on every system.

An entry path is `data/<product>/<source>/…`. A file keeps its own path below that, except for what some system cannot hold:

* `=XX` stands for one byte of UTF-8 (a byte of a name that is no UTF-8 stands for itself), `=uXXXX` for any other lone surrogate,
  `=_` for an empty segment. Escaped are: `=` and `%`, control characters, line separators, bidirectional controls, noncharacters,
  `<>:"|?*` and backslash, white space and a dot at a segment's end, the first letter of a Windows device name or of something that
  looks like a part of ours.
* Of two names that differ only in letter case or normal form, the later one has more characters escaped than it must.
* A name that is too long is cut, and carries `==` and 32 hex digits of the SHA-256 of its original path. What is escaped can be turned
  back by anyone; the original of a cut name stands in the ledger alone.
"""

import enum
import hashlib
import re
import unicodedata
from functools import lru_cache

from rightful.errors import PackageError
from rightful.package.digest_table import DigestTable

MAX_SEGMENT_BYTES = 255
MAX_PATH_BYTES = 1024 - 37 - 17
"""Azure takes blob names of 1,024 characters; the operation id and a slash stand before ours, and a revision's mark may come in."""
MAX_SEGMENTS = 250
"""Azure takes 254."""
_MAX_FOLDER_BYTES = 96

DATA = "data/"
"""Where entries lie that sources brought."""
_VIEW = "view/"
"""Where shards lie: what START-HERE.html loads."""

_PLAIN = re.compile(r"[A-Za-z0-9_(),@+-](?:[A-Za-z0-9_(),@+. -]*[A-Za-z0-9_(),@+-])?")
_UNSAFE = re.compile(
    r'[=%<>:"|?*\\/\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufdd0-\ufdef\ud800-\udfff'
    + "".join(f"{chr((plane << 16) + 0xFFFE)}-{chr((plane << 16) + 0xFFFF)}" for plane in range(17))
    + "]"
)
_DEVICE = re.compile(r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE | re.DOTALL)
_PART = re.compile(r"part-[0-9]", re.IGNORECASE)
_PLAIN_SEGMENT = rf"(?!(?i:con|prn|aux|nul|com|lpt)){_PLAIN.pattern}"
_PLAIN_PATH = re.compile(rf"(?!(?i:part-)){_PLAIN_SEGMENT}(?:/{_PLAIN_SEGMENT})*")
"""Most paths: nothing in them needs to be escaped, for certain."""
_ESCAPE = re.compile(r"(?:=[0-9A-Fa-f]{2})+|=u[0-9A-Fa-f]{4}|=")
_CUT = re.compile(r"==[0-9a-f]{32}")
_REVISED = re.compile(r"==r[0-9]+")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,15}$")


class _Level(enum.IntEnum):
    """Ways to write a name, tried in this order until one is free."""

    NEEDED = 0
    """Escape what must be."""
    FIRST = 1
    """The first character of the name too."""
    FOLDING = 2
    """Everything that case folding or NFC may change."""
    ALL = 3
    CUT = 4
    """No folders, and a digest: cannot be turned back."""


def part_path(product: str, source_name: str, partition: int, number: int, revision: int = 0, *, extension: str = "jsonl") -> str:
    """Return the path of a part of a dataset: `data/Shop/orders/part-00000-00007.r1.jsonl` (no `.r0`)."""
    revised = f".r{revision}" if revision else ""
    return f"{_folder(product, source_name)}/part-{partition:05}-{number:05}{revised}.{extension}"


def shard_path(part: str, number: int = 0) -> str:
    """Return the path of a shard of a part, whatever its form: `view/Shop/orders/part-00000-00007.js`, the next one `…-00007-1.js`."""
    further = f"-{number}" if number else ""
    return f"{_VIEW}{part.removeprefix(DATA).rpartition('.')[0]}{further}.js"


def is_shard(path: str) -> bool:
    """Say whether an entry is a shard."""
    return path.startswith(_VIEW)


def revised_path(entry_path: str, revision: int) -> str:
    """Return the path of a later revision of a file's entry: `…/a==r1.docx`. The file changed after an earlier one was put."""
    head, _, last = entry_path.rpartition("/")
    mark = f"==r{revision}"
    if len(last.encode()) + len(mark) > MAX_SEGMENT_BYTES:
        last = _cut(last, entry_path, MAX_SEGMENT_BYTES - len(mark))
    extension = _extension(last)
    return f"{head}/{last.removesuffix(extension)}{mark}{extension}"


def is_cut(entry_path: str) -> bool:
    """Say whether an entry's original path cannot be told from its name (`original_of` raises)."""
    return any(_CUT.search(segment) for segment in entry_path.split("/")[3:])


def original_of(entry_path: str) -> str:
    """Return the path that a file had in its source, from its entry path.

    Raises `PackageError` for a name that was cut (the ledger has its original), and for what is no file's entry path.
    """
    segments = _REVISED.sub("", entry_path).split("/")[3:]
    if not segments or is_cut(entry_path):
        raise PackageError("this entry's name does not tell its original path", hint="the ledger has it, under names")
    return "/".join(_unescape(segment) for segment in segments)


class EntryNamer:
    """Gives the files of one source their entry paths, unique after case folding and NFC; no name is a folder of another.

    The same originals in the same order get the same names, and an original that comes again its own. It keeps 16 bytes for
    each name and 16 for each folder (at a load of one to three quarters), no text.
    """

    def __init__(self, product: str, source_name: str) -> None:
        self._base = _folder(product, source_name)
        self._names = DigestTable()
        self._folders = DigestTable()
        self._last_folder = ""

    def name(self, original_path: str) -> str:
        """Return the entry path of a file, from its path below the subject's root."""
        path, folded, exact = self._find(original_path)
        if self._names.get(folded) is None:
            self._add(path, folded, exact)
        return path

    def find(self, original_path: str) -> str:
        """Return what `name` would; nothing is given yet."""
        return self._find(original_path)[0]

    def _find(self, original_path: str) -> tuple[str, int, int]:
        for level in _Level:
            path = f"{self._base}/{_encode(original_path, level, len(self._base.encode()) + 1)}"
            exact, folded = _digest(path), _digest(_fold(path))
            known = self._names.get(folded)
            if known == exact or (known is None and not self._is_blocked(path, folded)):
                return path, folded, exact
        raise PackageError("two files of a source have one path")  # two SHA-256 alike, in their first 128 bits

    def remember(self, entry_path: str) -> None:
        """Take note of a name that was given before an interruption."""
        self._add(entry_path, _digest(_fold(entry_path)), _digest(entry_path))

    def _is_blocked(self, path: str, folded: int) -> bool:
        """Say whether a folder lies where this file would, or a file where one of its folders would."""
        if self._folders.get(folded) is not None:
            return True
        return path.rpartition("/")[0] != self._last_folder and any(self._names.get(f) is not None for f in self._parents(path))

    def _add(self, path: str, folded: int, exact: int) -> None:
        self._names.put(folded, exact)
        folder = path.rpartition("/")[0]
        if folder != self._last_folder:
            for digest in self._parents(path):
                self._folders.put(digest, digest)
            self._last_folder = folder

    def _parents(self, path: str) -> list[int]:
        """Digests of the folders between the source's own and the file."""
        segments = _fold(path).split("/")
        return [_digest("/".join(segments[:count])) for count in range(4, len(segments))]


@lru_cache(1024)
def _folder(product: str, source_name: str) -> str:
    # Letters that fold are escaped in a source's name, so that two sources never share a folder on a system that ignores case.
    return "/".join(
        (
            "data",
            _short_segment(_escape(product, _Level.NEEDED), product),
            _short_segment(_escape(source_name, _Level.FOLDING), source_name),
        )
    )


def _short_segment(segment: str, original: str) -> str:
    return segment if len(segment.encode()) <= _MAX_FOLDER_BYTES else _cut(segment, original, _MAX_FOLDER_BYTES)


def _encode(path: str, level: _Level, base_bytes: int) -> str:
    """Write a path below a source's folder."""
    if level is _Level.NEEDED and len(path) <= MAX_SEGMENT_BYTES and _PLAIN_PATH.fullmatch(path):
        return path
    originals = path.split("/")
    last = len(originals) - 1
    above = _Level.NEEDED if level is _Level.FIRST else level
    segments = [_escape(text, level if number == last else above, is_top=number == 0) for number, text in enumerate(originals)]
    if level is _Level.CUT:
        return _cut(segments[-1], path, MAX_SEGMENT_BYTES)
    for number, segment in enumerate(segments):
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            # A folder's digest is that of the folder's path, so that its files stay together.
            segments[number] = _cut(segment, "/".join(originals[: number + 1]), MAX_SEGMENT_BYTES)
    if len("/".join(segments).encode()) + base_bytes > MAX_PATH_BYTES or len(segments) > MAX_SEGMENTS - 3:
        return _flatten(segments, path, MAX_PATH_BYTES - base_bytes)
    return "/".join(segments)


def _flatten(segments: list[str], path: str, room: int) -> str:
    """Keep the first folders of a path that is too long, and cut the rest down to one name."""
    kept: list[str] = []
    room -= MAX_SEGMENT_BYTES
    for segment in segments[: min(len(segments) - 1, MAX_SEGMENTS // 2)]:
        room -= len(segment.encode()) + 1
        if room < 0:
            break
        kept.append(segment)
    return "/".join([*kept, _cut(segments[-1], path, MAX_SEGMENT_BYTES)])


def _cut(segment: str, original: str, limit: int) -> str:
    """Shorten an escaped segment to at most `limit` bytes, with the digest of the original path and the extension."""
    segment = _CUT.sub("", segment)
    extension = _extension(segment)
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{_shorten(segment.removesuffix(extension), limit - 34 - len(extension))}=={digest}{extension}"


def _shorten(segment: str, room: int) -> str:
    """Take the first bytes of an escaped segment, whole characters and escapes only."""
    text = segment.encode()[: max(0, room)].decode(errors="ignore")
    if len(text) < len(segment):
        text = re.sub(r"=(?:[0-9A-F]?|u[0-9A-F]{0,3})$", "", text)
    return text


def _extension(segment: str) -> str:
    found = _EXTENSION.search(segment)
    return found[0] if found and found.start() else ""


def _escape(text: str, level: _Level, *, is_top: bool = False) -> str:
    if level is _Level.NEEDED and _PLAIN.fullmatch(text) and not _DEVICE.fullmatch(text) and not (is_top and _PART.match(text)):
        return text
    if not text:
        return "=_"
    escaped = _escape_with(text, level, is_top=is_top)
    return escaped if _unescape(escaped) == text else _escape_with(text, level, is_top=is_top, is_wide=True)


def _escape_with(text: str, level: _Level, *, is_top: bool, is_wide: bool = False) -> str:
    end = len(text) - 1
    is_special = level is _Level.FIRST or _DEVICE.fullmatch(text) is not None or (is_top and _PART.match(text) is not None)
    return "".join(
        _escape_one(character, is_wide=is_wide)
        if level >= _Level.ALL
        or _UNSAFE.match(character)
        or (number == 0 and (is_special or character.isspace()))
        or (number == end and (character == "." or character.isspace()))
        or (level is _Level.FOLDING and _folds(character))
        else character
        for number, character in enumerate(text)
    )


def _escape_one(character: str, *, is_wide: bool) -> str:
    is_surrogate = "\ud800" <= character <= "\udfff"
    if is_surrogate and (is_wide or not "\udc80" <= character <= "\udcff"):
        return f"=u{ord(character):04X}"
    return "".join(f"={byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def _folds(character: str) -> bool:
    """Say whether case folding or NFC may change a character."""
    return _fold(character) != character or not unicodedata.is_normalized("NFC", "a" + character) or unicodedata.combining(character) != 0


def _unescape(segment: str) -> str:
    if segment == "=_":
        return ""

    def replace(found: re.Match[str]) -> str:
        text = found[0]
        if text == "=":
            raise PackageError("an entry's name holds = without two hex digits", hint="it was not made by Rightful, or it was renamed")
        if text[1] == "u":
            return bytes.fromhex(text[2:]).decode("utf-16-be", "surrogatepass")
        return bytes.fromhex(text.replace("=", "")).decode("utf-8", "surrogateescape")

    return _ESCAPE.sub(replace, segment)


def _fold(text: str) -> str:
    """Return the form in which names must differ; the one of a system that ignores case and normal form."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
