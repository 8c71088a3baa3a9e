"""Pages of the blob service's List Blobs, read without trusting them."""

import xml.parsers.expat
from urllib.parse import unquote


class _Page:
    """Collects `EnumerationResults/Blobs/Blob/{Name, Properties/Content-Length}` and `NextMarker`."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, int]] = []
        self.marker = ""
        self._path: tuple[str, ...] = ()
        self._text: list[str] = []
        self._is_encoded = False
        self._name = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Enter an element."""
        self._path = (*self._path, tag)
        self._text = []
        if tag == "Name":
            self._is_encoded = attributes.get("Encoded") == "true"

    def text(self, text: str) -> None:
        """Take text of the current element."""
        self._text.append(text)

    def end(self, _tag: str) -> None:
        """Leave an element."""
        text = "".join(self._text)
        match self._path[1:]:
            case ("NextMarker",):
                self.marker = text
            case ("Blobs", "Blob", "Name"):
                self._name = unquote(text) if self._is_encoded else text
            case ("Blobs", "Blob", "Properties", "Content-Length"):
                self.entries.append((self._name, int(text)))
            case _:
                pass
        self._path, self._text = self._path[:-1], []

    def refuse_doctype(self, *_: object) -> None:
        """Refuse a document type, and so all entities."""
        raise ValueError("a listing has no document type")


def parse_listing(content: bytes) -> tuple[list[tuple[str, int]], str]:
    """Return the (path, size in bytes) pairs of a page, and the marker of the next one (empty: none). Else `ValueError`."""
    page = _Page()
    parser = xml.parsers.expat.ParserCreate()
    parser.StartDoctypeDeclHandler = page.refuse_doctype
    parser.StartElementHandler = page.start
    parser.EndElementHandler = page.end
    parser.CharacterDataHandler = page.text
    try:
        parser.Parse(content, True)  # noqa: FBT003 - takes no keywords
    except xml.parsers.expat.ExpatError as error:
        raise ValueError("a listing is not XML") from error
    return page.entries, page.marker
