"""Which sources' reads gather, as the configuration says."""

import json
from pathlib import Path

from rightful.config.load import load
from rightful.export import runtime

TENANT = "11111111-1111-1111-1111-111111111111"


def test_lakes_gather_and_other_sources_do_not(tmp_path: Path) -> None:
    (tmp_path / "seal.key").write_text("5a" * 32, encoding="ascii")
    document = {
        "server": {"listen": "127.0.0.1:0"},
        "store": "sqlite:///rightful.db",
        "seal_key": {"file": "seal.key"},
        "tenants": [
            {
                "id": TENANT,
                "name": "Contoso",
                "identity": {"issuers": [{"issuer": "local", "audience": ["api://rightful"]}]},
                "export": {"scan_window_s": 7},
                "directory": {"connector": "sql", "url": "sqlite:///people.db", "table": "people", "id": "id", "upn": "upn"},
                "sources": {
                    "activity": {"connector": "lake", "url": "lake/*.parquet", "match": {"user_id": "upn"}},
                    "folders": {"connector": "files", "url": "folders", "path": "{upn}/"},
                },
            }
        ],
    }
    path = tmp_path / "rightful.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    tenants = runtime.build(load(path, {}))
    [scan] = runtime.scans(tenants)()
    assert (scan.tenant_id, scan.source_name, scan.window_s) == (TENANT, "activity", 7)
    assert scan.limit >= 10_000
    for tenant in tenants.values():
        tenant.close()
