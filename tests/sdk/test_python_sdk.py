"""Microsoft's own Graph SDKs for Python (v1.0 and beta), unchanged, over TLS with an authority of its own."""

import json
import os
import subprocess
from pathlib import Path

from tests.sdk.conftest import VENV
from tests.wire.moved import MovedExports
from tests.wire.running import listening, tls_settings
from tests.wire.world import ANN, GUEST_PROFILE, SUBJECTS, TENANT, make_config

from rightful.audit.record import Action
from rightful.config.model import LimitSettings
from rightful.testing.issuer import SimulatedIssuer


def test_graph_sdks_for_python_work_unchanged(tmp_path: Path) -> None:
    # GRAPH-02, GRAPH-03, GRAPH-15, GRAPH-16, GRAPH-21, GRAPH-51, GRAPH-60
    exports = MovedExports(SUBJECTS)
    exports.moves = [exports.run, exports.complete]
    with SimulatedIssuer(TENANT) as issuer:
        limits = LimitSettings(writes_per_second_per_app=8)
        config = make_config({TENANT: [issuer]}, server=tls_settings(tmp_path), limits=limits)
        with listening(config, exports) as server:
            environ = {
                "PATH": os.environ["PATH"],
                "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
                "BASE": f"https://localhost:{server.port}/",
                "TOKEN": issuer.token(),
                "WEAK_TOKEN": issuer.token(roles=["Mail.Read"]),
                "PROFILE_TOKEN": issuer.token(roles=["CrossTenantUserProfileSharing.Read.All"]),
                "USER": "ann@contoso.example",
                "PROFILE": GUEST_PROFILE,
                "LOCATION": "https://acct.blob.core.windows.net/exports?sp=cw&sig=SECRETSIGNATURE",
            }
            script = Path(__file__).with_name("client.py")
            done = subprocess.run([VENV / "bin/python", script], env=environ, capture_output=True, text=True, timeout=100, check=False)
            assert done.returncode == 0, done.stderr
            root = f"https://localhost:{server.port}"
    seen = json.loads(done.stdout)
    operation_id = seen["accepted"]["request-id"]
    assert seen["accepted"]["location"] == f"{root}/v1.0/dataPolicyOperations/{operation_id}"
    assert 1 <= int(seen["accepted"]["retry-after"]) <= 60
    assert seen["statuses"] == ["notStarted", "running", "complete"]
    assert (seen["operation"]["userId"], seen["operation"]["progress"], seen["operation"]["times"]) == (ANN, 100.0, [True, True])
    assert {"sources", "package"} <= set(seen["operation"]["extra"])
    assert seen["filtered"] == {"count": 1, "ids": [operation_id]}
    assert seen["batch"]["statuses"] == {"submit": 202, "missing": 404, "list": 200, "after": 424}
    assert seen["batch"]["location"].startswith(f"{root}/v1.0/dataPolicyOperations/")
    assert seen["inbound"]["location"].startswith(f"{root}/beta/dataPolicyOperations/")
    assert (seen["inbound"]["listed"], seen["inbound"]["name"]) == ([GUEST_PROFILE], "Guest")
    assert len(seen["paged"]) == len(set(seen["paged"])) == 5
    assert seen["paged"][0] == operation_id
    assert seen["retriedS"] >= 0.9
    assert [note.action for note in exports.notes if note.outcome == "TooManyRequests"]
    assert {note.action for note in exports.notes if note.outcome == "TooManyRequests"} == {Action.SUBMIT}
    assert seen["newest"] == [f"exports{number}" for number in range(20, 44)]
    assert {name: (error["status"], error["code"]) for name, error in seen["errors"].items()} == {
        "unauthenticated": (401, "InvalidAuthenticationToken"),
        "forbidden": (403, "Authorization_RequestDenied"),
        "missing": (404, "Request_ResourceNotFound"),
        "location": (400, "StorageLocationInvalid"),
        "filter": (400, "BadRequest"),
    }
