"""The store is backed up while the service works, damaged, refused, and put back; nothing is done twice."""

import json
import os
from pathlib import Path

import pytest
from tests.acceptance.service import Document, RunningService, configure

from rightful.sample.company import SampleCompany

pytestmark = pytest.mark.acceptance


def waiting_for_approval(document: Document) -> None:
    document["tenants"][0]["export"] = {"approval": "required"}


def test_backup_of_a_running_service_is_put_back_after_its_store_was_damaged(company: SampleCompany, tmp_path: Path) -> None:
    backup = tmp_path / "one.db"
    with RunningService(company, configure(company, "kept", waiting_for_approval)) as service:
        store = service.config_path.parent / "var" / "kept" / "rightful.db"
        held = service.submit(company.person("ann").upn, company.storage_account).operation_id
        made = service.command("--json", "store", "backup", str(backup))
        assert made.returncode == 0, made.stderr
        said = json.loads(made.stdout)
        assert (said["operations"], said["openOperations"]) == (1, 1)
        assert any(path.endswith("seal.key") for path in said["notInIt"])
        later = service.submit(company.person("ann2").upn, company.storage_account).operation_id
        looked = service.command("store", "check")
        assert looked.returncode == 0, looked.stdout
        assert "a service works on it" in looked.stdout
        refused = service.command("store", "restore", str(backup), "--replace")
        assert (refused.returncode, "another service works on" in refused.stderr) == (1, True)
        service.stop()
        os.truncate(store, store.stat().st_size // 2)
        service.begin()
        assert not service.listens()
        assert "StoreDamaged" in service.log()
        assert "rightful store restore FILE --replace" in service.log()
        assert service.command("store", "check").returncode == 1
        assert service.command("doctor").returncode == 1
        assert service.command("store", "restore", str(backup)).returncode == 1
        restored = service.command("--json", "store", "restore", str(backup), "--replace")
        assert restored.returncode == 0, restored.stderr
        answer = json.loads(restored.stdout)
        assert answer["ended"] == [held]
        assert Path(answer["keptAside"]).stat().st_size > 0
        service.start()
        assert service.operation(held)["failureReason"]["code"] == "storeRestored"
        assert service.call("GET", f"/v1.0/dataPolicyOperations/{later}").status == 404
        service.stop()
        assert service.command("store", "check").returncode == 0
        trail = service.command("audit", "export")
        assert trail.stdout.count("restoreStore") == 2  # the tenant's chain, and the service's
        assert service.command("audit", "verify").returncode == 0
