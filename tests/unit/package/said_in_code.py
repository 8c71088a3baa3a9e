"""What code says to a person, as its catalogues must have it: in Python through `package.texts`, in JavaScript through `t`, `tn` and `later`."""

import ast
import re
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

_STRING = r'"((?:[^"\\]|\\.)*)"'
_SAID = re.compile(rf"\b(?:t|later)\(\s*{_STRING}")
_COUNTED = re.compile(rf"\btn\(\s*{_STRING},\s*{_STRING}")
_CALL = re.compile(r"(?<!function )\b(?:t|tn|later)\(")


class Said(NamedTuple):
    """Messages in the order in which they stand."""

    plain: tuple[str, ...]
    counted: dict[str, str]
    """The message for one, and that for several."""
    unknown: int
    """How many calls say something that does not stand there as a text."""

    def and_what(self, other: "Said") -> "Said":
        """Return what is said by this and by another."""
        plain = tuple(dict.fromkeys((*self.plain, *other.plain)))
        return Said(plain, self.counted | other.counted, self.unknown + other.unknown)


def said_in(module: str) -> Said:
    """Return what a module says: the texts of `….say(…)` and `….count(…)`."""
    package, _, name = module.rpartition(".")
    tree = ast.parse((resources.files(package) / f"{name}.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    plain: dict[str, None] = {}
    counted: dict[str, str] = {}
    unknown = 0
    for call in calls:
        assert isinstance(call.func, ast.Attribute)
        texts = [argument.value for argument in call.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str)]
        if call.func.attr == "say":
            plain |= dict.fromkeys(texts[:1])
            unknown += not texts
        elif call.func.attr == "count" and len(call.args) > 1:
            counted |= dict([texts[:2]])
            unknown += len(texts) < 2
    return Said(tuple(plain), counted, unknown)


def said_in_scripts(scripts: Sequence[tuple[str, str]]) -> Said:
    """Return what scripts (package, name) say."""
    source = "".join((resources.files(package) / name).read_text(encoding="utf-8") for package, name in scripts)
    plain, counted = _SAID.findall(source), _COUNTED.findall(source)
    return Said(tuple(dict.fromkeys(plain)), dict(counted), len(_CALL.findall(source)) - len(plain) - len(counted))
