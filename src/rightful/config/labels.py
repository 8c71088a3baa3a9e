"""docs/reference/labels.md: every key that a label may have, and what a package calls it in English."""

from collections.abc import Iterable

from rightful.package import taxonomy

_HEAD = """\
# Keys of labels

<!-- Generated from the catalogues by `python docs/generate.py`; a test compares. -->

`label` of a source says what its data is by keys of the [fideslang](https://ethyca.github.io/fideslang) taxonomy, version 3.2; other
keys are refused. The person reads words in their place, in their own language; these are the English ones.
"""


def format_page() -> str:
    """Return the page."""
    chapters = (("category, columns", "Categories", taxonomy.categories()), ("purpose", "Purposes", taxonomy.uses()))
    return "\n".join([_HEAD, *(_chapter(settings, title, keys) for settings, title, keys in chapters)])


def _chapter(settings: str, title: str, keys: Iterable[str]) -> str:
    words = taxonomy.names("en")
    rows = [f"| `{key}` | {words[taxonomy.current(key)]} |" for key in sorted(keys) if taxonomy.current(key) == key]
    replaced = ", ".join(f"`{key}`" for key in sorted(keys) if taxonomy.current(key) != key)
    table = "\n".join([f"| {settings} | words |", "|---|---|", *rows])
    return f"## {title}\n\n{table}\n\nKeys of earlier versions may be written, too: {replaced}.\n"
