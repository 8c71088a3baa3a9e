"""Bodies on the wire: what requests say, and how values are written. What answers show is in `resources`. Pure."""

import re
import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime

import msgspec

from rightful import language
from rightful.age import keys, ssh
from rightful.errors import InvalidRequest, RequestError
from rightful.identity import strict_json
from rightful.operation.model import OperationStatus
from rightful.subject.model import DataSubject

MAX_BODY_BYTES = 64 * 1024
LEAST_PASSPHRASE = 12
_RECEIVED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2}))?")
"""OData's Edm.Date and Edm.DateTimeOffset, years of four digits."""
_DATE_LENGTH = 10

# GRAPH-03: SDKs parse any other word to None, and a poll loop then never ends.
STATUS_WORDS: dict[OperationStatus, str] = {
    OperationStatus.NOT_STARTED: "notStarted",
    OperationStatus.RUNNING: "running",
    OperationStatus.COMPLETE: "complete",
    OperationStatus.FAILED: "failed",
}


class UnsupportedMedia(RequestError):
    """The body is of a type or encoding that is not read here."""

    default_code = "UnsupportedMediaType"
    http_status = 415


class TooLarge(RequestError):
    """The body is larger than any honest one."""

    default_code = "RequestEntityTooLarge"
    http_status = 413


class ExportBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a request to export (or to resume) says."""

    storage_location: object = None
    """As it came; None where it is missing."""
    binding_parameter: object = None
    language: object = None
    since: object = None
    received: object = None
    recipient: object = None
    passphrase: object = None
    """As it came; None where it is missing."""

    def __repr__(self) -> str:
        """Show nothing: it holds a signature."""
        return "ExportBody()"


def is_json(content_type: str) -> bool:
    """Say whether a Content-Type is JSON in UTF-8."""
    media, _, parameters = content_type.lower().partition(";")
    charsets = [text.partition("=")[2].strip().strip('"') for text in parameters.split(";") if text.strip().startswith("charset")]
    return media.strip() == "application/json" and all(charset in {"utf-8", "utf8"} for charset in charsets)


def check_type(content_type: str) -> None:
    """Raise `UnsupportedMedia` for a type other than JSON in UTF-8; none at all is taken as JSON (GRAPH-10)."""
    if content_type and not is_json(content_type):
        raise UnsupportedMedia("The body's Content-Type is not application/json in UTF-8", hint="send JSON")


def inflate(raw: bytes, content_encoding: str, most_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Undo Content-Encoding; SDKs resend plain after the 415 for one that is unknown (GRAPH-14)."""
    encoding = content_encoding.lower()
    if encoding in {"", "identity"}:
        return raw
    if encoding not in {"gzip", "x-gzip"}:
        raise UnsupportedMedia("The body's Content-Encoding is neither gzip nor identity", hint="send the body as it is")
    inflater = zlib.decompressobj(wbits=31)
    try:
        body = inflater.decompress(raw, most_bytes + 1)
    except zlib.error:
        raise InvalidRequest("The body is not gzip, although Content-Encoding says so") from None
    if len(body) > most_bytes:
        raise too_large(most_bytes)
    if not inflater.eof or inflater.unused_data:
        raise InvalidRequest("The body is not one whole gzip member")
    return body


def too_large(most_bytes: int = MAX_BODY_BYTES) -> TooLarge:
    """Return the error for a body over the limit."""
    return TooLarge(f"The body is larger than {most_bytes // 1024} KiB")


def _fold_names(members: dict[str, object]) -> dict[str, object]:
    folded = {name.lower(): value for name, value in members.items()}
    if len(folded) != len(members):
        raise InvalidRequest("A property is given twice, in different letter case")
    return folded


def has_lone_surrogates(value: object) -> bool:
    """Say whether a value is a text that JSON can escape and UTF-8 cannot hold."""
    return isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)


def _members(raw: bytes) -> dict[str, object]:
    try:
        members = strict_json.parse_object(raw)
    except ValueError as error:
        raise InvalidRequest(f"The body is not a JSON object: {error}") from None
    return _fold_names(members)


def parse_export(raw: bytes) -> ExportBody:
    """Read the body of an export or a resume: a JSON object, whose other properties are passed over.

    GRAPH-10: property names count without regard to case. Raises `InvalidRequest`.
    """
    folded = _members(raw)
    location = folded.get("storagelocation")
    if has_lone_surrogates(location):
        raise InvalidRequest("storageLocation is no text", code="StorageLocationInvalid", target="storageLocation")
    return ExportBody(
        storage_location=location,
        binding_parameter=folded.get("bindingparameter"),
        language=folded.get("language"),
        since=folded.get("since"),
        received=folded.get("receiveddatetime"),
        recipient=folded.get("recipient"),
        passphrase=folded.get("passphrase"),
    )


def parse_reason(raw: bytes) -> str:
    """Read the body of an extension: an object with a reason. Raises `InvalidRequest`."""
    reason = _members(raw).get("reason")
    if not isinstance(reason, str):
        raise InvalidRequest("reason is missing, or no text", hint='send {"reason": "complexity"}', target="reason")
    return reason


def parse_received(text: object) -> datetime | date | None:
    """Return the moment or the day that a body says the request was received; None where it says none. Raises `InvalidRequest`."""
    if text is None:
        return None
    if isinstance(text, str) and _RECEIVED.fullmatch(text):
        try:
            return date.fromisoformat(text) if len(text) == _DATE_LENGTH else datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise InvalidRequest(
        "receivedDateTime is neither a moment nor a day", hint="send 2026-11-03T09:30:00Z, or 2026-11-03", target="receivedDateTime"
    )


def parse_language(tag: object) -> str:
    """Return the language of the package that a body asks for; empty where it asks for none. Raises `InvalidRequest`."""
    found = language.lookup(tag) if isinstance(tag, str) else ""
    if tag is not None and not found:
        hint = f"leave it out, or send one of {', '.join(language.OFFERED)}"
        raise InvalidRequest("language is no tag of a language that packages are written in", hint=hint, target="language")
    return found


def parse_recipient(text: object) -> str:
    """Return the public key that a body asks to seal the package to; empty where it names none. Raises `InvalidRequest`."""
    if text is None:
        return ""
    try:
        given = text.strip() if isinstance(text, str) else ""
        return str(ssh.parse_ssh_recipient(given) if given.startswith(keys.SSH) else keys.parse_recipient(given))
    except ValueError as error:
        hint = "make a key with `age-keygen`, and send its public half (age1…); or send a key of SSH (ssh-ed25519 …)"
        raise InvalidRequest(f"recipient is no public key of age: {error}", hint=hint, target="recipient") from None


def parse_passphrase(text: object, *, recipient: str) -> str:
    """Return the passphrase that a body asks to seal the package by; empty where it has none. Raises `InvalidRequest`."""
    if text is None:
        return ""
    if recipient:
        raise InvalidRequest("recipient and passphrase stand side by side", hint="send one of them", target="passphrase")
    if not isinstance(text, str) or has_lone_surrogates(text) or not text.isprintable() or len(text) < LEAST_PASSPHRASE:
        hint = f"send a text of at least {LEAST_PASSPHRASE} characters, without line breaks: whoever has the package can try many"
        raise InvalidRequest("passphrase is not one that protects a package", hint=hint, target="passphrase")
    return text


def check_binding(parameter: object, subject: DataSubject) -> None:
    """Raise `InvalidRequest` where `bindingParameter` is sent and does not name the profile in the path (GRAPH-20)."""
    if parameter is None:
        return
    named = _fold_names(parameter).get("userid") if isinstance(parameter, dict) else parameter
    if not isinstance(named, str) or named.lower() != subject.subject_id.lower():
        raise InvalidRequest(
            "bindingParameter does not name the profile in the path",
            hint="leave it out, or send the profile's userId",
            target="bindingParameter",
        )


def format_time(at: datetime) -> str:
    """Write a moment as Graph does (GRAPH-05): UTC, Z, six digits where there is a fraction."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def encode(members: Mapping[str, object]) -> bytes:
    """Write JSON."""
    return msgspec.json.encode(members)
