"""Rules for retention: nothing goes while it is needed, nor before what rests on it."""

from collections.abc import Callable

from rightful.config.model import ExportSettings, RetentionSettings

_Complain = Callable[[str, str, str], None]

LEAST_DAYS = 30
"""So long a request may be sent again, be resumed, or wait for somebody; and so long may a webhook be away."""


def check_retention(retention: RetentionSettings, export: ExportSettings | None, setting: str, complain: _Complain) -> None:
    """Each time is long enough for what needs it."""
    days = {name: getattr(retention, name) for name in ("operations_days", "receipts_days", "audit_days")}
    for name, value in days.items():
        if 0 < value < LEAST_DAYS:
            complain(f"{setting}.{name}", f"is less than {LEAST_DAYS} days", f"write {LEAST_DAYS} or more, or 0 for no end")
    for name in ("receipts_days", "audit_days"):
        if 0 < days[name] < (days["operations_days"] or days[name]):
            complain(f"{setting}.{name}", "is less than operations_days", "what proves that a request was answered is kept as long as it")
    if export is not None and 0 < retention.operations_days < export.compare_days:
        hint = "what later exports are compared with goes with its operation: keep that as long"
        complain(f"{setting}.operations_days", "is less than export.compare_days", hint)
