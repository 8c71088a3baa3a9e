"""The `rightful.yaml` that `rightful init` writes: valid as it is, with every other setting in comments, each explained.

In template.yaml `@ CLASS.SETTING` on a line stands for what the setting's docstring says, `@in` for the same of one that is written within
braces, and `@all CLASS` for all of a section's settings with their defaults, in comments.
"""

import json
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import msgspec

from rightful.config import model
from rightful.config.reference import Setting, settings_of
from rightful.connectors import registry as connectors
from rightful.directory import registry as directories
from rightful.package.label import StatementSettings

AUDIENCE = "api://rightful"
_WIDTH = 118
_DIRECTIVE = re.compile(r"(?P<lead>[ #]*)@(?P<kind>all|in|) (?P<name>\S+)")


def render(folder: Path, *, tenant_id: str) -> str:
    """Return the file's text for a folder; file URLs in it are absolute."""

    def url(path: Path) -> str:
        # JSON's strings are YAML's, and `$` begins a variable in this file.
        return json.dumps(f"file://{quote(str(path), safe='/')}".replace("$", "$$"), ensure_ascii=False)

    lines = [
        line
        for written in files("rightful.config").joinpath("template.yaml").read_text("utf-8").splitlines()
        for line in _expanded(written)
    ]
    values = {
        "tenant_id": tenant_id,
        "audience": AUDIENCE,
        "exports": url(folder / "exports"),
        "files": url(folder / "files"),
    }
    return re.sub("<([a-z_]+)>", lambda found: values[found[1]], "\n".join(lines)) + "\n"


@cache
def _settings() -> dict[str, tuple[Setting, ...]]:
    """Return the settings of each class that the template names."""
    classes: dict[str, type[msgspec.Struct]] = {
        "config": model.Config,
        "server": model.ServerSettings,
        "audit": model.AuditSettings,
        "dask": model.DaskSettings,
        "graph": model.GraphSettings,
        "tenant": model.TenantConfig,
        "issuer": model.IssuerSettings,
        "limits": model.LimitSettings,
        "export": model.ExportSettings,
        "receipts": model.ReceiptSettings,
        "deadlines": model.DeadlineSettings,
        "retention": model.RetentionSettings,
        "storage": model.StorageSettings,
        "statement": StatementSettings,
        "webhook": model.WebhookSettings,
        "source": model.SourceConfig,
        "directory": directories.find("sql").Settings,
        **{name: directories.find(name).Settings for name in ("csv", "ldap", "scim")},
        **{name: connectors.find(name).Settings for name in ("files", "http", "lake", "mailbox", "msgraph", "sql")},
    }
    return {name: tuple(settings_of(cls, "")) for name, cls in classes.items()}


def _expanded(line: str) -> Iterator[str]:
    found = _DIRECTIVE.fullmatch(line)
    if found is None:
        yield line
        return
    name, _, path = found["name"].partition(".")
    lead = found["lead"]
    for setting in _settings()[name]:
        if found["kind"] == "all":
            written = '""' if setting.default == "empty" else setting.default  # lists that are empty stand in no section written whole
            yield from (*_comment(lead, setting.doc), f"{lead}# {setting.path}: {written}")
        elif setting.path == path:
            key = path.rpartition(".")[2]
            yield from _comment(lead, f"`{key}`: {setting.doc}" if found["kind"] == "in" else setting.doc)


def _comment(lead: str, text: str) -> list[str]:
    return textwrap.wrap(text, width=_WIDTH, initial_indent=f"{lead}# ", subsequent_indent=f"{lead}# ")
