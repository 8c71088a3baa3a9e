"""A SCIM server that lies, counts wrongly, or answers with something else is told from one that is right, and never gives somebody else."""

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.servers.api import Api, Asked, Reply, serving

from rightful.directory.scim import ScimDirectory
from rightful.directory.scim_settings import USER, ScimDirectorySettings
from rightful.errors import SourceError, SourceRefused, SourceUnavailable
from rightful.ids import SubjectId, TenantId
from rightful.subject.model import Weakness

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
TOKEN = "hunter2"
ANN, BOB = "ann@contoso.example", "bob@contoso.example"

Query = dict[str, str]
Answer = Callable[[Query], Any]


def user(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "id": f"u{number}", "userName": name, "emails": [{"value": f"m{number}@contoso.example"}], **more}


PEOPLE = [user(1, ANN), user(2, BOB), *(user(number, f"u{number}@contoso.example") for number in range(3, 8))]


def listed(resources: Any, total: Any = None, **more: Any) -> dict[str, Any]:
    return {"schemas": [LIST], "totalResults": len(resources) if total is None else total, "Resources": resources, **more}


def matching(query: Query, people: list[dict[str, Any]] = PEOPLE, *, is_exact: bool = False) -> list[dict[str, Any]]:
    """Do what a right server does with filters of the form that these tests cause."""
    terms = re.findall(r'([\w.]+) eq ("(?:[^"\\]|\\.)*")', query.get("filter", ""))
    fold = str if is_exact else str.casefold

    def is_found(each: dict[str, Any]) -> bool:
        return any(
            fold(json.loads(value)) in map(fold, [each["emails"][0]["value"]] if path == "emails.value" else [each.get(path, "")])
            for path, value in terms
        )

    return [each for each in people if is_found(each) or not terms]


def page(query: Query, found: list[dict[str, Any]]) -> dict[str, Any]:
    start, count = int(query.get("startIndex", "1")) - 1, int(query.get("count", "100"))
    return listed(found[start : start + count], len(found))


def right(query: Query) -> dict[str, Any]:
    return page(query, matching(query))


@contextmanager
def asked(answer: Answer, *, config: Any = None, **said: Any) -> Iterator[tuple[ScimDirectory, Api]]:
    def reply(request: Asked) -> Reply | Iterator[bytes]:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        parts = urlsplit(request.target)
        if parts.path == "/scim/v2/ServiceProviderConfig":
            return Reply(json.dumps(config).encode()) if config else Reply(b"{}", 404)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        given = answer(query | {"path": parts.path})
        return Reply(json.dumps(given).encode()) if isinstance(given, dict | list) else given

    with serving(reply) as api:
        settings = {"token": TOKEN, "identifiers": {"mail": "emails.value"}, "page_size": 2, "requests_per_second": 10_000.0, **said}
        with closing(ScimDirectory(TENANT, ScimDirectorySettings(url=f"{api.url}/scim/v2", **settings), folder=Path())) as directory:
            yield directory, api


def test_the_server_of_these_tests_is_right_where_it_does_not_lie() -> None:
    with asked(right, config={"filter": {"supported": False}}) as (directory, api):  # as servers announce that know filters
        directory.check()
        assert directory.find_user('a"b@contoso.example') is None
        found = directory.find_user(ANN.upper())
        assert found is not None
        assert found.subject_id == "u1"
        assert len(directory.known(100)["mail"]) == 7
        assert directory.ambiguous_names() == 0
        [identified] = directory.identify([found])
        assert identified is not None
        assert identified.values("mail") == ("m1@contoso.example",)
        assert all(TOKEN not in each.target for each in api.asked)
        assert all("attributes=id" in each.target for each in api.asked[1:]), "nothing is asked for that is of no use"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"<!doctype html><title>Sign in</title>", "no JSON object"),
        (b"", "no JSON object"),
        (b"\xff\xfe", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'{"totalResults": 1, "Resources": [{"id": "\\ud800"}]}', "no JSON object"),
        (b'{"Resources":' + b"[" * 5000 + b"]" * 5000 + b"}", "no JSON object"),
        (b"{}", "something else than a list"),
        (b'{"value": []}', "something else than a list"),
        (b'{"totalResults": "1", "Resources": []}', "something else than a list"),
        (b'{"totalResults": true, "Resources": []}', "something else than a list"),
        (b'{"totalResults": -1, "Resources": []}', "something else than a list"),
        (b'{"totalResults": 1, "Resources": [], "nextCursor": 7}', "something else than a list"),
        (b'{"totalResults": 1, "Resources": [null]}', "resources that are none"),
        (b'{"totalResults": 1, "Resources": {"id": "u1"}}', "resources that are none"),
        (b'{"totalResults": 1, "Resources": ["u1"]}', "resources that are none"),
        (b'{"totalResults": 1, "Resources": [{"userName": "ann@contoso.example"}]}', "without a text as its `id`"),
        (b'{"totalResults": 1, "Resources": [{"id": null, "userName": "ann@contoso.example"}]}', "without a text as its `id`"),
        (b'{"totalResults": 1, "Resources": [{"id": 1, "userName": "ann@contoso.example"}]}', "without a text as its `id`"),
        (b'{"totalResults": 1, "totalresults": 0, "Resources": []}', "different letter case"),
        (b'{"Resources": []}', "how many resources"),
        (b'{"totalResults": 1, "Resources": [{"id": "u1", "userName": "ann@contoso.example", "username": "b"}]}', "different letter case"),
        (b'{"totalResults": 1, "Resources": [{"id": "u1", "userName": ["ann@contoso.example", ["b"]]}]}', "something else than texts"),
        (b'{"totalResults": 1, "Resources": [{"id": "u1", "userName": 1.5}]}', "something else than texts"),
        (b'{"totalResults": 1, "Resources": [{"id": "u1", "userName": "ann@contoso.example", "emails": ["a"]}]}', "has no parts"),
    ],
)
def test_what_is_no_answer_is_refused(content: bytes, match: str) -> None:
    with asked(lambda _: Reply(content)) as (directory, _):
        with pytest.raises(SourceRefused, match=match) as caught:
            directory.find_user(ANN)
        assert not re.search(f"{ANN}|{TOKEN}|Sign in", f"{caught.value}{caught.value.hint}")
        with pytest.raises(SourceRefused):
            directory.check()


@pytest.mark.parametrize("hole", [None, "", [], {}])
def test_what_is_empty_is_nothing(hole: Any) -> None:
    nobody = {"id": "u9", "userName": hole if hole != {} else None, "emails": hole}
    with asked(lambda query: page(query, [user(1, ANN, emails=hole, displayName=hole or None), nobody])) as (directory, _):
        found = directory.find_user(ANN)
        assert found is not None
        [identified] = directory.identify([found])
        assert identified is not None
        assert identified.values("mail") == ()
        assert directory.find_user("@") is None


@pytest.mark.parametrize("key", [ANN, "u1", "nobody@contoso.example"])
def test_other_people_than_asked_for_are_left_aside(key: str) -> None:
    with asked(lambda query: page(query, PEOPLE if "filter" in query else [])) as (directory, _):
        found = directory.find_user(key)
        assert (found.subject_id if found else "") == ("" if key.startswith("nobody") else "u1")
    with asked(lambda query: page(query, PEOPLE[1:])) as (directory, _):
        assert directory.find_user(key) is None
        assert directory.subjects([]) == ()


def test_who_else_has_an_identifier_is_known_or_refused() -> None:
    blind = lambda query: page(query, [] if "emails" in query.get("filter", "") else matching(query))  # noqa: E731
    with asked(blind) as (directory, _):
        found = directory.find_user(ANN)
        assert found is not None
        with pytest.raises(SourceRefused, match=r"by its own 'emails\.value', so that nobody knows who else has it") as caught:
            directory.identify([found])
        assert "find_by: list" in caught.value.hint


def test_groups_are_nobody() -> None:
    groups = [{"schemas": [GROUP], "id": "u1", "userName": ANN, "displayName": "Sales", "members": [{"value": "u2"}]}]
    with asked(lambda query: page(query, groups)) as (directory, _):
        for ask in (directory.check, lambda: directory.find_user(ANN), lambda: directory.known(9)):
            with pytest.raises(SourceRefused, match="another schema"):
                ask()


def _growing(query: Query) -> Any:
    return page(query, PEOPLE[:3] if query.get("startIndex", "1") == "1" else PEOPLE)


def _shrinking(query: Query) -> Any:
    return page(query, PEOPLE if query.get("startIndex", "1") == "1" else PEOPLE[2:])


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (lambda query: listed([user(1, ANN)], 3) if "startIndex" not in query else listed([], 3), "there are 3 resources, and gives 1"),
        (lambda _: listed([user(1, ANN)], 0), "there are 0 resources, and gives 1"),
        (lambda _: listed([], 1), "there are 1 resources, and gives 0"),
        (lambda _: listed(None, 1), "there are 1 resources, and gives 0"),
        (lambda _: listed([user(1, ANN), user(1, ANN)]), "one resource twice"),
        (lambda _: listed(PEOPLE[:2], 7), "one resource twice"),
        (lambda query: listed(right(query)["Resources"]), "there are 2 resources, and gives"),
        (_growing, "something else on each page"),
        (_shrinking, "something else on each page"),
    ],
    ids=["more than given", "none", "one", "null", "twice", "always the first page", "total of a page", "growing", "shrinking"],
)
def test_totals_and_pages_that_do_not_add_up_are_an_outage(answer: Answer, match: str) -> None:
    everything = lambda query: answer({**query, "filter": ""})  # noqa: E731 - it forgets what was asked for
    with asked(everything) as (directory, _), pytest.raises(SourceUnavailable, match=match):
        directory.find_user(ANN)


def test_pages_that_are_smaller_than_asked_for_are_read_to_the_end() -> None:
    def capped(query: Query) -> Any:
        return page(query | {"count": "1"}, matching(query))

    def generous(query: Query) -> Any:
        return listed(matching(query))

    def forgetful(query: Query) -> Any:
        found = matching(query)
        return page(query, found if int(query.get("startIndex", "1")) <= len(found) else [])

    for answer in (capped, generous, forgetful):
        with asked(answer, page_size=3) as (directory, _):
            names = [SubjectId(f"u{number}") for number in range(1, 7)]
            assert [each.subject_id for each in directory.subjects(names) if each] == names
            directory.check()


def test_more_than_may_be_is_refused() -> None:
    with (
        asked(lambda query: page(query, [user(1, ANN, note="x" * (2 << 20))]), answer_mib=1) as (directory, _),
        pytest.raises(SourceRefused, match="larger than 1 MiB"),
    ):
        directory.find_user(ANN)


CURSOR = {"pagination": {"cursor": True, "index": False}}


def test_cursors_in_a_circle_are_refused() -> None:
    numbers = itertools.count()
    circle = lambda _: listed([user(next(numbers), ANN)], nextCursor="again")  # noqa: E731
    with asked(circle, config=CURSOR) as (directory, _), pytest.raises(SourceRefused, match=r"in a circle|something else"):
        directory.find_user(ANN)
    without_total = lambda _: {"Resources": [user(next(numbers), ANN)], "nextCursor": "again"}  # noqa: E731
    with asked(without_total, config=CURSOR) as (directory, _), pytest.raises(SourceRefused, match="in a circle"):
        directory.find_user(ANN)


def test_cursors_without_a_total_are_followed_to_the_end() -> None:
    def by_cursor(query: Query) -> Any:
        assert "startIndex" not in query
        found, start = matching(query), int(query["cursor"] or "0")
        return {"Resources": found[start : start + 2], **({"nextCursor": f"{start + 2}"} if start + 2 < len(found) else {})}

    with asked(by_cursor, config=CURSOR) as (directory, _):
        directory.check()
        assert len(directory.known(100)["upn"]) == 7
    with (
        asked(lambda query: by_cursor(query) | {"totalResults": 9}, config=CURSOR) as (directory, _),
        pytest.raises(SourceUnavailable, match="there are 9 resources, and gives 7"),
    ):
        directory.ambiguous_names()


@pytest.mark.parametrize(
    ("answer", "said", "match", "hint"),
    [
        (lambda query: page(query, matching(query, is_exact=True)), {}, "by its own 'userName', letter case apart", "without letter case"),
        (
            lambda query: page(query, [] if "emails" in query.get("filter", "") else matching(query)),
            {},
            "own 'emails.value'",
            "filter by it",
        ),
        (
            lambda query: page(query, matching({**query, "filter": query.get("filter", "").partition(" or ")[0]})),
            {},
            "two people",
            "at_once: 1",
        ),
        (lambda query: listed(right(query)["Resources"]), {}, "how many are on a page", "page_size"),
        (lambda query: right({**query, "startIndex": "1"}), {}, "same page for each startIndex", "page_size"),
        (lambda query: page(query, [{"id": each["id"]} for each in matching(query)]), {}, "no attribute 'userName'", "selects: false"),
        (lambda query: page(query, []), {}, "shows no entry", "account"),
        (lambda query: page(query, PEOPLE), {}, "that is nobody's", "find_by: list"),
        (lambda query: right(query) if "filter" not in query else Reply(b"", 501), {}, "answered 501", "find_by: list"),
        (right, {"identifiers": {"mail": "emails"}, "upn": "nickName"}, "no attribute 'nickName'", "check its name"),
    ],
)
def test_check_says_what_the_server_does_not_do_and_the_way_out(answer: Answer, said: dict[str, Any], match: str, hint: str) -> None:
    with asked(answer, **said) as (directory, _), pytest.raises(SourceRefused, match=match) as caught:
        directory.check()
    assert hint in caught.value.hint


def test_one_value_at_once_is_a_way_out_where_or_is_unknown() -> None:
    def without_or(query: Query) -> Any:
        wrong = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "scimType": "invalidFilter", "status": "400", "detail": ANN}
        return Reply(json.dumps(wrong).encode(), 400) if " or " in query.get("filter", "") else right(query)

    with asked(without_or, at_once=1) as (directory, _):
        directory.check()
    with (
        asked(without_or) as (directory, _),
        pytest.raises(SourceRefused, match=r"400 \(invalidFilter\) to a filter by 'userName'") as caught,
    ):
        directory.check()
    assert "at_once: 1" in caught.value.hint
    assert ANN not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "match", "hint"),
    [
        (400, b"<html>", "answered 400 to a filter by 'userName'", "selects: false"),
        (400, b'{"scimType": "tooMany"}', r"400 \(tooMany\)", "at_once"),
        (400, b'{"scimType": "' + ANN.encode() + b'"}', "answered 400 to", "at_once: 1"),
        (400, b'{"scimType": ["invalidFilter"]}', "answered 400 to", "at_once: 1"),
        (401, b"{}", "answered 401", "check token"),
        (403, b'{"scimType": "sensitive"}', r"403 \(sensitive\)", "ask_by: post"),
        (403, b"", "answered 403", "right"),
        (404, b"", "answered 404", "check url"),
        (501, b"", "answered 501", "filters"),
        (302, b"", "answered 302", "redirects are not followed"),
    ],
)
def test_a_refusal_says_what_to_do_and_nothing_of_anybody(status: int, body: bytes, match: str, hint: str) -> None:
    with (
        asked(lambda _: Reply(body, status, {"Location": "http://127.0.0.1:1/"})) as (directory, _),
        pytest.raises(SourceRefused, match=match) as caught,
    ):
        directory.find_user(ANN)
    assert hint in caught.value.hint
    assert not re.search(f"{ANN}|{TOKEN}", f"{caught.value}{caught.value.hint}")


def test_what_passes_is_tried_again() -> None:
    replies = iter([Reply(b"", 503, {"Retry-After": "0"}), Reply(b"", 429), Reply(b'{"Resources"', cut=5)])
    with asked(lambda query: next(replies, None) or right(query)) as (directory, api):
        assert directory.find_user(ANN) is not None
        assert len(api.asked) == 5


def test_somebodys_address_is_believed_if_it_is_theirs() -> None:
    def by_path(query: Query) -> Any:
        name = query["path"].rpartition("/")[2]
        if name == "Users":
            return right(query)
        return next((each for each in PEOPLE if each["id"] == name), None) or Reply(b"{}", 404)

    with asked(by_path, ids="path") as (directory, api):
        directory.check()
        found = directory.find_user("u2")
        assert found is not None
        assert found.user_principal_name == BOB
        for key in ("u99", ".", "..", "../Groups/u2", "u2?attributes=password"):
            assert directory.find_user(key) is None
        assert {urlsplit(each.target).path for each in api.asked} <= {
            *(f"/scim/v2/Users{rest}" for rest in ("", "/u1", "/u2", "/u99", "/..%2FGroups%2Fu2", "/u2%3Fattributes%3Dpassword")),
            "/scim/v2/ServiceProviderConfig",
        }
    with asked(lambda query: right(query) if query["path"].endswith("Users") else PEOPLE[1], ids="path") as (directory, _):
        assert directory.find_user("U2") is None, "an id has letter case (RFC 7643 3.1), whatever the server thinks"
    with asked(lambda _: user(3, ANN), ids="path") as (directory, _), pytest.raises(SourceRefused, match="another resource"):
        directory.find_user("u1")
    with asked(lambda _: Reply(b"{}", 404), ids="path") as (directory, _), pytest.raises(SourceRefused, match="answered 404"):
        directory.find_user("u1")


def test_many_values_take_few_requests_and_none_that_is_too_long() -> None:
    everybody = [user(number, f"person.number.{number}@contoso.example") for number in range(200)]
    with asked(lambda query: page(query, matching(query, everybody)), page_size=100) as (directory, api):
        found = directory.subjects([each["id"] for each in everybody])
        assert [each.subject_id for each in found if each] == [each["id"] for each in everybody]
        assert len(api.asked) <= 200 / 20 + 1
        api.asked.clear()
        assert all(directory.identify([each for each in found if each]))
        assert max(each.target.count("%20or%20") for each in api.asked) == 19
    with asked(lambda query: page(query, matching(query, everybody)), page_size=100, at_once=1000) as (directory, api):
        assert all(directory.identify([each for each in found if each]))
        assert max(each.target.count("%20or%20") for each in api.asked) > 19
        assert max(len(each.target) for each in api.asked) < 4096


@pytest.mark.parametrize("find_by", ["filter", "list"])
def test_what_no_server_can_hold_is_nobody(find_by: str) -> None:
    with asked(right, find_by=find_by) as (directory, _):
        assert directory.find_user("a\ud800@contoso.example") is None


@pytest.mark.parametrize("find_by", ["filter", "list"])
def test_who_has_no_object_id_is_nobody(find_by: str) -> None:
    people = [user(1, ANN, externalId="e1"), user(2, BOB, externalId=None), user(3, "x@contoso.example")]
    with asked(lambda query: page(query, matching(query, people)), find_by=find_by, id="externalId") as (directory, _):
        assert directory.known(9)["upn"] == {ANN}


def _without_filters(query: Query) -> Any:
    return Reply(b"{}", 400) if "filter" in query else right(query)


def test_a_list_is_a_way_out_where_filters_are_unknown() -> None:
    with asked(_without_filters, find_by="list", config={"filter": {"supported": False}}) as (directory, api):
        directory.check()
        asked_before = len(api.asked)
        for number, person in enumerate(PEOPLE, 1):
            found = directory.find_user(person["userName"].upper())
            assert found is not None
            [identified] = directory.identify([found])
            assert identified is not None
            assert identified.values("mail") == (f"m{number}@contoso.example",)
        assert directory.find_user("nobody@contoso.example") is None
        assert len(api.asked) == asked_before, "what is kept is looked through"


def test_a_list_that_is_too_old_is_read_again_or_not_used() -> None:
    people = [PEOPLE[:3]]
    answers: list[Answer] = [lambda query: page(query, people[0])]

    def by_turns(query: Query) -> Any:
        return answers[0](query)

    with asked(by_turns, find_by="list", list_age_s=1.0) as (directory, _):
        assert directory.find_user("u4@contoso.example") is None
        people[0] = PEOPLE
        assert directory.find_user("u4@contoso.example") is None
        time.sleep(1.0)
        assert directory.find_user("u4@contoso.example") is not None
        answers[0] = lambda _: Reply(b"{}", 403)
        time.sleep(1.0)
        for _ in range(2):
            with pytest.raises(SourceRefused, match="answered 403"):
                directory.find_user("u4@contoso.example")
        answers[0] = right
        assert directory.find_user(ANN) is not None


def test_a_list_of_which_a_part_is_missing_is_not_kept() -> None:
    with asked(lambda query: page(query, PEOPLE[:3]) | {"totalResults": 7}, find_by="list") as (directory, _):
        for _ in range(2):
            with pytest.raises(SourceUnavailable, match="there are 7 resources, and gives 3"):
                directory.find_user(ANN)


def test_who_has_no_id_is_counted_and_found_by_nobody() -> None:
    people = [user(number, f"u{number}@contoso.example", emails=[{"value": "Team@contoso.example"}]) for number in range(4)]
    for each in people[:2]:
        each["externalId"] = f"x{each['id']}"
    with asked(lambda query: page(query, matching(query, people)), find_by="list", id="externalId") as (directory, _):
        found = directory.find_user("u0@contoso.example")
        assert found is not None
        [identified] = directory.identify([found])
        assert identified is not None
        assert [(each.people, each.weakness) for each in identified.refused if each.kind == "mail"] == [(4, Weakness.SHARED)]
        with pytest.raises(SourceRefused, match="an entry without 'externalId'"):
            directory.find_user("u3@contoso.example")


def test_closing_ends_who_waits() -> None:
    with asked(right) as (directory, _):
        assert directory.find_user(ANN) is not None
        directory.close()
        with pytest.raises(SourceError, match="asked no more"):
            directory.find_user(ANN)
