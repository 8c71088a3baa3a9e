"""What the shards of the operations at hand call (`package.viewer.shards`): asked for once for each, kept while it is needed."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from rightful.ids import OperationId

_KEPT = 10_000


class Calls:
    """Keeps it in memory, never anywhere else, and forgets it when the operation ends. Safe to use from any thread."""

    def __init__(self, *, most: int = _KEPT) -> None:
        """Keep those of `most` operations, the latest."""
        self._most = most
        self._kept: OrderedDict[OperationId, str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, operation_id: OperationId, find: Callable[[], str]) -> str:
        """Return an operation's; who asks first finds it, and so may some who ask at the same time."""
        with self._lock:
            known = self._kept.get(operation_id)
        if known is not None:
            return known
        found = find()
        with self._lock:
            self._kept[operation_id] = found
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found

    def forget(self, operation_id: OperationId) -> None:
        """Drop what is kept for an operation."""
        with self._lock:
            self._kept.pop(operation_id, None)
