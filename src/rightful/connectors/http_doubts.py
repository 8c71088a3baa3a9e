"""What of an API's answers looks as if there were more pages than were read. A wrong pointer reads one page, and nothing fails."""

import re
import threading
from collections.abc import Iterator

import msgspec

from rightful.connectors.http_settings import HttpSettings

_MORE = re.compile(r"(?i)(?:odata\.|@odata\.)?next.*|.*cursor|.*has_?more.*|.*continuation.*")
_HARMLESS = re.compile(r"[A-Za-z0-9_.@$-]{1,40}")
_NOTHING = frozenset({b"null", b"false", b'""', b"[]", b"{}", b"0"})
ODATA = frozenset({"/@odata.nextLink", "/odata.nextLink"})
"""OData JSON 4.01 4.6.5: there is another page, whatever the configuration says."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def onward_members(document: bytes, *, known: frozenset[str]) -> tuple[str, ...]:
    """Return pointers to members of an answer's envelope that are named as if they led to another page, and hold something."""
    return tuple(pointer for pointer in _pointers(document, "", depth=2) if pointer not in known)


def _pointers(document: bytes, above: str, *, depth: int) -> Iterator[str]:
    try:
        members = _members(document)
    except (msgspec.MsgspecError, RecursionError):
        return  # an array, or something that has been refused for other reasons
    for name, raw in members.items():
        value = bytes(raw).strip()
        if not _HARMLESS.fullmatch(name) or value in _NOTHING:
            continue
        if _MORE.fullmatch(name) and value[:1] not in b"[{":
            yield f"{above}/{name}"
        elif depth > 1 and value.startswith(b"{"):
            yield from _pointers(value, f"{above}/{name}", depth=depth - 1)


class Doubts:
    """What was noticed over all answers. Safe to use from any thread."""

    def __init__(self, settings: HttpSettings) -> None:
        self._pointer = next(iter(settings.cursor), settings.next if settings.next.startswith("/") else "")
        self._lock = threading.Lock()
        self._has_asked = self._has_records = self._is_found = False
        self._onward: dict[str, None] = {}

    def note(self, *, has_records: bool, has_pointer: bool, onward: tuple[str, ...]) -> None:
        """Take down what one answer was like; `onward` is what was left unread on somebody's last page."""
        with self._lock:
            self._has_asked = True
            self._has_records |= has_records
            self._is_found |= has_pointer
            self._onward |= dict.fromkeys(onward)

    def sentences(self) -> tuple[str, ...]:
        """Say it."""
        with self._lock:
            said = [f"a last page has {pointer}, which no setting names: perhaps more pages follow" for pointer in self._onward]
            if self._pointer and self._has_asked and not self._is_found:
                seen = "no answer" if self._has_records else "no answer, and none had records,"
                said.append(
                    f"{seen} had anything at {self._pointer}, where the next page is looked for: try somebody who has more than one page"
                )
        return tuple(said)
