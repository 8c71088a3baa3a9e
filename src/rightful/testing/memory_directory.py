"""A directory in memory: for tests of what stands above directories."""

from collections.abc import Collection, Mapping, Sequence

from rightful.directory.interface import Everybody
from rightful.errors import SourceUnavailable
from rightful.ids import SubjectId, TenantId
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached, SubjectKind


class MemoryDirectory:
    """Knows the people it is given; does not answer while `is_down`."""

    def __init__(
        self,
        tenant_id: TenantId,
        people: Mapping[str, Mapping[str, Sequence[str]]],
        *,
        inbound: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    ) -> None:
        """Take `{object id: {identifier kind: values}}` of users and of inbound profiles.

        `upn` is the user principal name; `name`, `language` and `recipient` are no identifiers, but what the directory says beside them.
        """
        self._tenant_id = tenant_id
        self._people = {SubjectKind.USER: dict(people), SubjectKind.INBOUND_PROFILE: dict(inbound or {})}
        self.is_down = False

    def change_user(self, object_id: str, identifiers: Mapping[str, Sequence[str]]) -> None:
        """Let a user have other identifiers from now on."""
        self._people[SubjectKind.USER][object_id] = identifiers

    def check(self) -> None:
        """Raise where it is down."""
        if self.is_down:
            raise SourceUnavailable("the directory does not answer", source_name="directory")

    def find_user(self, key: str) -> DataSubject | None:
        """Find a user by object id or user principal name."""
        self.check()
        users = self._people[SubjectKind.USER]
        if "@" not in key:
            return self._subject(SubjectKind.USER, key)
        named = (each for each, kinds in users.items() if key.casefold() in {upn.casefold() for upn in kinds.get("upn", ())})
        found = next(named, None)
        return None if found is None else self._subject(SubjectKind.USER, found)

    def find_inbound_profile(self, user_id: str) -> DataSubject | None:
        """Find an inbound profile."""
        self.check()
        return self._subject(SubjectKind.INBOUND_PROFILE, user_id)

    def list_inbound_profiles(self) -> tuple[DataSubject, ...]:
        """Return all inbound profiles."""
        found = (self.find_inbound_profile(each) for each in sorted(self._people[SubjectKind.INBOUND_PROFILE]))
        return tuple(each for each in found if each is not None)

    def identify(self, subjects: Sequence[DataSubject], further: Sequence[Sequence[Reached]] = ()) -> tuple[IdentifiedSubject | None, ...]:
        """Return each subject with all identifiers."""
        self.check()
        return tuple(self._identified(subject, more) for subject, more in zip(subjects, further or [()] * len(subjects), strict=True))

    def subjects(self, ids: Sequence[SubjectId]) -> tuple[DataSubject | None, ...]:
        """Return users by object id."""
        self.check()
        return tuple(self._subject(SubjectKind.USER, each) for each in ids)

    def everybody(self, kinds: Collection[str]) -> Everybody | None:
        """List users and inbound profiles; see `directory.interface.ListsEverybody`."""
        self.check()
        people = [{"id": (object_id,), **found} for each in self._people.values() for object_id, found in each.items()]
        return iter([(kind, values) for found in people for kind, values in found.items() if kind in kinds])

    def close(self) -> None:
        """Do nothing."""

    def _identified(self, subject: DataSubject, further: Sequence[Reached]) -> IdentifiedSubject | None:
        kinds = self._people[subject.kind].get(subject.subject_id)
        if kinds is None:
            return None
        identifiers = {kind: tuple(values) for kind, values in kinds.items()}
        for each in further:
            identifiers[each.kind] = tuple(dict.fromkeys((*identifiers.get(each.kind, ()), each.value)))
        return IdentifiedSubject(subject=subject, identifiers={"id": (subject.subject_id,), **identifiers})

    def _subject(self, kind: SubjectKind, subject_id: str) -> DataSubject | None:
        kinds = self._people[kind].get(subject_id)
        if kinds is None:
            return None
        return DataSubject(
            tenant_id=self._tenant_id,
            subject_id=SubjectId(subject_id),
            kind=kind,
            user_principal_name=next(iter(kinds.get("upn", ())), ""),
            display_name=next(iter(kinds.get("name", ())), ""),
            language=next(iter(kinds.get("language", ())), ""),
            recipient=next(iter(kinds.get("recipient", ())), ""),
            home_tenant_id="99999999-9999-9999-9999-999999999999" if kind is SubjectKind.INBOUND_PROFILE else "",
        )
