"""Named accounts in object stores: addresses, credentials, and what is wrong with them. Nothing here needs an optional library."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import msgspec

from rightful.secret_settings import SecretSettings, is_loopback

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_USED = {
    "s3": frozenset({"endpoint", "region", "access_key_id", "secret_access_key", "session_token", "ca"}),
    "gs": frozenset({"endpoint", "service_account", "ca"}),
}
SCHEMES = tuple(_USED)


class AccountAccess(SecretSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an object store is reached, and as whom. Secrets are best given as `{file: PATH}` or `${NAME}`; none is ever shown."""

    endpoint: str = ""
    """Another address than the cloud's own, `https://…`; `http://` on loopback alone, for an emulator."""
    region: str = ""
    """`s3`: the bucket's region. Default: `us-east-1`."""
    access_key_id: str = ""
    """`s3`: who writes. Without keys: `AWS_…` of the environment, or the role of the machine."""
    secret_access_key: str = ""
    """`s3`: the secret that belongs to it."""
    session_token: str = ""
    """`s3`: what temporary credentials have besides."""
    service_account: str = ""
    """`gs`: the key of a service account (JSON): `{file: PATH}`. Without: the role of the machine."""
    ca: str = ""
    """Certificates (PEM) to trust instead of the system's: `{file: PATH}`."""


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """An address in its parts."""

    scheme: str
    name: str
    prefix: str
    """Before every entry's path: empty, or with `/` at its end."""


def is_object_url(url: str) -> bool:
    """Say whether a URL names an object store."""
    return url.partition("://")[0] in _USED and "://" in url


def bucket_of(url: str) -> Bucket:
    """Take an address apart that has no problems."""
    parts = urlsplit(url)
    path = unquote(parts.path.strip("/"))
    return Bucket(scheme=parts.scheme, name=parts.netloc, prefix=f"{path}/" if path else "")


def account_problems(url: str, access: AccountAccess) -> Iterator[tuple[str, str, str]]:
    """Yield (setting below the account, what is wrong, what to write instead) for an account in an object store."""
    scheme = url.partition("://")[0]
    if problem := _url_problem(url):
        yield "url", problem, f"write {scheme}://bucket/prefix; what opens it belongs to access"
    for name in access.given:
        if name not in _USED[scheme]:
            yield f"access.{name}", "is not used at this address", "leave it out, or correct url"
    if access.endpoint and not (access.endpoint.startswith("https://") or is_loopback(access.endpoint)):
        yield "access.endpoint", "is no https:// address", "write https://…; http:// is for emulators on loopback alone"
    if bool(access.access_key_id) != bool(access.secret_access_key):
        yield "access.secret_access_key", "and access_key_id belong together", "give both, or none for those of the machine"
    if access.service_account and not _is_json_object(access.service_account):
        yield "access.service_account", "is no JSON document", "give the key as it was downloaded: {file: PATH}"


def _url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is no address"
    path = parts.path.strip("/")
    segments = [unquote(segment, errors="surrogateescape") for segment in path.split("/")] if path else []
    problems = {
        "names no bucket": not _BUCKET.fullmatch(parts.netloc),
        "has a query or a fragment: write ? as %3F and # as %23": "?" in url or "#" in url,
        "has an empty segment, . or .., or a character that no entry's path may have": any(
            segment in {"", ".", ".."} or not segment.isprintable() or set("/\\") & set(segment) for segment in segments
        ),
    }
    return next((problem for problem, is_met in problems.items() if is_met), "")


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
