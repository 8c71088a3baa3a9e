"""Three people in a directory of their own, for tests of where else their identifiers are found."""

import sqlite3
from contextlib import closing
from pathlib import Path

from rightful.export.runtime import TenantRuntime
from rightful.ids import SubjectId
from rightful.subject.model import IdentifiedSubject

ANN, BOB, CAT = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))

DIRECTORY = """
seal_key: "{key}"
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Contoso
    identity: {{issuers: [{{issuer: local, audience: [api://rightful]}}]}}
    directory:
      connector: sql
      url: sqlite:///people.db
      table: people
      identifiers: {{mail: mail}}
"""
"""The settings up to what a test's directory and sources have besides."""


def put_people(folder: Path, readers: str) -> None:
    """Make the directory; `readers` makes a table of what they read cards by."""
    with closing(sqlite3.connect(folder / "people.db")) as people:
        people.executescript(f"""
            CREATE TABLE people (id text, upn text, mail text);
            INSERT INTO people VALUES ('{ANN}', 'ann@contoso.example', 'ann@mail.example'), ('{BOB}', 'bob@contoso.example', 'bob@mail.example'),
              ('{CAT}', 'cat@contoso.example', 'cat@mail.example');
            {readers}
        """)


def identify(tenant: TenantRuntime, *ids: str) -> list[IdentifiedSubject]:
    """Return people with their identifiers, each of whom is there."""
    subjects = [subject for subject in tenant.directory.subjects([SubjectId(each) for each in ids]) if subject is not None]
    found = [each for each in tenant.directory.identify(subjects) if each is not None]
    assert len(found) == len(ids)
    return found
