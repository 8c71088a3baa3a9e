"""`rightful rotate-seal-key`."""

import click

from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit_json, say


@click.command()
@global_options
def command() -> None:
    """Replace the key that seals secrets in the store by a new one.

    The service must be stopped. Everything that is sealed in the store is sealed anew, then the new key takes the place of the file that
    seal_key names, and the old one is erased. Whoever is interrupted runs it again: until it is through, the new key lies beside the old
    one (seal.key.new), and the service does not start.
    """
    from rightful.export import rotation  # noqa: PLC0415 - heavy; `--help` must not wait for it
    from rightful.export.checkpointing import checkpoint_key  # noqa: PLC0415 - likewise
    from rightful.export.receipts import receipt_key  # noqa: PLC0415 - likewise

    invocation = current()
    config = invocation.config
    # Made of the old seal key, where there is no key of its own: what it signed is trusted no more, unless the configuration says so.
    earlier = None if config.audit.key else checkpoint_key(config).public
    signers = {tenant.name: receipt_key(config, tenant).public.text for tenant in config.tenants if not tenant.receipts.key}
    count = rotation.rotate(config)
    if invocation.as_json:
        emit_json({"seal_key": str(config.seal_key_path), "resealed": count, "earlier_audit_key": earlier, "earlier_receipt_keys": signers})
        return
    say(f"{config.seal_key_path} holds a new key; {count} rows of the store were sealed anew. Copies of the old key are of no use any more")
    for name, key in signers.items():
        say(f"receipts of {name} so far were signed by {key}: write receipts: {{earlier_keys: [{key}]}}, and publish `rightful keys`")
    if earlier:
        say(f"for the audit trail to be signed on, and what signed it so far to be trusted, write audit: {{earlier_keys: [{earlier}]}}")
