"""Makes the entries of a part: its lines in each form, and what START-HERE.html shows them from."""

from collections.abc import Iterator

import msgspec
import pyarrow as pa

from rightful.config.model import ExportSettings, SourceConfig
from rightful.connectors.interface import cursor_after
from rightful.export.hours import OfPart
from rightful.export.placing import Draft
from rightful.export.subject_read import SubjectRead
from rightful.export.tracking import Kept
from rightful.export.withholding import Amounts
from rightful.package import paths
from rightful.package.activity import Activity, activity_of, activity_of_hours
from rightful.package.digest import measure
from rightful.package.forms import Form, write
from rightful.package.parts import Part
from rightful.package.schema import Column
from rightful.package.viewer.shards import Shard, encode_shards


class Drafting:
    """Makes drafts of the parts of one partition of a source."""

    def __init__(self, source: SourceConfig, partition: int, settings: ExportSettings) -> None:
        """Take what says where parts go, and in which forms."""
        self._source = source
        self._partition = partition
        self._forms = settings.formats
        self._has_viewer = settings.viewer == "on"
        self._time_column = source.label.time if source.label is not None else ""
        self._columns: tuple[Column, ...] = ()

    def begin(self, columns: tuple[Column, ...]) -> None:
        """Take the columns, as they are delivered."""
        self._columns = columns

    def drafts(self, state: SubjectRead, part: Part, *, withheld: Amounts, looked_at: int, hours: OfPart) -> list[Draft]:
        """Return a read's next part in each form, and its shards; the first one counts what was withheld, and looked through."""
        number = state.next_part
        state.next_part += 1
        mark = part.last_key if isinstance(part.last_key, Mark) else Mark(part.last_key, None, None)
        # Part numbers and cursors go together: a part's checkpoint says both where to go on and what number comes next.
        first, *others = self._forms
        drafts = [self._draft(first, part, number, mark, product=state.product, withheld=withheld, looked_at=looked_at)]
        drafts += (self._draft(form, part, number, mark, product=state.product) for form in others)
        if self._has_viewer:
            drafts += (self._shard(drafts[0], number, shard, hours) for number, shard in enumerate(_shards(state, part)))
        return drafts

    def _draft(
        self, form: Form, part: Part, number: int, mark: "Mark", *, product: str, withheld: Amounts = (), looked_at: int = 0
    ) -> Draft:
        content = write(form, self._columns, part.content)
        digest = measure(content)
        return Draft(
            path=paths.part_path(product, self._source.name, self._partition, number, extension=form),
            content=content,
            sha256=digest.sha256,
            size_bytes=digest.size_bytes,
            rows=part.rows,
            is_copy=form is not self._forms[0],
            cursor=cursor_after(mark.key),
            fingerprints=mark.fingerprints,
            seen=mark.seen,
            withheld=withheld,
            looked_at=looked_at,
        )

    def _shard(self, draft: Draft, number: int, shard: Shard, of_part: OfPart) -> Draft:
        """Return what START-HERE.html shows records of a part from: made of its lines alone, so that it is the same whenever they are."""
        digest, hours = measure(shard.content), of_part.next(shard.rows)
        if hours is not None and of_part.column is not None:
            activity: Activity | None = activity_of_hours(of_part.column, hours)
        else:
            activity = activity_of(self._columns, shard.lines, named=self._time_column)
        return Draft(
            path=paths.shard_path(draft.path, number),
            content=shard.content,
            sha256=digest.sha256,
            size_bytes=digest.size_bytes,
            shows=shard.rows,
            is_copy=True,
            cursor=draft.cursor,
            fingerprints=draft.fingerprints,
            activity=activity,
        )


class Mark(msgspec.Struct, frozen=True):
    """Where a read can go on after a line."""

    key: object
    fingerprints: int | None
    seen: int | None
    """How many rows were given until then."""


class Marks:
    """The marks of the lines that are delivered."""

    def __init__(self, keys: pa.Array | None, kept: Kept, before: int) -> None:
        self._keys = keys
        self._kept = kept
        self._before = before

    def __len__(self) -> int:
        return len(self._kept.rows)

    def __getitem__(self, index: int) -> Mark:
        key = None if self._keys is None else self._keys[self._kept.rows[index]].as_py()
        return Mark(key, self._kept.counts[index], self._before + self._kept.rows[index] + 1)


def _shards(state: SubjectRead, part: Part) -> Iterator[Shard]:
    call = state.call()
    if state.tracker is None:
        return encode_shards(part.content, call=call)
    return encode_shards(part.content, state.tracker.changed, call=call)
