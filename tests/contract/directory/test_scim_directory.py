"""What is SCIM's own: access, other resources, settings that cannot be meant."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.servers.api import Asked, Reply, serving
from tests.servers.scim import ScimServerProcess

from rightful.directory.scim import ScimDirectory
from rightful.directory.scim_settings import USER, ScimDirectorySettings, ScimInboundSettings, ScimMoreSettings
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rightful.ids import TenantId
from rightful.subject.model import Weakness
from rightful.webapi.access import OAuthSettings

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
SECRET = "hunter2"


def user(number: int, **more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "externalId": f"u{number}", "userName": f"u{number}@contoso.example", **more}


@contextmanager
def opened(server: ScimServerProcess, url: str, **said: Any) -> Iterator[ScimDirectory]:
    given: dict[str, Any] = {"token": server.token, "requests_per_second": 10_000.0, "page_size": 3, **said}
    with closing(ScimDirectory(TENANT, ScimDirectorySettings(url=url, **given), folder=Path())) as directory:
        yield directory


def test_a_wrong_token_is_refused(scim_server: ScimServerProcess) -> None:
    url = scim_server.tenant([user(1)])
    with opened(scim_server, url, token=SECRET) as directory:
        for ask in (directory.check, partial(directory.find_user, "u1")):
            with pytest.raises(SourceRefused, match="answered 401") as caught:
                ask()
            assert SECRET not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize("find_by", ["filter", "list"])
def test_more_and_inbound_profiles_are_resources_too(scim_server: ScimServerProcess, find_by: str) -> None:
    groups = [
        {"schemas": [GROUP], "displayName": name, "members": [{"value": f"u{each}", "type": "User"} for each in members]}
        for name, members in {"Sales": (1,), "Project X": (1, 2), "Everybody": (1, 2, 3, 4, 5)}.items()
    ]
    guest = user(9, userName="guest@fabrikam.example", userType="Guest", displayName="Gus", nickName="99999999-9999-9999-9999-999999999999")
    url = scim_server.tenant([*(user(number, userType="Employee") for number in range(1, 6)), guest, *groups])
    more = ScimMoreSettings(resources="/Groups", from_={"id": "members.value"}, identifiers={"team": "displayName"})
    inbound = ScimInboundSettings(filter='userType eq "Guest"', display_name="displayName", home_tenant_id="nickName")
    with opened(scim_server, url, filter='userType eq "Employee"', more=(more,), inbound_profiles=inbound, find_by=find_by) as directory:
        directory.check()
        subject = directory.find_user("u1")
        assert subject is not None
        [found] = directory.identify([subject])
        assert found is not None
        assert set(found.values("team")) == {"Sales", "Project X"}
        assert [(each.value, each.people, each.weakness) for each in found.refused] == [("Everybody", 5, Weakness.SHARED)]
        assert {(each.from_kind, each.place) for each in found.reached if each.kind == "team"} == {("id", "scim.displayName")}
        profile = directory.find_inbound_profile("u9")
        assert profile is not None
        assert (profile.user_principal_name, profile.display_name) == ("guest@fabrikam.example", "Gus")
        assert profile.home_tenant_id == "99999999-9999-9999-9999-999999999999"
        assert directory.list_inbound_profiles() == (profile,)
        assert directory.find_user("u9") is None
        assert directory.find_inbound_profile("u1") is None
        assert directory.columns() == {"id": ("id",), "upn": ("userName",), "team": ("displayName",)}


def test_a_token_of_oauth_is_fetched_and_renewed() -> None:
    granted: list[str] = []

    def answer(asked: Asked) -> Reply:
        if asked.target == "/token":
            assert parse_qs(asked.body.decode())["client_secret"] == [SECRET]
            granted.append(f"t{len(granted)}")
            return Reply(json.dumps({"access_token": granted[-1], "token_type": "Bearer", "expires_in": 3600}).encode())
        if asked.headers.get("authorization") != f"Bearer {granted[-1]}" or len(granted) == 1:
            return Reply(b"{}", 401)
        return Reply(json.dumps({"totalResults": 1, "Resources": [{**user(1), "id": "u1"}]}).encode())

    with serving(answer) as api:
        oauth = OAuthSettings(token_url=f"{api.url}/token", client_id="rightful", client_secret=SECRET)
        with closing(ScimDirectory(TENANT, ScimDirectorySettings(url=f"{api.url}/v2", oauth2=oauth), folder=Path())) as directory:
            assert directory.find_user("u1") is not None
    assert granted == ["t0", "t1"]


def test_a_post_holds_what_is_searched_for_and_the_address_does_not() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.target.endswith("/ServiceProviderConfig"):
            return Reply(b"{}", 404)
        said = json.loads(asked.body)
        assert asked.headers["content-type"] == "application/scim+json"
        assert said["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]
        assert said["filter"] == 'userName eq "u1@contoso.example"'
        return Reply(json.dumps({"totalResults": 1, "Resources": [{**user(1), "id": "u1"}]}).encode())

    with serving(answer) as api:
        settings = ScimDirectorySettings(url=f"{api.url}/v2", token=SECRET, ask_by="post")
        with closing(ScimDirectory(TENANT, settings, folder=Path())) as directory:
            assert directory.find_user("u1@contoso.example") is not None
        assert {each.target for each in api.asked} == {"/v2/ServiceProviderConfig", "/v2/Users/.search"}


def test_a_server_that_is_gone_is_an_outage(scim_server: ScimServerProcess) -> None:
    with (
        opened(scim_server, "http://127.0.0.1:1/v2", timeout_s=1.0) as directory,
        pytest.raises(SourceUnavailable, match="cannot be connected"),
    ):
        directory.find_user("u1")


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({}, ""),
        ({"url": "http://idp.contoso.example/scim"}, "url"),
        ({"url": "https://reader:hunter2@idp.contoso.example/scim"}, "url"),
        ({"url": "https://idp.contoso.example/scim?x=1"}, "url"),
        ({"url": "https://idp.contoso.example/sc im"}, "url"),
        ({"url": "idp.contoso.example/scim"}, "url"),
        ({"token": "two\nlines"}, "token"),
        ({"user": "reader", "password": "x"}, "token"),
        ({"oauth2": OAuthSettings(token_url="https://x.example/t", client_id="a", client_secret="b")}, "oauth2"),
        ({"headers": {"Host": "x"}}, "headers.Host"),
        ({"resources": "Users"}, "resources"),
        ({"resources": "/Users?filter=x"}, "resources"),
        ({"resources": "/Users/"}, "resources"),
        ({"filter": 'a eq "x") or (b pr'}, "filter"),
        ({"filter": 'a eq "x'}, "filter"),
        ({"filter": "a\x00"}, "filter"),
        ({"id": ""}, "id"),
        ({"upn": "emails.value.x"}, "upn"),
        ({"language": "a b"}, "language"),
        ({"identifiers": {"mail": ("emails.value", 'emails[type eq "x"')}}, "identifiers.mail"),
        ({"ids": "path", "filter": "active eq true"}, "ids"),
        ({"more": (ScimMoreSettings(resources="x", from_={"mail": "a"}, identifiers={"d": "b"}),)}, "more.0.resources"),
        ({"more": (ScimMoreSettings(resources="/x", from_={"mail": "a b"}, identifiers={"d": "b"}),)}, "more.0.from.mail"),
        ({"inbound_profiles": ScimInboundSettings(filter=")")}, "inbound_profiles.filter"),
        ({"inbound_profiles": ScimInboundSettings(filter="a pr", upn="")}, "inbound_profiles.upn"),
    ],
)
def test_settings_that_cannot_be_meant_are_told_by_their_place(said: dict[str, Any], wrong: str) -> None:
    given: dict[str, Any] = {"url": "https://idp.contoso.example/scim/v2", "token": SECRET}
    settings = ScimDirectorySettings(**given | said)
    found = list(ScimDirectory.problems(settings))
    assert [".".join(map(str, path)) for path, _, _ in found] == ([wrong] if wrong else [])
    assert SECRET not in f"{found}{settings!r}"
    if wrong:
        with pytest.raises(ConfigurationError) as caught:
            ScimDirectory(TENANT, settings, folder=Path())
        assert SECRET not in str(caught.value)
