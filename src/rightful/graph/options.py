"""OData query options of the list of operations, read strictly: nothing that is asked is silently passed over. Pure.

$filter    `filters` reads it
$orderby   properties that can be compared, each with asc or desc
$top $skip $count $select $skiptoken
"""

import base64
import binascii
import re
from urllib.parse import urlencode

import msgspec

from rightful.errors import InvalidRequest
from rightful.graph import escapes, filters
from rightful.operation.model import DataPolicyOperation
from rightful.store.listing import NEWEST_FIRST, Field, Filter, Key, Place, order, place

DEFAULT_PAGE = 100
MAX_PAGE = 999
MAX_SKIP = 10_000

_NAMES = frozenset({"$filter", "$orderby", "$select", "$top", "$skip", "$count", "$skiptoken"})
_TEXTS = frozenset({Field.SUBJECT, Field.ID})
_LARGEST = 2**63 - 1


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The query options of one request."""

    where: Filter | None = None
    order: tuple[Key, ...] = NEWEST_FIRST
    top: int = DEFAULT_PAGE
    skip: int = 0
    count: bool = False
    select: tuple[str, ...] = ()
    after: Place | None = None
    kept: tuple[tuple[str, str], ...] = ()
    """The options that the next page's link repeats, as they came."""

    def __repr__(self) -> str:
        """Show nothing: a filter may name a person."""
        return "Options()"


def _decode(raw: bytes) -> str:
    try:
        return escapes.decode(raw.replace(b"+", b" "))
    except ValueError:
        raise InvalidRequest("The query is not percent-encoded UTF-8") from None


def parse_query(query_string: bytes, *, is_beta: bool) -> dict[str, str]:
    """Return OData's options by name, with their `$`; beta takes it or leaves it (GRAPH-31). Other parameters are passed over."""
    found: dict[str, str] = {}
    for pair in query_string.split(b"&"):
        raw_name, _, raw_value = pair.partition(b"=")
        name = _decode(raw_name).lower()
        if is_beta and f"${name}" in _NAMES:
            name = f"${name}"
        if not name.startswith("$"):
            continue
        if name in found:
            raise InvalidRequest(f"The query option {escapes.name(name)} is given more than once")
        if name not in _NAMES:
            raise InvalidRequest(f"The query option {escapes.name(name)} is not supported")
        found[name] = _decode(raw_value)
    return found


def parse_order(text: str) -> tuple[Key, ...]:
    """Read `$orderby`; returns a total order. Raises `InvalidRequest`."""
    found: list[Key] = []
    for part in text.split(","):
        name, *direction = part.lower().split() or [""]
        field = filters.PROPERTIES.get(name)
        if field is None or direction not in ([], ["asc"], ["desc"]):
            raise InvalidRequest(
                f"$orderby: the property {escapes.name(name)} is not one of {filters.PROPERTY_NAMES}, alone or with asc or desc",
                target="$orderby",
            )
        if any(key.field is field for key in found):
            raise InvalidRequest(f"$orderby: the property {escapes.name(name)} is given more than once", target="$orderby")
        found.append(Key(field, descending=direction == ["desc"]))
    return order(*found)


def _parse_number(name: str, text: str, largest: int, smallest: int = 0) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not smallest <= int(text) <= largest:
        raise InvalidRequest(f"Invalid {name}: must be between {smallest} and {largest} inclusive")
    return int(text)


def parse_select(text: str, properties: frozenset[str], type_name: str) -> tuple[str, ...]:
    """Read `$select`: names of a type's properties, `*` for all; returns none for all."""
    folded = {name.lower(): name for name in properties}
    found: list[str] = []
    for part in text.split(","):
        name = part.strip()
        if name == "*":
            return ()
        if name.lower() not in folded:
            raise InvalidRequest(f"Could not find a property named {escapes.name(name, 'as given')} on type 'microsoft.graph.{type_name}'")
        found.append(folded[name.lower()])
    return tuple(dict.fromkeys(found))


def _spelled(keys: tuple[Key, ...]) -> str:
    return " ".join(f"{'-' if key.descending else '+'}{key.field}" for key in keys)


def format_skiptoken(keys: tuple[Key, ...], place: Place) -> str:
    """Write a place of an order as a word that clients only hand back."""
    return base64.urlsafe_b64encode(msgspec.json.encode((_spelled(keys), place))).decode().rstrip("=")


def parse_skiptoken(text: str, keys: tuple[Key, ...]) -> Place:
    """Read what `format_skiptoken` wrote for this order; it says a place and gives no right."""
    try:
        spelled, place = msgspec.json.decode(
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), type=tuple[str, Place]
        )
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        spelled, place = "", ()
    kinds = [str if key.field in _TEXTS else int for key in keys]
    if spelled != _spelled(keys) or [type(each) for each in place] != kinds or any(_is_out(each) for each in place):
        raise InvalidRequest(
            "$skiptoken is not one that this service gave out for this question",
            hint="follow @odata.nextLink as it is",
            target="$skiptoken",
        )
    return place


def _is_out(value: int | str) -> bool:
    return isinstance(value, int) and not -_LARGEST <= value <= _LARGEST


def parse_options(query_string: bytes, *, is_beta: bool, properties: frozenset[str]) -> Options:
    """Read the options of the list of operations; raises `InvalidRequest`."""
    given = parse_query(query_string, is_beta=is_beta)
    count = given.get("$count", "false").lower()
    if count not in {"true", "false"}:
        raise InvalidRequest("$count is neither true nor false")
    keys = parse_order(given["$orderby"]) if "$orderby" in given else NEWEST_FIRST
    return Options(
        where=filters.parse(given["$filter"]) if "$filter" in given else None,
        order=keys,
        top=_parse_number("$top", given["$top"], MAX_PAGE, smallest=1) if "$top" in given else DEFAULT_PAGE,
        skip=_parse_number("$skip", given["$skip"], MAX_SKIP) if "$skip" in given else 0,
        count=count == "true",
        select=parse_select(given["$select"], properties, "dataPolicyOperation") if "$select" in given else (),
        after=parse_skiptoken(given["$skiptoken"], keys) if "$skiptoken" in given else None,
        kept=tuple((name, value) for name, value in given.items() if name in {"$filter", "$orderby", "$top", "$select"}),
    )


def next_link(url: str, options: Options, last: DataPolicyOperation) -> str:
    """Return the absolute link of the page after an operation (GRAPH-31): the same question, without `$skip` and `$count`."""
    token = format_skiptoken(options.order, place(last, options.order))
    return f"{url}?{urlencode([*options.kept, ('$skiptoken', token)], safe='$')}"
