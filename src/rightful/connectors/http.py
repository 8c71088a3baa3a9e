"""The connector `http`: a JSON API, asked for one person after the other, page by page; for records, or for the files they lead to.

A record is carried as it stands in the answer. What it is checked by are the members that `match` names, taken out of it beside it.
"""

import hashlib
import itertools
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar, cast
from urllib.parse import quote

import msgspec

from rightful.connectors import http_settings, link_header
from rightful.connectors.http_content import Contents
from rightful.connectors.http_doubts import ODATA, Doubts, onward_members
from rightful.connectors.http_rows import COLUMNS, batches
from rightful.connectors.http_settings import LINK_HEADER, PLACEHOLDER, HttpSettings
from rightful.connectors.interface import MATCH_PREFIX, Amount, Cursor, Estimate, Item, MatchColumn, Partition, ReadHeader
from rightful.package.json_text import are_documents
from rightful.setting_problem import SettingPath, SettingProblem, refuse
from rightful.subject.matching import is_usable
from rightful.subject.model import IdentifiedSubject
from rightful.webapi.asking import Asking, Late, Page

_COUNT = re.compile(r"[0-9]{1,15}", re.ASCII)
_MOST_PAGES = 100_000
_MOST_REMEMBERED = 500_000
_NOBODY = "nobody.rightful@example.invalid"  # RFC 2606: belongs to nobody

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


class HttpConnector:
    """Reads the records of a JSON API; see `connectors.interface.Connector`."""

    Settings: ClassVar[type[msgspec.Struct]] = HttpSettings

    def __init__(self, source_name: str, settings: msgspec.Struct, *, siblings: Mapping[str, msgspec.Struct], folder: Path) -> None:
        self._settings = said = cast("HttpSettings", settings)
        refuse(source_name, self.problems(source_name, said, siblings=siblings, folder=folder))
        self._asking = Asking(source_name, http_settings.access_of(said))
        self._contents = Contents(said, self._asking, find=self._find, text=self._text) if said.content.address else None
        self._doubts = Doubts(said)
        self._known = frozenset({said.next, *said.cursor})

    @staticmethod
    def problems(
        source_name: str, settings: HttpSettings, *, siblings: Mapping[str, msgspec.Struct | None], folder: Path
    ) -> Iterable[SettingProblem]:
        """Yield what the configuration alone shows; see `connectors.registry.FindsProblems`."""
        del source_name, siblings, folder
        return http_settings.problems(settings)

    @staticmethod
    def kinds_used(settings: HttpSettings) -> Iterable[tuple[SettingPath, str]]:
        """Return the kinds in the path."""
        paths = (("path", settings.path), ("count_path", settings.count_path))
        return [((name,), kind) for name, path in paths for kind in PLACEHOLDER.findall(path)]

    def check(self) -> None:
        """Ask for what `check_path` names, or for nobody's records."""
        if self._settings.check_path:
            self._asking.ask(self._settings.check_path)
        else:
            for _ in self._pages(PLACEHOLDER.sub(quote(_NOBODY, safe=""), self._settings.path)):
                break

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """Return one partition: how much somebody has is not known before it is asked for."""
        del subjects
        return (Partition(number=0),)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Yield subject after subject, records in the API's order; there is no key, so a read that was broken off starts again.

        Files come sorted by path, and go on after one.

        What the API gives is yielded, somebody else's too: the caller's check then stops that subject's export, and nobody else's.
        """
        del partition
        if self._contents is not None:
            yield ReadHeader(searched=self._settings.path)
            for index, subject in enumerate(subjects):
                yield from self._contents.items(index, subject, self._of_one(self._targets(subject)), cursor)
            return
        yield ReadHeader(
            columns=COLUMNS,
            match=tuple(MatchColumn(batch_column=MATCH_PREFIX + at, identifier_kind=kind) for at, kind in self._settings.match.items()),
            searched=self._settings.path,
            in_subject_order=True,
        )
        for index, subject in enumerate(subjects):
            for records in self._of_one(self._targets(subject)):
                yield from batches(index, records, {at: partial(self._text, pointer=at) for at in self._settings.match})

    def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
        """Ask what `count_path` names, once for each subject's identifier; without it nothing is known, as nobody's record is asked for."""
        with self._asking.until(time.monotonic() + limit_s):
            if self._settings.count_path:
                return tuple(map(self._estimate, subjects))
            with suppress(Late):
                self.check()
            return (Estimate(),) * len(subjects)

    def _estimate(self, subject: IdentifiedSubject) -> Estimate:
        try:
            return self._counted(subject)
        except Late:
            return Estimate()

    def _counted(self, subject: IdentifiedSubject) -> Estimate:
        counts = []
        for target in self._targets(subject, self._settings.count_path):
            found = (self._text(self._asking.ask(target).content, self._settings.count) or "").strip()
            if not _COUNT.fullmatch(found):
                raise self._asking.refused(
                    "an answer to `count_path` has no number where `count` points to", "write the JSON pointer to it"
                )
            counts.append(int(found))
        count = Amount(sum(counts), is_exact=not any(counts))  # by several identifiers a record may be counted twice, and read once
        return Estimate(files=count) if self._contents is not None else Estimate(rows=count)

    def doubts(self) -> tuple[str, ...]:
        """Say what looks as if pages were not found; see `Doubting`."""
        return (*self._doubts.sentences(), *(self._contents.doubts() if self._contents else ()))

    def interrupt(self) -> None:
        """End what is under way; see `Interruptible`."""
        self._asking.close()

    def close(self) -> None:
        """End what is under way."""
        self._asking.close()

    # -- one person ---------------------------------------------------------------------------------------------------
    def _targets(self, subject: IdentifiedSubject, path: str = "") -> list[str]:
        """Fill the identifiers in, percent-encoded; `.` and `..` are none, since they would name another path."""
        pieces = PLACEHOLDER.split(path or self._settings.path)
        choices = [
            [
                quote(value, safe="", errors="surrogatepass")
                for value in subject.values(piece)
                if is_usable(piece, value) and value not in {".", ".."}
            ]
            if number % 2
            else [piece]
            for number, piece in enumerate(pieces)
        ]
        return list(dict.fromkeys("".join(choice) for choice in itertools.product(*choices)))

    def _of_one(self, targets: Sequence[str]) -> Iterator[list[bytes]]:
        """Yield page after page; a record that two identifiers lead to comes once, one that is there twice comes twice."""
        before: set[bytes] = set()
        for number, target in enumerate(targets):
            here: set[bytes] = set()
            for records in self._pages(target):
                if len(targets) == 1:
                    yield records
                    continue
                digests = [hashlib.blake2b(record, digest_size=16).digest() for record in records]
                if number < len(targets) - 1:
                    here.update(digests)
                if len(before) + len(here) > _MOST_REMEMBERED:
                    raise self._asking.refused(
                        f"somebody with several identifiers has more than {_MOST_REMEMBERED:,} records", "read the API's database instead"
                    )
                yield [record for record, digest in zip(records, digests, strict=True) if digest not in before]
            before |= here

    def _pages(self, target: str) -> Iterator[list[bytes]]:
        asked: set[bytes] = set()
        last = b""
        following: str | None = self._begin(target)
        for number in itertools.count(self._settings.first_page + 1):
            if following is None:
                return
            name = hashlib.blake2b(following.encode(), digest_size=16).digest()
            if name in asked or len(asked) >= _MOST_PAGES:
                raise self._asking.refused(
                    "its pages lead back to one that was read already, or never end", "check `next`, `cursor` or `page`"
                )
            asked.add(name)
            page = self._asking.ask(following)
            records = self._records(page)
            # Of the records alone: an envelope may say the time.
            digest = hashlib.blake2b(b"\n".join(records), digest_size=16).digest()
            if records and digest == last:
                raise self._asking.refused(
                    "it gives the same records for two pages", "check the name of the parameter in `page` or `cursor`, or `next`"
                )
            last = digest
            following = self._next(page, following, target, number, is_empty=not records)
            self._note(page, is_last=following is None, has_records=bool(records))
            yield records

    def _begin(self, target: str) -> str:
        return _with(target, self._settings.page, str(self._settings.first_page)) if self._settings.page else target

    def _next(self, page: Page, asked: str, target: str, number: int, *, is_empty: bool) -> str | None:
        said = self._settings
        if said.page:
            return None if is_empty else _with(target, said.page, str(number))
        if said.next == LINK_HEADER:
            link: str | None = self._linked(page)
        elif said.next:
            link = self._onward(page.content, said.next)
        else:
            for pointer, parameter in said.cursor.items():
                value = self._onward(page.content, pointer)
                return _with(target, parameter, value) if value else None
            return None
        return self._asking.target_of(link, asked) if link else None

    def _linked(self, page: Page) -> str:
        try:
            return link_header.next_target(page.headers.get_all("Link", []))
        except ValueError as error:
            raise self._asking.refused(f"an answer's Link header is not as RFC 8288 says: {error}", "ask whoever runs the API") from None

    def _note(self, page: Page, *, is_last: bool, has_records: bool) -> None:
        """Refuse a last page that says that it is not the last one; take down what looks so."""
        said = self._settings
        onward = onward_members(page.content, known=self._known) if is_last else ()
        if is_last and said.next != LINK_HEADER and self._has_linked_next(page):
            raise self._asking.refused("an answer's Link header leads to a next page that would not be read", "write `next: header`")
        if unread := ODATA.intersection(onward):
            raise self._asking.refused("an answer leads to a next page that would not be read", f"write `next: {min(unread)}`")
        pointers = [pointer for pointer in self._known if pointer not in {"", LINK_HEADER}]
        has_pointer = any(self._find(page.content, pointer) is not None for pointer in pointers)
        self._doubts.note(has_records=has_records, has_pointer=has_pointer, onward=onward)

    @staticmethod
    def _has_linked_next(page: Page) -> bool:
        values: list[str] = page.headers.get_all("Link", [])
        try:
            return any("next" in link.relations for link in link_header.parse(values))
        except ValueError:
            return any("next" in value.lower() for value in values)

    # -- one page -----------------------------------------------------------------------------------------------------
    def _records(self, page: Page) -> list[bytes]:
        try:
            is_json = are_documents([page.content.decode()])
        except UnicodeDecodeError:
            is_json = False
        if not is_json:
            raise self._asking.refused("an answer is not JSON", "check url and path")
        found = self._find(page.content, self._settings.records)
        if found is None or not found.lstrip().startswith(b"["):
            raise self._asking.refused("an answer has no array of records where `records` points to", "write the JSON pointer to it")
        try:
            records = [bytes(record) for record in _items(found)]
        except (msgspec.DecodeError, RecursionError):
            raise self._asking.refused(
                "an answer's records cannot be told apart", "the API's JSON is nested too deeply, or has broken escapes"
            ) from None
        if not all(record.lstrip().startswith(b"{") for record in records):
            raise self._asking.refused("a record is no JSON object", "let `records` point to an array of objects")
        return records

    def _find(self, document: bytes, pointer: str) -> bytes | None:
        """Follow a JSON pointer (RFC 6901 4); None where it leads nowhere."""
        try:
            for token in pointer.split("/")[1:]:
                name = token.replace("~1", "/").replace("~0", "~")
                is_array = document.lstrip().startswith(b"[")
                if is_array and not name.isdecimal():
                    return None
                found = _items(document)[int(name)] if is_array else _members(document)[name]
                document = bytes(found)
        except (LookupError, msgspec.ValidationError):
            return None
        except (msgspec.DecodeError, RecursionError):
            raise self._asking.refused(
                "an answer cannot be taken apart", "the API's JSON is nested too deeply, or has broken escapes"
            ) from None
        return document

    def _onward(self, document: bytes, pointer: str) -> str | None:
        """Return what leads to the next page; None on the last one. What is there and is no text or number is not taken for the end."""
        found = (self._find(document, pointer) or b"null").strip()
        if found[:1] in b"[{t":
            raise self._asking.refused(
                f"what leads to the next page ({pointer}) is no text or number", "let the setting point to the text in it"
            )
        return None if found == b"false" else self._text(document, pointer)

    def _text(self, document: bytes, pointer: str) -> str | None:
        """Return a text, a number or a truth value as a text; None where there is none of these."""
        found = (self._find(document, pointer) or b"null").strip()
        if found.startswith(b'"'):
            return msgspec.json.decode(found, type=str)
        return None if found == b"null" or found[:1] in b"[{" else found.decode()


def _with(target: str, parameter: str, value: str) -> str:
    return f"{target}{'&' if '?' in target else '?'}{quote(parameter, safe='')}={quote(value, safe='')}"
