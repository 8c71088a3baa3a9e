"""What has to agree in a store, whichever database it is in."""

from collections.abc import Sequence

import msgspec

from rightful.store.values import StoreCheck

_MOST = 5
"""So many findings of one kind are told one by one."""


class Agreement(msgspec.Struct, frozen=True):
    """What is looked for, and what is said where nothing is at fault, and where something is."""

    name: str
    query: str
    """Finds what is at fault, a few of them."""
    fine: str
    wrong: str


AGREE = (
    Agreement(
        "signatures",
        "SELECT id FROM operation WHERE status IN ('complete', 'failed') AND sealed_location IS NOT NULL LIMIT 6",
        "those of operations that have ended are erased",
        "ended operations still have one: {}",
    ),
    Agreement(
        "reads",
        """SELECT id FROM operation WHERE status IN ('not_started', 'running')
           AND open_reads <> (SELECT count(*) FROM read WHERE operation_id = id AND state <> 'done') LIMIT 6""",
        "as many are open as operations say",
        "operations say another number than there is: {}",
    ),
    Agreement(
        "open operations",
        """SELECT tenant_id FROM open_operations o WHERE number <>
           (SELECT count(*) FROM operation WHERE tenant_id = o.tenant_id AND status IN ('intent', 'not_started', 'running')) LIMIT 6""",
        "counted right",
        "counted wrong for tenants {}",
    ),
)


def told(agreement: Agreement, found: Sequence[str], hint: str) -> StoreCheck:
    """Say what was found."""
    if not found:
        return StoreCheck(name=agreement.name, ok=True, detail=agreement.fine)
    shown = ", ".join(found[:_MOST]) + (", …" if len(found) > _MOST else "")
    return StoreCheck(name=agreement.name, ok=False, detail=agreement.wrong.format(shown), hint=hint)
