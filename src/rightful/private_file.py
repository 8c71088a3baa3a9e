"""Files that only their owner may read, written whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write a file; an earlier one is replaced at once or not at all."""
    with _draft(path, content) as draft:
        draft.replace(path)


def write_new(path: Path, content: bytes) -> None:
    """Write a file where there is none; raises `FileExistsError` where somebody was quicker."""
    with _draft(path, content) as draft:
        os.link(draft, path)


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """Yield a durable file with the content, beside the path; it is gone afterwards, under this name."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
