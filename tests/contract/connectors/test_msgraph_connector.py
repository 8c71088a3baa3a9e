"""The connector `msgraph` against the stand-in for Graph."""

import gc
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.servers.client_key import client_key

from rightful.connectors import registry
from rightful.connectors.interface import Amount, Connector, Cursor, Estimate, FileItem, Item, Rows, SkippedItem
from rightful.connectors.msgraph import MsgraphConnector
from rightful.connectors.msgraph_settings import MsgraphSettings
from rightful.errors import ConfigurationError, SourceRefused
from rightful.export.check import check_rows
from rightful.subject.folders import is_folder_of
from rightful.testing.connector_suite import ANN, ANN2, STRANGER, UPPER, ConnectorSuite, Found, identified, read_all
from rightful.testing.graph_stand_in import Account, GraphStandIn, serving

MAILS = {"Hello": b"Subject: Hello\r\n\r\nx", "a/b \u20ac": b"\x00\xff", "": b"empty subject", "long": b"x" * (5 << 20), "nothing": b""}
FILES = {
    "Documents/a b.txt": b"abc",
    "z.bin": bytes(range(256)) * 9000,
    "Documents/deep/er/empty": b"",
    "b.txt": b"b",
    "Documents/b.txt": b"B",
}


def _events(count: int) -> list[dict[str, Any]]:
    made = [f"2026-01-0{1 + number % 9}T03:04:05.1234567Z" for number in range(count)]
    return [{"id": f"e{number}", "createdDateTime": at, "subject": "Lunch \U0001f600", "n": 10**30} for number, at in enumerate(made)]


ACCOUNTS = {
    ANN.id: Account(
        profile={"displayName": "Ann", "mail": "ann@contoso.example"},
        messages=MAILS,
        events={"Calendar": _events(5), "Holidays": [], "Team": _events(1)},
        files=FILES,
    ),
    ANN2.id: Account(profile={"displayName": "Ann2"}, messages={"Hello": b"other"}, events={"Calendar": _events(2)}, files={"a": b"2"}),
    UPPER.id: Account(profile={}, messages={}, events={"Calendar": []}, files={}),
    STRANGER.id: Account(messages={}, files={}),
}


def _connector(graph: GraphStandIn, what: str, **changed: Any) -> MsgraphConnector:
    given = {
        "what": what,
        "tenant_id": "contoso.example",
        "client_id": "reader",
        "client_secret": graph.client_secret,
        "url": graph.url,
        "login_url": graph.url,
        "content_hosts": (graph.download_url,) if what == "drive" else (),
        "requests_per_second": 10_000,
        **changed,
    }
    return MsgraphConnector("graph", MsgraphSettings(**given), siblings={}, folder=Path())


def _items(connector: MsgraphConnector) -> list[Item]:
    return read_all(connector, connector.plan([ANN.subject])[0], [ANN.subject])[1]


class TestMsgraph(ConnectorSuite):
    @pytest.fixture(params=["profile", "calendar", "mail", "drive"])
    def what(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def connector(self, what: str) -> Iterator[Connector]:
        accounts = {user: account for user, account in ACCOUNTS.items() if what != "profile" or user != STRANGER.id}
        with serving(accounts) as graph, closing(_connector(graph, what)) as connector:
            graph.refuse_every = 7
            yield connector

    @pytest.fixture
    def broken(self, what: str) -> Iterator[Connector]:
        with serving({}) as graph, closing(_connector(graph, what, client_secret="another")) as broken:
            yield broken

    @pytest.fixture
    def expected(self, what: str, connector: Connector) -> Mapping[str, Found]:
        match what:
            case "profile":
                url = connector._settings.url  # type: ignore[attr-defined]  # the stand-in's
                records = {
                    person.name: {"@odata.context": f"{url}/v1.0/$metadata#users/$entity", **ACCOUNTS[person.id].profile, "id": person.id}
                    for person in (ANN, ANN2, UPPER)
                }
                return {name: Found(rows=({"record": json.dumps(record)},)) for name, record in records.items()}
            case "calendar":
                events = {
                    person.name: [event for each in ACCOUNTS[person.id].events.values() for event in each] for person in (ANN, ANN2, UPPER)
                }
                return {name: Found(rows=tuple({"record": json.dumps(event)} for event in found)) for name, found in events.items()}
            case "mail":
                names = [
                    "20260102T030405Z Hello",
                    "20260202T030405Z a b \u20ac",
                    "20260302T030405Z",
                    "20260402T030405Z long",
                    "20260502T030405Z nothing",
                ]
                digests = [_digest(number) for number in range(5)]
                mails = {f"2026/{name} {digest}.eml": content for name, digest, content in zip(names, digests, MAILS.values(), strict=True)}
                other = {f"2026/20260102T030405Z Hello {digests[0]}.eml": b"other"}
                return {ANN.name: Found(files=mails), ANN2.name: Found(files=other), UPPER.name: Found()}
            case _:
                return {ANN.name: Found(files=FILES), ANN2.name: Found(files={"a": b"2"}), UPPER.name: Found()}


def _digest(number: int) -> str:
    return hashlib.sha256(f"m/{number}=".encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("what", "account", "reason"),
    [
        ("mail", Account(), "no mailbox"),
        ("calendar", Account(), "no mailbox"),
        ("drive", Account(), "no drive"),
        ("mail", None, "knows nobody"),
        ("calendar", None, "knows nobody"),
        ("drive", None, "knows nobody"),
    ],
)
def test_who_has_none_is_said_to_have_none(what: str, account: Account | None, reason: str) -> None:
    with serving({ANN.id: account} if account else {}) as graph, closing(_connector(graph, what)) as connector:
        [item] = _items(connector)
    assert isinstance(item, SkippedItem)
    assert reason in item.reason


@pytest.mark.parametrize(
    "said", [{}, {"folder": {}}, {"file": {}}, {"package": {"type": "oneNote"}}], ids=lambda said: next(iter(said), "")
)
def test_what_lies_in_another_drive_stands_in_the_ledger(said: dict[str, Any]) -> None:
    account = Account(files={"a": b"1"}, links={"theirs": {"remoteItem": {"id": "r", "folder": {"childCount": 3}}, **said}})
    with serving({ANN.id: account}) as graph, closing(_connector(graph, "drive")) as connector:
        own, link = _items(connector)
    assert isinstance(own, FileItem)
    assert link == SkippedItem(subject=0, path="theirs", reason="it is a link to something in another drive")


def test_calendar_that_somebody_else_shares_is_not_the_persons() -> None:
    account = Account(messages={}, events={"Calendar": _events(1)}, shared={"Boss": _events(3)})
    with serving({ANN.id: account}) as graph, closing(_connector(graph, "calendar")) as connector:
        rows, skipped = _items(connector)
    assert isinstance(rows, Rows)
    assert rows.batch.num_rows == 1
    assert isinstance(skipped, SkippedItem)
    assert "somebody else's" in skipped.reason
    assert not any("Boss" in target for target in graph.asked)


@pytest.mark.parametrize("what", ["mail", "drive", "calendar"])
def test_what_is_gone_half_way_is_not_taken_for_nothing(what: str) -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, what)) as connector:
        graph.absent_after = 1
        with pytest.raises(SourceRefused, match="404"):
            _items(connector)


@pytest.mark.parametrize("what", ["mail", "drive"])
def test_half_a_character_in_a_name_keeps_nothing_back(what: str) -> None:
    names = {"a\ud83d": b"1", "b\udc00\U0001f600": b"2", "c\\ud800": b"3"}
    account = Account(messages=names, files=names)
    with serving({ANN.id: account}) as graph, closing(_connector(graph, what)) as connector:
        items = _items(connector)
        assert [b"".join(item.open()) for item in items if isinstance(item, FileItem)] == [b"1", b"2", b"3"]
        paths = "".join(item.path for item in items if isinstance(item, FileItem))
    assert "a\ufffd" in paths
    assert "b\ufffd\U0001f600" in paths
    assert "ud800" in paths


def _unnamed_files() -> int:
    count = 0
    for name in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):  # the one that lists them
            count += str(name.readlink()).endswith("(deleted)")
    return count


def test_message_is_fetched_once_and_nothing_of_it_stays_open() -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, "mail")) as connector:
        before = _unnamed_files()
        items = [item for item in _items(connector) if isinstance(item, FileItem)]
        asked = len(graph.asked)
        for _ in range(2):
            assert {b"".join(item.open()) for item in items} == set(MAILS.values())
        assert len(graph.asked) == asked
        assert _unnamed_files() == before + 1
        del items
        gc.collect()
        assert _unnamed_files() == before


def test_message_that_is_done_is_not_fetched_again() -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, "mail")) as connector:
        done = [item for item in _items(connector) if isinstance(item, FileItem)][2]
        graph.asked.clear()
        list(connector.read(connector.plan([ANN.subject])[0], [ANN.subject], Cursor(done.path)))
    assert sum(target.endswith("/$value") for target in graph.asked) == 2


@pytest.mark.parametrize("deleted", [0, 1, 3])
def test_message_deleted_while_messages_are_listed_hides_no_other(deleted: int) -> None:
    account = Account(messages={f"m{number}": b"%d" % number for number in range(9)})
    with serving({ANN.id: account}) as graph, closing(_connector(graph, "mail")) as connector:
        graph.meanwhile = lambda number: account.deleted.add(deleted) if number == 3 else None
        found = {b"".join(item.open()) for item in _items(connector) if isinstance(item, FileItem)}
    assert found - {b"%d" % deleted} == {b"%d" % number for number in range(9) if number != deleted}


def _events_in(items: list[Item]) -> list[str]:
    return [json.loads(record)["id"] for item in items if isinstance(item, Rows) for record in item.batch["record"].to_pylist()]


@pytest.mark.parametrize("deleted", [0, 1, 3])
def test_event_deleted_while_events_are_listed_hides_no_other(deleted: int) -> None:
    account = Account(messages={}, events={"Calendar": _events(9)})
    with serving({ANN.id: account}) as graph, closing(_connector(graph, "calendar")) as connector:
        graph.meanwhile = lambda number: account.events["Calendar"].__delitem__(deleted) if number == 3 else None
        found = _events_in(_items(connector))
    assert [each for each in found if each != f"e{deleted}"] == [f"e{number}" for number in range(9) if number != deleted]
    assert len(set(found)) == len(found)


def test_events_that_were_all_made_at_one_time_are_each_read_once() -> None:
    events = [{**event, "createdDateTime": f"2026-02-03T04:05:0{number // 5}Z"} for number, event in enumerate(_events(12))]
    account = Account(messages={}, events={"Calendar": [*reversed(events)]})
    with serving({ANN.id: account}) as graph, closing(_connector(graph, "calendar")) as connector:
        found = _events_in(_items(connector))
    assert sorted(found) == sorted(event["id"] for event in events)


@pytest.mark.parametrize(("request_", "left"), [(2, []), (3, ["e0", "e1"])], ids=["before its events", "among its events"])
def test_calendar_deleted_while_calendars_are_read_is_told_and_the_others_are_read(request_: int, left: list[str]) -> None:
    events = {"Old": _events(5), "Calendar": [{"id": "mine"}]}
    account = Account(messages={}, events=events)
    with serving({ANN.id: account}) as graph, closing(_connector(graph, "calendar")) as connector:
        graph.meanwhile = lambda number: events.__delitem__("Old") if number == request_ else None
        items = _items(connector)
        assert _events_in(items) == [*left, "mine"]
        [skipped] = [item for item in items if isinstance(item, SkippedItem)]
        assert (skipped.path, skipped.reason) == (
            f"calendar {hashlib.sha256(b'Old/=').hexdigest()[:12]}",
            "it was deleted while calendars were read",
        )
        events["Old"] = _events(5)
        graph.asked.clear()
        assert connector.estimate([ANN.subject], limit_s=10)[0].rows == Amount(1, is_exact=True)


def test_messages_that_all_came_at_one_time_are_all_listed() -> None:
    account = Account(messages={f"m{number}": b"%d" % number for number in range(9)}, received="2026-02-03T04:05:06Z")
    with serving({ANN.id: account}) as graph, closing(_connector(graph, "mail")) as connector:
        items = [item for item in _items(connector) if isinstance(item, FileItem)]
        assert sorted(b"".join(item.open()) for item in items) == [b"%d" % number for number in range(9)]


def test_list_of_messages_is_never_asked_for_from_an_earlier_time_on() -> None:
    times = iter(["04:05:06Z", "04:05:06.5Z", "04:05:06Z", "03:00:00Z", "04:05:07Z", ""])
    with serving(ACCOUNTS) as graph, closing(_connector(graph, "mail")) as connector:

        def next_page(number: int) -> None:
            received = next(times)
            page = {
                "@odata.context": f"x#users('{ANN.id}')/messages",
                "value": [{"id": f"{number}", "receivedDateTime": f"2026-02-03T{received}"}] if received else [],
            }
            graph.instead = (200, json.dumps(page | ({"@odata.nextLink": f"/v1.0/next{number}"} if received else {})).encode())

        graph.meanwhile = next_page
        assert [message.id for message, _ in connector._asking.messages(ANN.id)] == ["1", "2", "3", "4", "5"]
    assert [target.partition("ge%20")[2] or target for target in graph.asked[1:]] == [
        "2026-02-03T04:05:06Z",
        "2026-02-03T04:05:06.5Z",
        "/v1.0/next3",
        "/v1.0/next4",
        "2026-02-03T04:05:07Z",
    ]


def test_list_of_messages_that_leads_back_is_refused() -> None:
    page = {
        "@odata.context": f"x#users('{ANN.id}')/messages",
        "@odata.nextLink": "/v1.0/next",
        "value": [{"id": "1", "receivedDateTime": "2026-02-03T04:05:06Z"}],
    }
    with serving(ACCOUNTS) as graph, closing(_connector(graph, "mail")) as connector:
        graph.instead = (200, json.dumps(page).encode())
        with pytest.raises(SourceRefused, match="lead back"):
            _items(connector)


@pytest.mark.parametrize("what", ["mail", "drive"])
@pytest.mark.parametrize(
    "ids",
    [
        (ANN2.id, ANN.id, ANN.id.upper()),
        ("aaaaaaaa-1111-4111-8111-111111111111", "BBBBBBBB-1111-4111-8111-111111111111"),  # some systems spell them in capitals
        ("AAAAAAAA-1111-4111-8111-111111111111", "bbbbbbbb-1111-4111-8111-111111111111"),
    ],
)
def test_read_of_several_accounts_goes_on_after_any_file(what: str, ids: tuple[str, ...]) -> None:
    both = identified(id=ids)
    accounts = {**ACCOUNTS, ids[0]: ACCOUNTS[ANN2.id], ids[1]: ACCOUNTS[ANN.id]}
    with serving(accounts) as graph, closing(_connector(graph, what)) as connector:
        partition = connector.plan([both])[0]
        files = [item for item in read_all(connector, partition, [both])[1] if isinstance(item, FileItem)]
        paths = [item.path for item in files]
        rests = [
            [item.path for item in read_all(connector, partition, [both], Cursor(path))[1] if isinstance(item, FileItem)] for path in paths
        ]
        assert [b"".join(item.open()) for item in files]
    assert len(set(paths)) == len(paths) == len(FILES if what == "drive" else MAILS) + 1
    assert rests == [paths[number + 1 :] for number in range(len(paths))]


def test_not_found_that_graph_does_not_explain_is_no_empty_answer() -> None:
    for what in ("profile", "mail", "drive", "calendar"):
        with serving(ACCOUNTS) as graph, closing(_connector(graph, what)) as connector:
            graph.instead = (404, b"<html>")  # a proxy's own page
            with pytest.raises(SourceRefused, match="404"):
                _items(connector)
            with pytest.raises(SourceRefused, match="404"):
                connector.check()


@pytest.mark.parametrize("what", ["profile", "calendar", "mail", "drive"])
def test_answer_of_somebody_else_does_not_pass_the_check(what: str) -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, what)) as connector:
        graph.claims[ANN.id] = ANN2.id
        header, items = read_all(connector, connector.plan([ANN.subject])[0], [ANN.subject])
    assert items
    for item in items:
        if isinstance(item, FileItem):
            assert not is_folder_of(header.searched, item.root, ANN.subject)
        else:
            with pytest.raises(SourceRefused, match="none of the subject"):
                check_rows(item.batch, header.match, ANN.subject, source_name="graph")  # type: ignore[union-attr]  # rows


def test_download_host_gets_no_token_and_one_that_is_not_named_nothing() -> None:
    with serving(ACCOUNTS) as graph:
        with closing(_connector(graph, "drive")) as connector:
            for item in _items(connector):
                assert isinstance(item, FileItem)
                assert len(b"".join(item.open())) == item.size_bytes
        assert len(graph.downloads) == len(FILES)
        assert all("authorization" not in headers for headers in graph.downloads)
        with closing(_connector(graph, "drive", content_hosts=("https://contoso-my.sharepoint.com",))) as connector:
            item = next(item for item in _items(connector) if isinstance(item, FileItem) and item.size_bytes)
            with pytest.raises(SourceRefused, match="not named"):
                list(item.open())
        assert len(graph.downloads) == len(FILES)


def test_item_of_a_drive_whose_folders_are_not_listed_or_go_round_is_refused() -> None:
    with serving({}) as graph, closing(_connector(graph, "drive")) as connector:
        for parent in ("nowhere", "folder"):
            place = {"driveId": "d", "id": parent}
            items: list[dict[str, Any]] = [{"id": "folder", "name": "f", "folder": {}, "parentReference": place}]
            items += [{"id": "file", "name": "x", "size": 1, "file": {}, "parentReference": {"driveId": "d", "id": "folder"}}]
            graph.instead = (
                200,
                json.dumps({"id": "d", "owner": {"user": {"id": ANN.id}}, "value": items, "@odata.deltaLink": "x"}).encode(),
            )
            with pytest.raises(SourceRefused, match="folders above"):
                _items(connector)


def test_list_of_a_drive_that_ends_early_is_refused() -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, "drive")) as connector:
        graph.is_whole = False
        with pytest.raises(SourceRefused, match="whole"):
            _items(connector)


def test_missing_permission_is_told_by_the_check() -> None:
    for what in ("profile", "mail", "drive", "calendar"):
        with serving(ACCOUNTS) as graph, closing(_connector(graph, what)) as connector:
            connector.check()
            graph.instead = (403, b'{"error": {"code": "Authorization_RequestDenied"}}')
            with pytest.raises(SourceRefused, match="403"):
                connector.check()


def test_name_that_is_no_object_id_is_refused() -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, "mail", user="upn")) as connector:
        with pytest.raises(SourceRefused, match="no object id"):
            read_all(connector, connector.plan([])[0], [identified(upn=("ann@contoso.example",))])
        assert graph.asked == []


@pytest.mark.parametrize(
    "changed",
    [
        {"certificate": client_key().certificate, "private_key": client_key().private_key},
        {"client_secret": "", "certificate": client_key().certificate},
        {"client_secret": "", "private_key": client_key().private_key},
        {"client_secret": "", "certificate": client_key("other").certificate, "private_key": client_key().private_key},
        {"client_secret": "", "certificate": client_key().certificate, "private_key": "canary"},
        {"tenant_id": "a/b"},
        {"tenant_id": ""},
        {"client_secret": ""},
        {"client_id": ""},
        {"url": "http://graph.microsoft.com"},
        {"login_url": "http://login.microsoftonline.com"},
        {"what": "drive"},
        {"what": "drive", "content_hosts": ("contoso.sharepoint.com",)},
        {"content_hosts": ("https://contoso.sharepoint.com",)},
    ],
)
def test_wrong_settings_are_refused_without_being_shown(changed: dict[str, Any]) -> None:
    given = {"what": "mail", "tenant_id": "t", "client_id": "c", "client_secret": "canary", **changed}
    with pytest.raises(ConfigurationError) as caught:
        MsgraphConnector("graph", MsgraphSettings(**given), siblings={}, folder=Path())
    shown = f"{caught.value} {caught.value.hint} {MsgraphSettings(**given)}"
    assert "canary" not in shown
    assert not any(line in shown for line in client_key().private_key.splitlines())


def test_it_is_installed() -> None:
    assert registry.find("msgraph") is MsgraphConnector


def _signing(graph: GraphStandIn, **changed: Any) -> MsgraphConnector:
    said = {"client_secret": "", "certificate": client_key().certificate, "private_key": client_key().private_key, **changed}
    return _connector(graph, "drive", **said)


def test_certificate_lets_in_as_a_secret_does() -> None:
    with serving(ACCOUNTS) as graph, closing(_signing(graph)) as connector:
        graph.certificate = client_key().certificate
        assert len(_items(connector)) == len(FILES)
        connector.check()
    assert len(graph.assertions) == 1


def test_certificate_that_is_not_registered_lets_nobody_in() -> None:
    with serving(ACCOUNTS) as graph, closing(_signing(graph)) as connector:
        graph.certificate = client_key("other").certificate
        with pytest.raises(SourceRefused, match="invalid_client") as caught:
            connector.check()
        assert graph.assertions == []
    assert "certificate" in caught.value.hint


class Over:
    """Says that the time is over from its so-manieth question on."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize(
    ("what", "estimate"),
    [
        ("profile", Estimate(rows=Amount(1, is_exact=True))),
        ("calendar", Estimate(rows=Amount(6, is_exact=True))),
        ("mail", Estimate(files=Amount(5, is_exact=True), size_bytes=Amount(sum(map(len, MAILS.values()))))),
        ("drive", Estimate(files=Amount(5, is_exact=True), size_bytes=Amount(sum(map(len, FILES.values())), is_exact=True))),
    ],
)
def test_amounts_are_counted_and_nothing_is_read(what: str, estimate: Estimate) -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, what)) as connector:
        assert connector.estimate([ANN.subject], limit_s=30.0) == (estimate,)
        assert not any("$value" in target or "/content" in target or "/events?$top" in target for target in graph.asked)
        assert graph.downloads == []


def test_amounts_of_several_accounts_are_added() -> None:
    both = identified(id=(ANN.id, ANN2.id))
    with serving(ACCOUNTS) as graph, closing(_connector(graph, "drive")) as connector:
        size_bytes = sum(map(len, FILES.values())) + 1
        assert connector.estimate([both], limit_s=30.0) == (
            Estimate(files=Amount(6, is_exact=True), size_bytes=Amount(size_bytes, is_exact=True)),
        )


@pytest.mark.parametrize("what", ["mail", "drive", "calendar"])
@pytest.mark.parametrize("accounts", [{}, {ANN.id: Account()}])
def test_who_has_none_has_nothing_to_be_counted(what: str, accounts: dict[str, Account]) -> None:
    nothing = Amount(0, is_exact=True)
    with serving(accounts) as graph, closing(_connector(graph, what)) as connector:
        [found] = connector.estimate([ANN.subject], limit_s=30.0)
    assert found == (Estimate(rows=nothing, size_bytes=nothing) if what == "calendar" else Estimate(files=nothing, size_bytes=nothing))


@pytest.mark.parametrize(
    ("what", "estimate"),
    [
        ("calendar", Estimate()),
        # Of the first page of folders, in which a search stands that has nothing of its own: nothing is known.
        ("mail", Estimate(files=Amount(5, is_exact=True))),
        # A root, and as many folders as stand before the first file: the drive's own figure.
        ("drive", Estimate(size_bytes=Amount(sum(map(len, FILES.values()))))),
    ],
)
def test_amounts_that_take_too_long_are_those_known_by_then(what: str, estimate: Estimate) -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, what)) as connector:
        assert connector._amounts.of([ANN.id], Over(after=1)) == estimate
        assert connector._amounts.of([ANN.id], Over(after=0)) == Estimate()


def test_drive_that_was_listed_in_part_is_reckoned_by_its_own_figure() -> None:
    files = {f"f{number}": bytes(100) for number in range(40)}
    with serving({ANN.id: Account(files=files)}) as graph, closing(_connector(graph, "drive")) as connector:
        found = connector._amounts.of([ANN.id], Over(after=9))
    # Nine of them came, the last one in an older state, of one byte.
    assert found == Estimate(files=Amount(9 * 4000 // 801), size_bytes=Amount(4000))


def test_mail_that_was_looked_at_in_part_is_reckoned_by_the_average() -> None:
    messages = {f"m{number}": bytes(100) for number in range(40)}
    with serving({ANN.id: Account(messages=messages)}) as graph, closing(_connector(graph, "mail")) as connector:
        found = connector._amounts.of([ANN.id], Over(after=2))
        assert not any("childFolders" in target for target in graph.asked)
    assert found == Estimate(files=Amount(40, is_exact=True), size_bytes=Amount(4000))


@pytest.mark.parametrize("what", ["profile", "mail", "calendar", "drive"])
def test_estimate_does_not_wait_as_long_as_graph_wants(what: str) -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, what)) as connector:
        graph.refuse_every, graph.retry_after = 1, "29"
        assert connector.estimate([ANN.subject], limit_s=0.5) == (Estimate(),)


def test_answer_without_the_count_that_was_asked_for_is_refused() -> None:
    with serving(ACCOUNTS) as graph, closing(_connector(graph, "mail")) as connector:
        graph.instead = (200, b'{"value": []}')
        with pytest.raises(SourceRefused, match="did not count"):
            connector.estimate([ANN.subject], limit_s=30.0)
