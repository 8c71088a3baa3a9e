"""Pictures in the documentation are those that docs/pictures.py makes, small, and said in words too."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
PICTURES = ROOT / "docs" / "pictures"


def test_pictures_are_there_and_no_others() -> None:
    assert {file.name for file in PICTURES.iterdir()} == set(SCRIPT["VIEWS"])
    for file in PICTURES.iterdir():
        assert file.read_bytes().startswith(b"\x89PNG\r\n")
        assert file.stat().st_size <= SCRIPT["MOST_BYTES"]


def test_each_picture_is_shown_and_said_in_words() -> None:
    shown: dict[str, str] = {}
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        shown |= {name: text for text, name in re.findall(r"!\[([^\]]*)\]\([^)]*pictures/([^)]+)\)", page.read_text(encoding="utf-8"))}
    assert shown.keys() == set(SCRIPT["VIEWS"])
    assert all(len(text) > 20 for text in shown.values())
