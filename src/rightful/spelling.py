"""What somebody meant who wrote a name that does not exist."""

import difflib
from collections.abc import Iterable

_LONGEST = 60
"""What is longer is not compared whole: the time that comparing takes grows with its square."""


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` with the name that comes closest; empty where none does."""
    names = list(known)
    close = difflib.get_close_matches(wrong[:_LONGEST], names, n=1)
    alike = (name for name in names if name.casefold() == wrong.casefold() or name.rpartition(".")[2] == wrong)
    meant = close[0] if close else next(alike, None)
    return "" if meant is None else f"did you mean {meant!r}?"
