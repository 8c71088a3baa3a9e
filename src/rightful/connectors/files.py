"""The connector `files`: a person's folder below a root, local or in another system.

What is found and in which order is said in `file_tree`; here a subject's identifiers become the folders to walk.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import msgspec

from rightful.connectors.file_tree import Patience, TreeFile, TreeSkip, Visit, order
from rightful.connectors.interface import Amount, Cursor, Estimate, FileItem, Item, Partition, ReadHeader, SkippedItem
from rightful.connectors.local_paths import path_matcher, patterns_problems
from rightful.connectors.path_template import TEMPLATE_HINT, PathTemplate, kinds_in, template_problem
from rightful.connectors.tree_place import Access, TreePlace, open_tree, place_problems
from rightful.errors import SourceUnavailable
from rightful.setting_problem import SettingPath, SettingProblem, refuse
from rightful.subject.model import IdentifiedSubject


class FilesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder that has a folder for each person."""

    url: str
    """`file:///srv/onedrive`, or a path relative to the configuration's folder; `az://account/container/prefix`,
    `s3://bucket/prefix`, `https://host/path` (WebDAV), `sftp://host/path`."""
    path: str
    """Where a person's folder lies below it; identifier kinds in braces: `{upn}/`, `home/{employee_id}/files`."""
    include: tuple[str, ...] = ()
    """Only files that fit one of these patterns (`*.pdf`, `Documents/**`), relative to the person's folder."""
    exclude: tuple[str, ...] = ()
    """No files and folders that fit one of these."""
    allow_empty: bool = False
    """Whether an empty root is normal; else it is taken for a file system that was not mounted."""
    access: Access = Access()
    """How another system is reached; nothing of it is for local folders."""

    @property
    def place(self) -> TreePlace:
        """Where the root is."""
        return TreePlace(url=self.url, access=self.access, allow_empty=self.allow_empty)


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a walk goes on, and how what it finds is called."""

    visit: Visit
    subject: int
    folder: tuple[str, ...]
    """Segments below the root."""
    root: str
    """The same as the template has it."""
    prefix: str
    """Before each path: the folder and a slash where the subject has several."""


class FilesConnector:
    """Reads the trees of people's folders; nothing outside a subject's folder, no symbolic link, no special file."""

    Settings = FilesSettings

    def __init__(self, source_name: str, settings: FilesSettings, *, siblings: Mapping[str, msgspec.Struct], folder: Path) -> None:
        refuse(source_name, self.problems(source_name, settings, siblings=siblings, folder=folder))
        self._source_name = source_name
        self._settings = settings
        self._template = PathTemplate(settings.path)
        self._tree = open_tree(source_name, settings.place, self._template.fixed, folder)
        self._is_included = path_matcher(settings.include or ("**",))
        self._is_excluded = path_matcher(settings.exclude)

    @staticmethod
    def problems(
        source_name: str, settings: FilesSettings, *, siblings: Mapping[str, msgspec.Struct | None], folder: Path
    ) -> Iterator[SettingProblem]:
        """Yield what the configuration alone shows; see `connectors.registry.FindsProblems`."""
        del source_name, siblings, folder
        yield from place_problems(settings.place)
        path_problem = template_problem(settings.path)
        if path_problem:
            yield ("path",), path_problem, TEMPLATE_HINT
        yield from patterns_problems(include=settings.include, exclude=settings.exclude)

    @staticmethod
    def kinds_used(settings: FilesSettings) -> Iterable[tuple[SettingPath, str]]:
        """Return the kinds in the template."""
        return [(("path",), kind) for kind in kinds_in(settings.path)]

    def check(self) -> None:
        """Raise `SourceError` where the root is not there, cannot be listed or is empty."""
        with self._tree.visit():
            pass

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """Return the one partition; how much a person has is not known before it is walked."""
        del subjects
        return (Partition(number=0, spec="tree"),)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Yield subject after subject, each one's files in the order of their paths' bytes, segment by segment.

        A cursor is a path as `FileItem` or `SkippedItem` gave it (text, or its bytes as `os.fsencode` makes them).
        """
        del partition
        with self._tree.visit() as visit:
            yield ReadHeader(searched=self._settings.path)
            for index, subject in enumerate(subjects):
                folders = self._template.places(subject)
                for folder in folders:
                    yield from self._read_folder(visit, index, folder, is_prefixed=len(folders) > 1, cursor=cursor)

    def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
        """List the folders, and add sizes up; what was counted in time is what there is at least."""
        patience = Patience(limit_s)
        with self._tree.visit() as visit:
            return tuple(self._estimate(visit, subject, patience) for subject in subjects)

    def interrupt(self) -> None:
        """End what is under way; see `Interruptible`."""
        self._tree.close()

    def close(self) -> None:
        """Release connections; no descriptor outlives a read."""
        self._tree.close()

    def _estimate(self, visit: Visit, subject: IdentifiedSubject, patience: Patience) -> Estimate:
        files = size_bytes = 0
        for folder in self._template.places(subject):
            with suppress(OSError):  # the read will skip it
                for item in visit.walk(folder, after=(), is_wanted=self._is_wanted, patience=patience):
                    if isinstance(item, TreeFile):
                        files += 1
                        size_bytes += item.size_bytes
        is_exact = not patience.ran_out
        if not (files or is_exact):
            return Estimate()
        return Estimate(files=Amount(files, is_exact=is_exact), size_bytes=Amount(size_bytes, is_exact=is_exact))

    def _read_folder(
        self, visit: Visit, index: int, folder: tuple[str, ...], *, is_prefixed: bool, cursor: Cursor | None
    ) -> Iterator[Item]:
        name = "/".join(folder)
        prefix = f"{name}/" if is_prefixed else ""
        after = _after(cursor, folder if is_prefixed else ())
        if after is None:
            return
        place = _Place(visit=visit, subject=index, folder=folder, root=self._template.root(folder), prefix=prefix)
        is_there = False
        try:
            with closing(visit.walk(folder, after=after, is_wanted=self._is_wanted)) as found:
                for item in found:
                    is_there = True
                    yield _item(place, item)
        except FileNotFoundError as error:
            if is_there:
                raise SourceUnavailable(
                    "a folder went away while it was read", source_name=self._source_name, hint="it is tried again"
                ) from error
            return  # searched, and empty
        except OSError as error:
            yield SkippedItem(subject=index, path=name if is_prefixed else ".", reason=error.strerror or "cannot be read")

    def _is_wanted(self, path: str, is_folder: bool) -> bool:  # noqa: FBT001  # called by position, by a walk
        return not self._is_excluded(path) and (is_folder or self._is_included(path))


def _item(place: _Place, item: TreeFile | TreeSkip) -> FileItem | SkippedItem:
    path = place.prefix + item.path
    if isinstance(item, TreeSkip):
        return SkippedItem(subject=place.subject, path=path, reason=item.reason)
    return FileItem(
        subject=place.subject,
        path=path,
        root=place.root,
        size_bytes=item.size_bytes,
        modified_ns=item.modified_ns,
        mode=item.mode,
        open=partial(place.visit.read, place.folder, item),
        renew=partial(_renew, place, item),
    )


def _renew(place: _Place, item: TreeFile) -> FileItem | SkippedItem | None:
    now = place.visit.look(place.folder, item)
    return None if now is None else _item(place, now)


def _after(cursor: Cursor | None, folder: tuple[str, ...]) -> list[bytes] | None:
    """Return the cursor's segments below a folder (none: all of it comes after), or None where the whole folder comes before."""
    if cursor is None or cursor.after in {".", b"."}:
        return []
    path = os.fsdecode(cursor.after) if isinstance(cursor.after, bytes) else str(cursor.after)
    segments, here = order(path), [os.fsencode(segment) for segment in folder]
    if segments[: len(here)] == here:
        return segments[len(here) :] or None
    return [] if here > segments else None
