"""The suite that every directory must pass.

Fill a real directory with `PEOPLE`, subclass `DirectorySuite` in a test module and override two fixtures:

    class TestMyDirectory(DirectorySuite):
        @pytest.fixture
        def directory(self, server): ...      # with PEOPLE, kinds `mail` and `employee_id`, `shared_by: 2`

        @pytest.fixture
        def broken(self): ...                 # configured for something that is not there
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec
import pytest

from rightful.directory.interface import AMBIGUOUS_CODE, Directory, ListsEverybody
from rightful.errors import SourceError, SourceRefused
from rightful.ids import SubjectId, TenantId
from rightful.subject.matching import normalise
from rightful.subject.model import DataSubject, IdentifiedSubject, Weakness

TENANT = TenantId("11111111-1111-1111-1111-111111111111")


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One of the suite's invented people."""

    id: str
    upn: str
    name: str
    mail: tuple[str, ...] = ()
    employee_id: str = ""


ANN = Listed(
    id="aaaaaaaa-0000-4000-8000-000000000001",
    upn="Ann@contoso.example",
    name="Ann Lee",
    mail=("ann.lee@contoso.example", "office@contoso.example"),
    employee_id="e10",
)
BOB = Listed(
    id="aaaaaaaa-0000-4000-8000-000000000002",
    upn="bob@contoso.example",
    name="Bob",
    mail=("bob@contoso.example", "Office@contoso.example"),
    employee_id="E10",
)
ODD = Listed(
    id="aaaaaaaa-0000-4000-8000-00000000000e",
    upn="o'brien*(x)\\\"&@contoso.example",
    name='Zoë "O" <Brien>, Jr.',
    mail=("OFFICE@contoso.example",),
    employee_id="*",
)
"""What a language of queries may take for its own."""
TWIN = Listed(id="aaaaaaaa-0000-4000-8000-000000000011", upn="twin@contoso.example", name="Twin", mail=("twin.one@contoso.example",))
TWIN2 = Listed(id="aaaaaaaa-0000-4000-8000-000000000012", upn="TWIN@contoso.example", name="Twin", mail=("twin.two@contoso.example",))
PEOPLE = (ANN, BOB, ODD, TWIN, TWIN2)
_NOBODY = (
    "nobody@contoso.example", "nn@contoso.example", "ann@contoso.exampl", "*@*", "%@%", "_nn@contoso.example", "@", "", "*", "aaaaaaaa",
    "ann@contoso.example)(objectClass=*", 'ann@contoso.example" or userName pr or "a@', "' OR 1=1 --@", "a\x00@contoso.example", "\\2a@",
)  # fmt: skip


class DirectorySuite:
    """What holds of every directory."""

    @pytest.fixture
    def directory(self) -> Directory:
        """Return a directory that holds `PEOPLE`."""
        raise NotImplementedError("override the fixture `directory`")

    @pytest.fixture
    def broken(self) -> Directory:
        """Return one that is configured for something that does not exist."""
        raise NotImplementedError("override the fixture `broken`")

    def test_check_is_silent_where_all_is_there(self, directory: Directory) -> None:
        directory.check()
        directory.check()

    def test_what_is_not_there_is_an_error_never_nobody(self, broken: Directory) -> None:
        for ask in (broken.check, partial(broken.find_user, ANN.id), partial(broken.find_user, ANN.upn)):
            with pytest.raises(SourceError) as caught:
                ask()
            assert caught.value.source_name == "directory"
            assert "contoso" not in str(caught.value)

    @pytest.mark.parametrize("person", [ANN, BOB, ODD], ids=lambda person: person.name)
    def test_somebody_is_found_by_id_and_by_name_in_any_letter_case(self, directory: Directory, person: Listed) -> None:
        found = directory.find_user(person.id)
        assert found is not None
        assert (found.subject_id.lower(), found.user_principal_name, found.display_name) == (person.id, person.upn, person.name)
        assert found.tenant_id == TENANT
        for key in (person.id.upper(), person.upn, person.upn.lower(), person.upn.upper()):
            assert directory.find_user(key) == found, "letter case says nothing"

    @pytest.mark.parametrize("key", _NOBODY)
    def test_nobody_is_found_by_what_is_nobodys(self, directory: Directory, key: str) -> None:
        assert directory.find_user(key) is None

    def test_subjects_come_in_the_order_asked(self, directory: Directory) -> None:
        ann, bob = _subjects(directory, ANN, BOB)
        found = directory.subjects([bob.subject_id, SubjectId("gone"), ann.subject_id, bob.subject_id])
        assert found == (bob, None, ann, bob)
        assert directory.subjects([]) == ()

    def test_identifiers_are_all_of_ones_own_and_none_that_three_share(self, directory: Directory) -> None:
        for person, found in zip((ANN, BOB, ODD), _identified(directory, ANN, BOB, ODD), strict=True):
            own = {mail for mail in person.mail if normalise("mail", mail) != "office@contoso.example"}
            assert set(found.values("mail")) == own
            assert found.values("employee_id") == (person.employee_id,), "letter case counts"
            assert found.values("upn") == (person.upn,)
            assert person.id in {value.lower() for value in found.values("id")}
            [shared] = [each for each in found.refused if each.weakness is Weakness.SHARED]
            assert (shared.kind, normalise("mail", shared.value), shared.people) == ("mail", "office@contoso.example", 3)

    def test_a_set_is_identified_as_each_alone(self, directory: Directory) -> None:
        together = _identified(directory, ODD, ANN, BOB)
        assert together == [found for person in (ODD, ANN, BOB) for found in _identified(directory, person)]

    def test_who_is_gone_is_none(self, directory: Directory) -> None:
        gone = DataSubject(tenant_id=TENANT, subject_id=SubjectId("aaaaaaaa-0000-4000-8000-0000000000ff"))
        [ann] = _subjects(directory, ANN)
        found = directory.identify([gone, ann])
        assert found[0] is None
        assert found[1] is not None

    def test_everybody_is_listed_by_a_directory_that_can(self, directory: Directory) -> None:
        if isinstance(directory, ListsEverybody):
            for kinds in (("upn",), ("id", "employee_id", "no_such_kind"), ()):
                pairs = {(kind, value) for kind, values in directory.everybody(kinds) or () for value in values if value}
                expected = {(kind, value) for person in PEOPLE for kind in kinds for value in _values(person, kind) if value}
                assert {(kind, value.lower()) for kind, value in expected} <= {(kind, value.lower()) for kind, value in pairs}

    def test_two_of_one_name_are_refused(self, directory: Directory) -> None:
        for twin in _subjects(directory, TWIN, TWIN2):
            with pytest.raises(SourceRefused) as caught:
                directory.identify([twin])
            assert caught.value.code == AMBIGUOUS_CODE
            assert "twin" not in str(caught.value).lower()

    def test_it_is_asked_from_many_threads(self, directory: Directory) -> None:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(directory.find_user, [person.id for person in (ANN, BOB, ODD)] * 8))
        assert [each.subject_id.lower() if each else "" for each in found] == [ANN.id, BOB.id, ODD.id] * 8


def _values(person: Listed, kind: str) -> Sequence[str]:
    return {"id": (person.id,), "upn": (person.upn,), "employee_id": (person.employee_id,)}.get(kind, ())


def _subjects(directory: Directory, *people: Listed) -> list[DataSubject]:
    found = [directory.find_user(person.id) for person in people]
    return [each for each in found if each is not None]


def _identified(directory: Directory, *people: Listed) -> Sequence[IdentifiedSubject]:
    found = directory.identify(_subjects(directory, *people))
    assert len(found) == len(people)
    return [each for each in found if each is not None]
