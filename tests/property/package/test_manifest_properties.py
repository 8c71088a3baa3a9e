from hypothesis import given
from hypothesis import strategies as st

from rightful.package.bagit import BadLine, Line, format_manifest, parse_bag_info, parse_manifest, path_problem
from rightful.package.paths import EntryNamer

SEGMENTS = st.text(min_size=1, max_size=20)
PATHS = (
    st.lists(SEGMENTS, min_size=1, max_size=4)
    .map(lambda segments: "data/" + "/".join(segments))
    .filter(lambda path: not path_problem(path))
)
TABLES = st.dictionaries(PATHS, st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=20)
ORIGINALS = st.text(st.characters(codec=None, exclude_characters="\0"), min_size=1, max_size=40)


def _cut(content: bytes, lengths: list[int]) -> list[bytes]:
    chunks = []
    for length in lengths:
        chunks.append(content[:length])
        content = content[length:]
    return [*chunks, content]


@given(TABLES, st.lists(st.integers(0, 100), max_size=10))
def test_manifest_reads_back_however_it_is_cut(table: dict[str, str], lengths: list[int]) -> None:
    content = b"".join(format_manifest(sorted(table.items())))
    assert list(parse_manifest(_cut(content, lengths))) == [Line(path, table[path]) for path in sorted(table)]


@given(TABLES)
def test_each_line_is_one_line_for_readers_that_split_by_unicode(table: dict[str, str]) -> None:
    text = b"".join(format_manifest(sorted(table.items()))).decode()
    assert [line.strip() for line in text.splitlines()] == [f"{table[path]}  {path}" for path in sorted(table)]


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_are_read_without_an_error(chunks: list[bytes]) -> None:
    for line in parse_manifest(chunks):
        assert isinstance(line, (Line, BadLine))
        assert isinstance(line, BadLine) or not path_problem(line.path)
    parse_bag_info(b"".join(chunks))


@given(st.lists(ORIGINALS, max_size=5, unique=True))
def test_every_name_given_to_an_entry_can_stand_in_a_manifest(originals: list[str]) -> None:
    namer = EntryNamer("OneDrive", "drive")
    paths = [namer.name(original) for original in originals]
    assert [path_problem(path) for path in paths] == [""] * len(paths)
