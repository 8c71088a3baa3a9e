import hashlib
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rightful.package.bagit import MANIFEST_PATH, TAG_MANIFEST_PATH
from rightful.package.verify import PackageState, verify
from rightful.testing.package_builder import MemoryReader, SampleSource, package_entries

PACKAGE = package_entries(
    SampleSource(name="orders", product="Shop", rows=({"id": 1}, {"id": 2}), rows_per_part=1),
    SampleSource(name="drive", product="OneDrive", files={"a b": b"1", "z.zip": b"2"}),
)
UNREAD = {TAG_MANIFEST_PATH, "RequestInfo.json", "README.txt", "START-HERE.html"}
TAGS = sorted(path for path in PACKAGE if not path.startswith(("data/", "view/")) and path not in UNREAD)
DOCUMENTS = ("datapackage.json", "ledger.json")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _resealed(entries: dict[str, bytes]) -> MemoryReader:
    tags = sorted(path for path in entries if not path.startswith("data/") and path != TAG_MANIFEST_PATH)
    lines = "".join(f"{hashlib.sha256(entries[path]).hexdigest()}  {path}\n" for path in tags)
    return MemoryReader(entries | {TAG_MANIFEST_PATH: lines.encode()})


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, item in inner for found in _places(item, (*place, key)))]


def _replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[place[0]] = _replaced(value[place[0]], place[1:], new)
    return copied


@given(st.sampled_from(TAGS), st.binary(max_size=300))
def test_any_content_of_a_tag_file_is_a_finding_and_no_error(path: str, content: bytes) -> None:
    state = verify(_resealed(PACKAGE | {path: content})).state
    assert state is (PackageState.WHOLE if content == PACKAGE[path] else PackageState.DAMAGED)


@given(st.sampled_from(DOCUMENTS), st.data())
def test_any_value_in_a_document_is_no_error(path: str, data: st.DataObject) -> None:
    document = msgspec.json.decode(PACKAGE[path])
    place = data.draw(st.sampled_from(_places(document)))
    verify(_resealed(PACKAGE | {path: msgspec.json.encode(_replaced(document, place, data.draw(JSON)))}))


@given(st.dictionaries(st.text(st.characters(codec=None), max_size=10), st.binary(max_size=5), max_size=3), st.binary(max_size=100))
def test_any_folder_gives_a_verdict(entries: dict[str, bytes], manifest: bytes) -> None:
    verification = verify(MemoryReader(entries | {MANIFEST_PATH: manifest, TAG_MANIFEST_PATH: manifest}))
    assert verification.state is PackageState.DAMAGED
    for finding in verification.findings:
        assert (finding.path + finding.detail).encode().decode().isprintable() or "\n" not in finding.path
