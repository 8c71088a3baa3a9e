"""`rightful connectors`."""

import click
import msgspec

from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit_json, emit_table


@click.command()
@global_options
def command() -> int:
    """List the connectors that are installed, and what each needs.

    NEEDS names the settings without which a source of this kind reads nothing; docs/reference/settings.md has all of them. One that a third
    party brings is listed as soon as its package is installed beside Rightful. Exits with 1 where one can't be used.
    """
    from rightful.connectors import registry  # noqa: PLC0415 - heavy; `--help` must not wait for it

    found = registry.installed()
    if current().as_json:
        emit_json({"connectors": [msgspec.to_builtins(each) for each in found]})
    else:
        rows = [(each.name, each.distribution, ", ".join(each.needs) or "-", each.problem or each.summary) for each in found]
        emit_table(("CONNECTOR", "FROM", "NEEDS", "WHAT IT READS"), rows)
    return Exit.FAILED if any(each.problem for each in found) else Exit.OK
