"""README.txt: what a package is, what is in it and how to check it, for a person who reads it without us."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from rightful.operation.model import SourceState
from rightful.package.bagit import MANIFEST_PATH, TAG_MANIFEST_PATH
from rightful.package.forms import Form
from rightful.package.ledger import WHY, Ledger, SourceRecord
from rightful.subject.matching import FOLDED_KINDS

PATH = "README.txt"


def format_readme(ledger: Ledger, *, organization: str, forms: Iterable[Form] = (Form.JSONL,), has_pages: bool = True) -> bytes:
    """Write README.txt in English; `forms` are those that there are records in."""
    paragraphs = (
        _opening(ledger, organization),
        _contents(ledger),
        _left_out(ledger),
        _CHECKING,
        _FILES.format(records=" ".join(_FORMS[form] for form in Form if form in set(forms)), pages=_PAGES if has_pages else ""),
    )
    return "\n".join(paragraph for paragraph in paragraphs if paragraph).encode()


def _opening(ledger: Ledger, organization: str) -> str:
    return (
        "YOUR PERSONAL DATA\n"
        "\n"
        f"{' '.join(organization.split()) or 'The controller'} was asked for the personal data that it holds on you.\n"
        "This folder has what was found.\n"
        "\n"
        f"Asked on:    {_date(ledger.submitted_at)}\n"
        f"Finished on: {_date(ledger.completed_at)}\n"
        f"Reference:   {ledger.operation_id}\n"
    )


def _date(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def _contents(ledger: Ledger) -> str:
    lines = ["WHAT IS IN IT", ""]
    for record in ledger.sources:
        lines.append(f"{record.product} / {record.source_name}")
        lines.append(f"    {_found(record)}")
        if record.rows or record.files:
            lines.append(f"    in {record.folder}")
    if all(record.state is SourceState.EMPTY for record in ledger.sources):
        whole = not any(map(_is_unknown_there, ledger.sources))
        lines += ["", "Every system was searched, and nothing was found on you." if whole else "Nothing was found on you."]
    if any(not FOLDED_KINDS.isdisjoint(record.identifiers) for record in ledger.sources):
        lines += [
            "",
            "Mail addresses and user names were searched as the controller has them, and in small letters; not in other spellings.",
        ]
    return "\n".join(lines) + "\n"


def _found(record: SourceRecord) -> str:
    match record.state:
        case SourceState.EMPTY if _is_unknown_there(record):
            kinds = " or ".join(kind.replace("_", " ") for kind in sorted(record.identifiers))
            return f"nothing to search for: this system knows people by {kinds}, and none of yours is known"
        case SourceState.EMPTY:
            return "searched; nothing was found"
        case SourceState.SKIPPED:
            return f"not searched: {record.reason}"
        case SourceState.FAILED:
            return f"could not be searched: {record.reason}"
        case _:
            counts = [_count(record.rows, "record"), _count(record.files, "file")]
            found = " and ".join(count for count in counts if count)
            return f"{found}, {_size(record.size_bytes)}" if found else "something is there, and nothing of it could be read"


def _is_unknown_there(record: SourceRecord) -> bool:
    return bool(record.identifiers) and not any(record.identifiers.values())


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}" if number else ""


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 - the step between the units
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"


def _left_out(ledger: Ledger) -> str:
    lines = []
    for record in ledger.sources:
        where = f"{record.product} / {record.source_name}"
        if record.skipped:
            reasons = sorted({entry.reason for entry in record.skipped})
            lines.append(f"{where}: {_count(len(record.skipped), 'item')} could not be read ({'; '.join(reasons)})")
        if record.withheld:
            lines.append(f"{where}: left out by the controller's rules: {', '.join(record.withheld)}")
        lines += [
            f"{where}, {each.column}: {_count(each.values, 'value')}; this column {WHY[each.rule]}"
            for each in record.redacted
            if each.values
        ]
        if record.superseded:
            lines.append(f"{where}: {_count(len(record.superseded), 'older version')} of what changed meanwhile; the newer one counts")
    if not lines:
        return ""
    return "\n".join(["WHAT IS NOT IN IT, OR NOT WHOLE", "", *lines, "", "The file ledger.json names each of them."]) + "\n"


_CHECKING = f"""HOW TO CHECK THAT NOTHING IS MISSING OR CHANGED

Open a terminal in this folder. Nothing needs to be installed.

Linux:
    sha256sum --quiet -c {MANIFEST_PATH} {TAG_MANIFEST_PATH}
macOS:
    shasum -a 256 -c {MANIFEST_PATH} {TAG_MANIFEST_PATH}
Windows (PowerShell):
    Get-Content {MANIFEST_PATH}, {TAG_MANIFEST_PATH} -Encoding UTF8 | ForEach-Object {{
      $digest, $path = $_ -split '  ', 2
      if ((Get-FileHash -LiteralPath $path -Algorithm SHA256).Hash -ne $digest) {{ "CHANGED: $path" }} }}

A line that says FAILED or CHANGED names a file that is not as it was delivered.
"""

_FORMS: Mapping[Form, str] = {
    Form.JSONL: "in .jsonl files, one record a line",
    Form.CSV: "in .csv files, for spreadsheets",
    Form.JSON: "in .json files, as arrays",
    Form.PARQUET: "in .parquet files, for programs that analyse data",
}

_PAGES = """START-HERE.html           shows all of it: open it in a browser; it loads view/, and nothing from the network
VERIFY.html               checks this folder: open it in a browser, and drop the folder on it
"""

_FILES = """WHAT THE FILES ARE

data/                     what was found, by product and system; records are {records}
datapackage.json          what the records' columns are (Frictionless Data Package)
{pages}receipt.json              what was asked and delivered, signed by the controller (receipt.json.minisig, checked by minisign)
ledger.json               which systems were searched, how, and what was found or could not be read
manifest-sha256.txt       a digest (SHA-256) of each file under data/
tagmanifest-sha256.txt    a digest of each of the other files
bagit.txt, bag-info.txt   say that this folder is a BagIt bag (RFC 8493)
RequestInfo.json          the request
"""
