"""`rightful diff`."""

from pathlib import Path

import click
import msgspec

from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, say
from rightful.package.opening import open_local
from rightful.package.telling import Told, tell
from rightful.redaction import printable


@click.command()
@click.argument("old", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@global_options
def command(old: Path, new: Path) -> int:
    """Show what is new, changed and gone, of a package and the difference to it.

    OLD is the earlier package, NEW the one that was asked for with `since`: folders or ZIP files. Prints a line for each record and file;
    with --json each is a JSON object. What is gone and does not lie in OLD, which is then itself a difference, comes as its fingerprint.
    """
    as_json = current().as_json
    counts: dict[str, int] = {}
    with open_local(old) as earlier, open_local(new) as later:
        for told in tell(earlier, later):
            counts[told.change] = counts.get(told.change, 0) + told.copies
            emit(_as_json(told) if as_json else _as_text(told))
    if not as_json:
        say(", ".join(f"{counts[change]} {change}" for change in sorted(counts)) or "nothing is new, changed or gone")
    return Exit.OK


def _as_json(told: Told) -> str:
    members: dict[str, object] = {"source": told.source_name, "change": told.change}
    if told.line:
        members["record"] = msgspec.Raw(told.line)
    elif told.fingerprint:
        members["fingerprint"] = told.fingerprint
    else:
        members["file"] = _encodable(told.path)
    if told.copies > 1:
        members["copies"] = told.copies
    return msgspec.json.encode(members).decode()


def _as_text(told: Told) -> str:
    what = told.line.decode() if told.line else _encodable(told.path) or f"fingerprint {told.fingerprint}"
    times = f" ({told.copies} times)" if told.copies > 1 else ""
    return printable(f"{told.change:<8} {told.source_name}  {what}{times}")


def _encodable(path: str) -> str:
    """Return a path as it can be shown: with U+FFFD for what is not Unicode."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
