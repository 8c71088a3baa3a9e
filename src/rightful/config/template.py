"""The `rightful.yaml` that `rightful init` writes: small, valid as it is, with everything else in comments."""

import json
import textwrap
from pathlib import Path
from urllib.parse import quote

import msgspec

from rightful.config.model import (
    ExportSettings,
    GraphSettings,
    IssuerSettings,
    LimitSettings,
    ServerSettings,
    SourceConfig,
    StorageSettings,
)
from rightful.config.reference import doc

AUDIENCE = "api://rightful"


def render(folder: Path, *, tenant_id: str) -> str:
    """Return the file's text for a folder; file URLs in it are absolute."""

    def url(path: Path, pattern: str = "") -> str:
        # JSON's strings are YAML's, and `$` begins a variable in this file.
        return json.dumps(f"file://{quote(str(path), safe='/')}{pattern}".replace("$", "$$"), ensure_ascii=False)

    return _TEMPLATE.format(
        tenant_id=tenant_id,
        audience=AUDIENCE,
        exports=url(folder / "exports"),
        files=url(folder / "files"),
        lake=url(folder / "activity", "/**/*.parquet"),
        listen=_about(ServerSettings, "listen", 2),
        base_url=_about(ServerSettings, "base_url", 2),
        tls=_about(ServerSettings, "tls", 2),
        beta=_about(GraphSettings, "beta_submit_status", 2),
        read_all=_about(GraphSettings, "user_read_all_exports", 2),
        audience_doc=_about(IssuerSettings, "audience", 8),
        queued=_about(LimitSettings, "queued", 6),
        part=_about(ExportSettings, "part_mib", 6),
        wait=_about(ExportSettings, "wait_h", 6),
        checks=_about(StorageSettings, "checks", 6),
        allow=_about(StorageSettings, "allow", 6),
        unreadable=_about(SourceConfig, "on_unreadable_item", 8),
    )


def _about(cls: type[msgspec.Struct], name: str, indent: int) -> str:
    """Return a setting's docstring as comment lines."""
    return textwrap.fill(doc(cls, name), width=118, initial_indent=f"{' ' * indent}# ", subsequent_indent=f"{' ' * indent}# ")


_TEMPLATE = """\
# The configuration of Rightful. `rightful doctor` checks it, docs/reference/settings.md explains every setting.
# ${{NAME}} in a value reads the environment; {{file: PATH}} instead of a text reads a mounted secret. Paths start at this folder.

server:
{listen}
  listen: 127.0.0.1:8443
{base_url}
  # base_url: https://dsr.contoso.example
{tls}
  # `rightful dev-cert tls` makes one for localhost; Graph's clients send their tokens over https only.
  # tls: {{cert: tls/cert.pem, key: tls/key.pem}}

# Where operations are kept: never personal data, never a secret in the clear.
store: sqlite:///var/rightful.db
# Seals storage locations while their operations run. Keep a copy: without it, exports that run cannot go on.
seal_key: {{file: seal.key}}

graph:
{beta}
  # beta_submit_status: 202
{read_all}
  # user_read_all_exports: false

tenants:
    # Your directory's id: the `tid` of its tokens. This one was made up for you to try things out.
  - id: {tenant_id}
    name: My organization

    # Whose tokens count.
    identity:
      issuers:
        # The built-in issuer of `rightful token`, for trying things out; refused unless the service listens on loopback.
{audience_doc}
        - {{issuer: local, audience: ["{audience}"]}}
        # Microsoft Entra ID, or any other OpenID Connect provider:
        # - {{issuer: "https://login.microsoftonline.com/TENANT-ID/v2.0", audience: ["APPLICATION-ID"]}}

    limits:
{queued}
      # queued: 100000

    export:
{part}
      # part_mib: 16
{wait}
      # wait_h: 72

    # Where packages may go.
    storage:
{checks}
      checks: standard
{allow}
      allow: ["*.blob.core.windows.net"]
      # Folders that callers name instead of a SAS URL.
      accounts:
        LocalExports: {{url: {exports}}}

    # Who your people are: a table or view with a row for each. SQLite here; postgresql://USER:${{PASSWORD}}@HOST/DATABASE as well.
    directory:
      connector: sql
      url: sqlite:///people.db
      table: people
      id: object_id
      upn: upn
      display_name: name
      # How they are known elsewhere; the names on the left are what `match` and `path` of the sources use.
      identifiers:
        mail: mail
        # employee_id: employee_no
      # Identifiers found by identifiers, in other tables or databases:
      # more:
      #   - {{url: "sqlite:///devices.db", table: devices, from: {{upn: owner_upn}}, identifiers: {{device_id: id}}}}

    # Where their data lies. Each name becomes a folder of the package, below its product.
    sources:
      # A folder for each person.
      files:
        connector: files
        url: {files}
        path: "{{upn}}/"
        product: Files
{unreadable}
        # on_unreadable_item: record

      # Tables of one database; `via` follows a join to the table that knows the person.
      # orders:
      #   connector: sql
      #   url: postgresql://USER:${{PASSWORD}}@HOST/shop
      #   table: orders
      #   match: {{customer_mail: mail}}
      #   key: id
      #   product: Shop
      #   label: {{category: user.contact, purpose: essential.service, retention: 2 years}}
      # order_lines:
      #   connector: sql
      #   url: postgresql://USER:${{PASSWORD}}@HOST/shop
      #   table: order_lines
      #   via: {{orders: {{order_id: id}}}}
      #   key: id
      #   product: Shop

      # Parquet files of everybody, searched for many people at once.
      # activity:
      #   connector: lake
      #   url: {lake}
      #   match: {{user_id: upn}}
      #   product: Activity
"""
