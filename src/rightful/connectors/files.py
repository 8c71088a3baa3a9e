"""The connector `files`: a person's folder below a local root.

What is found and in which order is said in `tree`; here a subject's identifiers become the folders to walk.
"""

import errno
import itertools
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from rightful.connectors import tree
from rightful.connectors.interface import Amount, Cursor, Estimate, FileItem, Item, Partition, ReadHeader, SkippedItem
from rightful.connectors.local_paths import LOCAL_URL_HINT, local_path, local_url_problem, path_matcher
from rightful.errors import SourceError, SourceRefused, SourceUnavailable
from rightful.setting_problem import SettingPath, SettingProblem, refuse
from rightful.subject.matching import is_usable
from rightful.subject.model import IdentifiedSubject

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]+)\}")


class FilesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder that has a folder for each person."""

    url: str
    """`file:///srv/onedrive`, or a path relative to the configuration's folder."""
    path: str
    """Where a person's folder lies below it; identifier kinds in braces: `{upn}/`, `home/{employee_id}/files`."""
    include: tuple[str, ...] = ()
    """Only files that fit one of these patterns (`*.pdf`, `Documents/**`), relative to the person's folder."""
    exclude: tuple[str, ...] = ()
    """No files and folders that fit one of these."""
    allow_empty: bool = False
    """Whether an empty root is normal; else it is taken for a file system that was not mounted."""


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a walk goes on, and how what it finds is called."""

    base: tuple[int, int]
    """Identity of the connector's root folder."""
    subject: int
    folder: tuple[str, ...]
    """Segments below the root."""
    root: str
    """The same as the template has it."""
    prefix: str
    """Before each path: the folder and a slash where the subject has several."""


class FilesConnector:
    """Reads the trees of local folders; nothing outside a subject's folder, no symbolic link, no special file.

    Needs Linux (`O_PATH`, descriptors of folders).
    """

    Settings = FilesSettings

    def __init__(self, source_name: str, settings: FilesSettings, *, siblings: Mapping[str, msgspec.Struct], folder: Path) -> None:
        refuse(source_name, self.problems(source_name, settings, siblings=siblings, folder=folder))
        self._source_name = source_name
        self._settings = settings
        segments = _segments(settings.path)
        fixed = list(itertools.takewhile(lambda segment: not _PLACEHOLDER.search(segment), segments))
        # The fixed beginning belongs to the root: where it is missing the source is missing, not the person.
        self._fixed = "".join(f"{segment}/" for segment in fixed)
        self._segments = segments[len(fixed) :]
        self._root = local_path(settings.url, folder) / self._fixed
        self._is_included = path_matcher(settings.include or ("**",))
        self._is_excluded = path_matcher(settings.exclude)

    @staticmethod
    def problems(
        source_name: str, settings: FilesSettings, *, siblings: Mapping[str, msgspec.Struct | None], folder: Path
    ) -> Iterator[SettingProblem]:
        """Yield what the configuration alone shows; see `connectors.registry.FindsProblems`."""
        del source_name, siblings, folder
        url_problem, path_problem = local_url_problem(settings.url), _template_problem(settings.path)
        if url_problem:
            yield ("url",), url_problem, LOCAL_URL_HINT
        if path_problem:
            yield ("path",), path_problem, "put an identifier into it, for instance {upn}/"

    @staticmethod
    def kinds_used(settings: FilesSettings) -> Iterable[tuple[SettingPath, str]]:
        """Return the kinds in the template."""
        return [(("path",), kind) for kind in _PLACEHOLDER.findall(settings.path)]

    def check(self) -> None:
        """Raise `SourceError` where the root is not there, cannot be listed or is empty."""
        os.close(self._open_root())

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
        root = self._open_root()
        try:
            yield ReadHeader(searched=self._settings.path)
            for index, subject in enumerate(subjects):
                folders = self._folders(subject)
                for folder in folders:
                    yield from self._read_folder(root, index, folder, is_prefixed=len(folders) > 1, cursor=cursor)
        except OSError as error:
            raise self._unavailable(error) from error
        finally:
            os.close(root)

    def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
        """List the folders, and add sizes up; what was counted in time is what there is at least."""
        until = time.monotonic() + limit_s
        root = self._open_root()
        try:
            return tuple(self._estimate(root, subject, until) for subject in subjects)
        except OSError as error:
            raise self._unavailable(error) from error
        finally:
            os.close(root)

    def close(self) -> None:
        """Do nothing: no descriptor outlives a read."""

    def _estimate(self, root: int, subject: IdentifiedSubject, until: float) -> Estimate:
        files = size_bytes = 0
        is_exact = True
        for folder in self._folders(subject):
            try:
                fd = self._open_folder(root, folder)
            except OSError as error:
                if tree.is_down(error):
                    raise
                continue  # the read will skip it
            if fd is None:
                continue
            with closing(tree.walk(fd, is_wanted=self._is_wanted)) as found:
                for item in found:
                    if time.monotonic() >= until:
                        is_exact = False
                        break
                    if isinstance(item, tree.TreeFile):
                        files += 1
                        size_bytes += item.size_bytes
        if not (files or is_exact):
            return Estimate()
        return Estimate(files=Amount(files, is_exact=is_exact), size_bytes=Amount(size_bytes, is_exact=is_exact))

    def _folders(self, subject: IdentifiedSubject) -> list[tuple[str, ...]]:
        """Return a subject's folders below the root, in the order of their bytes."""
        choices = [_fill(segment, subject) for segment in self._segments]
        return sorted(set(itertools.product(*choices)), key=lambda folder: [os.fsencode(segment) for segment in folder])

    def _read_folder(self, root: int, index: int, folder: tuple[str, ...], *, is_prefixed: bool, cursor: Cursor | None) -> Iterator[Item]:
        name = "/".join(folder)
        prefix = f"{name}/" if is_prefixed else ""
        after = _after(cursor, folder if is_prefixed else ())
        if after is None:
            return
        try:
            fd = self._open_folder(root, folder)
        except OSError as error:
            if tree.is_down(error):
                raise
            yield SkippedItem(subject=index, path=name if is_prefixed else ".", reason=tree.reason_of(error))
            return
        if fd is None:
            return
        place = _Place(base=tree.identity(os.fstat(root)), subject=index, folder=folder, root=self._fixed + name, prefix=prefix)
        with closing(tree.walk(fd, after=after, is_wanted=self._is_wanted)) as found:
            for item in found:
                yield self._item(place, item)

    def _item(self, place: _Place, item: tree.TreeFile | tree.TreeSkip) -> FileItem | SkippedItem:
        path = place.prefix + item.path
        if isinstance(item, tree.TreeSkip):
            return SkippedItem(subject=place.subject, path=path, reason=item.reason)
        return FileItem(
            subject=place.subject,
            path=path,
            root=place.root,
            size_bytes=item.size_bytes,
            open=partial(self._read_file, place, item),
            renew=partial(self._renew, place, item),
        )

    def _read_file(self, place: _Place, item: tree.TreeFile) -> Iterator[bytes]:
        with self._base_of(place) as base:
            yield from tree.read_file(base, [*place.folder, *item.path.split("/")], item)

    def _renew(self, place: _Place, item: tree.TreeFile) -> FileItem | SkippedItem | None:
        with self._base_of(place) as base:
            now = tree.look(base, [*place.folder, *item.path.split("/")], item.path)
        return None if now is None else self._item(place, now)

    @contextmanager
    def _base_of(self, place: _Place) -> Iterator[int]:
        """Hold the root open for one file. What an outage does is the source's fault; any other `OSError` inside is the file's."""
        try:
            base = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unopened(error) from error
        try:
            if tree.identity(os.fstat(base)) != place.base:
                # A mount that went away leaves the folder that it was mounted on: there every file is missing.
                raise self._away("another folder has taken the root's place")
            yield base
        except OSError as error:
            if tree.is_down(error):
                raise self._unavailable(error) from error
            raise
        finally:
            os.close(base)

    def _open_folder(self, root: int, folder: tuple[str, ...]) -> int | None:
        """Open a subject's folder; None where it does not exist: searched and empty."""
        try:
            return tree.open_folder(root, folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return None  # no folder can have that name
            raise

    def _is_wanted(self, path: str, is_folder: bool) -> bool:  # noqa: FBT001  # called by position, by tree.walk
        return not self._is_excluded(path) and (is_folder or self._is_included(path))

    def _open_root(self) -> int:
        try:
            root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            is_empty = self._is_empty(root)
        except OSError as error:
            raise self._unopened(error) from error
        if is_empty and not self._settings.allow_empty:
            os.close(root)
            raise self._away("the root folder is empty", hint="mount its file system, or set allow_empty: true")
        return root

    @staticmethod
    def _is_empty(root: int) -> bool:
        try:
            os.stat(".", dir_fd=root)  # fails without the right to enter the folder
            with os.scandir(root) as entries:
                return next(entries, None) is None
        except OSError:
            os.close(root)
            raise

    def _unopened(self, error: OSError) -> SourceError:
        """Translate what opening the root raised."""
        if isinstance(error, PermissionError):
            return SourceRefused(
                "the root folder may not be listed", source_name=self._source_name, hint="give the service's user the right to read it"
            )
        if isinstance(error, NotADirectoryError):
            return SourceRefused("the root is not a folder", source_name=self._source_name, hint="correct url or path")
        return self._unavailable(error)

    def _unavailable(self, error: OSError) -> SourceUnavailable:
        return self._away(f"the folder cannot be read: {tree.reason_of(error)}")

    def _away(self, message: str, *, hint: str = "see that its file system is mounted") -> SourceUnavailable:
        return SourceUnavailable(message, source_name=self._source_name, hint=hint)


def _segments(path: str) -> list[str]:
    return path.removesuffix("/").split("/")


def _template_problem(path: str) -> str:
    for segment in _segments(path):
        if segment in {"", ".", ".."} or "\0" in segment or set("{}") & set(_PLACEHOLDER.sub("", segment)):
            return "is not a relative path with identifier kinds in braces"
    return "" if _PLACEHOLDER.search(path) else "is the same folder for everybody"


def _fill(segment: str, subject: IdentifiedSubject) -> list[str]:
    """Return what a segment of the template stands for; nothing where an identifier is missing or cannot be a folder's name."""
    pieces = _PLACEHOLDER.split(segment)
    choices = [
        [value for value in subject.values(piece) if _can_be_name(piece, value)] if number % 2 else [piece]
        for number, piece in enumerate(pieces)
    ]
    return ["".join(choice) for choice in itertools.product(*choices)]


def _can_be_name(kind: str, value: str) -> bool:
    return is_usable(kind, value) and value not in {".", ".."} and not set("/\0") & set(value)


def _after(cursor: Cursor | None, folder: tuple[str, ...]) -> list[bytes] | None:
    """Return the cursor's segments below a folder (none: all of it comes after), or None where the whole folder comes before."""
    if cursor is None or cursor.after in {".", b"."}:
        return []
    path = os.fsdecode(cursor.after) if isinstance(cursor.after, bytes) else str(cursor.after)
    segments, here = tree.order(path), [os.fsencode(segment) for segment in folder]
    if segments[: len(here)] == here:
        return segments[len(here) :] or None
    return [] if here > segments else None
