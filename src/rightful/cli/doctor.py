"""`rightful doctor`."""

from datetime import UTC, datetime

import click

from rightful.cli.diagnosis import Check, examine
from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import describe, emit, emit_json, say
from rightful.errors import ConfigurationError
from rightful.redaction import printable, redact


@click.command()
@global_options
def command() -> int:
    """Check the configuration and everything it names.

    Looks at keys, the store, disk space, the clock (beside that of who issues tokens), versions, certificates and their chain, workers, who
    takes traces, and each issuer, directory, source and storage account, and changes nothing. Exits with 1 where something is wrong; each
    problem says what to do.
    What would be better is no problem: accounts that may do more than read, columns that have come or gone.
    """
    invocation = current()
    try:
        config = invocation.config
    except ConfigurationError as error:
        if invocation.as_json:
            emit_json(
                {
                    "ok": False,
                    "checks": [{"name": "configuration", "ok": False, "detail": error.message, "hint": error.hint}],
                    **describe(error),
                }
            )
            return Exit.FAILED
        raise
    checks = [Check(name="configuration", ok=True, detail=str(invocation.path))]
    if not invocation.as_json:
        _tell(checks[0])
    for check in examine(config, datetime.now(UTC)):
        checks.append(check)
        if not invocation.as_json:
            _tell(check)
    problems = sum(not check.ok for check in checks)
    if invocation.as_json:
        listed = [
            {"name": check.name, "ok": check.ok, "detail": check.detail, "hint": check.hint, "advice": check.advice} for check in checks
        ]
        emit_json({"ok": not problems, "checks": listed})
    else:
        say("everything is in order" if not problems else f"{problems} {'problem' if problems == 1 else 'problems'}")
    return Exit.FAILED if problems else Exit.OK


def _tell(check: Check) -> None:
    emit(printable(redact(f"{'ok     ' if check.ok else 'PROBLEM'}  {check.name}: {check.detail}")))
    if check.hint and not check.ok:
        emit(printable(redact(f"         what to do: {check.hint}")))
    if check.advice:
        emit(printable(redact(f"         better: {check.advice}")))
