"""Values and filters: what a person's identifier holds never becomes a part of a filter, and a filter's text is read as RFC 4515 has it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.ldap.ber import Malformed, Reader, head, integer, tlv
from rightful.ldap.filters import BadFilter, all_of, any_of, equals, parse, present
from rightful.ldap.messages import Entry, read

_ATTRIBUTE = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True)
_SIGNS = st.text("()*\\&|!=<>~:\0 a2é", max_size=12)
_TEXT = _SIGNS | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def escaped(text: str) -> str:
    """RFC 4515 3: what has a meaning in a filter stands as a backslash and two digits."""
    return "".join(f"\\{ord(each):02x}" if each in "()*\\\0" else each for each in text)


@settings(deadline=None)
@given(_ATTRIBUTE, _TEXT)
def test_a_value_is_the_same_bytes_whatever_it_holds(attribute: str, value: str) -> None:
    encoded = equals(attribute, value.encode())
    item = Reader(encoded).inside(0xA3)
    assert (item.take(4), item.take(4), item.tag) == (attribute.encode(), value.encode(), None)
    assert parse(f"({attribute}={escaped(value)})") == encoded


_FILTER = st.recursive(
    st.builds(lambda a, v: (f"({a}={escaped(v)})", equals(a, v.encode())), _ATTRIBUTE, _TEXT)
    | st.builds(lambda a: (f"({a}=*)", present(a)), _ATTRIBUTE),
    lambda inner: (
        st.builds(
            lambda sign, parts: (
                f"({sign}" + " ".join(text for text, _ in parts) + ")",
                all_of([each for _, each in parts]) if sign == "&" else any_of([each for _, each in parts]),
            ),
            st.sampled_from("&|"),
            st.lists(inner, min_size=1, max_size=3),
        )
        | st.builds(lambda part: (f"(! {part[0]})", tlv(0xA2, part[1])), inner)
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(_FILTER)
def test_what_is_written_is_read(written: tuple[str, bytes]) -> None:
    assert parse(f" {written[0]}\n") == written[1]


@settings(deadline=None)
@given(st.text("()&|!*=<>~:\\ a2dn.", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        encoded = parse(text)
    except BadFilter:
        return
    assert head(encoded) is not None
    assert text.strip().startswith("(")


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("(cn=a*b*c)", tlv(0xA4, tlv(4, b"cn"), tlv(0x30, tlv(0x80, b"a"), tlv(0x81, b"b"), tlv(0x82, b"c")))),
        ("(cn=*b)", tlv(0xA4, tlv(4, b"cn"), tlv(0x30, tlv(0x82, b"b")))),
        ("(n>=2)", tlv(0xA5, tlv(4, b"n"), tlv(4, b"2"))),
        ("(n<=2)", tlv(0xA6, tlv(4, b"n"), tlv(4, b"2"))),
        ("(n~=2)", tlv(0xA8, tlv(4, b"n"), tlv(4, b"2"))),
        # Active Directory: an account that is not disabled.
        (
            "(!(userAccountControl:1.2.840.113556.1.4.803:=2))",
            tlv(0xA2, tlv(0xA9, tlv(0x81, b"1.2.840.113556.1.4.803"), tlv(0x82, b"userAccountControl"), tlv(0x83, b"2"))),
        ),
        ("(cn:dn:=a)", tlv(0xA9, tlv(0x82, b"cn"), tlv(0x83, b"a"), tlv(0x84, b"\xff"))),
    ],
)
def test_each_kind_of_item_is_encoded_as_the_rfc_has_it(text: str, encoded: bytes) -> None:
    assert parse(text) == encoded


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cn=a",
        "(cn=a",
        "(cn=a))",
        "()",
        "(&)",
        "(!(a=1)(b=2))",
        "(cn=\\zz)",
        "(cn=\\2)",
        "(cn=a**b)",
        "(=a)",
        "(:=a)",
        "(cn>=a*)",
        "(" * 9999,
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(BadFilter) as caught:
        parse(text)
    assert "cn" not in str(caught.value)


@settings(deadline=None)
@given(
    st.binary(max_size=60)
    | st.builds(lambda op, rest: integer(1) + tlv(op, rest), st.sampled_from([0x61, 0x64, 0x65]), st.binary(max_size=40))
)
def test_any_bytes_are_an_answer_or_malformed(content: bytes) -> None:
    try:
        read(content)
    except Malformed:
        return
    assert content[:1] == b"\x02"


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.tuples(_ATTRIBUTE, st.lists(st.binary(max_size=200), max_size=4)), max_size=4))
def test_an_entry_is_read_as_it_was_written(dn: bytes, attributes: list[tuple[str, list[bytes]]]) -> None:
    listed = [tlv(0x30, tlv(4, name.encode()), tlv(0x31, *(tlv(4, value) for value in values))) for name, values in attributes]
    message = integer(77_000) + tlv(0x64, tlv(4, dn), tlv(0x30, *listed))
    assert read(message) == (77_000, Entry(dn, tuple((name, tuple(values)) for name, values in attributes)))
