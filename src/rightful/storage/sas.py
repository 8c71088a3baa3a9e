"""SAS URLs of a container, as values: parsed once, judged without a request, never shown.

A SAS URL is `https://{account}.blob.core.windows.net/{container}?{fields}`; emulators put the account into the path:
`http://127.0.0.1:10000/{account}/{container}?{fields}`. The fields say who may do what until when; `sig` signs them and is a secret.
What this module finds wrong it raises as `InvalidRequest` with a code of GRAPH's table of storage locations.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from rightful.errors import InvalidRequest
from rightful.pinned import DEFAULT_PORTS

LONGEST_URL = 8192

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?", re.IGNORECASE)
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_ACCOUNT = re.compile(r"[A-Za-z0-9-]{1,64}")
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9](?:-?[a-z0-9])*")
_PERMISSIONS = re.compile(r"[a-z]+")
_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)(?:T(?P<minute>\d\d:\d\d)(?::(?P<second>\d\d)(?:\.\d{1,7})?)?(?P<zone>Z|[+-]\d\d:\d\d))?", re.ASCII
)
_HIGHEST_PORT = 65535

_OF_A_REQUEST = frozenset(
    {"restype", "comp", "timeout", "prefix", "delimiter", "marker", "maxresults", "include", "snapshot", "versionid", "blockid"}
)
"""Parameters of an operation, as in a URL copied from a listing: no part of the SAS, and never sent on."""


@dataclass(frozen=True, slots=True, repr=False)
class SasUrl:
    """A container and the right to use it. Made from its text only; equal where the text is; `repr` and `str` hide the signature."""

    text: str
    """The secret original."""
    scheme: str = field(init=False, compare=False)
    host: str = field(init=False, compare=False)
    """Lower case; IPv6 without brackets."""
    port: int = field(init=False, compare=False)
    account_path: str = field(init=False, compare=False)
    """`/account` where the account stands in the path, else empty."""
    container: str = field(init=False, compare=False)
    query: str = field(init=False, compare=False)
    """The secret part, to be sent as it is."""
    permissions: frozenset[str] | None = field(init=False, compare=False)
    """Letters of `sp`; None where a stored access policy (`si`) holds them."""
    starts_at: datetime | None = field(init=False, compare=False)
    expires_at: datetime | None = field(init=False, compare=False)
    """The earlier of `se` and `ske` (the key of a user delegation); None where a stored access policy holds it."""
    is_account_sas: bool = field(init=False, compare=False)
    is_user_delegation: bool = field(init=False, compare=False)
    """Signed with a key of Entra's for one of its users, whose own rights limit it too."""
    resource: str = field(init=False, compare=False)
    """`sr`: `c` for a container; empty in an account SAS."""
    services: str = field(init=False, compare=False)
    """`ss` of an account SAS: `b` for blobs."""
    resource_types: str = field(init=False, compare=False)
    """`srt` of an account SAS: `o` for blobs, `c` for containers."""

    def __post_init__(self) -> None:
        for name, value in _parse(self.text).items():
            object.__setattr__(self, name, value)

    @property
    def display(self) -> str:
        """The location as the caller wrote it, without its query string (GRAPH-34)."""
        return self.text.partition("?")[0]

    @property
    def origin(self) -> str:
        """Scheme, host and port, for messages."""
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}"

    @property
    def container_key(self) -> str:
        """Names the container, without scheme and signature: equal for two SAS URLs of one container."""
        return f"{_bracketed(self.host)}:{self.port}{self.account_path.lower()}/{self.container}"

    def grants(self, permission: str) -> bool | None:
        """Say whether the SAS gives a right (a letter of `sp`); None where only the stored access policy knows."""
        return None if self.permissions is None else permission in self.permissions

    def target(self, entry_path: str = "", parameters: str = "") -> str:
        """Return the request target of an entry (of the container where empty): it holds the secret."""
        entry = f"/{quote(entry_path, safe='/')}" if entry_path else ""
        more = f"{parameters}&" if parameters else ""
        return f"{self.account_path}/{self.container}{entry}?{more}{self.query}"

    def __repr__(self) -> str:
        return f"SasUrl({self.display!r})"

    __str__ = __repr__


def parse_sas_url(text: str) -> SasUrl:
    """Parse the SAS URL of a container.

    Raises:
        InvalidRequest: with target `storageLocation` and a code of GRAPH's table; the message never holds the query string.
    """
    return SasUrl(text)


def parse_host(text: str) -> str:
    """Return a host in the one form that is compared: lower case, addresses as `ipaddress` writes them. Else `ValueError`.

    Refuses what some resolvers take for an address and `ipaddress` does not (127.1, 0x7f000001, 2130706433, full-width digits).
    """
    host = text.lower()
    if host.startswith("[") and host.endswith("]") and "%" not in host:
        return str(ipaddress.IPv6Address(host[1:-1]))
    if not _HOST.fullmatch(host):
        raise ValueError("not a host name")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return str(ipaddress.IPv4Address(host))
    return host


def parse_place(text: str) -> tuple[str, int | None]:
    """Split `HOST` or `HOST:PORT`; raises `ValueError` with a sentence that begins with "host" or "port"."""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if colon and (not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT):
        raise ValueError("port is not a number from 1 to 65535")
    try:
        return parse_host(host if colon else text), int(port) if colon else None
    except ValueError:
        raise ValueError("host is not a host name") from None


def is_account_in_path(host: str) -> bool:
    """Say whether a host can only be an emulator's, which has the account in the path: an address or a bare name."""
    return is_address(host) or "." not in host


def is_address(host: str) -> bool:
    """Say whether a parsed host is an IP address rather than a name."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def refuse(message: str, *, code: str = "StorageLocationInvalid", hint: str = "") -> InvalidRequest:
    """Return the error of a storage location that is refused."""
    return InvalidRequest(message, code=code, hint=hint, target="storageLocation")


_TOKEN_CODE = "SharedAccessSignatureTokenInvalid"  # noqa: S105 - a code of GRAPH's table, no password
_WANTED = "give the https SAS URL of a blob container"


def _parse(text: str) -> dict[str, object]:
    if len(text) > LONGEST_URL:
        raise refuse(f"the storage location is longer than {LONGEST_URL} characters", hint=_WANTED)
    if "#" in text:
        raise refuse("the storage location has a fragment (#)", hint=f"{_WANTED}; write # as %23")
    url = _URL.fullmatch(text) if _CHARACTERS.fullmatch(text) else None
    if url is None:
        raise refuse("the storage location is not an absolute https URL", hint=_WANTED)
    scheme = url["scheme"].lower()
    host, port = _authority(url["authority"], scheme)
    account_path, container = _container_of(url["path"] or "/", host, has_port=port != DEFAULT_PORTS[scheme])
    query = url["query"] or ""
    kept, fields = _query_fields(query)
    return {
        "scheme": scheme,
        "host": host,
        "port": port,
        "account_path": account_path,
        "container": container,
        "query": kept,
        **_rights(fields),
    }


def _authority(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise refuse("the storage location has a user name or password before its host", hint="leave it out; the SAS is the only secret")
    try:
        host, port = parse_place(authority)
    except ValueError as error:
        raise refuse(f"the storage location's {error}", hint=_WANTED) from None
    return host, port or DEFAULT_PORTS[scheme]


def _container_of(path: str, host: str, *, has_port: bool) -> tuple[str, str]:
    """Split the path: the container alone on Azure, account and container on emulators (an address, a bare name, or a port of its own)."""
    *before, container = path.removesuffix("/").split("/")[1:] or [""]
    in_path = is_account_in_path(host)
    if not _CONTAINER.fullmatch(container) or len(before) > 1 or (before and not (in_path or has_port)) or (in_path and not before):
        raise refuse(
            "the storage location's path is not one container",
            code="StorageLocationNotAzureBlob",
            hint="give https://{account}.blob.core.windows.net/{container}?{SAS}, with no folder or blob behind the container",
        )
    if before and not _ACCOUNT.fullmatch(before[0]):
        raise refuse("the storage location's account is not a name", code="StorageLocationNotAzureBlob", hint=_WANTED)
    return "".join(f"/{account}" for account in before), container


def _query_fields(query: str) -> tuple[str, dict[str, str]]:
    """Return the query string to send, and its fields by lower-case name."""
    fields: dict[str, str] = {}
    kept = []
    for parameter in filter(None, query.split("&")):
        name, _, value = parameter.partition("=")
        try:
            name, value = unquote(name, errors="strict").lower(), unquote(value, errors="strict")
        except UnicodeDecodeError:
            raise refuse("the SAS is not UTF-8", code=_TOKEN_CODE, hint="copy the SAS URL again, whole") from None
        if name in fields:
            raise refuse("the SAS has a parameter twice", code=_TOKEN_CODE, hint="copy the SAS URL again, whole")
        fields[name] = value
        if name not in _OF_A_REQUEST:
            kept.append(parameter)
    return "&".join(kept), fields


def _rights(fields: dict[str, str]) -> dict[str, object]:
    """Read what the SAS grants; whether that is enough is not judged here."""
    if not fields.get("sig"):
        raise refuse("the storage location carries no SAS", code=_TOKEN_CODE, hint=f"{_WANTED}, with its sig parameter")
    is_account_sas = "ss" in fields
    has_policy = bool(fields.get("si")) and not is_account_sas
    needed = ("ss", "srt") if is_account_sas else ("sr",)
    missing = [name for name in (*needed, *(() if has_policy else ("sp", "se"))) if not fields.get(name)]
    if missing:
        raise refuse(f"the SAS lacks its parameter {missing[0]}", code=_TOKEN_CODE, hint="copy the SAS URL again, whole")
    permissions = fields.get("sp")
    if permissions and not _PERMISSIONS.fullmatch(permissions):
        raise refuse("the SAS's parameter sp is not a list of permissions", code=_TOKEN_CODE, hint="copy the SAS URL again, whole")
    ends = [moment for name in ("se", "ske") if (moment := _moment(fields, name))]
    return {
        "permissions": frozenset(permissions) if permissions else None,
        "starts_at": max((moment for name in ("st", "skt") if (moment := _moment(fields, name))), default=None),
        "expires_at": min(ends, default=None),
        "is_account_sas": is_account_sas,
        "is_user_delegation": "skoid" in fields,
        "resource": fields.get("sr", ""),
        "services": fields.get("ss", ""),
        "resource_types": fields.get("srt", ""),
    }


def _moment(fields: dict[str, str], name: str) -> datetime | None:
    text = fields.get(name)
    if not text:
        return None
    match = _TIME.fullmatch(text)
    moment = _utc(match) if match else None
    if moment is None:
        raise refuse(f"the SAS's parameter {name} is not a time", code=_TOKEN_CODE, hint="copy the SAS URL again, whole")
    return moment


def _utc(match: re.Match[str]) -> datetime | None:
    clock = f"{match['minute'] or '00:00'}:{match['second'] or '00'}"
    zone = (match["zone"] or "Z").replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(f"{match['date']}T{clock}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
