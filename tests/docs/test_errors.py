"""The tree of errors is drawn whole, and what of it gets onto the wire stands in a closed list."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import rightful
from rightful import errors
from rightful.graph.closed_list import CODES

SOURCES = [path for path in (Path(__file__).parents[2] / "src" / "rightful").rglob("*.py") if "testing" not in path.parts]


def kinds(error: type[errors.ExportError]) -> set[type[errors.ExportError]]:
    return {error}.union(*map(kinds, error.__subclasses__()))


def found() -> set[type[errors.ExportError]]:
    for module in pkgutil.walk_packages(rightful.__path__, "rightful."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {error for error in kinds(errors.ExportError) if error.__module__.startswith("rightful.")}


def on_the_wire() -> dict[str, type[errors.RequestError]]:
    return {error.__name__: error for error in found() if issubclass(error, errors.RequestError) and error is not errors.RequestError}


def test_every_error_of_the_package_stands_in_the_tree() -> None:
    assert {error.__name__ for error in found() if error.__name__ not in str(errors.__doc__)} == set()


def test_every_kind_of_error_of_the_wire_is_in_the_closed_list() -> None:
    own = {(error.http_status, error.default_code) for error in on_the_wire().values()}
    assert len(own) > 10
    assert {(status, code) for status, code in own if code not in CODES.get(status, ())} == set()


def given_codes(tree: ast.Module, classes: dict[str, int]) -> Iterator[tuple[int, str]]:
    """Yield status and code of `Kind(…, code=…)`; an f-string's code is its beginning and a star."""
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
            continue
        status = classes.get(node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
        for keyword in node.keywords:
            if status is None or keyword.arg != "code":
                continue
            value = keyword.value
            if isinstance(value, ast.Constant):
                yield status, str(value.value)
            elif isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
                yield status, str(value.values[0].value) + "*"
            elif isinstance(value, ast.Name) and value.id in constants:
                yield status, str(constants[value.id])


def test_scan_sees_each_way_a_code_is_given() -> None:
    text = 'C = "Two"\nA("x", code="One")\nm.A(code=C)\nA(code=f"Three{x}")\nB(code="other")\nA(code=code)'
    assert set(given_codes(ast.parse(text), {"A": 400})) == {(400, "One"), (400, "Two"), (400, "Three*")}


def test_every_code_that_an_error_of_the_wire_is_given_is_in_the_closed_list() -> None:
    classes = {name: error.http_status for name, error in on_the_wire().items()} | {"refuse": 400}
    given = {each for path in SOURCES for each in given_codes(ast.parse(path.read_text(encoding="utf-8")), classes)}
    assert len(given) > 5
    unlisted = {
        (status, code)
        for status, code in given
        if not any(known == code or (code.endswith("*") and known.startswith(code[:-1])) for known in CODES.get(status, ()))
    }
    assert unlisted == set()


def test_who_is_told_to_submit_again_is_told_of_the_key() -> None:
    found = {path.name for path in SOURCES if "submit the request again" in path.read_text(encoding="utf-8")}
    assert found == {"model.py"}, "say operation.model.SUBMIT_AGAIN: an old Idempotency-Key goes on naming what it named (ADR 0044)"
