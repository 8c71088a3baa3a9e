"""The sample company's `rightful.yaml`, as an operator would have written it."""

import json
from pathlib import Path
from urllib.parse import quote

from rightful.sample.people import CONTOSO, FABRIKAM

STORAGE_ACCOUNT = "MyStorageAccount"
AUDIENCE = "api://rightful"


def render(folder: Path, *, listen: str) -> str:
    """Return the file's text; accounts have absolute URLs, so that it belongs to this folder."""
    return _TEMPLATE.format(
        listen=listen,
        contoso=CONTOSO,
        fabrikam=FABRIKAM,
        account=STORAGE_ACCOUNT,
        audience=AUDIENCE,
        exports=_url(folder / "exports"),
        fabrikam_exports=_url(folder / "fabrikam" / "exports"),
    )


def _url(path: Path) -> str:
    """Return a file URL as a YAML string (JSON's strings are YAML's too)."""
    return json.dumps(f"file://{quote(str(path), safe='/')}")


_TEMPLATE = """\
# The configuration of a sample company, written by `rightful demo`. Everything in it is invented.
server:
  listen: {listen}
  tls: {{cert: tls/cert.pem, key: tls/key.pem}}
store: sqlite:///var/rightful.db
engine: embedded
seal_key: {{file: seal.key}}

tenants:
  - id: {contoso}
    name: Contoso
    identity:
      issuers:
        - {{issuer: local, audience: [{audience}]}}
    storage:
      accounts:
        {account}: {{url: {exports}}}

    directory:
      connector: sql
      url: sqlite:///systems/people.db
      table: people
      id: object_id
      upn: upn
      display_name: display_name
      language: preferred_language
      identifiers:
        mail: [mail, other_mail]
        employee_id: employee_no
        customer_id: customer_no
        folder: drive_folder
      more:
        # A person's devices, and the telephone numbers of those devices.
        - {{url: "sqlite:///systems/people.db", table: devices, from: {{upn: owner_upn}}, identifiers: {{device_id: device_id}}}}
        - {{url: "sqlite:///systems/people.db", table: sims, from: {{device_id: device_id}}, identifiers: {{telephone: telephone}}}}
      inbound_profiles: {{table: inbound_profiles, user_id: user_id, upn: upn, display_name: name, home_tenant_id: home_tenant}}

    sources:
      onedrive:
        connector: files
        url: systems/onedrive
        path: "{{folder}}/"
        product: OneDrive
        label: {{category: user.content, purpose: essential.service, retention: as long as the account}}
      profile:
        connector: sql
        url: sqlite:///systems/people.db
        table: people
        match: {{object_id: id}}
        product: Directory
      employees:
        connector: sql
        url: sqlite:///systems/hr.db
        table: employees
        match: {{employee_no: employee_id}}
        key: id
        product: HR
        label: {{category: user.workplace, purpose: employment, retention: 10 years}}
      absences:
        connector: sql
        url: sqlite:///systems/hr.db
        table: absences
        via: {{employees: {{employee_no: employee_no}}}}
        key: id
        product: HR
      reviews:
        connector: sql
        url: sqlite:///systems/hr.db
        table: reviews
        match: {{employee_no: employee_id, reviewer_no: employee_id}}
        key: id
        product: HR
      calls:
        connector: sql
        url: sqlite:///systems/hr.db
        table: calls
        match: {{caller: telephone, called: telephone}}
        key: id
        product: HR
      customers:
        connector: sql
        url: sqlite:///systems/shop.db
        table: customers
        match: {{customer_no: customer_id}}
        key: id
        product: Shop
        label: {{category: user.account, purpose: essential.service, retention: 6 years}}
      orders:
        connector: sql
        url: sqlite:///systems/shop.db
        table: orders
        via: {{customers: {{customer_id: id}}}}
        key: id
        product: Shop
      order_lines:
        connector: sql
        url: sqlite:///systems/shop.db
        table: order_lines
        via: {{orders: {{order_id: id}}}}
        key: id
        product: Shop
      messages:
        connector: sql
        url: sqlite:///systems/shop.db
        table: messages
        match: {{sender: mail, recipient: mail}}
        exclude: [spam_score]
        key: id
        product: Shop
        label: {{category: user.contact, purpose: essential.service, retention: 2 years, recipients: [Mail provider]}}
      activity:
        connector: lake
        url: "systems/activity/**/*.parquet"
        match: {{user_id: upn}}
        time: ts
        product: Activity
        label: {{category: user.behavior, purpose: essential.service, retention: 1 year}}
      device_reports:
        connector: lake
        url: "systems/devices/*.parquet"
        match: {{device_id: device_id}}
        time: reported_at
        product: Activity

  # A second tenant: its people are called like some of Contoso's, and share one lake with them.
  - id: {fabrikam}
    name: Fabrikam
    identity:
      issuers:
        - {{issuer: local, audience: [{audience}]}}
    storage:
      accounts:
        {account}: {{url: {fabrikam_exports}}}
    directory:
      connector: sql
      url: sqlite:///fabrikam/people.db
      table: people
      id: object_id
      upn: upn
      display_name: display_name
      language: preferred_language
      identifiers: {{mail: mail, employee_id: employee_no, customer_id: customer_no, folder: drive_folder}}
    sources:
      onedrive: {{connector: files, url: fabrikam/onedrive, path: "{{folder}}/", product: OneDrive}}
      employees:
        connector: sql
        url: sqlite:///fabrikam/hr.db
        table: employees
        match: {{employee_no: employee_id}}
        key: id
        product: HR
      activity: {{connector: lake, url: "systems/activity/**/*.parquet", match: {{user_id: upn}}, time: ts, product: Activity}}
"""
