"""Commands that need no service: init, dev-cert, token, doctor, verify."""

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import msgspec
import pytest
from tests.servers.postgres import PostgresServer

from rightful import certificate
from rightful.audit.chain import ChainCheck
from rightful.audit.record import SERVICE_CHAIN, Action, decode
from rightful.cli import main
from rightful.cli.diagnosis import examine
from rightful.cli.exits import Exit
from rightful.clock import SystemClock
from rightful.config.load import load
from rightful.export.operator import operator
from rightful.store import sqlite_moved
from rightful.store.sqlite import SqliteStore
from rightful.store.values import NewRead
from rightful.testing.package_builder import SampleSource, package_entries
from rightful.testing.store_cases import TENANT, audit_record, intent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder where `rightful init` has run and one person has data."""
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == Exit.OK
    with sqlite3.connect(tmp_path / "people.db") as people:
        people.execute("CREATE TABLE people (object_id TEXT PRIMARY KEY, upn TEXT, name TEXT, mail TEXT)")
        people.execute("INSERT INTO people VALUES ('aaaaaaaa-0000-4000-8000-000000000001', 'ann@contoso.example', 'Ann', NULL)")
    people.close()
    (tmp_path / "files" / "ann@contoso.example").mkdir(parents=True)
    capsys.readouterr()
    return tmp_path


def doctor(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, object]]]:
    code = main(["doctor", "--json"])
    return code, {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def change(home: Path, old: str, new: str) -> None:
    path = home / "rightful.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# -- init -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("arguments", [(), (".",)])
def test_init_here_advises_plain_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", *arguments]) == Exit.OK
    assert "`rightful doctor`" in capsys.readouterr().err


def test_init_elsewhere_advises_commands_that_find_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "a folder"]) == Exit.OK
    said = capsys.readouterr().err
    assert "`rightful doctor --config 'a folder/rightful.yaml'`" in said
    assert "`rightful serve --config 'a folder/rightful.yaml'`" in said


@pytest.mark.parametrize("what", ["show", "watch", "cancel", "resume"])
def test_empty_operation_id_is_a_usage_error(capsys: pytest.CaptureFixture[str], what: str) -> None:
    assert main(["requests", what, "", "--server", "http://127.0.0.1:1"]) == Exit.USAGE
    assert "is empty" in capsys.readouterr().err


def test_token_that_lives_too_short_is_told_what_to_choose(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--lifetime", "0"]) != Exit.OK
    assert "choose 1s to 24h" in capsys.readouterr().err
    assert home.exists()


def test_doctor_shows_every_database_of_a_directory_whose_trouble_may_be_in_any(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = 'more: [{url: "sqlite:///away.db", table: devices, from: {upn: owner}, identifiers: {device_id: id}}]'
    change(home, "      table: people\n", f"      table: people\n      {more}\n")
    _, checks = doctor(capsys)
    check = checks["My organization: directory"]
    assert not check["ok"]
    assert str(check["hint"]).endswith("(sqlite:///people.db or sqlite:///away.db)")


def test_init_writes_files_for_their_owner_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "folder"
    assert main(["init", str(folder), "--json"]) == Exit.OK
    written = json.loads(capsys.readouterr().out)
    assert {Path(path).name for path in written.values()} == {"rightful.yaml", "seal.key", "audit.key", "receipt.key"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert len(bytes.fromhex((folder / "seal.key").read_text())) == 32


@pytest.mark.parametrize("name", ["rightful.yaml", "seal.key"])
def test_init_never_replaces_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / name).write_text("mine")
    assert main(["init", str(tmp_path)]) == Exit.FAILED
    assert "FileExists" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


# -- dev-cert -------------------------------------------------------------------------------------------------------------
def test_dev_cert_says_where_its_files_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev-cert", str(tmp_path), "--host", "dsr.contoso.example"]) == Exit.OK
    said = capsys.readouterr()
    assert [Path(line).name for line in said.out.splitlines()] == ["ca.pem", "cert.pem", "key.pem"]
    assert "NODE_EXTRA_CA_CERTS" in said.err
    assert main(["dev-cert", str(tmp_path)]) == Exit.FAILED
    assert main(["dev-cert", str(tmp_path), "--force"]) == Exit.OK


# -- token ----------------------------------------------------------------------------------------------------------------
def claims(token: str) -> dict[str, object]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


@pytest.mark.usefixtures("home")
def test_token_goes_to_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--app", "--permission", "User.Export.All", "--permission", "User.Read.All", "--lifetime", "15m"]) == Exit.OK
    said = capsys.readouterr()
    found = claims(said.out.strip())
    assert found["roles"] == ["User.Export.All", "User.Read.All"]
    assert found["aud"] == "api://rightful"
    assert int(str(found["exp"])) - int(str(found["iat"])) == 900
    assert said.err == ""


@pytest.mark.usefixtures("home")
def test_delegated_token_has_scopes_and_roles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--delegated", "--role", "company_admin", "--json"]) == Exit.OK
    found = claims(json.loads(capsys.readouterr().out)["token"])
    assert found["scp"] == "User.Export.All"
    assert found["wids"] == ["62e90394-69f5-4237-9190-012177145e10"]  # GRAPH-73


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--delegated", "--role", "king"], "RoleUnknown"),
        (["--lifetime", "25h"], "LifetimeInvalid"),
        (["--tenant", "Fabrikam"], "TenantUnknown"),
    ],
)
def test_token_that_cannot_be_made_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], code: str) -> None:
    assert main(["token", *arguments]) == Exit.FAILED
    said = capsys.readouterr()
    assert f"[{code}]" in said.err
    assert said.out == ""


def test_tenant_without_built_in_issuer_gets_no_token(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(home, "issuer: local,", 'issuer: "https://login.example",')
    assert main(["token"]) == Exit.FAILED
    assert "IssuerMissing" in capsys.readouterr().err


# -- doctor ---------------------------------------------------------------------------------------------------------------
def test_doctor_finds_everything_in_order_and_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(home.rglob("*"))
    code, checks = doctor(capsys)
    assert code == Exit.OK, checks
    assert {"configuration", "seal key", "store", "clock", "My organization: directory", "My organization: source files"} <= checks.keys()
    assert sorted(home.rglob("*")) == before


def test_doctor_names_what_the_statement_leaves_open_and_calls_it_no_problem(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = doctor(capsys)
    detail = str(checks["My organization: statement"]["detail"])
    assert (code, checks["My organization: statement"]["ok"]) == (Exit.OK, True)
    for name in ("statement.contact", "statement.authority", "label.category", "label.retention", "label.decisions of files"):
        assert name in detail
    path = home / "rightful.yaml"
    label = "{category: user.content, purpose: essential.service, retention: 2 years, recipients: [], origin: [person]}"
    common = "    statement: {contact: us, authority: them, label: {transfers: [], decisions: []}}\n    # Who your people are"
    text = path.read_text().replace('        path: "{upn}/"\n', f'        path: "{{upn}}/"\n        label: {label}\n', 1)
    text = text.replace("    statement:\n", "", 1).replace("    # Who your people are", common, 1)
    path.write_text(text)
    assert doctor(capsys)[1]["My organization: statement"]["detail"] == "says all that it has to"


def test_doctor_tells_every_problem_with_what_to_do(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "people.db").unlink()
    shutil.rmtree(home / "files")
    (home / "seal.key").chmod(0o644)
    (home / "var").write_text("a file, no folder")
    code, checks = doctor(capsys)
    assert code == Exit.FAILED
    wrong = {name for name, check in checks.items() if not check["ok"]}
    assert wrong == {"seal key", "store", "My organization: directory", "My organization: source files"}
    assert all(checks[name]["hint"] for name in wrong)
    assert "sqlite:///people.db" in str(checks["My organization: directory"]["hint"])
    assert f"file://{home}/files" in str(checks["My organization: source files"]["hint"])
    assert main(["doctor"]) == Exit.FAILED
    said = capsys.readouterr()
    assert said.out.count("PROBLEM") == 4
    assert said.out.count("what to do:") == 4
    assert "4 problems" in said.err


@pytest.mark.postgres
def test_doctor_names_an_index_that_is_missing(home: Path, capsys: pytest.CaptureFixture[str], postgres: PostgresServer) -> None:
    name = postgres.create_database()
    postgres.execute("CREATE TABLE orders (id int PRIMARY KEY, customer text)", name)
    source = (
        f'{{connector: sql, url: "{postgres.url(name)}", table: orders, match: {{customer: upn}}, caseless: [customer], product: Shop}}'
    )
    change(home, "    sources:\n", f"    sources:\n      orders: {source}\n")
    code, checks = doctor(capsys)
    check = checks["My organization: source orders"]
    assert (code, check["ok"]) == (Exit.OK, True)
    statement = 'CREATE INDEX ON public.orders (lower("customer"::text))'
    assert statement in str(check["detail"])
    postgres.execute(statement, name)
    check = doctor(capsys)[1]["My organization: source orders"]
    assert check["detail"] == "sql can be read"
    assert "superuser" in str(check["advice"])


def test_doctor_tells_of_a_rotation_that_was_interrupted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "seal.key.new").write_text("ab" * 32)
    code, checks = doctor(capsys)
    assert (code, checks["seal key"]["ok"]) == (Exit.FAILED, False)
    assert "rotate-seal-key" in str(checks["seal key"]["hint"])


def test_doctor_calls_a_rotation_that_is_running_no_problem(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(SqliteStore(load(home / "rightful.yaml", {}).store_path, SystemClock())):  # holds the store's lock, as a rotation does
        (home / "seal.key.new").write_text("ab" * 32)
        _, checks = doctor(capsys)
        assert (checks["seal key"]["ok"], checks["seal key"]["detail"]) == (True, "being replaced by a rotation that is running")
    _, checks = doctor(capsys)
    assert not checks["seal key"]["ok"]
    assert "interrupted" in str(checks["seal key"]["detail"])


def test_doctor_tells_of_a_key_that_was_replaced_while_it_looked(home: Path) -> None:
    config = load(home / "rightful.yaml", {})
    (home / "seal.key").write_text("ab" * 32)
    seal_key = next(examine(config, datetime.now(UTC)))
    assert (seal_key.name, seal_key.ok, seal_key.hint) == ("seal key", False, "run it again")


def test_doctor_keeps_no_service_from_starting(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = load(home / "rightful.yaml", {}).store_path
    SqliteStore(path, SystemClock()).close()
    (home / "seal.key.new").write_text("ab" * 32)
    doctor(capsys)
    SqliteStore(path, SystemClock()).close()


def test_doctor_counts_names_that_several_people_share_and_names_nobody(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(home / "people.db") as people:
        people.executemany("INSERT INTO people VALUES (?, 'twin@contoso.example', 'Twin', NULL)", [("t1",), ("t2",)])
    people.close()
    code, checks = doctor(capsys)
    assert code == Exit.FAILED
    check = checks["My organization: directory"]
    assert check["detail"] == "1 user principal name belongs to several people: they cannot be exported"
    assert "letter case apart" in str(check["hint"])
    assert "twin" not in str(checks).lower()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://reader:hunter2@127.0.0.1:1/hr?sslmode=disable", "postgresql://127.0.0.1:1/hr"),
        ("postgresql://reader:hunter2/x@127.0.0.1:1/hr", ""),
        ("postgresql://reader:p@hunter2@127.0.0.1:1/hr", ""),
        ("postgresql://reader:hunter2?x@127.0.0.1:1/hr", ""),
        ("postgresql://127.0.0.1:1/hr?password=hunter2", "postgresql://127.0.0.1:1/hr"),
    ],
)
def test_doctor_shows_an_address_without_account_and_password(home: Path, capsys: pytest.CaptureFixture[str], url: str, shown: str) -> None:
    change(home, "sqlite:///people.db", url)
    _, checks = doctor(capsys)
    check = checks["My organization: directory"]
    assert not check["ok"]
    assert shown in str(check["hint"])
    assert "hunter2" not in str(check)
    assert "reader" not in str(check)


def test_doctor_looks_into_the_store(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "var").mkdir()
    (home / "var" / "rightful.db").write_bytes(b"no database at all" * 100)
    _, checks = doctor(capsys)
    assert not checks["store"]["ok"]
    assert "SQLite" in str(checks["store"]["detail"])


def test_doctor_tells_that_others_can_read_the_store(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "var" / "rightful.db"
    SqliteStore(path, SystemClock()).close()
    assert doctor(capsys)[1]["store"]["ok"]
    path.chmod(0o640)
    _, checks = doctor(capsys)
    assert not checks["store"]["ok"]
    assert "chmod 600" in str(checks["store"]["hint"])


def test_doctor_tells_that_no_service_starts_on_a_store_that_was_moved(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "var" / "rightful.db"
    SqliteStore(path, SystemClock()).close()
    sqlite_moved.note(path, "db.contoso.example/rightful")
    code, checks = doctor(capsys)
    assert (code, checks["store"]["ok"]) == (Exit.FAILED, False)
    assert "was copied to db.contoso.example/rightful at" in str(checks["store"]["detail"])
    assert "let `store` name that one" in str(checks["store"]["hint"])


@pytest.mark.parametrize(
    ("case", "part"),
    [
        ("fine", "valid for localhost"),
        ("old", "has ended"),
        ("early", "not valid before"),
        ("other key", "belong together"),
        ("open", "other users"),
        ("none", "does not exist"),
    ],
)
def test_doctor_looks_at_the_certificate(home: Path, capsys: pytest.CaptureFixture[str], case: str, part: str) -> None:
    change(home, "  # tls: {", "  tls: {")
    now = datetime.now(UTC)
    at = {"old": now - timedelta(days=500), "early": now + timedelta(days=5)}.get(case, now)
    if case != "none":
        certificate.write(home / "tls", at)
    if case == "other key":
        certificate.write(home / "other", at)
        shutil.copy(home / "other" / "key.pem", home / "tls" / "key.pem")
    if case == "open":
        (home / "tls" / "key.pem").chmod(0o644)
    _, checks = doctor(capsys)
    assert part in str(checks["tls"]["detail"])
    assert checks["tls"]["ok"] == (case == "fine")


def test_doctor_tells_the_problems_of_the_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(home, "checks: standard", "checks: lax")
    assert main(["doctor", "--json"]) == Exit.FAILED
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert said["error"]["problems"][0]["setting"] == "tenants[0].storage.checks"


def test_doctor_notices_a_clock_that_is_behind(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = datetime.now(UTC).timestamp() + 3600
    os.utime(home / "rightful.yaml", (later, later))
    _, checks = doctor(capsys)
    assert "behind" in str(checks["clock"]["detail"])


# -- verify ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    source = SampleSource(name="orders", rows=({"id": 1, "item": "tea"}, {"id": 2, "item": "milk"}))
    for path, content in package_entries(source, SampleSource(name="drive", files={"a\x1b[2J.txt": b"hello"})).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_whole_package_is_called_whole(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(package)]) == Exit.OK
    assert capsys.readouterr().out.startswith("whole: ")


def test_damage_is_named_entry_by_entry(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = next(package.glob("data/Sample/orders/*"))
    part.write_bytes(part.read_bytes().replace(b"tea", b"TEA"))
    (package / "data" / "new\x1b[2J.txt").write_text("x")
    assert main(["verify", str(package), "--json"]) == Exit.FAILED
    said = json.loads(capsys.readouterr().out)
    assert said["state"] == "damaged"
    assert {"changed", "extra"} <= {finding["kind"] for finding in said["findings"]}
    assert main(["verify", str(package)]) == Exit.FAILED
    shown = capsys.readouterr().out
    assert str(part.relative_to(package)) in shown
    assert "\x1b" not in shown


def test_unfinished_package_exits_3(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (package / "tagmanifest-sha256.txt").unlink()
    assert main(["verify", str(package)]) == Exit.INCOMPLETE
    assert "incomplete" in capsys.readouterr().out


@pytest.mark.parametrize("is_running", [False, True], ids=["stopped", "running"])
def test_check_is_recorded_where_the_configuration_is_named(
    home: Path, package: Path, capsys: pytest.CaptureFixture[str], *, is_running: bool
) -> None:
    """In the chain of whoever the operation belongs to, while a service works on the store or not; before anything is said."""
    config = load(home / "rightful.yaml", {})
    named = json.loads((package / "RequestInfo.json").read_bytes())["CommandId"]
    store = SqliteStore(config.store_path, SystemClock())
    store.begin(msgspec.structs.replace(intent(1), operation_id=named))
    assert store.promote(named, [NewRead(source_name="orders")], []) is not None
    if not is_running:
        store.close()
    (package / "tagmanifest-sha256.txt").rename(package / "elsewhere")
    assert main(["verify", str(package), "--config", str(home / "rightful.yaml")]) == Exit.INCOMPLETE
    (package / "elsewhere").rename(package / "tagmanifest-sha256.txt")
    assert main(["verify", str(package), "--config", str(home / "rightful.yaml")]) == Exit.OK
    (package / "RequestInfo.json").write_bytes(b"{}")
    assert main(["verify", str(package), "--config", str(home / "rightful.yaml")]) == Exit.FAILED
    assert main(["verify", str(package)]) == Exit.FAILED
    if not is_running:
        store = SqliteStore(config.store_path, SystemClock())
    store.record([audit_record(TENANT, "later")])
    mine, service = ([decode(entry.canonical) for entry in store.chain(chain)] for chain in (TENANT, SERVICE_CHAIN))
    assert [(each.action, each.outcome, each.target_id, each.object_id) for each in (*mine[1:3], *service)] == [
        (Action.VERIFY, "PackageIncomplete", named, f"os:{os.getuid()}"),
        (Action.VERIFY, "ok", named, f"os:{os.getuid()}"),
        (Action.VERIFY, "PackageDamaged", "", f"os:{os.getuid()}"),
    ]
    check = ChainCheck(TENANT)
    for entry in store.chain(TENANT):
        check.add(entry.seq, entry.canonical, entry.hash)
    assert (check.is_in_order, check.head[0]) == (True, 4)
    assert mine[1].subject_id == mine[0].subject_id
    store.close()
    capsys.readouterr()
    config.store_path.unlink()
    assert main(["verify", str(package), "--config", str(home / "rightful.yaml")]) == Exit.FAILED
    said = capsys.readouterr()
    assert "there is no store" in said.err
    assert said.out == ""


def test_check_that_breaks_off_is_recorded(home: Path, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load(home / "rightful.yaml", {})
    SqliteStore(config.store_path, SystemClock()).close()
    told = ("--config", str(home / "rightful.yaml"))
    (home / "broken.zip").write_bytes(b"PK")
    codes: list[str] = []
    for refused in ("nothing", "broken.zip", "https://silent.invalid/c?sp=c&sig=SECRET"):
        assert main(["verify", refused, *told, "--json"]) == Exit.FAILED
        codes.append(json.loads(capsys.readouterr().err)["error"]["code"])
    assert main(["verify", "", *told]) == Exit.USAGE

    part = next(package.glob("data/Sample/orders/*"))
    os.truncate(part, 1 << 40)  # sparse: it takes no room, and a while to read
    process = subprocess.Popen([sys.executable, "-m", "rightful.cli", "verify", str(package), *told], stdout=subprocess.PIPE)
    opened = Path(f"/proc/{process.pid}/fd")
    try:
        until_s = time.monotonic() + 60
        while not any(os.path.realpath(each) == str(part) for each in opened.iterdir()):
            assert process.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (Exit.INTERRUPTED, b"")

    with closing(SqliteStore(config.store_path, SystemClock())) as store:
        found = [decode(entry.canonical) for entry in store.chain(SERVICE_CHAIN)]
    named = json.loads((package / "RequestInfo.json").read_bytes())["CommandId"]
    assert [(each.action, each.outcome, each.target_id, each.object_id) for each in found] == [
        *((Action.VERIFY, code, "", f"os:{os.getuid()}") for code in codes),
        (Action.VERIFY, "Interrupted", named, f"os:{os.getuid()}"),
    ]
    assert set(codes) == {"PackageInvalid", "StorageLocationNotAzureBlob"}


def test_operator_behind_sudo_is_who_called_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, expected in (("1234", "os:1234" if os.getuid() == 0 else f"os:{os.getuid()}"), ("ann", f"os:{os.getuid()}")):
        monkeypatch.setenv("SUDO_UID", said)  # of use to root alone: others could say what they like
        assert operator().object_id == expected


def test_what_is_no_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "nothing")]) == Exit.FAILED
    assert "PackageInvalid" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rights", "lacking"), [("w", "read and list"), ("c", "read and list"), ("r", "list"), ("l", "read"), ("rw", "list")]
)
def test_sas_that_cannot_be_looked_into_is_told_with_what_it_lacks(capsys: pytest.CaptureFixture[str], rights: str, lacking: str) -> None:
    url = f"https://acct.blob.core.windows.net/ccc?sig=hunter2&sv=1&sp={rights}&se=2099-01-01&sr=c"
    assert main(["verify", url]) == Exit.FAILED
    said = capsys.readouterr().err
    assert f"may not {lacking} [StorageRefused]" in said
    assert "sp=rl" in said
    assert "hunter2" not in said


def test_nothing_is_no_package(monkeypatch: pytest.MonkeyPatch, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(package)
    assert main(["verify", ""]) == Exit.USAGE
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main(["verify", "-"]) == Exit.USAGE
    assert "whole" not in capsys.readouterr().out
