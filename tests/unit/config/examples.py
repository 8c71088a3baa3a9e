"""A configuration that is valid with the connectors that are there, and two of somebody else's."""

from pathlib import Path
from typing import Any

import msgspec

from rightful.config.load import load_with
from rightful.config.model import Config
from rightful.config.problem import ConfigurationProblems, Problem
from rightful.connectors.files import FilesConnector
from rightful.connectors.lake import LakeConnector
from rightful.connectors.sql import SqlConnector
from rightful.directory.sql import SqlDirectory
from rightful.errors import ConfigurationError

SEAL_KEY = "0123456789abcdef" * 4
TENANT = "11111111-1111-1111-1111-111111111111"


class StrangeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    depth: int = 0

    def __post_init__(self) -> None:
        if self.depth == 1:
            raise ValueError("depth 1 means nothing for postgresql://ann:hunter2@db/shop")
        if self.depth > 1:
            raise KeyError("hunter2")


class Strange:
    """A connector of somebody else's."""

    Settings = StrangeSettings


class Rude:
    """One whose own check breaks."""

    Settings = StrangeSettings

    @staticmethod
    def problems(*_: object, **__: object) -> None:
        raise KeyError("hunter2")


CONNECTORS: dict[str, Any] = {"files": FilesConnector, "sql": SqlConnector, "lake": LakeConnector, "strange": Strange, "rude": Rude}


def find_connector(name: str) -> Any:
    if name == "broken":
        raise ImportError("no module named hunter2")
    if name not in CONNECTORS:
        raise ConfigurationError("there is no connector of this name", hint=f"installed: {', '.join(sorted(CONNECTORS))}")
    return CONNECTORS[name]


def find_directory(name: str) -> Any:
    if name != "sql":
        raise ConfigurationError("there is no directory connector of this name", hint="installed: sql")
    return SqlDirectory


WHOLE = f"""\
server: {{listen: 127.0.0.1:8443, base_url: https://dsr.contoso.example, tls: {{cert: c.pem, key: k.pem}}}}
store: sqlite:///var/rightful.db
engine: embedded
seal_key: "{SEAL_KEY}"
graph: {{beta_submit_status: 202, user_read_all_exports: false}}
tenants:
  - id: {TENANT}
    name: Contoso
    identity:
      issuers:
        - {{issuer: "https://login.microsoftonline.com/{TENANT}/v2.0", audience: [api://rightful], jwks_uri: "https://login.example/keys"}}
        - {{issuer: local, audience: [api://rightful]}}
    limits: {{writes_per_second: 60, writes_per_second_per_app: 20, queued: 100000}}
    export: {{part_mib: 16, leak_check: sample, formats: [jsonl], layout: folder}}
    storage:
      checks: standard
      allow: ["*.blob.core.windows.net", "127.0.0.1:10000"]
      accounts: {{LocalExports: {{url: "file:///var/exports"}}}}
    directory:
      connector: sql
      url: sqlite:///people.db
      table: people
      id: object_id
      upn: upn
      language: preferred_language
      identifiers: {{mail: [mail, other_mail], employee_id: employee_no}}
      more: [{{url: "sqlite:///devices.db", table: devices, from: {{upn: owner_upn}}, identifiers: {{device_id: id}}}}]
    sources:
      onedrive:  {{connector: files, url: "file:///srv/onedrive", path: "{{upn}}/", product: OneDrive}}
      activity:  {{connector: lake, url: "file:///srv/activity/**/*.parquet", match: {{user_id: upn, device: device_id}}, product: Activity}}
      orders:    {{connector: sql, url: "postgresql://reader:hunter2@db/shop", table: orders, match: {{customer_mail: mail}}, key: id, product: Shop}}
      lines:     {{connector: sql, url: "postgresql://reader:hunter2@db/shop", table: order_lines, via: {{orders: {{order_id: id}}}}, key: id}}
      messages:
        connector: sql
        url: postgresql://reader:hunter2@db/shop
        table: messages
        match: {{sender: mail, recipient: mail}}
        exclude: [spam_score]
        label: {{category: user.contact, purpose: essential.service, retention: 2 years, recipients: [Mail provider]}}
        on_unreadable_item: record
"""


def read(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> Config:
    path = folder / "rightful.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_with(path, environ or {}, find_connector=find_connector, find_directory=find_directory)


def problems_of(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> tuple[Problem, ...]:
    try:
        read(folder, text, environ)
    except ConfigurationProblems as error:
        return error.problems
    return ()
