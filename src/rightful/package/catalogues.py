"""Translations of what the pages of a package say: gettext catalogues (`rightful/locale/DOMAIN/*.po`) as the pages take them."""

import json
import re
from functools import cache
from importlib import resources

Catalogue = dict[str, str | list[str]]
"""By the English message: its translation, or the forms of one that has a number."""

_LINE = re.compile(r'(msgid|msgid_plural|msgstr(?:\[[0-9]\])?) ("(?:[^"\\]|\\.)*")')


@cache
def catalogues(domain: str) -> dict[str, Catalogue]:
    """Return every catalogue of a domain by its language tag (BCP 47)."""
    files = sorted((resources.files("rightful") / "locale" / domain).iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".po"): parse(file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".po")}


def parse(text: str) -> Catalogue:
    """Read a catalogue that has each string on one line, as ours do.

    Raises:
        ValueError: a line that is neither empty, a comment, nor a keyword with a string.
    """
    found: Catalogue = {}
    message = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {number} of a catalogue is not a keyword and a string")
        keyword, string = match[1], json.loads(match[2])
        if keyword == "msgid":
            message = string
        elif keyword == "msgstr":
            found[message] = string
        elif keyword != "msgid_plural":
            forms = found.setdefault(message, [])
            assert isinstance(forms, list)
            forms.append(string)
    found.pop("", None)  # the head
    return found
