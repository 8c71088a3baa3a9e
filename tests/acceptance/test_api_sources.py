"""An HTTP API as a source of the running service: its secrets are seen nowhere, and its wishes hold nothing up."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.acceptance.large import SlowSimulator
from tests.acceptance.service import Document, RunningService, configure, eventually
from tests.servers.api import Asked, Reply, serving
from tests.servers.client_key import client_key

from rightful.sample.company import SampleCompany

pytestmark = pytest.mark.acceptance

TOKEN, PASSWORD, KEY = "canary-token-0123456789abcdef", "canary-password-fedcba9876543210", "canary-key-5a5a5a5a5a5a5a5a"
CLIENT_SECRET, GRANTED = "canary-client-secret-77777777777777", "canary-granted-token-88888888888888"


def _orders(asked: Asked) -> Reply:
    upn = parse_qs(urlsplit(asked.target).query)["upn"][0]
    return Reply(json.dumps([{"upn": upn, "order": number} for number in range(3) if "nobody" not in upn]).encode())


def _service(company: SampleCompany, name: str, url: str, simulator: SlowSimulator, ways: dict[str, Document]) -> RunningService:
    def write(document: Document) -> None:
        contoso = document["tenants"][0]
        contoso["storage"]["allow"] = [simulator.host]
        common = {"connector": "http", "url": url, "match": {"/upn": "upn"}, "requests_per_second": 1000}
        said = json.loads(json.dumps(ways).replace("http://API", url))
        contoso["sources"] = {name: {**common, "path": f"/{name}?upn={{upn}}", **way} for name, way in said.items()}

    return RunningService(company, configure(company, name, write), environ={"RIGHTFUL_LOG_LEVEL": "DEBUG"})


def _forms() -> list[bytes]:
    texts = [secret.encode() for secret in (TOKEN, PASSWORD, KEY, CLIENT_SECRET, GRANTED, *client_key().private_key.splitlines()[1:-1])]
    return [*texts, *(base64.b64encode(b"\0" * shift + text)[4:-4] for text in texts for shift in range(3))]


def test_access_to_an_api_is_seen_nowhere_though_the_api_gives_it_back(company: SampleCompany, simulator: SlowSimulator) -> None:
    is_hostile = True

    def answer(asked: Asked) -> Reply:
        sent = asked.headers.get("authorization", "") + asked.headers.get("x-key", "")
        if asked.body:
            said = {"error": asked.body.decode(), "access_token": GRANTED, "token_type": "Bearer", "expires_in": 3600}
            return Reply(json.dumps(said).encode(), status=401 if is_hostile else 200)
        assert sent
        if not is_hostile:
            return _orders(asked)
        status = {"/token": 401, "/basic": 302, "/header": 403}[urlsplit(asked.target).path]
        headers = {"Location": f"/{sent.replace(' ', '+')}", "WWW-Authenticate": sent, "Link": f"<{sent}>; rel={sent}"}
        return Reply(json.dumps({"error": sent}).encode(), status=status, headers=headers)

    secrets = company.folder / "api.secrets"
    secrets.mkdir()
    for name, secret in (
        ("token", TOKEN),
        ("password", PASSWORD),
        ("key", KEY),
        ("client", CLIENT_SECRET),
        ("rsa", client_key().private_key),
    ):
        (secrets / name).write_text(secret, encoding="ascii")
    ways: dict[str, Document] = {
        "token": {"token": {"file": "api.secrets/token"}},
        "basic": {"user": "reader", "password": {"file": "api.secrets/password"}},
        "oauth": {"oauth2": {"token_url": "http://API/granting", "client_id": "rightful", "client_secret": {"file": "api.secrets/client"}}},
        "signed": {
            "oauth2": {
                "token_url": "http://API/granting",
                "client_id": "rightful",
                "assertion": {"private_key": {"file": "api.secrets/rsa"}},
            }
        },
        "header": {"headers": {"X-Key": {"file": "api.secrets/key"}}},
    }
    with serving(answer) as api, _service(company, "api-secret", api.url, simulator, ways) as service:
        zoe = company.person("zoe").upn
        at = ("--server", f"https://localhost:{service.port}", "--tenant", "Contoso")
        config = ("--config", str(service.config_path))

        def look(*options: str) -> None:
            for command in (("doctor", *config), *(("source", "test", name, zoe, *config, "--tenant", "Contoso") for name in ways)):
                done = service.command(*command, *options)
                service.answers += [done.stdout.encode(), done.stderr.encode()]

        look()
        failed = service.submit(zoe, simulator.sas_url("api", "c")).operation_id
        service.wait(failed, lambda operation: operation["status"] == "failed")
        is_hostile = False
        look("--json")
        done = service.submit(zoe, simulator.sas_url("api2", "c")).operation_id
        service.complete(done)
        for operation_id in (failed, done):
            shown = service.command("requests", "show", operation_id, *at, "--json")
            service.answers += [shown.stdout.encode(), shown.stderr.encode()]
        service.stop()
        places = {str(path): path.read_bytes() for path in (company.folder / "var" / "api-secret").iterdir()}
        places |= {f"answer {number}": content for number, content in enumerate(service.answers)}
        places |= {"log": service.log_path.read_bytes(), **simulator.blobs("api"), **simulator.blobs("api2")}
    granted = [asked for asked in api.asked if asked.target == "/oauth?" + urlsplit(asked.target).query]
    assert {asked.headers["authorization"] for asked in granted} == {f"Bearer {GRANTED}"}
    sent = {asked.headers.get("authorization", asked.headers.get("x-key", "")) for asked in api.asked} - {""}
    assert sent == {f"Bearer {GRANTED}", f"Bearer {TOKEN}", KEY, f"Basic {base64.b64encode(f'reader:{PASSWORD}'.encode()).decode()}"}
    assert any(b'"order"' in content for content in simulator.blobs("api2").values())
    assert [name for name, content in places.items() if any(form in content for form in _forms())] == []


def test_file_of_an_api_is_in_the_package_and_its_folder_says_whose(company: SampleCompany, simulator: SlowSimulator) -> None:
    photo = bytes(range(256)) * 20_000  # above what is held in memory: read twice

    def answer(asked: Asked) -> Reply:
        if asked.target.startswith("/signed"):
            return Reply(photo)
        if asked.target == "/content":
            return Reply(status=302, headers={"Location": f"http://{asked.headers['host'].replace('127.0.0.1', 'localhost')}/signed?s=1"})
        if asked.target == "/no":
            return Reply(status=404)
        upn = parse_qs(urlsplit(asked.target).query)["upn"][0]
        files = [
            {"upn": upn.upper(), "name": name, "size": len(photo), "url": url} for name, url in (("a/../b.jpg", "/content"), ("c", "/no"))
        ]
        return Reply(json.dumps(files).encode())

    content = {"address": "/url", "name": ["/name"], "size": "/size", "hosts": ["http://API"]}
    with serving(answer) as api:
        content["hosts"] = [api.url.replace("127.0.0.1", "localhost")]
        with _service(company, "api-files", api.url, simulator, {"photos": {"content": content}}) as service:
            operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("photos", "c")).operation_id
            service.complete(operation_id)
    blobs = simulator.blobs("photos")
    [path] = [path for path in blobs if "/data/" in path]
    assert blobs[path] == photo
    assert path.endswith(".jpg")
    assert ".." not in path.split("/")
    ledger = json.loads(blobs[f"{operation_id}/ledger.json"])["sources"]["photos"]
    assert ledger["files"] == 1
    assert [each["reason"] for each in ledger["skipped"]] == ["No such file or directory"]


def test_api_that_asks_to_wait_holds_no_stop_up_and_is_asked_again_by_the_next_start(
    company: SampleCompany, simulator: SlowSimulator
) -> None:
    is_busy = True

    def answer(asked: Asked) -> Reply:
        return Reply(status=429, headers={"Retry-After": "29"}) if is_busy else _orders(asked)

    with serving(answer) as api, _service(company, "api-busy", api.url, simulator, {"orders": {}}) as service:
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("busy", "c")).operation_id
        eventually(lambda: bool(api.asked), "the API is asked")
        assert service.stop() < 4.0  # what does not end by itself is cut off after five
        is_busy = False
        service.start()
        service.complete(operation_id)
        assert "cut off" not in service.log()
        ledger = json.loads(simulator.blobs("busy")[f"{operation_id}/ledger.json"])
    assert ledger["sources"]["orders"]["attempts"] <= 2
    assert ledger["sources"]["orders"]["rows"] == 3
