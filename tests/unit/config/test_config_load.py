"""`rightful.yaml` is read whole, and every problem is told with its line and what to write instead."""

from pathlib import Path

import pytest
from tests.unit.config.examples import SEAL_KEY, WHOLE, problems_of, read

from rightful.config.load import load
from rightful.config.problem import ConfigurationProblems
from rightful.connectors.sql_settings import SqlSettings
from rightful.errors import ConfigurationError
from rightful.ids import PERSONAL_ACCOUNTS

LINES = WHOLE.splitlines()


def line_of(part: str) -> int:
    return next(number for number, line in enumerate(LINES, 1) if part in line)


def test_design_example_gives_every_value(tmp_path: Path) -> None:
    config = read(tmp_path, WHOLE)
    tenant = config.tenants[0]
    assert config.folder == tmp_path
    assert config.seal_key == bytes.fromhex(SEAL_KEY)
    assert config.server.tls is not None
    assert config.server.tls.cert == "c.pem"
    assert [issuer.issuer for issuer in tenant.identity.issuers][1] == "local"
    assert tenant.storage.accounts["LocalExports"].url == "file:///var/exports"
    assert [(source.name, source.connector, source.product) for source in tenant.sources] == [
        ("onedrive", "files", "OneDrive"),
        ("activity", "lake", "Activity"),
        ("orders", "sql", "Shop"),
        ("lines", "sql", "lines"),
        ("messages", "sql", "messages"),
    ]
    lines, messages = tenant.source("lines"), tenant.source("messages")
    assert lines is not None
    assert isinstance(lines.settings, SqlSettings)
    assert lines.settings.via == {"orders": {"order_id": "id"}}
    assert messages is not None
    assert messages.label is not None
    assert messages.label.retention == "2 years"


def test_least_file_takes_the_defaults(tmp_path: Path) -> None:
    start = WHOLE.index("    limits:")
    end = WHOLE.index("    directory:")
    text = f"seal_key: {SEAL_KEY}\nserver:\ngraph: ~\n" + WHOLE[WHOLE.index("tenants:") : start] + WHOLE[end:]
    config = read(tmp_path, text)
    assert config.server.listen == "127.0.0.1:8443"
    assert config.tenants[0].export.part_mib == 16
    assert config.tenants[0].storage.allow == ("*.blob.core.windows.net",)


CHANGES = {
    "range": ("part_mib: 16", "part_mib: 65", "tenants[0].export.part_mib", "from 1 to 64"),
    "not a number": ("part_mib: 16", "part_mib: 16 MiB", "tenants[0].export.part_mib", "whole number"),
    "huge number": ("queued: 100000", "queued: " + "9" * 5000, "tenants[0].limits.queued", "whole number"),
    "zero": ("queued: 100000", "queued: 0", "tenants[0].limits.queued", "at least 1"),
    "choice": ("leak_check: sample", "leak_check: smaple", "tenants[0].export.leak_check", "did you mean 'sample'?"),
    "kind of leaks": ("leak_check: sample", "leak_kinds: [upn, maill]", "tenants[0].export.leak_kinds[1]", "did you mean 'mail'?"),
    "yes": ("user_read_all_exports: false", "user_read_all_exports: yes", "graph.user_read_all_exports", "write true"),
    "number choice": ("beta_submit_status: 202", "beta_submit_status: 201", "graph.beta_submit_status", "one of 200, 202"),
    "unknown key": ("checks: standard", "chekcs: standard", "tenants[0].storage", "did you mean 'checks'?"),
    "unknown top key": ("engine: embedded", "engin: embedded", "", "did you mean 'engine'?"),
    "folder is no setting": ("engine: embedded", "folder: /tmp", "", "not a setting"),
    "unknown source key": ("exclude: [spam_score]", "exclud: [spam_score]", "tenants[0].sources.messages", "did you mean 'exclude'?"),
    "redaction": (
        "exclude: [spam_score]",
        "redact: {recipient: otehrs}",
        "tenants[0].sources.messages.redact.recipient",
        "did you mean 'others'?",
    ),
    "redaction of files": (
        "connector: files, ",
        "connector: files, redact: {a: drop}, ",
        "tenants[0].sources.onedrive.redact",
        "this connector reads files",
    ),
    "redaction of what is excluded": (
        "exclude: [spam_score]",
        "redact: {spam_score: drop}\n        exclude: [spam_score]",
        "tenants[0].sources.messages.redact.spam_score",
        "in `exclude` too",
    ),
    "category": (
        "category: user.contact",
        "category: user.contcat",
        "tenants[0].sources.messages.label.category",
        "did you mean 'user.contact'?",
    ),
    "category that is a use": (
        "category: user.contact",
        "category: finance",
        "tenants[0].sources.messages.label.category",
        "no key of the taxonomy",
    ),
    "key of earlier versions": ("category: user.contact", "category: user.workplace", None, None),
    "purpose": ("purpose: essential.service", "purpose: [finance, fun]", "tenants[0].sources.messages.label.purpose[1]", "labels.md"),
    "empty purpose": (
        "purpose: essential.service",
        'purpose: [""]',
        "tenants[0].sources.messages.label.purpose[0]",
        "no key of the taxonomy",
    ),
    "legal basis": (
        "purpose: essential.service",
        "legal_basis: consnet",
        "tenants[0].sources.messages.label.legal_basis",
        "did you mean 'consent'?",
    ),
    "category of a column": (
        "purpose: essential.service",
        "columns: {sender: user.contact.male}",
        "tenants[0].sources.messages.label.columns.sender",
        "did you mean 'user.contact.",
    ),
    "category of a column that is excluded": (
        "purpose: essential.service",
        "columns: {spam_score: user}",
        "tenants[0].sources.messages.label.columns.spam_score",
        "is in `exclude`",
    ),
    "categories of columns of files": (
        "connector: files, ",
        "connector: files, label: {columns: {a: user}}, ",
        "tenants[0].sources.onedrive.label.columns",
        "this connector reads files",
    ),
    "time of files": (
        "connector: files, ",
        "connector: files, label: {time: at}, ",
        "tenants[0].sources.onedrive.label.time",
        "this connector reads files",
    ),
    "time that is excluded": (
        "purpose: essential.service",
        "time: spam_score",
        "tenants[0].sources.messages.label.time",
        "is in `exclude`",
    ),
    "retention by language": ("retention: 2 years", "retention: {en: 2 years, de: 2 Jahre}", None, None),
    "unknown language": (
        "retention: 2 years",
        "retention: {nl: 2 jaar}",
        "tenants[0].sources.messages.label.retention.nl",
        "write one of de, en",
    ),
    "no language": ("retention: 2 years", "retention: {}", "tenants[0].sources.messages.label.retention", "names no language"),
    "empty in a language": ("retention: 2 years", 'retention: {de: " "}', "tenants[0].sources.messages.label.retention.de", "is empty"),
    "kind of recipients without a reason": (
        "recipients: [Mail provider]",
        "recipient_kinds: [{kind: Banks}]",
        "tenants[0].sources.messages.label.recipient_kinds[0]",
        "why",
    ),
    "empty reason": (
        "recipients: [Mail provider]",
        "left_out: {spam_score: ''}",
        "tenants[0].sources.messages.label.left_out.spam_score",
        "is empty",
    ),
    "reason for what is not left out": (
        "recipients: [Mail provider]",
        "left_out: {body: security}",
        "tenants[0].sources.messages.label.left_out.body",
        "left out by nothing",
    ),
    "empty recipient": ("[Mail provider]", '[Mail provider, ""]', "tenants[0].sources.messages.label.recipients[1]", "is empty"),
    "transfer to nowhere": (
        "purpose: essential.service",
        "transfers: [{safeguards: adequacy}]",
        "tenants[0].sources.messages.label.transfers[0]",
        "'to' is missing",
    ),
    "empty decision": (
        "purpose: essential.service",
        'decisions: [{what: ""}]',
        "tenants[0].sources.messages.label.decisions[0].what",
        "is empty",
    ),
    "statement": (
        "    directory:",
        "    statement: {contact: {en: us, de: wir}, laws: [ccpa, gdpr], label: {recipients: [], transfers: [{to: Japan}]}}\n    directory:",
        None,
        None,
    ),
    "law": ("    directory:", "    statement: {laws: [gdrp]}\n    directory:", "tenants[0].statement.laws[0]", "did you mean 'gdpr'?"),
    "law twice": (
        "    directory:",
        "    statement: {laws: [gdpr, gdpr]}\n    directory:",
        "tenants[0].statement.laws",
        "names a law twice",
    ),
    "contact in an unknown language": (
        "    directory:",
        "    statement: {contact: {xx: us}}\n    directory:",
        "tenants[0].statement.contact.xx",
        "write one of",
    ),
    "common label with a category": (
        "    directory:",
        "    statement: {label: {category: user}}\n    directory:",
        "tenants[0].statement.label",
        "'category' is not a setting here",
    ),
    "common label": (
        "    directory:",
        "    statement: {label: {purpose: fun}}\n    directory:",
        "tenants[0].statement.label.purpose",
        "no key of the taxonomy",
    ),
    "missing key": ("url: postgresql://reader:hunter2@db/shop\n        table", "table", "tenants[0].sources.messages", "'url' is missing"),
    "null": ("name: Contoso", "name:", "tenants[0].name", "is empty"),
    "list for text": ("name: Contoso", "name: [Contoso]", "tenants[0].name", "not a list"),
    "text for list": ("formats: [jsonl]", "formats: jsonl", "tenants[0].export.formats", "[ ]"),
    "text for section": ("graph: {beta_submit_status: 202, user_read_all_exports: false}", "graph: 202", "graph", "section"),
    "section for text": ("name: Contoso", "name: {a: b}", "tenants[0].name", "{file: PATH}"),
    "control character": ("name: Contoso", r'name: "Con\ntoso\x07"', "tenants[0].name", "control character"),
    "surrogate": ("name: Contoso", r'name: "\uD800"', "tenants[0].name", "surrogate"),
    "listen without port": ("listen: 127.0.0.1:8443", "listen: 127.0.0.1", "server.listen", "ADDRESS:PORT"),
    "listen on a name": ("listen: 127.0.0.1:8443", "listen: 127.evil.example:8443", "server.listen", "IP address"),
    "listen without address": ("listen: 127.0.0.1:8443", "listen: ':8443'", "server.listen", "0.0.0.0"),
    "port too high": ("listen: 127.0.0.1:8443", "listen: 127.0.0.1:70000", "server.listen", "ADDRESS:PORT"),
    "metrics on a name": ("listen: 127.0.0.1:8443", 'listen: 127.0.0.1:8443, metrics: "localhost:9464"', "server.metrics", "IP address"),
    "metrics without port": ("listen: 127.0.0.1:8443", "listen: 127.0.0.1:8443, metrics: 127.0.0.1", "server.metrics", "IP address"),
    "traces without scheme": ("listen: 127.0.0.1:8443", 'listen: 127.0.0.1:8443, traces: "127.0.0.1:4318"', "server.traces", "http://HOST"),
    "traces with a password": (
        "listen: 127.0.0.1:8443",
        'listen: 127.0.0.1:8443, traces: "https://a:b@traces.example"',
        "server.traces",
        "https://HOST",
    ),
    "traces": ("listen: 127.0.0.1:8443", 'listen: 127.0.0.1:8443, traces: "https://traces.example/otlp"', None, None),
    "metrics": ("listen: 127.0.0.1:8443", 'listen: 127.0.0.1:8443, metrics: "[::1]:9464"', None, None),
    "no tls": (", tls: {cert: c.pem, key: k.pem}", "", None, None),
    "base url": ("https://dsr.contoso.example", "dsr.contoso.example", "server.base_url", "http(s)"),
    "base url with slash": ("https://dsr.contoso.example", "https://dsr.contoso.example/", "server.base_url", "slash"),
    "own address": ("https://dsr.contoso.example", 'https://dsr.contoso.example, own_address: "https://10.0.0.7:8443"', None, None),
    "own address with a path": (
        "https://dsr.contoso.example",
        'https://dsr.contoso.example, own_address: "https://10.0.0.7/x"',
        "server.own_address",
        "https://10.0.0.7:8443",
    ),
    "own address in the clear": (
        "https://dsr.contoso.example",
        'https://dsr.contoso.example, own_address: "http://10.0.0.7:8443"',
        "server.own_address",
        "https://HOST:PORT",
    ),
    "store": ("sqlite:///var/rightful.db", "mysql://u:hunter2@h/db", "store", "sqlite:///var/rightful.db"),
    "store without a host": ("sqlite:///var/rightful.db", "postgresql://u:hunter2@/db", "store", "postgresql://USER"),
    "store without a database": ("sqlite:///var/rightful.db", "postgresql://u:hunter2@h/", "store", "postgresql://USER"),
    "store with a port that is none": ("sqlite:///var/rightful.db", "postgresql://u:hunter2@h:x/db", "store", "postgresql://USER"),
    "store in memory": ("sqlite:///var/rightful.db", '"sqlite:///:memory:"', "store", "SQLite file"),
    "seal key": (SEAL_KEY, SEAL_KEY[:-1], "seal_key", "64 hex digits"),
    "no seal key": (f'seal_key: "{SEAL_KEY}"\n', "", "seal_key", "rightful init"),
    "no guid": ("- id: 1", "- id: x", "tenants[0].id", "GUID"),
    "personal accounts": (
        "- id: 11111111-1111-1111-1111-111111111111",
        f"- id: {PERSONAL_ACCOUNTS}",
        "tenants[0].id",
        "personal",
    ),  # GRAPH-72
    "issuer over http": (
        "https://login.microsoftonline.com/",
        "http://login.microsoftonline.com/",
        "tenants[0].identity.issuers[0].issuer",
        "https",
    ),
    "issuer of another directory": (
        "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0",
        "https://login.microsoftonline.com/22222222-2222-2222-2222-222222222222/v2.0",
        "tenants[0].identity.issuers[0].issuer",
        "another directory",
    ),
    "issuer of no directory": (
        "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0",
        "https://login.microsoftonline.com/common/v2.0",
        "tenants[0].identity.issuers[0].issuer",
        "another directory",
    ),
    "no audience": (
        "issuer: local, audience: [api://rightful]",
        "issuer: local, audience: []",
        "tenants[0].identity.issuers[1].audience",
        "at least one",
    ),
    "algorithm that is none": (
        "issuer: local, audience: [api://rightful]",
        "issuer: local, audience: [api://rightful], algorithms: [RS256, HS256]",
        "tenants[0].identity.issuers[1].algorithms[1]",
        "RS256",
    ),
    "no algorithm": (
        'jwks_uri: "https://login.example/keys"',
        "algorithms: []",
        "tenants[0].identity.issuers[0].algorithms",
        "at least 1",
    ),
    "algorithm of the built-in issuer": (
        "issuer: local, audience: [api://rightful]",
        "issuer: local, audience: [api://rightful], algorithms: [ES256]",
        "tenants[0].identity.issuers[1].algorithms",
        "signs with RS256",
    ),
    "allow everything": ('"*.blob.core.windows.net"', '"*"', "tenants[0].storage.allow[0]", "host"),
    "allow a scheme": ('"*.blob.core.windows.net"', '"https://a.blob.core.windows.net"', "tenants[0].storage.allow[0]", "HOST:PORT"),
    "allow a folder": ('"*.blob.core.windows.net"', '"a.blob.core.windows.net/exports/x/y"', "tenants[0].storage.allow[0]", "/CONTAINER"),
    "allow an emulator's container": ("127.0.0.1:10000", "127.0.0.1:10000/exports", "tenants[0].storage.allow[1]", "ACCOUNT"),
    "allow an address": ("127.0.0.1:10000", "127.0.0.9", "tenants[0].storage.allow[1]", "port"),
    "relative account": ("file:///var/exports", "file:exports", "tenants[0].storage.accounts.LocalExports.url", "absolute"),
    "account on a host": ("file:///var/exports", "file://host/exports", "tenants[0].storage.accounts.LocalExports.url", "absolute"),
    "account of another scheme": ("file:///var/exports", "ftp://host/exports", "tenants[0].storage.accounts.LocalExports.url", "neither"),
    "bucket without a name": ("file:///var/exports", "s3:///exports", "tenants[0].storage.accounts.LocalExports.url", "names no bucket"),
    "bucket with a query": ("file:///var/exports", "gs://exports/a?b=c", "tenants[0].storage.accounts.LocalExports.url", "query"),
    "bucket that leaves its place": ("file:///var/exports", "s3://exports/a/%2e%2e", "tenants[0].storage.accounts.LocalExports.url", ".."),
    "access of a folder": (
        'url: "file:///var/exports"',
        'url: "file:///var/exports", access: {region: here}',
        "tenants[0].storage.accounts.LocalExports.access",
        "not used",
    ),
    "access of another store": (
        'url: "file:///var/exports"',
        'url: "gs://exports", access: {region: here}',
        "tenants[0].storage.accounts.LocalExports.access.region",
        "not used",
    ),
    "bucket over plain http": (
        'url: "file:///var/exports"',
        'url: "s3://exports", access: {endpoint: "http://s3.contoso.example"}',
        "tenants[0].storage.accounts.LocalExports.access.endpoint",
        "no https",
    ),
    "half a key": (
        'url: "file:///var/exports"',
        'url: "s3://exports", access: {access_key_id: reader}',
        "tenants[0].storage.accounts.LocalExports.access.secret_access_key",
        "belong together",
    ),
    "key that is none": (
        'url: "file:///var/exports"',
        'url: "gs://exports", access: {service_account: "-----BEGIN"}',
        "tenants[0].storage.accounts.LocalExports.access.service_account",
        "no JSON",
    ),
    "account name": ("LocalExports:", "Local/Exports:", None, "account name"),
    "unknown kind": ("customer_mail: mail", "customer_mail: mial", "tenants[0].sources.orders.match.customer_mail", "did you mean 'mail'?"),
    "unknown kind in path": ('"{upn}/"', '"{upm}/"', "tenants[0].sources.onedrive.path", "did you mean 'upn'?"),
    "same folder for all": ('"{upn}/"', '"people/"', "tenants[0].sources.onedrive.path", "same folder for everybody"),
    "unknown kind in from": ("from: {upn:", "from: {badge:", "tenants[0].directory.more[0].from.badge", "no identifier 'badge'"),
    "via nowhere": ("via: {orders:", "via: {order:", "tenants[0].sources.lines.via.order", "did you mean 'orders'?"),
    "via across databases": (
        'lines:     {connector: sql, url: "postgresql://reader:hunter2@db/shop"',
        'lines:     {connector: sql, url: "postgresql://reader:hunter2@db/other"',
        "tenants[0].sources.lines.via.orders",
        "directory.more",
    ),
    "via itself": ("via: {orders:", "via: {lines:", "tenants[0].sources.lines.via", "leads back"),
    "neither match nor via": ("match: {customer_mail: mail}, ", "", "tenants[0].sources.orders", "whose a row is"),
    "match and via": ("via: {orders:", "match: {mail: mail}, via: {orders:", None, None),
    "two ways": ("via: {orders: {order_id: id}}", "via: {orders: {order_id: id}, messages: {message_id: id}}", None, None),
    "one database in two spellings": (
        'lines:     {connector: sql, url: "postgresql://',
        'lines:     {connector: sql, url: "postgres://',
        None,
        None,
    ),
    "via a source of another kind": ("via: {orders:", "via: {activity:", "tenants[0].sources.lines.via.activity", "connector sql"),
    "via without columns": ("{orders: {order_id: id}}", "{orders: {}}", "tenants[0].sources.lines.via.orders", "which columns"),
    "unknown connector": ("connector: lake", "connector: laek", "tenants[0].sources.activity.connector", "installed: files"),
    "broken connector": ("connector: lake", "connector: broken", "tenants[0].sources.activity.connector", "cannot be loaded (ImportError)"),
    "no connector": ("connector: lake, ", "", "tenants[0].sources.activity", "'connector' is missing"),
    "source name": ("      lines: ", "      li nes: ", "tenants[0].sources.li nes", "no name for a source"),
    "reserved source name": ("      lines: ", "      directory: ", "tenants[0].sources.directory", "choose another"),
    "names too alike": ("      lines: ", "      ORDERS: ", "tenants[0].sources.ORDERS", "upper and lower case"),
    "sqlite url": ("url: sqlite:///people.db", "url: people.db", "tenants[0].directory.url", "sqlite:///"),
    "other database of more": (
        "sqlite:///devices.db",
        "hunter2.db",
        "tenants[0].directory.more[0].url",
        "sqlite:///",
    ),
    "sql url": (
        "url: postgresql://reader:hunter2@db/shop",
        "url: orakle://reader:hunter2@db/shop",
        "tenants[0].sources.messages.url",
        "postgresql://",
    ),
    "lake without files": (
        'lake, url: "file:///srv/activity/**/*.parquet',
        'lake, url: "file:///',
        "tenants[0].sources.activity.url",
        "names no file",
    ),
    "lake without match": ("match: {user_id: upn, device: device_id}", "match: {}", "tenants[0].sources.activity.match", "whose a row is"),
    "lake in no parts": (
        "product: Activity",
        "product: Activity, partition_mib: 0",
        "tenants[0].sources.activity.partition_mib",
        "at least 1",
    ),
    "form twice": ("formats: [jsonl]", "formats: [jsonl, csv, jsonl]", "tenants[0].export.formats", "write each once"),
    "language that there is none of": ("formats: [jsonl]", "language: pt-BR", "tenants[0].export.language", "zh-Hans"),
    "no form": ("formats: [jsonl]", "formats: []", "tenants[0].export.formats", "leave the line out"),
    "way out of the root": ('"{upn}/"', '"../{upn}/"', "tenants[0].sources.onedrive.path", "{upn}/"),
    "files url": ("file:///srv/onedrive", "smb://srv/onedrive", "tenants[0].sources.onedrive.url", "file:///"),
    "regulation that there is none of": (
        "    limits: ",
        "    deadlines: {regulation: gpdr}\n    limits: ",
        "tenants[0].deadlines.regulation",
        "none, gdpr, uk-gdpr",
    ),
    "time zone that there is none of": (
        "    limits: ",
        "    deadlines: {time_zone: Europe/Atlantis}\n    limits: ",
        "tenants[0].deadlines.time_zone",
        "tz database",
    ),
    "operations kept for a week": (
        "    limits: ",
        "    retention: {operations_days: 7}\n    limits: ",
        "tenants[0].retention.operations_days",
        "30 or more",
    ),
    "audit records gone before operations": (
        "    limits: ",
        "    retention: {operations_days: 90, audit_days: 60}\n    limits: ",
        "tenants[0].retention.audit_days",
        "proves that a request was answered",
    ),
    "fingerprints gone before their time": (
        "    export: {part_mib: 16",
        "    retention: {operations_days: 60}\n    export: {compare_days: 90, part_mib: 16",
        "tenants[0].retention.operations_days",
        "less than export.compare_days",
    ),
    "holiday that is no day": (
        "    limits: ",
        "    deadlines: {holidays: [12-25, 2027-02-30]}\n    limits: ",
        "tenants[0].deadlines.holidays[1]",
        "is no day",
    ),
    "webhook in the clear": (
        "    limits: ",
        "    webhooks: [{url: 'http://hooks.contoso.example/x', secret: whsec_YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJj}]\n    limits: ",
        "tenants[0].webhooks[0].url",
        "in the clear",
    ),
    "webhook that is none": (
        "    limits: ",
        "    webhooks: [{url: 'ftp://hooks.contoso.example/x', secret: whsec_YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJj}]\n    limits: ",
        "tenants[0].webhooks[0].url",
        "https address",
    ),
    "webhook with a password": (
        "    limits: ",
        "    webhooks: [{url: 'https://me:hunter2@hooks.contoso.example/x', secret: whsec_YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJj}]\n    limits: ",
        "tenants[0].webhooks[0].url",
        "holds a user",
    ),
    "webhook without a secret": (
        "    limits: ",
        "    webhooks: [{url: 'https://hooks.contoso.example/x', secret: whsec_hunter2}]\n    limits: ",
        "tenants[0].webhooks[0].secret",
        "whsec_",
    ),
    "webhook of an event that there is none of": (
        "    limits: ",
        "    webhooks: [{url: 'https://hooks.contoso.example/x', secret: whsec_YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJj, events: [done]}]\n    limits: ",
        "tenants[0].webhooks[0].events[0]",
        "completed",
    ),
    "webhook twice": (
        "    limits: ",
        "    webhooks: [{url: 'https://h.example/x', secret: whsec_YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJj}, {url: 'https://h.example/x', secret: whsec_YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJj}]\n    limits: ",
        "tenants[0].webhooks[1].url",
        "stands there twice",
    ),
    "identifier of a wrong shape": (
        "employee_id: employee_no",
        "employee_id: {a: b}",
        "tenants[0].directory.identifiers.employee_id",
        "must be a",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_value_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    old, new, setting, part = CHANGES[name]
    assert old in WHOLE
    changed = WHOLE.replace(old, new, 1)
    found = problems_of(tmp_path, changed)
    if part is None:
        assert found == ()
        return
    fitting = [problem for problem in found if part in str(problem) and setting in {None, problem.setting}]
    assert fitting, [str(problem) for problem in found]
    assert "hunter2" not in "".join(map(str, found))
    if name not in {"no seal key", "missing key"} and new:
        line = next(number for number, text in enumerate(changed.splitlines(), 1) if new.splitlines()[0] in text)
        assert fitting[0].line == line, str(fitting[0])


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        WHOLE.replace("part_mib: 16", "part_mib: x")
        .replace("engine: embedded", "engine: daks")
        .replace("customer_mail: mail", "customer_mail: x")
    )
    with pytest.raises(ConfigurationProblems) as raised:
        read(tmp_path, text)
    assert [problem.line for problem in raised.value.problems] == [line_of("engine:"), line_of("part_mib"), line_of("orders:    ")]
    assert raised.value.message.count("rightful.yaml:") == 3
    assert raised.value.code == "ConfigurationInvalid"


def test_service_for_other_machines_needs_tls_and_a_real_issuer(tmp_path: Path) -> None:
    text = WHOLE.replace("listen: 127.0.0.1:8443", "listen: 0.0.0.0:8443").replace(", tls: {cert: c.pem, key: k.pem}", "")
    assert {problem.setting for problem in problems_of(tmp_path, text)} == {"server.tls", "tenants[0].identity.issuers[1].issuer"}


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:8443", "[::1]:8443", "127.3.2.1:1"])
def test_loopback_needs_neither(tmp_path: Path, listen: str) -> None:
    text = WHOLE.replace("listen: 127.0.0.1:8443", f'listen: "{listen}"').replace(", tls: {cert: c.pem, key: k.pem}", "")
    assert problems_of(tmp_path, text) == ()


def test_two_tenants_are_told_apart(tmp_path: Path) -> None:
    text = WHOLE + WHOLE[WHOLE.index("  - id:") :]
    assert [(problem.setting, problem.hint) for problem in problems_of(tmp_path, text)] == [
        ("tenants[0].id", "write the id of the tenant's own directory"),
        ("tenants[0].name", "give each tenant a name of its own"),
        ("tenants[1].id", "write the id of the tenant's own directory"),
        ("tenants[1].name", "give each tenant a name of its own"),
    ]
    other = WHOLE[WHOLE.index("  - id:") :].replace("1111", "2222").replace("Contoso", "Fabrikam")
    assert len(read(tmp_path, WHOLE + other).tenants) == 2


def test_tenant_id_is_kept_in_lower_case(tmp_path: Path) -> None:
    text = WHOLE.replace("- id: 11111111-1111", "- id: ABCDEF11-1111").replace("com/11111111-1111", "com/abcdef11-1111")
    assert read(tmp_path, text).tenants[0].id == "abcdef11-1111-1111-1111-111111111111"


def test_duplicate_key_is_told_with_both_lines(tmp_path: Path) -> None:
    found = problems_of(tmp_path, WHOLE + "engine: embedded\n")
    assert [(problem.line, f"line {line_of('engine:')}" in problem.message) for problem in found] == [(len(LINES) + 1, True)]


def test_tags_and_second_documents_are_refused(tmp_path: Path) -> None:
    assert "tags" in problems_of(tmp_path, WHOLE.replace("Contoso", "!!python/object:os.system Contoso"))[0].message
    assert "second document" in problems_of(tmp_path, WHOLE + "---\na: b\n")[0].message


def test_alias_repeats_a_value(tmp_path: Path) -> None:
    text = WHOLE.replace("url: sqlite:///people.db", "url: &people sqlite:///people.db").replace(
        'url: "sqlite:///devices.db"', "url: *people"
    )
    directory = read(tmp_path, text).tenants[0].directory
    assert getattr(directory.settings, "more")[0].url == "sqlite:///people.db"  # noqa: B009 - the settings' class is the connector's


def test_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert any("counting what aliases repeat" in problem.message for problem in problems_of(tmp_path, bomb))
    assert any("alias" in problem.message for problem in problems_of(tmp_path, "a: &a [*a]\n"))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("just a text", "name: value"),
        ("- a\n", "name: value"),
        ("a: [1\nb: 2", "not YAML"),
        ("a:\n\t- b", "not YAML"),
        (b"a: \xff\xfe", "UTF-8"),
        (b"a: b\x00", "not YAML"),
        (r'a: "\UFFFFFFFF"', "not YAML"),
        ("%YAML 1." + "9" * 5000 + "\n---\na: b", "not YAML"),
        ("[" * 5000, "nested"),
        ("a: " + "x" * (1 << 20), "1 MiB"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, content: str | bytes, part: str) -> None:
    found = problems_of(tmp_path, content)
    assert any(part in str(problem) for problem in found), found


def test_environment_is_read_anywhere(tmp_path: Path) -> None:
    text = (
        WHOLE.replace("reader:hunter2@db", "reader:${SHOP_PASSWORD}@db")
        .replace("part_mib: 16", 'part_mib: "${PART}"')
        .replace("Contoso", "$${x} $5 $$")
    )
    config = read(tmp_path, text, {"SHOP_PASSWORD": "pa$$w{}rd", "PART": "8"})
    orders = config.tenants[0].source("orders")
    assert orders is not None
    assert getattr(orders.settings, "url") == "postgresql://reader:pa$$w{}rd@db/shop"  # noqa: B009 - as above
    assert config.tenants[0].export.part_mib == 8
    assert config.tenants[0].name == "${x} $5 $"


def test_missing_variable_is_named(tmp_path: Path) -> None:
    found = problems_of(tmp_path, WHOLE.replace("name: Contoso", "name: ${COMPANY}"))
    assert [(problem.setting, "COMPANY" in problem.message) for problem in found] == [("tenants[0].name", True)]
    assert "variable's name" in problems_of(tmp_path, WHOLE.replace("name: Contoso", "name: ${COM PANY}"))[0].message


def test_wrong_value_from_the_environment_is_not_shown(tmp_path: Path) -> None:
    for old, new in (
        ("part_mib: 16", "part_mib: ${SECRET}"),
        ("engine: embedded", "engine: ${SECRET}"),
        ("store: sqlite:///var/rightful.db", "store: ${SECRET}"),
    ):
        found = problems_of(tmp_path, WHOLE.replace(old, new), {"SECRET": "hunter2"})
        assert found
        assert "hunter2" not in "".join(map(str, found))


def test_secret_is_read_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "seal.key").write_text(SEAL_KEY + "\n")
    config = read(tmp_path, WHOLE.replace(f'"{SEAL_KEY}"', "{file: seal.key}"))
    assert config.seal_key.hex() == SEAL_KEY
    assert SEAL_KEY not in repr(config)
    assert "hunter2" not in repr(config.tenants[0])


@pytest.mark.parametrize(
    ("content", "part"),
    [(None, "No such file"), (b"", "empty"), (b"\xff", "UTF-8"), (b"x" * 70_000, "64 KiB"), (b"short", "64 hex digits")],
)
def test_unusable_secret_file_is_told(tmp_path: Path, content: bytes | None, part: str) -> None:
    if content is not None:
        (tmp_path / "seal.key").write_bytes(content)
    found = problems_of(tmp_path, WHOLE.replace(f'"{SEAL_KEY}"', "{file: seal.key}"))
    assert [part in str(problem) for problem in found] == [True], found


def test_connector_may_refuse_its_settings(tmp_path: Path) -> None:
    def with_depth(depth: int) -> str:
        return WHOLE + f"      odd: {{connector: strange, depth: {depth}}}\n"

    assert problems_of(tmp_path, with_depth(0)) == ()
    one, two = problems_of(tmp_path, with_depth(1)), problems_of(tmp_path, with_depth(2))
    assert "depth 1 means nothing" in str(one[0])
    assert "KeyError" in str(two[0])
    assert "hunter2" not in f"{one}{two}"


def test_connector_whose_own_check_breaks_is_told_with_its_line(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, WHOLE + "      odd: {connector: rude}\n")
    assert problem.line == len(LINES) + 1
    assert "KeyError" in problem.message
    assert "hunter2" not in str(problem)


def test_source_with_problems_of_its_own_is_not_called_missing(tmp_path: Path) -> None:
    text = WHOLE.replace("table: orders,", "tabel: orders,")
    assert {problem.setting for problem in problems_of(tmp_path, text)} == {"tenants[0].sources.orders"}


def test_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file") as raised:
        load(tmp_path / "rightful.yaml", {})
    assert "rightful init" in raised.value.hint
    assert raised.value.code == "ConfigurationMissing"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("store: sqlite:///here/mine.db\nstore_folder: elsewhere", "here/mine.db"),
        ("store: postgresql://u:p@h/db", "var/rightful.db"),
        ("store: postgresql://u:p@h/db\nstore_folder: /srv/rightful", "/srv/rightful/rightful.db"),
    ],
)
def test_files_beside_the_store_lie_beside_its_file_or_in_its_folder(tmp_path: Path, settings: str, expected: str) -> None:
    assert read(tmp_path, WHOLE.replace("store: sqlite:///var/rightful.db", settings)).store_path == tmp_path / expected


DASK = "{scheduler: tls://dask.contoso.example:8786, ca: ca.pem, cert: cert.pem, key: key.pem}"


@pytest.mark.parametrize(
    ("dask", "store", "settings"),
    [
        ("{}", "sqlite:///var/rightful.db", ["dask.scheduler", "dask.ca", "dask.cert", "dask.key", "store"]),
        (DASK, "sqlite:///var/rightful.db", ["store"]),
        (DASK.replace("tls:", "tcp:"), "postgresql://u@h/d", ["dask.scheduler"]),
        (DASK, "postgresql://u@h/d", []),
    ],
)
def test_engine_on_other_machines_needs_what_they_are_reached_by(tmp_path: Path, dask: str, store: str, settings: list[str]) -> None:
    text = WHOLE.replace("engine: embedded", f"engine: dask\ndask: {dask}").replace("sqlite:///var/rightful.db", store)
    assert sorted(problem.setting for problem in problems_of(tmp_path, text)) == sorted(settings)
