"""What names the people of a directory, as a set of keyed hashes that texts are looked up in, thousands at once.

A name is an identifier of a kind that names one person: an object id, a user principal name, an employee number. Of each an index holds a
hash of 64 bits, by a key that is drawn for it, so that nobody reads a name back. Names have one form, in which they are hashed: a GUID is
32 digits, a number has no leading zeros, anything else is in lower case after NFC. That is looser than `subject.matching`, where letter
case and zeros may count: whoever is found by it is named all the same. A name is weak where it is met by chance: no GUID, no address, and
short, or of letters or of digits alone.
"""

import re
import secrets
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

MOST_NAMES = 30_000_000
"""Names that an index takes, some eleven bytes each; where there are more, it does not know everybody."""
GUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
"""In lower case."""
LEAST_STRONG = 6
"""Characters, a letter and a digit among them, of a name that is looked for wherever it is a whole cell."""

_WHOLE_GUID = rf"\A\{{?{GUID}\}}?\z"
_WHOLE_NUMBER = r"\A[0-9]+(?:\.0*)?\z"
_IS_GUID = re.compile(_WHOLE_GUID.replace(r"\z", r"\Z"))
_IS_NUMBER = re.compile(_WHOLE_NUMBER.replace(r"\z", r"\Z"))
_FEW = 512
"""Identifiers of which looking one by one takes less than the calls of polars for all of them."""
_ADDRESS = r"\S@\S"
_BLANKS = " \t\n\v\f\r"
"""Of ASCII's characters those that Unicode calls white space."""
_LEAST = 2
_WEAK = 1
_NAMED = {"text": pl.String, "hash": pl.UInt64, "kind": pl.String, "is_weak": pl.Boolean}
_FOUND = {"text": pl.String, "hash": pl.UInt64, "sort": pl.UInt8}
_FEW_LIKELY = 24
"""Texts that may be names of which searching one by one takes less than the calls of polars for all of them."""
_MARKED = 3
_PIECE = 1 << 20
_SHARES = 16
_MOST_KINDS = 127
"""The kind of a name and whether it is weak are one byte."""


class _Names:
    """Hashes in order, and the sort of each: its kind, and whether it is weak."""

    def __init__(self, names: pl.DataFrame) -> None:
        self._hashes, self._sorts = names["hash"], names["sort"]
        self._marks = _marks(self._hashes)
        """Whether a name's hash ends in these bits: of what is no name, most is known by one look."""

    def find(self, texts: pl.Series, hashes: pl.Series) -> pl.DataFrame | None:
        """Return (text, hash, sort) of texts whose hashes are here; None where none is."""
        likely = self._marks.gather(hashes & (len(self._marks) - 1))
        if not likely.any():
            return None
        if likely.sum() <= _FEW_LIKELY:
            return self._find_one_by_one(texts.filter(likely), hashes.filter(likely))
        hashes = hashes.filter(likely)
        places = self._hashes.search_sorted(hashes).clip(0, len(self._hashes) - 1)
        is_name = self._hashes.gather(places) == hashes
        if not is_name.any():
            return None
        hashes = hashes.filter(is_name)
        # A name that is of several kinds lies there several times, one after the other.
        ends = self._hashes.search_sorted(hashes, side="right")
        found = pl.DataFrame({"text": texts.filter(likely).filter(is_name), "hash": hashes})
        found = found.with_columns(pl.int_ranges(places.filter(is_name), ends, eager=True).alias("place")).explode("place")
        return found.select("text", "hash").with_columns(self._sorts.gather(found["place"]).alias("sort"))

    def _find_one_by_one(self, texts: pl.Series, hashes: pl.Series) -> pl.DataFrame | None:
        """Return the same of a few texts, for each of which a search takes a hundredth of what the calls of polars take."""
        found: list[tuple[str, int, int]] = []
        for text, hashed in zip(texts, hashes, strict=True):
            place = bisect_left(self._hashes, hashed)
            while place < len(self._hashes) and self._hashes[place] == hashed:
                found.append((text, hashed, self._sorts[place]))
                place += 1
        return pl.DataFrame(found, schema=_FOUND, orient="row") if found else None


class NameIndex:
    """Hashes of names in order, and of what kind each is; `build` makes one, and nothing changes it."""

    def __init__(self, key: int, kinds: Sequence[str], names: pl.DataFrame, *, is_everybody: bool) -> None:
        self._key = key
        self._kinds = tuple(kinds)
        is_weak = names["sort"] % 2 == _WEAK
        self._strong, self._weak = _Names(names.filter(~is_weak)), _Names(names.filter(is_weak))
        self.is_everybody = is_everybody
        """Whether it knows all names of the directory."""
        self._counts = dict(names["sort"].value_counts().iter_rows())

    @property
    def is_empty(self) -> bool:
        """Whether it knows nobody."""
        return not self._counts

    @property
    def people(self) -> int:
        """How many people it knows: each has an object id."""
        return sum(self.counts(is_weak=is_weak).get("id", 0) for is_weak in (False, True))

    def counts(self, *, is_weak: bool) -> dict[str, int]:
        """Return how many names of each kind it has, weak or others."""
        counts = {kind: self._counts.get(2 * number + is_weak, 0) for number, kind in enumerate(self._kinds)}
        return {kind: count for kind, count in counts.items() if count}

    def named(self, forms: pl.DataFrame, *, with_weak: bool = True) -> pl.DataFrame:
        """Return (text, hash, kind, is_weak) of the rows of (text, form) whose form is a name; weak ones where these are wanted."""
        hashes = forms["form"].hash(self._key)
        found = [names.find(forms["text"], hashes) for names in (self._strong, self._weak)[: 1 + with_weak]]
        named = [each for each in found if each is not None]
        if not named:
            return pl.DataFrame(schema=_NAMED)
        together = pl.concat(named)
        kinds = pl.Series(self._kinds, dtype=pl.String).gather(together["sort"] // 2)
        return together.select("text", "hash").with_columns(kinds.alias("kind"), (together["sort"] % 2 == _WEAK).alias("is_weak"))

    def own(self, identifiers: Sequence[Mapping[str, Iterable[str]]]) -> pl.DataFrame:
        """Return (number of the owner, hash) of all that names somebody, whatever its kind."""
        pairs = [(number, value) for number, kinds in enumerate(identifiers) for values in kinds.values() for value in values]
        if len(pairs) <= _FEW:
            forms = forms_of_few([value for _, value in pairs])
            found = {(number, form) for (number, _), own in zip(pairs, forms, strict=True) for form in (own, _named(own))}
            frame = pl.DataFrame(list(found), schema={"owner": pl.Int32, "hash": pl.String}, orient="row")
            return frame.with_columns(frame["hash"].hash(self._key))
        frame = pl.DataFrame(pairs, schema={"owner": pl.Int32, "text": pl.String}, orient="row")
        frame = frame.with_columns(plain_forms(frame["text"]).alias("text"))
        return pl.concat([frame.select("owner", self._hash(form).alias("hash")) for form in (pl.col("text"), _name_form())]).unique()

    def _hash(self, forms: pl.Expr) -> pl.Expr:
        return forms.hash(self._key)

    def __repr__(self) -> str:
        """Name nobody."""
        return "NameIndex()"


def build(pairs: Iterable[tuple[str, Sequence[str]]], *, is_everybody: bool = True, most: int = MOST_NAMES) -> NameIndex:
    """Make an index of (kind, values); besides it a few thousand values are in memory at once."""
    key = secrets.randbits(63)
    kinds: dict[str, int] = {}
    pieces: list[pl.DataFrame] = [pl.DataFrame(schema={"hash": pl.UInt64, "sort": pl.UInt8})]
    left = most
    for kind, values in pairs:
        number = kinds.setdefault(kind, len(kinds))
        if left <= 0 or number >= _MOST_KINDS:
            is_everybody = False
            break
        hashed = _hashed(values, number, key)
        is_everybody = is_everybody and hashed.height <= left
        pieces.append(hashed.head(left))
        left -= pieces[-1].height
    return NameIndex(key, tuple(kinds), _in_order(pieces), is_everybody=is_everybody)


def _in_order(pieces: list[pl.DataFrame]) -> pl.DataFrame:
    """Return names by their hashes, each once for each of its kinds; a share at a time, since sorting takes four times the memory.

    Pieces are used up.
    """
    names = pl.concat(pieces, rechunk=True)
    pieces.clear()
    shares = []
    for share in range(_SHARES):
        of_share = names.filter(pl.col("hash") // (2**64 // _SHARES) == share).sort("hash", "sort")
        is_other = [of_share[name].ne_missing(of_share[name].shift(1)) for name in ("hash", "sort")]
        shares.append(of_share.filter(is_other[0] | is_other[1]))
    del names
    return pl.concat(shares, rechunk=True)


def _marks(hashes: pl.Series) -> pl.Series:
    """Return which last bits hashes have, of so many bits that most are not set: a byte or two for each hash."""
    size = 1 << (len(hashes).bit_length() + _MARKED)
    marks = pl.repeat(value=False, n=size, eager=True)
    for start in range(0, len(hashes), _PIECE):
        marks = marks.scatter(hashes.slice(start, _PIECE) & (size - 1), values=True)
    return marks


def forms_of_few(texts: Sequence[str]) -> list[str]:
    """Return the same as `plain_forms` of a few texts, whose letters are as a rule ASCII's."""
    forms = [text.strip(_BLANKS).lower() for text in texts]
    others = [number for number, text in enumerate(texts) if not text.isascii()]
    if others:
        for number, form in zip(others, plain_forms(pl.Series([texts[number] for number in others], dtype=pl.String)), strict=True):
            forms[number] = form
    return forms


def plain_forms(texts: pl.Series) -> pl.Series:
    """Return texts as they are compared: NFC, in lower case, without blanks around them."""
    forms = texts.str.strip_chars().str.to_lowercase()
    is_other = forms.str.len_bytes() != forms.str.len_chars()
    if not is_other.any():
        return forms
    return forms.scatter(is_other.arg_true(), forms.filter(is_other).str.normalize("NFC"))  # which takes longer than all the rest


def guid_form(guids: pl.Expr) -> pl.Expr:
    """Return GUIDs in lower case as their digits."""
    return guids.str.replace_all("-", "", literal=True).str.strip_chars("{}")


def number_form(numbers: pl.Expr) -> pl.Expr:
    """Return whole numbers without leading zeros, and without places after the point."""
    digits = numbers.str.replace(r"\.0*\z", "").str.strip_chars_start("0")
    return pl.when(digits == "").then(pl.lit("0")).otherwise(digits)


def _named(form: str) -> str:
    """Return the same as `_name_form`."""
    if _IS_GUID.match(form) is not None:
        return form.replace("-", "").strip("{}")
    if _IS_NUMBER.match(form) is not None:
        return form.partition(".")[0].lstrip("0") or "0"
    return form


def _name_form() -> pl.Expr:
    text = pl.col("text")
    as_guid = pl.when(text.str.contains(_WHOLE_GUID)).then(guid_form(text))
    return as_guid.when(text.str.contains(_WHOLE_NUMBER)).then(number_form(text)).otherwise(text)


def _hashed(values: Sequence[str], number: int, key: int) -> pl.DataFrame:
    text = pl.col("text")
    is_long = (text.str.len_chars() >= LEAST_STRONG) & text.str.contains(r"\d") & text.str.contains(r"\p{L}")
    is_strong = is_long | text.str.contains(_ADDRESS) | text.str.contains(_WHOLE_GUID)
    texts = pl.LazyFrame({"text": plain_forms(pl.Series(values, dtype=pl.String))})
    sort = pl.when(is_strong).then(2 * number).otherwise(2 * number + _WEAK).cast(pl.UInt8)
    return texts.filter(text.str.len_chars() >= _LEAST).select(_name_form().hash(key).alias("hash"), sort.alias("sort")).collect()
