"""`$filter` and `$orderby`: what the store answers in SQL, and the memory in Python, is what the question means."""

import operator
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.clock import to_microseconds
from rightful.errors import InvalidRequest
from rightful.graph import filters, options
from rightful.graph.bodies import STATUS_WORDS
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.store.connection import Connection
from rightful.store.listing import NEWEST_FIRST, place
from rightful.store.postgres import PostgresStore
from rightful.store.sql_store import SqlStore
from rightful.store.sqlite import SqliteStore
from rightful.store.values import ListQuery
from rightful.subject.model import SubjectKind
from rightful.testing.clock import ManualClock
from rightful.testing.memory_exports import MemoryExports

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GUID = "aaaaaaaa-0000-4000-8000-00000000000a"
SUBJECTS = (GUID, GUID.upper(), "Ann", "ann", "o'brien", "é", "")
WORDS = ("notStarted", "running", "complete", "failed")

moments = st.integers(-3, 3).map(lambda number: START + timedelta(microseconds=number))


@st.composite
def operations(draw: st.DrawFn) -> list[DataPolicyOperation]:
    def one(number: int) -> DataPolicyOperation:
        status = draw(st.sampled_from(sorted(OperationStatus)))
        is_ended = status in {OperationStatus.COMPLETE, OperationStatus.FAILED}
        return DataPolicyOperation(
            operation_id=OperationId(f"{draw(st.integers(0, 9))}{number:07}-0000-4000-8000-000000000000"),
            tenant_id=TENANT,
            subject_id=SubjectId(draw(st.sampled_from(SUBJECTS))),
            subject_kind=SubjectKind.USER,
            caller_key="caller",
            status=status,
            submitted_at=draw(moments),
            completed_at=draw(moments) if is_ended else None,
            storage_location="x",
            prefix="",
        )

    return [one(number) for number in range(draw(st.integers(0, 12)))]


# -- a question, as text and as plain Python --------------------------------------------------------------------------

Question = tuple[str, int, Callable[[DataPolicyOperation], bool]]
"""Its text, how closely its outermost operator binds (0 or, 1 and, 2 the rest), and what it means."""

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def compared(word: str, mine: Any, asked: Any) -> bool:
    """OData 4.0 part 2, 5.1.1.1: null equals null alone, and is neither before nor after anything."""
    if mine is None or asked is None:
        return (
            OPERATORS[word](mine is None, asked is None) if word == "eq" else (mine is None) != (asked is None) if word == "ne" else False
        )
    return OPERATORS[word](mine, asked)


def rank(operation: DataPolicyOperation) -> int:
    return WORDS.index(STATUS_WORDS[operation.status])


def in_either_case(text: str) -> str:
    return text.lower() if len(text) == len(GUID) else text


@st.composite
def status_literals(draw: st.DrawFn) -> tuple[str, int | None]:
    word = draw(st.sampled_from([*WORDS, "unknownFutureValue", "null"]))
    if word == "null":
        return word, None
    type_ = draw(st.sampled_from(["", "microsoft.graph.dataPolicyOperationStatus"]))
    return f"{type_}'{word}'", [*WORDS, "unknownFutureValue"].index(word)


@st.composite
def user_literals(draw: st.DrawFn) -> tuple[str, str | None]:
    text = draw(st.sampled_from([*SUBJECTS, "b", " or ", ")"]) | st.none())
    if text is None:
        return "null", None
    return "'" + text.replace("'", "''") + "'", text


@st.composite
def time_literals(draw: st.DrawFn) -> tuple[str, int | None]:
    """Moments as nanoseconds, so that a fraction of a microsecond can be told."""
    at = draw(moments | st.none())
    if at is None:
        return "null", None
    zone = timezone(timedelta(minutes=draw(st.sampled_from([0, 90, -480]))))
    extra = draw(st.sampled_from(["", "000", "5", "001"]))
    text = at.astimezone(zone).isoformat(timespec="microseconds")
    text = f"{text[:26]}{extra}{text[26:].replace('+00:00', draw(st.sampled_from(['Z', 'z', '+00:00'])))}"
    return text, to_microseconds(at) * 1000 + int(extra.ljust(3, "0") or 0)


def nanoseconds(at: datetime | None) -> int | None:
    return None if at is None else to_microseconds(at) * 1000


@st.composite
def comparisons(draw: st.DrawFn) -> Question:
    name, literals, get = draw(
        st.sampled_from(
            [
                ("status", status_literals(), rank),
                ("userId", user_literals(), lambda operation: operation.subject_id),
                ("submittedDateTime", time_literals(), lambda operation: nanoseconds(operation.submitted_at)),
                ("completedDateTime", time_literals(), lambda operation: nanoseconds(operation.completed_at)),
            ]
        )
    )
    shown = draw(st.sampled_from([name, name.upper()]))
    if draw(st.booleans()):
        word = draw(st.sampled_from(sorted(OPERATORS)))
        text, value = draw(literals)

        def means(operation: DataPolicyOperation) -> bool:
            mine = get(operation)
            if name == "userId" and word in {"eq", "ne"} and value is not None:
                return compared(word, in_either_case(mine), in_either_case(value))
            return compared(word, mine, value)

        return f"{shown} {draw(st.sampled_from([word, word.upper()]))} {text}", 2, means
    found = draw(st.lists(literals, min_size=1, max_size=4))

    def is_in(operation: DataPolicyOperation) -> bool:
        mine = get(operation)
        if name == "userId":
            return in_either_case(mine) in [None if value is None else in_either_case(value) for _, value in found]
        return mine in [value for _, value in found]

    between = draw(st.sampled_from([",", " , "]))
    return f"{shown} in ({between.join(text for text, _ in found)})", 2, is_in


def enclosed(question: Question, least: int) -> str:
    text, binds, _ = question
    return text if binds >= least else f"({text})"


@st.composite
def joined(draw: st.DrawFn, inner: st.SearchStrategy[Question]) -> Question:
    kind = draw(st.sampled_from(["not", "and", "or", "()"]))
    one = draw(inner)
    if kind == "not":
        return f"not ({one[0]})", 2, lambda operation: not one[2](operation)
    if kind == "()":
        return f"( {one[0]} )", 2, one[2]
    other = draw(inner)
    if kind == "and":
        return f"{enclosed(one, 1)} and {enclosed(other, 1)}", 1, lambda operation: one[2](operation) and other[2](operation)
    return f"{one[0]} or {other[0]}", 0, lambda operation: one[2](operation) or other[2](operation)


questions = st.recursive(comparisons(), joined, max_leaves=5)

KEYS: dict[str, Callable[[DataPolicyOperation], Any]] = {
    "status": rank,
    "userId": lambda operation: operation.subject_id,
    "submittedDateTime": lambda operation: operation.submitted_at,
    "completedDateTime": lambda operation: (operation.completed_at is not None, operation.completed_at or START),
}
orders = st.lists(st.tuples(st.sampled_from(sorted(KEYS)), st.booleans()), min_size=1, max_size=4, unique_by=lambda key: key[0])


def in_order(found: list[DataPolicyOperation], keys: list[tuple[str, bool]]) -> list[DataPolicyOperation]:
    descending = keys[-1][1]
    ordered = sorted(found, key=lambda operation: operation.operation_id, reverse=descending)
    if "submittedDateTime" not in dict(keys):
        keys = [*keys, ("submittedDateTime", descending)]
    for name, is_falling in reversed(keys):
        ordered.sort(key=KEYS[name], reverse=is_falling)
    return ordered


def ids(found: Any) -> list[OperationId]:
    return [operation.operation_id for operation in found]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    if request.param == "sqlite":
        opened: SqlStore = SqliteStore(Path(tmp_path_factory.mktemp("store")) / "store.db", ManualClock())
    else:
        opened = PostgresStore(request.getfixturevalue("postgres").own_database(), ManualClock())
    yield opened
    opened.close()


def fill(store: SqlStore, found: list[DataPolicyOperation]) -> None:
    columns = "id, tenant_id, subject_id, subject_kind, caller_key, container_key, request_digest, correlation_id, storage_location, prefix"
    rows = [
        (
            *(each.operation_id, each.tenant_id, each.subject_id, each.subject_kind, "c", each.operation_id, "", "", "x", ""),
            *(each.status, to_microseconds(each.submitted_at), each.completed_at and to_microseconds(each.completed_at)),
        )
        for each in found
    ]

    def task(connection: Connection) -> None:
        connection.run("DELETE FROM operation")
        connection.run_each(
            f"INSERT INTO operation ({columns}, status, submitted_at, completed_at) VALUES ({','.join('?' * 13)})",
            rows,
        )

    store._file.write(task)


@given(found=operations(), question=questions, keys=orders, top=st.integers(1, 5), skip=st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_sql_and_memory_answer_what_was_asked(  # noqa: PLR0917 - hypothesis passes by name
    store: SqlStore, found: list[DataPolicyOperation], question: Question, keys: list[tuple[str, bool]], top: int, skip: int
) -> None:
    # GRAPH-31
    text, _, means = question
    expected = ids(in_order([operation for operation in found if means(operation)], keys))
    fill(store, found)
    memory = MemoryExports(())
    for operation in found:
        memory.put(operation)
    spelled = ",".join(f"{name} {'desc' if is_falling else 'asc'}" for name, is_falling in keys)
    order = options.parse_order(spelled)
    query = ListQuery(tenant_id=TENANT, subject_kinds=(SubjectKind.USER,), where=filters.parse(text), order=order, limit=top)
    assert memory.count(query) == store.count(query) == len(expected)
    pages: list[OperationId] = []
    while True:
        page = store.list(query)
        assert ids(memory.list(query)) == ids(page)
        pages += ids(page)
        if len(page) < top:
            break
        token = options.format_skiptoken(order, place(page[-1], order))
        query = msgspec.structs.replace(query, after=options.parse_skiptoken(token, order))
    assert pages == expected
    skipping = msgspec.structs.replace(query, after=None, skip=skip)
    assert ids(store.list(skipping)) == ids(memory.list(skipping)) == expected[skip : skip + top]


words = st.lists(
    st.sampled_from(
        [
            *(
                "userId",
                "status",
                "completedDateTime",
                "eq",
                "ne",
                "le",
                "in",
                "and",
                "or",
                "not",
                "(",
                ")",
                ",",
                "null",
                "7",
                " ",
                "é",
                "'",
            ),
            *("'x'", "'failed'", "'o''b'", "2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "0001-01-01T00:00+05:00", "contains("),
        ]
    ),
    max_size=14,
)


@given(text=words.map(" ".join) | st.text(max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_filter_is_read_or_refused_where_it_goes_wrong(text: str) -> None:
    said = "$filter, character 1: "
    try:
        filters.parse(text)
    except InvalidRequest as error:
        said = error.message
    assert said.startswith("$filter, character ")
    assert 1 <= int(said.split()[2].rstrip(":")) <= len(text) + 1
    assert said.isprintable()


@given(depth=st.integers(0, 40), opening=st.sampled_from(["(", "not ("]))
def test_depth_is_bounded(depth: int, opening: str) -> None:
    text = opening * depth + "status eq 'failed'" + ")" * depth
    most = filters.MAX_DEPTH if opening == "(" else filters.MAX_DEPTH // 2
    if depth <= most:
        filters.parse(text)
        return
    with pytest.raises(InvalidRequest, match="nested deeper"):
        filters.parse(text)


@given(found=operations(), keys=orders)
@settings(max_examples=100, deadline=None)
def test_skiptoken_turns_back(found: list[DataPolicyOperation], keys: list[tuple[str, bool]]) -> None:
    order = options.parse_order(",".join(f"{name} {'desc' if is_falling else 'asc'}" for name, is_falling in keys))
    for operation in found:
        where = place(operation, order)
        assert options.parse_skiptoken(options.format_skiptoken(order, where), order) == where


@given(text=st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_skiptoken_is_read_or_refused(text: str) -> None:
    try:
        options.parse_skiptoken(text, NEWEST_FIRST)
    except InvalidRequest:
        return
