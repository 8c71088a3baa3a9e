"""Whose tokens count, out of the configuration."""

from pathlib import Path
from urllib.parse import urlsplit

from rightful.clock import Clock
from rightful.config.model import Config, IssuerSettings, TenantConfig
from rightful.errors import ConfigurationError
from rightful.identity.keys import FetchedKeys, Keys
from rightful.identity.local_issuer import LocalKeys, issuer_name
from rightful.identity.model import LOCAL_ISSUER
from rightful.identity.token import TrustedIssuer
from rightful.identity.verifier import Trust, Verifier

_ENTRA_HOST = "login.microsoftonline.com"
_ENTRA_COMMON = f"https://{_ENTRA_HOST}/common/oauth2/v2.0/authorize"


class _KeyRing:
    """One set of keys for each issuer and address of keys, whatever number of tenants and issuers use it: it is asked once for all."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._found: dict[tuple[str, str], Keys] = {}

    def keys(self, settings: IssuerSettings) -> Keys:
        name = ("", settings.jwks_uri) if settings.jwks_uri else (settings.issuer, "")
        if name not in self._found:
            is_local = settings.issuer == LOCAL_ISSUER
            self._found[name] = LocalKeys(self._folder) if is_local else FetchedKeys(settings.issuer, settings.jwks_uri, self._clock)
        return self._found[name]


def _trust(settings: IssuerSettings, tenant: TenantConfig, ring: _KeyRing) -> Trust:
    issuer = issuer_name(tenant.id) if settings.issuer == LOCAL_ISSUER else settings.issuer
    trusted = TrustedIssuer(issuer=issuer, audiences=frozenset(settings.audience), algorithms=frozenset(settings.algorithms))
    return Trust(issuer=trusted, keys=ring.keys(settings))


def build_verifier(config: Config, clock: Clock) -> Verifier:
    """Return what checks tokens; raises `ConfigurationError` where the built-in issuer is used on an address that others reach."""
    settings = [issuer for tenant in config.tenants for issuer in tenant.identity.issuers]
    if any(issuer.issuer == LOCAL_ISSUER for issuer in settings) and not config.server.is_loopback:
        raise ConfigurationError(
            f"the issuer `local` is configured and the service listens on {config.server.listen}, not on loopback",
            hint="listen on 127.0.0.1, or remove the issuer",
        )
    ring = _KeyRing(config.folder, clock)
    return Verifier({tenant.id: [_trust(issuer, tenant, ring) for issuer in tenant.identity.issuers] for tenant in config.tenants}, clock)


def authorization_uri(config: Config) -> str:
    """Return where a 401 sends people: the only issuer there is, else Entra's common address, which names no tenant."""
    issuers = {issuer.issuer for tenant in config.tenants for issuer in tenant.identity.issuers} - {LOCAL_ISSUER}
    if len(issuers) != 1:
        return _ENTRA_COMMON
    issuer = issuers.pop()
    if urlsplit(issuer).hostname == _ENTRA_HOST:
        return f"{issuer.removesuffix('/').removesuffix('/v2.0')}/oauth2/v2.0/authorize"
    return issuer if issuer.isascii() and issuer.isprintable() and '"' not in issuer else _ENTRA_COMMON
