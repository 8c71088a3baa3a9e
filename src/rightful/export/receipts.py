"""What a package's receipt says beside its contents: whose key signs it, and by which rules the package was made."""

from rightful.config.model import Config, SourceConfig, TenantConfig
from rightful.package.minisign import SigningKey
from rightful.package.policy import SETTINGS, SourcePolicy, policy_digest


def receipt_key(config: Config, tenant: TenantConfig) -> SigningKey:
    """Return the key that signs a tenant's receipts: the configured one, else one made of the seal key."""
    text = tenant.receipts.key.strip()
    if text:
        return SigningKey(bytes.fromhex(text))
    return SigningKey.derived(config.seal_key, f"rightful receipts of {tenant.id}")


def policy_of(tenant: TenantConfig, source_names: frozenset[str]) -> str:
    """Return the digest of the rules for these sources."""
    sources = (_source(source, tenant) for source in tenant.sources if source.name in source_names)
    return policy_digest(sources, formats=tenant.export.formats, statement=tenant.statement)


def _source(source: SourceConfig, tenant: TenantConfig) -> SourcePolicy:
    given = {name: getattr(source.settings, name) for name in SETTINGS if hasattr(source.settings, name)}
    return SourcePolicy(
        name=source.name,
        connector=source.connector,
        product=source.product,
        redact=source.redact,
        unreadable=source.on_unreadable_item,
        label=tenant.label(source),
        settings=given,
    )
