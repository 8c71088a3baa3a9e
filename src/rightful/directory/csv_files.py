"""A directory in CSV files: read whole into memory, answered there as tables are, and read again when a file changes."""

import os
import stat
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar, cast

import msgspec
import structlog

from rightful.clock import Clock, SystemClock
from rightful.database.memory import MemoryTables
from rightful.directory.csv_settings import CsvDirectorySettings, as_tables, table_name, wanted
from rightful.directory.csv_text import read_rows, refuse_repeated, refused
from rightful.directory.interface import Everybody
from rightful.directory.place import SOURCE_NAME
from rightful.directory.sql import SqlDirectory
from rightful.errors import SourceError, SourceUnavailable
from rightful.ids import SubjectId, TenantId
from rightful.setting_problem import SettingPath, SettingProblem
from rightful.subject.matching import FOLDED_KINDS
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached

_log = structlog.get_logger(__name__)

SETTLED_S = 2.0
"""How long a file that replaces one in use must have stayed as it is: it may be half written."""
AGAIN_S = 10.0
"""After a passing error in reading files they are tried again; the log says so where it is another error than before."""
_MOST_BYTES = 1 << 30


_Mark = tuple[int, ...] | None
"""What tells a file from what it was before; None where there is none."""


class _Generation:
    """The files as they were at one moment."""

    def __init__(self, tenant_id: TenantId, settings: CsvDirectorySettings, folder: Path, marks: Sequence[_Mark]) -> None:
        self.marks = tuple(marks)
        self.users = 0
        self._tables = MemoryTables(source_name=SOURCE_NAME)
        tables = as_tables(settings)
        try:
            for mark, (path, said) in zip(marks, wanted(settings).items(), strict=True):
                content, columns = _read(folder / path, mark), list(said.kinds)
                rows = read_rows(
                    content,
                    file=Path(path).name,
                    columns=columns,
                    delimiter=settings.delimiter,
                    unique=said.unique,
                    lowered=said.lowered,
                )
                indexed = [column for column, kinds in said.kinds.items() if kinds]
                folded = [column for column, kinds in said.kinds.items() if kinds & FOLDED_KINDS]
                self._tables.add(table_name(path), columns, rows, indexed=indexed, folded=folded)
                if said.unique and self._tables.may_repeat(table_name(path), said.unique):
                    refuse_repeated(content, file=Path(path).name, column=said.unique, delimiter=settings.delimiter)
            self.directory = SqlDirectory(tenant_id, tables, folder=folder, database=self._tables.database)
            self.directory.check()
        except BaseException:
            self._tables.close()
            raise

    def close(self) -> None:
        """Let go of the memory."""
        self.directory.close()
        self._tables.close()


class CsvDirectory:
    """Finds people in files; see `directory.interface.Directory`.

    A file that changed is read before the next question is answered, all files or none of them: where one is not usable, what was read
    before stays in use, and that is logged once for each state of the files. An error that may pass is no state of theirs: they are tried
    again.
    """

    Settings: ClassVar[type[msgspec.Struct]] = CsvDirectorySettings

    def __init__(self, tenant_id: TenantId, settings: msgspec.Struct, *, folder: Path, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._tenant_id = tenant_id
        self._settings = cast("CsvDirectorySettings", settings)
        self._folder = folder
        self._paths = [folder / path for path in wanted(self._settings)]
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._current: _Generation | None = None
        self._refused: tuple[_Mark, ...] | None = None
        self._said = ""
        """Why files were not read again, as the log has it."""
        self._again_at_s: float | None = None
        """When what could not be read for a while, though it may be right, is looked at again."""

    @staticmethod
    def kinds_given(settings: CsvDirectorySettings) -> frozenset[str]:
        """Return the kinds of identifiers that people can have."""
        return SqlDirectory.kinds_given(as_tables(settings))

    @staticmethod
    def kinds_used(settings: CsvDirectorySettings) -> Iterable[tuple[SettingPath, str]]:
        """Return the kinds that more is looked up by."""
        return SqlDirectory.kinds_used(as_tables(settings))

    @staticmethod
    def problems(settings: CsvDirectorySettings) -> Iterator[SettingProblem]:
        """Yield what is wrong with the delimiter and with files of one name."""
        if len(settings.delimiter) != 1 or settings.delimiter in '"\r\n\0 ':
            yield ("delimiter",), "is not one character that stands between values", 'write ",", ";" or "\\t"'
        paths = list(wanted(settings))
        if len({table_name(path).casefold() for path in paths}) < len(paths):
            yield (
                (),
                "names two files that are called alike",
                "files in two folders, or with other endings, need two names",
            )

    def check(self) -> None:
        """Read all files as they are now."""
        with closing(self._read()):
            pass

    def find_user(self, key: str) -> DataSubject | None:
        """Find a user; see `SqlDirectory`."""
        with self._people() as people:
            return people.find_user(key)

    def find_inbound_profile(self, user_id: str) -> DataSubject | None:
        """Find by user id."""
        with self._people() as people:
            return people.find_inbound_profile(user_id)

    def list_inbound_profiles(self) -> tuple[DataSubject, ...]:
        """Return all, by user id."""
        with self._people() as people:
            return people.list_inbound_profiles()

    def identify(self, subjects: Sequence[DataSubject], further: Sequence[Sequence[Reached]] = ()) -> tuple[IdentifiedSubject | None, ...]:
        """Gather identifiers, all out of files of one moment."""
        with self._people() as people:
            return people.identify(subjects, further)

    def subjects(self, ids: Sequence[SubjectId]) -> tuple[DataSubject | None, ...]:
        """Find users by id."""
        with self._people() as people:
            return people.subjects(ids)

    def everybody(self, kinds: Collection[str]) -> Everybody | None:
        """List everybody, all out of files of one moment; see `directory.interface.ListsEverybody`."""
        return self._everybody(kinds)

    def _everybody(self, kinds: Collection[str]) -> Everybody:
        with self._people() as people:
            yield from people.everybody(kinds) or ()

    def known(self, limit: int) -> dict[str, frozenset[str]]:
        """Return some of the values; see `directory.interface.KnowsIdentifiers`."""
        with self._people() as people:
            return people.known(limit)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Name the columns of each kind."""
        with self._people() as people:
            return people.columns()

    def ambiguous_names(self) -> int:
        """Go over all people; see `directory.interface.FindsAmbiguity`."""
        with self._people() as people:
            return people.ambiguous_names()

    def is_stale(self) -> bool:
        """Say whether files changed and could not be read again; see `directory.interface.MayBeStale`."""
        current = self._current
        return bool(self._said) and current is not None and self._marks() != current.marks

    def close(self) -> None:
        """Let go of the memory, as soon as nobody reads it."""
        self._put(None)

    # -- how ----------------------------------------------------------------------------------------------------------
    @contextmanager
    def _people(self) -> Iterator[SqlDirectory]:
        self._renew()
        with self._lock:
            generation = self._current
            assert generation is not None, "closed"
            generation.users += 1
        try:
            yield generation.directory
        finally:
            with self._lock:
                generation.users -= 1
                is_over = not generation.users and generation is not self._current
            if is_over:
                generation.close()

    def _renew(self) -> None:
        """See to it that the files are read; who comes while they are read again gets what was read before."""
        current = self._current
        if current is None:
            with self._loading:
                if self._current is None:
                    self._put(self._read())
            return
        marks = self._marks()
        if marks in (current.marks, self._refused) or not self._may_read(marks) or not self._loading.acquire(blocking=False):
            return
        try:
            self._put(self._read())
            self._again_at_s, self._said = None, ""
            _log.info("directory read again", source=SOURCE_NAME)
        except SourceError as error:
            if isinstance(error, SourceUnavailable):
                self._again_at_s = self._clock.monotonic() + AGAIN_S
            else:
                self._refused = marks
            if error.message != self._said:
                self._said = error.message
                _log.warning("directory not read again; what was read before stays in use", source=SOURCE_NAME, reason=error.message)
        finally:
            self._loading.release()

    def _may_read(self, marks: Sequence[_Mark]) -> bool:
        now = self._clock.now().timestamp()
        if any(mark is not None and 0 <= now - mark[3] / 1e9 < SETTLED_S for mark in marks):
            return False
        return self._again_at_s is None or self._clock.monotonic() >= self._again_at_s

    def _put(self, generation: _Generation | None) -> None:
        with self._lock:
            old, self._current = self._current, generation
            is_over = old is not None and not old.users
        if old is not None and is_over:
            old.close()

    def _read(self) -> _Generation:
        return _Generation(self._tenant_id, self._settings, self._folder, self._marks())

    def _marks(self) -> tuple[_Mark, ...]:
        return tuple(_mark(path) for path in self._paths)


def _mark(path: Path) -> _Mark:
    try:
        return _mark_of(path.stat())
    except OSError:
        return None


def _mark_of(found: os.stat_result) -> _Mark:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(path: Path, mark: _Mark) -> bytes:
    """Read a file that is what it was when it was looked at, from its first byte to its last."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 -- a pipe must not hold us up
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
                raise refused(path.name, "is no file, or one of more than 1 GiB", "use the directory `sql` for as much")
            content = file.read(_MOST_BYTES)
            if mark is None or _mark_of(os.fstat(file.fileno())) != mark:
                raise SourceUnavailable(
                    f"source {SOURCE_NAME!r}: file {path.name!r} changes while it is read",
                    source_name=SOURCE_NAME,
                    hint="write another file beside it and rename that",
                )
            return content
    except FileNotFoundError:
        raise refused(path.name, "there is no such file", "paths start at the configuration's folder") from None
    except OSError as error:
        said = f"source {SOURCE_NAME!r}: file {path.name!r} cannot be read ({error.strerror})"
        raise SourceUnavailable(said, source_name=SOURCE_NAME, hint="may this account read it?") from None
