"""Microsoft's own Graph client for JavaScript, unchanged, over TLS with an authority of its own."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.wire.moved import MovedExports
from tests.wire.running import listening, tls_settings
from tests.wire.world import ANN, SUBJECTS, TENANT, make_config

from rightful.testing.issuer import SimulatedIssuer

pytestmark = pytest.mark.node


def test_graph_client_for_javascript_works_unchanged(tmp_path: Path) -> None:
    # GRAPH-60
    with SimulatedIssuer(TENANT) as issuer:
        config = make_config({TENANT: [issuer]}, server=tls_settings(tmp_path))
        exports = MovedExports(SUBJECTS)
        exports.moves = [exports.run, exports.complete]
        with listening(config, exports) as server:
            environ = {
                "PATH": os.environ["PATH"],
                "NODE_EXTRA_CA_CERTS": str(tmp_path / "ca.pem"),
                "BASE": f"https://localhost:{server.port}/",
                "TOKEN": issuer.token(),
                "WEAK_TOKEN": issuer.token(roles=["Mail.Read"]),
                "USER": "ann@contoso.example",
                "LOCATION": "https://acct.blob.core.windows.net/exports?sp=cw&sig=SECRETSIGNATURE",
            }
            script = Path(__file__).with_name("client.mjs")
            done = subprocess.run(["node", script], env=environ, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            port = server.port
    seen = json.loads(done.stdout)
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
