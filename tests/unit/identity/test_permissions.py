"""The table of permissions, row by row; tests/wire/test_authz.py asks the same over HTTP."""

import pytest

from rightful.identity.model import Caller, CallerKind
from rightful.identity.permissions import (
    GLOBAL_ADMINISTRATOR,
    GLOBAL_READER,
    asked_by,
    exportable_kinds,
    may_export,
    may_read_profiles,
    visible_kinds,
)
from rightful.ids import SubjectId, TenantId
from rightful.operation.model import AskedBy
from rightful.subject.model import SubjectKind

USER, PROFILE = SubjectKind.USER, SubjectKind.INBOUND_PROFILE
EXPORT, READ, SHARING = "User.Export.All", "User.Read.All", "CrossTenantUserProfileSharing.Read.All"


def caller(permission: str, role: str | None = None) -> Caller:
    """Return an application; with a role (or ""), a person."""
    return Caller(
        tenant_id=TenantId("11111111-1111-1111-1111-111111111111"),
        kind=CallerKind.APPLICATION if role is None else CallerKind.DELEGATED,
        object_id="o",
        app_id="a",
        permissions=frozenset({permission}),
        directory_roles=frozenset({role} if role else ()),
    )


ROWS: list[tuple[Caller, set[SubjectKind], set[SubjectKind], bool]] = [
    # who, may export, sees operations of, may read profiles
    (caller(EXPORT), {USER}, {USER, PROFILE}, False),
    (caller(READ), set(), {USER, PROFILE}, False),
    (caller(SHARING), {PROFILE}, {PROFILE}, True),
    (caller("CrossTenantUserProfileSharing.ReadWrite.All"), {PROFILE}, {PROFILE}, True),
    (caller("Mail.Read"), set(), set(), False),
    (caller("user.export.all"), set(), set(), False),
    (caller(EXPORT, GLOBAL_ADMINISTRATOR), {USER}, {USER, PROFILE}, False),
    (caller(EXPORT, GLOBAL_READER), set(), {PROFILE}, False),
    (caller(EXPORT, ""), set(), set(), False),
    (caller(READ, GLOBAL_ADMINISTRATOR), set(), {USER, PROFILE}, False),
    (caller(SHARING, GLOBAL_READER), {PROFILE}, {PROFILE}, True),
    (caller(SHARING, GLOBAL_ADMINISTRATOR), {PROFILE}, {PROFILE}, True),
    (caller(SHARING, "fe930be7-5e62-47db-91af-98c3a49a38b1"), set(), set(), False),
]


@pytest.mark.parametrize(("who", "exports", "sees", "reads_profiles"), ROWS)
def test_row_of_the_table(who: Caller, exports: set[SubjectKind], sees: set[SubjectKind], *, reads_profiles: bool) -> None:
    # GRAPH-70, GRAPH-71, GRAPH-73
    assert set(exportable_kinds(who)) == exports
    assert set(visible_kinds(who)) == sees
    assert may_read_profiles(who) is reads_profiles


def test_documented_reading_of_user_read_all_is_a_setting() -> None:
    # GRAPH-70
    assert not may_export(caller(READ), USER)
    assert may_export(caller(READ), USER, user_read_all_exports=True)
    assert not may_export(caller(READ, GLOBAL_READER), USER, user_read_all_exports=True)
    assert not may_export(caller(READ), PROFILE, user_read_all_exports=True)


@pytest.mark.parametrize(
    ("object_id", "expected"),
    [("ann", AskedBy.SUBJECT), ("ANN", AskedBy.SUBJECT), ("joann", AskedBy.ORGANIZATION), ("", AskedBy.ORGANIZATION)],
)
def test_who_has_the_subjects_object_id_asked_themselves(object_id: str, expected: AskedBy) -> None:
    assert asked_by(f"tenant/ann/{object_id}", SubjectId("ann")) is expected
