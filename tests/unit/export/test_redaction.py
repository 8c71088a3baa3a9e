"""Rules of a source from its rows to the package: what is delivered, what the ledger says, what an interruption changes (nothing)."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.export.interrupted import KilledStore, run_killed
from tests.unit.export.world import TENANT, World

from rightful.config.model import ExportSettings
from rightful.connectors.interface import Connector
from rightful.errors import SourceRefused
from rightful.export.pace import Pace
from rightful.export.preview import check_redaction, preview
from rightful.ids import SubjectId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.schema import Column, ColumnKind, Redaction
from rightful.package.third_parties import MAIL, PERSON, PHONE
from rightful.package.verify import PackageState
from rightful.sources.trying import try_out
from rightful.subject.model import DataSubject
from rightful.testing.memory_connector import Faults, MemoryConnector

PEOPLE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "1": {"upn": ("ann@contoso.example",), "mail": ("ann@contoso.example", "ann@old.example")},
    "2": {"upn": ("bob@contoso.example",), "mail": ("bob@contoso.example",)},
}
COLUMNS = tuple(
    Column(name=name, kind=kind)
    for name, kind in (
        ("id", ColumnKind.INT),
        ("sender", ColumnKind.TEXT),
        ("recipient", ColumnKind.TEXT),
        ("body", ColumnKind.TEXT),
        ("meta", ColumnKind.JSON),
        ("rating", ColumnKind.FLOAT),
    )
)
MATCH = {"sender": "mail", "recipient": "mail"}
NAMED = ("body", "meta/cc")
"""Where others are named, in packages that no rule clears of them."""
RULES: Mapping[str, Redaction] = {
    "sender": "others",
    "recipient": "others",
    "body": "mails_and_phones",
    "meta": "mails_and_phones",
    "rating": "drop",
}


def messages(count: int = 40, *, text: str = "", **more: Any) -> MemoryConnector:
    people = ("ann@contoso.example", "bob@contoso.example", "carl@x.example", "ann@old.example")
    rows = [
        {
            "id": number,
            "sender": people[number % 4],
            "recipient": people[(number // 4) % 4],
            "body": f"{text}ask carl@x.example or 0171 765432{number % 10}; I am ann@contoso.example",
            "meta": json.dumps({"cc": ["bob@contoso.example"], "n": number}) if number % 3 else None,
            "rating": number / 2 if number % 5 else None,
        }
        for number in range(count)
    ]
    return MemoryConnector("messages", columns=COLUMNS, match=MATCH, rows=rows, **{"key": "id", "batch_rows": 7, **more})


def records(world: World, operation: DataPolicyOperation, source: str = "messages") -> list[dict[str, Any]]:
    parts = sorted((world.package(operation) / "data" / "Product" / source).glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def done(world: World, *operations: DataPolicyOperation) -> None:
    world.run()
    for operation in operations:
        found = world.get(operation)
        assert (found.status, found.failure) == (OperationStatus.COMPLETE, None)
        assert world.verify(operation).state is PackageState.WHOLE


def counted(world: World, operation: DataPolicyOperation) -> dict[str, tuple[str, int, int]]:
    """Return rule, cells and values by column."""
    redacted = world.ledger(operation)["messages"]["redacted"]
    return {each["column"]: (each["rule"], each["cells"], each["values"]) for each in redacted}


def expected(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, int, int]]:
    """Count again, from what was delivered."""

    def count(column: str, *placeholders: str) -> tuple[str, int, int]:
        texts = [json.dumps(row[column], ensure_ascii=False) for row in rows]
        numbers = [sum(text.count(placeholder) for placeholder in placeholders) for text in texts]
        return RULES[column], len([number for number in numbers if number]), sum(numbers)

    ratings = len([row for row in rows if row["id"] % 5])
    found = {"sender": count("sender", PERSON), "recipient": count("recipient", PERSON)}
    found |= {column: count(column, MAIL, PHONE) for column in ("body", "meta")}
    return found | {"rating": ("drop", ratings, ratings)}


def test_rules_apply_to_what_is_delivered_and_the_ledger_counts_it(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"messages": messages()}, redact={"messages": RULES})
    operation = world.submit("1")
    done(world, operation)
    rows = records(world, operation)
    assert len(rows) == 30
    everything = "\n".join(path.read_text() for path in world.package(operation).rglob("*") if path.is_file())
    assert not re.search(r"carl@|bob@|0171 765", everything)
    assert all("ann@contoso.example" in row["body"] for row in rows)
    assert {row["sender"] for row in rows} == {"ann@contoso.example", "ann@old.example", PERSON}
    assert "rating" not in rows[0]
    assert counted(world, operation) == expected(rows)
    assert all(each["why"] for each in world.ledger(operation)["messages"]["redacted"])
    readme = (world.package(operation) / "README.txt").read_text()
    assert f"Product / messages, recipient: {counted(world, operation)['recipient'][2]} values; this column names other people" in readme
    schema = json.loads((world.package(operation) / "datapackage.json").read_text())["resources"][0]["schema"]["fields"]
    assert {field["name"]: field.get("rightful:redaction") for field in schema} == {
        "id": None,
        "sender": "others",
        "recipient": "others",
        "body": "mails_and_phones",
        "meta": "mails_and_phones",
    }


def test_of_a_set_each_keeps_their_own(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"messages": messages(500)}, redact={"messages": RULES})
    together = [world.submit("1"), world.submit("2")]
    done(world, *together)
    for operation, own, other in zip(
        together, ("ann@contoso.example", "bob@contoso.example"), ("bob@contoso.example", "ann@contoso.example"), strict=True
    ):
        rows = records(world, operation)
        texts = json.dumps(rows)
        assert own in texts
        assert other not in texts
        assert counted(world, operation) == expected(rows)


def test_match_columns_are_checked_as_the_source_gave_them(tmp_path: Path) -> None:
    """A rule that hides whose a row is does not keep the check from seeing that it is somebody else's."""
    rows = [{"id": 1, "sender": "carl@x.example", "recipient": "carl@x.example"}]

    class Wrong(MemoryConnector):
        def _found(self, *_: object) -> list[Mapping[str, object]]:
            return list(rows)

    world = World(
        tmp_path,
        PEOPLE,
        {"messages": Wrong("messages", columns=COLUMNS, match=MATCH, rows=rows, key="id")},
        redact={"messages": {"sender": "hash", "recipient": "drop"}},
    )
    operation = world.submit("1")
    world.run(patience_s=20)
    failure = world.get(operation).failure
    assert failure is not None
    assert failure.code == "ForeignData"


def hashes(tmp_path: Path, name: str) -> tuple[World, DataPolicyOperation, list[dict[str, Any]]]:
    folder = tmp_path / name
    folder.mkdir()
    sources: dict[str, Connector] = {"messages": messages(), "more": messages()}
    rule: Mapping[str, Redaction] = {"recipient": "hash", "id": "hash"}
    named = {"messages": NAMED, "more": NAMED}
    world = World(folder, PEOPLE, sources, redact={"messages": rule, "more": rule}, third_parties=named)
    operation = world.submit("1")
    done(world, operation)
    return world, operation, records(world, operation)


def test_hashes_join_the_sources_of_one_package_and_no_two_packages(tmp_path: Path) -> None:
    world, operation, rows = hashes(tmp_path, "first")
    assert records(world, operation, "more") == rows
    assert len({row["recipient"] for row in rows}) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", row["recipient"]) for row in rows)
    assert world.store.entries(operation.operation_id) == ()  # with them the key is gone
    _, _, others = hashes(tmp_path, "second")
    assert not {row["recipient"] for row in rows} & {row["recipient"] for row in others}


@pytest.mark.parametrize("key", ["id", None], ids=["with a key", "without one"])
def test_interrupted_export_is_the_same_to_the_byte(tmp_path: Path, key: str | None) -> None:
    def export(name: str, kills: Sequence[int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        (tmp_path / name).mkdir()
        source = messages(60, text="x" * 200_000, key=key, batch_rows=7)
        redact: Mapping[str, Redaction] = {**RULES, "id": "hash"}
        world = World(
            tmp_path / name,
            PEOPLE,
            {"messages": source},
            export=ExportSettings(part_mib=1, retry_s=1.0, attempts=9),
            redact={"messages": redact},
            store_type=KilledStore,
        )
        operation = world.submit("1")
        run_killed(world, kills)
        done(world, operation)
        assert len(list((world.package(operation) / "data/Product/messages").iterdir())) > 3
        rows = records(world, operation)
        without_hash = [{**row, "id": ""} for row in rows]
        assert len({row["id"] for row in rows}) == len(rows)
        return without_hash, world.ledger(operation)["messages"]["redacted"]

    assert export("broken", [2, 1] if key else [2, 2]) == export("whole", [])


def test_parts_and_ledger_of_rules_without_a_key_of_their_own_are_equal_bytes(tmp_path: Path) -> None:
    def export(name: str, deaths: int) -> tuple[bytes, list[dict[str, Any]]]:
        (tmp_path / name).mkdir()
        source = messages(60, text="x" * 200_000, faults=Faults(dies_after=3, deaths=deaths))
        world = World(
            tmp_path / name, PEOPLE, {"messages": source}, export=ExportSettings(part_mib=1, retry_s=1.0), redact={"messages": RULES}
        )
        operation = world.submit("1")
        done(world, operation)
        assert counted(world, operation) == expected(records(world, operation))
        return (world.package(operation) / "manifest-sha256.txt").read_bytes(), world.ledger(operation)["messages"]["redacted"]

    assert export("broken", 3) == export("whole", 0)


def test_rule_that_changes_in_between_begins_anew(tmp_path: Path) -> None:
    source = messages(60, text="x" * 200_000)
    settings = ExportSettings(part_mib=1, retry_s=1.0)
    named = {"messages": NAMED}
    world = World(tmp_path, PEOPLE, {"messages": source}, export=settings, third_parties=named, store_type=KilledStore)
    operation = world.submit("1")
    assert isinstance(world.store, KilledStore)
    world.store.left = 2
    with pytest.raises(KeyboardInterrupt):
        world.run()
    world.stop()
    [configured] = world.config.tenants[0].sources
    configured.redact.update(RULES)
    world.start(KilledStore)
    done(world, operation)
    ledger = world.ledger(operation)["messages"]
    assert ledger["superseded"]  # what was delivered before the rule was there
    replaced = {entry["path"] for entry in ledger["superseded"]}
    folder = world.package(operation)
    parts = [path for path in (folder / "data/Product/messages").iterdir() if str(path.relative_to(folder)) not in replaced]
    assert all("carl@" not in path.read_text() for path in parts)
    assert counted(world, operation)["rating"][0] == "drop"


@pytest.mark.parametrize(
    ("rules", "said"),
    [({"recipeint": "others"}, "no column 'recipeint'"), ({"rating": "others"}, "kind float")],
    ids=["unknown column", "kind"],
)
def test_rule_that_cannot_be_applied_stops_the_source_before_anything_is_delivered(
    tmp_path: Path, rules: dict[str, Redaction], said: str
) -> None:
    world = World(tmp_path, PEOPLE, {"messages": messages()}, redact={"messages": rules})
    operation = world.submit("1")
    world.run(patience_s=20)
    failure = world.get(operation).failure
    assert failure is not None
    assert failure.code == "RedactionInvalid"
    assert said in failure.message
    assert not list((world.package(operation) / "data").rglob("*.jsonl"))


def test_rule_that_cannot_be_applied_is_found_by_whoever_looks_at_the_source(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        PEOPLE,
        {"messages": messages(), "files": MemoryConnector("files", files={})},
        redact={"messages": {"x": "drop"}, "files": {"x": "drop"}},
    )
    tenant = world.tenants[TENANT]
    for source in tenant.config.sources:
        with pytest.raises(SourceRefused, match="no column 'x'"):
            check_redaction(source, tenant.connectors[source.name])
    found = preview(DataSubject(tenant_id=TENANT, subject_id=SubjectId("1")), tenant, Pace())
    assert [source.problem and source.problem.code for source in found.sources] == ["RedactionInvalid"] * 2


def test_preview_shows_rules_and_leaves_dropped_columns_out(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"messages": messages()}, redact={"messages": RULES})
    [found] = preview(DataSubject(tenant_id=TENANT, subject_id=SubjectId("1")), world.tenants[TENANT], Pace()).sources
    assert {each.column.name: each.rule for each in found.redacted} == RULES
    assert (found.columns, found.unlabelled) == (5, ("id", "sender", "recipient", "body", "meta"))


def test_trial_shows_what_would_be_delivered(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"messages": messages()}, redact={"messages": RULES})
    tenant = world.tenants[TENANT]
    [subject] = tenant.directory.identify([DataSubject(tenant_id=TENANT, subject_id=SubjectId("1"))])
    assert subject is not None
    trial = try_out(tenant.config.sources[0], tenant.connectors["messages"], subject, most=100, is_shown=True)
    rows = [json.loads(line) for line in trial.lines]
    assert "carl@" not in "".join(trial.lines)
    assert trial.redacted == {f"{column}: {rule}": values for column, (rule, _, values) in expected(rows).items()}
