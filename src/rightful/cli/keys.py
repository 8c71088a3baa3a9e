"""`rightful keys`."""

import click

from rightful.cli.connection import choose_tenant, tenant_option
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, emit_json, emit_table
from rightful.package.minisign import PublicKey, parse_public_key


@click.command()
@click.option("--pub", "as_file", is_flag=True, help="Print the key that signs now as minisign's file, for `minisign -p`.")
@click.option("--page", "as_page", is_flag=True, help="Print VERIFY.html with the tenant's keys in it, to be published beside them.")
@tenant_option
@global_options
def command(*, as_file: bool, as_page: bool, tenant: str | None) -> None:
    """Show the public keys of the tenants' receipts.

    Publish them where people can trust them, your website for instance: with a key at hand anyone checks who made a package, by
    `rightful verify --key`, VERIFY.html or stock minisign.
    """
    from rightful.export.receipts import receipt_key  # noqa: PLC0415 - heavy; `--help` must not wait for it
    from rightful.package.verifier.page import format_page  # noqa: PLC0415 - likewise

    config = current().config
    if as_file and as_page:
        raise click.UsageError("--pub and --page are two files: ask for one of them.")
    chosen = config.tenants if tenant is None and not (as_file or as_page) else (choose_tenant(config, tenant),)
    found = [(each, receipt_key(config, each).public) for each in chosen]
    if as_file:
        (owner, key), *_ = found
        emit(key.file(f"minisign public key {key.key_id[::-1].hex().upper()} of {' '.join(owner.name.split())}").rstrip())
        return
    if as_page:
        (owner, key), *_ = found
        emit(format_page([key, *map(_parsed, owner.receipts.earlier_keys)]).decode().rstrip())
        return
    rows = [(each.name, "now", key) for each, key in found]
    rows += [(each.name, "earlier", _parsed(text)) for each, _ in found for text in each.receipts.earlier_keys]
    if current().as_json:
        emit_json([{"tenant": name, "signs": when, "key": key.text, "key_id": key.key_id[::-1].hex().upper()} for name, when, key in rows])
        return
    emit_table(("tenant", "signs", "key"), [(name, when, key.text) for name, when, key in rows])


def _parsed(text: str) -> PublicKey:
    key = parse_public_key(text)
    assert isinstance(key, PublicKey)  # the configuration was checked when it was read
    return key
