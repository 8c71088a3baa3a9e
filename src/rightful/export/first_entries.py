"""The first entries of the operations of a claim, which hold what their packages are made with: asked for many at a time."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from rightful.ids import OperationId
from rightful.store.interface import Store
from rightful.store.values import Entry

_AT_ONCE = 256


class FirstEntries:
    """Asks for those of one operation together with those of the next ones, since these are about to be asked for. From any thread."""

    def __init__(self, store: Store, operation_ids: Sequence[OperationId]) -> None:
        """Take the operations in the order in which they are dealt with."""
        self._store = store
        self._ids = operation_ids
        self._places = {operation_id: place for place, operation_id in enumerate(operation_ids)}
        self._held: Mapping[OperationId, Sequence[Entry]] = {}

    def of(self, operation_id: OperationId) -> Sequence[Entry]:
        """Return an operation's; none where it has ended."""
        found = self._held.get(operation_id)
        if found is None:
            place = self._places[operation_id]
            asked = self._ids[place : place + _AT_ONCE]
            entries: defaultdict[OperationId, list[Entry]] = defaultdict(list)
            for entry in self._store.first_entries(asked):
                entries[entry.operation_id].append(entry)
            self._held = {each: entries[each] for each in asked}
            found = entries[operation_id]
        return found
