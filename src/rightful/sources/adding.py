"""From an address to proposed sources: looks, asks what the directory has in common with it, and names what comes of it."""

import glob
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from rightful.config.model import TenantConfig
from rightful.connectors.local_paths import local_path
from rightful.database.opening import identity
from rightful.errors import ConfigurationError
from rightful.sources import row_files, survey
from rightful.sources.mailboxes import propose_mailboxes
from rightful.sources.proposing import Known, Proposal, named_after, names_of, propose
from rightful.sources.writing import hide_password

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def proposals_for(
    name: str, url: str, tenant: TenantConfig, folder: Path, known: Known, *, tables: Sequence[str], environ: Mapping[str, str]
) -> tuple[list[Proposal], list[str]]:
    """Return proposed sources, and the tables that no way to people was found from.

    Raises:
        ConfigurationError: the name is none or taken, or nothing is known of how to look there.
        SourceError: what lies there cannot be looked at.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError("the name is none for a source", hint="letters, digits, _ and -, beginning with a letter, at most 40")
    proposals, left = _proposals(name, url, tenant, folder, known, tables=tables, environ=environ)
    taken = [each.name for each in proposals if tenant.source(each.name) is not None]
    if taken:
        raise ConfigurationError(f"there is a source {taken[0]!r} already", hint="give another name")
    return proposals, left


def _proposals(
    name: str, url: str, tenant: TenantConfig, folder: Path, known: Known, *, tables: Sequence[str], environ: Mapping[str, str]
) -> tuple[list[Proposal], list[str]]:
    address = _VARIABLE.sub(lambda found: _resolved(found[1], environ), url)
    connector = survey.connector_of(address, folder)
    written, _ = hide_password(url, name)
    common = {"connector": connector, "url": written}
    product = name[:1].upper() + name[1:]
    if connector == "mailbox":
        return [propose_mailboxes(name, address, folder, common, known, product=product)], []
    if connector == "files":
        common["product"] = product
        return [_folders(name, survey.look_at_folders(address, folder), common, known)], []
    if connector == "lake" and not survey.lake_format(address, folder):
        return _row_files(name, address, folder, common, known, product=product)
    if connector == "lake":
        found = survey.look_at_lake(address, folder, name)
        if (kind := survey.lake_format(address, folder)) != "parquet":
            common["format"] = kind
        return propose(name, [found], common, known, parents={}, product=product)
    looked = survey.look_at_database(address, folder, name, tables)
    return propose(name, looked, common, known, parents=_parents(tenant, address, folder), product=product)


def _resolved(variable: str, environ: Mapping[str, str]) -> str:
    if variable not in environ:
        raise ConfigurationError(f"the variable {variable} is not set", hint="set it for this command too")
    return environ[variable]


def _parents(tenant: TenantConfig, url: str, folder: Path) -> dict[str, str]:
    """Return the tables of the same database that are read already, with their sources."""
    found = {}
    for source in tenant.sources:
        settings = msgspec.to_builtins(source.settings)
        if source.connector == "sql" and identity(str(settings["url"]), folder) == identity(url, folder):
            found[str(settings["table"])] = source.name
    return found


def _row_files(
    name: str, address: str, folder: Path, common: Mapping[str, str], known: Known, *, product: str
) -> tuple[list[Proposal], list[str]]:
    files = row_files.look(local_path(address, folder))
    if files is None:
        raise ConfigurationError("the files of rows that lay there are there no more", hint="try again")
    is_by_person = named_after([row_files.stem_of(each) for each in files.names], known).count * 2 > len(files.names)
    columns = {
        each: survey.look_at_lake(_below(address, address, glob.escape(each)), folder, name).columns
        for each in files.names
        if not is_by_person and row_files.format_of(each) != "jsonl"  # which has those that its first rows have
    }
    tables = list(row_files.tables_of(files.names, columns, is_by_person=is_by_person))
    proposals: list[Proposal] = []
    left: list[str] = []
    for source_name, table in zip(names_of(name, [table.name for table in tables]), tables, strict=True):
        found = survey.look_at_lake(_below(address, address, glob.escape(table.last)), folder, table.pattern)
        kind = row_files.format_of(table.last)
        own = {**common, "url": _below(common["url"], address, table.pattern), **({} if kind == "parquet" else {"format": kind})}
        proposed, without = propose(source_name, [found], own, known, parents={}, product=product)
        proposals += proposed
        left += without
    if files.others and proposals:
        beside = f"other files and folders that lie there, and that this does not read: {files.others}"
        proposals[0] = msgspec.structs.replace(proposals[0], reasons=(beside, *proposals[0].reasons))
    return proposals, left


def _below(url: str, address: str, pattern: str) -> str:
    return f"{url}{'' if url.endswith('/') else '/'}{quote(pattern, safe='*[]') if '://' in address else pattern}"


def _folders(name: str, names: Sequence[str], common: Mapping[str, object], known: Known) -> Proposal:
    after = named_after(names, known)
    reason = (
        f"{after.count} of {len(names)} folders are named after somebody's {after.kind}"
        if after.count
        else "no folder is named after anybody the directory knows: look whether `path` is right"
    )
    settings = {"path": f"{after.template}/", "label": {"category": "user.content"}}
    return Proposal(name=name, settings={**common, **settings}, reasons=(reason,))
