"""The suite that every store must pass: subclass `StoreSuite` and `ApprovalSuite` (store_approvals), and give it a `store` fixture."""

from rightful.testing.store_auditing import AuditingSuite
from rightful.testing.store_claiming import ClaimingSuite
from rightful.testing.store_deadlines import DeadlineSuite
from rightful.testing.store_delivering import DeliveringSuite
from rightful.testing.store_dying import DyingSuite
from rightful.testing.store_ending import EndingSuite
from rightful.testing.store_events import EventSuite
from rightful.testing.store_fingerprints import FingerprintSuite
from rightful.testing.store_purging import PurgingSuite
from rightful.testing.store_submitting import SubmittingSuite


class StoreSuite(
    SubmittingSuite,
    ClaimingSuite,
    DyingSuite,
    DeliveringSuite,
    EndingSuite,
    DeadlineSuite,
    EventSuite,
    FingerprintSuite,
    AuditingSuite,
    PurgingSuite,
):
    """Subclasses provide fixtures `clock` (a ManualClock at START) and `store` (empty, with that clock)."""
