"""Writes what comes from the code into the docs: `python docs/generate.py`."""  # noqa: INP001 - a script, no package

import re
from pathlib import Path

from rightful.cli import reference as cli
from rightful.config import labels
from rightful.config import reference as config
from rightful.operation.status import diagram

FOLDER = Path(__file__).parent
STATES = "explanation/state-machine.md"


def _states() -> str:
    """Return the page as it is, with the diagram of the code."""
    page = (FOLDER / STATES).read_text(encoding="utf-8")
    return re.sub(r"(?s)(?<=```mermaid\n).*?(?=```)", lambda _: diagram(), page)


PAGES = {
    "reference/settings.md": config.format_page,
    "reference/labels.md": labels.format_page,
    "reference/cli.md": cli.format_page,
    STATES: _states,
}

if __name__ == "__main__":
    for name, format_page in PAGES.items():
        (FOLDER / name).write_text(format_page(), encoding="utf-8")
