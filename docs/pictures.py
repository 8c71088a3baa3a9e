"""Makes the pictures of README.md and of the tutorial: `python docs/pictures.py PACKAGE`, a package of the demo's ann@contoso.example.

It needs what the tests of START-HERE.html need: Chromium, and Node.js with the packages that `make test` fetches.
"""  # noqa: INP001 - a script, no package

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
PICTURES = FOLDER / "pictures"
VIEWS = {
    "start-here.png": ("", "body", False),
    "over-time.png": ("", "section[aria-labelledby=activity]", True),
    "records.png": ("#source=activity", "section[aria-labelledby=records-0]", False),
}
"""By file: which page, what stands at the top of it, whether dark."""
MOST_BYTES = 150 * 1024


def main(package: Path) -> None:
    """Make every picture of a package."""
    sys.path.insert(0, str(FOLDER.parent))
    from tests.servers.chromium import start_chromium  # noqa: PLC0415 - found only now

    PICTURES.mkdir(exist_ok=True)
    browser = start_chromium()
    try:
        for name, (fragment, top, dark) in VIEWS.items():
            steps = f"""
                await page.waitForSelector({".table tbody tr" if fragment else "h1"!r});
                await page.locator({top!r}).evaluate((element) => element.scrollIntoView());
                await page.screenshot({{ path: {str(PICTURES / name)!r} }});
            """
            browser.visit(package.resolve(), steps, fragment=fragment, width=1120, dark=dark)
            size = (PICTURES / name).stat().st_size
            if size > MOST_BYTES:
                raise SystemExit(f"{name} has {size} bytes, more than {MOST_BYTES}")
    finally:
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
