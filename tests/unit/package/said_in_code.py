"""What Python code says through `package.texts`, as its catalogues must have it."""

import ast
from importlib import resources
from typing import NamedTuple


class Said(NamedTuple):
    """Messages in the order in which they stand."""

    plain: tuple[str, ...]
    counted: dict[str, str]
    """The message for one, and that for several."""
    unknown: int
    """How many calls say something that does not stand there as a text."""


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
