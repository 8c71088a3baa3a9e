"""The design names what plugs into its seams."""

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_every_connector_and_directory_is_named() -> None:
    design = (DOCS / "explanation" / "design.md").read_text(encoding="utf-8")
    pages = [page.name for kind in ("connector", "directory") for page in (DOCS / "reference").glob(f"{kind}-*.md")]
    assert len(pages) > 8
    assert [page for page in pages if f"(../reference/{page})" not in design] == []
