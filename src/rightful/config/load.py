"""Reads `rightful.yaml` into a `Config`, whole or not at all: every problem is found in one go, with its line and what to write instead."""

import os
from collections.abc import Callable
from collections.abc import Mapping as AbstractMapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from rightful.config import document, rules, service_rules
from rightful.config.document import Mapping, Node, Scalar
from rightful.config.model import (
    AuditSettings,
    Config,
    DaskSettings,
    DeadlineSettings,
    DirectoryConfig,
    ExportSettings,
    GraphSettings,
    IdentitySettings,
    LimitSettings,
    ReceiptSettings,
    RetentionSettings,
    ServerSettings,
    SourceConfig,
    StorageSettings,
    TenantConfig,
    WebhookSettings,
)
from rightful.config.problem import ConfigurationProblems, Problem
from rightful.config.reading import INVALID, Reader, join
from rightful.connectors import registry as connectors
from rightful.directory import registry as directories
from rightful.errors import ConfigurationError
from rightful.ids import TenantId
from rightful.package.label import StatementSettings

Find = Callable[[str], Any]
"""From a connector's name to its class; raises `ConfigurationError` where there is none."""

_WHOLE: dict[str, type[msgspec.Struct]] = {
    "server": ServerSettings,
    "graph": GraphSettings,
    "audit": AuditSettings,
    "dask": DaskSettings,
}
_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "identity": IdentitySettings,
    "limits": LimitSettings,
    "export": ExportSettings,
    "receipts": ReceiptSettings,
    "deadlines": DeadlineSettings,
    "retention": RetentionSettings,
    "storage": StorageSettings,
    "statement": StatementSettings,
}
_SOURCE_KEYS = ("connector", "product", "label", "on_unreadable_item", "identifiers", "redact", "third_parties")


def load(path: Path, environ: AbstractMapping[str, str]) -> Config:
    """Read the file; raises `ConfigurationProblems` (a `ConfigurationError`) with everything that is wrong.

    Opens no database and asks no server; the only other files read are those of `{file: PATH}`.
    """
    return load_with(path, environ, find_connector=connectors.find, find_directory=directories.find)


def load_with(path: Path, environ: AbstractMapping[str, str], *, find_connector: Find, find_directory: Find) -> Config:
    """Read the file with other connectors than the installed ones."""
    try:
        with path.open("rb") as file:
            content = file.read(document.LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "its name is no path"
        hint = "`rightful init` writes one; --config or RIGHTFUL_CONFIG names another place"
        raise ConfigurationError(f"the configuration {path} cannot be read: {reason}", code="ConfigurationMissing", hint=hint) from error
    folder = path.absolute().parent
    root, problems = document.parse(content, str(path))
    reader = Reader(file=str(path), folder=folder, environ=environ, problems=problems)
    config = _Loader(reader, find_connector, find_directory).config(root) if root is not None else None
    if config is None or reader.problems:
        raise ConfigurationProblems(reader.problems or [Problem(file=str(path), line=0, setting="", message="cannot be used")])
    return config


class _Loader:
    """Puts the parts together; a part that is wrong does not keep the others from being read and checked."""

    def __init__(self, reader: Reader, find_connector: Find, find_directory: Find) -> None:
        self._reader = reader
        self._find_connector = find_connector
        self._find_directory = find_directory

    def config(self, root: Node) -> Config | None:
        reader = self._reader
        if not isinstance(root, Mapping):
            reader.complain(root.line, "", "must begin with `name: value` lines", "`rightful init` writes a file to begin with")
            return None
        reader.refuse_unknown(root, tuple(name for name in Config.__struct_fields__ if name not in {"folder", "seal_key_path"}), "")
        sections = {name: self._section(root, cls, name, "") for name, cls in _WHOLE.items()}
        server: ServerSettings | None = sections["server"]
        store = self._plain(root, "store")
        store_folder = self._plain(root, "store_folder")
        engine = self._plain(root, "engine")
        if server is not None:
            service_rules.check_server(server, reader.complain_at)
        if isinstance(store, str):
            service_rules.check_store(store, reader.complain_at)
        if sections["dask"] is not None:
            service_rules.check_engine(engine, sections["dask"], store, reader.complain_at)
        seal_key = self._seal_key(root)
        tenants = self._tenants(root, server)
        if seal_key is None or any(part is None for part in (*sections.values(), *tenants)):
            return None
        path = self._seal_key_path(root.get("seal_key"))
        given = {name: value for name, value in (("store", store), ("store_folder", store_folder), ("engine", engine)) if value is not None}
        found = tuple(tenant for tenant in tenants if tenant is not None)
        return Config(folder=reader.folder, seal_key=seal_key, seal_key_path=path, tenants=found, **sections, **given)

    def _plain(self, root: Mapping, key: str) -> Any:
        """Read a top-level setting by its type; None where it is left out or wrong."""
        node = root.get(key)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return None
        type_ = next(item.type for item in msgspec.inspect.type_info(Config).fields if item.name == key)  # type: ignore[attr-defined]  # a struct
        value = self._reader.value(node, type_, key)
        return None if value is INVALID else value

    def _section(self, parent: Mapping, cls: type[Any], key: str, setting: str) -> Any:
        """Read a section; its defaults where it is left out, None where it is wrong or lacks something."""
        node, path = parent.get(key), join(setting, key)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            if any(item.required for item in msgspec.structs.fields(cls)):
                self._reader.complain(parent.line, setting, f"{key!r} is missing", f"add a section `{key}:`")
                return None
            return cls()
        section = self._reader.struct(node, cls, path)
        return None if section is INVALID else section

    def _text(self, parent: Mapping, key: str, setting: str) -> str | None:
        """Read a required text."""
        node = parent.get(key)
        if node is None:
            self._reader.complain(parent.line, setting, f"{key!r} is missing", f"add `{key}:` with a text")
            return None
        text = self._reader.text(node, join(setting, key))
        return None if text is INVALID else text

    def _seal_key(self, root: Mapping) -> bytes | None:
        node = root.get("seal_key")
        if node is None:
            self._reader.complain(
                root.line, "seal_key", "is missing", "make one with `rightful init`, and write seal_key: {file: seal.key}"
            )
            return None
        text = self._reader.text(node, "seal_key")
        return None if text is INVALID else service_rules.parse_seal_key(text.strip(), self._reader.complain_at)

    def _seal_key_path(self, node: Node | None) -> Path | None:
        text = self._reader.text(node.entries[0][2], "seal_key.file") if isinstance(node, Mapping) else INVALID
        return None if text is INVALID else self._reader.folder / text

    # -- tenants ------------------------------------------------------------------------------------------------------
    def _tenants(self, root: Mapping, server: ServerSettings | None) -> list[TenantConfig | None]:
        node = root.get("tenants")
        if node is None:
            self._reader.complain(root.line, "tenants", "is missing", "add `tenants:` with a list of sections")
            return [None]
        self._reader.lines.setdefault("tenants", node.line)
        if not isinstance(node, document.Sequence):
            self._reader.complain(node.line, "tenants", "must be a list of sections", "write - before each tenant")
            return [None]
        read = [self._tenant(item, f"tenants[{number}]", server) for number, item in enumerate(node.items)]
        rules.check_tenants([draft for draft, _ in read], self._reader.complain_at)
        return [tenant for _, tenant in read] or [None]

    def _tenant(self, node: Node, setting: str, server: ServerSettings | None) -> tuple[rules.TenantDraft, TenantConfig | None]:
        reader = self._reader
        reader.lines.setdefault(setting, node.line)
        draft = rules.TenantDraft(setting=setting, folder=reader.folder)
        if not isinstance(node, Mapping):
            reader.complain(node.line, setting, "must be a section", "write `name: value` lines below the -, indented")
            return draft, None
        reader.refuse_unknown(node, TenantConfig.__struct_fields__, setting)
        tenant_id = self._text(node, "id", setting)
        draft.id = tenant_id.lower() if tenant_id is not None else None
        draft.name = self._text(node, "name", setting)
        sections: dict[str, Any] = {key: self._section(node, cls, key, setting) for key, cls in _SECTIONS.items()}
        draft.identity, draft.storage, draft.export = sections["identity"], sections["storage"], sections["export"]
        draft.statement = sections["statement"]
        draft.deadlines = sections["deadlines"]
        draft.retention = sections["retention"]
        draft.webhooks = self._webhooks(node, setting)
        draft.directory = self._directory(node, setting, draft)
        sources = self._sources(node, setting, draft)
        draft.source_names = tuple(sources)
        draft.sources = [source for source in sources.values() if source is not None]
        rules.check_tenant(draft, server, reader.complain_at)
        parts = (draft.id, draft.name, draft.directory, draft.webhooks, *sections.values(), *sources.values())
        if any(part is None for part in parts):
            return draft, None
        assert draft.id is not None
        assert draft.name is not None
        assert draft.directory is not None
        return draft, TenantConfig(
            id=TenantId(draft.id),
            name=draft.name,
            webhooks=draft.webhooks or (),
            directory=draft.directory,
            sources=tuple(draft.sources),
            **sections,
        )

    def _webhooks(self, parent: Mapping, setting: str) -> tuple[WebhookSettings, ...] | None:
        """Read the webhooks; none where they are left out, None where one is wrong."""
        node, here = parent.get("webhooks"), join(setting, "webhooks")
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return ()
        type_ = next(item.type for item in msgspec.inspect.type_info(TenantConfig).fields if item.name == "webhooks")  # type: ignore[attr-defined]  # a struct
        found = self._reader.value(node, type_, here)
        return None if found is INVALID else tuple(found)

    def _directory(self, parent: Mapping, setting: str, draft: rules.TenantDraft) -> DirectoryConfig | None:
        node, here = parent.get("directory"), join(setting, "directory")
        if node is None:
            self._reader.complain(
                parent.line, setting, "'directory' is missing", "add a section `directory:` that says who your people are"
            )
            return None
        self._reader.lines.setdefault(here, node.line)
        found = self._connector(node, here, self._find_directory)
        if found is None or not isinstance(node, Mapping):
            return None
        name, type_ = found
        draft.directory_type = type_
        settings = self._reader.struct(node, type_.Settings, here, also=("connector",))
        return None if settings is INVALID else DirectoryConfig(connector=name, settings=settings)

    def _sources(self, parent: Mapping, setting: str, draft: rules.TenantDraft) -> dict[str, SourceConfig | None]:
        node, here = parent.get("sources"), join(setting, "sources")
        if node is None or not isinstance(node, Mapping):
            line = parent.line if node is None else node.line
            self._reader.complain(line, here, "must be a section with one section for each source", "write `orders: {connector: sql, …}`")
            return {}
        self._reader.lines.setdefault(here, node.line)
        return {name: self._source(name, line, child, join(here, name), draft) for name, line, child in node.entries}

    def _source(self, name: str, line: int, node: Node, here: str, draft: rules.TenantDraft) -> SourceConfig | None:
        self._reader.lines[here] = line
        found = self._connector(node, here, self._find_connector)
        if found is None or not isinstance(node, Mapping):
            return None
        connector, type_ = found
        draft.connectors[connector] = type_
        common = self._common(node, here)
        settings = self._reader.struct(node, type_.Settings, here, also=_SOURCE_KEYS)
        if settings is INVALID or common is None:
            return None
        common.setdefault("product", name)
        return SourceConfig(name=name, connector=connector, settings=settings, **common)

    def _common(self, node: Mapping, here: str) -> dict[str, Any] | None:
        """Read the keys that every source has; None where one is wrong."""
        types = {item.name: item.type for item in msgspec.inspect.type_info(SourceConfig).fields}  # type: ignore[attr-defined]  # a struct
        values: dict[str, Any] = {}
        for key in _SOURCE_KEYS[1:]:
            child = node.get(key)
            if child is not None and not (isinstance(child, Scalar) and child.is_null):
                values[key] = self._reader.value(child, types[key], join(here, key))
        return None if any(value is INVALID for value in values.values()) else values

    def _connector(self, node: Node, here: str, find: Find) -> tuple[str, Any] | None:
        """Return the connector's name and its class."""
        if not isinstance(node, Mapping):
            self._reader.complain(node.line, here, "must be a section", "write `connector: …` and its settings below it")
            return None
        name = self._text(node, "connector", here)
        if name is None:
            return None
        complain = partial(self._reader.complain_at, join(here, "connector"))
        try:
            found = find(name)
            _ = found.Settings
        except ConfigurationError as error:
            complain("there is no such connector", error.hint)
        except Exception as error:  # noqa: BLE001 - importing a third party's code may raise anything; the file's author needs the line
            complain(f"this connector is installed and cannot be loaded ({type(error).__name__})", "reinstall the package that brings it")
        else:
            return name, found
        return None
