"""`rightful source` on the sample company."""

import json
import mailbox
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
import yaml
from deltalake import write_deltalake
from tests.servers.postgres import PostgresServer

from rightful.cli import main
from rightful.cli.exits import Exit
from rightful.sample import company as sample

Run = Callable[..., int]
ANN = "ann@contoso.example"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.build(tmp_path_factory.mktemp("company") / "sample", scale=0.01, listen="127.0.0.1:0").folder


@pytest.fixture
def company(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "sample", symlinks=True)
    return tmp_path / "sample"


@pytest.fixture
def run(company: Path) -> Run:
    return lambda *words: main(["--config", str(company / "rightful.yaml"), *words, "--tenant", "Contoso"])


def test_a_shop_is_proposed_written_and_tried(company: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = (company / "rightful.yaml").read_text()
    assert run("source", "add", "copy", "sqlite:///systems/shop.db") == Exit.OK
    said = capsys.readouterr()
    proposed = yaml.safe_load(said.out)
    assert proposed["copy_messages"]["match"] == {"sender": "mail", "recipient": "mail"}
    assert proposed["copy_orders"]["via"] == {"copy_customers": {"customer_id": "id"}}
    assert proposed["copy_order_lines"]["via"] == {"copy_orders": {"order_id": "id"}}
    assert proposed["copy_customers"]["label"] == {"category": "user.contact.email"}
    assert "nothing is written" in said.err
    assert (company / "rightful.yaml").read_text() == before
    assert ANN not in said.out + said.err
    assert run("source", "add", "copy", "sqlite:///systems/shop.db", "--write") == Exit.OK
    assert set(before.splitlines()) <= set((company / "rightful.yaml").read_text().splitlines())
    capsys.readouterr()
    for source in proposed:
        assert run("source", "test", source, ANN) == Exit.OK
        assert ANN not in capsys.readouterr().out, "no content without --show"
    assert run("source", "add", "copy", "sqlite:///systems/shop.db") == Exit.FAILED
    assert "already" in capsys.readouterr().err


def test_a_trial_says_which_columns_name_others_and_not_whom(company: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(company / "systems" / "shop.db")) as shop, shop:
        shop.execute("UPDATE orders SET note = 'ask E10@contoso.example' WHERE placed_by = ?", [ANN])
    assert run("source", "test", "orders", ANN) == Exit.OK
    said = capsys.readouterr().out
    assert "others in column note (upn in " in said
    assert "LeakFound" in said
    assert "e10@" not in said.lower()
    assert run("source", "test", "customers", ANN) == Exit.OK
    assert "LeakFound" not in capsys.readouterr().out


def test_a_column_that_is_named_like_what_a_source_gives_is_proposed_with_a_remark(
    company: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    config = company / "rightful.yaml"
    over_orders = "        via: {orders: {order_id: id}}\n"
    assert over_orders in config.read_text()
    config.write_text(config.read_text().replace(over_orders, over_orders + "        identifiers: {order_line: id}\n"))
    with closing(sqlite3.connect(company / "systems" / "shop.db")) as shop:
        [mine] = shop.execute(
            "SELECT min(l.id) FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE o.placed_by = ?", [ANN]
        ).fetchone()
    with closing(sqlite3.connect(company / "systems" / "parcels.db")) as parcels, parcels:
        parcels.execute("CREATE TABLE parcels (id integer PRIMARY KEY, order_line integer)")
        parcels.execute("INSERT INTO parcels VALUES (1, ?), (2, -1)", [mine])

    assert run("source", "add", "parcels", "sqlite:///systems/parcels.db", "--write") == Exit.OK
    said = capsys.readouterr().out
    assert yaml.safe_load(said)["parcels"]["match"] == {"order_line": "order_line"}
    assert "order_line is matched as order_line: by its name" in said
    assert run("source", "test", "parcels", ANN, "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["rows"] == 1


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("act", "systems/activity/**/*.parquet", {"connector": "lake", "match": {"user_id": "upn"}}),
        ("drive", "systems/onedrive", {"connector": "files", "path": "{folder}/"}),
    ],
)
def test_lakes_and_folders_are_proposed(
    run: Run, capsys: pytest.CaptureFixture[str], name: str, url: str, expected: dict[str, object]
) -> None:
    assert run("source", "add", name, url, "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["sources"][name].items() >= (expected | {"url": url}).items()
    assert run("source", "add", name, url, "--write") == Exit.OK
    assert run("source", "test", name, ANN) == Exit.OK


@pytest.mark.parametrize(
    ("laid", "url", "path"),
    [("{}.mbox", "systems/post", "{upn}.mbox"), ("{}/Maildir", f"systems/post/{ANN}/Maildir", "{upn}/Maildir")],
)
def test_mailboxes_are_proposed_and_read(
    company: Path, run: Run, capsys: pytest.CaptureFixture[str], *, laid: str, url: str, path: str
) -> None:
    for owner, letters in (ANN, 2), ("a.olsson@contoso.example", 3):
        place = company / "systems/post" / laid.format(owner)
        place.parent.mkdir(parents=True, exist_ok=True)
        with closing(mailbox.mbox(place) if laid.endswith("mbox") else mailbox.Maildir(place)) as box:
            for number in range(letters):
                box.add(f"From: {owner}\nSubject: letter {number}\n\nHello.\n")
    assert run("source", "add", "post", url, "--write", "--json") == Exit.OK
    said = capsys.readouterr()
    proposed = json.loads(said.out)["sources"]["post"]
    kind = {"format": "mbox" if laid.endswith("mbox") else "maildir", "path": path}
    assert proposed.items() >= ({"connector": "mailbox", "url": "systems/post", "product": "Post"} | kind).items()
    assert run("source", "test", "post", ANN, "--json") == Exit.OK
    trial = json.loads(capsys.readouterr().out)
    assert (trial["rows"], trial["files"], trial["skipped"]) == (2, 2, 0)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "delta"])
def test_lakes_of_other_formats_are_proposed_with_it(company: Path, run: Run, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    rows = (
        pl.scan_parquet(company / "systems/activity/**/*.parquet", hive_partitioning=False).head(2000).select("user_id", "action").collect()
    )
    if kind == "delta":
        write_deltalake(str(company / "systems/more"), rows.to_arrow())
    else:
        (company / "systems/more").mkdir()
        getattr(rows, {"csv": "write_csv", "jsonl": "write_ndjson"}[kind])(company / f"systems/more/a.{kind}")
    url = "systems/more" if kind == "delta" else f"systems/more/*.{kind}"
    assert run("source", "add", "more", url, "--json") == Exit.OK
    proposed = json.loads(capsys.readouterr().out)["sources"]["more"]
    assert proposed.items() >= {"connector": "lake", "url": url, "format": kind, "match": {"user_id": "upn"}}.items()
    assert run("source", "add", "more", url, "--write") == Exit.OK
    assert run("source", "test", "more", ANN) == Exit.OK


def test_a_folder_of_tables_is_proposed_table_by_table(company: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = company / "systems/exported tables"
    folder.mkdir()
    others = ["ann2@contoso.example", "a.olsson@contoso.example"]
    pl.DataFrame({"user_id": [ANN, *others], "theme": ["dark", "", "light"]}).write_csv(folder / "users.csv")
    for month in "01", "02":
        rows = pl.DataFrame({"order": ["1", "2"], "ordered_by": [ANN, others[0]], "total": ["1.00", "2.00"]})
        rows.write_csv(folder / f"orders-2026-{month}.csv")
    pl.DataFrame({"colour": ["red"], "rgb": ["ff0000"]}).write_csv(folder / "colours.csv")
    pl.DataFrame({"visitor": [ANN, others[0]]}).write_parquet(folder / "visits.parquet")
    (folder / "README.txt").write_text("what the tables mean")
    before = (company / "rightful.yaml").read_bytes()

    assert run("source", "add", "activity", "systems/exported tables", "--json") == Exit.OK, "a source of this name is no one of these"
    capsys.readouterr()
    assert run("source", "add", "shop", f"file://{company}/systems/exported%20tables/") == Exit.OK
    assert (company / "rightful.yaml").read_bytes() == before
    assert "%20tables/orders-[0-9]*.csv" in capsys.readouterr().out
    assert run("source", "add", "copy", "systems/exported tables", "--write") == Exit.OK
    said = capsys.readouterr()
    assert "no way to people was found from: colours.csv" in said.err
    assert "other files and folders that lie there, and that this does not read: 1" in said.out
    assert "contoso" not in said.out + said.err
    proposed = yaml.safe_load(said.out)
    common = {"connector": "lake", "product": "Copy"}
    expected = {
        "copy_orders": ({"url": "systems/exported tables/orders-[0-9]*.csv", "format": "csv", "match": {"ordered_by": "upn"}}, 2),
        "copy_users": ({"url": "systems/exported tables/users.csv", "format": "csv", "match": {"user_id": "upn"}}, 1),
        "copy_visits": ({"url": "systems/exported tables/visits.parquet", "match": {"visitor": "upn"}}, 1),
    }
    assert {name: {key: each[key] for key in each if key != "label"} for name, each in proposed.items()} == {
        name: common | settings for name, (settings, _) in expected.items()
    }
    for name, (_, rows_of_ann) in expected.items():
        assert run("source", "test", name, ANN, "--json") == Exit.OK
        assert json.loads(capsys.readouterr().out)["rows"] == rows_of_ann


@pytest.mark.parametrize(
    ("name", "url", "said"),
    [
        ("x", "imap://mail.example", "imap://"),
        ("x", "systems/people.db", "neither a database"),
        ("x", "systems/nowhere", "no such file or folder"),
        ("x", "/nowhere", "no such file or folder"),
        ("x", "systems/nothing/*.parquet", "the lake's folder cannot be listed"),
        ("x", "systems/nothing/*.csv.gz", "the lake's folder cannot be listed"),
        ("../x", "sqlite:///systems/shop.db", "none for a source"),
        ("x", "postgresql://u:${UNSET_VARIABLE}@127.0.0.1:1/db", "UNSET_VARIABLE is not set"),
        ("x", "sqlite:///systems/nothing.db", "no such file"),
    ],
)
def test_what_cannot_be_looked_at_is_told(run: Run, capsys: pytest.CaptureFixture[str], name: str, url: str, said: str) -> None:
    assert run("source", "add", name, url) == Exit.FAILED
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("onedrive", ["systems/onedrive"]),
        ("activity", ["systems/activity/**/*.parquet"]),
        ("orders", ["sqlite:///systems/shop.db", "--table", "orders"]),
    ],
)
def test_a_name_that_is_taken_is_told_and_changes_nothing(
    company: Path, run: Run, capsys: pytest.CaptureFixture[str], name: str, words: list[str]
) -> None:
    before = {path: path.read_bytes() for path in company.iterdir() if path.is_file()}
    for more in (), ("--write",):
        assert run("source", "add", name, *words, *more) == Exit.FAILED
        said = capsys.readouterr()
        assert (said.out, f"there is a source '{name}' already" in said.err) == ("", True)
    assert {path: path.read_bytes() for path in company.iterdir() if path.is_file()} == before


def test_a_file_that_is_no_parquet_is_told(company: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (company / "systems" / "bad").mkdir()
    (company / "systems" / "bad" / "x.parquet").write_bytes(b"PAR1 not really PAR1")
    assert run("source", "add", "bad", "systems/bad/*.parquet") == Exit.FAILED
    assert "damaged or no Parquet file" in capsys.readouterr().err


def test_a_trial_says_what_was_found_and_shows_it_only_when_asked(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("source", "test", "messages", ANN, "--rows", "2") == Exit.OK
    said = capsys.readouterr().out
    assert "2 rows" in said
    assert "(stopped there)" in said
    assert "all 2 rows hold an identifier of this person" in said
    assert ANN not in said
    assert run("source", "test", "messages", ANN, "--rows", "2", "--show", "--json") == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["is_whole"], len(found["lines"])) == (2, False, 2)
    assert ANN in found["lines"][0]
    assert run("source", "test", "onedrive", ANN) == Exit.OK
    assert "symbolic link, not followed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "subject", "said"),
    [("mesages", ANN, "messages"), ("q", ANN, "`rightful source list`"), ("messages", "nobody@contoso.example", "knows nobody")],
)
def test_an_unknown_source_or_person_is_told(run: Run, capsys: pytest.CaptureFixture[str], source: str, subject: str, said: str) -> None:
    assert run("source", "test", source, subject) == Exit.FAILED
    assert said in capsys.readouterr().err


def test_drift_names_new_tables_and_columns_and_those_that_are_gone(company: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("source", "list", "--drift", "--record") == Exit.OK
    assert "never recorded" in capsys.readouterr().out
    assert run("source", "list", "--drift") == Exit.OK
    assert "nothing is new" in capsys.readouterr().err
    with closing(sqlite3.connect(company / "systems" / "hr.db")) as database:
        database.executescript(
            "ALTER TABLE reviews ADD COLUMN mood text; CREATE TABLE badges (id int); ALTER TABLE calls RENAME COLUMN began_at TO started"
        )
    assert run("source", "list", "--drift") == Exit.FAILED
    said = capsys.readouterr().out
    assert "employees: tables of its database that no source reads: badges" in said
    assert "reviews: new columns: mood" in said
    assert "calls: missing columns: began_at" in said
    assert run("source", "list", "--drift", "--record", "--json") == Exit.FAILED
    assert {each["what"] for each in json.loads(capsys.readouterr().out)["drift"]} == {"table", "column"}
    assert run("source", "list") == Exit.OK
    (company / "systems" / "shop.db").unlink()
    assert run("source", "list") == Exit.FAILED
    assert "no such file" in capsys.readouterr().out


def test_a_table_that_was_looked_at_and_left_out_is_named_once(company: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    def change(statement: str) -> None:
        with closing(sqlite3.connect(company / "systems" / "hr.db")) as database, database:
            database.execute(statement)

    assert run("source", "list", "--record") == Exit.OK
    change("CREATE TABLE colours (rgb text)")
    for _ in range(2):
        assert run("source", "list", "--drift") == Exit.FAILED, "looking records nothing"
    capsys.readouterr()
    assert run("source", "list", "--record") == Exit.OK
    assert "not named again: colours (employees)" in capsys.readouterr().err
    assert run("source", "list", "--drift") == Exit.OK
    change("CREATE TABLE badges (id int)")
    capsys.readouterr()
    assert run("source", "list", "--drift") == Exit.FAILED
    said = capsys.readouterr().out
    assert "no source reads: badges" in said
    assert "colours" not in said
    change("DROP TABLE colours")
    assert run("source", "list", "--record") == Exit.OK
    change("CREATE TABLE colours (mail text)")
    assert run("source", "list", "--drift") == Exit.FAILED, "it is another one now"


def test_tables_of_two_databases_of_the_directory_are_kept_apart(company: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    def change(name: str, *statements: str) -> None:
        with closing(sqlite3.connect(company / "systems" / name)) as database, database:
            for statement in statements:
                database.execute(statement)

    config = company / "rightful.yaml"
    more = "      more:\n"
    assert more in config.read_text()
    badges = '        - {url: "sqlite:///systems/badges.db", table: badges, from: {upn: owner_upn}, identifiers: {badge: badge_no}}\n'
    config.write_text(config.read_text().replace(more, more + badges))
    change("badges.db", "CREATE TABLE badges (owner_upn text, badge_no text)")
    change("people.db", "CREATE TABLE colours (rgb text)")
    assert run("source", "list", "--record") == Exit.OK
    assert run("source", "list", "--drift") == Exit.OK
    change("badges.db", "CREATE TABLE colours (mail text)")
    capsys.readouterr()
    assert run("source", "list", "--drift") == Exit.FAILED
    assert "directory.badges: tables of its database that no source reads: colours" in capsys.readouterr().out
    assert run("source", "list", "--record") == Exit.OK
    assert "not named again: colours (directory.badges)" in capsys.readouterr().err
    assert run("source", "list", "--drift") == Exit.OK
    change("badges.db", "DROP TABLE colours")
    assert run("source", "list", "--record") == Exit.OK
    assert run("source", "list", "--drift") == Exit.OK, "the other one is recorded still"


def test_what_was_recorded_before_tables_were_is_read(company: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("source", "list", "--record") == Exit.OK
    seen = company / "sources.seen.json"
    columns = json.loads(seen.read_bytes())["columns"]
    seen.write_text(json.dumps({"columns": columns}))
    assert run("source", "list", "--drift") == Exit.OK
    assert "nothing is new" in capsys.readouterr().err


@pytest.mark.postgres
def test_a_database_behind_a_password_is_added_without_it(
    company: Path, run: Run, capsys: pytest.CaptureFixture[str], postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres.create_database()
    postgres.execute(
        f"""
        CREATE TABLE tickets (id int PRIMARY KEY, opened_by text, what text);
        INSERT INTO tickets VALUES (1, '{ANN}', 'it hurts'), (2, 'a.olsson@contoso.example', 'so does it'), (3, '{ANN.upper()}', 'still');
        CREATE TABLE replies (id int PRIMARY KEY, ticket int REFERENCES tickets, said text);
        INSERT INTO replies VALUES (7, 1, 'where'), (8, 2, 'when'), (9, 3, 'how');
        """,
        name,
    )
    url = postgres.url(name)
    password = url.partition("://")[2].partition("@")[0].partition(":")[2]
    assert len(password) > 8
    assert run("source", "add", "help", url, "--write") == Exit.OK
    said = capsys.readouterr()
    assert password not in said.out + said.err
    assert password not in (company / "rightful.yaml").read_text()
    proposed = yaml.safe_load(said.out)
    assert proposed["help_tickets"]["url"] == url.replace(password, "${HELP_PASSWORD}")
    assert proposed["help_tickets"]["caseless"] == ["opened_by"]
    assert proposed["help_replies"]["via"] == {"help_tickets": {"ticket": "id"}}
    assert run("source", "test", "help_tickets", ANN) == Exit.FAILED, "the variable is not set yet"
    monkeypatch.setenv("HELP_PASSWORD", password)
    capsys.readouterr()
    assert run("source", "test", "help_tickets", ANN, "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["rows"] == 2
    assert run("source", "test", "help_replies", ANN, "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["rows"] == 2
    assert run("source", "add", "more", url.replace(password, "${HELP_PASSWORD}")) == Exit.OK
    assert "${HELP_PASSWORD}" in capsys.readouterr().out
    assert run("source", "add", "wrong", url.replace(password, "not-the-password")) == Exit.FAILED
    assert "not-the-password" not in capsys.readouterr().err
