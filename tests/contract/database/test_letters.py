# ruff: noqa: RUF001  # letters that look like others are what this is about
"""Letters of all scripts in columns of all kinds: a mail finds what the independent check calls the same, and nothing else."""

import unicodedata
from collections import defaultdict
from pathlib import Path

import pytest
from tests.contract.database.world import ENGINES, World, connector, make, settings, values

from rightful.subject.matching import normalise
from rightful.testing.connector_suite import identified

_LETTERS = [
    letter
    for letter in map(chr, range(0x41, 0x1_F000))
    if (letter.upper() != letter or letter.lower() != letter) and unicodedata.is_normalized("NFC", letter)
]
_MAILS = ["İi.Iıfo@c.example", "ΝΊΚΟΣ.ΟΣ@c.example", "straße@c.example", *(f"{letter}b{letter}@c.example" for letter in _LETTERS)]
_ALIKE = (
    "ii.iifo@c.example νίκος.ος@c.example νίκοσ.οσ@c.example Νίκοσ.ος@c.example strasse@c.example İI.iıFO@C.example ΝΊΚΟΣ.ΟΣ@C.EXAMPLE"
    " ΝίΚΟΣ.οΣ@C.EXAMPLE STRAẞE@C.Example INFO.Index@c.example ınfo.ındex@c.example i\u0307i.iıfo@c.example I\u0307i.Iıfo@c.example"
)
_HELD = [*_MAILS, *_ALIKE.split()]
_PEOPLE = [identified(mail=(mail,)) for mail in [*_MAILS, "Info.index@C.example", "σtrasse@c.example", "νίκος.ος@c.example"]]

_WEAK = {"text COLLATE NOCASE", 'text COLLATE "C"'}
"""Columns in which the database does not know the lower case of every letter."""
_COLUMNS = {
    "sqlite": ["text", "text COLLATE NOCASE"],
    "postgres": ["text", 'text COLLATE "C"', 'varchar(99) COLLATE "tr-x-icu"', 'text COLLATE "und-x-icu"', "citext", "loose_text"],
    "mariadb": [f"varchar(99) COLLATE utf8mb4_{name}" for name in ("general_ci", "uca1400_ai_ci", "unicode_ci", "turkish_ci", "bin")],
}
_BEFORE = {
    "postgres": "CREATE EXTENSION citext; CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
    "CREATE DOMAIN loose_text AS text COLLATE loose;"
}


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make(request.param, request, tmp_path)


def test_mails_find_the_same_in_any_case_and_nothing_else(world: World) -> None:
    kinds = _COLUMNS[world.engine]
    columns = ", ".join(f"m{number} {type_}" for number, type_ in enumerate(kinds))
    rows = ", ".join(f"({number}{f', {mail!r}' * len(kinds)})" for number, mail in enumerate(_HELD))
    indexes = "; ".join(f"CREATE INDEX i{number} ON t (m{number})" for number in range(len(kinds)))
    world.execute(f"{_BEFORE.get(world.engine, '')} CREATE TABLE t (id int PRIMARY KEY, {columns}); {indexes}; INSERT INTO t VALUES {rows}")
    if world.is_postgres:
        world.execute("; ".join(f"CREATE INDEX ON t (lower(m{number}::text))" for number in range(len(kinds))))
    same: dict[str, list[int]] = defaultdict(list)
    for number, mail in enumerate(_HELD):
        same[normalise("mail", mail)].append(number)
    expected = [same[normalise("mail", person.values("mail")[0])] for person in _PEOPLE]
    for number, type_ in enumerate(kinds):
        asked = () if type_ in {"citext", "text COLLATE NOCASE"} else (f"m{number}",)
        source = connector(world, source=settings(world, "t", match={f"m{number}": "mail"}, caseless=asked, key="id"))
        for person, found, wanted in zip(_PEOPLE, values(source, _PEOPLE), expected, strict=True):
            assert set(found) <= set(wanted), (type_, person.values("mail"), found, wanted)
            missing = [_HELD[place] for place in set(wanted) - set(found) if unicodedata.is_normalized("NFC", _HELD[place])]
            assert not missing or ((type_ in _WEAK or world.is_mariadb) and any(map(_is_odd, missing))), (
                type_,
                person.values("mail"),
                missing,
            )


def _is_odd(mail: str) -> bool:
    """Say whether a mail has small and capital letters that are not ASCII, or one that is not the only capital of its small one."""
    letters = [letter for letter in mail if not letter.isascii() and letter not in "Σİ"]
    is_mixed = any(letter.islower() for letter in letters) and any(letter.isupper() for letter in letters)
    return is_mixed or any(letter.lower().upper() != letter and not letter.islower() for letter in letters)


def test_a_plain_column_finds_nobody_elses(world: World) -> None:
    rows = ", ".join(f"({number}, {mail!r})" for number, mail in enumerate(_HELD))
    world.execute(f"CREATE TABLE t (id int PRIMARY KEY, m text); INSERT INTO t VALUES {rows}")
    source = connector(world, source=settings(world, "t", match={"m": "mail"}, key="id"))
    for person, found in zip(_PEOPLE, values(source, _PEOPLE), strict=True):
        mail = person.values("mail")[0]
        assert all(normalise("mail", _HELD[number]) == normalise("mail", mail) for number in found)
        assert mail not in _HELD or _HELD.index(mail) in found
