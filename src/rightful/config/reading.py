"""Turns nodes into the frozen settings of `config.model` and of connectors, by their types, and collects every problem on the way.

What a text means follows from the type it is read for, never from how it looks: `no` is a language where a text is asked for, and an
error that says "write true or false" where a truth value is. `${NAME}` reads the environment, `{file: PATH}` a mounted secret.
"""

import enum
import os
import re
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect

from rightful.config.document import Mapping, Node, Scalar, Sequence
from rightful.config.problem import Problem
from rightful.config.scalar import COLLECTIONS, Wrong, convert, describe, did_you_mean, is_scalar
from rightful.errors import ExportError
from rightful.redaction import printable, redact

LARGEST_SECRET_BYTES = 1 << 16


class _Invalid(enum.Enum):
    INVALID = "invalid"


INVALID: Final = _Invalid.INVALID
"""Stands for a value whose problem has been noted."""

_VARIABLE = re.compile(r"\$\$|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SHOWABLE_KEY = re.compile(r"[A-Za-z0-9_.*@ -]{1,40}\Z")
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def show_key(key: str) -> str:
    """Quote a key of the file, unless it looks like something that slipped into its place."""
    return repr(key) if _SHOWABLE_KEY.match(key) else "this key"


def join(setting: str, key: str) -> str:
    """Return the path of a setting below another; a key that may be a secret is not shown."""
    shown = key if _SHOWABLE_KEY.match(key) else "…"
    return f"{setting}.{shown}" if setting else shown


@dataclass
class Reader:
    """Reads one file's nodes; everything that is wrong ends up in `problems`."""

    file: str
    folder: Path
    environ: AbstractMapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """The line of each setting that was read, for rules that look at several of them."""
    wrong: set[str] = field(default_factory=set)
    """Settings whose value is none: its default stands in its place, of which rules have nothing to say."""

    def complain(self, line: int, setting: str, message: str, hint: str = "") -> _Invalid:
        """Note a problem; returns INVALID, to be returned in turn."""
        self.problems.append(Problem(file=self.file, line=line, setting=setting, message=message, hint=hint))
        return INVALID

    def complain_at(self, setting: str, message: str, hint: str = "") -> None:
        """Note a problem with a setting by its path; where the file does not mention it, at what is nearest above it.

        Of one whose value is wrong in itself, which was noted already, nothing is.
        """
        if setting in self.wrong:
            return
        path = setting
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        self.complain(self.lines.get(path, 1), setting, message, hint)

    # -- texts --------------------------------------------------------------------------------------------------------
    def text(self, node: Node, setting: str) -> str | _Invalid:
        """Read a text: as it stands, with `${NAME}` replaced, or the content of `{file: PATH}`."""
        self.lines.setdefault(setting, node.line)
        if isinstance(node, Mapping):
            return self._secret(node, setting)
        if isinstance(node, Sequence):
            return self.complain(node.line, setting, "must be a single text, not a list")
        if node.is_null:
            return self.complain(node.line, setting, "is empty", "write a value, or leave the line out where it has a default")
        return self._harmless(node, setting, self._expand(node, setting))

    def _harmless(self, node: Node, setting: str, value: str | _Invalid) -> str | _Invalid:
        if isinstance(value, str) and _HARMFUL.search(value):
            return self.complain(
                node.line, setting, "contains a control character or half of a surrogate pair", "write visible characters only"
            )
        return value

    def _expand(self, node: Scalar, setting: str) -> str | _Invalid:
        if "$" not in node.text:
            return node.text
        missing: list[tuple[str, str]] = []

        def replace(match: re.Match[str]) -> str:
            if match.group() == "$$":
                return "$"
            name = match.group(1)
            if name is None or not _NAME.match(name):
                missing.append(("has ${ without a variable's name and }", "write ${NAME}, or $$ for a dollar sign"))
                return ""
            if name not in self.environ:
                missing.append((f"needs the environment variable {name}, which is not set", f"set {name}, or write the value here"))
                return ""
            return self.environ[name]

        value = _VARIABLE.sub(replace, node.text)
        for message, hint in missing:
            self.complain(node.line, setting, message, hint)
        return INVALID if missing else value

    def _secret(self, node: Mapping, setting: str) -> str | _Invalid:
        if [key for key, _, _ in node.entries] != ["file"]:
            return self.complain(node.line, setting, "must be a text", "write the text itself, ${NAME}, or {file: PATH}")
        path = self.text(node.entries[0][2], join(setting, "file"))
        if path is INVALID:
            return INVALID
        try:
            return self._harmless(node, setting, self._read_secret(node, setting, self.folder / path))
        except (OSError, ValueError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is not UTF-8 text"
            return self.complain(
                node.line, setting, f"the file it names cannot be read: {reason}", "paths start at the configuration's folder"
            )

    def _read_secret(self, node: Mapping, setting: str, path: Path) -> str | _Invalid:
        with path.open("rb") as file:
            content = file.read(LARGEST_SECRET_BYTES + 1)
        if len(content) > LARGEST_SECRET_BYTES:
            return self.complain(node.line, setting, "the file it names is larger than 64 KiB", "name the file that holds the secret alone")
        value = content.decode().removesuffix("\n").removesuffix("\r")
        return value or self.complain(node.line, setting, "the file it names is empty", "put the secret into it")

    # -- values by type -----------------------------------------------------------------------------------------------
    def value(self, node: Node, type_: inspect.Type, setting: str) -> Any:
        """Read a value of a type; INVALID where that is impossible and has been noted."""
        self.lines.setdefault(setting, node.line)
        if isinstance(type_, inspect.Metadata):
            return self.value(node, type_.type, setting)
        if isinstance(type_, inspect.StructType):
            return self.struct(node, type_.cls, setting)
        if isinstance(type_, inspect.UnionType):
            return self._union(node, type_, setting)
        if isinstance(type_, inspect.DictType):
            return self._dict(node, type_, setting)
        return self._collection(node, type_, setting) if type(type_) in COLLECTIONS else self._scalar(node, type_, setting)

    def _scalar(self, node: Node, type_: inspect.Type, setting: str) -> Any:
        text = self.text(node, setting)
        if text is INVALID:
            return INVALID
        try:
            return convert(text, type_)
        except Wrong as wrong:
            return self.complain(node.line, setting, wrong.message, wrong.hint)

    def _union(self, node: Node, type_: inspect.UnionType, setting: str) -> Any:
        kinds = [kind for kind in type_.types if not isinstance(kind, inspect.NoneType)]
        if isinstance(node, Scalar) and node.is_null and len(kinds) < len(type_.types):
            return None
        fitting = [kind for kind in kinds if _takes(kind, node)] or kinds
        before, wrong = len(self.problems), frozenset(self.wrong)
        for kind in fitting:
            del self.problems[before:]
            self.wrong = set(wrong)
            value = self.value(node, kind, setting)
            if value is not INVALID:
                return value
        if len(fitting) > 1:
            del self.problems[before:]
            return self.complain(node.line, setting, f"must be {' or '.join(describe(kind) for kind in kinds)}")
        return INVALID

    def _collection(self, node: Node, type_: Any, setting: str) -> Any:
        if not isinstance(node, Sequence):
            hint = "put [ ] around it" if isinstance(node, Scalar) and not node.is_null else "write - before each"
            return self.complain(node.line, setting, f"must be {describe(type_)}", hint)
        values = [self.value(item, type_.item_type, f"{setting}[{number}]") for number, item in enumerate(node.items)]
        if len(values) < (type_.min_length or 0):
            hint = "write what it takes, or leave the line out where it has a default"
            return self.complain(node.line, setting, f"needs at least {type_.min_length}", hint)
        if any(value is INVALID for value in values):
            return INVALID
        return COLLECTIONS[type(type_)](values)

    def _dict(self, node: Node, type_: inspect.DictType, setting: str) -> Any:
        if not isinstance(node, Mapping):
            return self.complain(node.line, setting, f"must be {describe(type_)}", "write `name: value` lines below it")
        read: dict[str, Any] = {}
        for key, line, child in node.entries:
            path = join(setting, key)
            self.lines.setdefault(path, line)
            if _HARMFUL.search(key) or not key:
                self.complain(line, setting, "has a key that is empty or contains a control character")
            read[key] = self.value(child, type_.value_type, path)
        return INVALID if any(value is INVALID for value in read.values()) else read

    # -- structs ------------------------------------------------------------------------------------------------------
    def struct(self, node: Node, cls: type[msgspec.Struct], setting: str, *, also: tuple[str, ...] = ()) -> Any:
        """Read a section; keys in `also` are somebody else's. A wrong value that has a default does not make the section INVALID."""
        self.lines.setdefault(setting, node.line)
        if not isinstance(node, Mapping):
            return self.complain(node.line, setting, "must be a section", "write `name: value` lines below it, indented")
        info = inspect.type_info(cls)
        fields = info.fields if isinstance(info, inspect.StructType) else ()
        names = {item.encode_name: item for item in fields}
        self.refuse_unknown(node, (*names, *also), setting)
        values: dict[str, Any] = {}
        complete = True
        for key, item in names.items():
            child = node.get(key)
            if child is None or (not item.required and isinstance(child, Scalar) and child.is_null):
                if item.required:
                    complete = False
                    self.complain(node.line, setting, f"{key!r} is missing", f"add `{key}:` with {describe(item.type)}")
                continue
            value = self.value(child, item.type, join(setting, key))
            if value is not INVALID:
                values[item.name] = value
                continue
            self.wrong.add(join(setting, key))
            if item.required:
                complete = False
        return self.build(cls, values, node.line, setting) if complete else INVALID

    def refuse_unknown(self, node: Mapping, known: tuple[str, ...], setting: str) -> None:
        """Note each key that means nothing here."""
        for key, line, _ in node.entries:
            if key in known:
                continue
            hint = "merge keys are not supported: repeat the lines" if key == "<<" else did_you_mean(key, known)
            self.complain(line, setting, f"{show_key(key)} is not a setting here", hint)

    def build(self, cls: type[msgspec.Struct], values: dict[str, Any], line: int, setting: str) -> Any:
        """Make the value; what its class finds wrong with it is a problem at this line."""
        try:
            return cls(**values)
        except ExportError as error:
            return self.complain(line, setting, printable(redact(error.message)), printable(redact(error.hint)))
        except ValueError as error:
            return self.complain(line, setting, printable(redact(str(error))))
        except Exception as error:  # noqa: BLE001 - a connector of a third party may raise anything; the file's author needs the line
            return self.complain(line, setting, f"the connector refuses it ({type(error).__name__})")


def _takes(type_: inspect.Type, node: Node) -> bool:
    """Say whether a type is of the node's shape."""
    if isinstance(node, Scalar):
        return is_scalar(type_)
    if isinstance(node, Sequence):
        return type(type_) in COLLECTIONS
    return isinstance(type_, inspect.StructType | inspect.DictType)
