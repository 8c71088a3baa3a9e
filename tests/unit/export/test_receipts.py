"""Receipts: each names the one before for the same person, and is the same however often the end of a package was begun."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import World

from rightful.config.model import ReceiptSettings
from rightful.export.receipts import policy_of, receipt_key
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation
from rightful.package.verify import PackageState
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Completion

ANN, ANN2 = "ann@contoso.example", "ann2@contoso.example"


class KilledAtTheEnd(SqliteStore):
    """The service is killed just before an operation is complete."""

    kills = 0

    def complete(self, completions: Sequence[Completion], *, owner: str) -> tuple[OperationId, ...]:
        if self.kills:
            self.kills -= 1
            raise KeyboardInterrupt
        return super().complete(completions, owner=owner)


def _rows(*owners: str) -> Scripted:
    """One read after the other finds a row of each."""
    return Scripted(*(yields(ROWS_HEADER, batch((number, owner, 0))) for number, owner in enumerate(owners)))


def _receipt(world: World, operation: DataPolicyOperation) -> tuple[dict[str, Any], str]:
    content = (world.package(operation) / "receipt.json").read_bytes()
    return msgspec.json.decode(content), hashlib.sha256(content).hexdigest()


def _exported(world: World, subject: str) -> DataPolicyOperation:
    operation = world.submit(subject)
    world.run()
    world.clock.advance(7 * 86400)  # later the same request is none that is repeated
    return operation


def test_receipt_names_the_one_before_of_the_same_person_alone(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": _rows(ANN, ANN2, ANN, ANN)})
    first, other, second, third = (_exported(world, subject) for subject in ("1", "2", "1", "1"))
    assert _receipt(world, first)[0]["previous"] is None
    assert _receipt(world, other)[0]["previous"] is None
    assert _receipt(world, second)[0]["previous"] == {"operationId": first.operation_id, "receiptSha256": _receipt(world, first)[1]}
    assert _receipt(world, third)[0]["previous"] == {"operationId": second.operation_id, "receiptSha256": _receipt(world, second)[1]}
    for operation in (first, other, second, third):
        verification = world.verify(operation)
        key = receipt_key(world.config, world.config.tenants[0]).public.text
        assert (verification.state, verification.signed_by) == (PackageState.WHOLE, key)


def test_end_that_is_begun_again_names_the_same_one_before_although_another_became_complete_meanwhile(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": _rows(ANN, ANN)}, store_type=KilledAtTheEnd)
    operation = world.submit("1")
    assert isinstance(world.store, KilledAtTheEnd)
    world.store.kills = 1
    with pytest.raises(KeyboardInterrupt):
        world.run()
    before = _receipt(world, operation)
    world.stop()
    world.start(KilledAtTheEnd)
    stand_in = {"status": "complete", "package": '{"receipt_sha256": "ab"}'}
    world.store._file.write(
        lambda connection: connection.run(
            "INSERT INTO operation (id, tenant_id, subject_id, subject_kind, caller_key, container_key, request_digest, correlation_id,"
            " storage_location, prefix, status, submitted_at, completed_at, package, actor, by_application)"
            " SELECT 'other', tenant_id, subject_id, subject_kind, 'other', container_key, request_digest, correlation_id, storage_location,"
            " prefix, :status, submitted_at, submitted_at + 1, :package, actor, by_application FROM operation",
            stand_in,
        )
    )
    world.run()
    assert _receipt(world, operation) == before
    assert world.verify(operation).state is PackageState.WHOLE


def test_key_is_the_configured_one_and_else_another_for_each_tenant(tmp_path: Path) -> None:
    config = World(tmp_path, PEOPLE, {"orders": _rows(ANN)}).config
    (tenant,) = config.tenants
    given = msgspec.structs.replace(tenant, receipts=ReceiptSettings(key="ab" * 32))
    other = msgspec.structs.replace(tenant, id="00000000-0000-4000-8000-000000000009")
    assert len({receipt_key(config, each).public.text for each in (tenant, given, other)}) == 3
    assert receipt_key(config, given).public == receipt_key(config, msgspec.structs.replace(given, id="x")).public


def test_policy_is_another_where_a_rule_is(tmp_path: Path) -> None:
    (tenant,) = World(tmp_path, PEOPLE, {"orders": _rows(ANN), "calls": _rows(ANN)}).config.tenants
    names = frozenset({"orders", "calls"})
    orders, calls = tenant.sources
    changed = [
        msgspec.structs.replace(tenant, sources=(orders, msgspec.structs.replace(calls, redact={"note": "drop"}))),
        msgspec.structs.replace(tenant, sources=(orders, msgspec.structs.replace(calls, product="Other"))),
        msgspec.structs.replace(tenant, sources=(orders, msgspec.structs.replace(calls, on_unreadable_item="fail"))),
        msgspec.structs.replace(tenant, export=msgspec.structs.replace(tenant.export, formats=("csv",))),
    ]
    digests = {policy_of(each, names) for each in (tenant, *changed)} | {policy_of(tenant, frozenset({"orders"}))}
    assert len(digests) == 6
    assert policy_of(msgspec.structs.replace(tenant, name="Another name"), names) == policy_of(tenant, names)
