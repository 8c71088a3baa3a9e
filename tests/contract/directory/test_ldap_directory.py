"""What is LDAP's own: TLS, restarts, limits, references, attributes that cannot be searched by."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.servers.slapd import BASE, PASSWORD, READER, SlapdServer, StartSlapd, entry, person

from rightful.directory.ldap import LdapDirectory
from rightful.directory.ldap_settings import LdapDirectorySettings, LdapInboundSettings, LdapMoreSettings
from rightful.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable
from rightful.ids import TenantId
from rightful.subject.model import Weakness

TENANT = TenantId("11111111-1111-1111-1111-111111111111")


NAMED_OTHERWISE = "127.0.0.1"
"""An address that the server's certificate does not name."""


def guid(number: int) -> str:
    return f"bbbbbbbb-0000-4000-8000-{number:012x}"


def people(count: int, **attributes: str) -> str:
    return "".join(
        person(n, {"entryUUID": guid(n), "mail": f"m{n}@contoso.example", "userPrincipalName": f"u{n}@contoso.example", **attributes})
        for n in range(count)
    )


@contextmanager
def opened(server: SlapdServer, **said: Any) -> Iterator[LdapDirectory]:
    given: dict[str, Any] = {"url": server.url, "bind_dn": READER, "password": PASSWORD, "base": f"ou=people,{BASE}"}
    given |= {"id": "entryUUID", "upn": "userPrincipalName", "identifiers": {"mail": "mail"}, "timeout_s": 5.0}
    with closing(LdapDirectory(TENANT, LdapDirectorySettings(**given | said), folder=server.ca.parent)) as directory:
        yield directory


@pytest.mark.parametrize("way", ["ldaps", "StartTLS"])
def test_an_encrypted_server_is_asked_and_its_certificate_checked(start_slapd: StartSlapd, way: str) -> None:
    server = start_slapd(people(1))
    url = server.tls_url if way == "ldaps" else f"ldap://localhost:{server.port}"
    said = {"start_tls": way != "ldaps"}
    with opened(server, url=url, ca=server.ca.read_text(), **said) as directory:
        directory.check()
        assert directory.find_user(guid(0)) is not None
    with opened(server, url=url, **said) as directory, pytest.raises(SourceRefused, match="no certificate to be trusted"):
        directory.find_user(guid(0))  # whose authority the system does not know
    with opened(server, url=url, ca="nothing", **said) as directory, pytest.raises(SourceRefused, match="holds no certificates"):
        directory.check()


def test_a_certificate_of_another_name_is_refused(start_slapd: StartSlapd) -> None:
    server = start_slapd(people(1))
    url = f"ldaps://{NAMED_OTHERWISE}:{server.tls_port}"
    with opened(server, url=url, ca=server.ca.read_text()) as directory, pytest.raises(SourceRefused, match="no certificate to be trusted"):
        directory.check()


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"url": "ldap://dc.contoso.example"}, "url"),
        ({"url": "ldaps://dc.contoso.example", "start_tls": True}, "url"),
        ({"url": "ldaps://reader:hunter2@dc.contoso.example"}, "url"),
        ({"url": "ldaps://dc.contoso.example/dc=contoso"}, "url"),
        ({"url": "https://dc.contoso.example"}, "url"),
        ({"url": "ldaps://dc.contoso.example:x"}, "url"),
        ({"password": ""}, "password"),
        ({"bind_dn": ""}, "password"),
        ({"filter": "objectClass=person"}, "filter"),
        ({"id": ""}, "id"),
        ({"upn": "a b"}, "upn"),
        ({"identifiers": {"mail": ("mail", "proxy*")}}, "identifiers.mail"),
        ({"more": (LdapMoreSettings(filter="(x", from_={"mail": "owner"}, identifiers={"d": "cn"}),)}, "more.0.filter"),
        ({}, ""),
    ],
)
def test_settings_that_cannot_be_meant_are_told_by_their_place(said: dict[str, Any], wrong: str) -> None:
    given: dict[str, Any] = {"url": "ldaps://dc.contoso.example", "bind_dn": READER, "password": "hunter2", "base": BASE}
    settings = LdapDirectorySettings(**given | {"id": "entryUUID", "upn": "mail"} | said)
    found = list(LdapDirectory.problems(settings))
    assert [".".join(map(str, path)) for path, _, _ in found] == ([wrong] if wrong else [])
    assert "hunter2" not in f"{found}{settings!r}"
    if wrong == "url":
        with pytest.raises(ConfigurationError) as caught:
            LdapDirectory(TENANT, settings, folder=Path())
        assert "hunter2" not in str(caught.value)


def test_a_server_that_was_started_again_is_found_again(start_slapd: StartSlapd) -> None:
    server = start_slapd(people(3))
    with opened(server) as directory:
        assert directory.find_user(guid(1)) is not None
        server.stop()
        with pytest.raises(SourceUnavailable):
            directory.find_user(guid(1))
        server.start()
        assert directory.find_user(guid(1)) is not None
        server.stop()
        server.start()
        assert directory.find_user(guid(2)) is not None, "a connection that ended meanwhile is no error"


def test_wrong_passwords_and_missing_rights_are_refused(start_slapd: StartSlapd) -> None:
    server = start_slapd(people(2))
    with opened(server, password="hunter2") as directory, pytest.raises(SourceRefused, match="does not take bind_dn") as caught:
        directory.find_user(guid(1))
    assert "hunter2" not in str(caught.value)
    assert BASE not in str(caught.value)
    with opened(server, bind_dn="", password="") as directory, pytest.raises(SourceRefused):
        directory.check()  # nobody may read nothing: never taken for "there is no such person"
    with opened(server, bind_dn="", password="") as directory, pytest.raises(SourceRefused):
        directory.find_user(guid(1))


def test_more_people_than_the_servers_limit_come_by_pages_or_not_at_all(start_slapd: StartSlapd) -> None:
    same = people(150, employeeType="x")
    with opened(start_slapd(same, "sizelimit size.soft=20 size.hard=20 size.prtotal=unlimited"), page_size=20) as directory:
        assert len(directory.known(1000)["id"]) == 150
        assert directory.ambiguous_names() == 0
    with opened(start_slapd(same, "sizelimit size.soft=20 size.hard=20 size.prtotal=100"), page_size=20) as directory:
        with pytest.raises(SourceRefused, match="size limit"):
            directory.ambiguous_names()
        assert directory.find_user(guid(7)) is not None


def test_a_part_that_other_servers_keep_is_refused_or_left_out_and_never_asked_for(start_slapd: StartSlapd) -> None:
    elsewhere = entry(
        f"ou=berlin,ou=people,{BASE}",
        {"objectClass": ["referral", "extensibleObject"], "ou": "berlin", "ref": f"ldap://127.0.0.1:1/ou=berlin,{BASE}"},
    )
    server = start_slapd(people(1) + elsewhere)
    with opened(server) as directory, pytest.raises(SourceRefused, match="other servers"):
        directory.find_user(guid(0))
    with structlog.testing.capture_logs() as logs, opened(server, referrals="ignore") as directory:
        assert directory.find_user(guid(0)) is not None
        assert directory.find_user(guid(9)) is None
    assert len(logs) == 1
    berlin = opened(server, base=f"ou=berlin,ou=people,{BASE}", referrals="ignore")
    with berlin as directory, pytest.raises(SourceRefused, match="another server keeps this"):
        directory.find_user(guid(0))


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"upn": "exactName"}, "letter case apart"),
        ({"identifiers": {"mail": "unsearchable"}}, "by its own 'unsearchable'"),
        ({"upn": "title"}, "no attribute 'title'"),
        ({"filter": "(objectClass=device)"}, "no entry"),
        ({"id": "objectGUID"}, "no entry"),
    ],
)
def test_check_refuses_what_would_find_nobody(start_slapd: StartSlapd, said: dict[str, Any], match: str) -> None:
    server = start_slapd(people(3, exactName="N@contoso.example", unsearchable="x@contoso.example"))
    with opened(server, **said) as directory, pytest.raises(SourceRefused, match=match):
        directory.check()


def test_check_looks_further_for_an_attribute_that_few_have(start_slapd: StartSlapd) -> None:
    rare = person(
        90, {"entryUUID": guid(90), "userPrincipalName": "u90@contoso.example", "unsearchable": "x@contoso.example", "mail": "m@c.example"}
    )
    umlaut = person(0, {"entryUUID": guid(0), "userPrincipalName": "stra\u00dfe0@contoso.example"})
    server = start_slapd(
        umlaut + "".join(person(n, {"entryUUID": guid(n), "userPrincipalName": f"u{n}@contoso.example"}) for n in range(1, 40)) + rare
    )
    with opened(server) as directory:
        directory.check()
    with opened(server, identifiers={"mail": "unsearchable"}) as directory, pytest.raises(SourceRefused, match="by its own 'unsearchable'"):
        directory.check()


def test_who_else_has_an_identifier_is_known_or_refused(start_slapd: StartSlapd) -> None:
    with opened(start_slapd(people(3, unsearchable="x@contoso.example")), identifiers={"mail": "unsearchable"}) as directory:
        subject = directory.find_user(guid(1))
        assert subject is not None
        with pytest.raises(SourceRefused, match="nobody knows who else has it"):
            directory.identify([subject])


def test_guids_of_active_directory_are_text(start_slapd: StartSlapd) -> None:
    # MS-DTYP 2.3.4: 00112233-4455-6677-8899-aabbccddeeff is 33221100 5544 7766 8899 aabbccddeeff on the wire.
    raw = bytes.fromhex("33221100554477668899aabbccddeeff")
    server = start_slapd(person(1, {"objectGUID": raw, "userPrincipalName": "ann@contoso.example"}))
    with opened(server, id="objectGUID") as directory:
        for key in ("00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-AABBCCDDEEFF", "ANN@contoso.example"):
            found = directory.find_user(key)
            assert found is not None
            assert found.subject_id == "00112233-4455-6677-8899-aabbccddeeff"
        assert directory.find_user(str(uuid.UUID(bytes=raw))) is None
        assert directory.find_user("ann") is None


def test_more_and_inbound_profiles_are_entries_too(start_slapd: StartSlapd) -> None:
    device = {
        "objectClass": ["device", "sampleUser"],
        "cn": "laptop-7",
        "userPrincipalName": "U0@contoso.example",
        "serialNumber": ["s1", "s2"],
    }
    guest = person(50, {"entryUUID": guid(50), "mail": "guest@fabrikam.example", "o": "99999999-9999-9999-9999-999999999999"})
    server = start_slapd(people(1) + entry(f"cn=laptop-7,{BASE}", device) + guest)
    more = LdapMoreSettings(
        base=BASE, filter="(objectClass=device)", from_={"upn": "userPrincipalName"}, identifiers={"serial": "serialNumber"}
    )
    inbound = LdapInboundSettings(filter="(o=*)", user_id="entryUUID", upn="mail", home_tenant_id="o")
    with opened(server, filter="(&(objectClass=person)(!(o=*)))", more=(more,), inbound_profiles=inbound) as directory:
        directory.check()
        ann = directory.find_user("u0@contoso.example")
        assert ann is not None
        [found] = directory.identify([ann])
        assert found is not None
        assert found.values("serial") == ("s1", "s2")
        assert [(each.from_kind, each.place) for each in found.reached if each.kind == "serial"] == [("upn", "ldap.serialNumber")] * 2
        profile = directory.find_inbound_profile(guid(50))
        assert profile is not None
        assert (profile.user_principal_name, profile.home_tenant_id) == ("guest@fabrikam.example", "99999999-9999-9999-9999-999999999999")
        assert directory.list_inbound_profiles() == (profile,)
        assert directory.find_user(guid(50)) is None


def test_an_address_that_many_share_in_different_attributes_is_none_of_theirs(start_slapd: StartSlapd) -> None:
    shared = "".join(
        person(n, {"entryUUID": guid(n), "userPrincipalName": f"u{n}@contoso.example", "mail" if n % 2 else "proxyAddresses": f"{'' if n % 2 else 'SMTP:'}Team@contoso.example"})
        for n in range(6)
    )  # fmt: skip
    with opened(start_slapd(shared), identifiers={"mail": ("mail", "proxyAddresses")}) as directory:
        directory.check()
        subject = directory.find_user(guid(3))
        assert subject is not None
        [found] = directory.identify([subject])
        assert found is not None
        assert found.values("mail") == ()
        assert [(each.people, each.place) for each in found.refused if each.weakness is Weakness.SHARED] == [(6, "ldap.mail")]


def test_what_a_thing_of_many_people_holds_is_none_of_theirs(start_slapd: StartSlapd) -> None:
    shared = {"objectClass": ["device", "sampleUser"], "userPrincipalName": [f"U{n}@contoso.example" for n in range(3)]}
    own = {
        "objectClass": ["device", "sampleUser"],
        "userPrincipalName": "u0@contoso.example",
        "proxyAddresses": [f"smtp:d{n}@contoso.example" for n in range(3)],
    }
    server = start_slapd(
        people(3)
        + entry(f"cn=printer,{BASE}", {**shared, "cn": "printer", "serialNumber": "p1"})
        + entry(f"cn=laptop,{BASE}", {**own, "cn": "laptop", "serialNumber": "l1"})
    )
    from_ = {"upn": "userPrincipalName", "mail": "proxyAddresses"}
    more = LdapMoreSettings(base=BASE, filter="(objectClass=device)", from_=from_, identifiers={"serial": "serialNumber"})
    with opened(server, more=(more,)) as directory:
        ann = directory.find_user("u0@contoso.example")
        assert ann is not None
        [found] = directory.identify([ann])
        assert found is not None
        assert found.values("serial") == ("l1",), "several addresses may be one person's, several names are not"
        assert [(each.value, each.people) for each in found.refused if each.kind == "serial"] == [("p1", 3)]


def test_closing_ends_who_waits(start_slapd: StartSlapd) -> None:
    server = start_slapd(people(1))
    with opened(server) as directory:
        directory.check()
        directory.close()
        with pytest.raises(SourceUnavailable, match="asked no more"):
            directory.check()


def test_many_threads_share_a_few_connections_across_a_restart(start_slapd: StartSlapd) -> None:
    server = start_slapd(people(20))
    wrong: list[object] = []

    def ask(directory: LdapDirectory, number: int) -> None:
        for _ in range(20):
            try:
                found = directory.find_user(guid(number))
            except SourceUnavailable:
                continue
            except SourceError as error:
                wrong.append(error)
                return
            if found is None or found.user_principal_name != f"u{number}@contoso.example":
                wrong.append(found)

    with opened(server) as directory:
        threads = [threading.Thread(target=ask, args=(directory, number)) for number in range(20)]
        for thread in threads:
            thread.start()
        server.stop()
        server.start()
        for thread in threads:
            thread.join()
        assert directory.find_user(guid(3)) is not None
    assert wrong == []
