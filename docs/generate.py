"""Writes the pages of the reference that come from the code: `python docs/generate.py`."""  # noqa: INP001 - a script, no package

from pathlib import Path

from rightful.cli import reference as cli
from rightful.config import reference as config

PAGES = {"settings.md": config.format_page, "cli.md": cli.format_page}
FOLDER = Path(__file__).parent / "reference"

if __name__ == "__main__":
    for name, format_page in PAGES.items():
        (FOLDER / name).write_text(format_page(), encoding="utf-8")
