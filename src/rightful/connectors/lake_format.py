"""What a lake's files are written in: the seam between the scan and what knows how to read them."""

from collections.abc import Generator, Sequence
from typing import Protocol

import polars as pl

from rightful.connectors.lake_files import LakeFile
from rightful.connectors.lake_hunt import Hunt, Schema


class LakeFormat(Protocol):
    """Reads files of one kind. All its methods raise `SourceError` alone, and are called from any thread."""

    verbatim: bool
    """Whether texts, but those of match columns, are JSON documents."""

    def folder_type(self, name: str, file: LakeFile) -> pl.DataType:
        """Return the type of a column of which each file has one value."""
        ...

    def schema(self, file: LakeFile) -> Schema:
        """Return a file's columns; reads its beginning or its end."""
        ...

    def head(self, file: LakeFile, types: Schema, names: Sequence[str], count: int) -> pl.DataFrame:
        """Return some columns of a file's first rows; those that it does not have are left out."""
        ...

    def find(self, files: Sequence[LakeFile], hunt: Hunt) -> Generator[pl.DataFrame]:
        """Yield what is looked for in files of one schema, in their order: the columns of `hunt.output`, in bounded frames."""
        ...
