"""No other person's address survives, the subject's own does, and neither batches nor slices make a difference."""

import json
import string
from itertools import chain, pairwise

import pyarrow as pa
from hypothesis import assume, given
from hypothesis import strategies as st

from rightful.package.redacting import Owner, Redactor, plan
from rightful.package.schema import Column, ColumnKind, Redaction
from rightful.package.serializer import Serializer
from rightful.package.third_parties import MAIL, PERSON, PHONE, withhold_contacts, withhold_others
from rightful.subject.own import Own

MINE = "ann.o'neil+x@contoso.example"
OWN = Own({"mail": (MINE, "ännchen@bücher.example"), "phone": ("+49 151 1234567",)})
RULES: tuple[Redaction, ...] = ("others", "mails_and_phones", "hash", "drop")

# RFC 5321's dot-string, also in other scripts (RFC 6531), without what stands beside addresses more often than in them.
_atoms = st.text(st.sampled_from(string.ascii_letters + string.digits + "_+-'!#$%*^~éßжआ本İ\u0301\u200d"), min_size=1, max_size=12)
_locals = st.lists(_atoms, min_size=1, max_size=3).map(".".join) | st.text("ab@ ,;.", min_size=1, max_size=9).map('"{}"'.format)
_labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True) | st.sampled_from(
    ["bücher", "例え", "xn--bcher-kva", "उदाहरण"]
)
_domains = st.lists(_labels, min_size=1, max_size=3).map(".".join) | st.sampled_from(["[192.0.2.1]", "[IPv6:2001:db8::1]"])
_addresses = st.tuples(_locals, _domains)
_ats = st.sampled_from(["@", "%40", "&#64;", "&#x40;", "&commat;", "\uff20", r"\u0040"])
_around = st.sampled_from(["", " ", "\n", "<>", "()", '""', "[]", ",,", ";;", ": ", "\uff0c\u3002", "\u3000\u3000"])
_prose = st.text(st.sampled_from("abc xyz.,;:!?()<>\"'\n-äж本1"), max_size=30)


@given(before=_prose, address=_addresses, at=_ats, after=_prose)
def test_no_address_of_others_survives_in_free_text(before: str, address: tuple[str, str], at: str, after: str) -> None:
    local, domain = address
    is_literal = domain.startswith("[") or local.startswith('"')
    spelled = f"{local}{'@' if is_literal else at}{domain}"
    assume(not OWN.names(f"{local}@{domain}"))
    left, count = withhold_contacts(f"{before} {spelled} {after}", OWN)
    assert spelled not in left
    assert MAIL in left
    assert count >= 1


@given(around=st.tuples(_prose, _prose), between=_around, others=st.lists(_addresses, max_size=2), is_upper=st.booleans())
def test_the_subjects_own_survive_beside_those_of_others(
    around: tuple[str, str], between: str, others: list[tuple[str, str]], *, is_upper: bool
) -> None:
    mine = MINE.upper() if is_upper else MINE
    theirs = " ".join(f"{local}@{domain}" for local, domain in others)
    text = f"{around[0]} {theirs} {between[:1]}{mine}{between[1:]} {around[1]}"
    assert mine in withhold_contacts(text, OWN)[0]
    assert withhold_contacts(mine, OWN) == withhold_others(mine, OWN) == (mine, 0)


_gaps = st.sampled_from(["", " ", "-", ".", "/", ") ", " (", "\u00a0", "\u2011", " - "])
_digits = st.sampled_from(
    [str.maketrans("", "")] + [str.maketrans(string.digits, "".join(chr(zero + n) for n in range(10))) for zero in (0x660, 0xFF10, 0x966)]
)


@given(number=st.from_regex(r"(\+|00?)?[1-9][0-9]{6,13}", fullmatch=True), gaps=st.lists(_gaps, min_size=16, max_size=16), script=_digits)
def test_no_telephone_number_of_others_survives(number: str, gaps: list[str], script: dict[int, int]) -> None:
    assume(not OWN.has_number(number))
    spelled = "".join(digit + gap for digit, gap in zip(number, gaps, strict=False)).strip(" -./()\u00a0\u2011").translate(script)
    assume(len(number) != 8)  # a day
    left, _ = withhold_contacts(f"call {spelled}, now", OWN)
    assert spelled not in left
    assert PHONE in left


@given(st.text(max_size=60))
def test_nothing_is_left_of_a_cell_that_names_others(text: str) -> None:
    left, count = withhold_others(text, OWN)
    assert not left.replace(PERSON, "").replace(",", "").replace(";", "").strip()
    assert left.count(PERSON) == count or PERSON in text


_values = st.none() | _prose | _addresses.map("@".join) | st.just(MINE) | st.just("tel 0171 7654321, +49 151 1234567")
_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | _values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_prose, inner, max_size=3),
    max_leaves=6,
)


@given(
    texts=st.lists(_values, max_size=12),
    documents=st.lists(_documents, min_size=12, max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=4),
    rule=st.sampled_from(RULES),
    is_second=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_slices_give_what_the_whole_gives(
    texts: list[str | None], documents: list[object], cuts: list[int], rule: Redaction, is_second: list[bool]
) -> None:
    planned = plan(
        [Column(name="text", kind=ColumnKind.TEXT), Column(name="doc", kind=ColumnKind.JSON), Column(name="n", kind=ColumnKind.INT)],
        {"text": rule, "doc": rule},
        source_name="s",
    )
    redactor = Redactor(planned, [Owner(OWN, bytes(32)), Owner(Own({}), bytes(32))])
    rows = len(texts)
    names = [json.dumps(document) for document in documents[:rows]]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(texts, pa.string()), pa.array(names, pa.string()), pa.array(range(rows), pa.int64())], names=["text", "doc", "n"]
    )
    owners = sorted(map(int, is_second[:rows]))
    bounds = sorted({0, rows, *(cut for cut in cuts if cut < rows)})
    serializer = Serializer(planned.columns)

    def delivered(start: int, end: int) -> tuple[bytes, list[list[int]]]:
        counts = [(owner, owners[start:end].count(owner)) for owner in (0, 1)]
        redacted, numbers = redactor.apply(batch.slice(start, end - start), [each for each in counts if each[1]])
        return serializer.lines(redacted), [list(number) for number in numbers]

    whole, numbers = delivered(0, rows)
    pieces = [delivered(start, end) for start, end in pairwise(bounds)]
    assert b"".join(piece for piece, _ in pieces) == whole
    assert [list(chain.from_iterable(each[place] for _, each in pieces)) for place in range(2)] == numbers
    for line in whole.splitlines():
        json.loads(line)


@given(address=_addresses, document=_documents, rule=st.sampled_from(["others", "mails_and_phones"]))
def test_no_address_survives_in_json_however_it_is_escaped(address: tuple[str, str], document: object, rule: Redaction) -> None:
    spelled = "@".join(address)
    assume(not OWN.names(spelled))
    inner = json.dumps(spelled, ensure_ascii=False)[1:-1].replace("@", "\\u0040").replace("e", "\\u0065")
    text = f'{{"{inner}":["{inner}"],"more":{json.dumps(document)}}}'
    planned = plan([Column(name="doc", kind=ColumnKind.JSON)], {"doc": rule}, source_name="s")
    batch = pa.RecordBatch.from_arrays([pa.array([text])], names=["doc"])
    redacted, _ = Redactor(planned, [Owner(OWN, bytes(32))]).apply(batch, [(0, 1)])
    read = json.loads(redacted.column("doc")[0].as_py())
    assert all(spelled not in name for name in read)
    assert all(spelled not in value for name, values in read.items() if name != "more" for value in values)
