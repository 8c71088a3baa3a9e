"""Languages that nobody speaks, made of the messages themselves, and pages that speak them: they show what is not translated, what has no room
for longer words, and what does not turn round where a script runs from right to left. Never offered to people."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rightful.package.catalogues import Catalogue, catalogues

ACCENTED, MIRRORED = "en-XA", "ar-XB"
"""Their tags: Latin letters with accents; Arabic ones, from right to left."""

_LATIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ACCENTS = str.maketrans(_LATIN, "àƀçđéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýžÀƁÇĐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽ")
_ARABIC = str.maketrans(_LATIN, "ابتثجحخدذرزسشصضطظعغفقكلمنهابتثجحخدذرزسشصضطظعغفقكلمنه")
_NUMBERS = "one two three four five six seven eight nine ten"
_PLACE = re.compile(r"(\{\w+\})")
_DATA = re.compile(r'(<script type="application/json" id="(\w+)">)(.*?)(</script>)', re.DOTALL)


def accented(message: str) -> str:
    """Return a message with accents, half as long again, in brackets: `[Ñéẋţ oné]`."""
    more = _NUMBERS[: max(3, len(_PLACE.sub("", message)) // 2)].strip()
    return f"[{_each_text(message, lambda text: text.translate(_ACCENTS))} {more}]"


def mirrored(message: str) -> str:
    """Return a message in Arabic letters, which mean nothing."""
    return f"[{_each_text(message, lambda text: text.translate(_ARABIC))}]"


def _each_text(message: str, change: Callable[[str], str]) -> str:
    return "".join(piece if _PLACE.fullmatch(piece) else change(piece) for piece in _PLACE.split(message))


PSEUDO = {ACCENTED: accented, MIRRORED: mirrored}


def speaking(folder: Path, file: str, domain: str, tag: str, change: Callable[[Any], None] = lambda _: None) -> Path:
    """Write a page of a package once more, opened in a pseudo-locale; returns its file. `change` may change the data that it shows."""
    say = PSEUDO[tag]
    page = (folder / file).read_text(encoding="utf-8")

    def replaced(found: re.Match[str]) -> str:
        value = json.loads(found[3])
        if found[2] == "catalogues":
            value = {**value, tag: _catalogue(domain, say)}
        else:
            value["language"] = tag
            change(value)
            if words := value.get("words"):
                value["words"] = {**words, tag: {message: say(words.get("en", {}).get(message, message)) for message in _messages(words)}}
        return found[1] + json.dumps(value).replace("<", "\\u003c") + found[4]

    written = folder / f"{tag}-{file}"
    written.write_text(_DATA.sub(replaced, page), encoding="utf-8")
    return written


def _catalogue(domain: str, say: Callable[[str], str]) -> Catalogue:
    """Return all messages of a domain; those with a number have two forms as in English."""
    spoken: Catalogue = {}
    for message, translation in catalogues(domain)["de"].items():
        spoken[message] = [say(message), say(message.replace("{n}", "{n} *"))] if isinstance(translation, list) else say(message)
    return spoken


def _messages(words: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {message for each in words.values() for message in each}
