"""What an export would find, without reading it: sources, identifiers and how they were reached, amounts and time.

Nothing is written, no operation is made, and no value of a source is read: each connector is asked how much there is (`Estimating`), and
for its columns. A source that does not answer is named with its error, and the others are told all the same.
"""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import structlog

from rightful.config.model import SourceConfig
from rightful.connectors.interface import Amount, Connector, Describing, Estimate, ReadHeader, estimate
from rightful.errors import NotFound, SourceError, no_thread
from rightful.export.letting_go import let_go
from rightful.export.pace import Pace
from rightful.export.runtime import TenantRuntime
from rightful.faults import describe
from rightful.operation.model import Failure
from rightful.package.label import unlabelled, unstated
from rightful.package.redacting import RuledColumn, plan
from rightful.subject.folders import kinds_of
from rightful.subject.matching import is_usable
from rightful.subject.model import DataSubject, IdentifiedSubject

_log = structlog.get_logger(__name__)

LIMIT_S = 2.0
"""How long a source may take to say how much there is."""
_DESCRIBED_S = 30.0
"""How long a source may take to say what it has, before anything is asked of anybody."""
_SIDE_BY_SIDE = 4


class SourcePreview(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one source before it is read."""

    source_name: str
    connector: str
    product: str
    searched: str = ""
    """A query with placeholders, a path template."""
    kinds: tuple[str, ...] = ()
    """Of identifiers that it is searched by."""
    identifiers: int = 0
    """How many of these the subject has; 0: nothing will be searched."""
    estimate: Estimate = Estimate()
    seconds: float | None = None
    """How long it will take, by its recent pace; None where the amount is not known."""
    columns: int = 0
    """Of those that are delivered."""
    redacted: tuple[RuledColumn, ...] = ()
    """Columns that a rule withholds, or others' names in them."""
    unlabelled: tuple[str, ...] = ()
    """Columns whose data nobody has labelled."""
    unstated: tuple[str, ...] = ()
    """Settings of its label without which the statement says too little of it."""
    problem: Failure | None = None
    """Why nothing is known of it."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an export of one subject would be."""

    subject: IdentifiedSubject
    unstated: tuple[str, ...] = ()
    """Settings of `statement` without which the statement says too little of the organization."""
    sources: tuple[SourcePreview, ...] = ()

    def total(self, name: str) -> Amount:
        """Return the sum of `rows`, `files` or `size_bytes` over the sources, of those that know it; exact where all do exactly."""
        amounts = [getattr(source.estimate, name) for source in self.sources]
        known: list[Amount] = [amount for amount in amounts if amount is not None]
        unknown = [source for source in self.sources if source.estimate == Estimate()]
        return Amount(sum(amount.count for amount in known), is_exact=not unknown and all(amount.is_exact for amount in known))

    @property
    def seconds(self) -> float:
        """How long the reads take together, one after the other, of those of which it is known."""
        return sum(source.seconds or 0.0 for source in self.sources)


def preview(subject: DataSubject, tenant: TenantRuntime, pace: Pace, *, limit_s: float = LIMIT_S) -> Preview:
    """Look at every source of a tenant for one subject.

    Raises:
        NotFound: the directory does not know the subject any more.
        SourceError: the directory does not answer, or cannot tell the subject from somebody else.
        ServiceUnavailable: the system gives no threads to look in.
    """
    [identified] = tenant.directory.identify([subject])
    if identified is None:
        raise NotFound("the subject is no longer in the directory")
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="preview") as threads:
        try:
            looked = [threads.submit(_look, source, tenant, identified, pace, limit_s) for source in tenant.config.sources]
        except RuntimeError as error:
            raise no_thread() from error
        sources = tuple(each.result() for each in looked)
        return Preview(subject=identified, unstated=tenant.config.statement.unstated, sources=sources)


def _look(source: SourceConfig, tenant: TenantRuntime, subject: IdentifiedSubject, pace: Pace, limit_s: float) -> SourcePreview:
    label = tenant.config.label(source)
    found = SourcePreview(
        source_name=source.name, connector=source.connector, product=source.product, unstated=unstated(label, source.unexplained)
    )
    try:
        connector = tenant.source(source.name)[1]
        header = connector.describe(limit_s=_DESCRIBED_S) if isinstance(connector, Describing) else header_of(connector)
        planned = plan(header.columns, source.redact, source_name=source.name)
        kinds = tuple(sorted({match.identifier_kind for match in header.match} or kinds_of(header.searched)))
        [amounts] = estimate(connector, [subject], limit_s=limit_s)
    except SourceError as error:
        return msgspec.structs.replace(found, problem=Failure(code=error.code, message=error.message, source_name=source.name))
    except BaseException as error:  # noqa: BLE001 - anybody's code, and a panic in polars is no Exception: it must not hide what others know
        _log.warning("a connector failed in a preview", source=source.name, error=describe(error))
        said = f"the connector failed ({type(error).__name__})"
        return msgspec.structs.replace(found, problem=Failure(code="ConnectorFault", message=said, source_name=source.name))
    return msgspec.structs.replace(
        found,
        searched=header.searched,
        kinds=kinds,
        identifiers=sum(is_usable(kind, value) for kind in kinds for value in subject.values(kind)),
        estimate=amounts,
        seconds=_seconds(source, tenant, amounts, pace),
        columns=len(planned.columns),
        redacted=planned.ruled,
        unlabelled=unlabelled([column.name for column in planned.columns], label),
    )


def check_redaction(source: SourceConfig, connector: Connector) -> None:
    """Raise `SourceRefused` where a rule of the source cannot be applied to its columns, as a read would."""
    if source.redact:
        plan(header_of(connector).columns, source.redact, source_name=source.name)


def header_of(connector: Connector) -> ReadHeader:
    """Return what a read would begin with: for nobody, so that nothing is searched. Raises `SourceError`."""
    items = iter(connector.read(connector.plan(())[0], ()))
    header = next(items, None)
    let_go(items)
    return header if isinstance(header, ReadHeader) else ReadHeader()


def _seconds(source: SourceConfig, tenant: TenantRuntime, amounts: Estimate, pace: Pace) -> float | None:
    if amounts.size_bytes is None:
        return None
    files = amounts.files.count if amounts.files is not None else 0
    return pace.seconds((tenant.config.id, source.name), size_bytes=amounts.size_bytes.count, files=files)
