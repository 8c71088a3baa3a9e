"""What the statement says, in each language there is: catalogues of messages, and of the taxonomy's keys."""

from collections.abc import Iterable, Mapping
from functools import cache

from rightful.language import OFFERED
from rightful.package import taxonomy
from rightful.package.catalogues import catalogues

DOMAIN = "statement"
"""Of its catalogues."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return what messages and keys are in a language; a message that is not there is said as it is."""
    found = {**catalogues(DOMAIN).get(language, {}), **taxonomy.names(language)}
    return {message: said for message, said in found.items() if isinstance(said, str)}


def excerpt(messages: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return these messages in every language, where they are said otherwise than they are written."""
    wanted = sorted(set(messages))
    return {language: {each: found[each] for each in wanted if each in found} for language in OFFERED if (found := catalogue(language))}
