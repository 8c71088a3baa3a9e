"""The SQL directory, over SQLite and PostgreSQL."""

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.contract.database.world import DUCKDB, ENGINES, World, make

from rightful.directory import registry
from rightful.directory.interface import FindsAmbiguity, ListsEverybody
from rightful.directory.sql import InboundSettings, MoreSettings, SqlDirectory, SqlDirectorySettings
from rightful.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable
from rightful.ids import SubjectId, TenantId
from rightful.subject.model import DataSubject, SubjectKind

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
ANN, BOB, EVE = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002", "AAAAAAAA-0000-4000-8000-00000000000E"
_PEOPLE = f"""
CREATE TABLE people (object_id varchar(40) PRIMARY KEY, upn text NOT NULL, name text, preferred_language text, mail text, other_mail text, employee_no text);
CREATE UNIQUE INDEX people_upn ON people (upn);
INSERT INTO people VALUES
  ('{ANN}', 'Ann@contoso.example', 'Ann Lee', 'ja', 'ann@contoso.example', 'lee@contoso.example', 'e10'),
  ('{BOB}', 'bob@contoso.example', NULL, NULL, 'bob@contoso.example', 'bob@contoso.example', ''),
  ('{EVE}', 'éve_x#EXT#@contoso.example', 'Ève', '', NULL, ' ', NULL);
CREATE TABLE devices (id text, owner_upn text, serial text);
INSERT INTO devices VALUES ('d1', 'Ann@contoso.example', 's1'), ('d2', 'Ann@contoso.example', NULL), ('d3', 'bob@contoso.example', 's3'), ('d4', NULL, 's4'),
  ('d5', '', 's5');
CREATE TABLE phones (device text, number text, backup text);
INSERT INTO phones VALUES ('d1', '+1', '+2'), ('d3', '+3', ''), ('d9', '+9', '+9'), (NULL, '+0', '+0');
CREATE TABLE profiles (user_id text PRIMARY KEY, upn text, display_name text, home_tenant text, mail text);
INSERT INTO profiles VALUES ('p2', 'guest@fabrikam.example', 'Guest', 't2', 'guest@fabrikam.example'), ('p1', 'first@fabrikam.example', NULL, 't1', NULL);
"""


@pytest.fixture(params=[*ENGINES, DUCKDB])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    world = make(request.param, request, tmp_path)
    world.execute(_PEOPLE)
    return world


def _directory(world: World, **changed: Any) -> SqlDirectory:
    given: dict[str, Any] = {
        "url": world.url,
        "table": "people",
        "id": "object_id",
        "upn": "upn",
        "display_name": "name",
        "language": "preferred_language",
        "identifiers": {"mail": ("mail", "other_mail"), "employee_id": "employee_no"},
        **changed,
    }
    return SqlDirectory(TENANT, SqlDirectorySettings(**given), folder=world.folder)


@pytest.fixture
def directory(world: World) -> Iterator[SqlDirectory]:
    directory = _directory(
        world,
        more=(
            MoreSettings(table="devices", from_={"upn": "owner_upn"}, identifiers={"device_id": "id", "serial": "serial"}),
            MoreSettings(table="phones", from_={"device_id": "device"}, identifiers={"phone": ("number", "backup")}),
        ),
        inbound_profiles=InboundSettings(table="profiles", home_tenant_id="home_tenant", identifiers={"mail": "mail"}),
    )
    yield directory
    directory.close()


def test_registry_knows_it(world: World) -> None:
    assert registry.find("sql").Settings is SqlDirectorySettings
    with pytest.raises(ConfigurationError, match="nis"):
        registry.find("nis")
    assert registry.names() == ("csv", "ldap", "scim", "sql")
    del world


def test_check_is_silent_where_all_is_there(directory: SqlDirectory) -> None:
    directory.check()


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (ANN, ANN),
        (ANN.upper(), ANN),
        (EVE, EVE),
        (EVE.lower(), EVE),
        ("Ann@contoso.example", ANN),
        ("ann@contoso.example", ANN),
        ("ANN@CONTOSO.EXAMPLE", ANN),
        ("BOB@contoso.example", BOB),
        ("éve_x#EXT#@contoso.example", EVE),
        ("ÉVE_X#EXT#@contoso.example", EVE),
        ("nn@contoso.example", None),
        ("ann@contoso.example ", ANN),
        ("lee@contoso.example", None),
        ("%@contoso.example", None),
        ("aaaaaaaa", None),
        ("", None),
        ("@", None),
        ("a\x00@b.example", None),
        ("' OR 1=1 --@", None),
    ],
)
def test_user_is_found_by_id_and_by_upn_without_case(directory: SqlDirectory, key: str, found: str | None) -> None:
    user = directory.find_user(key)
    assert (user.subject_id if user else None) == found


def test_user_is_described_as_the_row_says(directory: SqlDirectory) -> None:
    assert directory.find_user(ANN) == DataSubject(
        tenant_id=TENANT, subject_id=SubjectId(ANN), user_principal_name="Ann@contoso.example", display_name="Ann Lee", language="ja"
    )
    bob = directory.find_user(BOB)
    assert bob is not None
    assert (bob.display_name, bob.language) == ("", "")


def test_subjects_are_returned_in_the_order_asked(directory: SqlDirectory) -> None:
    found = directory.subjects([SubjectId(BOB), SubjectId("gone"), SubjectId(ANN), SubjectId(BOB)])
    assert [subject.subject_id if subject else None for subject in found] == [BOB, None, ANN, BOB]
    assert directory.subjects([]) == ()


def test_identifiers_are_found_by_identifiers(directory: SqlDirectory) -> None:
    subjects = [subject for subject in directory.subjects([SubjectId(ANN), SubjectId(BOB), SubjectId(EVE)]) if subject]
    gone = DataSubject(tenant_id=TENANT, subject_id=SubjectId("gone"))
    ann, nobody, bob, eve = directory.identify([subjects[0], gone, subjects[1], subjects[2]])
    assert nobody is None
    assert ann is not None
    assert ann.subject == subjects[0]
    assert ann.identifiers == {
        "id": (ANN,),
        "upn": ("Ann@contoso.example",),
        "mail": ("ann@contoso.example", "lee@contoso.example"),
        "employee_id": ("e10",),
        "device_id": ("d1", "d2"),
        "serial": ("s1",),
        "phone": ("+1", "+2"),
    }
    assert bob is not None
    assert bob.identifiers == {
        "id": (BOB,), "upn": ("bob@contoso.example",), "mail": ("bob@contoso.example",), "device_id": ("d3",), "serial": ("s3",), "phone": ("+3",),
    }  # fmt: skip
    assert eve is not None
    assert eve.identifiers == {"id": (EVE, EVE.lower()), "upn": ("éve_x#EXT#@contoso.example",)}


def test_inbound_profiles_are_listed_found_and_identified(directory: SqlDirectory) -> None:
    first, second = directory.list_inbound_profiles()
    assert (first.subject_id, first.display_name, first.home_tenant_id) == ("p1", "", "t1")
    assert first.kind is SubjectKind.INBOUND_PROFILE
    assert directory.find_inbound_profile("p2") == second
    assert directory.find_inbound_profile("p3") is None
    assert directory.find_user("p2") is None
    assert directory.find_inbound_profile(ANN) is None
    [ann] = directory.subjects([SubjectId(ANN)])
    assert ann is not None
    guest, user = directory.identify([second, ann])
    assert guest is not None
    assert guest.identifiers == {"id": ("p2",), "upn": ("guest@fabrikam.example",), "mail": ("guest@fabrikam.example",)}
    assert guest.subject == second
    assert user is not None
    assert user.subject == ann


def test_directory_without_inbound_profiles_has_none(world: World) -> None:
    plain = _directory(world)
    assert plain.list_inbound_profiles() == ()
    assert plain.find_inbound_profile("p1") is None
    plain.close()


def test_many_at_once_are_identified_as_each_alone(world: World, directory: SqlDirectory) -> None:
    people = ", ".join(f"('id{n}', 'U{n}@c.example', 'N', '', 'm{n}@c.example', NULL, '{n}')" for n in range(250))
    devices = ", ".join(f"('dev{n}', 'U{n % 250}@c.example', 's{n % 97}')" for n in range(600))
    world.execute(
        f"INSERT INTO people VALUES {people}; INSERT INTO devices VALUES {devices}; INSERT INTO phones VALUES ('dev7', '+7', NULL)"
    )
    subjects = [subject for subject in directory.subjects([SubjectId(f"id{n}") for n in range(250)]) if subject]
    assert len(subjects) == 250
    random.Random(1).shuffle(subjects)
    together = directory.identify(subjects)
    alone = subjects[:40]  # a database that is opened for each question takes its time
    assert together[:40] == tuple(directory.identify([subject])[0] for subject in alone)
    by_id = {found.subject.subject_id: found for found in together if found}
    assert by_id[SubjectId("id7")].identifiers["device_id"] == ("dev257", "dev507", "dev7")
    assert by_id[SubjectId("id7")].identifiers["phone"] == ("+7",)


def test_integer_ids_and_further_databases(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    other = make("sqlite", request, tmp_path / "..")
    other.execute(
        "DROP TABLE IF EXISTS cards; CREATE TABLE cards (person INTEGER, card INTEGER); INSERT INTO cards VALUES (42, 777), (43, 778)"
    )
    world.execute(
        "CREATE TABLE staff (number bigint PRIMARY KEY, upn text); INSERT INTO staff VALUES (42, 'a@c.example'), (43, 'b@c.example')"
    )
    more = MoreSettings(
        url=f"sqlite:///{(tmp_path / '..').resolve()}/test.db", table="cards", from_={"id": "person"}, identifiers={"card": "card"}
    )
    directory = SqlDirectory(TENANT, SqlDirectorySettings(url=world.url, table="staff", id="number", more=(more,)), folder=world.folder)
    directory.check()
    user = directory.find_user("42")
    assert user is not None
    assert user.subject_id == "42"
    assert directory.find_user("042") is None
    [found] = directory.identify([user])
    assert found is not None
    assert found.identifiers == {"id": ("42",), "upn": ("a@c.example",), "card": ("777",)}
    directory.close()


def test_several_kinds_may_lead_to_one_table(world: World) -> None:
    world.execute(
        "CREATE TABLE logins (who text, login text); INSERT INTO logins VALUES ('e10', 'l1'), ('lee@contoso.example', 'l2'), ('Ann@contoso.example', 'l3')"
    )
    more = MoreSettings(table="logins", from_={"employee_id": "who", "mail": "who", "upn": "who"}, identifiers={"login": "login"})
    directory = _directory(world, more=(more,))
    [ann] = directory.identify([subject for subject in directory.subjects([SubjectId(ANN)]) if subject])
    assert ann is not None
    assert ann.identifiers["login"] == ("l1", "l2", "l3")
    directory.close()


def test_a_column_that_mixes_case_leads_further_where_it_is_caseless(world: World) -> None:
    world.execute(
        "CREATE TABLE cards (owner text, spare text, card text); INSERT INTO cards VALUES ('ANN@Contoso.example', NULL, 'c1'),"
        " (NULL, 'aNN@contoso.example', 'c2'), ('BOB@contoso.EXAMPLE', 'Ann@contoso.example', 'c3'), ('ann@contoso.example.', NULL, 'c4')"
    )
    for caseless, expected in (((), []), (("owner", "spare"), ["c1", "c2", "c3"])):
        more = MoreSettings(table="cards", from_={"upn": "owner", "mail": "spare"}, caseless=caseless, identifiers={"card": "card"})
        directory = _directory(world, more=(more,))
        directory.check()
        for ids in ([ANN], [BOB, ANN]):
            found = directory.identify([subject for subject in directory.subjects([SubjectId(each) for each in ids]) if subject])[-1]
            assert found is not None
            assert sorted(found.identifiers.get("card", ())) == expected
        directory.close()


def test_value_that_many_share_is_refused_rather_than_cut(world: World) -> None:
    shared = ", ".join(f"('x{n}', 'Ann@contoso.example', 's')" for n in range(1001))
    world.execute(f"INSERT INTO devices VALUES {shared}")
    directory = _directory(world, more=(MoreSettings(table="devices", from_={"upn": "owner_upn"}, identifiers={"device_id": "id"}),))
    with pytest.raises(SourceRefused, match="more than 1000 identifiers"):
        directory.identify([subject for subject in directory.subjects([SubjectId(ANN)]) if subject])
    directory.close()


@pytest.mark.parametrize(("length", "is_found"), [(7, True), (8, False)])
def test_chain_of_identifiers_ends_or_is_refused(world: World, length: int, *, is_found: bool) -> None:
    links = ", ".join(f"('{n}', '{n + 1}')" for n in range(length))
    world.execute(f"CREATE TABLE links (a text, b text); INSERT INTO links VALUES ('e10', '0'), {links}")
    more = MoreSettings(table="links", from_={"link": "a", "employee_id": "a"}, identifiers={"link": "b"})
    directory = _directory(world, more=(more,))
    subjects = [subject for subject in directory.subjects([SubjectId(ANN)]) if subject]
    if is_found:
        [ann] = directory.identify(subjects)
        assert ann is not None
        assert ann.identifiers["link"] == tuple(str(n) for n in range(length + 1))
    else:
        with pytest.raises(SourceRefused, match="rounds"):
            directory.identify(subjects)
    directory.close()


_ambiguous = partial(pytest.raises, SourceRefused, match="several people", check=lambda error: error.code == "SubjectAmbiguous")


def test_two_people_with_one_upn_letter_case_apart_are_refused(world: World) -> None:
    world.execute("INSERT INTO people VALUES ('x', 'ann@contoso.example', 'Other', '', '', '', '')")
    directory = _directory(world)
    for key in ("aNN@contoso.example", "ANN@CONTOSO.EXAMPLE"):
        with _ambiguous():
            directory.find_user(key)
    for key in ("Ann@contoso.example", "ann@contoso.example", ANN, "x"):
        found = directory.find_user(key)
        assert found is not None
        with _ambiguous():
            directory.identify([found])
    bob = directory.find_user(BOB)
    assert bob is not None
    assert directory.identify([bob])[0] is not None
    assert directory.ambiguous_names() == 1
    directory.close()


def test_everybody_is_listed_from_all_tables_in_pieces(world: World, directory: SqlDirectory) -> None:
    assert isinstance(directory, ListsEverybody)
    pairs = [(kind, value) for kind, values in directory.everybody({"id", "upn", "serial", "phone"}) or () for value in values]
    assert {pair for pair in pairs if pair[1]} == {
        *(("id", each) for each in (ANN, BOB, EVE, "p1", "p2")),
        *(("upn", each) for each in ("Ann@contoso.example", "bob@contoso.example", "éve_x#EXT#@contoso.example")),
        *(("upn", each) for each in ("guest@fabrikam.example", "first@fabrikam.example")),
        *(("serial", each) for each in ("s1", "s3", "s4", "s5")),
        *(("phone", each) for each in ("+0", "+1", "+2", "+3", "+9")),
    }
    rows = ",".join(f"('many{number}', 'many{number}@contoso.example')" for number in range(20_000))
    world.execute(f"INSERT INTO people (object_id, upn) VALUES {rows}")
    pieces = [len(values) for kind, values in directory.everybody({"id"}) or ()]
    assert sum(pieces) == 20_000 + 5


def test_two_inbound_profiles_with_one_upn_are_refused(world: World, directory: SqlDirectory) -> None:
    world.execute("INSERT INTO profiles VALUES ('p3', 'GUEST@fabrikam.example', NULL, 't3', NULL)")
    first, *twins = directory.list_inbound_profiles()
    assert directory.identify([first])[0] is not None
    assert len(twins) == 2
    for twin in twins:
        with _ambiguous():
            directory.identify([twin])


def test_view_with_a_row_for_each_mail_gives_all_of_them(world: World) -> None:
    world.execute(
        "CREATE VIEW everyone AS SELECT object_id, upn, name, mail FROM people UNION ALL SELECT object_id, upn, name, other_mail FROM people WHERE mail <> ''"
    )
    directory = _directory(world, table="everyone", language="", identifiers={"mail": "mail"})
    [ann] = directory.identify([subject for subject in directory.subjects([SubjectId(ANN)]) if subject])
    assert ann is not None
    assert ann.identifiers["mail"] == ("ann@contoso.example", "lee@contoso.example")
    directory.close()


@pytest.mark.parametrize(
    ("changed", "said", "hint"),
    [
        ({"table": "peopel"}, "no table or view", "people"),
        ({"upn": "upm"}, "no column 'upm'", "did you mean 'upn'"),
        ({"identifiers": {"mail": ("mail", "mial")}}, "no column 'mial'", "did you mean 'mail'"),
        (
            {"more": (MoreSettings(table="devices", from_={"upn": "owner"}, identifiers={"device_id": "id"}),)},
            "no column 'owner'",
            "owner_upn",
        ),
        ({"inbound_profiles": InboundSettings(table="profiles")}, "no column 'home_tenant_id'", "home_tenant"),
    ],
)
def test_wrong_name_is_refused_by_check(world: World, changed: dict[str, Any], said: str, hint: str) -> None:
    directory = _directory(world, **changed)
    with pytest.raises(SourceRefused, match=said) as refused:
        directory.check()
    assert hint in refused.value.hint
    assert refused.value.source_name == "directory"
    directory.close()


def test_names_that_nobody_can_be_asked_for_by_are_counted(world: World) -> None:
    directory = _directory(world)
    assert isinstance(directory, FindsAmbiguity)
    assert directory.ambiguous_names() == 0
    directory.close()
    world.execute(
        f"DROP INDEX people_upn{' ON people' if world.is_mariadb else ''}; INSERT INTO people (object_id, upn) VALUES ('x1', 'twin@contoso.example'), ('x2', 'twin@contoso.example'),"
        "('x3', 'twin@contoso.example'), ('x4', 'TWIN@contoso.example'), ('y1', 'ANN@contoso.example'), ('z1', ''), ('z2', '');"
        "CREATE VIEW several AS SELECT object_id, upn, name, preferred_language, mail, other_mail, employee_no FROM people"
        " UNION ALL SELECT object_id, upn, name, preferred_language, 'another', NULL, NULL FROM people"
    )
    for table in ("people", "several"):  # several rows of one person are one person
        directory = _directory(world, table=table)
        assert directory.ambiguous_names() == 2
        with pytest.raises(SourceRefused, match="several people"):
            directory.find_user("twin@contoso.example")
        directory.close()
    world.execute("DELETE FROM people WHERE object_id IN ('x4', 'y1')")
    directory = _directory(world, id="upn", table="several")  # the name is the id: nobody shares it
    assert directory.ambiguous_names() == 0
    directory.close()


@pytest.mark.parametrize(("caseless", "said"), [("other", "not in `from`"), ("who", "letter case counts")])
def test_columns_whose_letter_case_counts_are_not_caseless(caseless: str, said: str) -> None:
    more = MoreSettings(table="t", from_={"upn": "who", "login": "who"}, caseless=(caseless,), identifiers={"x": "x"})
    [(path, what, hint)] = SqlDirectory.problems(SqlDirectorySettings(url="sqlite:///p.db", table="p", more=(more,)))
    assert path == ("more", 0, "caseless", 0)
    assert said in what
    assert "mail and upn" in hint


def test_kinds_of_its_own_are_not_given_twice() -> None:
    with pytest.raises(ConfigurationError, match="'upn'"):
        SqlDirectorySettings(url="sqlite:///x.db", table="t", identifiers={"upn": "mail"})


@pytest.mark.postgres
def test_upn_is_found_by_an_index_on_lower(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    world.execute(
        _PEOPLE + "DROP INDEX people_upn; CREATE INDEX people_lower ON people (lower(upn));"
        "INSERT INTO people SELECT 'i' || g, 'u' || g || '@c.example' FROM generate_series(1, 20000) g; ANALYZE people"
    )
    directory = _directory(world)
    user = directory.find_user("U77@C.example")
    assert user is not None
    assert user.subject_id == "i77"
    directory.close()


@pytest.mark.postgres
def test_array_that_nobody_can_be_found_by_is_refused(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    world.execute(_PEOPLE + "CREATE TABLE shared (owners text[], id text);")
    directory = _directory(world, more=(MoreSettings(table="shared", from_={"upn": "owners"}, identifiers={"device_id": "id"}),))
    with pytest.raises(SourceRefused, match="'owners'") as refused:
        directory.check()
    directory.close()
    assert "unnest" in refused.value.hint


@pytest.mark.postgres
def test_directory_that_is_down_is_unavailable(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    world.execute(_PEOPLE)
    directory = _directory(world)
    assert directory.find_user(ANN) is not None
    server = request.getfixturevalue("postgres")
    server.stop()
    try:
        with pytest.raises(SourceUnavailable):
            directory.find_user(ANN)
    finally:
        server.start()
    assert directory.find_user(ANN) is not None
    directory.close()


def test_missing_file_is_a_source_error_with_the_directorys_name(tmp_path: Path) -> None:
    directory = SqlDirectory(TENANT, SqlDirectorySettings(url="sqlite:///missing.db", table="people"), folder=tmp_path)
    with pytest.raises(SourceError) as caught:
        directory.find_user("x")
    assert caught.value.source_name == "directory"
    directory.close()
