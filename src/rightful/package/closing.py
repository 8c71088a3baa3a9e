"""The end of a package: every document that is written after the last part, in the order in which it is written.

The tag manifest comes last and lists all the others, so that a package that has one is finished. What comes before it may be put
again any number of times: the same values give the same bytes.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any

import msgspec

from rightful.package import bagit, datapackage, difference, ledger, readme, receipt, request_info, sealed
from rightful.package.contents import PAYLOAD, PayloadEntry
from rightful.package.datapackage import SourceTitle
from rightful.package.digest import Digest, measure
from rightful.package.forms import Form
from rightful.package.label import Label, StatementSettings
from rightful.package.ledger import Ledger
from rightful.package.minisign import SigningKey
from rightful.package.receipt import PreviousReceipt
from rightful.package.statement import model, text
from rightful.package.statement.composed import Composed, compose
from rightful.package.verifier import page as verifier
from rightful.package.viewer import overview, page, shards
from rightful.package.viewer.shards import OPEN_CALL

_NOTHING_DELIVERED_PATH = f"{PAYLOAD}nothing-delivered.txt"
"""The one payload entry of a package without data. A bag needs a payload folder, which blobs alone don't make; `sha256sum -c` refuses
an empty manifest, and a data package has at least one resource."""


_HELD_BYTES = 256 * 1024
"""With the pages' own style and script, of which there is one for all packages; the rest is less than the values that it is made of."""


_Searches = Mapping[str, Mapping[str, Any]]
"""What is told of each source's search, by source."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that the package itself brings."""

    path: str
    digest: Digest
    chunks: Callable[[], Iterator[bytes]]
    """Starts at the beginning with each call."""


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """All that the end of a package is made from."""

    ledger: Ledger
    entries: tuple[PayloadEntry, ...]
    """Everything that lies under `data/`, superseded entries too, in any order."""
    shards: tuple[PayloadEntry, ...] = ()
    """What lies under `view/` already, superseded or not, in any order."""
    request_info: Digest
    """Of RequestInfo.json, which was written first."""
    organization: str
    """The controller's name."""
    language: str = ""
    """Of what the person reads, one of `language.OFFERED`; empty: English, and the pages ask the browser."""
    titles: tuple[SourceTitle, ...] = ()
    """Of every source, in the configuration's order."""
    labels: Mapping[str, Label] = {}
    """By source, completed by what holds for every source; empty: they are completed here."""
    statement: StatementSettings = StatementSettings()
    """What the organization states of itself, and on every source."""
    software_agent: str = "Rightful"
    bagged_at: datetime
    key: SigningKey
    """The tenant's, that signs the receipt."""
    policy_sha256: str
    """Of the rules that the package was made by."""
    previous: PreviousReceipt | None = None
    named: Callable[[], Iterator[bytes]] | None = None
    """gone.jsonl of a difference; None where the package is whole."""
    call: str = OPEN_CALL
    """What its shards call."""
    has_viewer: bool = True
    """Whether the package has START-HERE.html."""


def documents(finished: Finished) -> tuple[Document, ...]:
    """Return the documents to write, in their order.

    Raises:
        PackageError: the ledger does not account for the entries, or a path can't stand in a manifest. Nothing may be called complete then.
    """
    ledger.check_ledger(finished.ledger, finished.entries)
    first = () if finished.entries else (_made(_NOTHING_DELIVERED_PATH, readme.format_nothing_delivered(finished.language)),)
    payload = (*finished.entries, *(_own_payload(document) for document in first))
    payload = tuple(sorted(payload, key=lambda entry: entry.path))
    operation_id = finished.ledger.operation_id
    searches = ledger.format_searches(finished.ledger)
    ledger_json = ledger.format_ledger(finished.ledger, searches)
    forms = {Form(entry.path.rpartition(".")[2]) for entry in payload if entry.rows is not None}
    readme_txt = readme.format_readme(
        finished.ledger,
        organization=finished.organization,
        language=finished.language,
        forms=forms or {Form.JSONL},
        has_pages=finished.has_viewer,
    )
    bag_info = bagit.format_bag_info(
        organization=finished.organization,
        operation_id=operation_id,
        bagged_at=finished.bagged_at,
        software_agent=finished.software_agent,
        payload_bytes=sum(entry.size_bytes for entry in payload),
        payload_entries=len(payload),
    )
    labels = finished.labels or {title.source_name: finished.statement.label_of(title.label) for title in finished.titles}
    titles = [msgspec.structs.replace(title, label=labels[title.source_name]) for title in finished.titles]
    statement = _statement(finished, labels)
    composed = compose(statement, language=finished.language)
    statement_json = model.format_statement(statement)
    described = (
        *(_pages(finished, labels, composed, searches) if finished.has_viewer else ()),
        _document(
            datapackage.PATH,
            lambda: datapackage.format_datapackage(
                operation_id=operation_id,
                organization=finished.organization,
                sources=titles,
                entries=payload,
                language=finished.language,
            ),
        ),
        *_differences(finished),
        _made(ledger.PATH, ledger_json),
        _made(readme.PATH, readme_txt),
        _made(model.PATH, statement_json),
        _made(text.PATH, composed.text),
        _document(bagit.MANIFEST_PATH, lambda: bagit.format_manifest((entry.path, entry.sha256) for entry in payload)),
        _made(bagit.BAGIT_PATH, bagit.BAGIT),
        _made(bagit.BAG_INFO_PATH, bag_info),
    )
    digests = {
        request_info.PATH: finished.request_info.sha256,
        **{shard.path: shard.sha256 for shard in finished.shards},
        **{tag.path: tag.digest.sha256 for tag in described},
    }
    receipt_json = receipt.format_receipt(
        finished.ledger,
        organization=finished.organization,
        software_agent=finished.software_agent,
        policy_sha256=finished.policy_sha256,
        previous=finished.previous,
        documents=digests,
        root_sha256=receipt.root_digest(((entry.path, entry.sha256) for entry in payload), digests.items()),
        key=finished.key,
    )
    signature = receipt.sign_receipt(receipt_json, finished.ledger, finished.key)
    signed = (
        _made(receipt.PATH, receipt_json),
        _made(receipt.SIGNATURE_PATH, signature),
    )
    tags = sorted([*digests.items(), *((tag.path, tag.digest.sha256) for tag in signed)])
    return (*first, *described, *signed, _document(bagit.TAG_MANIFEST_PATH, lambda: bagit.format_manifest(tags)))


def _differences(finished: Finished) -> Iterator[Document]:
    """Yield what says of a difference what is new, changed and gone."""
    since = finished.ledger.since
    if since is not None and finished.named is not None:
        changes_json = difference.format_changes(since, finished.ledger.operation_id)
        yield _made(difference.PATH, changes_json)
        yield _document(difference.LIST_PATH, finished.named)


def _by_source(entries: Iterable[PayloadEntry]) -> dict[str, list[PayloadEntry]]:
    found: dict[str, list[PayloadEntry]] = defaultdict(list)
    for entry in entries:
        found[entry.source_name].append(entry)
    return found


def _statement(finished: Finished, labels: Mapping[str, Label]) -> model.Statement:
    return model.state(
        finished.ledger,
        organization=finished.organization,
        settings=finished.statement,
        labels=labels,
        entries=_by_source(finished.entries),
    )


def sealed_documents(
    finished: Finished, documents: Sequence[Document], *, name_of: Callable[[str], str], key_file: bytes | None
) -> tuple[Document, ...]:
    """Return what ends a sealed package, in the order in which it is written, after the documents that end any.

    Args:
        finished: what those were made from.
        documents: those.
        name_of: gives the name that an entry lies under.
        key_file: the package's key, sealed by a passphrase or to a key of SSH, where it is.
    """
    sizes = {entry.path: entry.size_bytes for entry in (*finished.entries, *finished.shards)}
    sizes |= {document.path: document.digest.size_bytes for document in documents}
    index = sealed.format_index((name_of(path), path) for path in sizes)
    how_to_open = sealed.format_how_to_open(language=finished.language, organization=finished.organization, by=sealed.opener(key_file))
    listed = [sealed.SealedEntry(name_of(path), sealed.sealed_bytes(size)) for path, size in sizes.items()]
    listed.append(sealed.SealedEntry(sealed.INDEX_PATH, sealed.sealed_bytes(len(index))))
    listed.append(sealed.SealedEntry(request_info.PATH, finished.request_info.size_bytes))
    ends = [(sealed.INDEX_PATH, index), (sealed.HOW_TO_OPEN_PATH, how_to_open), *(((sealed.KEY_PATH, key_file),) if key_file else ())]
    listed += [sealed.SealedEntry(path, len(content)) for path, content in ends[1:]]
    ends.append((sealed.LIST_PATH, sealed.format_list(listed)))
    return tuple(_made(path, content) for path, content in ends)


def _pages(finished: Finished, labels: Mapping[str, Label], composed: Composed, searches: _Searches) -> Iterator[Document]:
    yield from _viewer(finished, labels, composed, searches)
    yield _verifier(finished.language)


@cache
def _verifier(language: str) -> Document:
    """Return VERIFY.html, which is the same in every package of a language."""
    return _made(verifier.PATH, verifier.format_page(language=language))


def _viewer(finished: Finished, labels: Mapping[str, Label], composed: Composed, searches: _Searches) -> Iterator[Document]:
    """Yield START-HERE.html, and before it what it loads besides the parts' own shards."""
    entries = _by_source(finished.entries)
    file_lists = {record.source_name: overview.list_files(record, entries[record.source_name]) for record in finished.ledger.sources}
    for file_list in (each for lists in file_lists.values() for each in lists):
        yield _document(file_list.path, partial(_shard, file_list, finished.call))
    known = overview.overview(
        finished.ledger,
        organization=finished.organization,
        language=finished.language,
        labels=labels,
        composed=composed,
        entries=entries,
        file_lists=file_lists,
        searches=searches,
        call=finished.call,
    )
    digest, pieces = page.measured_page(known)
    is_small = digest.size_bytes <= _HELD_BYTES
    yield Document(path=page.PATH, digest=digest, chunks=pieces.__iter__ if is_small else lambda: page.format_page(known))


def _shard(file_list: overview.FileList, call: str) -> Iterator[bytes]:
    return iter(shards.encode_shard(file_list.lines(), file_list.changed_in, call=call))


def _made(path: str, content: bytes) -> Document:
    """Return a document that is there already."""
    digest = Digest(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    return Document(path=path, digest=digest, chunks=(content,).__iter__)


def _document(path: str, chunks: Callable[[], Iterator[bytes]]) -> Document:
    """Return a document; one that is small is made once and held until it is put."""
    held: list[bytes] = []
    digest = measure(_holding(chunks(), held))
    is_whole = digest.size_bytes <= _HELD_BYTES
    return Document(path=path, digest=digest, chunks=held.__iter__ if is_whole else chunks)


def _holding(chunks: Iterator[bytes], held: list[bytes]) -> Iterator[bytes]:
    """Pass chunks on, and hold them as long as they are no more than may be held."""
    size_bytes = 0
    for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes <= _HELD_BYTES:
            held.append(chunk)
        else:
            held.clear()
        yield chunk


def _own_payload(document: Document) -> PayloadEntry:
    return PayloadEntry(path=document.path, sha256=document.digest.sha256, size_bytes=document.digest.size_bytes, source_name="")
