"""What `rightful doctor` says of keys, clocks, certificates, disks, versions and rights."""

import email.utils
import json
import os
import sqlite3
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.servers.api import Asked, Reply, serving
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.unit.cli.test_local_commands import change, doctor, home

from rightful.cli import machine_checks, main
from rightful.cli.exits import Exit
from rightful.clock import SystemClock
from rightful.config.load import load
from rightful.config.model import DaskSettings, IssuerSettings, TlsSettings
from rightful.errors import ExportError
from rightful.store.sqlite import SqliteStore
from rightful.testing.issuer import SimulatedIssuer

__all__ = ["home"]  # a fixture
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SOURCE = "My organization: source orders"
TENANT = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001"


# -- rights ---------------------------------------------------------------------------------------------------------------
def add(home: Path, source: str) -> None:
    change(home, "    sources:\n", f"    sources:\n      orders: {source}\n")


@pytest.mark.postgres
@pytest.mark.parametrize(("ahead_s", "told"), [(-3600.0, "3600 s behind"), (301.0, "301 s ahead of")])
def test_clock_that_is_not_that_of_a_store_is_refused(ahead_s: float, told: str) -> None:
    theirs = datetime(2026, 1, 31, 12, tzinfo=UTC)
    with pytest.raises(ExportError, match=f"this machine's clock is {told}( that of)? the store"):
        machine_checks.compare(theirs, "the store", wall=lambda: theirs.timestamp() + ahead_s)
    machine_checks.compare(theirs, "the store", wall=lambda: theirs.timestamp() + 299)


def test_account_that_may_write_is_advised_against_and_is_no_problem(
    home: Path, capsys: pytest.CaptureFixture[str], postgres: PostgresServer
) -> None:
    name = postgres.create_database()
    postgres.execute("CREATE TABLE orders (id int PRIMARY KEY, upn text); CREATE INDEX ON orders (upn)", name)
    postgres.execute(f"CREATE ROLE r_{name} LOGIN PASSWORD 'pw'; GRANT SELECT ON orders TO r_{name}", name)
    add(
        home,
        f'{{connector: sql, url: "{postgres.url(name, user=f"r_{name}", password="pw")}", table: orders, match: {{upn: upn}}, product: Shop}}',
    )
    assert doctor(capsys)[1][SOURCE]["advice"] == ""
    postgres.execute(f"GRANT INSERT, DELETE ON orders TO r_{name}", name)
    code, checks = doctor(capsys)
    assert (code, checks[SOURCE]["ok"]) == (Exit.OK, True)
    assert str(checks[SOURCE]["advice"]).startswith("the account may also INSERT, DELETE")
    main(["doctor"])
    assert "         better: the account may also INSERT, DELETE" in capsys.readouterr().out


@pytest.mark.mariadb
def test_what_a_server_grants_to_an_account_is_asked_of_it(home: Path, capsys: pytest.CaptureFixture[str], mariadb: MariadbServer) -> None:
    name = mariadb.create_database()
    mariadb.execute("CREATE TABLE orders (id int PRIMARY KEY, upn varchar(50), KEY (upn))", name)
    account = f"r{name[-12:]}"
    mariadb.execute(f"CREATE USER '{account}'@'%' IDENTIFIED BY 'pw'; GRANT SELECT ON `{name}`.* TO '{account}'@'%'", name)
    add(
        home,
        f'{{connector: sql, url: "{mariadb.url(name, user=account, password="pw")}", table: orders, match: {{upn: upn}}, product: Shop}}',
    )
    found = doctor(capsys)[1][SOURCE]
    assert (found["ok"], found["advice"]) == (True, ""), found
    mariadb.execute(f"GRANT UPDATE ON `{name}`.orders TO '{account}'@'%'", name)
    assert str(doctor(capsys)[1][SOURCE]["advice"]).startswith("the account may also UPDATE")


def test_files_that_this_account_may_write_are_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(home / "shop.db") as shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, upn TEXT)")
    shop.close()
    add(home, '{connector: sql, url: "sqlite:///shop.db", table: orders, match: {upn: upn}, product: Shop}')
    checks = doctor(capsys)[1]
    assert str(checks[SOURCE]["advice"]).startswith("the account may also write the file")
    assert str(checks["My organization: source files"]["advice"]).startswith(f"{home}/files can be written by this account")


def test_columns_that_came_since_they_were_recorded_are_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(home / "shop.db") as shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, upn TEXT)")
    add(home, '{connector: sql, url: "sqlite:///shop.db", table: orders, match: {upn: upn}, product: Shop}')
    assert main(["source", "list", "--record"]) == Exit.OK
    capsys.readouterr()
    assert "columns" not in str(doctor(capsys)[1][SOURCE]["advice"])
    shop.execute("ALTER TABLE orders ADD COLUMN notes TEXT")
    shop.close()
    assert "columns are not what they were (new: notes)" in str(doctor(capsys)[1][SOURCE]["advice"])


# -- clock ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("ahead_s", "said"), [(0, ""), (3600, "behind that of"), (-3600, "ahead of that of")])
def test_clock_is_compared_with_that_of_who_issues_tokens(ahead_s: int, said: str) -> None:
    with SimulatedIssuer(TENANT) as real:
        keys = real.jwks()

    def answer(_asked: Asked) -> Reply:
        return Reply(keys, headers={"Date": email.utils.formatdate(time.time() + ahead_s, usegmt=True)})

    with serving(answer) as provider:
        settings = IssuerSettings(issuer="https://idp.example", audience=("a",), jwks_uri=f"{provider.url}/keys?a=b")
        if not said:
            assert "its clock says the same" in machine_checks.issuer(settings).detail
        else:
            with pytest.raises(ExportError, match=said):
                machine_checks.issuer(settings)
    assert provider.asked[0].target == "/keys?a=b"


def test_issuer_whose_tokens_would_not_count_is_a_problem() -> None:
    with SimulatedIssuer(TENANT) as real:
        settings = IssuerSettings(issuer=real.issuer, audience=("a",))
        assert machine_checks.issuer(settings).detail == f"{real.base} shows its keys, and its clock says the same"
        with pytest.raises(ExportError, match="names another issuer"):
            machine_checks.issuer(IssuerSettings(issuer=f"{real.issuer}/", audience=("a",)))
        for raw, said in ((b"<html>sign in</html>", "cannot be asked for keys"), (b'{"keys": []}', "shows no key for RS256")):
            real.answers["/keys"] = (200, raw)
            with pytest.raises(ExportError, match=said):
                machine_checks.issuer(settings)
        real.answers["/keys"] = (200, json.dumps({"keys": [real.curve_jwk()]}).encode())
        with pytest.raises(ExportError, match="shows no key for RS256"):
            machine_checks.issuer(settings)
        assert machine_checks.issuer(IssuerSettings(issuer=real.issuer, audience=("a",), algorithms=("ES256",))).detail


def test_issuer_that_cannot_be_asked_is_a_problem_with_a_fix(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda _: Reply(status=404)) as provider:
        change(home, "issuer: local", f'issuer: "https://idp.example", jwks_uri: "{provider.url}/keys"')
        code, checks = doctor(capsys)
    check = checks["My organization: issuer https://idp.example"]
    assert (code, check["ok"]) == (Exit.FAILED, False)
    assert "answered 404" in str(check["detail"])
    assert "jwks_uri" in str(check["hint"])
    check = doctor(capsys)[1]["My organization: issuer https://idp.example"]
    assert "cannot be asked" in str(check["detail"])


# -- certificate ----------------------------------------------------------------------------------------------------------
class Authority:
    """Signs certificates."""

    def __init__(self, name: str, above: "Authority | None" = None, *, days: float = 400) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.cert = (above or self).sign(self.name, self.key, days=days)

    def sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *names: str, days: float = 90) -> x509.Certificate:
        made = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key()).serial_number(1)
        made = made.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=days))
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        return made.sign(self.key, hashes.SHA256())


def written(folder: Path, chain: list[x509.Certificate], key: ec.EllipticCurvePrivateKey) -> TlsSettings:
    (folder / "c.pem").write_bytes(b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain))
    (folder / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "k.pem").chmod(0o600)
    return TlsSettings(cert="c.pem", key="k.pem")


@pytest.mark.parametrize(
    ("base_url", "is_ok"),
    [
        ("", True),
        ("https://dsr.contoso.example", True),
        ("https://DSR.contoso.example:8443", True),
        ("https://a.wild.example", True),
        ("https://a.b.wild.example", False),
        ("https://wild.example", False),
        ("https://other.example", False),
    ],
)
def test_certificate_has_to_be_for_the_public_name(tmp_path: Path, base_url: str, is_ok: bool) -> None:  # noqa: FBT001
    root, key = Authority("root"), ec.generate_private_key(ec.SECP256R1())
    leaf = root.sign(x509.Name([]), key, "dsr.contoso.example", "*.wild.example")
    settings = written(tmp_path, [leaf, root.cert], key)
    if is_ok:
        assert machine_checks.tls(tmp_path, settings, base_url, NOW).detail.startswith(
            "valid for dsr.contoso.example, *.wild.example, until 2027-02-27"
        )
    else:
        with pytest.raises(ExportError, match="is not for"):
            machine_checks.tls(tmp_path, settings, base_url, NOW)


@pytest.mark.parametrize(("days", "said"), [(400, ""), (13, "ends on 2026-12-12"), (-0.5, "has ended on 2026-11-29")])
def test_certificate_by_which_a_system_knows_us_has_to_last(days: float, said: str) -> None:
    root = Authority("root")
    pem = root.sign(x509.Name([]), root.key, days=days).public_bytes(serialization.Encoding.PEM).decode()
    if not said:
        assert machine_checks.client_certificate(pem, NOW).detail == "lasts until 2028-01-03"
        return
    with pytest.raises(ExportError, match=f"the certificate {said}") as refused:
        machine_checks.client_certificate(pem, NOW)
    assert "`certificate` and `private_key`" in refused.value.hint


@pytest.mark.parametrize("connector", ["msgraph", "http"])
def test_certificate_of_a_source_that_ends_soon_is_a_check_of_its_own(
    home: Path, capsys: pytest.CaptureFixture[str], connector: str
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    now = datetime.now(UTC)
    name = x509.Name([])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    cert = made.not_valid_before(now - timedelta(days=300)).not_valid_after(now + timedelta(days=9)).sign(key, hashes.SHA256())
    (home / "c.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (home / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    signed = "certificate: {file: c.pem}, private_key: {file: k.pem}"
    with serving(lambda _: Reply(status=400)) as api:
        given = {
            "msgraph": f"what: mail, tenant_id: t.example, client_id: c, url: {api.url}, login_url: {api.url}, {signed}",
            "http": f"url: {api.url}, path: '/x?u={{upn}}', match: {{/u: upn}}, records: /all,"
            f" oauth2: {{token_url: {api.url}/token, client_id: c, assertion: {{{signed}}}}}",
        }
        add(home, f"{{connector: {connector}, {given[connector]}, product: Mail}}")
        code, checks = doctor(capsys)

    check = checks["My organization: certificate of source orders"]
    assert (code, check["ok"]) == (Exit.FAILED, False)
    assert check["detail"] == f"the certificate ends on {now + timedelta(days=9):%Y-%m-%d}"
    assert "register it" in str(check["hint"])


@pytest.mark.parametrize(
    ("days", "days_of_authority", "said"),
    [(90, 400, ""), (13, 400, "the certificate ends on 2026-12-12"), (90, 5, "the authority's certificate ends on 2026-12-04")],
)
def test_certificate_of_a_cluster_has_to_last(tmp_path: Path, days: int, days_of_authority: int, said: str) -> None:
    ended, root = Authority("ended", days=-0.5), Authority("root", days=days_of_authority)
    key = ec.generate_private_key(ec.SECP256R1())
    written(tmp_path, [root.sign(x509.Name([]), key, days=days)], key)
    (tmp_path / "ca.pem").write_bytes(b"".join(each.cert.public_bytes(serialization.Encoding.PEM) for each in (ended, root)))
    settings = DaskSettings(scheduler="tls://127.0.0.1:8786", ca="ca.pem", cert="c.pem", key="k.pem")
    if said:
        with pytest.raises(ExportError, match=said):
            machine_checks.cluster_certificate(tmp_path, settings, NOW)
        return
    assert machine_checks.cluster_certificate(tmp_path, settings, NOW).detail == "lasts until 2027-02-27"
    (tmp_path / "k.pem").chmod(0o640)
    with pytest.raises(ExportError, match="can be read by other users"):
        machine_checks.cluster_certificate(tmp_path, settings, NOW)
    (tmp_path / "k.pem").chmod(0o600)
    (tmp_path / "ca.pem").write_bytes(b"no certificate")
    with pytest.raises(ExportError, match="holds no certificate"):
        machine_checks.cluster_certificate(tmp_path, settings, NOW)


def test_chain_has_to_be_one_and_to_last(tmp_path: Path) -> None:
    root, other = Authority("root"), Authority("other")
    middle, short = Authority("middle", root), Authority("short", root, days=5)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf, brief = middle.sign(x509.Name([]), key, "dsr.contoso.example"), short.sign(x509.Name([]), key, "dsr.contoso.example")
    for chain, said in (
        ([leaf, other.cert], "no chain"),
        ([leaf, root.cert, middle.cert], "no chain"),
        ([brief, short.cert], "of the chain ends"),
    ):
        with pytest.raises(ExportError, match=said):
            machine_checks.tls(tmp_path, written(tmp_path, chain, key), "", NOW)
    assert machine_checks.tls(tmp_path, written(tmp_path, [leaf, middle.cert, root.cert], key), "", NOW).detail


# -- store, keys, disk, versions ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("step", "is_ok", "said"), [(1, False, "newer version"), (-1, True, "becomes"), (0, True, "GiB free")])
def test_schema_of_the_store_is_compared(home: Path, capsys: pytest.CaptureFixture[str], step: int, is_ok: bool, said: str) -> None:  # noqa: FBT001
    path = load(home / "rightful.yaml", {}).store_path
    SqliteStore(path, SystemClock()).close()
    with sqlite3.connect(path) as store:
        version = store.execute("PRAGMA user_version").fetchone()[0]
        store.execute(f"PRAGMA user_version = {version + step}")
    store.close()
    check = doctor(capsys)[1]["store"]
    assert check["ok"] is is_ok
    assert said in str(check["detail"])
    assert bool(check["advice"]) is (step < 0)


def test_key_that_has_sealed_for_years_is_advised_to_be_replaced(home: Path) -> None:
    config = load(home / "rightful.yaml", {})
    assert config.seal_key_path is not None
    made = time.time() - 800 * 86_400
    os.utime(config.seal_key_path, (made, made))
    found = machine_checks.seal_key(config, datetime.now(UTC))
    assert found.detail.startswith("32 bytes, 8")
    assert "rotate-seal-key" in found.advice


def test_key_that_lies_elsewhere_is_looked_at_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = home / "kept"
    kept.mkdir()
    (home / "seal.key").rename(kept / "own.key")
    change(home, "{file: seal.key}", "{file: kept/own.key}")
    assert doctor(capsys)[1]["seal key"]["ok"]
    (kept / "own.key").chmod(0o644)
    check = doctor(capsys)[1]["seal key"]
    assert not check["ok"]
    assert check["hint"] == f"chmod 600 {kept}/own.key"


@pytest.mark.parametrize(
    ("mode", "owner", "user", "is_open"),
    [
        (0o600, 10001, 10001, False),
        (0o640, 10001, 10001, True),
        (0o604, 10001, 10001, True),
        (0o440, 0, 10001, False),
        (0o460, 0, 10001, True),
        (0o444, 0, 10001, True),
        (0o440, 0, 0, True),
        (0o440, 10001, 0, True),
    ],
)
def test_secret_that_kubernetes_gives_by_a_group_is_not_open(mode: int, owner: int, user: int, is_open: bool) -> None:  # noqa: FBT001
    found = os.stat_result((0o100000 | mode, 0, 0, 1, owner, 10001, 64, 0, 0, 0))
    assert machine_checks.lets_others_read(found, user) is is_open


def test_folder_of_scans_is_looked_at(home: Path) -> None:
    config = load(home / "rightful.yaml", {})
    assert machine_checks.scratch(config, home).detail.startswith(f"{home}: ")
    with pytest.raises(ExportError, match="cannot be written"):
        machine_checks.scratch(config, Path("/proc/self"))


def test_folder_that_cannot_be_made_since_a_link_leads_nowhere_is_a_problem(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "link").symlink_to(home / "not-mounted", target_is_directory=True)
    change(home, "      accounts:\n", f"      accounts:\n        Archive: {{url: 'file://{home}/link/exports'}}\n")
    code, checks = doctor(capsys)
    found = checks["My organization: account Archive"]
    assert (code, found["ok"]) == (Exit.FAILED, False)
    assert "symbolic link to what is not there" in str(found["detail"])
    (home / "not-mounted").mkdir()
    assert doctor(capsys)[1]["My organization: account Archive"]["ok"]


def test_versions_are_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert home.exists()
    said = doctor(capsys)[1]["versions"]
    assert said["ok"]
    assert "Python 3." in str(said["detail"])


# -- traces ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("status", "advice"), [(200, ""), (401, ""), (404, "answered 404 where they are posted")])
def test_receiver_of_traces_is_asked(home: Path, capsys: pytest.CaptureFixture[str], status: int, advice: str) -> None:
    with serving(lambda _: Reply(status=status)) as receiver:
        change(home, "server:\n", f'server:\n  traces: "{receiver.url}/otlp/"\n')
        code, checks = doctor(capsys)
        assert [asked.target for asked in receiver.asked] == ["/otlp/v1/traces"]
    assert (code, checks["traces"]["ok"]) == (Exit.OK, True)
    assert advice in str(checks["traces"]["advice"])
    assert bool(checks["traces"]["advice"]) is bool(advice)
    assert "cannot be connected" in str(doctor(capsys)[1]["traces"]["advice"])  # it has ended by now


def test_service_that_would_not_start_for_want_of_an_extra_is_a_problem(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(home, "server:\n", 'server:\n  traces: "http://127.0.0.1:9"\n')
    monkeypatch.delitem(sys.modules, "rightful.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)  # as if it were not installed
    code, checks = doctor(capsys)
    assert (code, checks["traces"]["ok"], checks["traces"]["hint"]) == (Exit.FAILED, False, "install rightful[otel]")
