"""The connector `http` against real small servers, hostile ones too."""

import gzip
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tests.servers.api import Asked, Reply, serving

from rightful.connectors import registry
from rightful.connectors.http import HttpConnector
from rightful.connectors.http_settings import HttpSettings
from rightful.connectors.interface import Amount, Connector, Estimate, Rows
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rightful.export.check import check_rows
from rightful.package.serializer import Serializer
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, identified, read_all

Answer = Callable[[Asked], Reply | Iterator[bytes]]
BIG = 123456789012345678901234567890
RECORDS: list[dict[str, Any]] = [
    {"id": 1, "to": {"mail": "ann@contoso.example"}, "big": BIG, "note": "a\nb \u20ac \U0001f600"},
    {"id": 2, "to": {"mail": "ann2@contoso.example"}, "nested": [{"x": [None, 1.10]}]},
    {"id": 3, "to": {"mail": "ann.lee@contoso.example"}, "note": None},
    {"id": 4, "to": {"mail": "ANN@contoso.example"}},
    {"id": 5, "to": {"mail": "ann@fabrikam.example"}},
    {"id": 6, "to": {"mail": ""}},
    {"id": 7, "to": {"mail": None}},
    {"id": 8, "to": {"mail": "ann@contoso.example"}},
    {"id": 9, "to": {"mail": "ann@contoso.example"}, "note": ""},
]


def _query(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}


def _matching(asked: Asked) -> list[dict[str, Any]]:
    mail = _query(asked)["mail"].casefold()
    return [record for record in RECORDS if (record["to"]["mail"] or "").casefold() == mail]


def _page(asked: Asked, name: str, size: int = 2) -> tuple[list[dict[str, Any]], int | None]:
    found, start = _matching(asked), int(_query(asked).get(name, "0"))
    return found[start : start + size], start + size if start + size < len(found) else None


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()


def _by_link_header(asked: Asked) -> Reply:
    found, following = _page(asked, "from")
    target = f"/orders?mail={_query(asked)['mail'].replace('@', '%40')}&from={following}"
    headers = (
        {"Link": f'</first>; rel="first"; title="a, \\"b\\"", <{target}>; rel="last next"'} if following else {"Link": '</x>; rel="prev"'}
    )
    return Reply(_dump(found), headers=headers)


def _by_next_link(asked: Asked) -> Reply:
    found, following = _page(asked, "$skip")
    said: dict[str, Any] = {"value": found}
    if following:
        said["@odata.nextLink"] = (
            f"http://{asked.headers['host']}/orders?mail={_query(asked)['mail'].replace('@', '%40')}&$skip={following}"
        )
    return Reply(_dump(said))


def _by_cursor(asked: Asked) -> Reply:
    found, following = _page(asked, "after")
    return Reply(_dump({"data": {"items": found}, "meta": {"next": following}}))


def _by_page(asked: Asked) -> Reply:
    found, number = _matching(asked), int(_query(asked)["page"])
    return Reply(_dump(found[2 * number : 2 * number + 2]))


def _whole(asked: Asked) -> Reply:
    return Reply(_dump(_matching(asked)))


PAGING: dict[str, tuple[Answer, dict[str, Any]]] = {
    "whole": (_whole, {}),
    "link header": (_by_link_header, {"next": "header"}),
    "next link": (_by_next_link, {"records": "/value", "next": "/@odata.nextLink"}),
    "cursor": (_by_cursor, {"records": "/data/items", "cursor": {"/meta/next": "after"}}),
    "page": (_by_page, {"page": "page", "first_page": 0}),
}


def _connector(url: str, **changed: Any) -> HttpConnector:
    given = {"url": url, "path": "/orders?mail={mail}", "match": {"/to/mail": "mail"}, "requests_per_second": 10_000, **changed}
    return HttpConnector("orders", HttpSettings(**given), siblings={}, folder=Path())


def _lines(connector: Connector, **identifiers: tuple[str, ...]) -> list[str]:
    """Read one person's records, check and write them as an export does."""
    subject = identified(**identifiers)
    lines: list[str] = []
    try:
        header, items = read_all(connector, connector.plan([subject])[0], [subject])
        for item in items:
            assert isinstance(item, Rows)
            check_rows(item.batch, header.match, subject, source_name="orders")
            lines += b"".join(Serializer(header.columns).lines_by(item.batch, [item.batch.num_rows])).decode().splitlines()
    finally:
        connector.close()
    return lines


class TestHttp(ConnectorSuite):
    @pytest.fixture(params=list(PAGING))
    def connector(self, request: pytest.FixtureRequest) -> Iterator[Connector]:
        answer, settings = PAGING[request.param]
        with serving(answer) as api:
            connector = _connector(api.url, **settings)
            yield connector
            connector.close()

    @pytest.fixture
    def broken(self) -> Iterator[Connector]:
        with serving(lambda _: Reply(b"[]", status=404)) as api:
            broken = _connector(api.url)
            yield broken
            broken.close()

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        def found(*ids: int) -> Found:
            texts = {record["id"]: json.dumps(record) for record in RECORDS}
            return Found(rows=tuple({"record": texts[number]} for number in ids))

        return {ANN.name: found(1, 4, 8, 9, 3), ANN2.name: found(2), UPPER.name: found(5)}


def test_record_is_written_as_it_stands() -> None:
    with serving(_whole) as api:
        lines = [json.loads(line)["record"] for line in _lines(_connector(api.url), mail=ANN.mail)]
    assert lines == [record for number in (1, 4, 8, 9, 3) for record in RECORDS if record["id"] == number]
    assert lines[0]["big"] == BIG


def test_identifiers_are_encoded_never_spliced() -> None:
    hostile = "a&admin=1#x/../?%2e \r\nX: y+\u00e9@b.example"
    with serving(lambda _: Reply(b"[]")) as api:
        assert _lines(_connector(api.url, path="/u/{upn}/o?mail={mail}"), mail=(hostile,), upn=("..", ".", "a/../b")) == []
        [asked] = api.asked
    assert unquote(asked.target) == f"/u/a/../b/o?mail={hostile}"
    assert asked.target.count("/") == 3
    assert _query(asked) == {"mail": hostile}
    assert "x" not in asked.headers


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        ({"token": "t0ken"}, "authorization", "Bearer t0ken"),
        ({"user": "u", "password": "p:\u00e9"}, "authorization", "Basic dTpwOsOp"),
        ({"headers": {"X-Api-Key": "k3y"}}, "x-api-key", "k3y"),
    ],
)
def test_access_is_sent_and_shown_nowhere(settings: dict[str, Any], header: str, value: str) -> None:
    with serving(lambda _: Reply(b"", status=403)) as api:
        connector = _connector(api.url, **settings)
        with pytest.raises(SourceRefused) as caught:
            _lines(connector, mail=ANN.mail)
        sent = api.asked[0].headers[header]
    assert sent == value
    secret = next(iter(settings["headers"].values())) if "headers" in settings else settings.get("token") or settings["password"]
    shown = repr((connector, connector._settings, connector._asking, caught.value, caught.value.hint, caught.value.__cause__))
    assert secret not in shown
    assert ANN.mail[0] not in shown
    assert sent not in shown


def test_what_passes_is_tried_again_when_the_api_says() -> None:
    replies = itertools.chain(
        [
            Reply(status=429, headers={"Retry-After": "1"}),
            Reply(b"[1, 2", cut=3),
            Reply(status=503, headers={"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}),
            Reply(status=500, headers={"Retry-After": "soon"}),
        ],
        itertools.repeat(Reply(b"[]")),
    )
    with serving(lambda _: next(replies)) as api:
        began = time.monotonic()
        assert _lines(_connector(api.url), mail=("a@b.example",)) == []
        assert time.monotonic() - began >= 1
        assert len(api.asked) == 5


@pytest.mark.parametrize("wait", ["86400", "Fri, 31 Dec 2100 00:00:00 GMT"])
def test_long_wait_is_left_to_the_export(wait: str) -> None:
    with serving(lambda _: Reply(status=429, headers={"Retry-After": wait})) as api:
        with pytest.raises(SourceUnavailable, match="429"):
            _lines(_connector(api.url), mail=ANN.mail)
        assert len(api.asked) == 1


def test_storm_of_refusals_ends_as_unavailable() -> None:
    with serving(lambda _: Reply(status=429, headers={"Retry-After": "0"})) as api:
        with pytest.raises(SourceUnavailable, match="429"):
            _lines(_connector(api.url), mail=ANN.mail)
        assert len(api.asked) == 5


def test_pace_is_kept() -> None:
    with serving(_by_page) as api:
        connector = _connector(api.url, page="page", first_page=0, requests_per_second=20)
        began = time.monotonic()
        _lines(connector, mail=ANN.mail)
        assert time.monotonic() - began >= (len(api.asked) - 1) / 20 > 0.1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_followed_nowhere(status: int) -> None:
    with serving(lambda _: Reply(b"[]")) as other:
        with serving(lambda _: Reply(status=status, headers={"Location": f"{other.url}/orders"})) as api:
            with pytest.raises(SourceRefused, match=str(status)):
                _lines(_connector(api.url, token="t0ken"), mail=ANN.mail)
            assert len(api.asked) == 1
        assert other.asked == []


def _reply(asked: Asked, link: str) -> Reply:
    return Reply(_dump({"value": _matching(asked)[:1], "next": link}))


@pytest.mark.parametrize(
    "link",
    [
        "{other}/orders",
        "//{host}/orders",
        "http://evil.example/",
        "https://{own}/",
        "http://{own}@evil.example/",
        "http://x@{own}/",
        "ftp://{own}/",
        "file:///etc/passwd",
        "javascript:x",
        "orders",
        "/a b",
        "/\r\nX: y",
        "/\u00e9",
        "http://[/",
        "http://{own}//evil.example/",
        "/" + "a" * 20_000,
    ],
)
def test_link_to_anywhere_else_is_refused(link: str) -> None:
    with serving(lambda _: Reply(b'{"value": []}')) as other:
        own: list[str] = []
        with serving(lambda asked: _reply(asked, link.format(other=other.url, host=other.url[7:], own=own[0]))) as api:
            own.append(api.url[7:])
            with pytest.raises(SourceRefused, match="link to the next"):
                _lines(_connector(api.url, records="/value", next="/next", token="t0ken"), mail=ANN.mail)
            assert len(api.asked) == 1
        assert other.asked == []


@pytest.mark.parametrize(
    ("answer", "settings"),
    [
        (lambda asked: _reply(asked, "/orders?mail=ann%40contoso.example"), {"records": "/value", "next": "/next"}),
        (lambda _: Reply(b'{"value": [], "next": "c"}'), {"records": "/value", "cursor": {"/next": "c"}}),
        (_whole, {"page": "page"}),
    ],
    ids=["link", "cursor", "page"],
)
def test_pages_in_a_circle_are_refused(answer: Answer, settings: dict[str, Any]) -> None:
    with serving(answer) as api:
        with pytest.raises(SourceRefused, match=r"lead back|same records"):
            _lines(_connector(api.url, **settings), mail=ANN.mail[:1])
        assert len(api.asked) <= 3


def _endless(first: bytes, chunk: bytes, pause_s: float = 0.0) -> Iterator[bytes]:
    yield first
    while True:
        time.sleep(pause_s)
        yield chunk


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (lambda _: _endless(b"[", b" " * 65536), SourceRefused, "larger than 1 MiB"),
        (lambda _: Reply(gzip.compress(b" " * (64 << 20)), headers={"Content-Encoding": "gzip"}), SourceRefused, "compresses"),
        (lambda _: Reply(b"<html>"), SourceRefused, "not JSON"),
        (lambda _: Reply(b""), SourceRefused, "not JSON"),
        (lambda _: Reply(b"[] []"), SourceRefused, "not JSON"),
        (lambda _: Reply(b'["\xff"]'), SourceRefused, "not JSON"),
        (lambda _: Reply(b"{}"), SourceRefused, "no array of records"),
        (lambda _: Reply(b"null"), SourceRefused, "no array of records"),
        (lambda _: Reply(b"[1]"), SourceRefused, "no JSON object"),
        (lambda _: Reply(b"[" * 200_000), SourceRefused, "not JSON"),
        (lambda _: Reply(b'[{"to": ' + b"[" * 2_000 + b"]" * 2_000 + b"}]"), SourceRefused, "told apart|taken apart"),
        (lambda _: Reply(status=404), SourceRefused, "404"),
        (lambda _: Reply(status=204), SourceRefused, "204"),
    ],
)
def test_bad_answer_is_never_an_empty_one(answer: Answer, error: type[Exception], said: str) -> None:
    with serving(answer) as api:
        connector = _connector(api.url, answer_mib=1)
        with pytest.raises(error, match=said):
            _lines(connector, mail=ANN.mail)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: _endless(b"[", b" ", 0.02),
        lambda _: Reply(b"[]", drip_s=0.05),
        lambda _: Reply(b"[]", status=500, drip_s=0.05),
    ],
    ids=["body", "headers", "refusal"],
)
def test_answer_that_drips_is_given_up(answer: Answer) -> None:
    with serving(answer) as api:
        connector = _connector(api.url, timeout_s=0.5)
        with pytest.raises(SourceUnavailable, match=r"longer than 0\.5 s"):  # while it still came: it never ends, or only after seconds
            _lines(connector, mail=ANN.mail)
        assert len(api.asked) == 5


@pytest.mark.parametrize(
    "record", [{"to": {"mail": "bob@contoso.example"}}, {"to": {"mail": None}}, {"to": {}}, {"to": {"mail": ["ann@contoso.example"]}}, {}]
)
def test_record_of_somebody_else_stops_the_export(record: dict[str, Any]) -> None:
    with serving(lambda _: Reply(_dump([record]))) as api, pytest.raises(SourceRefused) as caught:
        _lines(_connector(api.url), mail=ANN.mail[:1])
    assert caught.value.code == "ForeignData"


def test_record_that_two_identifiers_lead_to_comes_once_and_a_double_one_twice() -> None:
    record = {"to": {"mail": "ann@contoso.example"}}
    with serving(lambda _: Reply(_dump([record, record]))) as api:
        assert len(_lines(_connector(api.url), mail=ANN.mail)) == 2
        assert len(api.asked) == 2


def test_numbers_are_matched_as_written_and_large_pages_are_cut() -> None:
    record = {"n": 10, "text": "x" * 1_000_000}
    with serving(lambda _: Reply(_dump([record] * 12))) as api:
        connector = _connector(api.url, path="/o/{user_number}", match={"/n": "user_number"})
        subject = identified(user_number=("10",))
        items = read_all(connector, connector.plan([subject])[0], [subject])[1]
        connector.close()
        sizes = [item.batch.num_rows for item in items if isinstance(item, Rows)]
    assert sizes == [4, 4, 4]


def test_check_asks_what_it_is_told_to() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(b"{}") if asked.target == "/status" else Reply(b"[]", status=404)

    with serving(answer) as api:
        told, plain = _connector(api.url, check_path="/status"), _connector(api.url)
        told.check()
        told.close()
        with pytest.raises(SourceRefused, match="404"):
            plain.check()
        plain.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "http://api.contoso.example"},
        {"url": "https://user:pa55w0rd@api.contoso.example"},
        {"url": "https://api.contoso.example/v1"},
        {"url": "https://api.contoso.example?x"},
        {"url": "ftp://api.contoso.example"},
        {"url": "https://"},
        {"url": "https://a:x"},
        {"path": "/orders"},
        {"path": "orders/{mail}"},
        {"path": "/o r/{mail}"},
        {"path": "/o#{mail}"},
        {"path": "/{mail}\r\nX: y"},
        {"match": {}},
        {"match": {"": "mail"}},
        {"match": {"mail": "mail"}},
        {"records": "value"},
        {"records": "/a~2"},
        {"next": "/a", "page": "p"},
        {"cursor": {"/a": "b", "/c": "d"}},
        {"cursor": {"/a": "b=c&d"}},
        {"page": "a&b"},
        {"token": "a\r\nX: y"},
        {"token": "a", "user": "b"},
        {"user": "a:b"},
        {"password": "a"},
        {"headers": {"X\r\n": "y"}},
        {"headers": {"X": "y\r\nZ: a"}},
        {"headers": {"Host": "evil.example"}},
        {"headers": {"accept-encoding": "gzip"}},
        {"check_path": "status"},
    ],
)
def test_wrong_settings_are_refused_without_being_shown(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _connector(**{"url": "https://api.contoso.example", **changed})
    assert "pa55w0rd" not in f"{caught.value} {caught.value.hint}"


def test_it_is_installed() -> None:
    assert registry.find("http") is HttpConnector
    assert list(HttpConnector.kinds_used(HttpSettings(url="x", path="/{a}?{b}", match={}))) == [(("path",), "a"), (("path",), "b")]


@pytest.mark.parametrize("paging", [{"page": "page"}, {"next": "/next"}, {"cursor": {"/next": "ignored"}}], ids=str)
def test_same_records_in_changing_envelopes_are_refused_at_once(paging: dict[str, Any]) -> None:
    count = itertools.count()

    def answer(asked: Asked) -> Reply:
        number = next(count)
        return Reply(_dump({"value": _matching(asked), "next": f"/orders?mail=ann%40contoso.example&n={number}", "at": number}))

    with serving(answer) as api:
        with pytest.raises(SourceRefused, match="same records"):
            _lines(_connector(api.url, records="/value", **paging), mail=ANN.mail[:1])
        assert len(api.asked) == 2


@pytest.mark.parametrize(
    "link",
    [
        "</orders?from=2>; rel=next",
        '</x>; title="a, b", </orders?from=2>;rel="prev next"',
        "</orders>; rel='next'",
        "next",
        '<x>;rel="next',
    ],
)
@pytest.mark.parametrize("paging", [{}, {"page": "page"}, {"cursor": {"/next": "c"}}], ids=str)
def test_linked_next_page_that_would_not_be_read_is_refused(link: str, paging: dict[str, Any]) -> None:
    with serving(lambda _: Reply(_dump({"value": []}), headers={"Link": link})) as api:
        with pytest.raises(SourceRefused, match="would not be read"):
            _lines(_connector(api.url, records="/value", **paging), mail=ANN.mail[:1])
        with closing(_connector(api.url, records="/value", **paging)) as connector, pytest.raises(SourceRefused, match="would not be read"):
            connector.check()


def test_link_that_is_read_otherwise_or_leads_elsewhere_is_none_of_that() -> None:
    def answer(asked: Asked) -> Reply:
        found, following = _page(asked, "after")
        link = f"</orders?after={following}>; rel=next, </style.css>; rel=preload" if following else "</help>; rel=help"
        return Reply(_dump({"value": found, "next": following}), headers={"Link": link})

    with serving(answer) as api:
        assert len(_lines(_connector(api.url, records="/value", cursor={"/next": "after"}), mail=ANN.mail[:1])) == 4


@pytest.mark.parametrize(
    "link", ["</orders>; rel='next'", "/orders; rel=next", '<a>; rel="next', "<a>; rel=next, <b>; rel=next", "<a>;rel=next;anchor=x"]
)
def test_link_header_that_is_not_understood_is_not_the_end(link: str) -> None:
    with serving(lambda _: Reply(b"[]", headers={"Link": link})) as api, pytest.raises(SourceRefused, match="RFC 8288"):
        _lines(_connector(api.url, next="header"), mail=ANN.mail[:1])


def test_odata_next_link_that_no_setting_names_is_refused() -> None:
    with serving(_by_next_link) as api, pytest.raises(SourceRefused, match="would not be read") as caught:
        _lines(_connector(api.url, records="/value", next="/@odata.nextlink"), mail=ANN.mail[:1])
    assert caught.value.hint == "write `next: /@odata.nextLink`"


def _doubts(envelope: dict[str, Any], **settings: Any) -> tuple[str, ...]:
    with serving(lambda asked: Reply(_dump({"value": _matching(asked), **envelope}))) as api:
        connector = _connector(api.url, records="/value", **settings)
        assert connector.doubts() == ()
        _lines(connector, mail=ANN.mail[:1])
        return connector.doubts()


def test_pointer_that_leads_nowhere_is_doubted() -> None:
    [never, *other] = _doubts({"links": {"next_page": "/orders?p=2"}}, next="/links/next")[::-1]
    assert "no answer had anything at /links/next" in never
    assert other == ["a last page has /links/next_page, which no setting names: perhaps more pages follow"]


@pytest.mark.parametrize(
    "envelope", [{"nextPageToken": "x"}, {"meta": {"cursor": 5}}, {"has_more": True}, {"paging": {"nextCursor": "a"}}], ids=str
)
def test_envelope_that_says_that_there_is_more_is_doubted(envelope: dict[str, Any]) -> None:
    assert "perhaps more pages follow" in "".join(_doubts(envelope))


@pytest.mark.parametrize("envelope", [{"next": None}, {"next": ""}, {"next": False}], ids=str)
def test_pointer_that_is_there_and_ends_is_not_doubted(envelope: dict[str, Any]) -> None:
    assert _doubts({**envelope, "has_more": False, "total": 5, "next steps": "x"}, next="/next") == ()


def test_wait_that_the_api_asks_for_ends_when_the_service_stops() -> None:
    with serving(lambda _: Reply(status=429, headers={"Retry-After": "29"})) as api:
        connector = _connector(api.url)
        stop = threading.Timer(0.3, connector.interrupt)
        stop.start()
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match="closed"):
            _lines(connector, mail=ANN.mail)
        assert time.monotonic() - began < 20, "it waited as the API said"
        stop.join()


@pytest.mark.parametrize(
    ("settings", "answer"), [({}, "{}"), ({"count": "/meta/total"}, '{{"meta": {{"total": {}}}}}')], ids=["number", "pointer"]
)
def test_estimate_asks_for_the_number_alone(settings: dict[str, Any], answer: str) -> None:
    targets = []

    def count(asked: Asked) -> Reply:
        targets.append(unquote(asked.target))
        return Reply(answer.format(3 if "ann@" in asked.target.replace("%40", "@") else 0).encode())

    with serving(count) as server, closing(_connector(server.url, count_path="/count?mail={mail}", **settings)) as connector:
        people = [identified(mail=("ann@contoso.example", "bob@contoso.example")), identified(mail=("bob@contoso.example",)), identified()]
        some, none, nobody = connector.estimate(people, limit_s=30)
        assert some.rows == Amount(3)
        assert none.rows == nobody.rows == Amount(0, is_exact=True)
        assert targets == ["/count?mail=ann@contoso.example", *["/count?mail=bob@contoso.example"] * 2]
        assert connector.estimate(people, limit_s=0) == (Estimate(), Estimate(), nobody), "of somebody without identifiers nothing is asked"
    assert len(targets) == 3


@pytest.mark.parametrize(
    "settings", [{"count_path": "/count?mail={mail}"}, {"check_path": "/status"}, {}], ids=["count", "check", "nobody"]
)
def test_estimate_does_not_wait_as_long_as_the_api_wants(settings: dict[str, Any]) -> None:
    with (
        serving(lambda _: Reply(status=429, headers={"Retry-After": "29"})) as server,
        closing(_connector(server.url, **settings)) as connector,
    ):
        assert connector.estimate([ANN.subject, ANN2.subject], limit_s=2) == (Estimate(),) * 2


def test_estimate_does_not_wait_for_an_answer_that_does_not_come() -> None:
    over = threading.Event()

    def silent(_: Asked) -> Reply:
        over.wait(60)
        return Reply(b"1")

    with serving(silent) as server, closing(_connector(server.url, count_path="/count?mail={mail}")) as connector:
        try:
            assert connector.estimate([ANN.subject], limit_s=0.5) == (Estimate(),)
        finally:
            over.set()


def test_who_has_no_time_for_a_turn_takes_none() -> None:
    ann = identified(mail=("ann@contoso.example",))
    with (
        serving(lambda _: Reply(b"1")) as server,
        closing(_connector(server.url, count_path="/count?mail={mail}", requests_per_second=0.1)) as connector,
    ):
        assert connector.estimate([ann] * 10, limit_s=0) == (Estimate(),) * 10
        assert connector.estimate([ann], limit_s=30) == (Estimate(rows=Amount(1)),), "it need not wait for a hundred seconds"


def test_last_try_that_time_runs_out_for_is_no_fault_of_the_api() -> None:
    over = threading.Event()
    replies = [Reply(status=503)] * 4

    def silent_at_last(_: Asked) -> Reply:
        if replies:
            return replies.pop()
        over.wait(60)
        return Reply(b"1")

    with serving(silent_at_last) as server, closing(_connector(server.url, count_path="/count?mail={mail}")) as connector:
        try:
            assert connector.estimate([ANN.subject], limit_s=3) == (Estimate(),)  # the waits between tries are of 1.5 s together
        finally:
            over.set()


def test_time_of_an_estimate_is_no_limit_for_what_is_asked_afterwards() -> None:
    replies = [Reply(status=429, headers={"Retry-After": "1"}), Reply(status=429, headers={"Retry-After": "1"}), Reply(b"[]")]
    with serving(lambda _: replies.pop(0)) as server, closing(_connector(server.url, count_path="/count?mail={mail}")) as connector:
        assert connector.estimate([ANN.subject], limit_s=0.5) == (Estimate(),)
        connector.check()
    assert not replies


@pytest.mark.parametrize("content", [b"-1", b"1.5", b"null", b"[1]", b"true", b'"x"', b"9" * 30])
def test_estimate_that_is_no_number_is_refused(content: bytes) -> None:
    with (
        serving(lambda _: Reply(content)) as server,
        closing(_connector(server.url, count_path="/count?mail={mail}")) as connector,
        pytest.raises(SourceRefused, match="has no number"),
    ):
        connector.estimate([ANN.subject], limit_s=30)


def test_without_a_path_for_it_nobody_is_asked_for_in_an_estimate() -> None:
    targets = []

    def answer(asked: Asked) -> Reply:
        targets.append(asked.target)
        return Reply(b"[]")

    with serving(answer) as server, closing(_connector(server.url)) as connector:
        assert connector.estimate([ANN.subject], limit_s=30) == (Estimate(),)
    assert not any("ann" in target for target in targets)
