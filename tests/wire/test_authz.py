"""Who may do what, asked over HTTP: every row of core.yaml by name, and matrix.csv whole."""

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.wire.running import SocketClient, listening
from tests.wire.world import (
    ANN,
    GUEST_PROFILE,
    NOBODY,
    OTHER_ANN,
    OTHER_PROFILE,
    OTHER_TENANT,
    TENANT,
    UNLIMITED,
    Answer,
    World,
    make_config,
    new_location,
    v1_issuer,
    world,
)

from rightful.graph.bodies import STATUS_WORDS
from rightful.ids import PERSONAL_ACCOUNTS, OperationId, new_operation_id
from rightful.operation.model import DataPolicyOperation
from rightful.subject.model import SubjectKind

AUTHZ = Path(__file__).parents[1] / "authz"
CORE = yaml.safe_load((AUTHZ / "core.yaml").read_text())
WIDS: dict[str, Any] = CORE["vocabulary"]["wids"]
PERMISSIONS: dict[str, list[str]] = CORE["vocabulary"]["permissions"]
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Scene:
    """A world with an operation of each kind in each tenant, put back whenever a row has ended one."""

    def __init__(self, opened: World, client: SocketClient) -> None:
        self.world = opened
        self.client = client
        issuer, other = opened.issuer, opened.other_issuer
        everything = ["User.Export.All", "CrossTenantUserProfileSharing.ReadWrite.All"]
        self.operations: dict[tuple[str, str], DataPolicyOperation] = {}
        for tenant, signer, user, profile in (("own", issuer, ANN, GUEST_PROFILE), ("other", other, OTHER_ANN, OTHER_PROFILE)):
            token = signer.token(roles=everything)
            for kind, path in (("user", f"/v1.0/users/{user}"), ("inbound", f"/beta/directory/inboundSharedUserProfiles/{profile}")):
                body = {"storageLocation": new_location()}
                answer = opened.client.request("POST", f"{path}/exportPersonalData", token=token, body=body)
                assert answer.status == 202, answer
                self.operations[tenant, kind] = opened.operation(answer)
        self.pem = issuer.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.signed: dict[tuple[str, str, str], list[tuple[str, str]]] = {}

    def restore(self) -> None:
        known = {operation.operation_id for operation in self.operations.values()}
        for added in self.world.exports.operations.keys() - known:
            del self.world.exports.operations[added]
        for operation in self.operations.values():
            self.world.exports.put(operation)

    def headers(self, kind: str, permissions: str, wids: str) -> list[tuple[str, str]]:
        key = (kind, permissions, wids)
        if key not in self.signed:
            self.signed[key] = self.sign(kind, PERMISSIONS[permissions], WIDS[wids])
        return self.signed[key]

    def sign(self, kind: str, perms: list[str], wids: Any) -> list[tuple[str, str]]:
        """Return the headers that carry a token of one of the vocabulary's kinds."""
        issuer = self.world.issuer
        roles = wids if isinstance(wids, list) else None
        app = issuer.claims(roles=perms, wids=roles)
        person = issuer.claims(idtyp="user", roles=None, scp=" ".join(perms), wids=roles)
        v1 = {"iss": v1_issuer(TENANT), "ver": "1.0", "appid": app["azp"]}

        def without(claims: dict[str, Any], *names: str) -> dict[str, Any]:
            return {name: value for name, value in claims.items() if name not in names}

        now_s = int(time.time())
        variants: dict[str, dict[str, Any]] = {
            "app_v2": app,
            "app_v1": without(app, "azp") | v1,
            "app_no_idtyp": without(app, "idtyp"),
            "delegated_v2": person,
            "delegated_v1": without(person, "azp") | v1,
            "delegated_no_idtyp": without(person, "idtyp"),
            "delegated_perm_in_roles_only": person | {"scp": "", "roles": perms},
            "app_perm_in_scp_only": without(app, "roles") | {"scp": " ".join(perms)},
            "both_scp_and_roles_idtyp_missing": without(person, "idtyp") | {"roles": perms},
            "msa_personal": person | {"tid": PERSONAL_ACCOUNTS, "iss": f"https://login.microsoftonline.com/{PERSONAL_ACCOUNTS}/v2.0"},
            "expired": app | {"iat": now_s - 7200, "nbf": now_s - 7200, "exp": now_s - 3600},
            "not_yet_valid": app | {"nbf": now_s + 3600},
            "wrong_aud": app | {"aud": "https://graph.microsoft.com"},
            "unknown_issuer": app | {"iss": "https://evil.example/v2.0"},
            "tid_iss_mismatch": app | {"iss": self.world.other_issuer.issuer},
            "id_token": without(person, "azp", "scp", "idtyp") | {"nonce": "n", "name": "Ann", "roles": perms},
        }
        if kind in variants:
            text = issuer.sign(variants[kind])
        elif kind == "bad_signature":
            text = jwt.encode(app, STRANGER, algorithm="RS256", headers={"kid": issuer.kid})
        elif kind == "alg_none":
            text = jwt.encode(app, "", algorithm="none", headers={"kid": issuer.kid})
        elif kind == "hs256_with_public_key":
            text = self.sign_with_public_key(app)
        else:
            return {
                "no_token": [],
                "token_in_query": [],
                "basic_auth": [("Authorization", "Basic YW5uOnNlY3JldA==")],
                "two_authorization_headers": [("Authorization", f"Bearer {issuer.sign(app)}")] * 2,
            }[kind]
        return [("Authorization", f"Bearer {text}")]

    def sign_with_public_key(self, claims: dict[str, Any]) -> str:
        # PyJWT refuses to sign with a PEM; a stranger does not.
        import hashlib
        import hmac

        from jwt.utils import base64url_encode

        header = {"alg": "HS256", "typ": "JWT", "kid": self.world.issuer.kid}
        signing = b".".join(base64url_encode(json.dumps(part).encode()) for part in (header, claims))
        return (signing + b"." + base64url_encode(hmac.new(self.pem, signing, hashlib.sha256).digest())).decode()

    def path(self, row: dict[str, str]) -> str:
        target, route = row["target"], row["route"]
        kind = "inbound" if "inbound" in route else "user"
        owner = {"own_tenant": "own", "other_tenant": "other"}.get(target)
        ids = {
            ("user", "own"): ANN,
            ("user", "other"): OTHER_ANN,
            ("inbound", "own"): GUEST_PROFILE,
            ("inbound", "other"): OTHER_PROFILE,
        }
        subject = ids[kind, owner] if owner else NOBODY
        operation = self.operations[owner, kind].operation_id if owner else new_operation_id()
        return row["path"].replace("{id}", subject).replace("{op}", operation)

    def ask(self, row: dict[str, str]) -> Answer:
        path = self.path(row)
        headers = self.headers(row["token_kind"], row["permissions"], row["wids"])
        if row["token_kind"] == "token_in_query":
            path = f"{path}?access_token={self.headers('app_v2', row['permissions'], row['wids'])[0][1].split()[1]}"
        is_export = path.partition("?")[0].endswith("exportPersonalData")
        body = {"storageLocation": new_location()} if is_export else None
        return self.client.request(row["method"], path, headers=headers, body=body)


def problem(scene: Scene, row: dict[str, str], answer: Answer) -> str:
    """Return what is wrong with an answer, "" if nothing."""
    expected, code = int(row["expect_status"]), row["expect_code"]
    if answer.status != expected:
        return f"{answer.status} instead of {expected}"
    if expected >= 400:
        found = answer.code
        return "" if found == code else f"code {found} instead of {code}"
    if code == "Location+Retry-After":
        return "" if {"location", "retry-after"} <= answer.headers.keys() else "no Location or Retry-After"
    if code == "dataPolicyOperation":
        return "" if answer.json["status"] in STATUS_WORDS.values() else "no operation"
    return list_problem(scene, row, answer) if code == "only visible rows of the own tenant" else other_problem(scene, code, answer)


def other_problem(scene: Scene, code: str, answer: Answer) -> str:
    operations = scene.world.exports.operations
    if code == "exportPreview":
        return (
            ""
            if answer.json["userId"] in {ANN, GUEST_PROFILE} and len(operations) == len(scene.operations)
            else "no preview, or an operation"
        )
    if code == "cancelled":
        ended = operations[scene.operations["own", "user"].operation_id]
        return "" if ended.failure and ended.failure.code == "cancelled" else "not cancelled"
    raise AssertionError(code)


def list_problem(scene: Scene, row: dict[str, str], answer: Answer) -> str:
    own = {kind: scene.operations["own", kind].operation_id for kind in ("user", "inbound")}
    sees_users = row["permissions"].startswith(("export", "read")) and (
        row["token_kind"].startswith("app") or row["wids"] in {"company_admin", "reader+admin"}
    )  # authz D4
    visible = set(own.values()) if sees_users else {own["inbound"]}
    listed = {OperationId(item["id"]) for item in answer.json["value"]}
    return "" if listed == visible else f"listed {len(listed)} instead of {len(visible)}"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with world() as opened:
        config = make_config({TENANT: [opened.issuer], OTHER_TENANT: [opened.other_issuer]}, limits=UNLIMITED)
        with listening(config, opened.exports) as server:
            client = SocketClient(server.port)
            yield Scene(opened, client)
            client.close()


def test_every_row_of_the_matrix_gets_its_answer(scene: Scene) -> None:
    wrong: list[str] = []
    rows = 0
    with (AUTHZ / "matrix.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rows += 1
            answer = scene.ask(row)
            if answer.status in {202, 204}:
                found = problem(scene, row, answer)
                scene.restore()
            else:
                found = problem(scene, row, answer)
            if found:
                wrong.append(f"{found}: {','.join(row.values())}")
    assert rows > 8000
    assert not wrong, "\n".join([f"{len(wrong)} of {rows} rows", *wrong[:20]])


def test_every_row_gets_its_answer_in_a_batch_too(scene: Scene) -> None:
    # GRAPH-50: nothing is let in by the way it is asked.
    groups: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    with (AUTHZ / "matrix.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["token_kind"] != "token_in_query":
                groups.setdefault((row["token_kind"], row["permissions"], row["wids"]), []).append(row)
    wrong: list[str] = []
    asked = 0
    for key, rows in groups.items():
        for start in range(0, len(rows), 20):
            some = rows[start : start + 20]
            asked += len(some)
            parts = [
                {"id": str(number), "method": row["method"], "url": scene.path(row), "body": {"storageLocation": new_location()}}
                for number, row in enumerate(some)
            ]
            answer = scene.client.request("POST", "/beta/$batch", headers=scene.headers(*key), body={"requests": parts})
            answers = answer.json.get("responses", [{"status": answer.status}] * len(some))  # no caller: none of it is looked at
            found = [str(each["status"]) for each in answers]
            wrong += [f"{one}: {','.join(row.values())}" for one, row in zip(found, some, strict=True) if one != row["expect_status"]]
            scene.restore()
    assert asked > 8000
    assert not wrong, "\n".join([f"{len(wrong)} of {asked} rows", *wrong[:20]])


ROUTES = {
    "export_user_v1": ("POST", "/v1.0/users/{id}/exportPersonalData"),
    "export_user_beta": ("POST", "/beta/users/{id}/exportPersonalData"),
    "preview_user_beta": ("GET", "/beta/users/{id}/exportPersonalData/preview"),
    "preview_inbound": ("GET", "/beta/directory/inboundSharedUserProfiles/{id}/exportPersonalData/preview"),
    "export_inbound": ("POST", "/beta/directory/inboundSharedUserProfiles/{id}/exportPersonalData"),
    "op_get_user": ("GET", "/v1.0/dataPolicyOperations/{op}"),
    "op_delete": ("DELETE", "/v1.0/dataPolicyOperations/{op}"),
}
TARGETS = {
    None: "own",
    "the caller's own record": "own",
    "an operation of tenant A": "own",
    "a running operation": "own",
    "nonexistent": "none",
}


def core_name(row: dict[str, Any]) -> str:
    return f"{row['token']} {row.get('roles', row.get('scp', ''))} {row.get('wids', '')} {row['route']} {row['expect']}"


@pytest.mark.parametrize("row", CORE["core"], ids=core_name)
def test_core_row_gets_its_answer(scene: Scene, row: dict[str, Any]) -> None:
    scene.restore()
    kind = "inbound" if row["route"].endswith("_inbound") else "user"
    target = TARGETS[row.get("target")]
    method, path = ROUTES[row["route"]]
    subject = {"user": ANN, "inbound": GUEST_PROFILE}[kind] if target == "own" else NOBODY
    operation = scene.operations["own", kind]
    if row.get("target") == "a running operation":
        scene.world.exports.run(operation.operation_id)
    signer = scene.world.other_issuer if row["token"].endswith("tenant B") else scene.world.issuer
    wids = row.get("wids")
    roles = [role for name in wids for role in WIDS[name]] if isinstance(wids, list) else None
    changes: dict[str, Any] = {"roles": row.get("roles", []), "wids": roles, "tid": row.get("tid", signer.tenant_id)}
    if row["token"] == "delegated":
        changes |= {"idtyp": "user", "scp": row["scp"], "roles": row.get("roles"), "oid": subject}
    headers = [] if row["token"] == "none" else [("Authorization", f"Bearer {signer.token(**changes)}")]
    body = b"{not json" if row.get("body") == "invalid JSON" else {"storageLocation": new_location()} if method == "POST" else None
    answer = scene.client.request(method, path.replace("{id}", subject).replace("{op}", operation.operation_id), headers=headers, body=body)
    assert answer.status == row["expect"], answer


def masked(answer: Answer) -> tuple[int, bytes, dict[str, str]]:
    error = answer.json
    error["error"]["innerError"] = sorted(error["error"]["innerError"])
    hidden = {"request-id", "client-request-id", "date", "content-length"}
    return answer.status, json.dumps(error).encode(), {name: value for name, value in answer.headers.items() if name not in hidden}


def test_what_is_foreign_missing_or_hidden_looks_the_same(scene: Scene) -> None:
    # authz D3
    scene.restore()
    reader = scene.world.issuer.token(roles=["CrossTenantUserProfileSharing.Read.All"])
    hidden = scene.operations["own", "user"].operation_id
    foreign = scene.operations["other", "inbound"].operation_id
    answers = [
        scene.client.request(method, f"/v1.0/dataPolicyOperations/{name}", token=reader)
        for method in ("GET", "DELETE")
        for name in (hidden, foreign, new_operation_id(), "no-guid", "%00")
    ]
    users = [scene.world.submit(name) for name in (OTHER_ANN, NOBODY, "ann@fabrikam.example", "me-token-to-replace", "%00")]
    assert {masked(answer)[0] for answer in answers + users} == {404}
    assert len({msgspec.json.encode(masked(answer)) for answer in answers + users}) == 1


def test_caller_who_sees_and_may_not_submit_cannot_cancel_or_resume(scene: Scene) -> None:
    # authz D7
    scene.restore()
    user, inbound = (scene.operations["own", kind].operation_id for kind in ("user", "inbound"))
    reader = scene.world.issuer.token(roles=["User.Read.All"])
    exporter = scene.world.issuer.token(roles=["User.Export.All"])
    for token, operation in ((reader, user), (exporter, inbound)):
        assert scene.client.request("GET", f"/v1.0/dataPolicyOperations/{operation}", token=token).status == 200
        for method, path in (
            ("DELETE", f"/v1.0/dataPolicyOperations/{operation}"),
            ("POST", f"/v1.0/dataPolicyOperations/{operation}/resume"),
            ("POST", f"/v1.0/dataPolicyOperations/{operation}/approve"),
            ("POST", f"/v1.0/dataPolicyOperations/{operation}/reject"),
        ):
            answer = scene.client.request(method, path, token=token)
            assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")
    assert scene.operations["own", "user"].subject_kind is SubjectKind.USER
