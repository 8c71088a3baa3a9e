"""What a text means for a type, and what a type is called in words."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec import inspect

from rightful import spelling

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?\Z")
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_LIKE_BOOLS = {"yes": "true", "on": "true", "no": "false", "off": "false", "1": "true", "0": "false"}


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`, or the names there are."""
    names = list(known)
    return spelling.did_you_mean(wrong, names) or (f"known here: {', '.join(names)}" if names else "")


class Wrong(Exception):
    """A text is not what its setting takes; never says which text it was."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


COLLECTIONS: dict[Any, Callable[[list[Any]], Any]] = {
    inspect.VarTupleType: tuple,
    inspect.ListType: list,
    inspect.SetType: set,
    inspect.FrozenSetType: frozenset,
}


def _str(text: str, type_: Any) -> str:
    if len(text) < (type_.min_length or 0):
        raise Wrong("is empty" if not text else f"needs at least {type_.min_length} characters")
    if type_.max_length is not None and len(text) > type_.max_length:
        raise Wrong(f"is longer than {type_.max_length} characters")
    if type_.pattern is not None and not re.search(type_.pattern, text):
        raise Wrong(f"does not have the form {type_.pattern}")
    return text


def _in_range(value: float, type_: Any) -> None:
    low, high = type_.ge if type_.ge is not None else type_.gt, type_.le if type_.le is not None else type_.lt
    below = low is not None and (value < low or (type_.ge is None and value == low))
    above = high is not None and (value > high or (type_.le is None and value == high))
    if not (below or above):
        return
    if low is not None and high is not None:
        raise Wrong(f"must be from {low} to {high}")
    raise Wrong(f"must be {'at least' if type_.ge is not None else 'more than'} {low}" if below else f"must be at most {high}")


def _int(text: str, type_: Any) -> int:
    if not _INTEGER.match(text):
        raise Wrong("must be a whole number", "write digits only, without a unit")
    _in_range(int(text), type_)
    return int(text)


def _float(text: str, type_: Any) -> float:
    if not _NUMBER.match(text):
        raise Wrong("must be a number", "write digits, with a point if need be, without a unit")
    _in_range(float(text), type_)
    return float(text)


def _bool(text: str, _: Any) -> bool:
    if text not in _BOOLS:
        raise Wrong("must be true or false", f"write {_LIKE_BOOLS.get(text.lower(), 'true or false')}")
    return _BOOLS[text]


def _literal(text: str, type_: Any) -> Any:
    values = [*type_.values] if isinstance(type_, inspect.LiteralType) else [item.value for item in type_.cls]
    for value in values:
        if str(value) == text:
            return value if isinstance(type_, inspect.LiteralType) else type_.cls(value)
    raise Wrong(f"must be {describe(type_)}", did_you_mean(text, map(str, values)) if len(values) > 1 else "")


def _custom(text: str, type_: Any) -> Any:
    if type_.cls is not Path:
        raise Wrong("cannot be given in this file")
    return Path(text)


_SCALARS: dict[type[inspect.Type], Callable[[str, Any], Any]] = {
    inspect.StrType: _str,
    inspect.AnyType: lambda text, _: text,
    inspect.IntType: _int,
    inspect.FloatType: _float,
    inspect.BoolType: _bool,
    inspect.LiteralType: _literal,
    inspect.EnumType: _literal,
    inspect.CustomType: _custom,
}


def is_scalar(type_: inspect.Type) -> bool:
    """Say whether a type is written as one text."""
    return type(type_) in _SCALARS


def convert(text: str, type_: inspect.Type) -> Any:
    """Return the value that a text stands for; raises `Wrong`."""
    converter = _SCALARS.get(type(type_))
    if converter is None:
        raise Wrong("cannot be given in this file")
    return converter(text, type_)


def _one_of(type_: inspect.LiteralType | inspect.EnumType) -> str:
    # An empty text is a default, and nothing to write.
    if isinstance(type_, inspect.LiteralType):
        values = sorted(filter(None, map(str, type_.values)))
    else:
        values = [str(item.value) for item in type_.cls]
    return values[0] if len(values) == 1 else f"one of {', '.join(values)}"


def describe(type_: inspect.Type) -> str:
    """Say in words what a type takes, for problems and for the reference."""
    if isinstance(type_, inspect.Metadata):
        return describe(type_.type)
    if isinstance(type_, inspect.UnionType):
        return (
            "a text, or one for each language"
            if _is_of_languages(type_)
            else " or ".join(describe(kind) for kind in type_.types if not isinstance(kind, inspect.NoneType))
        )
    if isinstance(type_, inspect.LiteralType | inspect.EnumType):
        return _one_of(type_)
    if isinstance(type_, inspect.DictType):
        return f"names, each with {describe(type_.value_type)}"
    if type(type_) in COLLECTIONS:
        item = type_.item_type  # type: ignore[attr-defined]  # every collection of msgspec.inspect has one
        plural = "texts, each perhaps in several languages" if _is_of_languages(item) else _PLURALS.get(type(item))
        return f"a list of {plural or describe(item)}"
    return _WORDS.get(type(type_), "a value")


def _is_of_languages(type_: inspect.Type) -> bool:
    """Say whether a type is that of `package.label.Words`."""
    return isinstance(type_, inspect.UnionType) and {type(kind) for kind in type_.types} == {inspect.StrType, inspect.DictType}


_WORDS: dict[type[inspect.Type], str] = {
    inspect.StrType: "a text",
    inspect.AnyType: "a text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.StructType: "a section",
    inspect.BytesType: "64 hex digits",
    inspect.CustomType: "a path",
}

_PLURALS: dict[type[inspect.Type], str] = {inspect.StrType: "texts", inspect.IntType: "whole numbers", inspect.StructType: "sections"}
