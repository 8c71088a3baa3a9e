"""`rightful audit`: the record of who did what with whose data. Reads the store; the service may run meanwhile."""

from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, emit_json, emit_table, say
from rightful.errors import ConfigurationError
from rightful.ids import TenantId
from rightful.redaction import printable

if TYPE_CHECKING:
    from rightful.audit.chain import ChainReport
    from rightful.audit.checkpoint import ChainCheckpoint
    from rightful.audit.finding import Finding
    from rightful.audit.start import ChainStart
    from rightful.config.model import Config
    from rightful.store.place import AuditReader

SERVICE = "service"
"""How the chain of what belongs to no tenant is called here."""

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_TENANT = click.option(
    "--tenant", default="", metavar="ID|NAME", help=f"Only the chain of this tenant, by name or id; `{SERVICE}` is that of no tenant."
)


@click.group()
@global_options
def command() -> None:
    """Check and export the record of who did what with whose data."""


@command.command("verify")
@click.option(
    "--checkpoint",
    "files",
    type=_FILE,
    multiple=True,
    help="Checkpoints that were kept elsewhere: JSON lines of `audit checkpoints`, or the service's log. May be given again.",
)
@click.option("--export", "exported", type=_FILE, help="Not the store, but this file that `audit export` wrote (jsonl).")
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    multiple=True,
    help="With --export: trust this public key, as checkpoints name it, and no configuration.",
)
@_TENANT
@global_options
def verify(files: tuple[Path, ...], exported: Path | None, keys: tuple[str, ...], tenant: str) -> int:
    """Check every chain: what was changed, removed, moved, added or cut off. Where its oldest records were purged, that is said.

    Exits with 0 where everything fits, with 1 where something was tampered with. Only checkpoints that were kept elsewhere show that the
    end of a chain was cut off together with its checkpoints.
    """
    if keys and exported is None:
        raise click.UsageError("--key goes with --export")
    kept = [checkpoint for path in files for checkpoint in _kept(path)]
    trusted = keys or trusted_keys(current().config)
    own = [] if keys else [each.id for each in current().config.tenants if exported is None]
    with _opened(exported) as trail:
        named = {*trail.tenants(), *own, *(checkpoint.tenant_id for checkpoint in kept)}
        if exported is not None and not named:
            raise ConfigurationError(f"{exported} holds no record", code="AuditMissing", hint="give what `rightful audit export` wrote")
        reports = [check_chain(trail, tenant_id, kept, trusted) for tenant_id in _meant(named, tenant, is_alone=bool(keys))]
    _show(reports)
    return Exit.FAILED if any(report.findings for report in reports) else Exit.OK


def trusted_keys(config: "Config") -> tuple[str, ...]:
    """Return the public keys whose checkpoints and starts count."""
    from rightful.export.checkpointing import checkpoint_key  # noqa: PLC0415 - heavy; `--help` must not wait for it

    return (checkpoint_key(config).public, *config.audit.earlier_keys)


def _opened(exported: Path | None) -> "AbstractContextManager[AuditReader]":
    """Open the trail in the store, or in a file."""
    from rightful.cli.exported_audit import ExportedAudit  # noqa: PLC0415 - likewise
    from rightful.store.place import place_of  # noqa: PLC0415 - likewise

    if exported is not None:
        return nullcontext(ExportedAudit(exported))
    config = current().config
    return place_of(config.store, config.store_path).open_audit()


@command.command("export")
@_TENANT
@click.option("--since", metavar="TIME", default="", help="Only what was recorded at this moment (ISO 8601) or later.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "ocsf"]),
    default="jsonl",
    show_default=True,
    help="`jsonl`: as recorded, for checking; `ocsf`: OCSF events in CloudEvents envelopes.",
)
@global_options
def export(tenant: str, since: str, form: str) -> None:
    """Write the records as JSON lines, chain by chain, in their order.

    A line of `jsonl` is {"tenant", "seq", "record", "hash"}, the first one of a chain whose oldest records were purged {"tenant", "start"};
    docs/howto has a checker for it that shares no code with the service.
    """
    import msgspec  # noqa: PLC0415 - likewise

    from rightful.audit import ocsf  # noqa: PLC0415 - likewise
    from rightful.audit.record import decode  # noqa: PLC0415 - likewise
    from rightful.store.place import place_of  # noqa: PLC0415 - likewise

    since_us = _moment_us(since)
    encode = msgspec.json.encode
    config = current().config
    with place_of(config.store, config.store_path).open_audit() as trail:
        for tenant_id in _meant(trail.tenants(), tenant):
            start = trail.retention(tenant_id).start
            if start is not None and form == "jsonl":
                emit(encode({"tenant": tenant_id, "start": start}).decode())
            for entry in trail.chain(tenant_id):
                if start is not None and entry.seq <= start.seq:
                    continue  # about to be erased
                try:
                    record = decode(entry.canonical)
                except (msgspec.MsgspecError, UnicodeError) as error:
                    raise _damaged(tenant_id, entry.seq) from error
                if record.time_us < since_us:
                    continue
                line = {"tenant": tenant_id, "seq": entry.seq, "record": entry.canonical, "hash": entry.hash.hex()}
                emit(encode(line if form == "jsonl" else ocsf.event(record, entry.hash)).decode())


@command.command("checkpoints")
@_TENANT
@click.option("--all", "is_all", is_flag=True, help="Every one, not each chain's newest alone.")
@global_options
def checkpoints(tenant: str, *, is_all: bool) -> None:
    """Print signed checkpoints as JSON lines, to be kept where the service cannot write."""
    from rightful.audit.checkpoint import encode  # noqa: PLC0415 - likewise
    from rightful.store.place import place_of  # noqa: PLC0415 - likewise

    config = current().config
    with place_of(config.store, config.store_path).open_audit() as trail:
        for tenant_id in _meant(trail.tenants(), tenant):
            found, _ = _read(trail.checkpoints(tenant_id))
            for checkpoint in found if is_all else found[-1:]:
                emit(encode(checkpoint).decode())


def _meant(there: Iterable[TenantId], asked: str, *, is_alone: bool = False) -> list[TenantId]:
    """Return the chains that `--tenant` means; a chain that is not there is no answer: nothing would be found wrong with it."""
    if not asked:
        return sorted(there)
    tenants = () if is_alone else current().config.tenants
    named = next((tenant.id for tenant in tenants if asked.casefold() in {tenant.id, tenant.name.casefold()}), asked)
    found = [tenant_id for tenant_id in there if tenant_id == ("" if asked == SERVICE else named)]
    if not found:
        raise click.BadParameter("nothing is recorded of it; write a tenant's id or name", param_hint="'--tenant'")
    return found


def _moment_us(text: str) -> int:
    from rightful.clock import to_microseconds  # noqa: PLC0415 - likewise

    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter("write a moment as 2026-01-31T12:00:00Z", param_hint="'--since'") from error
    return to_microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _damaged(tenant_id: TenantId, seq: int) -> ConfigurationError:
    return ConfigurationError(
        f"record {seq} of the chain of {tenant_id or SERVICE} cannot be read", code="AuditDamaged", hint="run `rightful audit verify`"
    )


def _read(lines: Iterable[str | bytes]) -> tuple[list["ChainCheckpoint"], int]:
    """Return the checkpoints in lines, and how many lines are none."""
    import msgspec  # noqa: PLC0415 - likewise

    from rightful.audit.checkpoint import decode  # noqa: PLC0415 - likewise

    found: list[ChainCheckpoint] = []
    others = 0
    for line in lines:
        try:
            found.append(decode(line))
        except (msgspec.MsgspecError, UnicodeError):
            others += 1
    return found, others


def _kept(path: Path) -> list["ChainCheckpoint"]:
    """Return the checkpoints in a file; other lines of a log are passed over."""
    with path.open("rb") as lines:
        found, _ = _read(lines)
    if not found:
        raise ConfigurationError(
            f"{path} holds no checkpoint", code="CheckpointMissing", hint="give what `rightful audit checkpoints` printed"
        )
    return found


def check_chain(trail: "AuditReader", tenant_id: TenantId, kept: Iterable["ChainCheckpoint"], trusted: Collection[str]) -> "ChainReport":
    """Check one chain by what lies beside it, and by checkpoints that were kept elsewhere; `trusted` are public keys."""
    import msgspec  # noqa: PLC0415 - likewise

    from rightful.audit import start as starts  # noqa: PLC0415 - likewise
    from rightful.audit.chain import ChainCheck  # noqa: PLC0415 - likewise
    from rightful.audit.checkpoint import is_signed  # noqa: PLC0415 - likewise
    from rightful.audit.finding import Finding, FindingKind  # noqa: PLC0415 - likewise

    found, unreadable = _read(trail.checkpoints(tenant_id))
    found += [checkpoint for checkpoint in kept if checkpoint.tenant_id == tenant_id]
    good: list[ChainCheckpoint] = []
    wrong: list[tuple[int, str]] = [(0, "a checkpoint in the store cannot be read")] * bool(unreadable)
    for each in found:
        if each.tenant_id == tenant_id and is_signed(each, trusted):
            good.append(each)
        else:
            wrong.append((each.seq, f"the checkpoint of record {each.seq} is signed by no key that is trusted here ({each.key[:16]}…)"))
    retention = trail.retention(tenant_id)
    start = retention.start
    if start is not None and not (start.tenant_id == tenant_id and starts.is_signed(start, trusted)):
        start = None
    check = ChainCheck(tenant_id, good, start)
    for entry in trail.chain(tenant_id):
        if start is None or entry.seq > start.seq:  # what stands before it is about to be erased
            check.add(entry.seq, entry.canonical, entry.hash)
    report = check.report()
    bad = [Finding(kind=FindingKind.CHECKPOINT, tenant_id=tenant_id, first=seq, last=seq, detail=detail) for seq, detail in wrong]
    if retention.line and start is None:
        detail = "what stands there as the start of the chain is signed by no key that is trusted here, or cannot be read"
        bad.append(Finding(kind=FindingKind.START, tenant_id=tenant_id, first=0, last=0, detail=detail))
    return msgspec.structs.replace(report, findings=(*report.findings, *bad))


def _start(start: "ChainStart") -> dict[str, object]:
    from rightful.clock import from_microseconds  # noqa: PLC0415 - likewise

    return {
        "begins": start.seq + 1,
        "purged": start.seq,
        "purgedLast": start.cut,
        "purgedAt": f"{from_microseconds(start.time_us):%Y-%m-%dT%H:%M:%SZ}",
        "newestPurged": f"{from_microseconds(start.newest_us):%Y-%m-%dT%H:%M:%SZ}",
        "retentionDays": start.days,
    }


def _begins(start: "ChainStart") -> str:
    from rightful.clock import from_microseconds  # noqa: PLC0415 - likewise

    at, newest = from_microseconds(start.time_us), from_microseconds(start.newest_us)
    return (
        f"begins at record {start.seq + 1}: {start.seq} before it were purged, the last {start.cut} of them at {at:%Y-%m-%d %H:%M:%SZ}"
        f" under the retention of {start.days} days, none younger than {newest:%Y-%m-%d %H:%M:%SZ}; signed"
    )


def _show(reports: list["ChainReport"]) -> None:
    from rightful.clock import from_microseconds  # noqa: PLC0415 - likewise

    def place(finding: "Finding") -> str:
        return str(finding.first) if finding.first == finding.last else f"{finding.first}-{finding.last}"

    findings = [finding for report in reports for finding in report.findings]
    if current().as_json:
        chains = [
            {
                "tenant": report.tenant_id or SERVICE,
                "records": report.records,
                "signed": report.signed,
                "start": None if report.start is None else _start(report.start),
                "findings": [
                    {"kind": each.kind, "first": each.first, "last": each.last, "detail": each.detail} for each in report.findings
                ],
            }
            for report in reports
        ]
        emit_json({"ok": not findings, "chains": chains})
        return
    rows = [(each.kind.value, each.tenant_id or SERVICE, place(each), each.detail) for each in findings]
    emit_table(("finding", "chain", "record", "detail"), rows)
    for report in reports:
        signed = (
            f"signed up to {report.signed} ({from_microseconds(report.signed_us):%Y-%m-%d %H:%M:%SZ})" if report.signed else "not signed"
        )
        emit(
            f"{printable(report.tenant_id) or SERVICE}: {report.records} records, {signed}"
            + (f", {len(report.findings)} findings" * bool(report.findings))
        )
        if report.start is not None:
            emit(f"  {_begins(report.start)}")
    if findings:
        say("what to do: look who could write to the store's file, and compare the records named with what was exported before")
    elif not all(report.signed for report in reports if report.records):
        say("a chain that is not signed does not show that all of it was rewritten; the service signs each minute, and at its stop")
