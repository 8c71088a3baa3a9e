"""What must be true whatever happened, by a checker that shares no code with the service: it imports nothing of it.

It is given what a stranger sees: the folders that were delivered, the database file, what the sources truly hold, what a poller was told,
what was asked of the service. `check` returns sentences, one for each thing that is wrong; none means that all of this holds:

1. Every accepted operation has ended, once: complete, or failed with a cause.
2. A complete package is whole: its files are those of its manifests, byte for byte, and hold what the sources hold on this person: each
   row and file once, nothing else. Of nobody else there is a byte.
3. Status and progress never go back as a poller sees them, but by an explicit resume.
4. The audit trail is one unbroken chain, with a record for each change of an operation, and for nothing else.
5. No secret lies anywhere it may not, and no personal data in the database. The location of what has ended is erased.
6. No lease is left, no temporary file, no descriptor.
7. Who is to be told of changes was told of each of them, and of nothing else; more than once perhaps, by the same id. Nothing is left to tell.
8. A purge removed what had ended and was kept long enough, nothing else, and the audit trail is verifiable after it (`purged`).
"""

import csv
import hashlib
import io
import json
import re
import sqlite3
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyrage
from tests.faults import purged, trail
from tests.faults.purged import Left, Purge
from tests.faults.trail import ENDED, History, Trail

csv.field_size_limit(1 << 30)

POSTGRES_TABLES = (
    "operation",
    "repeat_key",
    "read",
    "entry",
    "audit",
    "audit_checkpoint",
    "open_operations",
    "receipt",
    "retention",
    "outgoing_event",
)

_ORPHANS = "SELECT " + " + ".join(
    f"(SELECT count(*) FROM {table} WHERE operation_id NOT IN (SELECT id FROM operation))"
    for table in ("read", "entry", "repeat_key", "outgoing_event")
)

_TAGS = "tagmanifest-sha256.txt"
_MANIFEST = "manifest-sha256.txt"
_EVENTS = {
    "submit": "submitted",
    "cancel": "cancelled",
    "resume": "resumed",
    "approve": "approved",
    "reject": "rejected",
    "extend": "extended",
    "complete": "completed",
    "fail": "failed",
}
"""What is told of each change; that an operation begins to wait is told too, and no record has it."""
_RANK = {"notStarted": 0, "running": 1, "complete": 2, "failed": 2}
_MARKER = re.compile(rb"only-of-[0-9a-z]+-")
"""Of somebody; see `Person`."""
_IN_THE_OPEN = frozenset({"RequestInfo.json", "HOW-TO-OPEN.txt", "key.age", "sealed.json"})
"""What is not sealed of a sealed package."""


@dataclass(frozen=True)
class Person:
    """What the sources truly hold on one data subject."""

    subject_id: str
    marker: str
    """`only-of-…-`: stands in each row and file of this person's, and in nobody else's."""
    rows: Mapping[str, Sequence[Mapping[str, object]]]
    """By source, by the order of their ids."""
    files: Mapping[str, Mapping[str, bytes]]
    """By source and path."""


@dataclass(frozen=True)
class Accepted:
    """A request that was answered with an operation."""

    operation_id: str
    subject_id: str
    place: Path | None
    """The package's folder, or its ZIP file; None where somebody else looks into it."""


@dataclass(frozen=True)
class Poll:
    """What a poller was told; or, with a `status` of `resume`, that somebody asked for a resume then."""

    operation_id: str
    status: str
    progress: float = 0.0
    cause: str = ""


@dataclass
class Asked:
    """How often something was asked for, by operation: what was answered, and what may have been carried out before a kill."""

    certain: Counter[str] = field(default_factory=Counter)
    perhaps: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Held:
    """What the store holds in the end, as somebody reads it who knows the tables."""

    operations: Sequence[Mapping[str, Any]]
    """`id`, `status`, `owner`, `has_location`, `failure`."""
    leased: int
    open_reads_of_ended: int
    entries_of_complete: int
    audit: Sequence[tuple[str, int, str, bytes]]
    """`tenant_id`, `seq`, canonical record, hash; by these."""
    raw: bytes
    """Every byte that the store keeps."""
    untold: int = 0
    """Events that somebody is still to be told."""
    left: Left = field(default_factory=Left)


@dataclass
class Evidence:
    """All that was seen."""

    people: Mapping[str, Person]
    held: Held
    accepted: Sequence[Accepted]
    polls: Sequence[Poll] = ()
    asked: Mapping[str, Asked] = field(default_factory=dict)
    """By action: `cancel`, `resume`, `approve`, `extend`."""
    roots: Sequence[Path] = ()
    """Folders that packages were delivered to, with nothing else in them."""
    secrets: Sequence[bytes] = ()
    may_leave_marks: bool = False
    """Whether a location failed between its first entry and the answer: whoever is refused then leaves that entry behind."""
    logs: str = ""
    manifests: Mapping[str, bytes] = field(default_factory=dict)
    """By object id: the manifest of an export that nothing disturbed."""
    descriptors: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    """What was open before and after, as `open_descriptors` tells."""
    temporaries: Sequence[Path] = ()
    """Folders that the service alone keeps temporary files in."""
    identity: str = ""
    """The key of age, `AGE-SECRET-KEY-1…`, that opens what is sealed."""
    is_sealed: bool = False
    """Whether every package has to be sealed."""
    told: Sequence[Mapping[str, Any]] | None = None
    """The events that somebody was told, each once; None where nobody was to be told."""
    purges: Sequence[Purge] = ()
    """Those that were begun, in their order."""
    archive: Sequence[trail.Row] = ()
    """A copy of the audit trail as it was before each of them."""
    audit_key: str = ""
    """The public key, 64 hex digits, that signs the start of a chain; where there is none that is not looked at."""

    @property
    def rows(self) -> dict[str, Mapping[str, Any]]:
        """Return the operations that are held, by id."""
        return {str(row["id"]): row for row in self.held.operations}


def check(evidence: Evidence) -> list[str]:
    """Return what is wrong."""
    recorded = trail.read(evidence.archive, evidence.held.audit)
    gone = purged.gone(recorded, evidence.rows, evidence.purges)
    found = [
        *_ends(evidence, gone),
        *_polls(evidence.polls),
        *_audit(evidence, recorded, gone),
        *_left(evidence),
        *_secrets(evidence),
        *_events(evidence, recorded, gone),
        *purged.check(
            recorded,
            evidence.rows,
            evidence.held.audit,
            left=evidence.held.left,
            purges=evidence.purges,
            key=evidence.audit_key,
        ),
    ]
    whole = _complete(evidence, gone)
    for each in evidence.accepted:
        if each.place is not None and each.operation_id in whole:
            try:
                found += [f"{each.operation_id}: {what}" for what in _package(each, evidence)]
            except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
                found.append(f"{each.operation_id}: the package cannot be read: {error!r}")
    found += _strangers(evidence, whole)
    return found


def complete(evidence: Evidence) -> frozenset[str]:
    """Return the operations that are complete, also those that are purged since."""
    return _complete(evidence, purged.gone(trail.read(evidence.archive, evidence.held.audit), evidence.rows, evidence.purges))


def _complete(evidence: Evidence, gone: Mapping[str, History]) -> frozenset[str]:
    held = {operation_id for operation_id, row in evidence.rows.items() if row["status"] == "complete"}
    return frozenset(held | {operation_id for operation_id, history in gone.items() if history.status == "complete"})


# -- 1 ----------------------------------------------------------------------------------------------------------------------
def _ends(evidence: Evidence, gone: Mapping[str, History]) -> Iterator[str]:
    held = evidence.rows
    if len(held) != len(evidence.held.operations):
        yield "an operation is there twice"
    for each in evidence.accepted:
        row = held.get(each.operation_id)
        if each.operation_id in gone:
            continue  # whether it might go: 8
        if row is None:
            yield f"{each.operation_id} was accepted and is lost"
        elif row["status"] not in ENDED:
            yield f"{each.operation_id} never ended: {row['status']}"
        elif row["status"] == "failed" and not json.loads(row["failure"] or "{}").get("code"):
            yield f"{each.operation_id} failed without a cause"
    for operation_id in held.keys() - {each.operation_id for each in evidence.accepted}:
        yield f"{operation_id} is in the store, and nobody was ever told of it"


# -- 2 ----------------------------------------------------------------------------------------------------------------------
def _package(accepted: Accepted, evidence: Evidence) -> Iterator[str]:
    person = evidence.people[accepted.subject_id]
    assert accepted.place is not None
    content = read_package(accepted.place)
    if evidence.is_sealed:
        if told := [path for path, data in content.items() if _MARKER.search(path.encode() + b" " + data)]:
            yield f"{told} tell whose it is, and the package is sealed"
            return
        content = _unsealed(content, evidence.identity)
    yield from _manifested(content, evidence.manifests.get(accepted.subject_id))
    ledger = json.loads(content["ledger.json"])
    if ledger["subjectId"] != accepted.subject_id or ledger["operationId"] != accepted.operation_id or not ledger["complete"]:
        yield "its ledger is another operation's"
    if set(ledger["sources"]) != {*person.rows, *person.files}:
        yield f"its ledger knows {sorted(ledger['sources'])}"
        return
    for source, rows in person.rows.items():
        yield from _rows(source, rows, ledger["sources"][source], content)
    for source, files in person.files.items():
        yield from _files(source, files, ledger["sources"][source], content)
    for path, data in content.items():
        if set(_MARKER.findall(data)) - {person.marker.encode()}:
            yield f"{path} holds what is somebody else's"


def _manifested(content: Mapping[str, bytes], wanted: bytes | None) -> Iterator[str]:
    """Yield what is not as the manifests say; or, where one is `wanted`, that they say something else."""
    listed = _listed(content.get(_MANIFEST, b""))
    tags = _listed(content.get(_TAGS, b""))
    for path in content.keys() - listed.keys() - tags.keys() - {_TAGS}:
        yield f"{path} lies there, and no manifest names it"
    for path, digest in (*listed.items(), *tags.items()):
        if path not in content:
            yield f"{path} stands in a manifest, and is not there"
        elif hashlib.sha256(content[path]).hexdigest() != digest:
            yield f"{path} has another digest than its manifest says"
    if wanted not in {None, content.get(_MANIFEST)}:
        yield f"its manifest is not that of an undisturbed export:\n{content.get(_MANIFEST)!r}\n{wanted!r}"


def read_package(place: Path) -> dict[str, bytes]:
    """Return what lies in a package, by path; of a ZIP file, what it unpacks to."""
    if place.is_dir():
        return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if not path.is_dir()}
    with zipfile.ZipFile(place) as file:
        names = file.namelist()
        if len(set(names)) != len(names):
            raise ValueError("a name is there twice")
        return {name: file.read(name) for name in names}


def _unsealed(content: Mapping[str, bytes], identity: str) -> dict[str, bytes]:
    """Open a sealed package: what lies there is what its list says, and what its index names."""
    listed = {each["name"]: each["bytes"] for each in json.loads(content["sealed.json"])["entries"]}
    if listed != {path: len(data) for path, data in content.items() if path != "sealed.json"}:
        raise ValueError("its list is not what lies there")
    key = [pyrage.x25519.Identity.from_str(identity)]
    index = pyrage.decrypt(content["sealed/index.age"], key).decode().splitlines()
    names = dict(line.split("  ", 1) for line in index)
    if names.keys() != content.keys() - _IN_THE_OPEN - {"sealed/index.age"} or len(set(names.values())) != len(index):
        raise ValueError("its index names other entries than there are")
    opened = {path: bytes(pyrage.decrypt(content[name], key)) for name, path in names.items()}
    return {**opened, "RequestInfo.json": content["RequestInfo.json"]}


def _listed(manifest: bytes) -> dict[str, str]:
    lines = manifest.decode().splitlines()
    found = {path: digest for digest, _, path in (line.partition("  ") for line in lines)}
    if len(found) != len(lines):
        raise ValueError("a manifest names a file twice")
    return found


def _counting(source: str, state: Mapping[str, Any], content: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the paths of a source's that count."""
    replaced = {each["path"] for each in state["superseded"]}
    for path in sorted(content):
        if path.startswith(f"data/Product/{source}/") and path not in replaced:
            yield path


def _rows(source: str, rows: Sequence[Mapping[str, object]], state: Mapping[str, Any], content: Mapping[str, bytes]) -> Iterator[str]:
    if (state["state"], state["rows"]) != ("exported" if rows else "empty", len(rows)):
        yield f"{source}: the ledger says {state['state']}, {state['rows']} rows, and there are {len(rows)}"
    wanted = sorted(json.dumps(row, sort_keys=True) for row in rows)
    forms: dict[str, list[str]] = defaultdict(list)
    for path in _counting(source, state, content):
        form = path.rpartition(".")[2]
        forms[form] += (json.dumps(row, sort_keys=True) for row in _read_rows(form, content[path]))
    for form, found in forms.items():
        if sorted(found) != wanted:
            more, less = Counter(found) - Counter(wanted), Counter(wanted) - Counter(found)
            yield f"{source}: as {form} there are {sum(more.values())} rows too many, {sum(less.values())} too few"
    if rows and not forms:
        yield f"{source}: no part is there"


def _read_rows(form: str, content: bytes) -> Iterable[Mapping[str, object]]:
    if form == "jsonl":
        return [json.loads(line) for line in content.decode().splitlines()]
    read = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return [{**row, "id": int(row["id"])} for row in read]


def _files(source: str, files: Mapping[str, bytes], state: Mapping[str, Any], content: Mapping[str, bytes]) -> Iterator[str]:
    folder = f"data/Product/{source}/"
    found = {path.removeprefix(folder): content[path] for path in _counting(source, state, content)}
    if state["skipped"]:
        yield f"{source}: the ledger says that files were skipped"
    for path in found.keys() ^ files.keys():
        yield f"{source}: {path} is {'too many' if path in found else 'missing'}"
    for path in found.keys() & files.keys():
        if found[path] != files[path]:
            yield f"{source}: {path} is another"


def _strangers(evidence: Evidence, whole: frozenset[str]) -> Iterator[str]:
    """Yield what lies in the storage locations and belongs to no operation that was accepted; what one that failed left is its own."""
    known = {each.operation_id for each in evidence.accepted}
    for root in evidence.roots:
        for path in root.rglob("*"):
            first, *rest = path.relative_to(root).parts
            if first.startswith(".rightful-") or (first in whole and any(".pieces" in each for each in rest)):
                yield f"a temporary file is left: {path}"
            elif first not in known and not (evidence.may_leave_marks and (not rest or rest == ["RequestInfo.json"])):
                yield f"{path} belongs to no operation"


# -- 3 ----------------------------------------------------------------------------------------------------------------------
def _polls(polls: Sequence[Poll]) -> Iterator[str]:
    last: dict[str, Poll] = {}
    for poll in polls:
        before = last.get(poll.operation_id)
        if poll.status == "resume":
            if before is not None and before.status == "failed":
                # From failed back to running; how far it was stays.
                last[poll.operation_id] = Poll(poll.operation_id, "running", before.progress)
            continue
        last[poll.operation_id] = poll
        if before is None:
            continue
        if _RANK[poll.status] < _RANK[before.status] or (before.status in ENDED and poll.status != before.status):
            yield f"{poll.operation_id} went from {before.status} to {poll.status}"
        if poll.progress < before.progress:
            yield f"{poll.operation_id} fell from {before.progress} % to {poll.progress} %"
        if poll.status == "failed" and not poll.cause:
            yield f"{poll.operation_id} failed, and the poller was not told why"


# -- 4 ----------------------------------------------------------------------------------------------------------------------
def _audit(evidence: Evidence, recorded: Trail, gone: Mapping[str, History]) -> Iterator[str]:
    yield from trail.broken(recorded.rows)
    if "tampered" in evidence.logs:
        yield "the service takes its own audit trail for one that somebody tampered with"
    statuses = {operation_id: row["status"] for operation_id, row in evidence.rows.items()}
    for operation_id in (statuses.keys() | recorded.histories.keys()) - gone.keys():
        history, status = recorded.histories.get(operation_id, History()), statuses.get(operation_id, "unknown")
        if history.status != status:
            yield f"{operation_id} is {status}, and its audit trail tells of {history.status}: {history.changes}"
    for action, asked in evidence.asked.items():
        for operation_id in statuses.keys() | gone.keys():
            number = recorded.histories.get(operation_id, History()).changes.count(action)
            least = asked.certain[operation_id]
            if not least <= number <= least + asked.perhaps[operation_id]:
                yield f"{operation_id}: {number} records of {action}; {least} were answered, {asked.perhaps[operation_id]} more were cut off"


# -- 5 ----------------------------------------------------------------------------------------------------------------------
def _secrets(evidence: Evidence) -> Iterator[str]:
    for secret in evidence.secrets:
        if secret in evidence.held.raw:
            yield "a secret lies in the store in the clear"
        if secret.decode("latin-1") in evidence.logs:
            yield "a secret stands in the log"
        for root in evidence.roots:
            yield from (f"a secret lies in {path}" for path in root.rglob("*") if path.is_file() and secret in path.read_bytes())
    if _MARKER.search(evidence.held.raw):
        yield "personal data lies in the store in the clear"
    if _MARKER.search(evidence.logs.encode()):
        yield "personal data stands in the log"


# -- 6 ----------------------------------------------------------------------------------------------------------------------
def _left(evidence: Evidence) -> Iterator[str]:
    held = evidence.held
    for row in held.operations:
        if row["owner"] is not None:
            yield f"{row['id']} is leased for ever"
        if row["status"] in ENDED and row["has_location"]:
            yield f"the storage location of {row['id']} is kept, which has ended"
    if held.leased:
        yield f"{held.leased} reads are leased for ever"
    if held.open_reads_of_ended:
        yield f"{held.open_reads_of_ended} reads wait for what has ended"
    if held.entries_of_complete:
        yield f"{held.entries_of_complete} entries are kept of what is complete"
    before, after = evidence.descriptors
    if more := after - before:
        yield f"descriptors are left open: {sorted(more)}"
    for folder in evidence.temporaries:
        yield from (f"a temporary file is left: {path}" for path in folder.rglob("*"))


# -- 7 ----------------------------------------------------------------------------------------------------------------------
def _events(evidence: Evidence, recorded: Trail, gone: Mapping[str, History]) -> Iterator[str]:
    if evidence.told is None:
        return
    told = Counter((event["data"]["operationId"], event["type"].rpartition(".")[2]) for event in evidence.told)
    changed = Counter((operation_id, _EVENTS[action]) for operation_id, each in recorded.histories.items() for action in each.changes)
    for operation_id, kind in told.keys() | changed.keys():
        number, least = changed[operation_id, kind], 0 if operation_id in gone else changed[operation_id, kind]
        if kind != "waiting" and not least <= told[operation_id, kind] <= number:  # what nobody took goes with its operation
            yield f"{operation_id}: {kind} was told {told[operation_id, kind]} times, and happened {number} times"
    if _MARKER.search(json.dumps(list(evidence.told)).encode()):
        yield "personal data was told"
    if evidence.held.untold:
        yield f"{evidence.held.untold} events are left to tell"


def open_descriptors(process: str = "self") -> frozenset[str]:
    """Return what a process has open of files, this one where none is named: `number target`."""
    found = set()
    for number in list(Path(f"/proc/{process}/fd").iterdir()):
        with suppress(OSError):  # the folder's own, closed by now
            target = str(number.readlink())
            if target.startswith("/") and not target.startswith(("/dev/null", "/dev/pts", "/proc")):
                found.add(f"{number.name} {target}")
    return frozenset(found)


def look_into_sqlite(path: Path) -> Held:
    """Read a store's file, that nobody works on."""
    raw = b"".join(part.read_bytes() for part in sorted(path.parent.glob(f"{path.name}*")))
    connection = sqlite3.connect(path)
    try:
        connection.row_factory = sqlite3.Row
        connection.text_factory = lambda text: text.decode("utf-8", "surrogatepass")
        statuses = {"not_started": "open", "running": "open", "intent": "intent"}
        operations = [
            {**dict(row), "status": statuses.get(row["status"], row["status"])}
            for row in connection.execute("SELECT id, status, owner, sealed_location IS NOT NULL AS has_location, failure FROM operation")
        ]
        return Held(
            operations=operations,
            leased=_count(connection, "SELECT count(*) FROM read WHERE state = 'leased'"),
            open_reads_of_ended=_count(
                connection,
                "SELECT count(*) FROM read r JOIN operation o ON o.id = r.operation_id "
                "WHERE o.status IN ('complete', 'failed') AND r.state IN ('pending', 'leased')",
            ),
            entries_of_complete=_count(
                connection, "SELECT count(*) FROM entry e JOIN operation o ON o.id = e.operation_id WHERE o.status = 'complete'"
            ),
            audit=[tuple(row) for row in connection.execute("SELECT tenant_id, seq, record, hash FROM audit ORDER BY tenant_id, seq")],
            raw=raw,
            untold=_count(connection, "SELECT count(*) FROM outgoing_event"),
            left=Left(
                receipts=frozenset(each for (each,) in connection.execute("SELECT operation_id FROM receipt")),
                starts=dict(map(tuple, connection.execute("SELECT tenant_id, start FROM retention WHERE start IS NOT NULL"))),
                orphans=_count(connection, _ORPHANS),
            ),
        )
    finally:
        connection.close()


def look_into_postgres(url: str) -> Held:
    """Read a store's tables, that nobody works on, as an account that sees all of them."""
    with psycopg.connect(url, autocommit=True, options="-c search_path=rightful") as connection:
        raw = b"".join(
            value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
            for table in POSTGRES_TABLES
            for row in connection.execute(f"SELECT * FROM {table}".encode())
            for value in row
        )
        statuses = {"not_started": "open", "running": "open", "intent": "intent"}
        names = ("id", "status", "owner", "has_location", "failure")
        found = connection.execute("SELECT id, status, owner, sealed_location IS NOT NULL, failure FROM operation").fetchall()
        operations = [dict(zip(names, row, strict=True)) for row in found]
        ((leased, waiting, entries),) = connection.execute(
            "SELECT (SELECT count(*) FROM read WHERE state = 'leased'), (SELECT count(*) FROM read r JOIN operation o ON o.id = r.operation_id "
            "WHERE o.status IN ('complete', 'failed') AND r.state IN ('pending', 'leased')), "
            "(SELECT count(*) FROM entry e JOIN operation o ON o.id = e.operation_id WHERE o.status = 'complete')"
        ).fetchall()
        audit = connection.execute("SELECT tenant_id, seq, record, hash FROM audit ORDER BY tenant_id, seq").fetchall()
        ((untold,),) = connection.execute("SELECT count(*) FROM outgoing_event").fetchall()
        receipts = connection.execute("SELECT operation_id FROM receipt").fetchall()
        starts = connection.execute("SELECT tenant_id, start FROM retention WHERE start IS NOT NULL").fetchall()
        ((orphans,),) = connection.execute(_ORPHANS.encode()).fetchall()
    return Held(
        operations=[{**row, "status": statuses.get(row["status"], row["status"])} for row in operations],
        leased=leased,
        open_reads_of_ended=waiting,
        entries_of_complete=entries,
        audit=[(tenant_id, seq, record, bytes(hash_)) for tenant_id, seq, record, hash_ in audit],
        raw=raw,
        untold=untold,
        left=Left(receipts=frozenset(each for (each,) in receipts), starts=dict(starts), orphans=orphans),
    )


def _count(connection: sqlite3.Connection, statement: str) -> int:
    (number,) = connection.execute(statement).fetchone()
    return int(number)
