"""Ends an iterator before its end, so that what it reads is closed now and not when the collector comes to it."""

from collections.abc import Iterator


def let_go(items: Iterator[object]) -> None:
    """Close an iterator; one that is no generator may have nothing to close."""
    close = getattr(items, "close", None)
    if close is not None:
        close()
