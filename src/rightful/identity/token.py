"""Bearer tokens, checked strictly: form, claims and signature. Pure, given the keys.

PyJWT checks the signature. Everything else is checked here, because libraries are lenient where it matters: none binds `tid` to the
issuer, all of them take the last of two `tid` members (ADR 0006). Entra signs for all tenants with the same keys, so the key isolates
nothing: iss and tid must (GRAPH-74).

Errors say which rule a token breaks and never quote it.
"""

import base64
import binascii
import re
from datetime import datetime

import jwt
import msgspec

from rightful.errors import Forbidden, Unauthenticated
from rightful.identity import strict_json
from rightful.identity.jwks import PublicKey
from rightful.identity.model import ALGORITHMS, Algorithm, Caller, CallerKind
from rightful.ids import PERSONAL_ACCOUNTS, TenantId, is_guid

SKEW_S = 60
MAX_TOKEN_CHARS = 16_384

_HEADER_MEMBERS = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})
"""All that a header may hold. `crit`, `jwk`, `jku`, `x5c`, `zip`, `b64` and `enc` ask a reader to do something: none of them is done."""
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_IDENTITY_TOKEN_MEMBERS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
"""OpenID Connect Core 2, Back-Channel Logout 2.4: a token with one of these tells a client who signed in, it authorizes nothing."""

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_ID = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")
_LATEST_S = 253_402_300_799
"""The last second of the year 9999."""

_KINDS = {"app": CallerKind.APPLICATION, "user": CallerKind.DELEGATED}

_signatures = {name: jwt.get_algorithm_by_name(name) for name in ALGORITHMS}


class TrustedIssuer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose tokens count in one tenant."""

    issuer: str
    """The exact `iss`."""
    audiences: frozenset[str]
    """Accepted values of `aud`, exact."""
    algorithms: frozenset[Algorithm] = frozenset({"RS256"})
    """How its tokens may be signed."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token whose form is right and whose signature nobody has checked yet."""

    text: str
    kid: str
    algorithm: Algorithm
    """What the header says; it counts only where the issuer and the key fit it too."""
    signature: bytes
    claims: dict[str, object]
    tenant_id: TenantId
    issuer: str
    expires_s: float
    """`exp`, seconds since 1970; a token counts for SKEW_S longer."""

    def __repr__(self) -> str:
        """Show nothing: a token is a secret."""
        return "Token()"


def _refuse(reason: str, *, hint: str = "", kind: str = "malformed") -> Unauthenticated:
    return Unauthenticated(f"Access token validation failure: {reason}", hint=hint, reason=kind)


def _decode(segment: str, name: str) -> bytes:
    if not _SEGMENT.fullmatch(segment):
        raise _refuse(f"the {name} is not base64url")
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise _refuse(f"the {name} is not base64url") from None
    # Bits that a decoder drops would give one token many spellings.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != segment:
        raise _refuse(f"the {name} is not base64url")
    return raw


def _members(segment: str, name: str) -> dict[str, object]:
    try:
        return strict_json.parse_object(_decode(segment, name))
    except ValueError as error:
        raise _refuse(f"the {name} is no JSON object ({error})") from None


def _text(claims: dict[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise _refuse(f"{name} is missing or not a string")
    return value


def _time(claims: dict[str, object], name: str) -> float | None:
    value = claims.get(name)
    if name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refuse(f"{name} is not a number")
    if not 0 <= value <= _LATEST_S:  # neither NaN nor infinity is
        raise _refuse(f"{name} is no date")
    return float(value)


def _texts(claims: dict[str, object], name: str) -> frozenset[str]:
    value = claims.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _refuse(f"{name} is not an array of strings")
    return frozenset(value)


def _check_header(header: dict[str, object]) -> tuple[str, Algorithm]:
    """Return the key's id and the algorithm."""
    if not header.keys() <= _HEADER_MEMBERS:
        raise _refuse("the header asks for something that is not done here")
    algorithm = next((name for name in ALGORITHMS if header.get("alg") == name), None)
    if algorithm is None:
        raise refuse_algorithm()
    type_ = header.get("typ", "JWT")
    if not isinstance(type_, str) or type_.lower() not in _TYPES:
        raise _refuse("the header's typ is not JWT")
    return _text(header, "kid"), algorithm


def parse(text: str) -> Token:
    """Read a token's form; raises `Unauthenticated`. Nothing that it says is proven yet."""
    if len(text) > MAX_TOKEN_CHARS:
        raise _refuse("it is too long")
    segments = text.split(".")
    if len(segments) != 3:  # noqa: PLR2004 - RFC 7515 3.1: header, payload, signature; five would be a JWE
        raise _refuse("it is not a signed JWT")
    kid, algorithm = _check_header(_members(segments[0], "header"))
    claims = _members(segments[1], "payload")
    signature = _decode(segments[2], "signature")
    tenant_id = _text(claims, "tid")
    if not is_guid(tenant_id):
        raise _refuse("tid is not a GUID in lower case")
    expires_s = _time(claims, "exp")
    if expires_s is None:
        raise _refuse("exp is missing")
    issuer = _text(claims, "iss")
    return Token(
        text=text,
        kid=kid,
        algorithm=algorithm,
        signature=signature,
        claims=claims,
        tenant_id=TenantId(tenant_id),
        issuer=issuer,
        expires_s=expires_s,
    )


def check_times(token: Token, now: datetime) -> None:
    """Raise `Unauthenticated` where the token is expired or not valid yet; clocks may differ by SKEW_S."""
    now_s = now.timestamp()
    if now_s >= token.expires_s + SKEW_S:
        raise _refuse("it has expired", kind="expired")
    for name in ("nbf", "iat"):
        start_s = _time(token.claims, name)
        if start_s is not None and now_s < start_s - SKEW_S:
            raise _refuse("it is not valid yet", kind="not_yet_valid")


def has_audience(token: Token, trusted: TrustedIssuer) -> bool:
    """Say whether the token is meant for this service: `aud` is one accepted value (or an array of that one alone)."""
    audience = token.claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    return isinstance(audience, str) and audience in trusted.audiences


def refuse_audience() -> Unauthenticated:
    """Return the error for a token that is meant for somebody else."""
    return _refuse("invalid audience", kind="audience")


def refuse_issuer() -> Unauthenticated:
    """Return the error for a token of an issuer that does not count in its tenant."""
    return _refuse("the issuer is not trusted for this tenant", kind="issuer")


def refuse_algorithm() -> Unauthenticated:
    """Return the error for a token that is signed in another way than its issuer signs."""
    return _refuse("the algorithm is not one that the issuer signs with", kind="algorithm")


def refuse_key() -> Unauthenticated:
    """Return the error for a token whose issuer has no such key, as far as is known."""
    hint = "if the issuer has just begun to use it, try again in half a minute"
    return _refuse("the signing key is not one of the issuer's", hint=hint, kind="key")


def check_signature(token: Token, key: PublicKey) -> None:
    """Raise `Unauthenticated` where the signature is not of this key, which must be one for the token's algorithm."""
    signed = token.text.rpartition(".")[0].encode()  # RFC 7515 5.2
    if not _signatures[token.algorithm].verify(signed, key, token.signature):
        raise _refuse("invalid signature", kind="signature")


def _kind(claims: dict[str, object]) -> CallerKind:
    # GRAPH-74, authz D5: idtyp where present, else scp -> delegated, else roles -> application (also with no roles at all).
    if "idtyp" not in claims:
        return CallerKind.DELEGATED if "scp" in claims else CallerKind.APPLICATION
    kind = _KINDS.get(_text(claims, "idtyp"))
    if kind is None:
        raise _refuse("idtyp is neither app nor user")
    return kind


def _scopes(claims: dict[str, object]) -> frozenset[str]:
    value = claims.get("scp", "")
    if not isinstance(value, str):
        raise _refuse("scp is not a string")
    return frozenset(value.split(" ")) - {""}


def _app_id(claims: dict[str, object]) -> str:
    # GRAPH-74: v1 tokens say appid, v2 tokens azp. An Entra id token has neither.
    named = [_text(claims, name) for name in ("azp", "appid") if name in claims]
    if not named or len(set(named)) != 1:
        raise _refuse("azp or appid is missing, or they differ")
    return named[0]


def caller(token: Token) -> Caller:
    """Return who is calling, by a token that was checked; raises `Unauthenticated`, or `Forbidden` for a personal account."""
    claims = token.claims
    if not _IDENTITY_TOKEN_MEMBERS.isdisjoint(claims) or claims.get("typ") == "ID":
        raise _refuse("it is an id token, not an access token")
    scopes, app_roles, directory_roles = _scopes(claims), _texts(claims, "roles"), _texts(claims, "wids")
    object_id, app_id = _text(claims, "oid"), _app_id(claims)
    if not _ID.fullmatch(object_id) or not _ID.fullmatch(app_id):
        raise _refuse("oid, azp or appid is no id")
    kind = _kind(claims)
    if token.tenant_id == PERSONAL_ACCOUNTS:
        raise Forbidden("Personal Microsoft accounts are not supported", hint="use a work or school account")  # GRAPH-72
    is_person = kind is CallerKind.DELEGATED
    return Caller(
        tenant_id=token.tenant_id,
        kind=kind,
        object_id=object_id,
        app_id=app_id,
        permissions=scopes if is_person else app_roles,
        directory_roles=directory_roles if is_person else frozenset(),
    )
