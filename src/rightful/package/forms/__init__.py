"""The forms that the records of a part are written in, side by side: each is made of the part's lines alone."""

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence

from rightful.package.schema import Column


class Form(enum.StrEnum):
    """A written form; its value is the extension of its entries."""

    JSONL = "jsonl"
    """What the serializer writes, and every other form is made of (docs/reference/package-values.md)."""
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


_Write = Callable[[Sequence[Column], Sequence[bytes]], Iterator[bytes]]


def write(form: Form, columns: Sequence[Column], content: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return a part in one of its forms; the same lines give the same bytes.

    Args:
        form: which one.
        columns: of the dataset, as the lines have them.
        content: whole lines of the serializer, in pieces, each of whole lines.
    """
    if form is Form.JSONL:
        return tuple(content)
    return tuple(_writers()[form](columns, content))


def _writers() -> Mapping[Form, _Write]:
    # Only where one is asked for: Arrow's Parquet takes its time to import.
    from rightful.package.forms.comma_separated import write_csv  # noqa: PLC0415
    from rightful.package.forms.graph_json import write_json  # noqa: PLC0415
    from rightful.package.forms.parquet import write_parquet  # noqa: PLC0415

    return {Form.CSV: write_csv, Form.JSON: write_json, Form.PARQUET: write_parquet}
