"""`make bench` runs, and its figures can be read by machines and written into pages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import figures
from benchmarks.cluster import CACHE
from benchmarks.figures import Figure

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]


def test_one_case_run_gives_json_with_machine_and_verdict() -> None:
    command = [sys.executable, "-m", "benchmarks.run", "--only", "help", "--runs", "1", "--json", "-"]
    document = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    assert document["machine"]["cores"] >= 1
    assert [(figure["case"], figure["unit"], figure["verdict"] in {"ok", "missed"}) for figure in document["figures"]] == [
        ("rightful --help", "ms", True)
    ]


def measure(cases: str) -> dict[tuple[str, str], dict[str, object]]:
    """Run cases on next to no data; return figures by case and name."""
    command = [sys.executable, "-m", "benchmarks.run", "--only", cases, "--runs", "1", "--scale", "0.001", "--offline", "--json", "-"]
    document = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    return {(figure["case"], figure["name"]): figure for figure in document["figures"]}


def test_small_and_large_files_are_copied_to_the_benchmarks_own_blob_service_and_counted_there() -> None:
    figures = measure("files,big")
    assert figures["200 files of 10 KiB", "CPU of a file, SHA-256 included"]["unit"] == "µs"
    assert figures["0.0195 GiB in 20 files", "CPU of a GiB, SHA-256 included"]["target"] == 2.0


def test_packages_are_checked_beside_bare_digests_here_and_in_a_container() -> None:
    figures = measure("verify,zip")
    shares = {case: figure for (case, name), figure in figures.items() if name == "speed, as a share of SHA-256 alone, by CPU time"}
    assert [case.partition(",")[0] for case in shares] == [
        f"check of {what}" for what in ("a folder", "a ZIP file", "a folder in a container", "a ZIP file in a container")
    ]
    assert all(figure["target"] == 0.8 and float(str(figure["value"])) > 0 for figure in shares.values())
    assert any(name == "CPU of a GiB as one ZIP file" for _, name in figures)


@pytest.mark.postgres
def test_check_for_others_names_is_measured_by_what_it_adds() -> None:
    figures = measure("leak")
    assert {name for _, name in figures} == {"CPU of the check"}
    full, sample = (float(str(figures[f"500,001 rows, leak_check: {mode}", "CPU of the check"]["value"])) for mode in ("full", "sample"))
    assert full > sample


@pytest.mark.timeout(400)
def test_what_holds_under_load_is_measured_and_nothing_accepted_is_lost_by_a_kill() -> None:
    figures = measure("held,engine,soak")
    lost = next(figure for (case, name), figure in figures.items() if name == "accepted and lost")
    assert (lost["value"], lost["verdict"]) == (0, "ok")
    started = next(figure for (case, name), figure in figures.items() if "of another tenant" in name)
    assert started["target"] == 1
    assert isinstance(started["value"], float)
    assert started["value"] < 20  # of a machine that may be busy
    assert {name for case, name in figures if "have ended" in case} == {
        f"{what}, CPU beside an empty store" for what in ("list", "poll", "submit")
    }
    assert any("slope" in name for _, name in figures)


@pytest.mark.postgres
def test_people_queued_are_compared_with_a_script_and_more_of_them_and_of_rows_are_drawn() -> None:
    figures = measure("many,linear")
    assert "a plain script" in str(figures["20 people queued", "exports a minute"]["rival"])
    assert figures["100,000 rows of one person, beside 10,000", "CPU of a row, as a multiple"]["target"] == 1.2
    assert (CACHE / "linear.svg").read_text(encoding="utf-8").count("<circle") == 8


@pytest.mark.node
def test_pages_of_a_person_are_opened_turned_and_searched() -> None:
    figures = measure("pages")
    assert figures["START-HERE.html, 2,000 records", "any other page, the slowest of all"]["target"] == 300
    assert figures["START-HERE.html, a table of 1,000 records", "search, the slowest keystroke, its rows drawn"]["unit"] == "ms"
    assert 1 < float(str(figures["START-HERE.html, 2,000 records", "memory at most, over four searches of all"]["value"])) < 300


@pytest.mark.postgres
@pytest.mark.timeout(400)
def test_lake_is_read_by_one_worker_and_by_two_and_another_service_leads_after_a_kill() -> None:
    figures = measure("cluster")  # raises where packages differ
    case = "lake of 100,000 rows on a Dask cluster, 25 people, each worker on one core"
    assert {case for case, _ in figures} == {case}
    assert figures[case, "two workers, times as fast as one"]["target"] == 1.7
    taken = figures[case, "kill -9 of the leader until another works"]["value"]
    assert isinstance(taken, float)
    assert 0 < taken < 60  # of a machine that may be busy


def test_what_takes_long_runs_where_it_is_named_alone() -> None:
    command = [sys.executable, "-m", "benchmarks.run", "--help"]
    said = " ".join(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
    assert "without it all but cluster, soak" in said


def test_unknown_case_is_a_usage_error_that_names_those_there_are() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.run", "--only", "smal"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "small" in ended.stderr


@pytest.mark.parametrize(
    ("value", "is_less_better", "verdict"), [(1.0, True, "ok"), (3.0, True, "missed"), (3.0, False, "ok"), (1.0, False, "missed")]
)
def test_verdict_follows_the_direction_of_the_target(value: float, is_less_better: bool, verdict: str) -> None:  # noqa: FBT001
    assert Figure(case="c", name="n", value=value, unit="s", target=2.0, is_less_better=is_less_better).verdict == verdict


def test_table_written_into_a_page_replaces_the_last_one_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{figures.BEGIN}\nold\n{figures.END}\nafter\n", encoding="utf-8")
    facts: dict[str, object] = {"cores": 2, "cpu": "x", "python": "3", "date": "2026-01-01", "load": 0}
    for value in (1.0, 5.0):
        figures.write_into(page, figures.as_markdown([Figure(case="c", name="n", value=value, unit="s", target=2.0)], facts))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("| c | n |") == 1
    assert "5 s (missed)" in text


def test_short_table_has_what_others_were_measured_on_too() -> None:
    facts: dict[str, object] = {"cores": 2, "cpu": "x", "python": "3", "date": "2026-01-01", "load": 0}
    beside = Figure(case="c", name="beside", value=3.0, unit="s", target=2.0, rival="another* 7 s")
    text = figures.as_short_markdown([beside, Figure(case="c", name="alone", value=1.0, unit="s")], facts)
    assert "| c | beside | 3 s | another\\* 7 s |\n" in text
    assert "alone" not in text


def test_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no"):
        figures.write_into(page, "x")
