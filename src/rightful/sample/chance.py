"""Chance that falls the same way on every machine: everything is a function of labels, through SHA-256 or SHAKE-256.

The random module is not used: only parts of it promise the same numbers in the next Python.
"""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def number(*labels: object, below: int) -> int:
    """Return 0 to below - 1, decided by the labels."""
    digest = hashlib.sha256("\x1f".join(map(str, labels)).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % below


def choice(values: Sequence[T], *labels: object) -> T:
    """Return one of the values, decided by the labels."""
    return values[number(*labels, below=len(values))]


def happens(*labels: object, percent: int) -> bool:
    """Say yes in so many of a hundred cases, decided by the labels."""
    return number(*labels, below=100) < percent


def content(size_bytes: int, *labels: object) -> bytes:
    """Return bytes that nobody can guess the next of, decided by the labels."""
    return hashlib.shake_256("\x1f".join(map(str, labels)).encode("utf-8", "surrogateescape")).digest(size_bytes)


def words(count: int, *labels: object) -> str:
    """Return so many plain words, decided by the labels."""
    return " ".join(choice(_WORDS, *labels, place) for place in range(count))


_TEXT = (
    "agenda budget canteen delivery estimate forecast garden harbour invoice journey kitchen ledger meeting notebook offer parcel "
    "quarter receipt schedule timetable update voucher workshop yearbook bicycle coffee desk engine folder glass hall inbox"
)
_WORDS = tuple(_TEXT.split())
