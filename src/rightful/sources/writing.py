"""Sources as YAML, and put into a configuration of which everything else stays as it is, byte for byte."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from rightful import private_file
from rightful.config.load import load
from rightful.config.model import Config
from rightful.errors import ConfigurationError
from rightful.redaction import printable
from rightful.sources.proposing import Proposal

_HINT = "paste what was printed into the tenant's `sources:` yourself"
_PASSWORD = re.compile(r"(?P<before>[a-z0-9+]+://[^:/?#]*:)(?P<password>[^/?#]*)(?=@)")
_VARIABLE = re.compile(r"\$\{\w+\}")
_SECRET_PARAMETER = re.compile(r"[?&][^=&]*(password|secret|token|key)[^=&]*=(?!\$\{\w+\}(&|$))[^&]", re.IGNORECASE)


def hide_password(url: str, name: str) -> tuple[str, str]:
    """Return a URL with its password as `${VARIABLE}`, and the variable's name; empty where there is none to hide.

    Raises `ConfigurationError` where there is one in a place where it cannot be replaced for sure.
    """
    if _SECRET_PARAMETER.search(url):
        raise ConfigurationError(
            "the address has a password among its parameters", hint="write it between `:` and `@`, or as ${VARIABLE} where it stands"
        )
    found = _PASSWORD.match(url)
    if found is None or not found["password"] or _VARIABLE.fullmatch(found["password"]):
        return url, ""
    variable = f"{re.sub('[^A-Z0-9]', '_', name.upper())}_PASSWORD"
    return f"{found['before']}${{{variable}}}{url[found.end() :]}", variable


def format_sources(proposals: Sequence[Proposal], indent: int = 0) -> str:
    """Write sources as they stand in the configuration, with why they are as they are in comments."""
    lines: list[str] = []
    for proposal in proposals:
        lines += [f"# {printable(reason)}" for reason in proposal.reasons]  # a column's name may have a line break in it
        text = yaml.safe_dump({proposal.name: proposal.settings}, sort_keys=False, default_flow_style=None, allow_unicode=True, width=4096)
        lines += text.splitlines()
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


def insert(text: str, tenant_id: str, proposals: Sequence[Proposal]) -> str:
    """Return a configuration's text with the sources after the tenant's last one; raises `ConfigurationError` where it cannot be done."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    tenants = _child(root, "tenants")
    for tenant in tenants.value if isinstance(tenants, yaml.SequenceNode) else ():
        named = _child(tenant, "id")
        sources = _child(tenant, "sources")
        if not isinstance(named, yaml.ScalarNode) or named.value.lower() != tenant_id:
            continue
        if not isinstance(sources, yaml.MappingNode) or sources.flow_style or not sources.value:
            break
        lines = text.splitlines(keepends=True)
        last = sources.end_mark.line
        while last > sources.start_mark.line and (not lines[last - 1].strip() or lines[last - 1].lstrip().startswith("#")):
            last -= 1
        if not lines[last - 1].endswith("\n"):
            lines[last - 1] += "\n"
        indent = sources.value[0][0].start_mark.column
        return "".join([*lines[:last], format_sources(proposals, indent), *lines[last:]])
    raise ConfigurationError("the tenant's `sources:` is not written as a section with a line for each name", hint=_HINT)


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if isinstance(name, yaml.ScalarNode) and name.value == key), None)


def write(path: Path, before: Config, tenant_id: str, proposals: Sequence[Proposal], environ: Mapping[str, str]) -> None:
    """Put sources into a configuration file, at once or not at all.

    The new file is read whole first: what was configured must be there as it was, and the new sources too.

    Raises:
        ConfigurationError: the file cannot take them, or would be wrong with them.
    """
    path = path.resolve()
    text = insert(path.read_bytes().decode("utf-8"), tenant_id, proposals)
    draft = path.with_name(f".{path.name}.draft")
    private_file.write(draft, text.encode())
    try:
        _check(before, load(draft, environ), tenant_id, proposals)
        found = path.stat()
        draft.chmod(found.st_mode & 0o777)
        if os.geteuid() == 0:
            os.chown(draft, found.st_uid, found.st_gid)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _check(before: Config, after: Config, tenant_id: str, proposals: Sequence[Proposal]) -> None:
    for old, new in zip(before.tenants, after.tenants, strict=True):
        added = tuple(proposal.name for proposal in proposals) if old.id == tenant_id else ()
        if new.sources[: len(old.sources)] != old.sources or tuple(s.name for s in new.sources[len(old.sources) :]) != added:
            raise ConfigurationError("the sources would not stand where they belong", hint=_HINT)
