"""The tree of errors is drawn whole."""

import importlib
import pkgutil

import rightful
from rightful import errors


def kinds(error: type[errors.ExportError]) -> set[type[errors.ExportError]]:
    return {error}.union(*map(kinds, error.__subclasses__()))


def test_every_error_of_the_package_stands_in_the_tree() -> None:
    for module in pkgutil.walk_packages(rightful.__path__, "rightful."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = {error.__name__ for error in kinds(errors.ExportError) if error.__module__.startswith("rightful.")}
    assert {name for name in found if name not in str(errors.__doc__)} == set()
