"""OData query options of the list of operations, read strictly: nothing that is asked is silently passed over. Pure.

$filter    userId eq '…', status eq '…', joined by `and`, in parentheses or not
$orderby   submittedDateTime asc|desc
$top $skip $count $select $skiptoken
"""

import base64
import binascii
import re
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from rightful.clock import from_microseconds, to_microseconds
from rightful.errors import InvalidRequest
from rightful.graph import escapes
from rightful.graph.bodies import STATUS_WORDS
from rightful.ids import GUID, OperationId
from rightful.operation.model import OperationStatus

DEFAULT_PAGE = 100
MAX_PAGE = 999
MAX_SKIP = 10_000
MAX_FILTER_CHARS = 2048

_FILTER_HINT = "userId and status can be compared, for instance: userId eq '…' and status eq 'running'"

_NAMES = frozenset({"$filter", "$orderby", "$select", "$top", "$skip", "$count", "$skiptoken"})
_TOKEN = re.compile(r"\s*(?:(?P<paren>[()])|(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z_][A-Za-z0-9_.]*))")
_STATUSES = {word: status for status, word in STATUS_WORDS.items()}
_UNKNOWN_STATUS = "unknownFutureValue"
_STATUS_TYPE = "microsoft.graph.datapolicyoperationstatus"
_PLACE = re.compile(rf"(-?[0-9]{{1,18}})\.({GUID})")


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What `$filter` asks for."""

    subject_id: str | None = None
    status: OperationStatus | None = None
    is_empty: bool = False
    """Nothing can match: two different users, or a status that no operation has."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The query options of one request."""

    filter: Filter = Filter()
    descending: bool = True
    top: int = DEFAULT_PAGE
    skip: int = 0
    count: bool = False
    select: tuple[str, ...] = ()
    after: tuple[datetime, OperationId] | None = None
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
            raise InvalidRequest(f"The query option {escapes.shown(name, 32)} is given more than once")
        if name not in _NAMES:
            raise InvalidRequest(f"The query option {escapes.shown(name, 32)} is not supported")
        found[name] = _decode(raw_value)
    return found


def _tokens(text: str) -> list[str]:
    if len(text) > MAX_FILTER_CHARS:
        raise InvalidRequest("$filter is too long")
    found: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise InvalidRequest(f"$filter cannot be read at character {at + 1}", hint=_FILTER_HINT)
        found.append(token.group().strip())
        at = token.end()
    return found


def _literal(token: str) -> str:
    if not token.startswith("'"):
        raise InvalidRequest("$filter compares with something that is no 'text'")
    return token[1:-1].replace("''", "'")


def _also(found: Filter, name: str, value: str) -> Filter:
    """Add one comparison to those before it."""
    if name == "userid":
        clash = found.subject_id not in {None, value}
        return msgspec.structs.replace(found, subject_id=value, is_empty=found.is_empty or clash)
    if name == "status":
        if value == _UNKNOWN_STATUS:
            return msgspec.structs.replace(found, is_empty=True)
        status = _STATUSES.get(value)
        if status is None:
            raise InvalidRequest(f"$filter names no status: one of {', '.join(_STATUSES)}")
        clash = found.status not in {None, status}
        return msgspec.structs.replace(found, status=status, is_empty=found.is_empty or clash)
    raise InvalidRequest("$filter: only userId and status can be compared")


def parse_filter(text: str) -> Filter:
    """Read `$filter`; raises `InvalidRequest`. Parentheses change nothing between `and`s, they only must match."""
    tokens = _tokens(text)
    found = Filter()
    depth = 0
    at = 0
    while True:
        while tokens[at : at + 1] == ["("]:
            depth += 1
            at += 1
        match tokens[at : at + 4]:
            case [name, operator, type_, literal] if type_.lower() == _STATUS_TYPE and operator == "eq" and name.lower() == "status":
                at += 4
            case [name, "eq", literal, *_]:
                at += 3
            case _:
                raise InvalidRequest("$filter is no comparison by eq", hint=_FILTER_HINT)
        found = _also(found, name.lower(), _literal(literal))
        while tokens[at : at + 1] == [")"]:
            depth -= 1
            at += 1
        if depth < 0:
            raise InvalidRequest("$filter: the parentheses do not match")
        if at == len(tokens):
            break
        if tokens[at] != "and":
            raise InvalidRequest("$filter: comparisons are joined by and")
        at += 1
    if depth:
        raise InvalidRequest("$filter: the parentheses do not match")
    return found


def _parse_order(text: str) -> bool:
    match text.lower().split():
        case ["submitteddatetime"] | ["submitteddatetime", "asc"]:
            return False
        case ["submitteddatetime", "desc"]:
            return True
        case _:
            raise InvalidRequest("$orderby: only submittedDateTime, asc or desc, can be ordered by")


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
            raise InvalidRequest(f"Could not find a property named '{escapes.shown(name, 32)}' on type 'microsoft.graph.{type_name}'")
        found.append(folded[name.lower()])
    return tuple(dict.fromkeys(found))


def format_skiptoken(submitted_at: datetime, operation_id: OperationId) -> str:
    """Write the place after an operation as a word that clients only hand back."""
    return base64.urlsafe_b64encode(f"{to_microseconds(submitted_at)}.{operation_id}".encode()).decode().rstrip("=")


def parse_skiptoken(text: str) -> tuple[datetime, OperationId]:
    """Read what `format_skiptoken` wrote; it says a place and gives no right."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        place = _PLACE.fullmatch(raw)
        at = from_microseconds(int(place[1])) if place else None
    except (ValueError, OverflowError, binascii.Error):
        place = at = None
    if place is None or at is None:
        raise InvalidRequest("$skiptoken is not one that this service gave out", hint="follow @odata.nextLink as it is")
    return at, OperationId(place[2])


def parse_options(query_string: bytes, *, is_beta: bool, properties: frozenset[str]) -> Options:
    """Read the options of the list of operations; raises `InvalidRequest`."""
    given = parse_query(query_string, is_beta=is_beta)
    count = given.get("$count", "false").lower()
    if count not in {"true", "false"}:
        raise InvalidRequest("$count is neither true nor false")
    return Options(
        filter=parse_filter(given["$filter"]) if "$filter" in given else Filter(),
        descending=_parse_order(given["$orderby"]) if "$orderby" in given else True,
        top=_parse_number("$top", given["$top"], MAX_PAGE, smallest=1) if "$top" in given else DEFAULT_PAGE,
        skip=_parse_number("$skip", given["$skip"], MAX_SKIP) if "$skip" in given else 0,
        count=count == "true",
        select=parse_select(given["$select"], properties, "dataPolicyOperation") if "$select" in given else (),
        after=parse_skiptoken(given["$skiptoken"]) if "$skiptoken" in given else None,
        kept=tuple((name, value) for name, value in given.items() if name in {"$filter", "$orderby", "$top", "$select"}),
    )


def next_link(url: str, options: Options, submitted_at: datetime, operation_id: OperationId) -> str:
    """Return the absolute link of the page after an operation (GRAPH-31): the same question, without `$skip` and `$count`."""
    query = urlencode([*options.kept, ("$skiptoken", format_skiptoken(submitted_at, operation_id))], safe="$")
    return f"{url}?{query}"
