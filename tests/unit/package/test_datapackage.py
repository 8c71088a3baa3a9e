from typing import Any

import msgspec

from rightful.ids import OperationId
from rightful.package.contents import PayloadEntry
from rightful.package.datapackage import SourceTitle, format_datapackage
from rightful.package.label import CommonLabel, Label, StatementSettings
from rightful.package.schema import Column, ColumnKind
from rightful.testing.package_builder import SampleSource, package_entries

COLUMNS = (Column(name="id", kind=ColumnKind.INT, source_type="int8"),)


def _file(path: str, source: str = "drive") -> PayloadEntry:
    return PayloadEntry(path=path, sha256="0" * 64, size_bytes=1, source_name=source)


def _part(path: str, source: str, superseded_by: str = "") -> PayloadEntry:
    return PayloadEntry(path=path, sha256="1" * 64, size_bytes=9, source_name=source, rows=3, columns=COLUMNS, superseded_by=superseded_by)


def _written(*entries: PayloadEntry, titles: tuple[SourceTitle, ...] = ()) -> dict[str, Any]:
    chunks = format_datapackage(operation_id=OperationId("op-1"), organization="Contoso", sources=titles, entries=entries)
    written: dict[str, Any] = msgspec.json.decode(b"".join(chunks))
    return written


def test_part_is_a_resource_with_schema_rows_and_source() -> None:
    titles = (SourceTitle(source_name="orders", product="Shop"),)
    (resource,) = _written(_part("data/Shop/orders/part-00000-00000.jsonl", "orders"), titles=titles)["resources"]
    assert resource["name"] == "orders/part-00000-00000"
    assert resource["path"] == "data/Shop/orders/part-00000-00000.jsonl"
    assert resource["title"] == "Shop: orders"
    assert (resource["bytes"], resource["hash"], resource["rows"]) == (9, "sha256:" + "1" * 64, 3)
    assert resource["rightful:source"] == "orders"
    assert "schema" in resource


def test_file_is_a_resource_without_schema() -> None:
    (resource,) = _written(_file("data/OneDrive/drive/a.csv"))["resources"]
    assert resource == {
        "name": "drive/file-000000",
        "type": "file",
        "path": "data/OneDrive/drive/a.csv",
        "bytes": 1,
        "hash": "sha256:" + "0" * 64,
        "rightful:source": "drive",
    }


def test_files_whose_names_mean_something_to_readers_stand_apart() -> None:
    written = _written(_file("data/a.ZIP"), _file("data/$HOME"), _file("data/a../b"), _file("data/a.zip.txt"))
    assert [file["path"] for file in written["rightful:files"]] == ["data/a.ZIP", "data/$HOME", "data/a../b"]
    assert [resource["path"] for resource in written["resources"]] == ["data/a.zip.txt"]


def test_superseded_entries_are_not_described() -> None:
    assert _written(_part("data/a.jsonl", "a", superseded_by="data/a.r1.jsonl"))["resources"] == []


def test_names_are_unique_where_source_names_differ_by_what_a_slug_lacks() -> None:
    sources = ("orders", "Orders", "注文", "受注", "..")
    names = [resource["name"] for resource in _written(*(_part(f"data/{source}/p.jsonl", source) for source in sources))["resources"]]
    assert names == ["orders/p", "orders-2/p", "source/p", "source-2/p", "source-3/p"]


def test_labels_stand_with_their_sources() -> None:
    label = Label(category="user.contact", purpose="essential.service", recipients=("Mail provider",))
    titles = (SourceTitle(source_name="mail", product="Mail", label=label), SourceTitle(source_name="hr", product="HR"))
    assert _written(titles=titles)["rightful:sources"] == {
        "mail": {"product": "Mail", "category": "user.contact", "purpose": "essential.service", "recipients": ["Mail provider"]},
        "hr": {"product": "HR"},
    }


def test_large_package_comes_in_bounded_chunks_one_resource_a_line() -> None:
    entries = [_file(f"data/d/{number:06d}") for number in range(3000)]
    chunks = list(format_datapackage(operation_id=OperationId("op-1"), organization="", sources=(), entries=entries))
    assert len(chunks) > 5
    assert max(map(len, chunks)) < 70_000
    assert len(b"".join(chunks).splitlines()) == 3000 + 6


def test_columns_and_codes_are_explained_in_the_packages_language() -> None:
    label = Label(titles={"id": {"en": "order number", "de": "Bestellnummer"}}, values={"id": {"1": "first"}, "other": {"x": "y"}})
    titles = (SourceTitle(source_name="orders", product="Shop", label=label),)
    for language, said in (("", "order number"), ("de", "Bestellnummer"), ("ja", "order number")):
        chunks = format_datapackage(
            operation_id=OperationId("op-1"),
            organization="Contoso",
            sources=titles,
            entries=(_part("data/Shop/orders/part-00000-00000.jsonl", "orders"),),
            language=language,
        )
        (field,) = msgspec.json.decode(b"".join(chunks))["resources"][0]["schema"]["fields"]
        assert (field["name"], field["title"], field["enumLabels"]) == ("id", said, {"1": "first"})


def test_label_that_is_shown_is_completed_by_what_holds_for_every_source() -> None:
    common = CommonLabel(retention="1 year", recipients=())
    label = Label(category="user.contact", retention="2 years")
    sources = (SampleSource(name="own", rows=({"id": 1},), label=label), SampleSource(name="none"))
    written = msgspec.json.decode(package_entries(*sources, statement=StatementSettings(label=common))["datapackage.json"])
    assert written["rightful:sources"] == {
        "own": {"product": "Sample", "category": "user.contact", "retention": "2 years", "recipients": []},
        "none": {"product": "Sample", "retention": "1 year", "recipients": []},
    }
