"""What the service shows: operations, inbound shared user profiles, and their parts. The one place that has their properties. Pure."""

from collections.abc import Mapping
from typing import Any

from rightful.connectors.interface import Amount
from rightful.export.preview import Preview, SourcePreview
from rightful.graph.bodies import STATUS_WORDS, format_time
from rightful.graph.shapes import GRAPH, OURS, Edm, Property, Shape, Words
from rightful.operation.deadline import Reason
from rightful.operation.model import ApprovalState, DataPolicyOperation, Failure, PackageTotals, SourceProgress, SourceState, Written
from rightful.package import sealed
from rightful.package.redacting import RuledColumn
from rightful.subject.model import DataSubject, Reached, Refused, Weakness

STATUS = Words(
    GRAPH,
    "dataPolicyOperationStatus",
    "Where an operation stands.",
    (*STATUS_WORDS.values(), "unknownFutureValue"),  # GRAPH-03; the last one is never sent
)

SOURCE_STATE = Words(OURS, "sourceState", "What became of one source.", tuple(state.value for state in SourceState))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


FAILURE: Shape[Failure] = Shape(
    namespace=OURS,
    name="failure",
    doc="Why an operation failed, or what it waits for.",
    properties=(
        Property("code", Edm.STRING, lambda failure: failure.code, "Stable, for instance `SourceUnavailable` or `cancelled`."),
        Property("message", Edm.STRING, lambda failure: failure.message, "For people; without personal data or secrets."),
        Property("source", Edm.STRING, lambda failure: failure.source_name or None, "The source that was the cause.", is_nullable=True),
    ),
)

SOURCE: Shape[SourceProgress] = Shape(
    namespace=OURS,
    name="source",
    doc="How far one source is.",
    properties=(
        Property("name", Edm.STRING, lambda source: source.source_name, "Its name in the configuration."),
        Property("state", SOURCE_STATE, lambda source: source.state.value, "What became of it."),
        Property("rows", Edm.INT64, lambda source: source.rows, "Rows written."),
        Property("files", Edm.INT64, lambda source: source.files, "Files written."),
        Property("bytes", Edm.INT64, lambda source: source.size_bytes, "Bytes written."),
        Property("skipped", Edm.INT64, lambda source: source.skipped, "Items that could not be read; they stand in the ledger."),
        Property("seconds", Edm.DOUBLE, lambda source: source.duration_s, "How long it took."),
    ),
)

APPROVAL_STATE = Words(OURS, "approvalState", "What became of the wish for an approval.", ("waiting", "given", "notGiven"))
_SEALED_TO: Mapping[sealed.Opener, str] = {"key": "", "passphrase": "passphrase", "ssh": "ssh-ed25519"}
_APPROVAL_WORDS = dict(zip(ApprovalState, APPROVAL_STATE.members, strict=True))

APPROVAL: Shape[DataPolicyOperation] = Shape(
    namespace=OURS,
    name="approval",
    doc="A second administrator's approval, without which no source is read. People and applications are named by `appId/objectId`.",
    properties=(
        Property("state", APPROVAL_STATE, lambda it: it.approval and _APPROVAL_WORDS[it.approval.state], "What became of it."),
        Property("until", Edm.DATE_TIME, lambda it: it.approval and format_time(it.approval.until), "When the wait ends, and the export."),
        Property("requestedBy", Edm.STRING, lambda it: _within_tenant(it.caller_key), "Who asked for the export, and cannot approve it."),
        Property(
            "decidedBy",
            Edm.STRING,
            lambda it: (it.approval and _within_tenant(it.approval.decided_by)) or None,
            "Who approved or rejected it.",
            is_nullable=True,
        ),
    ),
)


def _within_tenant(caller_key: str) -> str:
    return caller_key.partition("/")[2]


EXTENSION_REASON = Words(OURS, "extensionReason", "Why the time to answer was extended.", tuple(reason.value for reason in Reason))

DEADLINE: Shape[DataPolicyOperation] = Shape(
    namespace=OURS,
    name="deadline",
    doc="By when the request has to be answered, where the tenant's settings name a regulation.",
    properties=(
        Property("regulation", Edm.STRING, lambda it: it.deadline and it.deadline.regulation, "As in the settings."),
        Property(
            "receivedDateTime", Edm.DATE_TIME, lambda it: format_time(it.received_at or it.submitted_at), "When the request was received."
        ),
        Property("dueDate", Edm.DATE, lambda it: it.deadline and it.deadline.due_on.isoformat(), "The last day, where the controller is."),
        Property("dueDateTime", Edm.DATE_TIME, lambda it: it.deadline and format_time(it.deadline.due_at), "The last second of that day."),
        Property(
            "extendableTo",
            Edm.DATE,
            lambda it: it.deadline and it.deadline.extendable_to and it.deadline.extendable_to.isoformat(),
            "The last day that an extension would give; not there where it was extended, or cannot be.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "extendedDateTime",
            Edm.DATE_TIME,
            lambda it: it.deadline and it.deadline.extension and format_time(it.deadline.extension.at),
            "When the time was extended.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "extensionReason",
            EXTENSION_REASON,
            lambda it: it.deadline and it.deadline.extension and it.deadline.extension.reason.value,
            "Why it was.",
            is_nullable=True,
            is_left_out=True,
        ),
    ),
)


PACKAGE: Shape[PackageTotals] = Shape(
    namespace=OURS,
    name="package",
    doc="What a complete package holds.",
    properties=(
        Property("prefix", Edm.STRING, lambda package: package.prefix, "Where it lies in the container: a folder, or a ZIP file."),
        Property("entries", Edm.INT64, lambda package: package.entries, "Blobs or files."),
        Property("bytes", Edm.INT64, lambda package: package.size_bytes, "Of all entries."),
        Property("manifestSha256", Edm.STRING, lambda package: package.manifest_sha256, "Digest of manifest-sha256.txt."),
    ),
)

LEFT: Shape[Written] = Shape(
    namespace=OURS,
    name="left",
    doc="What an operation that has failed left in its storage location.",
    properties=(
        Property("prefix", Edm.STRING, lambda left: left.prefix, "Where it lies in the container."),
        Property("entries", Edm.INT64, lambda left: left.entries, "Blobs or files, beside RequestInfo.json."),
        Property("bytes", Edm.INT64, lambda left: left.size_bytes, "Of all of them."),
    ),
)

# GRAPH-02, in the order that answers show them; then ours: SDKs keep properties that they don't know (GRAPH-03).
OPERATION: Shape[DataPolicyOperation] = Shape(
    namespace=GRAPH,
    name="dataPolicyOperation",
    doc="One accepted export of a person's data.",
    key="id",
    properties=(
        Property("id", Edm.STRING, lambda operation: operation.operation_id, "A GUID."),
        Property(
            "completedDateTime",
            Edm.DATE_TIME,
            lambda operation: operation.completed_at and format_time(operation.completed_at),
            "When it ended; null until then.",
            is_nullable=True,
        ),
        # A JSON number: SDKs read a string as None.
        Property("progress", Edm.DOUBLE, lambda operation: float(operation.progress_percent), "0 to 100; never falls."),
        Property("status", STATUS, lambda operation: STATUS_WORDS[operation.status], "Where it stands.", is_nullable=True),
        Property(
            "storageLocation",
            Edm.STRING,
            lambda operation: operation.storage_location.partition("?")[0],  # GRAPH-34
            "Where the package goes, without the signature.",
            is_nullable=True,
        ),
        Property("submittedDateTime", Edm.DATE_TIME, lambda operation: format_time(operation.submitted_at), "When it was accepted."),
        Property("userId", Edm.STRING, lambda operation: operation.subject_id, "Whose data it is."),
        Property(
            "since",
            Edm.STRING,
            lambda operation: operation.since,
            "The earlier operation whose package this one brings the difference to.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "failureReason",
            FAILURE,
            lambda operation: operation.failure and FAILURE.show(operation.failure),
            "Why it failed.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "waitingFor",
            FAILURE,
            lambda operation: operation.waiting_for and FAILURE.show(operation.waiting_for),
            "What it waits for, for instance a storage location whose SAS has expired.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "language",
            Edm.STRING,
            lambda operation: operation.language or None,
            "The language of the package (BCP 47).",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "sealedTo",
            Edm.STRING,
            lambda operation: _SEALED_TO[sealed.opener(operation.key_file)] or operation.recipient or None,
            "What the package is sealed to: a public key of age, or the word passphrase, or ssh-ed25519 for a key of SSH.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "secondsLeft",
            Edm.DOUBLE,
            lambda operation: _rounded(operation.left_s),
            "How long it will still take, by its pace so far; not there before it can be told.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "approval",
            APPROVAL,
            lambda operation: operation.approval and APPROVAL.show(operation),
            "A second administrator's approval, where the tenant asks for one.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "deadline",
            DEADLINE,
            lambda operation: operation.deadline and DEADLINE.show(operation),
            "By when the request has to be answered, where the tenant's settings name a regulation.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "sources",
            SOURCE,
            lambda operation: [SOURCE.show(source) for source in operation.sources],
            "How far each source is; not in lists.",
            is_list=True,
            is_left_out=True,
        ),
        Property(
            "package",
            PACKAGE,
            lambda operation: operation.package and PACKAGE.show(operation.package),
            "What the package of a complete operation holds.",
            is_nullable=True,
            is_left_out=True,
        ),
        Property(
            "left",
            LEFT,
            lambda operation: operation.left and LEFT.show(operation.left),
            "What an operation that has failed left in its storage location; not in lists.",
            is_nullable=True,
            is_left_out=True,
        ),
    ),
)

# GRAPH-04
PROFILE: Shape[DataSubject] = Shape(
    namespace=GRAPH,
    name="inboundSharedUserProfile",
    doc="A person of another tenant who was shared with this one.",
    key="userId",
    properties=(
        Property("userId", Edm.STRING, lambda subject: subject.subject_id, "The person's object id in the home tenant."),
        Property("displayName", Edm.STRING, lambda subject: subject.display_name, "Name to show."),
        Property("userPrincipalName", Edm.STRING, lambda subject: subject.user_principal_name, "User principal name."),
        Property("homeTenantId", Edm.STRING, lambda subject: subject.home_tenant_id, "The person's own tenant."),
    ),
)


# -- previews: ours, not Graph's ------------------------------------------------------------------------------------------
IDENTIFIER: Shape[Reached] = Shape(
    namespace=OURS,
    name="identifier",
    doc="An identifier that sources are searched by, and how it was reached.",
    properties=(
        Property("kind", Edm.STRING, lambda it: it.kind, "Its kind, for instance `mail`."),
        Property("value", Edm.STRING, lambda it: it.value, "The identifier."),
        Property("place", Edm.STRING, lambda it: it.place, "Table and column of the directory, or source and column, where it stands."),
        Property(
            "over",
            Edm.STRING,
            lambda it: list(it.over),
            "The sources that its row was reached over, nearest first: the last one's row names the person.",
            is_list=True,
            is_left_out=True,
        ),
        Property("round", Edm.INT32, lambda it: it.round, "0: in the person's own row; else in which round of looking further."),
        Property("fromKind", Edm.STRING, lambda it: it.from_kind, "The kind of identifier that led to it.", is_left_out=True),
        Property("fromValue", Edm.STRING, lambda it: it.from_value, "The identifier that led to it.", is_left_out=True),
    ),
)

WEAKNESS = Words(OURS, "weakness", "Why an identifier is not searched for.", ("empty", "tooShort", "shared"))
_WEAKNESS_WORDS = dict(zip(Weakness, WEAKNESS.members, strict=True))

REFUSED: Shape[Refused] = Shape(
    namespace=OURS,
    name="refusedIdentifier",
    doc="What stands in the directory and is too weak to be searched for.",
    properties=(
        Property("kind", Edm.STRING, lambda it: it.kind, "Its kind."),
        Property("value", Edm.STRING, lambda it: it.value, "What stands there.", is_left_out=True),
        Property("place", Edm.STRING, lambda it: it.place, "Table and column of the directory, or source and column, where it stands."),
        Property("reason", WEAKNESS, lambda it: _WEAKNESS_WORDS[it.weakness], "Why it is not searched for."),
        Property("people", Edm.INT32, lambda it: it.people, "How many share it.", is_left_out=True),
    ),
)


def _count(amount: Amount | None) -> int | None:
    return None if amount is None else amount.count


def _is_exact(*amounts: Amount | None) -> bool:
    known = [amount for amount in amounts if amount is not None]
    return bool(known) and all(amount.is_exact for amount in known)


REDACTED: Shape[RuledColumn] = Shape(
    namespace=OURS,
    name="redactedColumn",
    doc="A column that the source's rules withhold, or others' names in it.",
    properties=(
        Property("name", Edm.STRING, lambda it: it.column.name, "Its name."),
        Property("rule", Edm.STRING, lambda it: it.rule, "`others`, `mails_and_phones`, `drop` or `hash`."),
    ),
)

PREVIEWED: Shape[SourcePreview] = Shape(
    namespace=OURS,
    name="previewedSource",
    doc="What is known of one source before it is read; an amount that is not known is null.",
    properties=(
        Property("name", Edm.STRING, lambda it: it.source_name, "Its name in the configuration."),
        Property("connector", Edm.STRING, lambda it: it.connector, "What will read it."),
        Property("product", Edm.STRING, lambda it: it.product, "The product under which it is filed."),
        Property("searched", Edm.STRING, lambda it: it.searched, "The query with placeholders, or the path's template."),
        Property("kinds", Edm.STRING, lambda it: list(it.kinds), "Kinds of identifiers that it is searched by.", is_list=True),
        Property("identifiers", Edm.INT32, lambda it: it.identifiers, "How many of these there are; 0: nothing will be searched."),
        Property("rows", Edm.INT64, lambda it: _count(it.estimate.rows), "Rows.", is_nullable=True),
        Property("files", Edm.INT64, lambda it: _count(it.estimate.files), "Files.", is_nullable=True),
        Property("bytes", Edm.INT64, lambda it: _count(it.estimate.size_bytes), "Bytes as delivered.", is_nullable=True),
        Property("isExact", Edm.BOOLEAN, lambda it: _is_exact(it.estimate.rows, it.estimate.files), "Whether rows and files were counted."),
        Property("seconds", Edm.DOUBLE, lambda it: _rounded(it.seconds), "How long it will take, by its recent pace.", is_nullable=True),
        Property("columns", Edm.INT32, lambda it: it.columns, "How many columns a row has, as it is delivered."),
        Property(
            "redactedColumns",
            REDACTED,
            lambda it: [REDACTED.show(each) for each in it.redacted],
            "Columns that a rule withholds, or others' names in them.",
            is_list=True,
        ),
        Property("unlabelledColumns", Edm.STRING, lambda it: list(it.unlabelled), "Columns that no label speaks of.", is_list=True),
        Property(
            "unstated",
            Edm.STRING,
            lambda it: list(it.unstated),
            "Settings of its label without which the statement says too little of it.",
            is_list=True,
        ),
        Property(
            "problem",
            FAILURE,
            lambda it: it.problem and FAILURE.show(it.problem),
            "Why nothing is known of it.",
            is_nullable=True,
            is_left_out=True,
        ),
    ),
)

PREVIEW: Shape[Preview] = Shape(
    namespace=OURS,
    name="exportPreview",
    doc="What an export would find, without reading it. Sums are over the sources that know.",
    properties=(
        Property("userId", Edm.STRING, lambda it: it.subject.subject.subject_id, "Whose data it would be."),
        Property("rows", Edm.INT64, lambda it: it.total("rows").count, "Rows in all."),
        Property("files", Edm.INT64, lambda it: it.total("files").count, "Files in all."),
        Property("bytes", Edm.INT64, lambda it: it.total("size_bytes").count, "Bytes in all, as delivered."),
        Property(
            "isExact",
            Edm.BOOLEAN,
            lambda it: it.total("rows").is_exact and it.total("files").is_exact,
            "Whether rows and files were counted, in every source.",
        ),
        Property("seconds", Edm.DOUBLE, lambda it: _rounded(it.seconds), "How long it will take, source after source."),
        Property(
            "identifiers",
            IDENTIFIER,
            lambda it: [IDENTIFIER.show(each) for each in it.subject.reached],
            "What the person is known by.",
            is_list=True,
        ),
        Property(
            "refusedIdentifiers",
            REFUSED,
            lambda it: [REFUSED.show(each) for each in it.subject.refused],
            "What is not searched for.",
            is_list=True,
        ),
        Property(
            "unstated",
            Edm.STRING,
            lambda it: list(it.unstated),
            "Settings of `statement` without which the statement says too little of the organization.",
            is_list=True,
        ),
        Property("sources", PREVIEWED, lambda it: [PREVIEWED.show(each) for each in it.sources], "Source by source.", is_list=True),
    ),
)

PARTS: tuple[Shape[Any], ...] = (FAILURE, APPROVAL, DEADLINE, SOURCE, PACKAGE, LEFT, IDENTIFIER, REFUSED, REDACTED, PREVIEWED, PREVIEW)
"""Every shape without a key."""
WORDS = (APPROVAL_STATE, EXTENSION_REASON, SOURCE_STATE, WEAKNESS)
"""Every closed list of ours."""
