"""The numbered facts of the wire are cited where the code relies on them, and where a test shows that it does."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FACT = re.compile(r"GRAPH-[0-9]{2}")


def cited(folder: str) -> set[str]:
    """Return the facts that Python files below a folder name; a range (GRAPH-01 to 05) names its ends only."""
    return {fact for path in (ROOT / folder).rglob("*.py") for fact in FACT.findall(path.read_text(encoding="utf-8"))}


def test_every_fact_is_cited_in_code_and_in_a_test_and_no_other() -> None:
    stated = set(re.findall(r"^- (GRAPH-[0-9]{2}) ", (ROOT / "docs/spec/graph.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert len(stated) > 30
    here = cited("src/rightful")
    there = cited("tests/unit") | cited("tests/wire") | cited("tests/acceptance") | cited("tests/contract") | cited("tests/property")
    assert stated - here == set()
    assert stated - there == set()
    assert (here | there) - stated == set()
