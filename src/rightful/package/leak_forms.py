"""What in a text may be somebody's name: GUIDs and addresses wherever they stand, behind escapes too, and numbers however they are written.

Texts come as their distinct values, thousands at once. What hides names takes time only in texts that have it: escapes of JSON and URLs are
read where a text has a backslash, or a percent sign, beside an at sign, those of HTML where it has an ampersand.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import unquote

import polars as pl

from rightful.package.name_index import GUID, forms_of_few, guid_form, number_form, plain_forms

_GUID_DIGITS = 32
_CROWDED = _GUID_DIGITS + 4
"""Hex digits in a row that may be a GUID's, and up to four right before or after it: those of an escape, as in `%3d` or `\\u003d`."""
_AT_SIGNS = r"@|%(?:25)*40|&(?:amp;)*#0{0,6}64;|&(?:amp;)*#x0{0,6}40;|&(?:amp;)*commat;|\\+u\{?0{0,4}40\}?|\\+x40|[\x{FF20}\x{FE6B}]"
"""@, and how URLs, HTML, JSON and other scripts write it, in lower case."""
_EDGE = r"""'"`*_~=.,;:!?/\|+-"""
"""What stands beside an address and belongs to the text."""
_ADDRESSES = (
    r"[^\s<>()\[\]{},;:\"|\\@]+@[^\s<>()\[\]{},;:\"|\\@]+",
    r"[\p{L}\p{M}\p{N}.+'#_%-]+@[\p{L}\p{M}\p{N}.-]+",
    r"[a-z0-9.+#_-]+@[a-z0-9.-]+",
)
"""Characters that may be an address: all but what separates words; letters and digits of any script; ASCII's alone, as beside Chinese."""
_PLAIN_ADDRESS = r"\A[a-z0-9][a-z0-9._-]*@[a-z0-9.-]*[a-z0-9]\z"
"""A whole text that is an address and hides no other."""
_OF_GUESTS = "#ext#@"
"""How Entra ID ends the local part of a guest's UPN: `a_contoso.example#EXT#@fabrikam.example`."""
_IN_PLACE_OF_IT = "\N{INVISIBLE SEPARATOR}@"
_BEHIND_HASH = r"#[^#@\s]+@"
_NUMBER = r"\A(?:0+[0-9]+(?:\.0*)?|[0-9]+\.0*)\z"
"""A whole number with leading zeros, or with places after the point that are none."""

_HINTS = re.compile("[@%&\\\\\uff20\ufe6b]")
"""One of these is in all that `_AT_SIGNS` finds."""
_LONG = re.compile(rf"[0-9a-f-]{{{_GUID_DIGITS}}}")
_IS_PLAIN_ADDRESS = re.compile(_PLAIN_ADDRESS.replace(r"\z", r"\Z"))
_IS_NUMBER = re.compile(_NUMBER.replace(r"\z", r"\Z"))

_VISIBLE = range(0x20, 0x7F)
_OF_JSON: Mapping[str, str] = {
    **{f"\\u{code:04x}": chr(code).lower() for code in _VISIBLE},
    **{f"\\x{code:02x}": chr(code).lower() for code in _VISIBLE},
    **{f"\\{letter}": " " for letter in "nrtbfv0"},
    "\\/": "/",
}
_OF_URLS: Mapping[str, str] = {f"%{code:02x}": chr(code).lower() if code in _VISIBLE else " " for code in range(0x80)}
_OF_HTML: Mapping[str, str] = {
    **{f"&#{code};": chr(code).lower() for code in _VISIBLE},
    **{f"&#x{code:02x};": chr(code).lower() for code in _VISIBLE},
    **{f"&{name};": sign for name, sign in {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": " "}.items()},
}
_OTHER_ENTITY = r"&(?:[a-z][a-z0-9]{1,30}|#[0-9]{1,7}|#x[0-9a-f]{1,6});"
_OTHER_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


def of_many(texts: pl.Series, *, has_numbers: bool) -> pl.DataFrame:
    """Return (text, form) of texts and of what may be names in them; of numbers where any are looked for."""
    whole = pl.DataFrame({"text": texts, "form": plain_forms(texts)})
    return pl.concat([whole, *_within(whole, has_numbers=has_numbers)])


def of_few(texts: Sequence[str], *, has_numbers: bool) -> pl.DataFrame:
    """Return the same of a few: each call of polars, of which there are two dozen, takes as long as a look at fifty texts one by one."""
    forms = forms_of_few(texts)
    whole = pl.DataFrame({"text": texts, "form": forms}, schema={"text": pl.String, "form": pl.String})
    hiding = pl.Series([_may_hide(form, has_numbers=has_numbers) for form in forms], dtype=pl.Boolean)
    return pl.concat([whole, *_within(whole.filter(hiding), has_numbers=has_numbers)]) if hiding.any() else whole


def _may_hide(form: str, *, has_numbers: bool) -> bool:
    """Say no only where nothing but the whole form may be a name."""
    if len(form) >= _GUID_DIGITS and _LONG.search(form) is not None:
        return True
    if _HINTS.search(form) is not None and _IS_PLAIN_ADDRESS.match(form) is None:
        return True
    return has_numbers and _IS_NUMBER.match(form) is not None


def _within(whole: pl.DataFrame, *, has_numbers: bool) -> Iterator[pl.DataFrame]:
    """Yield (text, form) of what may be names in texts, whose own forms are given."""
    form = pl.col("form")
    flags = whole.select(
        form.str.contains(GUID).alias("guid"),
        (form.str.contains(_AT_SIGNS) & ~form.str.contains(_PLAIN_ADDRESS)).alias("address"),
        (form.str.contains(_NUMBER) if has_numbers else pl.lit(value=False)).alias("number"),
    )
    if flags["guid"].any():
        long = whole.filter(flags["guid"])
        yield _each(long, GUID).with_columns(guid_form(form))
        crowded = _each(long, rf"[0-9a-f]{{{_GUID_DIGITS + 1},}}").filter(form.str.len_bytes() <= _CROWDED)
        for start in range(_CROWDED - _GUID_DIGITS + 1) if crowded.height else ():
            yield crowded.with_columns(form.str.slice(start, _GUID_DIGITS)).filter(form.str.len_bytes() == _GUID_DIGITS)
    if flags["address"].any():
        yield from _addresses(whole.filter(flags["address"]).with_columns(form.str.replace_all(_AT_SIGNS, "@")))
    if flags["number"].any():
        yield whole.filter(flags["number"]).with_columns(number_form(form).alias("form"))


def _addresses(named: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for written in (named, _of_html(named)):
        for texts in _read(written):
            yield texts
            for pattern in _ADDRESSES:
                yield _each(texts, pattern).with_columns(pl.col("form").str.strip_chars(_EDGE))


def _read(named: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield texts as they stand there, and with their escapes read, where they have any: those of JSON may lie in those of a URL."""
    yield from _with_blanks(named)
    of_json = _of_json(named)
    yield from _with_blanks(of_json)
    for texts in (named, of_json):
        of_url = _of_url(texts)
        yield from _with_blanks(of_url)
        yield from _with_blanks(_of_json(of_url))


def _with_blanks(texts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield texts, and those with a plus as a form of the web sends them: it stands for a blank, unless it is an address's own."""
    if texts.height:
        yield from _with_hashes(texts)
        plus = texts.filter(pl.col("form").str.contains("+", literal=True))
        if plus.height:
            yield from _with_hashes(plus.with_columns(pl.col("form").str.replace_all("+", " ", literal=True)))


def _with_hashes(texts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield texts, and those with a # before an address: it begins a fragment or a tag, unless it is an address's own, as in a guest's."""
    yield texts
    form = pl.col("form")
    split = texts.with_columns(form.str.replace_all(_OF_GUESTS, _IN_PLACE_OF_IT, literal=True)).filter(form.str.contains(_BEHIND_HASH))
    if split.height:
        yield split.with_columns(form.str.replace_all("#", " ", literal=True).str.replace_all(_IN_PLACE_OF_IT, _OF_GUESTS, literal=True))


def _of_json(texts: pl.DataFrame) -> pl.DataFrame:
    form = pl.col("form")
    escaped = texts.filter(form.str.contains("\\", literal=True))
    if not escaped.height:
        return escaped
    read = escaped.with_columns(form.str.replace_all(r"\\+", "\\").str.replace_many(list(_OF_JSON), list(_OF_JSON.values())))
    return _by_hand(read, r"\\u[0-9a-f]{4}", lambda text: _OTHER_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text))


def _of_url(texts: pl.DataFrame) -> pl.DataFrame:
    form = pl.col("form")
    escaped = texts.filter(form.str.contains("%", literal=True))
    if not escaped.height:
        return escaped
    read = escaped.with_columns(form.str.replace_all("%(?:25)+", "%").str.replace_many(list(_OF_URLS), list(_OF_URLS.values())))
    return _by_hand(read, r"%[c-f][0-9a-f]%[89ab][0-9a-f]", unquote)


def _of_html(texts: pl.DataFrame) -> pl.DataFrame:
    form = pl.col("form")
    escaped = texts.filter(form.str.contains(_OTHER_ENTITY))
    if not escaped.height:
        return escaped
    read = escaped.with_columns(form.str.replace_all("&(?:amp;)+", "&").str.replace_many(list(_OF_HTML), list(_OF_HTML.values())))
    return _by_hand(read, _OTHER_ENTITY, html.unescape)


def _by_hand(texts: pl.DataFrame, pattern: str, read: Callable[[str], str]) -> pl.DataFrame:
    """Read what is rare, text by text: letters beyond ASCII."""
    form = texts["form"]
    places = form.str.contains(pattern)
    if not places.any():
        return texts
    others = [unicodedata.normalize("NFC", _whole(read(text)).lower()) for text in form.filter(places)]
    return texts.with_columns(form.scatter(places.arg_true(), pl.Series(others, dtype=pl.String)))


def _whole(text: str) -> str:
    """Return a text with its surrogates as the characters that they make; a lone one is no letter."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _each(texts: pl.DataFrame, pattern: str) -> pl.DataFrame:
    """Return (text, form) of all that a pattern finds in forms."""
    return texts.with_columns(pl.col("form").str.extract_all(pattern)).explode("form").drop_nulls()
