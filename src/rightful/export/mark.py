"""The mark of a storage location: its first entry, by which a request wins it.

In `strict` all requests mark the same path, the container's root. When an answer was lost, or the service was killed, something that
already lies there may be this request's mark or another's, and the SAS must not read. What can be asked without reading is how long it
is: an append counts only at the position that it names. So each mark has a length of its own, and is confirmed by a line feed at its end.
"""

import hashlib
from collections.abc import Callable

from rightful.clock import Clock
from rightful.errors import Refusal, StorageRefused
from rightful.export.zipping import PIECE_NAME_LENGTH
from rightful.ids import OperationId
from rightful.storage.interface import Hurrying, Put, Storage
from rightful.storage.pieces import PiecesBeside, joining
from rightful.storage.retrying import RetryingJoining, RetryingStorage

_ATTEMPTS = 3
_PATIENCE_S = 5.0
"""A client waits for the answer: a storage location that is busy for longer is refused."""
_LONGEST_S = 15.0
"""So is one whose answers take longer than that, all together."""
_CONFIRMATIONS = 3
"""How many confirmations may have gone astray."""
_LENGTHS = 4096
_TRIAL = "0" * PIECE_NAME_LENGTH
"""Names a piece that is put to see whether it can be."""


class Mark:
    """One request's mark, to be put now or again."""

    def __init__(
        self, storage: Storage, clock: Clock, path: str, content: bytes, *, may_be_ours: bool, longest_s: float = _LONGEST_S
    ) -> None:
        """Take what is to lie at the path; `may_be_ours` where an earlier attempt may have put it. The time begins now."""
        self._storage = storage.within(longest_s) if isinstance(storage, Hurrying) else storage
        self._retrying = RetryingStorage(self._storage, clock, attempts=_ATTEMPTS, patience_s=_PATIENCE_S)
        self._clock = clock
        self._path = path
        self.content = content
        """What lies there once it is ours."""
        self.may_be_ours = may_be_ours
        """Whether what lies there already may be this mark."""

    def try_pieces(self, path: str) -> None:
        """See whether a ZIP file can be put there, before anything is marked: a SAS with a stored access policy does not say so.

        Raises:
            StorageError: it cannot. Else a block lies there that no file names, and that nobody sees; a piece that is seen is deleted.
        """
        pieces = joining(self._storage)
        if not self._storage.properties.is_remote:
            return
        try:
            RetryingJoining(pieces, self._clock, attempts=_ATTEMPTS, patience_s=_PATIENCE_S).put_piece(path, _TRIAL, (b"-",))
        except StorageRefused as error:
            if error.refusal is not Refusal.PERMISSION:
                raise
            hint = "give it write (sp=w), which a package as one ZIP file needs"
            raise StorageRefused(error.message, refusal=error.refusal, hint=hint) from error
        if isinstance(pieces, PiecesBeside):
            pieces.drop(path)

    def put(self) -> bool:
        """Put it at a path that is this request's alone, or that can be compared; return whether it lies there."""
        outcome = self._try(lambda: self._retrying.put(self._path, (self.content,), size_bytes=len(self.content)))
        self._storage.sync()
        return outcome is Put.WRITTEN or self.may_be_ours

    def append(self, operation_id: OperationId) -> bool:
        """Put it as an append blob at a path where others put theirs; return whether it is this request's that lies there."""
        self.content = _lengthened(self.content, operation_id)
        if self._try(lambda: self._retrying.put_append(self._path, self.content)) is Put.WRITTEN:
            return True
        return self.may_be_ours and self._is_confirmed()

    def _is_confirmed(self) -> bool:
        for _ in range(_CONFIRMATIONS):
            length, self.content = len(self.content), self.content + b"\n"
            if self._retrying.append(self._path, b"\n", at=length) is Put.WRITTEN:
                return True
        return False

    def _try(self, call: Callable[[], Put]) -> Put:
        try:
            return call()
        finally:
            self.may_be_ours |= self._retrying.may_have_arrived


def _lengthened(content: bytes, operation_id: OperationId) -> bytes:
    """Add white space before the last line feed: two marks have one length in 1 of 4,096 cases, with their confirmations or without."""
    number = int.from_bytes(hashlib.sha256(operation_id.encode()).digest()[:4], "big") % _LENGTHS
    steps = -(-len(content) // (_CONFIRMATIONS + 1)) + number
    return content[:-1].ljust(steps * (_CONFIRMATIONS + 1) - 1) + b"\n"
