"""The `rightful.yaml` that `rightful init` writes: valid as it is, with every other setting in comments, each explained.

In the template `@ CLASS.SETTING` on a line stands for what the setting's docstring says, `@in` for the same of one that is written within
braces, and `@all CLASS` for all of a section's settings with their defaults, in comments.
"""

import json
import re
import textwrap
from collections.abc import Iterator
from functools import cache
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

    lines = [line for written in _TEMPLATE.splitlines() for line in _expanded(written)]
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


_TEMPLATE = """\
# The configuration of Rightful: every setting, those in comments with their default or an example. `rightful doctor` checks it.
# ${NAME} in a value reads the environment; {file: PATH} instead of a text reads a mounted secret. Paths start at this folder.

@ config.server
server:
  @ server.listen
  listen: 127.0.0.1:8443
  @ server.base_url
  # base_url: https://dsr.contoso.example
  @ server.tls
  @in server.tls.cert
  @in server.tls.key
  # `rightful dev-cert tls` makes one for localhost; Graph's clients send their tokens over https only.
  # tls: {cert: tls/cert.pem, key: tls/key.pem}
  @ server.own_address
  # own_address: https://10.0.0.7:8443
  @ server.metrics
  # metrics: 127.0.0.1:9464
  @ server.traces
  # traces: http://127.0.0.1:4318
  @ server.max_connections
  # max_connections: 1000

# Where operations are kept: never personal data, never a secret in the clear.
@ config.store
store: sqlite:///var/rightful.db
# Or in PostgreSQL, where a second service can take over: postgresql://rightful:${PASSWORD}@db.contoso.example/rightful?sslmode=verify-full
@ config.store_folder
# store_folder: var
@ config.engine
# engine: embedded
@ config.dask
# dask:
  @ dask.scheduler
  # scheduler: tls://dask.contoso.example:8786
  @ dask.ca
  # ca: dask/ca.pem
  @ dask.cert
  # cert: dask/cert.pem
  @ dask.key
  # key: dask/key.pem
@ config.seal_key
# Keep a copy: without it, exports that run cannot go on.
seal_key: {file: seal.key}

@ config.audit
audit:
  @ audit.key
  key: {file: audit.key}
  @ audit.earlier_keys
  # earlier_keys: []

@ config.graph
graph:
  @all graph

tenants:
    @ tenant.id
    # This one was made up for you to try things out.
  - id: <tenant_id>
    @ tenant.name
    name: My organization

    @ tenant.identity
    identity:
      @ tenant.identity.issuers
      issuers:
        @in issuer.issuer
        @in issuer.audience
        @in issuer.jwks_uri
        @in issuer.algorithms
        - {issuer: local, audience: ["<audience>"]}
        # Microsoft Entra ID, or any other OpenID Connect provider:
        # - {issuer: "https://login.microsoftonline.com/TENANT-ID/v2.0", audience: ["APPLICATION-ID"]}
        # - {issuer: "https://id.contoso.example", audience: [rightful], jwks_uri: "https://id.contoso.example/keys", algorithms: [ES256]}

    @ tenant.limits
    limits:
      @all limits

    @ tenant.export
    export:
      @all export

    @ tenant.receipts
    receipts:
      @ receipts.key
      key: {file: receipt.key}
      @ receipts.earlier_keys
      # earlier_keys: []

    @ tenant.deadlines
    deadlines:
      @ deadlines.regulation
      # regulation: gdpr
      @ deadlines.time_zone
      # time_zone: Europe/Berlin
      @ deadlines.holidays
      # holidays: [01-01, 05-01, 12-25, 12-26, 2027-03-26, 2027-03-29]
      @ deadlines.warn_days
      # warn_days: 7

    @ tenant.retention
    retention:
      @ retention.operations_days
      operations_days: 760
      @ retention.receipts_days
      receipts_days: 1461
      @ retention.audit_days
      audit_days: 1461

    @ tenant.storage
    storage:
      @ storage.checks
      checks: standard
      @ storage.allow
      allow: ["*.blob.core.windows.net"]
      # Folders and buckets that callers name instead of a SAS URL.
      @ storage.accounts
      @in storage.accounts.NAME.url
      @in storage.accounts.NAME.access
      @in storage.accounts.NAME.access.endpoint
      @in storage.accounts.NAME.access.region
      @in storage.accounts.NAME.access.access_key_id
      @in storage.accounts.NAME.access.secret_access_key
      @in storage.accounts.NAME.access.session_token
      @in storage.accounts.NAME.access.service_account
      @in storage.accounts.NAME.access.ca
      # Or: storage: {accounts: {Bucket: {url: "s3://contoso-exports/dsr", access: {region: eu-central-1, access_key_id: ID}}}}
      # Or: storage: {accounts: {Bucket: {url: "s3://exports", access: {secret_access_key: "${SECRET}", session_token: "${TOKEN}"}}}}
      # Or: storage: {accounts: {Bucket: {url: "s3://exports", access: {endpoint: "https://s3.contoso.example", ca: {file: ca.pem}}}}}
      # Or: storage: {accounts: {Bucket: {url: "gs://contoso-exports/dsr", access: {service_account: {file: exporter.json}}}}}
      accounts:
        LocalExports: {url: <exports>}

    @ tenant.statement
    statement:
      @ statement.contact
      # contact: privacy@contoso.example
      @ statement.officer
      # officer: "Data protection officer, dpo@contoso.example"
      @ statement.authority
      # authority: {en: The supervisory authority of Exampleland, de: Die Aufsichtsbehörde von Exampleland}
      @ statement.laws
      # laws: [gdpr]
      @ statement.label
      # label:
      #   @in statement.label.purpose
      #   purpose: operations
      #   @in statement.label.legal_basis
      #   legal_basis: contract
      #   @in statement.label.retention
      #   retention: as long as the account
      #   @in statement.label.recipients
      #   recipients: []
      #   @in statement.label.recipient_kinds
      #   @in statement.label.recipient_kinds[].kind
      #   @in statement.label.recipient_kinds[].why
      #   recipient_kinds: [{kind: Banks, why: each person has one of their own}]
      #   @in statement.label.origin
      #   origin: [person]
      #   @in statement.label.transfers
      #   @in statement.label.transfers[].to
      #   @in statement.label.transfers[].safeguards
      #   transfers: [{to: Japan, safeguards: adequacy}]
      #   @in statement.label.decisions
      #   @in statement.label.decisions[].what
      #   @in statement.label.decisions[].logic
      #   @in statement.label.decisions[].consequences
      #   decisions: [{what: A limit for purchases on account, logic: unpaid invoices, consequences: else payment is in advance}]

    @ tenant.webhooks
    @in webhook.url
    @in webhook.secret
    @in webhook.events
    # webhooks:
    #   - {url: "https://hooks.contoso.example/rightful", secret: {file: webhook.key}, events: [waiting, completed, failed]}

    # Who your people are: a table or view with a row for each: SQLite, or postgresql:// and mysql://USER:${PASSWORD}@HOST/DATABASE.
    directory:
      connector: sql
      @ directory.url
      url: sqlite:///people.db
      @ directory.table
      table: people
      @ directory.id
      id: object_id
      @ directory.upn
      upn: upn
      @ directory.display_name
      display_name: name
      @ directory.language
      # language: preferred_language
      @ directory.recipient
      # recipient: age_key
      @ directory.identifiers
      # The names on the left are what `match` and `path` of the sources use.
      identifiers:
        mail: mail
        # employee_id: employee_no
      @ directory.more
      @in directory.more[].url
      @in directory.more[].table
      @in directory.more[].from
      @in directory.more[].caseless
      @in directory.more[].identifiers
      # more:
      #   - {url: "sqlite:///devices.db", table: devices, from: {upn: owner_upn}, caseless: [owner_upn], identifiers: {device_id: id}}
      @ directory.limits
      # limits:
      #   @ directory.limits.rounds
      #   rounds: 8
      #   @ directory.limits.identifiers
      #   identifiers: 1000
      #   @ directory.limits.shared_by
      #   shared_by: 2
      @ directory.inbound_profiles
      # inbound_profiles:
      #   @ directory.inbound_profiles.url
      #   url: sqlite:///people.db
      #   @ directory.inbound_profiles.table
      #   table: inbound_profiles
      #   @ directory.inbound_profiles.user_id
      #   user_id: user_id
      #   @ directory.inbound_profiles.upn
      #   upn: upn
      #   @ directory.inbound_profiles.display_name
      #   display_name: display_name
      #   @ directory.inbound_profiles.home_tenant_id
      #   home_tenant_id: home_tenant_id
      #   @ directory.inbound_profiles.identifiers
      #   identifiers: {mail: mail}
    # In files instead, with the same settings but for these:
    @in csv.file
    @in csv.delimiter
    @in csv.more
    @in csv.more[].file
    @in csv.inbound_profiles.file
    # Or: directory: {connector: csv, file: people.csv, delimiter: ";", more: [{file: devices.csv}], inbound_profiles: {file: guests.csv}}
    # In an LDAP server, with attributes in place of columns; some of its settings in each line:
    @in ldap.url
    @in ldap.start_tls
    @in ldap.ca
    @in ldap.bind_dn
    @in ldap.password
    @in ldap.base
    @in ldap.filter
    @in ldap.id
    @in ldap.upn
    @in ldap.display_name
    @in ldap.language
    @in ldap.recipient
    @in ldap.identifiers
    @in ldap.more
    @in ldap.more[].base
    @in ldap.more[].filter
    @in ldap.more[].from
    @in ldap.more[].identifiers
    @in ldap.inbound_profiles.base
    @in ldap.inbound_profiles.filter
    @in ldap.inbound_profiles.user_id
    @in ldap.inbound_profiles.upn
    @in ldap.inbound_profiles.display_name
    @in ldap.inbound_profiles.home_tenant_id
    @in ldap.inbound_profiles.identifiers
    @in ldap.referrals
    @in ldap.timeout_s
    @in ldap.page_size
    # Or: directory: {connector: ldap, url: "ldaps://dc.contoso.example", bind_dn: "CN=reader,DC=contoso", password: "${PASSWORD}"}
    # Or: directory: {base: "DC=contoso", filter: "(objectClass=user)", id: objectGUID, upn: userPrincipalName, identifiers: {mail: mail}}
    # Or: directory: {start_tls: false, ca: {file: ca.pem}, referrals: refuse, timeout_s: 30, page_size: 500}
    # Or: directory: {more: [{base: "DC=contoso", filter: "(objectClass=device)", from: {upn: owner}, identifiers: {device_id: cn}}]}
    # Or: directory: {inbound_profiles: {base: "OU=Guests,DC=contoso", filter: "(cn=*)", user_id: objectGUID, upn: mail}}
    # In a SCIM server, with paths to attributes in place of columns; some of its settings in each line:
    @in scim.url
    @in scim.token
    @in scim.user
    @in scim.password
    @in scim.oauth2
    @in scim.oauth2.token_url
    @in scim.oauth2.client_id
    @in scim.oauth2.client_secret
    @in scim.oauth2.assertion
    @in scim.oauth2.assertion.private_key
    @in scim.oauth2.assertion.certificate
    @in scim.oauth2.assertion.key_id
    @in scim.oauth2.assertion.algorithm
    @in scim.oauth2.assertion.audience
    @in scim.oauth2.scope
    @in scim.oauth2.parameters
    @in scim.oauth2.client_auth
    @in scim.headers
    @in scim.resources
    @in scim.filter
    @in scim.schema
    @in scim.id
    @in scim.upn
    @in scim.display_name
    @in scim.language
    @in scim.recipient
    @in scim.identifiers
    @in scim.more
    @in scim.more[].resources
    @in scim.more[].filter
    @in scim.more[].from
    @in scim.more[].identifiers
    @in scim.inbound_profiles.resources
    @in scim.inbound_profiles.filter
    @in scim.inbound_profiles.user_id
    @in scim.inbound_profiles.upn
    @in scim.inbound_profiles.display_name
    @in scim.inbound_profiles.home_tenant_id
    @in scim.inbound_profiles.identifiers
    @in scim.find_by
    @in scim.list_age_s
    @in scim.ask_by
    @in scim.at_once
    @in scim.ids
    @in scim.selects
    @in scim.page_size
    @in scim.requests_per_second
    @in scim.timeout_s
    @in scim.answer_mib
    # Or: directory: {connector: scim, url: "https://idp.contoso.example/scim/v2", token: "${SCIM_TOKEN}", headers: {}, page_size: 100}
    # Or: directory: {user: reader, password: "${PASSWORD}", schema: urn:ietf:params:scim:schemas:core:2.0:User}
    # Or: directory: {oauth2: {token_url: "https://login.contoso.example/token", client_id: rightful, client_secret: "${SECRET}"}}
    # Or: directory: {oauth2: {assertion: {private_key: "", certificate: "", key_id: "", algorithm: PS256, audience: ""}}}
    # Or: directory: {oauth2: {scope: read, parameters: {audience: idp}, client_auth: body}, display_name: displayName, language: locale}
    # Or: directory: {resources: /Users, filter: 'userType eq "Employee"', id: id, upn: userName, identifiers: {mail: emails.value}}
    # Or: directory: {find_by: filter, list_age_s: 60}
    # Or: directory: {ask_by: get, at_once: 20, ids: filter, selects: true, requests_per_second: 10, timeout_s: 30, answer_mib: 16}
    # Or: directory: {more: [{resources: /Devices, filter: "active eq true", from: {upn: owner.value}, identifiers: {device_id: id}}]}
    # Or: directory: {inbound_profiles: {resources: /Users, filter: 'userType eq "Guest"', user_id: id, upn: userName}}

    # Where their data lies. Each name becomes a folder of the package, below its product.
    sources:
      # A folder for each person.
      files:
        @ source.connector
        connector: files
        @ files.url
        url: <files>
        @ files.path
        path: "{upn}/"
        @ files.include
        # include: ["*.pdf", "Documents/**"]
        @ files.exclude
        # exclude: [Trash]
        @ files.allow_empty
        # allow_empty: false
        @ source.product
        product: Files
        @ source.on_unreadable_item
        # on_unreadable_item: record
        # label: {category: user.content, purpose: essential.service, retention: 2 years, recipients: [], origin: [person]}

      # The same in an object store.
      # archive:
      #   connector: files
      #   url: az://contosoarchive/homes
      #   path: "{upn}/"
      #   @ files.access
      #   access:
      #     @ files.access.account_key
      #     account_key: ${PASSWORD}
      #     @ files.access.endpoint
      #     endpoint: https://contosoarchive.blob.core.windows.net
      #     @ files.access.ca
      #     ca: ""
      # scans:
      #   connector: files
      #   url: s3://contoso-scans/people
      #   path: "{employee_id}/"
      #   access:
      #     @ files.access.region
      #     region: us-east-1
      #     @ files.access.access_key_id
      #     access_key_id: scans-reader
      #     @ files.access.secret_access_key
      #     secret_access_key: ${PASSWORD}
      #     @ files.access.session_token
      #     session_token: ""
      # cloud:
      #   connector: files
      #   url: https://cloud.contoso.example/dav/homes
      #   path: "{upn}/"
      #   access:
      #     @ files.access.user
      #     user: reader
      #     @ files.access.password
      #     password: ${PASSWORD}
      # papers:
      #   connector: files
      #   url: https://papers.contoso.example/dav
      #   path: "{upn}/"
      #   access:
      #     @ files.access.token
      #     token: ${PASSWORD}
      # share:
      #   connector: files
      #   url: sftp://files.contoso.example/srv/homes
      #   path: "{upn}/"
      #   access:
      #     user: reader
      #     @ files.access.private_key
      #     private_key: ${PASSWORD}
      #     @ files.access.known_hosts
      #     known_hosts: files.contoso.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIm0dGvbmN1QuPzrIZ/zG9FP+vxEjVXzCyUU/cvnFTuK
      # outpost:
      #   connector: files
      #   url: sftp://outpost.contoso.example:2222/homes
      #   path: "{upn}/"
      #   access:
      #     user: reader
      #     password: ${PASSWORD}
      #     @ files.access.fingerprint
      #     fingerprint: SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU

      # Mail: a mailbox for each person.
      # mail:
      #   connector: mailbox
      #   @ mailbox.url
      #   url: file:///var/mail
      #   @ mailbox.path
      #   path: "{upn}"
      #   @ mailbox.format
      #   format: mbox
      #   @ mailbox.unquote
      #   unquote: none
      #   @ mailbox.include
      #   include: [INBOX, Sent, "Archive/**"]
      #   @ mailbox.exclude
      #   exclude: [Trash]
      #   @ mailbox.messages
      #   messages: true
      #   @ mailbox.allow_empty
      #   allow_empty: false
      #   product: Mail

      # Mail on an IMAP server, opened for each person.
      # letters:
      #   connector: mailbox
      #   url: imaps://imap.contoso.example
      #   @ mailbox.user
      #   user: "{mail}"
      #   @ mailbox.login
      #   login: rightful
      #   @ mailbox.password
      #   password: ${PASSWORD}
      #   @ mailbox.probe
      #   probe: postmaster@contoso.example
      #   @ mailbox.absent
      #   absent: record
      #   @ mailbox.timeout_s
      #   timeout_s: 120

      # The same, with a token, and an authority of your own.
      # hosted_letters:
      #   connector: mailbox
      #   url: imap://localhost
      #   user: "{mail}"
      #   @ mailbox.starttls
      #   starttls: true
      #   @ mailbox.ca
      #   ca: ""
      #   @ mailbox.oauth2
      #   oauth2:
      #     @ mailbox.oauth2.token_url
      #     token_url: https://login.contoso.example/oauth2/token
      #     @ mailbox.oauth2.client_id
      #     client_id: rightful
      #     @ mailbox.oauth2.client_secret
      #     client_secret: ${PASSWORD}
      #     @ mailbox.oauth2.assertion
      #     assertion:
      #       @ mailbox.oauth2.assertion.private_key
      #       private_key: ""
      #       @ mailbox.oauth2.assertion.certificate
      #       certificate: ""
      #       @ mailbox.oauth2.assertion.key_id
      #       key_id: ""
      #       @ mailbox.oauth2.assertion.algorithm
      #       algorithm: PS256
      #       @ mailbox.oauth2.assertion.audience
      #       audience: ""
      #     @ mailbox.oauth2.scope
      #     scope: https://mail.contoso.example/.default
      #     @ mailbox.oauth2.parameters
      #     parameters: {}
      #     @ mailbox.oauth2.client_auth
      #     client_auth: body

      # Tables of one database; `via` follows a join to the table that knows the person.
      # orders:
      #   connector: sql
      #   @ sql.url
      #   url: postgresql://USER:${PASSWORD}@HOST/shop
      #   @ sql.table
      #   table: orders
      #   @ sql.match
      #   match: {customer_mail: mail}
      #   @ sql.caseless
      #   caseless: [customer_mail]
      #   @ sql.key
      #   key: id
      #   @ sql.timeout_s
      #   timeout_s: 3600
      #   @ sql.exclude
      #   exclude: [risk_score]
      #   @ source.identifiers
      #   identifiers: {customer_id: customer_no}
      #   @ source.label
      #   label:
      #     @ source.label.category
      #     category: user.behavior.purchase_history
      #     @ source.label.columns
      #     columns: {ship_to: user.contact.address}
      #     @ source.label.titles
      #     titles: {ship_to: {en: Where it was sent, de: Wohin es geschickt wurde}}
      #     @ source.label.time
      #     time: ordered_at
      #     @ source.label.values
      #     values: {status: {1: open, 2: {en: paid, de: bezahlt}}}
      #     @ source.label.left_out
      #     left_out: {risk_score: trade_secrets}
      #     @ source.label.purpose
      #     purpose: [essential.service, finance]
      #     @ source.label.legal_basis
      #     legal_basis: contract
      #     @ source.label.retention
      #     retention: 10 years
      #     @ source.label.recipients
      #     recipients: [Example Parcels Ltd, {en: Tax office of Exampletown, de: Finanzamt Exampletown}]
      #     @ source.label.recipient_kinds
      #     recipient_kinds:
      #       @ source.label.recipient_kinds[].kind
      #       @ source.label.recipient_kinds[].why
      #       - {kind: Parcel services, why: which one it was is not recorded}
      #     @ source.label.origin
      #     origin: [person, observed]
      #     @ source.label.transfers
      #     transfers:
      #       @ source.label.transfers[].to
      #       @ source.label.transfers[].safeguards
      #       - {to: Japan, safeguards: adequacy}
      #     @ source.label.decisions
      #     decisions:
      #       @ source.label.decisions[].what
      #       @ source.label.decisions[].logic
      #       @ source.label.decisions[].consequences
      #       - {what: Purchase on account, logic: unpaid invoices of the last year, consequences: else payment is in advance}
      #   @ source.redact
      #   redact: {gift_recipient: others, remarks: mails_and_phones}
      #   @ source.third_parties
      #   third_parties: [packed_by]
      #   @ sql.time
      #   time: ordered_at
      #   @ sql.window
      #   window:
      #     @ sql.window.since
      #     since: 2024-01-01
      #     @ sql.window.until
      #     until: 2026-01-01
      #     @ sql.window.days
      #     days: 0
      #   product: Shop
      # order_lines:
      #   connector: sql
      #   url: postgresql://USER:${PASSWORD}@HOST/shop
      #   table: order_lines
      #   @ sql.via
      #   via: {orders: {order_id: id}}
      #   key: id
      #   identifiers: {parcel: parcel_no}
      #   product: Shop

      # A JSON API, asked for one person after the other.
      # tickets:
      #   connector: http
      #   @ http.url
      #   url: https://desk.contoso.example
      #   @ http.path
      #   path: /v1/tickets?requester={mail}
      #   @ http.match
      #   match: {/requester/mail: mail}
      #   @ http.records
      #   records: /tickets
      #   @ http.next
      #   next: /links/next
      #   @ http.cursor
      #   cursor: {}
      #   @ http.page
      #   page: ""
      #   @ http.first_page
      #   first_page: 1
      #   @ http.count_path
      #   count_path: /v1/tickets/count?requester={mail}
      #   @ http.count
      #   count: /total
      #   @ http.token
      #   token: ${PASSWORD}
      #   @ http.user
      #   user: ""
      #   @ http.password
      #   password: ""
      #   @ http.headers
      #   headers: {}
      #   @ http.check_path
      #   check_path: /v1/status
      #   @ http.requests_per_second
      #   requests_per_second: 10
      #   @ http.timeout_s
      #   timeout_s: 60
      #   @ http.answer_mib
      #   answer_mib: 16
      #   @ http.traceparent
      #   traceparent: false

      # The files that its records lead to.
      # attachments:
      #   connector: http
      #   url: https://desk.contoso.example
      #   path: /v1/attachments?requester={mail}
      #   match: {/requester/mail: mail}
      #   records: /attachments
      #   @ http.content
      #   content:
      #     @ http.content.address
      #     address: /content_url
      #     @ http.content.name
      #     name: [/ticket, /id, /filename]
      #     @ http.content.size
      #     size: /size
      #     @ http.content.changed
      #     changed: /updated_at
      #     @ http.content.where
      #     where: /content_url
      #     @ http.content.hosts
      #     hosts: [https://files.contoso.example]

      # The same, with a token that is fetched.
      # visits:
      #   connector: http
      #   url: https://crm.contoso.example
      #   path: /v2/visits?visitor={mail}
      #   match: {/visitor: mail}
      #   @ http.oauth2
      #   oauth2:
      #     @ http.oauth2.token_url
      #     token_url: https://login.contoso.example/oauth2/token
      #     @ http.oauth2.client_id
      #     client_id: rightful
      #     @ http.oauth2.client_secret
      #     client_secret: ${PASSWORD}
      #     @ http.oauth2.assertion
      #     assertion:
      #       @ http.oauth2.assertion.private_key
      #       private_key: ""
      #       @ http.oauth2.assertion.certificate
      #       certificate: ""
      #       @ http.oauth2.assertion.key_id
      #       key_id: ""
      #       @ http.oauth2.assertion.algorithm
      #       algorithm: PS256
      #       @ http.oauth2.assertion.audience
      #       audience: ""
      #     @ http.oauth2.scope
      #     scope: tickets.read
      #     @ http.oauth2.parameters
      #     parameters: {}
      #     @ http.oauth2.client_auth
      #     client_auth: body

      # Microsoft 365: a source for each of `profile`, `drive`, `mail` and `calendar`.
      # microsoft_onedrive:
      #   connector: msgraph
      #   @ msgraph.what
      #   what: drive
      #   @ msgraph.tenant_id
      #   tenant_id: TENANT-ID
      #   @ msgraph.client_id
      #   client_id: APPLICATION-ID
      #   @ msgraph.client_secret
      #   client_secret: ${PASSWORD}
      #   @ msgraph.certificate
      #   certificate: ""
      #   @ msgraph.private_key
      #   private_key: ""
      #   @ msgraph.user
      #   user: upn
      #   @ msgraph.url
      #   url: https://graph.microsoft.com
      #   @ msgraph.login_url
      #   login_url: https://login.microsoftonline.com
      #   @ msgraph.content_hosts
      #   content_hosts: [https://contoso-my.sharepoint.com]
      #   @ msgraph.requests_per_second
      #   requests_per_second: 10
      #   @ msgraph.timeout_s
      #   timeout_s: 60
      #   product: OneDrive

      # Parquet, CSV or JSON lines files of everybody, searched for many people at once.
      # activity:
      #   connector: lake
      #   @ lake.url
      #   url: "activity/**/*.parquet"
      #   @ lake.match
      #   match: {user_id: upn}
      #   @ lake.format
      #   format: parquet
      #   @ lake.types
      #   types: {}
      #   @ lake.csv
      #   csv:
      #     @ lake.csv.delimiter
      #     delimiter: ","
      #     @ lake.csv.quote
      #     quote: true
      #     @ lake.csv.encoding
      #     encoding: utf-8
      #     @ lake.csv.columns
      #     columns: []
      #   @ lake.exclude
      #   exclude: [session]
      #   @ lake.time
      #   time: ts
      #   @ lake.window
      #   window:
      #     @ lake.window.since
      #     since: 2020-01-01
      #     @ lake.window.until
      #     until: ""
      #     @ lake.window.days
      #     days: 0
      #   @ lake.access
      #   access: {}
      #   @ lake.allow_empty
      #   allow_empty: false
      #   @ lake.partition_mib
      #   partition_mib: 1024
      #   product: Activity
      # reports:
      #   connector: lake
      #   url: "az://contosolake/reports/**/*.parquet"
      #   match: {user_id: upn}
      #   access:
      #     @ lake.access.account_key
      #     account_key: ${PASSWORD}
      #     @ lake.access.endpoint
      #     endpoint: https://contosolake.blob.core.windows.net
      #   product: Activity
      # clicks:
      #   connector: lake
      #   url: "s3://contoso-clicks/**/*.jsonl.gz"
      #   format: jsonl
      #   match: {user_id: upn}
      #   access:
      #     @ lake.access.region
      #     region: us-east-1
      #     @ lake.access.access_key_id
      #     access_key_id: clicks-reader
      #     @ lake.access.secret_access_key
      #     secret_access_key: ${PASSWORD}
      #     @ lake.access.session_token
      #     session_token: ""
      #     @ lake.access.ca
      #     ca: ""
      #   product: Activity
      # purchases:
      #   connector: lake
      #   url: s3://contoso-lake/gold/purchases
      #   format: iceberg
      #   @ lake.iceberg
      #   iceberg:
      #     @ lake.iceberg.catalog
      #     catalog: postgresql+psycopg://reader:${PASSWORD}@db.contoso.example/catalog
      #     @ lake.iceberg.name
      #     name: main
      #     @ lake.iceberg.table
      #     table: gold.purchases
      #     @ lake.iceberg.metadata
      #     metadata: ""
      #   match: {customer_mail: mail}
      #   product: Shop
"""
