"""What the types alone do not say of a tenant: rules that join several settings. Functions take values and note what is wrong with them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import msgspec

from rightful import language
from rightful.config.deadlines import check_deadlines
from rightful.config.model import (
    AccountSettings,
    DeadlineSettings,
    DirectoryConfig,
    ExportSettings,
    IdentitySettings,
    IssuerSettings,
    RetentionSettings,
    ServerSettings,
    SourceConfig,
    StorageSettings,
    WebhookSettings,
    is_loopback_host,
)
from rightful.config.problem import Complain
from rightful.config.reading import join, show_key
from rightful.config.retention import check_retention
from rightful.config.scalar import did_you_mean
from rightful.config.service_rules import split_address
from rightful.config.statement import check_label, check_statement
from rightful.config.webhooks import check_webhooks
from rightful.connectors.interface import Attributing
from rightful.connectors.registry import ConnectorType, FindsBy, FindsProblems, UsesKinds
from rightful.directory.people import OWN_KINDS, names_in
from rightful.directory.registry import DirectoryType
from rightful.identity.model import LOCAL_ISSUER
from rightful.ids import PERSONAL_ACCOUNTS, is_guid
from rightful.package.label import StatementSettings
from rightful.redaction import printable, redact
from rightful.setting_problem import SettingPath, SettingProblem
from rightful.storage.allow import parse_rule
from rightful.storage.object_account import account_problems, is_object_url

_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z")
_ENTRA_HOSTS = frozenset({"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.windows.net"})


@dataclass(kw_only=True)
class TenantDraft:
    """What could be read of a tenant; None and missing sources stand for what has its own problems already."""

    setting: str
    id: str | None = None
    name: str | None = None
    identity: IdentitySettings | None = None
    storage: StorageSettings | None = None
    export: ExportSettings | None = None
    statement: StatementSettings | None = None
    deadlines: DeadlineSettings | None = None
    retention: RetentionSettings | None = None
    webhooks: tuple[WebhookSettings, ...] | None = None
    directory: DirectoryConfig | None = None
    sources: list[SourceConfig] = field(default_factory=list)
    source_names: tuple[str, ...] = ()
    """Of all sources, broken ones too."""
    connectors: dict[str, ConnectorType] = field(default_factory=dict)
    """The classes of those sources that could be read, by the connector's name."""
    directory_type: DirectoryType | None = None
    folder: Path = Path()


def check_tenants(tenants: Sequence[TenantDraft], complain: Complain) -> None:
    """Tenants are told apart by id and by name."""
    if not tenants:
        complain("tenants", "needs at least one tenant")
    for what, hint in (("id", "write the id of the tenant's own directory"), ("name", "give each tenant a name of its own")):
        given = [str(value).casefold() for tenant in tenants if (value := getattr(tenant, what)) is not None]
        twice = {value for value, count in Counter(given).items() if count > 1}
        for tenant in tenants:
            if (value := getattr(tenant, what)) is not None and value.casefold() in twice:
                complain(f"{tenant.setting}.{what}", f"another tenant has the same {what}", hint)


# -- one tenant -----------------------------------------------------------------------------------------------------------
def check_tenant(draft: TenantDraft, server: ServerSettings | None, complain: Complain) -> None:
    """Everything about one tenant that can be known without asking its systems."""
    if draft.id is not None:
        _check_tenant_id(draft.id, f"{draft.setting}.id", complain)
    if draft.name is not None and not draft.name.strip():
        complain(f"{draft.setting}.name", "is empty", "write the organization's name")
    if draft.identity is not None:
        _check_issuers(draft.identity.issuers, f"{draft.setting}.identity.issuers", server, complain)
        _check_directories(draft.identity.issuers, draft.id, f"{draft.setting}.identity.issuers", complain)
    if draft.storage is not None:
        _check_storage(draft.storage, f"{draft.setting}.storage", complain)
    if draft.export is not None:
        _check_export(draft.export, f"{draft.setting}.export", complain)
    if draft.statement is not None:
        check_statement(draft.statement, f"{draft.setting}.statement", complain)
    check_webhooks(draft.webhooks or (), f"{draft.setting}.webhooks", complain)
    _check_times(draft, complain)
    sources = f"{draft.setting}.sources"
    _check_source_names(draft.source_names, sources, complain)
    kinds = None
    if draft.directory is not None and draft.directory_type is not None:
        found = frozenset(kind for source in draft.sources for kind in source.identifiers)
        kinds = _check_directory(draft.directory_type, draft.directory.settings, found, f"{draft.setting}.directory", complain)
    _check_leak_kinds(draft, kinds, complain)
    for source in draft.sources:
        _check_source(source, draft, kinds, join(sources, source.name), complain)


def _check_times(draft: TenantDraft, complain: Complain) -> None:
    """By when requests are answered, and how long what is known of them is kept."""
    if draft.deadlines is not None:
        check_deadlines(draft.deadlines, f"{draft.setting}.deadlines", complain)
    if draft.retention is not None:
        check_retention(draft.retention, draft.export, f"{draft.setting}.retention", complain)


def _check_export(export: ExportSettings, setting: str, complain: Complain) -> None:
    """Each form once, and a language that there is."""
    if len(set(export.formats)) < len(export.formats):
        complain(f"{setting}.formats", "names a form twice", "write each once")
    if export.language and not language.lookup(export.language):
        hint = f"write one of {', '.join(language.OFFERED)}"
        complain(f"{setting}.language", "is no tag of a language that packages are written in", hint)


def _check_leak_kinds(draft: TenantDraft, kinds: frozenset[str] | None, complain: Complain) -> None:
    """Refuse kinds that nobody has; those of the default may be missing."""
    if kinds is not None and draft.export is not None and draft.export.leak_kinds != ExportSettings().leak_kinds:
        named = ((("leak_kinds", number), kind) for number, kind in enumerate(draft.export.leak_kinds))
        _told(lambda: _unknown_kinds(named, kinds), f"{draft.setting}.export", complain)


def _check_tenant_id(tenant_id: str, setting: str, complain: Complain) -> None:
    if not is_guid(tenant_id):
        complain(setting, "is not a GUID", "write the directory's id, for instance 11111111-1111-1111-1111-111111111111")
    elif tenant_id == PERSONAL_ACCOUNTS:
        complain(setting, "is the tenant of personal Microsoft accounts, which are never served", "write your own tenant's id")  # GRAPH-72


def _check_issuers(issuers: Sequence[IssuerSettings], setting: str, server: ServerSettings | None, complain: Complain) -> None:
    if not issuers:
        complain(setting, "needs at least one issuer")
    for number, issuer in enumerate(issuers):
        here = f"{setting}[{number}]"
        if not issuer.audience or not all(audience.strip() for audience in issuer.audience):
            complain(
                f"{here}.audience",
                "needs at least one value, none of them empty",
                "write the `aud` of its tokens, for instance [api://rightful]",
            )
        if issuer.issuer in {other.issuer for other in issuers[:number]}:
            complain(f"{here}.issuer", "stands here twice", "list every audience under one of them")
        if issuer.issuer == LOCAL_ISSUER:
            if server is not None and not is_loopback_host(server.host):
                complain(
                    f"{here}.issuer", "the built-in issuer serves loopback only", "listen on 127.0.0.1, or name your identity provider"
                )
            if issuer.jwks_uri:
                complain(f"{here}.jwks_uri", "the built-in issuer has none", "leave it out")
            if issuer.algorithms != ("RS256",):
                complain(f"{here}.algorithms", "the built-in issuer signs with RS256", "leave it out")
            continue
        _check_web_address(issuer.issuer, f"{here}.issuer", complain)
        if issuer.jwks_uri:
            _check_web_address(issuer.jwks_uri, f"{here}.jwks_uri", complain)


def _check_directories(issuers: Sequence[IssuerSettings], tenant_id: str | None, setting: str, complain: Complain) -> None:
    """Find Entra's issuers that name another directory than the tenant's: no token has that iss and this tid (GRAPH-74)."""
    for number, issuer in enumerate(issuers):
        parts = split_address(issuer.issuer)
        if tenant_id is None or parts is None or parts.hostname not in _ENTRA_HOSTS:
            continue
        if parts.path.strip("/").partition("/")[0] != tenant_id:
            complain(
                f"{setting}[{number}].issuer",
                "names another directory than the tenant's `id`, and no token is of both",
                f"write the tenant's id in it ({tenant_id}); `common` and `organizations` sign no token",
            )


def _check_web_address(url: str, setting: str, complain: Complain) -> None:
    parts = split_address(url)
    if parts is None or not parts.hostname or parts.scheme not in {"http", "https"} or parts.username is not None:
        complain(setting, "is not an https address", "write it exactly as your identity provider does, https://…")
    elif parts.scheme == "http" and not is_loopback_host(parts.hostname):
        complain(setting, "must be https: whoever answers it decides who may export", "write https://…")


def _check_storage(storage: StorageSettings, setting: str, complain: Complain) -> None:
    for number, entry in enumerate(storage.allow):
        try:
            parse_rule(entry)
        except ValueError as error:
            complain(
                f"{setting}.allow[{number}]",
                str(error),
                "write HOST, *.HOST or HOST:PORT, without https://; then /CONTAINER or /BEGINNING*",
            )
    for name, account in storage.accounts.items():
        _check_account(name, account, join(f"{setting}.accounts", name), complain)
    if not storage.allow and not storage.accounts:
        complain(setting, "allows no storage location at all", "name hosts in `allow`, or folders and buckets in `accounts`")


def _check_account(name: str, account: AccountSettings, here: str, complain: Complain) -> None:
    if not _ACCOUNT_NAME.match(name):
        complain(here, "is no account name", "use letters, digits, - and _, at most 63")
    if is_object_url(account.url):
        for at, message, hint in account_problems(account.url, account.access):
            complain(f"{here}.{at}", message, hint)
        if find_spec("obstore") is None:
            complain(f"{here}.url", "needs the library obstore, which is not installed", "install rightful[object-stores]")
        return
    if account.access.given:
        complain(f"{here}.access", "is not used at this address", "leave it out, or correct url")
    parts = split_address(account.url)
    is_folder = account.url.startswith("file:///") and parts is not None and not (parts.netloc or parts.query or parts.fragment)
    if not is_folder or parts is None or not parts.path.strip("/"):
        what = "is neither an absolute folder nor a bucket"
        complain(f"{here}.url", what, "write file:///var/exports, s3://bucket/prefix or gs://bucket/prefix")


# -- directory and sources ------------------------------------------------------------------------------------------------
def _told(tell: Callable[[], Iterable[SettingProblem]], setting: str, complain: Complain) -> None:
    """Note what a connector finds wrong with its settings."""
    try:
        found = [(_below(setting, path), printable(redact(message)), printable(redact(hint))) for path, message, hint in tell()]
    except Exception as error:  # noqa: BLE001 - a connector of a third party may raise anything; the file's author needs the line
        found = [(setting, f"the connector refuses it ({type(error).__name__})", "")]
    for problem in found:
        complain(*problem)


def _below(setting: str, path: SettingPath) -> str:
    for step in path:
        setting = f"{setting}[{step}]" if isinstance(step, int) else join(setting, step)
    return setting


def _check_directory(
    type_: DirectoryType, settings: msgspec.Struct, found: frozenset[str], setting: str, complain: Complain
) -> frozenset[str]:
    """Return the identifier kinds that the directory gives, or are found in sources; note kinds that lead nowhere."""
    kinds = type_.kinds_given(settings) | found
    _told(lambda: _unknown_kinds(type_.kinds_used(settings), kinds), setting, complain)
    _told(lambda: type_.problems(settings), setting, complain)
    return kinds


def _unknown_kinds(used: Iterable[tuple[SettingPath, str]], known: frozenset[str]) -> Iterator[SettingProblem]:
    for path, kind in used:
        if kind not in known:
            yield path, f"the directory gives no identifier {show_key(kind)}", did_you_mean(kind, sorted(known))


def _kinds_used(type_: ConnectorType, settings: msgspec.Struct) -> Iterator[tuple[SettingPath, str]]:
    """Yield what the settings name: `match` means column to kind in every connector."""
    match = getattr(settings, "match", None)
    yield from ((("match", column), str(kind)) for column, kind in match.items()) if isinstance(match, Mapping) else ()
    yield from type_.kinds_used(settings) if isinstance(type_, UsesKinds) else ()


def _check_source_names(names: Sequence[str], setting: str, complain: Complain) -> None:
    if not names:
        complain(setting, "needs at least one source", "a package without sources would say nothing about anybody")
    folded = Counter(name.casefold() for name in names)
    for name in names:
        here = join(setting, name)
        if not _SOURCE_NAME.match(name):
            complain(here, "is no name for a source", "use letters, digits, - and _, at most 64, beginning with a letter or digit")
        elif name.casefold() == "directory":
            complain(here, "is what the tenant's directory is called", "choose another name")
        elif folded[name.casefold()] > 1:
            complain(here, "differs from another source by upper and lower case only", "choose names that differ more: they become folders")


def _check_source(source: SourceConfig, draft: TenantDraft, kinds: frozenset[str] | None, setting: str, complain: Complain) -> None:
    settings = source.settings
    if not source.product.strip():
        complain(f"{setting}.product", "is empty", "leave it out, or write the folder's name")
    _check_redaction(source, setting, complain)
    if source.label is not None:
        check_label(source.label, f"{setting}.label", complain)
        for name in source.label.left_out:
            if name not in {*source.unread_columns, *source.unread_paths, *source.window_column, *source.redact}:
                hint = "name what stands in `exclude` or `redact`, or the column `time` where there is a `window`"
                complain(join(f"{setting}.label.left_out", name), "is left out by nothing", hint)
        _check_labelled_columns(source, setting, complain)
    _check_third_parties(source, setting, complain)
    _check_identifiers(source, draft.connectors[source.connector], setting, complain)
    type_ = draft.connectors[source.connector]
    if isinstance(type_, FindsProblems):
        read = {other.name: other for other in draft.sources}
        siblings = {
            name: read[name].settings if name in read else None
            for name in draft.source_names
            if name not in read or read[name].connector == source.connector
        }
        _told(lambda: type_.problems(source.name, settings, siblings=siblings, folder=draft.folder), setting, complain)
    if kinds is not None:
        _told(lambda: _unknown_kinds(_kinds_used(type_, settings), kinds), setting, complain)


def _check_identifiers(source: SourceConfig, type_: ConnectorType, setting: str, complain: Complain) -> None:
    """Refuse identifiers that cannot be found in a source, or of which it cannot be said how many people share one."""
    if not source.identifiers:
        return
    here = f"{setting}.identifiers"
    match = getattr(source.settings, "match", None)
    via = getattr(source.settings, "via", None)
    if not (isinstance(type_, Attributing) if via else isinstance(type_, FindsBy)):
        complain(here, f"is not for the connector {source.connector}: it cannot tell how many people share a value", "leave it out")
        return
    if not match and not via:
        complain(here, "needs a `match`: nothing says whose rows of this source are", "name the columns that do")
    for kind, named in source.identifiers.items():
        if kind in OWN_KINDS:
            complain(join(here, kind), "is what the directory alone gives", "give the kind another name")
        if not named:
            complain(join(here, kind), "names no column", "write the column that holds it")
    excluded = set(source.unread_columns)
    named_in = (column for named in source.identifiers.values() for column in names_in(named))
    for column in sorted(excluded.intersection((*named_in, *(match or ())))):
        complain(here, f"needs column {show_key(column)}, which `exclude` leaves out", "take it out of `exclude`")


def _check_labelled_columns(source: SourceConfig, setting: str, complain: Complain) -> None:
    """Refuse labels of columns that are not read; whether the others are there is seen at the source."""
    for name in ("columns", "titles", "time", "values") if source.label is not None else ():
        here = f"{setting}.label.{name}"
        labelled = getattr(source.label, name)
        columns = (labelled,) if name == "time" and labelled else labelled
        if columns and source.connector == "files":
            complain(here, "is for columns, and this connector reads files", "write `category`" if name == "columns" else "take it out")
            continue
        for column in columns:
            if column in source.unread_columns:
                complain(here if name == "time" else join(here, column), "is in `exclude`, and is not read", "take it out here")


def _check_third_parties(source: SourceConfig, setting: str, complain: Complain) -> None:
    """Refuse columns that the file alone shows to be none; whether the others are there is seen at the source."""
    here = f"{setting}.third_parties"
    if source.third_parties and source.connector == "files":
        complain(here, "is for columns, and this connector reads files, whose content is not looked into", "leave it out")
        return
    for column in source.third_parties:
        if column in source.unread_columns:
            complain(here, f"has {show_key(column)}, which is in `exclude` too", "leave it out: what is not read is not looked into")


def _check_redaction(source: SourceConfig, setting: str, complain: Complain) -> None:
    """Refuse rules that the file alone shows to be for nothing; whether the columns are there is seen at the source."""
    if source.redact and source.connector == "files":  # of others it is seen at the source
        complain(f"{setting}.redact", "is for columns, and this connector reads files", "leave it out, or do not export this source")
        return
    if source.redact and source.connector == "mailbox" and getattr(source.settings, "messages", False):
        hint = "write `messages: false` beside it: then the index alone is delivered"
        complain(f"{setting}.redact", "is for columns, and the messages would name everybody all the same", hint)
        return
    for column in source.redact:
        if column in source.unread_columns:
            complain(join(f"{setting}.redact", column), "is in `exclude` too", "write it in one of the two")
