"""The caller of the service, as a token proved it."""

import enum
from typing import Literal, get_args

import msgspec

from rightful.ids import TenantId

LOCAL_ISSUER = "local"
"""What the configuration calls the built-in issuer."""

Algorithm = Literal["RS256", "PS256", "ES256"]
"""How tokens may be signed (RFC 7518 3.1); which of them count is the operator's word for each issuer."""
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


class CallerKind(enum.StrEnum):
    """Whether a person stands behind the call (GRAPH-74)."""

    APPLICATION = "application"
    DELEGATED = "delegated"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling. Decisions use these ids alone, never names (GRAPH-74)."""

    tenant_id: TenantId
    kind: CallerKind
    object_id: str
    """`oid`: of the person, or of the application's service principal."""
    app_id: str
    """`azp` or `appid`."""
    permissions: frozenset[str]
    """Of the claim that fits the kind: `scp` for delegated, `roles` for application tokens."""
    directory_roles: frozenset[str] = frozenset()
    """Role template ids of `wids`; only of delegated tokens."""

    @property
    def key(self) -> str:
        """A stable text that names the caller within the service."""
        return f"{self.tenant_id}/{self.app_id}/{self.object_id}"
