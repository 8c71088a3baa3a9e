"""`rightful diff`."""

import click
import msgspec

from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, say
from rightful.cli.verify import open_package
from rightful.package.telling import Told, tell
from rightful.redaction import printable


@click.command()
@click.argument("old")
@click.argument("new")
@click.option(
    "--prefix",
    "prefixes",
    nargs=2,
    default=("", ""),
    metavar="ID ID",
    help="Of containers or buckets: the folders or ZIP files there that are OLD and NEW; empty where one is found by itself.",
)
@global_options
def command(old: str, new: str, *, prefixes: tuple[str, str]) -> int:
    """Show what is new, changed and gone, of a package and the difference to it.

    OLD is the earlier package, NEW the one that was asked for with `since`: each is what `rightful verify` takes, and where both are -,
    two lines of stdin name them. Prints a line for each record and file; with --json each is a JSON object. What is gone and does not lie
    in OLD, which is then itself a difference, comes as its fingerprint.
    """
    as_json = current().as_json
    counts: dict[str, int] = {}
    with open_package(old, prefixes[0]) as earlier, open_package(new, prefixes[1]) as later:
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
