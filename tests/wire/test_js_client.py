"""Microsoft's own Graph clients for JavaScript, unchanged, over TLS with an authority of its own."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.wire.moved import MovedExports
from tests.wire.running import listening, tls_settings
from tests.wire.world import ANN, SUBJECTS, TENANT, UNLIMITED, make_config

from rightful.audit.record import Action
from rightful.config.model import LimitSettings
from rightful.testing.issuer import SimulatedIssuer

pytestmark = pytest.mark.node


def drive(script: str, folder: Path, exports: MovedExports, limits: LimitSettings = UNLIMITED) -> tuple[dict[str, Any], int]:
    """Run a script against the service; returns what it saw, and the service's port."""
    with SimulatedIssuer(TENANT) as issuer:
        config = make_config({TENANT: [issuer]}, server=tls_settings(folder), limits=limits)
        with listening(config, exports) as server:
            environ = {
                "PATH": os.environ["PATH"],
                "NODE_EXTRA_CA_CERTS": str(folder / "ca.pem"),
                "BASE": f"https://localhost:{server.port}/",
                "TOKEN": issuer.token(),
                "WEAK_TOKEN": issuer.token(roles=["Mail.Read"]),
                "USER": "ann@contoso.example",
                "LOCATION": "https://acct.blob.core.windows.net/exports?sp=cw&sig=SECRETSIGNATURE",
            }
            path = Path(__file__).with_name(script)
            done = subprocess.run(["node", path], env=environ, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout), server.port


def moved() -> MovedExports:
    exports = MovedExports(SUBJECTS)
    exports.moves = [exports.run, exports.complete]
    return exports


def test_graph_client_for_javascript_works_unchanged(tmp_path: Path) -> None:
    # GRAPH-15, GRAPH-60
    exports = moved()
    seen, port = drive("client.mjs", tmp_path, exports, LimitSettings(writes_per_second_per_app=8))
    operation_id = seen["accepted"]["requestId"]
    assert seen["accepted"]["status"] == 202
    assert seen["accepted"]["location"] == f"https://localhost:{port}/v1.0/dataPolicyOperations/{operation_id}"
    assert 1 <= int(seen["accepted"]["retryAfter"]) <= 60
    assert seen["statuses"] == ["notStarted", "running", "complete"]
    assert (seen["operation"]["userId"], seen["operation"]["progress"]) == (ANN, 100)
    assert seen["operation"]["package"]["entries"] == 9
    assert seen["filtered"]["@odata.count"] == 1
    assert seen["filtered"]["value"] == [{"id": operation_id, "status": "complete"}]
    assert len(seen["paged"]) == len(set(seen["paged"])) == 5
    assert seen["paged"][0] == seen["beta"] == operation_id
    assert seen["cancelled"] == 204
    errors = seen["errors"]
    assert all(error["typed"] and error["requestId"] == error["inner"]["request-id"] for error in errors.values())
    assert {name: (error["status"], error["code"]) for name, error in errors.items()} == {
        "unauthenticated": (401, "InvalidAuthenticationToken"),
        "forbidden": (403, "Authorization_RequestDenied"),
        "missing": (404, "Request_ResourceNotFound"),
        "location": (400, "StorageLocationInvalid"),
        "filter": (400, "BadRequest"),
    }
    batch = seen["batch"]
    assert (batch["statuses"], batch["listed"]) == ([202, 200, 400], 1)
    assert batch["location"].startswith(f"https://localhost:{port}/v1.0/dataPolicyOperations/")
    assert (seen["retried"]["statuses"], seen["retried"]["ms"] >= 900) == ([202], True)
    assert [note.action for note in exports.notes if note.outcome == "TooManyRequests"]


def test_generated_sdk_for_javascript_works_unchanged(tmp_path: Path) -> None:
    # GRAPH-15, GRAPH-51, GRAPH-60
    exports = moved()
    seen, port = drive("kiota.mjs", tmp_path, exports, LimitSettings(writes_per_second_per_app=8))
    operation_id = seen["accepted"]["requestId"]
    assert seen["accepted"]["location"] == f"https://localhost:{port}/v1.0/dataPolicyOperations/{operation_id}"
    assert 1 <= int(seen["accepted"]["retryAfter"]) <= 60
    assert seen["statuses"] == ["notStarted", "running", "complete"]
    operation = seen["operation"]
    assert (operation["id"], operation["userId"], operation["progress"], operation["times"]) == (operation_id, ANN, 100, [True, True])
    assert {"sources", "package"} <= set(operation["extra"])
    assert seen["filtered"] == {"count": 1, "ids": [operation_id]}
    assert len(seen["paged"]) == len(set(seen["paged"])) == 3
    assert seen["paged"][0] == operation_id
    assert seen["batch"] == {"submit": 202, "missing": 404, "after": 424}
    assert all(error["requestId"] for error in seen["errors"].values())
    assert {name: (error["status"], error["code"]) for name, error in seen["errors"].items()} == {
        "unauthenticated": (401, "InvalidAuthenticationToken"),
        "forbidden": (403, "Authorization_RequestDenied"),
        "missing": (404, "Request_ResourceNotFound"),
        "filter": (400, "BadRequest"),
    }
    # GRAPH-15: it came again by itself, when it was told to.
    assert seen["retriedMs"] >= 900
    refused = [note.action for note in exports.notes if note.outcome == "TooManyRequests"]
    assert set(refused) == {Action.SUBMIT}
    assert len(refused) > len(seen["throttled"]) >= 1
    assert {(each["status"], each["code"]) for each in seen["throttled"]} == {(429, "TooManyRequests")}
