"""A package of each sample person, compared row by row with an answer that shares no query code: not one foreign row, not one missing."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.acceptance import delivered

from rightful import assembly
from rightful.config.load import load
from rightful.export.interface import SubmitRequest
from rightful.export.service import Service
from rightful.identity.model import Caller, CallerKind
from rightful.ids import TenantId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.verify import FolderReader, PackageState, verify
from rightful.sample import company as sample
from rightful.sample.company import SampleCompany
from rightful.sample.oracle import Oracle
from rightful.subject.model import DataSubject

PATIENCE_S = 100
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(3 * PATIENCE_S)]  # so that what did not end is told, not that time is up

SCALE = 0.02
OWN = ("onedrive", "employees", "absences", "customers", "orders", "activity")
"""Sources whose entries hold the canary of their subject and of nobody else."""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> SampleCompany:
    return sample.build(tmp_path_factory.mktemp("company") / "sample", scale=SCALE, listen="127.0.0.1:0")


@pytest.fixture(scope="module")
def service(company: SampleCompany) -> Iterator[Service]:
    with assembly.running(load(company.config_path, os.environ)) as running:
        yield running


@pytest.fixture(scope="module")
def oracle(company: SampleCompany) -> Oracle:
    return Oracle(company)


def caller(tenant_id: TenantId) -> Caller:
    return Caller(
        tenant_id=tenant_id, kind=CallerKind.APPLICATION, object_id="test", app_id="test", permissions=frozenset({"User.Export.All"})
    )


def export_all(service: Service, company: SampleCompany, subjects: Sequence[DataSubject]) -> list[DataPolicyOperation]:
    submitted = [
        service.submit(SubmitRequest(caller=caller(subject.tenant_id), subject=subject, storage_location=company.storage_account))
        for subject in subjects
    ]
    return [ended(service, subject, operation) for subject, operation in zip(subjects, submitted, strict=True)]


def ended(service: Service, subject: DataSubject, operation: DataPolicyOperation) -> DataPolicyOperation:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = service.get(subject.tenant_id, operation.operation_id, frozenset({subject.kind}))
        assert found is not None
        if found.is_ended:
            return found
        time.sleep(0.02)
    pytest.fail("the operation did not end")


def check(package: Path, oracle: Oracle, object_id: str, canary: str) -> list[str]:
    """Return what is wrong with one package."""
    expected, found = oracle.expected(object_id), delivered.read(package)  # type: ignore[arg-type]  # also profiles' ids
    problems = [f"{source}: {len(found.get(source, ()))} of {len(rows)}" for source, rows in expected.items() if found.get(source) != rows]
    problems += [f"{source}: not asked for" for source in found.keys() - expected.keys()]
    foreign = delivered.canaries(package, *OWN) - {canary}
    problems += [f"holds {len(foreign)} canaries of others"] if foreign else []
    verdict = verify(FolderReader(package))
    return problems + [f"{verdict.state}: {finding}" for finding in verdict.findings if verdict.state is not PackageState.WHOLE]


def test_everybody_exported_each_package_equals_the_independent_answer(service: Service, company: SampleCompany, oracle: Oracle) -> None:
    people = (*company.people, *company.fabrikam)
    subjects = [service.find_user(person.tenant_id, person.upn) for person in people]
    assert [subject and subject.subject_id for subject in subjects] == [person.object_id for person in people]
    operations = export_all(service, company, [subject for subject in subjects if subject is not None])
    problems = {}
    for person, operation in zip(people, operations, strict=True):
        assert operation.status is OperationStatus.COMPLETE, (person.key, operation.failure)
        root = company.exports if person.tenant_id == company.tenant_id else company.folder / "fabrikam" / "exports"
        found = check(root / operation.prefix, oracle, person.object_id, person.canary)
        if delivered.skipped(root / operation.prefix, "onedrive") != oracle.skipped(person.object_id)["onedrive"]:
            found.append("onedrive: other items were skipped")
        if found:
            problems[f"{person.tenant_id[:1]}/{person.key}"] = found
    assert not problems


def test_preview_says_what_the_export_finds(service: Service, company: SampleCompany) -> None:
    people = company.people[:12]
    subjects = [subject for person in people if (subject := service.find_user(person.tenant_id, person.upn)) is not None]
    previews = [service.preview(subject) for subject in subjects]
    for preview, operation in zip(previews, export_all(service, company, subjects), strict=True):
        for before, after in zip(preview.sources, operation.sources, strict=True):
            assert before.problem is None
            found = before.estimate.rows or before.estimate.files
            assert found is not None
            assert (found.count, found.is_exact) == (after.rows + after.files, True), before.source_name
        assert preview.total("size_bytes").count == pytest.approx(
            sum(source.size_bytes for source in operation.sources), rel=0.2, abs=2_000
        )
        assert {(each.kind, each.value) for each in preview.subject.reached} == {
            (kind, value) for kind, values in preview.subject.identifiers.items() for value in values
        }


def test_inbound_profiles_exported_each_package_equals_the_independent_answer(
    service: Service, company: SampleCompany, oracle: Oracle
) -> None:
    subjects = service.list_inbound_profiles(company.tenant_id)
    assert {subject.subject_id for subject in subjects} == {profile.user_id for profile in company.profiles}
    for subject, operation in zip(subjects, export_all(service, company, subjects), strict=True):
        assert operation.status is OperationStatus.COMPLETE
        found = delivered.read(company.exports / operation.prefix)
        assert found == oracle.expected(subject.subject_id)


def test_nothing_in_the_sample_company_is_taken_for_somebody_else(tmp_path: Path) -> None:
    """Each record of fifty people, some of whom are called like others, is looked through for everybody."""
    company = sample.build(tmp_path / "company", scale=0.001, listen="127.0.0.1:0")
    text = company.config_path.read_text("utf-8")
    company.config_path.write_text(text.replace("    storage:\n", "    export: {leak_check: full}\n    storage:\n"), "utf-8")
    with assembly.running(load(company.config_path, os.environ)) as service:
        subjects = [service.find_user(person.tenant_id, person.upn) for person in (*company.people[:50], *company.fabrikam)]
        operations = export_all(service, company, [subject for subject in subjects if subject is not None])
        assert [operation.failure for operation in operations] == [None] * 55
        checked = json.loads((company.exports / operations[0].prefix / "ledger.json").read_text("utf-8"))["sources"]
        assert {name: source["leakCheck"]["mode"] for name, source in checked.items() if source["leakCheck"]} == dict.fromkeys(
            checked.keys() - {"onedrive"}, "full"
        )
