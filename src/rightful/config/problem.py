"""What is wrong with a configuration, as values."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from rightful.errors import ConfigurationError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to correct. Never holds a value that stood in the file: it may be a secret."""

    file: str
    line: int
    """1 for the first line; 0 where the file as a whole is meant."""
    setting: str
    """`tenants[0].sources.orders.match`; empty for the whole file."""
    message: str
    """What is wrong."""
    hint: str = ""
    """What to write instead."""

    def __str__(self) -> str:
        """Write it on one line, as compilers do."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        what = f"{self.setting}: {self.message}" if self.setting else self.message
        return f"{where}: {what}" + (f"; {self.hint}" if self.hint else "")


class ConfigurationProblems(ConfigurationError):
    """Everything that is wrong with a configuration at once; `problems` lists it in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        count = len(self.problems)
        title = f"{self.problems[0].file} has {count} {'problem' if count == 1 else 'problems'}"
        super().__init__("\n".join((title, *(f"  {problem}" for problem in self.problems))), hint="correct them and run `rightful doctor`")


class Complain(Protocol):
    """Notes a problem with a setting."""

    def __call__(self, setting: str, message: str, hint: str = "", /) -> None:
        """Note it; never raises."""
        ...
