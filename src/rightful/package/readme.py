"""README.txt: what a package is, what is in it and how to check it, for a person who reads it without us."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache, reduce
from typing import assert_never

from rightful.language import ENGLISH
from rightful.operation.model import AskedBy, SourceState
from rightful.package.bagit import MANIFEST_PATH, TAG_MANIFEST_PATH
from rightful.package.difference import Counts
from rightful.package.forms import Form
from rightful.package.ledger import Ledger, RedactedColumn, SourceRecord
from rightful.package.texts import Texts, columns, texts
from rightful.subject.matching import FOLDED_KINDS

PATH = "README.txt"
DOMAIN = "readme"
"""Of its catalogues."""

_UNITS = {ENGLISH: ("kB", "MB", "GB", "TB"), "fr": ("ko", "Mo", "Go", "To")}
"""Of a thousand bytes and more; other languages write them as in English (CLDR 46)."""
_NO_DECIMALS = 100
_ENGLISH_BELOW = "(English below)\n\n"
_RULE = f"\n\n{'-' * 72}\n\n"


def format_readme(
    ledger: Ledger, *, organization: str, language: str = "", forms: Iterable[Form] = (Form.JSONL,), has_pages: bool = True
) -> bytes:
    """Write README.txt in a language, and below in English, so that anybody can check a package.

    `forms` are those that there are records in.
    """
    readmes = [
        _Readme(texts(DOMAIN, each), ledger, organization, frozenset(forms), has_pages=has_pages).text()
        for each in dict.fromkeys((language or ENGLISH, ENGLISH))
    ]
    return ((_ENGLISH_BELOW if len(readmes) > 1 else "") + _RULE.join(readmes)).encode()


def format_nothing_delivered(language: str = "") -> bytes:
    """Write the note that stands for what was found where nothing was delivered, as `format_readme`."""
    said = dict.fromkeys(
        texts(DOMAIN, each).say(
            "There is no record and no file to deliver. README.txt and ledger.json say what was searched, found and left out."
        )
        for each in (language, ENGLISH)
    )
    return "".join(f"{each}\n" for each in said).encode()


class _Readme:
    """README.txt in one language."""

    def __init__(self, said: Texts, ledger: Ledger, organization: str, forms: frozenset[Form], *, has_pages: bool) -> None:
        self._said = said
        self._ledger = ledger
        self._organization = " ".join(organization.split())
        self._forms = forms
        self._has_pages = has_pages

    def text(self) -> str:
        """Write it."""
        chapters = (self._opening(), self._contents(), self._left_out())
        about_files = _about_files(
            self._said.language, self._forms, has_pages=self._has_pages, is_difference=self._ledger.since is not None
        )
        return "\n".join([*("\n".join(chapter) + "\n" for chapter in chapters if chapter), about_files])

    def _opening(self) -> list[str]:
        said, ledger = self._said, self._ledger
        organization = self._organization or said.say("The controller")
        return [
            said.say("YOUR PERSONAL DATA"),
            "",
            said.say("{organization} was asked for the personal data that it holds on you.", organization=organization),
            *self._whole_or_not(),
            "",
            *columns(
                (
                    (said.say("Asked on:"), _date(ledger.submitted_at)),
                    *self._asked_by(),
                    (said.say("Finished on:"), _date(ledger.completed_at)),
                    (said.say("Reference:"), ledger.operation_id),
                )
            ),
        ]

    def _asked_by(self) -> Iterator[tuple[str, str]]:
        """Say who asked, and name nobody."""
        said, by = self._said, self._ledger.asked_by
        if by is not None:
            who = said.say("you") if by is AskedBy.SUBJECT else said.say("the controller or one of its applications, for you")
            yield said.say("Asked by:"), who

    def _whole_or_not(self) -> list[str]:
        """Say whether this is all, or the difference to an earlier package, and to which."""
        said, since = self._said, self._ledger.since
        if since is None:
            return [said.say("This folder has what was found.")]
        lines = [
            said.say("This folder has only what is new or changed since an earlier package."),
            said.say("That one has the reference {reference}: keep it, this one says little without it.", reference=since.operation_id),
            "",
            *columns(
                (name, self._changes(each)) for name, each in zip((said.say("Records:"), said.say("Files:")), since.totals(), strict=True)
            ),
        ]
        if not since.is_policy_same:
            lines += ["", said.say("The controller's rules are others than then: a record that they changed counts as changed, too.")]
        left = [name for name, each in since.sources.items() if not each.is_searched]
        if left:
            lines += ["", said.say("Searched then, and no longer: {systems}.", systems=", ".join(left))]
        return lines

    def _changes(self, counts: Counts) -> str:
        said = self._said
        return said.say(
            "{new} new, {changed} changed, {gone} gone; {unchanged} as they were",
            new=said.number(counts.new),
            changed=said.number(counts.changed),
            gone=said.number(counts.gone),
            unchanged=said.number(counts.unchanged),
        )

    # -- what is in it ------------------------------------------------------------------------------------------------
    def _contents(self) -> list[str]:
        said, sources = self._said, self._ledger.sources
        lines = [said.say("WHAT IS IN IT"), ""]
        for record in sources:
            lines += [_where(record), f"    {self._found(record)}"]
            if record.rows or record.files:
                lines.append("    " + said.say("in {folder}", folder=record.folder))
        if self._ledger.since is None and all(record.state is SourceState.EMPTY for record in sources):
            is_whole = not any(map(_is_unknown_there, sources))
            nothing = said.say("Nothing was found on you.")
            lines += ["", said.say("Every system was searched, and nothing was found on you.") if is_whole else nothing]
        if any(not FOLDED_KINDS.isdisjoint(record.identifiers) for record in sources):
            lines += [
                "",
                said.say(
                    "Mail addresses and user names were searched as the controller has them, and in small letters; not in other spellings."
                ),
            ]
        return lines

    def _found(self, record: SourceRecord) -> str:
        said = self._said
        match record.state:
            case SourceState.EMPTY if _is_unknown_there(record):
                kinds = [kind.replace("_", " ") for kind in sorted(record.identifiers)]
                either = reduce(lambda first, last: said.say("{first} or {last}", first=first, last=last), kinds)
                return said.say("nothing to search for: this system knows people by {kinds}, and none of yours is known", kinds=either)
            case SourceState.EMPTY | SourceState.EXPORTED if self._ledger.since is not None and not (record.rows or record.files):
                return said.say("searched; nothing is new or changed")
            case SourceState.EMPTY:
                return said.say("searched; nothing was found")
            case SourceState.SKIPPED:
                return said.say("not searched: {reason}", reason=record.reason)
            case SourceState.FAILED:
                return said.say("could not be searched: {reason}", reason=record.reason)
            case _:
                return self._amount(record)

    def _amount(self, record: SourceRecord) -> str:
        said = self._said
        records = said.count("{n} record", "{n} records", record.rows)
        files = said.count("{n} file", "{n} files", record.files)
        size = self._size(record.size_bytes)
        if record.rows and record.files:
            return said.say("{records} and {files}, {size}", records=records, files=files, size=size)
        if record.rows or record.files:
            return said.say("{amount}, {size}", amount=records if record.rows else files, size=size)
        return said.say("something is there, and nothing of it could be read")

    def _size(self, size_bytes: int) -> str:
        """Write a size as START-HERE.html does: in steps of a thousand, with at most three digits and a decimal that matters."""
        size, step = float(size_bytes), 0
        units = _UNITS.get(self._said.language, _UNITS[ENGLISH])
        while size >= 1000 and step < len(units):  # noqa: PLR2004 - the step between the units
            size, step = size / 1000, step + 1
        if not step:
            return self._said.count("{n} byte", "{n} bytes", size_bytes)
        text = self._said.number(size, 1 if size < _NO_DECIMALS else 0)
        return f"{text.removesuffix('.0').removesuffix(',0')} {units[step - 1]}"

    # -- what is not --------------------------------------------------------------------------------------------------
    def _left_out(self) -> list[str]:
        said = self._said
        lines = [line for record in self._ledger.sources for line in self._left_out_of(record)]
        heading = said.say("WHAT IS NOT IN IT, OR NOT WHOLE")
        return [heading, "", *lines, "", said.say("The file ledger.json names each of them.")] if lines else []

    def _left_out_of(self, record: SourceRecord) -> Iterator[str]:
        said, where = self._said, _where(record)
        if record.skipped:
            items = said.count("{n} item could not be read", "{n} items could not be read", len(record.skipped))
            reasons = "; ".join(sorted({entry.reason for entry in record.skipped}))
            yield said.say("{where}: {what} ({reasons})", where=where, what=items, reasons=reasons)
        withheld = ", ".join((*record.withheld, *record.withheld_paths, *record.withheld_rows))
        if withheld:
            yield said.say("{where}: left out by the controller's rules: {columns}", where=where, columns=withheld)
        for each in record.redacted:
            if each.values:
                values = said.count("{n} value", "{n} values", each.values)
                yield said.say("{where}, {column}: {values}; {why}", where=where, column=each.column, values=values, why=self._why(each))
        if record.superseded:
            versions = said.count(
                "{n} older version of what changed meanwhile; the newer one counts",
                "{n} older versions of what changed meanwhile; the newer ones count",
                len(record.superseded),
            )
            yield said.say("{where}: {what}", where=where, what=versions)

    def _why(self, redacted: RedactedColumn) -> str:
        said = self._said
        match redacted.rule:
            case "others":
                return said.say("this column names other people: all but your own identifiers is withheld (GDPR Art. 15(4))")
            case "mails_and_phones":
                return said.say(
                    "this column may mention other people: their mail addresses and telephone numbers are withheld (GDPR Art. 15(4))"
                )
            case "drop":
                return said.say("this column is withheld as a whole by the controller's rule")
            case "hash":
                return said.say(
                    "this column has a hash in the place of each value by the controller's rule,"
                    " equal for equal values, in this package alone"
                )
            case never:
                assert_never(never)


# -- what the files are -----------------------------------------------------------------------------------------------
@lru_cache(256)
def _about_files(language: str, forms: frozenset[Form], *, has_pages: bool, is_difference: bool) -> str:
    """Return how to check a package and what its files are: the same in many packages."""
    said = texts(DOMAIN, language)
    return "\n".join("\n".join(chapter) + "\n" for chapter in (_checking(said), _files(said, forms, has_pages, is_difference)))


def _checking(said: Texts) -> list[str]:
    return [
        said.say("HOW TO CHECK THAT NOTHING IS MISSING OR CHANGED"),
        "",
        said.say("Open a terminal in this folder. Nothing needs to be installed."),
        "",
        "Linux:",
        f"    sha256sum --quiet -c {MANIFEST_PATH} {TAG_MANIFEST_PATH}",
        "macOS:",
        f"    shasum -a 256 -c {MANIFEST_PATH} {TAG_MANIFEST_PATH}",
        "Windows (PowerShell):",
        f"    Get-Content {MANIFEST_PATH}, {TAG_MANIFEST_PATH} -Encoding UTF8 | ForEach-Object {{",
        "      $digest, $path = $_ -split '  ', 2",
        """      if ((Get-FileHash -LiteralPath $path -Algorithm SHA256).Hash -ne $digest) { "CHANGED: $path" } }""",
        "",
        said.say("A line that says FAILED or CHANGED names a file that is not as it was delivered."),
    ]


def _files(said: Texts, forms: frozenset[Form], has_pages: bool, is_difference: bool) -> list[str]:  # noqa: FBT001 - private, called once
    records = said.say("; ").join(_form(said, form) for form in Form if form in forms)
    pages = (
        ("START-HERE.html", said.say("shows all of it: open it in a browser; it loads view/, and nothing from the network")),
        ("VERIFY.html", said.say("checks this folder: open it in a browser, and drop the folder on it")),
    )
    changes = (
        ("changes.json", said.say("how much is new, changed, gone or as it was, system by system")),
        ("gone.jsonl", said.say("which records and files are gone; they are in the earlier package")),
    )
    files = (
        ("data/", said.say("what was found, by product and system; records are {records}", records=records)),
        ("datapackage.json", said.say("what the records' columns are (Frictionless Data Package)")),
        *(pages if has_pages else ()),
        ("STATEMENT.txt", said.say("why this data is held, who receives it, and what your rights are (statement.json: for programs)")),
        *(changes if is_difference else ()),
        (
            "receipt.json",
            said.say("what was asked and delivered, signed by the controller (receipt.json.minisig, checked by minisign)"),
        ),
        ("ledger.json", said.say("which systems were searched, how, and what was found or could not be read")),
        (MANIFEST_PATH, said.say("a digest (SHA-256) of each file under data/")),
        (TAG_MANIFEST_PATH, said.say("a digest of each of the other files")),
        ("bagit.txt, bag-info.txt", said.say("say that this folder is a BagIt bag (RFC 8493)")),
        ("RequestInfo.json", said.say("the request")),
    )
    return [said.say("WHAT THE FILES ARE"), "", *columns(files)]


def _form(said: Texts, form: Form) -> str:
    match form:
        case Form.JSONL:
            return said.say("in .jsonl files, one record a line")
        case Form.CSV:
            return said.say("in .csv files, for spreadsheets")
        case Form.JSON:
            return said.say("in .json files, as arrays")
        case Form.PARQUET:
            return said.say("in .parquet files, for programs that analyse data")


def _where(record: SourceRecord) -> str:
    return f"{record.product} / {record.source_name}"


def _date(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def _is_unknown_there(record: SourceRecord) -> bool:
    return bool(record.identifiers) and not any(record.identifiers.values())
