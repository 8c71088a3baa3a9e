"""The sample company: the same every time, kept when it stands, with the look-alikes that it promises."""

import hashlib
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from rightful.errors import ConfigurationError
from rightful.sample import company, drives, people
from rightful.sample.company import SampleCompany
from rightful.subject.matching import normalise

SCALE = 0.001


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SampleCompany:
    return company.build(tmp_path_factory.mktemp("one") / "company", scale=SCALE)


def digests(folder: Path) -> dict[str, str]:
    paths = [path for name in ("systems", "fabrikam") for path in (folder / name).rglob("*")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()}


def test_two_companies_built_hold_the_same_bytes(built: SampleCompany, tmp_path: Path) -> None:
    again = company.build(tmp_path / "company", scale=SCALE)
    assert len(digests(built.folder)) > 3000
    assert digests(again.folder) == digests(built.folder)
    assert (again.folder / "seal.key").read_bytes() != (built.folder / "seal.key").read_bytes()


def test_company_stands_already_is_kept_with_changes(tmp_path: Path) -> None:
    first = company.build(tmp_path / "company", scale=SCALE)
    (first.exports / "package").mkdir()
    first.config_path.write_text(first.config_path.read_text() + "# a note\n")
    company.build(tmp_path / "company", scale=SCALE)
    assert first.config_path.read_text().endswith("# a note\n")
    assert (first.exports / "package").exists()


def test_company_moved_names_its_new_folder(tmp_path: Path) -> None:
    company.build(tmp_path / "one", scale=SCALE)
    (tmp_path / "one").rename(tmp_path / "two")
    before = (tmp_path / "two" / "seal.key").read_bytes()
    moved = company.build(tmp_path / "two", scale=SCALE)
    assert str(tmp_path / "one") not in moved.config_path.read_text()
    assert (tmp_path / "two" / "seal.key").read_bytes() == before


def test_company_half_built_is_built_again(tmp_path: Path) -> None:
    folder = tmp_path / "company"
    whole = digests(company.build(folder, scale=SCALE).folder)
    (folder / ".sample-company").write_text("unfinished\n")
    (folder / "systems" / "hr.db").unlink()
    assert digests(company.build(folder, scale=SCALE).folder) == whole


def test_folder_with_other_things_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="holds no sample company"):
        company.build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_set_listen_changes_the_address_only(tmp_path: Path) -> None:
    built = company.build(tmp_path / "company", scale=SCALE, listen="127.0.0.1:1")
    before = built.config_path.read_text()
    company.set_listen(built, "127.0.0.1:2")
    assert built.config_path.read_text() == before.replace("listen: 127.0.0.1:1", "listen: 127.0.0.1:2")


def test_progress_never_falls_and_ends_whole(tmp_path: Path) -> None:
    shares: list[float] = []
    company.build(tmp_path / "company", scale=SCALE, on_progress=shares.append)
    assert shares[-1] == 1.0
    assert len(shares) > 300


def test_people_are_300_and_no_two_are_the_same_by_any_identifier() -> None:
    everybody = people.contoso()
    assert len(everybody) == 300
    known: dict[str, list[str]] = {
        "upn": [person.upn for person in everybody],
        "mail": [mail for person in everybody for mail in (person.mail, person.other_mail) if mail],
        "employee_id": [person.employee_no for person in everybody if person.employee_no],
        "customer_id": [person.customer_no for person in everybody if person.customer_no],
        "folder": [person.folder for person in everybody if person.folder],
        "id": [str(person.object_id) for person in everybody],
    }
    for kind, values in known.items():
        folded = [normalise(kind, value) for value in values]
        assert len(folded) == len(set(folded)), kind


def test_ann_and_ann_differ_by_letter_case_only_in_number_and_folder() -> None:
    lower, upper = (next(person for person in people.contoso() if person.key == key) for key in ("ann", "ANN"))
    assert (upper.employee_no or "").lower() == lower.employee_no
    assert (upper.folder or "").lower() == lower.folder
    assert upper.upn.casefold() != lower.upn.casefold()
    assert (upper.mail or "").casefold() != (lower.mail or "").casefold()


def test_look_alikes_are_those_promised() -> None:
    known = {person.key: person for person in people.look_alikes()}
    assert known["ann"].display_name == known["ann2"].display_name
    assert known["nomail"].mail is None
    assert "#EXT#" in known["guest"].upn
    assert {known["sato.hanako"].language, known["wang.xiaoming"].language} == {"ja", "zh-Hans"}
    assert len(known["long"].display_name) > 250
    assert known["twomails"].other_mail
    assert known["o'brien"].upn.startswith("o'brien")
    assert not known["nemo"].has_data
    tenants = (people.contoso(), people.fabrikam())
    local_parts = [{person.upn.split("@")[0] for person in tenant} for tenant in tenants]
    assert "ann" in local_parts[0] & local_parts[1]


def test_recycled_address_stands_with_both_and_customer_number_decides(built: SampleCompany) -> None:
    connection = sqlite3.connect(built.systems / "shop.db")
    rows = connection.execute("SELECT customer_no FROM customers WHERE contact_mail = 'j.marlow@contoso.example'").fetchall()
    connection.close()
    assert {number for (number,) in rows} == {built.person("leaver").customer_no, built.person("newcomer").customer_no, None, ""}


def test_lake_has_sixty_files_and_every_known_user(built: SampleCompany) -> None:
    files = sorted((built.systems / "activity").rglob("*.parquet"))
    assert len(files) == 60
    frame = pl.read_parquet(files)
    assert frame.height == int(2_000_000 * SCALE)
    assert frame["event_id"].n_unique() == frame.height
    assert frame["user_id"].is_sorted() is False


def test_trees_hold_awkward_names_and_links(built: SampleCompany) -> None:
    root = built.systems / "onedrive" / "ann"
    assert (root / "link to somebody else.txt").is_symlink()
    assert (root / "link to somebody else.txt").read_bytes().startswith(built.person("ANN").canary.encode())
    assert {"CON", "-rf", "two\nlines.txt", "Report.txt", "report.txt", "caf\udce9.txt"} <= {path.name for path in root.iterdir()}
    assert drives.body(built.person("ann"), drives.File("x", 0)) == b""


def test_nothing_is_from_the_future(built: SampleCompany) -> None:
    """Whatever day the demo runs, this version's own at the earliest."""
    released = datetime(2026, 1, 1, tzinfo=UTC)
    reports = pl.read_parquet(built.systems / "devices" / "*.parquet")["reported_at"]
    assert (reports.min().year, reports.max() < released) == (2025, True)  # type: ignore[union-attr, operator]  # moments
    assert pl.read_parquet(built.systems / "activity" / "**" / "*.parquet")["ts"].max() < released  # type: ignore[operator]
    for database in ("people", "hr", "shop"):
        with closing(sqlite3.connect(built.systems / f"{database}.db")) as connection:
            text = "\n".join(connection.iterdump())
        moments = re.findall(r"'([12][0-9]{3}-[0-9]{2}-[0-9]{2}(?:T[^']*)?)'", text)
        assert all(moment < "2026" for moment in moments), database
    files = [path for path in (built.systems / "onedrive").rglob("*") if path.is_file() and not path.is_symlink()]
    assert all(path.stat().st_mtime < released.timestamp() for path in files)


def test_somebody_has_one_birthday(built: SampleCompany) -> None:
    with closing(sqlite3.connect(built.systems / "shop.db")) as shop, closing(sqlite3.connect(built.systems / "hr.db")) as hr:
        customers = dict(shop.execute("SELECT customer_no, born FROM customers WHERE born IS NOT NULL"))
        employees = dict(hr.execute("SELECT employee_no, born FROM employees WHERE born IS NOT NULL"))
    both = [
        (customers[one.customer_no], employees[one.employee_no])
        for one in built.people
        if one.customer_no in customers and one.employee_no in employees
    ]
    assert len(both) > 100
    assert all(one == other for one, other in both)
