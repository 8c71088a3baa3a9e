"""Which identifiers the SQL directory refuses, and what it can say of those that it takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.database.world import ENGINES, LOOSE, World, make

from rightful.directory.closure import Limits
from rightful.directory.sql import MoreSettings, SqlDirectory, SqlDirectorySettings
from rightful.errors import SourceRefused
from rightful.ids import SubjectId, TenantId
from rightful.subject.model import IdentifiedSubject, Reached, Weakness

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
SHARED = "support@contoso.example"
_SPELT = (SHARED, SHARED.upper(), "Support@Contoso.example", f"{SHARED} ")


_OTHER = {"sqlite": "text COLLATE RTRIM", "postgres": 'text COLLATE "und-x-icu"', "mariadb": "varchar(99) COLLATE utf8mb4_turkish_ci"}
"""Texts that compare otherwise than those of `LOOSE`."""


def _row(n: int) -> str:
    badge = f"'b{n}'" if n < 38 else "''"
    return f"('p{n}', 'user{n}@contoso.example', 'm{n}@contoso.example', '{_SPELT[n % 4]}', '{'' if n % 2 else ' '}', {badge}, NULL)"


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    world = make(request.param, request, tmp_path)
    world.execute(
        f"""
        CREATE TABLE people (id text PRIMARY KEY, upn text, mail text, other_mail text, employee_no text, badge text, phone text);
        INSERT INTO people VALUES {", ".join(map(_row, range(40)))},
          ('pair1', 'pair1@contoso.example', 'pair@contoso.example', 'Pair@contoso.example', 'E1', 'x', '+1'),
          ('pair2', 'pair2@contoso.example', 'PAIR@contoso.example', NULL, 'e1', 'x', '+1'),
          ('third', 'third@contoso.example', NULL, '', '7', 'x', '+1'),
          ('own', 'own@contoso.example', 'own@contoso.example', 'OWN@contoso.example', '8', 'y', '+2');
        CREATE TABLE devices (owner text, device text);
        INSERT INTO devices VALUES ('{SHARED}', 'printer'), ('m1@contoso.example', 'laptop'), ('M1@contoso.example', 'laptop'),
          ('m1@contoso.example', 'kiosk'), ('m2@contoso.example', 'kiosk'), ('m3@contoso.example', 'kiosk');
        CREATE TABLE cards (device text, card text);
        INSERT INTO cards VALUES ('laptop', 'c1'), ('kiosk', 'c2'), ('printer', 'c3');
        """
    )
    return world


def _settings(world: World, limits: Limits) -> SqlDirectorySettings:
    return SqlDirectorySettings(
        url=world.url,
        table="people",
        identifiers={"mail": ("mail", "other_mail"), "employee_id": "employee_no", "badge": "badge", "phone": "phone"},
        more=(
            MoreSettings(table="devices", from_={"mail": "owner"}, identifiers={"device_id": "device"}),
            MoreSettings(table="cards", from_={"device_id": "device"}, identifiers={"card": "card"}),
            MoreSettings(table="cards", from_={"card": "card"}, identifiers={"reader": "device"}),
        ),
        limits=limits,
    )


def _identify(world: World, *ids: str, limits: Limits | None = None) -> Iterator[IdentifiedSubject]:
    directory = SqlDirectory(TENANT, _settings(world, limits or Limits()), folder=world.folder)
    try:
        subjects = directory.subjects([SubjectId(each) for each in ids])
        for found in directory.identify([subject for subject in subjects if subject]):
            assert found is not None
            yield found
    finally:
        directory.close()


def test_a_mailbox_of_forty_people_is_nobodys_however_it_is_spelt(world: World) -> None:
    for found in _identify(world, "p0", "p1", "p2", "p3"):
        number = found.subject.subject_id.removeprefix("p")
        assert found.values("mail") == (f"m{number}@contoso.example",)
        [refused] = [each for each in found.refused if each.weakness is Weakness.SHARED and each.kind == "mail"]
        assert refused.place == "people.other_mail"
        assert refused.people >= 30, "a blank at the end makes it another value of the column"
        assert refused.value.lower() == SHARED
        assert "printer" not in found.values("device_id"), "nothing is looked up by it either"


def test_the_operator_may_allow_more_to_share(world: World) -> None:
    [refused] = _identify(world, "p0", limits=Limits(shared_by=29))
    [taken] = _identify(world, "p0", limits=Limits(shared_by=30))
    assert SHARED not in refused.values("mail")
    assert SHARED in taken.values("mail")
    assert taken.values("device_id") == ("printer",)


def test_empty_values_are_no_identifiers_and_it_is_said(world: World) -> None:
    [found] = _identify(world, "p39")
    assert "employee_id" not in found.identifiers
    said = {(each.kind, each.place): each.weakness for each in found.refused if each.weakness is not Weakness.SHARED}
    assert said == {
        ("employee_id", "people.employee_no"): Weakness.EMPTY,
        ("badge", "people.badge"): Weakness.EMPTY,
        ("phone", "people.phone"): Weakness.EMPTY,
    }


def test_two_may_share_and_three_may_not(world: World) -> None:
    one, two, own = _identify(world, "pair1", "pair2", "own")
    assert one.values("mail") == ("pair@contoso.example", "Pair@contoso.example")
    assert two.values("mail") == ("PAIR@contoso.example",)
    assert (one.values("employee_id"), two.values("employee_id")) == (("E1",), ("e1",)), "keys are not folded"
    assert own.values("mail") == ("own@contoso.example", "OWN@contoso.example"), "one person's two columns are one person"
    assert {each.kind for each in one.refused if each.weakness is Weakness.SHARED} == {"badge", "phone"}
    assert {each.people for each in one.refused if each.weakness is Weakness.SHARED} == {3}


def test_identifiers_found_by_others_may_be_too_common_too(world: World) -> None:
    [found] = _identify(world, "p1")
    assert found.values("device_id") == ("laptop",), "of one owner, spelt in two ways"
    [kiosk] = [each for each in found.refused if each.kind == "device_id"]
    assert (kiosk.value, kiosk.people, kiosk.place) == ("kiosk", 3, "devices.device")
    assert found.values("card") == ("c1",)


def test_each_identifier_says_how_it_was_reached(world: World) -> None:
    [found] = _identify(world, "p1")
    reached = {each.kind: each for each in found.reached}
    assert reached["mail"] == Reached(kind="mail", value="m1@contoso.example", place="people.mail")
    assert reached["device_id"] == Reached(
        kind="device_id", value="laptop", place="devices.device", round=1, from_kind="mail", from_value="m1@contoso.example"
    )
    assert reached["card"] == Reached(kind="card", value="c1", place="cards.card", round=2, from_kind="device_id", from_value="laptop")
    assert {(each.kind, each.value) for each in found.reached} == {
        (kind, value) for kind, values in found.identifiers.items() for value in values
    }
    assert not any(value in repr((found, found.reached, found.refused)) for value in ("m1@", "laptop", "kiosk", "support"))


def test_a_set_is_refused_what_each_alone_is(world: World) -> None:
    ids = [*(f"p{n}" for n in range(40)), "pair1", "pair2", "third", "own"]
    assert list(_identify(world, *ids)) == [found for each in ids for found in _identify(world, each)]


@pytest.mark.parametrize(("limits", "said"), [(Limits(rounds=1), "more than 1 rounds"), (Limits(identifiers=3), "more than 3 identifiers")])
def test_bounds_are_the_operators(world: World, limits: Limits, said: str) -> None:
    with pytest.raises(SourceRefused, match=said):
        list(_identify(world, "p1", limits=limits))


@pytest.mark.parametrize("person", ["p1", "own"])
def test_what_many_share_in_one_table_is_refused_from_another_too(world: World, person: str) -> None:
    values = f"('own@contoso.example', '{SHARED}'), ('user1@contoso.example', '{SHARED}')"
    world.execute(f"CREATE TABLE aliases (upn text, alias text); INSERT INTO aliases VALUES {values};")
    settings = SqlDirectorySettings(
        url=world.url,
        table="people",
        identifiers={"mail": ("mail", "other_mail")},
        more=(MoreSettings(table="aliases", from_={"upn": "upn"}, identifiers={"mail": "alias"}),),
    )
    directory = SqlDirectory(TENANT, settings, folder=world.folder)
    [found] = directory.identify([subject for subject in directory.subjects([SubjectId(person)]) if subject])
    directory.close()
    assert found is not None
    assert SHARED not in {value.lower() for value in found.values("mail")}
    assert "aliases.alias" in {each.place for each in found.refused if each.weakness is Weakness.SHARED}


def test_unique_column_may_hold_one_folded_value_of_many(world: World) -> None:
    world.execute(
        """
        CREATE TABLE staff (id text PRIMARY KEY, upn text, mail text UNIQUE);
        INSERT INTO staff VALUES ('1', 'a@c.example', 'office@c.example'), ('2', 'b@c.example', 'Office@c.example'),
          ('3', 'c@c.example', 'OFFICE@c.example');
        """
    )
    settings = SqlDirectorySettings(url=world.url, table="staff", identifiers={"mail": "mail"})
    directory = SqlDirectory(TENANT, settings, folder=world.folder)
    [found] = directory.identify([subject for subject in directory.subjects([SubjectId("1")]) if subject])
    directory.close()
    assert found is not None
    assert "mail" not in found.identifiers


_BADGES = """
CREATE TABLE staff (id text PRIMARY KEY, upn text, employee_no text);
INSERT INTO staff VALUES ('ann', 'ann@contoso.example', 'e1'), ('bob', 'bob@contoso.example', 'e2');
CREATE TABLE badges (upn text, employee_no text, badge text, spare text);
INSERT INTO badges VALUES
  ('ann@contoso.example', 'e1', 'own', NULL), ('Ann@contoso.example ', 'e1', NULL, 'own'), ('ANN@contoso.example', NULL, 'own', 'own'),
  ('ann@contoso.example', NULL, 'gate', NULL), ('bob@contoso.example', NULL, 'gate', NULL), (NULL, 'e3', 'gate', NULL), ('', 'e4', 'gate', NULL),
  ('ann@contoso.example', 'e1', 'pair', NULL), ('bob@contoso.example', 'e2', NULL, 'pair'),
  ('ann@contoso.example', 'e1', 'loose', NULL), (NULL, NULL, 'loose', NULL), (' ', '', 'loose', 'loose'),
  ('ann@contoso.example', 'e1', 'once', NULL), (NULL, NULL, NULL, 'once');
"""


@pytest.mark.parametrize("from_", [{"upn": "upn", "employee_id": "employee_no"}, {"upn": "upn"}], ids=["two", "one"])
def test_people_are_counted_by_all_columns_that_say_whose_it_is(world: World, from_: dict[str, str]) -> None:
    world.execute(_BADGES)
    more = MoreSettings(table="badges", from_=from_, identifiers={"badge": ("badge", "spare")})
    settings = SqlDirectorySettings(url=world.url, table="staff", identifiers={"employee_id": "employee_no"}, more=(more,))
    directory = SqlDirectory(TENANT, settings, folder=world.folder)
    together = directory.identify([subject for subject in directory.subjects([SubjectId("ann"), SubjectId("bob")]) if subject])
    ann, bob = (directory.identify([found.subject])[0] for found in together if found)
    directory.close()
    assert (ann, bob) == together, "each alone as both at once"
    assert ann is not None
    assert bob is not None
    assert tuple(sorted(ann.values("badge"))) == ("once", "own", "pair")
    assert bob.values("badge") == ("pair",)
    shared = {each.value: each.people for each in ann.refused if each.weakness is Weakness.SHARED}
    assert shared == {"gate": 4, "loose": 3}, "nobody's row may be anybody's: each counts as one more"


def _ann_of_badges(world: World, *, upn: str, shared_by: int) -> IdentifiedSubject:
    """Identify Ann by badges too, which say in `who`, and in a column for UPNs, whose they are."""
    more = MoreSettings(table="badges", from_={"employee_id": "who", "upn": upn}, identifiers={"badge": "badge"})
    settings = SqlDirectorySettings(
        url=world.url, table="staff", identifiers={"employee_id": "employee_no"}, more=(more,), limits=Limits(shared_by=shared_by)
    )
    directory = SqlDirectory(TENANT, settings, folder=world.folder)
    [ann] = directory.identify([subject for subject in directory.subjects([SubjectId("ann")]) if subject])
    directory.close()
    assert ann is not None
    return ann


def test_people_of_two_columns_are_told_apart_by_letters_that_a_collation_takes_for_equal(world: World) -> None:
    before, loose = LOOSE[world.engine]
    world.execute(
        f"""
        {before} CREATE TABLE staff (id text PRIMARY KEY, upn text, employee_no text);
        INSERT INTO staff VALUES ('ann', 'ann@contoso.example', 'a');
        CREATE TABLE badges (who {loose}, upn {_OTHER[world.engine]}, badge text);
        INSERT INTO badges VALUES ('a', 'x@c.example', 'gate'), ('A', 'x@c.example', 'gate'), ('-', NULL, 'gate'), ('a', NULL, 'own');
        """
    )
    ann = _ann_of_badges(world, upn="upn", shared_by=2)
    assert ann.values("badge") == ("own",)
    assert {each.value: each.people for each in ann.refused} == {"gate": 3}


def test_one_column_of_several_kinds_is_folded_only_where_all_are(world: World) -> None:
    world.execute(
        """
        CREATE TABLE staff (id text PRIMARY KEY, upn text, employee_no text);
        INSERT INTO staff VALUES ('ann', 'ann@contoso.example', 'a');
        CREATE TABLE badges (who text, badge text);
        INSERT INTO badges VALUES ('a', 'gate'), ('A', 'gate'), ('b', 'gate'), ('B', 'gate'), ('a', 'own'), ('ann@contoso.example', 'own');
        """
    )
    ann = _ann_of_badges(world, upn="who", shared_by=3)
    assert ann.values("badge") == ("own",)
