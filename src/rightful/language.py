"""The languages that people are written to in, and which of them suits somebody. Pure.

Tags are those of BCP 47, matched by lookup (RFC 4647 section 3.4).

Who exports somebody's data is mostly not that person, so the `Accept-Language` of a call says nothing here.
"""

import re

OFFERED = ("de", "en", "es", "fr", "ja", "zh-Hans")
"""Every language that there is a catalogue of, and English, which the messages are written in."""
ENGLISH = "en"

_BY_FOLDED = {tag.lower(): tag for tag in OFFERED}
_TAG = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,15}")
_LONGEST = 1000
"""Characters of a directory's text that are looked at; those that browsers send have some fifty."""

_CHINESE = frozenset({"zh", "cmn"})
_TRADITIONAL = frozenset(("au", "bn", "gb", "gf", "hk", "id", "mo", "pa", "pf", "ph", "sr", "th", "tw", "us", "vn"))
"""Regions where Chinese without a script is the traditional one (CLDR 46, likelySubtags): its readers are not written to in the other."""

_PREFERENCE = re.compile(r"\s*([A-Za-z0-9_.@-]+)\s*(?:;\s*[qQ]\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?")


def lookup(tag: str) -> str:
    """Return the language that suits a tag: `de` for `de-AT`; empty where none does, and for what is no tag."""
    if not _TAG.fullmatch(tag):
        return ""
    subtags = tag.lower().split("-")
    if subtags[0] in _CHINESE:
        return "zh-Hans" if _is_simplified(subtags[1:]) else ""
    while subtags:
        if found := _BY_FOLDED.get("-".join(subtags)):
            return found
        subtags.pop()
        if subtags and len(subtags[-1]) == 1:  # what a singleton introduces goes with it
            subtags.pop()
    return ""


def _is_simplified(subtags: list[str]) -> bool:
    end = next((place for place, subtag in enumerate(subtags) if len(subtag) == 1), len(subtags))
    own = subtags[:end]
    scripts = [subtag for subtag in own if len(subtag) == 4 and subtag.isalpha()]  # noqa: PLR2004 - RFC 5646 section 2.2.3
    if scripts:
        return scripts[0] == "hans"
    # Another language that `zh` embraces (`zh-yue`) has a subtag of three letters (RFC 5646 section 2.2.2).
    others = [subtag for subtag in own if len(subtag) == 3 and subtag.isalpha() and subtag != "cmn"]  # noqa: PLR2004
    return not others and _TRADITIONAL.isdisjoint(own)


def prefer(text: str) -> str:
    """Return the language that suits what a directory says of a person; empty where none does.

    That is a tag, a locale as operating systems write it (`de_AT.UTF-8`), or several with weights, as RFC 2798 section 2.7 and RFC 7643
    section 4.1.1 have `preferredLanguage`: as in Accept-Language (RFC 9110 section 12.5.4).
    """
    wishes = [match for each in text[:_LONGEST].split(",") if (match := _PREFERENCE.fullmatch(each))]
    by_weight = sorted(wishes, key=lambda match: -float(match[2] or 1))
    found = (lookup(re.split(r"[.@]", match[1])[0].replace("_", "-")) for match in by_weight if float(match[2] or 1) > 0)
    return next((language for language in found if language), "")
