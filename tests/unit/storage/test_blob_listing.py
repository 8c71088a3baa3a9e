"""Pages of List Blobs."""

import pytest

from rightful.storage.blob_listing import parse_listing


def page(blobs: str, marker: str = "") -> bytes:
    text = f"<EnumerationResults><Prefix>p</Prefix><Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
    return b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>' + text.encode()


def blob(name: str, size: int, attribute: str = "") -> str:
    return f"<Blob><Name{attribute}>{name}</Name><Properties><Etag>x</Etag><Content-Length>{size}</Content-Length></Properties></Blob>"


def test_names_and_sizes_are_read() -> None:
    entries, marker = parse_listing(
        page(blob("a &amp; b", 3) + blob("日本/x", 0) + "<BlobPrefix><Name>no</Name></BlobPrefix>", "next&amp;1")
    )
    assert entries == [("a & b", 3), ("日本/x", 0)]
    assert marker == "next&1"


def test_encoded_name_is_decoded() -> None:
    assert parse_listing(page(blob("a%EF%BF%BEb", 1, ' Encoded="true"') + blob("a%41", 1)))[0] == [("a\ufffeb", 1), ("a%41", 1)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no xml",
        page(blob("a", 1))[:-10],
        page(blob("a", 1).replace(">1<", ">many<")),
        b'<!DOCTYPE a [<!ENTITY x "y">]><EnumerationResults><Blobs/></EnumerationResults>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><EnumerationResults/>',
    ],
)
def test_damaged_or_hostile_page_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"listing|int"):
        parse_listing(content)
