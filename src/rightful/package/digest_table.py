"""A map from 64-bit digests to 64-bit digests that takes a quarter of what a dict does."""

from array import array

_FIRST_SLOTS = 64
_BITS = (1 << 64) - 1


class DigestTable:
    """Open addressing over two arrays: 16 bytes a slot, between three eighths and three quarters of the slots in use.

    Keys must be well spread (digests). Nothing is ever taken out.
    """

    def __init__(self) -> None:
        self._keys = array("Q", bytes(8 * _FIRST_SLOTS))
        self._values = array("Q", bytes(8 * _FIRST_SLOTS))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, key: int) -> int | None:
        """Return the value of a key, None where it was never put."""
        slot = self._slot(key)
        return self._values[slot] if self._keys[slot] else None

    def put(self, key: int, value: int) -> None:
        """Set the value of a key."""
        slot = self._slot(key)
        if self._keys[slot]:
            self._values[slot] = value
        else:
            self._take(slot, key, value)

    def add_one(self, key: int) -> int:
        """Add one to the value of a key, which is 0 where it was never put; return it then."""
        slot = self._slot(key)
        if not self._keys[slot]:
            self._take(slot, key, 1)
            return 1
        self._values[slot] += 1
        return self._values[slot]

    def _take(self, slot: int, key: int, value: int) -> None:
        self._keys[slot] = key or _BITS
        self._values[slot] = value
        self._count += 1
        if self._count * 4 > len(self._keys) * 3:
            self._grow()

    def _slot(self, key: int) -> int:
        """Find a key's slot, or the free one where it belongs. 0 marks a free slot, so that key 0 is kept as the highest one."""
        key = key or _BITS
        keys = self._keys
        mask = len(keys) - 1
        slot = key & mask
        while (found := keys[slot]) and found != key:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._keys = array("Q", bytes(16 * len(keys)))
        self._values = array("Q", bytes(16 * len(keys)))
        for key, value in zip(keys, values, strict=True):
            if key:
                slot = self._slot(key)
                self._keys[slot], self._values[slot] = key, value
