from pathlib import Path

from rightful.operation.status import diagram

PAGE = Path(__file__).parents[2] / "docs/explanation/state-machine.md"


def test_page_has_the_diagram_of_the_code() -> None:
    assert f"```mermaid\n{diagram()}```\n" in PAGE.read_text()
