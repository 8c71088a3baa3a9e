"""What the settings mean, taken from the docstrings of their fields: for the reference page and for the file that `init` writes."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec

from rightful.config import model
from rightful.config.scalar import describe
from rightful.connectors import registry as connectors
from rightful.directory import registry as directories


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as the reference shows it."""

    path: str
    takes: str
    default: str
    """As it would be written; empty where the setting is required."""
    doc: str


@cache
def field_docs(cls: type[msgspec.Struct]) -> dict[str, str]:
    """Return the docstring of each field of a class, those that it inherits too, by the field's name."""
    docs: dict[str, str] = {}
    for base in cls.__bases__:
        if base is not msgspec.Struct and issubclass(base, msgspec.Struct):
            docs |= field_docs(base)
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for statement, after in pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            value = after.value if isinstance(after, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                docs[statement.target.id] = inspect.cleandoc(value.value)
    return docs


def doc(cls: type[msgspec.Struct], name: str) -> str:
    """Return a field's docstring on one line."""
    return " ".join(field_docs(cls).get(name, "").split())


def settings_of(cls: type[msgspec.Struct], prefix: str) -> Iterator[Setting]:
    """Yield the settings of a section and of the sections in it, in the order of the class."""
    for field in msgspec.inspect.type_info(cls).fields:  # type: ignore[attr-defined]  # a struct has fields
        path = f"{prefix}{field.encode_name}"
        inner = _section(field.type)
        if inner is not None:
            section, suffix = inner
            yield Setting(path=path, takes=describe(field.type), default=_default(field), doc=_section_doc(cls, field.name, section))
            yield from settings_of(section, f"{path}{suffix}.")
        else:
            yield Setting(path=path, takes=_takes(field.type), default=_default(field), doc=doc(cls, field.name))


def _section(type_: Any) -> tuple[type[msgspec.Struct], str] | None:
    """Return the class of a section, of a list of sections (`[]`) or of named sections (`.NAME`)."""
    if isinstance(type_, msgspec.inspect.UnionType):
        return next((found for item in type_.types if (found := _section(item)) is not None), None)
    if isinstance(type_, msgspec.inspect.StructType) and type_.fields:
        return type_.cls, ""
    if isinstance(type_, msgspec.inspect.DictType) and isinstance(type_.value_type, msgspec.inspect.StructType):
        return type_.value_type.cls, ".NAME"
    if isinstance(type_, msgspec.inspect.VarTupleType | msgspec.inspect.ListType) and isinstance(
        type_.item_type, msgspec.inspect.StructType
    ):
        return type_.item_type.cls, "[]"
    return None


def _section_doc(cls: type[msgspec.Struct], name: str, section: type[msgspec.Struct]) -> str:
    return doc(cls, name) or " ".join(inspect.getdoc(section).split())  # type: ignore[union-attr]  # a struct without docstring has a generated one


def _takes(type_: Any) -> str:
    low, high = getattr(type_, "ge", None), getattr(type_, "le", None)
    words = describe(type_)
    if low is not None and high is not None:
        return f"{words}, {low} to {high}"
    return f"{words}, at least {low}" if low is not None else words


def _default(field: Any) -> str:
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or value in ("", (), {}) or isinstance(value, msgspec.Struct):
        return "none" if value is None else "empty" if not isinstance(value, msgspec.Struct) else "as below"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


_TENANT = "tenants[]."
_SOURCE = f"{_TENANT}sources.NAME."
_FILLED_BY_LOAD = {
    model.Config: {"folder", "seal_key_path", "tenants"},
    model.TenantConfig: {"directory", "sources"},
    model.SourceConfig: {"name", "settings"},
}
"""Fields that are not written as keys, or that get a chapter of their own."""
_NAMED_BY_LOAD = {f"{_SOURCE}product": "NAME"}
"""Defaults that only the file knows."""


def chapters() -> Iterator[tuple[str, str, tuple[Setting, ...]]]:
    """Yield (title, introduction, settings) of each chapter of the reference."""
    yield "The whole file", "", _pick(model.Config, "")
    yield "Each tenant", _first(model.TenantConfig), _pick(model.TenantConfig, _TENANT)
    for name in directories.names():
        settings = directories.find(name).Settings
        yield f"The directory, connector `{name}`", _first(settings), tuple(settings_of(settings, f"{_TENANT}directory."))
    common = (
        msgspec.structs.replace(item, default=_NAMED_BY_LOAD.get(item.path, item.default)) for item in _pick(model.SourceConfig, _SOURCE)
    )
    yield "Each source", "Beside these stand the connector's own settings.", tuple(common)
    for name in connectors.names():
        settings = connectors.find(name).Settings
        yield f"Sources of connector `{name}`", _first(settings), tuple(settings_of(settings, _SOURCE))


def _first(cls: type[msgspec.Struct]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")


def _pick(cls: type[msgspec.Struct], prefix: str) -> tuple[Setting, ...]:
    left_out = {f"{prefix}{name}" for name in _FILLED_BY_LOAD[cls]}
    return tuple(setting for setting in settings_of(cls, prefix) if not any(_is_below(setting.path, top) for top in left_out))


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith((f"{top}.", f"{top}["))


_HEAD = """\
# Settings

<!-- Generated from the docstrings of the settings by `python docs/generate.py`; a test compares. -->

`rightful.yaml` is validated whole when it is read: every problem is told with its line and what to write instead. `rightful init`
writes one to begin with, `rightful doctor` checks everything that it names.

- `${NAME}` in any value reads the environment (`$$` is a dollar sign); `{file: PATH}` instead of a text reads a mounted secret,
  without its last line break. Paths start at the folder of the configuration.
- A text is read for what its setting takes: `no` is a language where a text is asked for, and an error where true or false is.
- Keys stand once. A key that means nothing is an error, not ignored.
- `[]` in the names below stands for each item of a list, `NAME` for a name that you choose.
"""


def format_page() -> str:
    """Return docs/reference/settings.md."""
    parts = [_HEAD]
    for title, introduction, settings in chapters():
        rows = [f"| `{item.path}` | {item.takes} | {_code(item.default)} | {item.doc.replace('|', chr(92) + '|')} |" for item in settings]
        table = "\n".join(("| setting | takes | default | meaning |", "|---|---|---|---|", *rows))
        parts.append("\n".join(filter(None, (f"## {title}\n", f"{introduction}\n" if introduction else "", table))) + "\n")
    return "\n".join(parts)


def _code(default: str) -> str:
    return {"": "required", "none": "none", "empty": "empty", "as below": "as below"}.get(default) or f"`{default}`"
