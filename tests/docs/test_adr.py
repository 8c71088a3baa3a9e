"""Each decision has a number of its own, and is filed under it."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "adr"


def test_each_decision_is_filed_under_its_own_number() -> None:
    names = sorted(path.name for path in FOLDER.glob("*.md"))
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(len(names))]
    for name in names:
        title = (FOLDER / name).read_text(encoding="utf-8").partition("\n")[0]
        assert re.fullmatch(rf"# {name[:4]} \S.*", title), name
