"""Any two states of a source: what the difference names, applied to the earlier one, makes the later one."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rightful.package.difference import Comparison, Named, cut, may_hide
from rightful.package.fingerprint import SIZE, UNREAD, WHICH, Fingerprinter, fingerprint_key, is_file

KEY = fingerprint_key(b"s" * 32)

Record = tuple[int, str]
RECORDS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("abc")), max_size=14)
KEYED = st.dictionaries(st.integers(0, 9), st.sampled_from("abc"), max_size=10)
FILES = st.dictionaries(st.sampled_from(("a", "A", "b/c", "ü", "")), st.sampled_from(("0" * 64, "1" * 64, None)), max_size=5)


def line(record: Record) -> bytes:
    return msgspec.json.encode({"id": record[0], "text": record[1]}) + b"\n"


def marks(records: Sequence[Record], *names: str) -> dict[bytes, Record]:
    found = Fingerprinter(KEY, names).lines(b"".join(map(line, records)))
    return dict(zip(found, records, strict=True))


def prints(records: Sequence[Record], *names: str) -> list[bytes]:
    return sorted(Fingerprinter(KEY, names).lines(b"".join(map(line, records))))


def compared(then: Sequence[bytes], now: Sequence[bytes]) -> tuple[Comparison, list[Named]]:
    comparison = Comparison()
    named = list(comparison.run(sorted(then), sorted(now)))
    return comparison, named


def applied(then: Sequence[Record], sent: Sequence[Record], named: Sequence[Named], *names: str) -> Counter[Record]:
    """Apply as package-format.md says, by records alone."""
    by_mark = marks(then, *names)
    kept = Counter(then)
    for each in named:
        if each.is_gone:
            kept[by_mark[each.fingerprint]] -= each.copies
    assert min(kept.values(), default=0) >= 0
    left = [record for record in kept.elements() if not names or record[0] not in {key for key, _ in sent}]
    again = Counter({by_mark[each.fingerprint]: each.copies for each in named if not each.is_gone})
    return Counter(left) + Counter(sent) + again


def check(then: Sequence[Record], now: Sequence[Record], *names: str) -> Comparison:
    before = set(prints(then, *names))
    sent = [record for record in now if prints([record], *names)[0] not in before]
    comparison, named = compared(prints(then, *names), prints(now, *names))
    assert applied(then, sent, named, *names) == Counter(now)
    counts = comparison.records
    assert counts.sent == len(sent)
    assert counts.unchanged + counts.new + counts.changed == len(now)
    assert counts.unchanged + counts.gone + counts.changed == len(then)
    return comparison


@given(RECORDS, RECORDS)
def test_records_without_a_key(then: list[Record], now: list[Record]) -> None:
    counts = check(then, now).records
    assert (counts.changed, counts.gone, counts.new) == (0, (Counter(then) - Counter(now)).total(), (Counter(now) - Counter(then)).total())


@given(KEYED, KEYED)
def test_records_with_a_key(then: dict[int, str], now: dict[int, str]) -> None:
    counts = check([*then.items()], [*now.items()], "id").records
    assert (counts.new, counts.gone) == (len(now.keys() - then.keys()), len(then.keys() - now.keys()))
    assert (counts.changed, counts.again) == (sum(then[key] != now[key] for key in then.keys() & now.keys()), 0)


@given(RECORDS, RECORDS)
def test_a_key_that_is_none(then: list[Record], now: list[Record]) -> None:
    check(then, now, "id")


@given(FILES, FILES)
def test_files(then: dict[str, str | None], now: dict[str, str | None]) -> None:
    maker = Fingerprinter(KEY)

    def of(files: dict[str, str | None]) -> list[bytes]:
        return [maker.unread(path.encode()) if digest is None else maker.file(path.encode(), digest) for path, digest in files.items()]

    comparison, named = compared(of(then), of(now))
    read_then, read_now = ({path: digest for path, digest in files.items() if digest} for files in (then, now))
    gone = {path for path in read_then if path not in now}
    assert {each.fingerprint for each in named} == {maker.file(path.encode(), read_then[path] or "") for path in gone}
    counts = comparison.files
    assert counts.gone == len(gone)
    assert counts.unread == len(now) - len(read_now)
    assert counts.new == len(read_now.keys() - read_then.keys())
    assert counts.changed == sum(read_then[path] != read_now[path] for path in read_then.keys() & read_now.keys())
    assert comparison.records == Comparison().records


@given(RECORDS)
def test_fingerprints_tell_records_from_files_and_hold_nothing_without_their_key(records: list[Record]) -> None:
    content = b"".join(map(line, records))
    found = list(Fingerprinter(KEY, ["id"]).lines(content))
    assert [len(each) for each in found] == [SIZE] * len(records)
    assert not any(is_file(each) or each.endswith(UNREAD) for each in found)
    others = list(Fingerprinter(fingerprint_key(b"t" * 32), ["id"]).lines(content))
    assert not {each[:WHICH] for each in found} & {each[:WHICH] for each in others}
    assert not {each[WHICH:] for each in found} & {each[WHICH:] for each in others}
    assert list(cut(b"".join(found))) == found
    path = Fingerprinter(KEY).file(b"a", "0" * 64)
    assert is_file(path)
    assert path[WHICH:] != UNREAD


def test_key_is_read_where_a_document_is_one_that_only_the_grammar_allows() -> None:
    lines = b'{"a":{"x":"\\ud800"},"id":7}\n{"a":1,"id":7}\n'
    one, two = Fingerprinter(KEY, ["id"]).lines(lines)
    assert one[:WHICH] == two[:WHICH]
    assert one != two


def test_what_lies_in_a_folder_that_cannot_be_read_now_is_not_gone() -> None:
    files = Fingerprinter(KEY, ())
    then = sorted([files.file(b"Documents/a", "0" * 64), files.file(b"Documents/b", "0" * 64), files.file(b"c", "0" * 64)])
    now = sorted([files.unread(b"Documents"), files.file(b"c", "0" * 64)])
    comparison = Comparison()

    named = list(comparison.run(then, now, is_partial=may_hide(then, now)))

    assert not named
    assert (comparison.files.gone, comparison.files.unchanged, comparison.files.unread) == (0, 1, 3)
    assert not may_hide(then, sorted([files.unread(b"c")]))  # a file then, which hides nothing
