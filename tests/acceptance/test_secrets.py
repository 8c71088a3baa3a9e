"""A SAS is seen nowhere: not in logs at their most talkative, not in the store, not in answers, packages or the process's own records.

What it is sealed as is gone from the store, too, when its operation has ended; and the key that seals it is replaced in between.
"""

import base64
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from tests.acceptance.large import SlowSimulator, configured
from tests.acceptance.service import RunningService, eventually
from tests.acceptance.test_metrics import scrape
from tests.servers.port import free_port

from rightful.sample.company import SampleCompany
from rightful.testing.blob_simulator import Break, Fault

pytestmark = pytest.mark.acceptance


def forms(sas_url: str) -> Iterator[bytes]:
    """Yield what a SAS looks like where it stands: as it is, percent-decoded, encoded again, in JSON, in base64 wherever that begins, in hex."""
    query = urlsplit(sas_url).query
    signature = parse_qs(query)["sig"][0]
    for secret in {query, unquote(query), signature, quote(signature, safe=""), quote(quote(signature, safe=""), safe="")}:
        yield from text_forms(secret)
    yield max(re.findall("[A-Za-z0-9]+", signature), key=len).encode()  # the same, however often the rest is encoded
    yield base64.b64decode(signature)


def text_forms(secret: str) -> Iterator[bytes]:
    """Yield what a text looks like: as it is, in JSON, in base64 wherever that begins, in hex."""
    plain = secret.encode()
    yield plain
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield json.dumps(secret)[1:-1].replace("/", "\\/").encode()
    yield "".join(character if character.isalnum() else f"\\u{ord(character):04x}" for character in secret).encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        yield encoded[4 if shift else 0 : -4]
        yield encoded[4 if shift else 0 : -4].replace(b"+", b"-").replace(b"/", b"_")


def found_in(content: bytes, secrets: list[bytes]) -> bool:
    return any(secret in content for secret in secrets)


def test_forms_are_those_that_would_be_noticed() -> None:
    url = "https://acct.blob.core.windows.net/c?sp=cw&sr=c&sig=KzI5QEdOVVxjanF4f4aNlJuiqbC3vsXM09rh6O%2F2%2FQQ%3D"
    looked_for = list(forms(url))
    texts = [url, unquote(url), f'{{"storageLocation": "{quote(url, safe="")}"}}', quote(quote(url, safe=""), safe="")]
    texts += [
        base64.b64encode(url.encode()).decode(),
        base64.urlsafe_b64encode(url.encode()).decode(),
        url.encode().hex(" ").replace(" ", ""),
    ]
    texts += [unquote(url).replace("/", "\\/"), url.replace("&", "\\u0026").replace("=", "\\u003d").replace("%", "\\u0025")]
    for text in texts:
        assert found_in(f"some log line {text}".encode(), looked_for), text
    assert not found_in(url.partition("?")[0].encode(), looked_for)


def test_sas_is_seen_nowhere_while_an_export_runs_waits_fails_and_ends(
    company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    config = configured(company, "secret", readings, simulator.host)
    metrics_port = free_port()
    document = json.loads(config.read_text(encoding="utf-8"))
    document["server"]["metrics"] = f"127.0.0.1:{metrics_port}"
    document["seal_key"] = {"file": "secret.key"}  # of its own: it is replaced
    config.write_text(json.dumps(document), encoding="utf-8")
    key = config.parent / "secret.key"
    key.write_text("5e" * 32, encoding="ascii")
    environ = {"RIGHTFUL_LOG_LEVEL": "DEBUG", "TMPDIR": str(tmp_path)}
    service = RunningService(company, config, environ=environ)
    given: list[str] = []

    def sas(permissions: str = "c", *, expires_in_s: float = 3600) -> str:
        given.append(simulator.sas_url("secret", permissions, expires_in_s=expires_in_s))
        return given[-1]

    def leaks() -> list[str]:
        """Say where a SAS is seen now."""
        secrets = [form for url in given for form in forms(url)]
        places = {str(path): path.read_bytes() for path in config.parent.joinpath("var", "secret").iterdir()}
        places |= {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        places["log"] = service.log_path.read_bytes()
        places |= {f"answer {number}": answer for number, answer in enumerate(service.answers)}
        places |= simulator.blobs("secret")
        if service.is_running:
            places["metrics"] = scrape(metrics_port).encode()
            places |= {name: Path(f"/proc/{service.pid}/{name}").read_bytes() for name in ("cmdline", "environ", "comm")}
        assert any(name.endswith("rightful.db-wal") for name in places) or not service.is_running
        return [name for name, content in places.items() if found_in(content, secrets)]

    def run(*arguments: str, given: str = "") -> None:
        done = service.command(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        service.answers += [done.stdout.encode(), done.stderr.encode()]

    def look() -> None:
        """Ask for whatever may be shown of operations."""
        at = ("--server", f"https://localhost:{service.port}", "--tenant", "Contoso")
        for options in ([], ["--json"]):
            run("requests", "list", *at, *options)
            run("requests", "show", operation_id, *at, *options)
        service.listed()

    def sealed() -> set[bytes]:
        """Return what the store holds of locations now."""
        with closing(sqlite3.connect(config.parent / "var" / "secret" / "rightful.db")) as connection:
            rows = connection.execute("SELECT sealed_location FROM operation WHERE sealed_location IS NOT NULL").fetchall()
        return {row[0] for row in rows}

    def is_in_store(values: set[bytes]) -> bool:
        content = b"".join(path.read_bytes() for path in config.parent.joinpath("var", "secret").iterdir())
        return any(value in content for value in values)

    zoe, jose = company.person("zoe").upn, company.person("jose").upn
    with service:
        limits = Path(f"/proc/{service.pid}/limits").read_text(encoding="ascii")
        assert next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]
        for refused in (
            sas(expires_in_s=-60),
            sas("r"),
            sas().replace("sp=c", "sp=cw"),
            sas() + "&sp=w",
            sas().replace("127.0.0.1", "127.1"),
        ):
            given.append(refused)
            assert service.submit(zoe, refused).status == 400
        simulator.fail(Fault.redirect(sas(), 307))
        assert service.submit(zoe, sas()).status == 400
        simulator.delay_s = 0.01
        simulator.fail(Fault.broken(Break.RESET), after=5)
        simulator.fail(Fault.status(503, "ServerBusy"), after=3)
        operation_id = service.submit(zoe, sas()).operation_id
        eventually(lambda: len(simulator.blobs("secret")) > 10, "some entries are there")
        assert leaks() == []
        simulator.revoke()
        service.wait(operation_id, lambda operation: "waitingFor" in operation)
        look()
        assert leaks() == []
        kept = sealed()
        assert is_in_store(kept)
        service.kill()
        assert leaks() == []
        run("rotate-seal-key")
        assert not is_in_store(kept)
        kept |= sealed()
        assert is_in_store(kept)
        service.start()
        resumed = service.resume(operation_id, location=sas("cw"))
        assert resumed.returncode == 0
        service.answers += [resumed.stdout.encode(), resumed.stderr.encode()]
        kept |= sealed()
        service.complete(operation_id)
        service.complete(service.submit(jose, sas("w")).operation_id)
        look()
        assert service.token().encode() not in service.log_path.read_bytes()
        assert leaks() == []
        service.stop()
        run("audit", "export")
        run("audit", "verify")
    assert leaks() == []
    assert len(kept) >= 2
    assert not is_in_store(kept)
    assert not any(key.read_bytes().strip() in content for content in (*service.answers, service.log_path.read_bytes()))
