"""Who may do what, as a table: permissions of the token, and the directory roles that a person's token needs beside them.

    wish                                   any of these permissions        a person also needs any of these roles
    export a user                          User.Export.All (1)             Global Administrator
    export an inbound profile, read them   CrossTenant….Read(Write).All    Global Reader, Global Administrator
    see users' operations                  User.Export.All, User.Read.All  Global Administrator
    see inbound profiles' operations       any of these                    Global Reader, Global Administrator
    cancel or resume an operation          as what submitted it
    approve or reject an export            as what submitted it, by another person's token (`may_decide`)

(1) and User.Read.All, where the operator has set `graph.user_read_all_exports` (GRAPH-70).

Decisions use ids alone, compared exactly: a permission that is only alike is another one.
"""

import msgspec

from rightful.identity.model import Caller, CallerKind
from rightful.ids import SubjectId
from rightful.operation.model import AskedBy
from rightful.subject.model import SubjectKind

USER_EXPORT = "User.Export.All"
USER_READ = "User.Read.All"
PROFILES_READ = "CrossTenantUserProfileSharing.Read.All"
PROFILES_READ_WRITE = "CrossTenantUserProfileSharing.ReadWrite.All"

# GRAPH-73: role template ids, the same in every tenant.
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
GLOBAL_READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"

ROLE_NAMES = {"company_admin": GLOBAL_ADMINISTRATOR, "global_reader": GLOBAL_READER}
"""Names that the command line takes instead of ids."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    permissions: frozenset[str]
    roles: frozenset[str]

    def allows(self, caller: Caller) -> bool:
        """Say whether the caller has one of the permissions and, being a person, one of the roles."""
        if self.permissions.isdisjoint(caller.permissions):
            return False
        return caller.kind is CallerKind.APPLICATION or not self.roles.isdisjoint(caller.directory_roles)


# GRAPH-70
_EXPORT_USER = Rule(permissions=frozenset({USER_EXPORT}), roles=frozenset({GLOBAL_ADMINISTRATOR}))
_USER_OPERATIONS = Rule(permissions=frozenset({USER_EXPORT, USER_READ}), roles=frozenset({GLOBAL_ADMINISTRATOR}))
# GRAPH-71
_PROFILES = Rule(permissions=frozenset({PROFILES_READ, PROFILES_READ_WRITE}), roles=frozenset({GLOBAL_READER, GLOBAL_ADMINISTRATOR}))
_PROFILE_OPERATIONS = Rule(permissions=_USER_OPERATIONS.permissions | _PROFILES.permissions, roles=_PROFILES.roles)

_NOTHING: frozenset[SubjectKind] = frozenset()
_ALL = frozenset(SubjectKind)
_PROFILES_ONLY = frozenset({SubjectKind.INBOUND_PROFILE})


def may_export(caller: Caller, kind: SubjectKind, *, user_read_all_exports: bool = False) -> bool:
    """Say whether the caller may submit, cancel and resume exports of such subjects (authz D1, D7)."""
    match kind:
        case SubjectKind.USER:
            return (_USER_OPERATIONS if user_read_all_exports else _EXPORT_USER).allows(caller)
        case SubjectKind.INBOUND_PROFILE:
            return _PROFILES.allows(caller)


def exportable_kinds(caller: Caller, *, user_read_all_exports: bool = False) -> frozenset[SubjectKind]:
    """Return the kinds of subjects that the caller may export."""
    return frozenset(kind for kind in SubjectKind if may_export(caller, kind, user_read_all_exports=user_read_all_exports))


def may_decide(caller: Caller, *, requester_key: str, is_by_application: bool) -> bool:
    """Say whether the caller is a second pair of eyes on an export that `requester_key` (a `Caller.key`) asked for.

    A person is, who is another one; and, where an application asked by itself, comes by another application: the one that asks would
    hold the approver's token too. Alike but for the letters' case is the same here, since being taken for another one is what is gained.
    """
    requester = requester_key.casefold()
    is_same_person = requester.endswith(f"/{caller.object_id}".casefold())
    is_same_app = is_by_application and requester.startswith(f"{caller.tenant_id}/{caller.app_id}/".casefold())
    return caller.kind is CallerKind.DELEGATED and not is_same_person and not is_same_app


def asked_by(requester_key: str, subject_id: SubjectId) -> AskedBy:
    """Return whether `requester_key` (a `Caller.key`) is that of the subject."""
    return AskedBy.SUBJECT if requester_key.casefold().endswith(f"/{subject_id}".casefold()) else AskedBy.ORGANIZATION


def visible_kinds(caller: Caller) -> frozenset[SubjectKind]:
    """Return the kinds of subjects whose operations the caller sees; none: the caller may not ask at all (authz D4)."""
    if _USER_OPERATIONS.allows(caller):
        return _ALL
    return _PROFILES_ONLY if _PROFILE_OPERATIONS.allows(caller) else _NOTHING


def may_read_profiles(caller: Caller) -> bool:
    """Say whether the caller may list and get inbound shared user profiles (GRAPH-71)."""
    return _PROFILES.allows(caller)
