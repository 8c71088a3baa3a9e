"""Any entries: the ZIP file is one that other programs read, whatever came in which pieces."""

import io
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rightful.package.packing import Packer
from rightful.package.zip_format import ZipEntry, directory, local_header

_names = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters='\\/<>:"|?*%=\x7f'), min_size=1, max_size=40)
_paths = st.lists(_names.filter(lambda name: name.strip(". ") == name), min_size=1, max_size=3).map("/".join)
_contents = st.one_of(
    st.binary(max_size=300),
    st.binary(min_size=1, max_size=8).map(lambda piece: piece * 30_000),
    st.integers(0, 200_000).map(lambda size: bytes(range(256)) * (size // 256) + bytes(size % 256)),
)


def cut(content: bytes, step: int) -> Iterator[bytes]:
    return (content[start : start + step] for start in range(0, len(content), step))


def packed(entries: Sequence[tuple[str, bytes]], step: int = 1 << 20) -> bytes:
    """Return a ZIP file of entries whose content comes in steps."""
    file = b""
    placed = []
    for path, content in entries:
        packer = Packer(path)
        body = b"".join(packer.pack(cut(content, step)))
        assert packer.packed_bytes == len(body)
        entry = ZipEntry(path=path, crc32=packer.crc32, size_bytes=len(content), packed_bytes=len(body), is_deflated=packer.is_deflated)
        placed.append((entry, len(file)))
        file += local_header(entry) + body
    return file + b"".join(directory(placed, len(file)))


@settings(deadline=None)
@example(entries={})
@given(entries=st.dictionaries(_paths, _contents, max_size=6))
def test_whatever_is_packed_is_read_by_python(entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(packed(list(entries.items())))) as file:
        assert file.testzip() is None
        assert {info.filename: file.read(info) for info in file.infolist()} == entries
        assert [info.filename for info in file.infolist()] == list(entries)
        assert {(info.date_time, info.external_attr >> 16, info.flag_bits) for info in file.infolist()} <= {
            ((1980, 1, 1, 0, 0, 0), 0o100644, 0x800)
        }


@settings(deadline=None, max_examples=40)
@given(entries=st.dictionaries(_paths, _contents, min_size=1, max_size=6))
def test_whatever_is_packed_is_read_by_unzip(entries: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "p.zip")
        path.write_bytes(packed(list(entries.items())))
        tested = subprocess.run(["unzip", "-t", path], capture_output=True, check=False)
        assert tested.returncode == 0, tested.stdout + tested.stderr


@settings(deadline=None)
@example(content=b"0123456789abcdef" * 20_000, step=1)
@given(content=_contents, step=st.integers(1, 70_000))
def test_where_content_is_cut_does_not_show(content: bytes, step: int) -> None:
    whole, pieces = Packer("a"), Packer("a")
    one, other = b"".join(whole.pack([content] if content else [])), b"".join(pieces.pack(cut(content, step)))
    assert (one, whole.crc32, whole.is_deflated) == (other, pieces.crc32, pieces.is_deflated)
    assert whole.crc32 == zlib.crc32(content)
    assert len(one) <= len(content) + len(content) // 512 + 16
