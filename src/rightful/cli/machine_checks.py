"""The checks of `rightful doctor` of what the service stands on: keys, clock, certificate, disk, versions."""

import email.utils
import os
import shutil
import ssl
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature

import rightful
from rightful import versions
from rightful.clock import MOST_SKEW_S, tell_skew
from rightful.config.model import Config, DaskSettings, IssuerSettings, TlsSettings
from rightful.errors import ExportError, StorageError, StorageUnavailable
from rightful.export import rotation
from rightful.identity.document import fetch
from rightful.identity.jwks import parse_discovery, parse_jwks
from rightful.identity.local_issuer import KEY_FILE
from rightful.pinned import DEFAULT_PORTS, PinnedHost

LEAST_FREE_BYTES = 1 << 30
RENEW_BEFORE = timedelta(days=14)
MOST_SKEW_OF_TOKENS_S = 60.0
"""Tokens are granted five minutes at most, SAS URLs begin at a moment: a clock that is off by more than this is noticed by somebody."""
OLD_KEY = timedelta(days=730)
_SECRET_FILES = ("seal.key", "audit.key", "receipt.key", KEY_FILE)
_PATIENCE_S = 10.0


class Found(msgspec.Struct, frozen=True):
    """What a check found that is no problem."""

    detail: str
    advice: str = ""
    """What would be better."""


def refuse(detail: str, hint: str) -> ExportError:
    """Return the error for something that is wrong."""
    return ExportError(detail, code="CheckFailed", hint=hint)


def lets_others_read(found: os.stat_result, user: int) -> bool:
    """Say whether a file lets more read it than its owner and, where that is not this user, the group by which this one may.

    So Kubernetes gives secrets to an account that is not root.
    """
    is_given = user not in {0, found.st_uid}
    return bool(found.st_mode & (0o027 if is_given else 0o077))


def _refuse_open(path: Path, shown: str, *, may_be_given: bool = True) -> None:
    found = path.stat()
    if os.name == "posix" and lets_others_read(found, os.geteuid() if may_be_given else found.st_uid):
        raise refuse(f"{shown} can be read by other users of this machine", f"chmod 600 {path}")


def seal_key(config: Config, now: datetime) -> Found:
    """Look at who may read the keys, and how old the one is that seals."""
    is_rotating = rotation.is_running(config)
    paths = [config.folder / name for name in _SECRET_FILES]
    if config.seal_key_path is not None:
        paths.append(config.seal_key_path)
    for path in paths:
        if path.exists():
            _refuse_open(path, path.name, may_be_given=path.name != KEY_FILE)  # the issuer takes no other
    if is_rotating:
        return Found("being replaced by a rotation that is running")
    if config.seal_key_path is None or not config.seal_key_path.exists():
        return Found("32 bytes")
    age = now - datetime.fromtimestamp(config.seal_key_path.stat().st_mtime, UTC)
    is_old = age > OLD_KEY
    return Found(f"32 bytes, {max(0, age.days)} days old", "`rightful rotate-seal-key` replaces it" if is_old else "")


def clock(config: Config, now: datetime) -> Found:
    """Compare with what was written before now: tokens and SAS URLs are judged by this clock."""
    written = [Path(rightful.__file__), *config.folder.glob("*.yaml")]
    newest_s = max(path.stat().st_mtime for path in written)
    if newest_s > now.timestamp() + timedelta(minutes=5).total_seconds():
        raise refuse("this machine's clock is behind: files were written later than it says it is", "set the clock, and have NTP keep it")
    return Found(f"{now:%Y-%m-%d %H:%M:%S} UTC")


def compare(theirs: datetime, whose: str, *, wall: Callable[[], float] = time.time) -> None:
    """Compare clocks with what another machine said a moment ago."""
    _refuse_skew(wall() - theirs.timestamp(), whose, most_s=MOST_SKEW_S, judged="what has expired is")


def _refuse_skew(skew_s: float, whose: str, *, most_s: float, judged: str) -> None:
    if abs(skew_s) > most_s:
        raise refuse(tell_skew(skew_s, whose), f"set the clock, and have NTP keep it: {judged} judged by it")


def issuer(settings: IssuerSettings) -> Found:
    """Read an issuer's keys as the service does, see that one can be used, and compare clocks, for which no proxy is asked."""
    url = settings.jwks_uri or f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration"
    hint = "see that this machine reaches it, and check `issuer` and `jwks_uri`: no token counts before"
    try:
        if not settings.jwks_uri:
            url = parse_discovery(fetch(url), settings.issuer)
        keys = parse_jwks(fetch(url))
    except (OSError, ValueError) as error:
        raise refuse(f"{_origin(url)} cannot be asked for keys: {error}", hint) from None
    if not any(algorithm in settings.algorithms for _, algorithm in keys):
        asked = ", ".join(settings.algorithms)
        raise refuse(f"{_origin(url)} shows no key for {asked}", "name in `algorithms` what its tokens are signed by")
    said = _date_of(url)
    if said is None:
        return Found(f"{_origin(url)} shows its keys")
    _refuse_skew(time.time() - said, _origin(url), most_s=MOST_SKEW_OF_TOKENS_S, judged="tokens and SAS URLs are")
    return Found(f"{_origin(url)} shows its keys, and its clock says the same")


def _origin(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _host_of(url: str) -> tuple[PinnedHost, urllib.parse.SplitResult]:
    parts = urllib.parse.urlsplit(url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return PinnedHost(parts.scheme, parts.hostname or "", port, may_be_private=True, answer_timeout_s=_PATIENCE_S), parts


def _date_of(url: str) -> float | None:
    """Return what time it is there, without a proxy between, which may answer with what it kept; None where nobody says."""
    host, parts = _host_of(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        answer, chunks = host.stream(target, (("Accept", "application/json"), ("Accept-Encoding", "identity")), within_s=_PATIENCE_S)
        chunks.close()
    except StorageError:
        return None
    finally:
        host.close()
    said = email.utils.parsedate_tz(answer.headers.get("Date") or "")
    return None if said is None else float(email.utils.mktime_tz(said))


def traces(address: str) -> Found:
    """Look whether what sends traces is installed, without which the service does not start, and whether somebody takes them."""
    try:
        from rightful.tracing import OtelTraces  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError:
        raise refuse("server.traces: what sends traces is not installed", "install rightful[otel]") from None
    host, parts = _host_of(address)
    try:  # nothing is sent: a message of OTLP without spans is empty
        target, kind = f"{parts.path.rstrip('/')}/v1/traces", (("Content-Type", "application/x-protobuf"),)
        status = host.exchange("POST", target, kind, within_s=_PATIENCE_S).status
    except StorageUnavailable as error:
        return Found("nobody takes them", f"{error.message}: spans are dropped, and nothing else is held up")
    except StorageError:  # a certificate that OTEL_* may know
        return Found(f"sent to {host.origin}")
    finally:
        host.close()
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        advice = f"{host.origin} answered {status} where they are posted: is it a receiver of OTLP over HTTP?"
        return Found("nobody takes them", advice)
    return Found(f"{host.origin} answers")


def writable(folder: Path, *, what: str = "packages and the store need it") -> str:
    """Say how much room is left where a folder is, or will be."""
    there = folder.absolute()
    while not there.exists():
        if there.is_symlink():
            raise refuse(
                f"{there} is a symbolic link to what is not there: no folder can be made in its place",
                "make the folder that it points to (or mount it), or name another one",
            )
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        hint = "give the folder to the user that runs the service"
        raise refuse(f"{there} cannot be written: {error.strerror}", hint) from error
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise refuse(f"{there} has only {free >> 20} MiB left", f"make room: {what}")
    return f"{free / 2**30:.0f} GiB free" + ("" if there == folder.absolute() else ", will be made")


def scratch(config: Config, folder: Path) -> Found:
    """Look at where shared scans gather what they find: memory, where a file system is of that."""
    detail = f"{folder}: {writable(folder, what='shared scans gather there what they find')}"
    needed = max((tenant.export.spool_mib for tenant in config.tenants), default=0) << 20
    if _is_memory(folder):
        return Found(detail, f"{folder} is in memory: name a folder on a disk by TMPDIR")
    if shutil.disk_usage(folder).free < needed:
        return Found(
            detail, f"a shared scan may gather {needed >> 20} MiB: make room, name another folder by TMPDIR, or lower `export.spool_mib`"
        )
    return Found(detail)


def _is_memory(folder: Path) -> bool:
    """Say whether a folder lies in a file system that is kept in memory, where the system tells (Linux)."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    fields = [line.split(" ") for line in lines]
    mounts = {place.replace("\\040", " "): kind for _, place, kind, *_ in fields}  # the last one of a place covers those before
    resolved = folder.resolve()
    return next((mounts[str(path)] for path in (resolved, *resolved.parents) if str(path) in mounts), "") in {"tmpfs", "ramfs"}


def tls(folder: Path, settings: TlsSettings, base_url: str, now: datetime) -> Found:
    """Look at the certificate: whose it is, until when, and whether those between it and its authority are with it."""
    cert, key = folder / settings.cert, folder / settings.key
    for path in (cert, key):
        if not path.exists():
            raise refuse(f"{path} does not exist", "`rightful dev-cert` makes one for localhost; else ask your certificate authority")
    _refuse_open(key, str(key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
        chain = x509.load_pem_x509_certificates(cert.read_bytes())
    except (ssl.SSLError, ValueError) as error:
        raise refuse(
            "the certificate and the key do not belong together, or are no PEM", "name the files that were made together"
        ) from error
    leaf = chain[0]
    if now < leaf.not_valid_before_utc:
        raise refuse(f"the certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC", "set the clock, or wait")
    first = min(chain, key=lambda each: each.not_valid_after_utc)
    ends, whose = first.not_valid_after_utc, "the certificate" if first is leaf else "a certificate of the chain"
    _refuse_end(ends, whose, now, hint="renew it: `rightful dev-cert --force` for localhost")
    for below, above in pairwise(chain):
        if not _is_issued_by(below, above):
            hint = "put the service's own certificate first, then that of who issued it, and so on"
            raise refuse("the certificates in the file are no chain: one was not issued by the next", hint)
    public = urllib.parse.urlsplit(base_url).hostname
    names = _names(leaf)
    if public and not any(_covers(name, public) for name in names):
        raise refuse(f"the certificate is not for {public}, which `server.base_url` names", "ask for one that is, or correct base_url")
    return Found(f"valid for {', '.join(names[:3]) or 'no name'}{' …' if len(names) > 3 else ''}, until {ends:%Y-%m-%d}")  # noqa: PLR2004 - enough to tell


def cluster_certificate(folder: Path, settings: DaskSettings, now: datetime) -> Found:
    """Look at what services, scheduler and workers show each other: who may read its key, and until when it lasts."""
    cert, key, ca = (folder / name for name in (settings.cert, settings.key, settings.ca))
    _refuse_open(key, str(key))
    try:
        leaf, authorities = x509.load_pem_x509_certificate(cert.read_bytes()), x509.load_pem_x509_certificates(ca.read_bytes())
    except ValueError as error:
        raise refuse(f"{cert} or {ca} holds no certificate", "name PEM files") from error
    last = max(each.not_valid_after_utc for each in authorities)  # of several, one that ends may be kept until all have changed
    whose = "the certificate" if leaf.not_valid_after_utc < last else "the authority's certificate"
    ends = min(leaf.not_valid_after_utc, last)
    _refuse_end(ends, whose, now, hint="make new ones for services, scheduler and workers, before none reaches another")
    return Found(f"lasts until {ends:%Y-%m-%d}")


def client_certificate(pem: str, now: datetime) -> Found:
    """Look until when the certificate lasts by which a system knows us."""
    ends = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    hint = "make a new key and certificate, register it where the old one is, and name both in `certificate` and `private_key`"
    _refuse_end(ends, "the certificate", now, hint=hint)
    return Found(f"lasts until {ends:%Y-%m-%d}")


def _refuse_end(ends: datetime, whose: str, now: datetime, *, hint: str) -> None:
    if ends < now + RENEW_BEFORE:
        raise refuse(f"{whose} {'has ended' if ends < now else 'ends'} on {ends:%Y-%m-%d}", hint)


def _is_issued_by(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def _covers(name: str, host: str) -> bool:
    """Say whether a certificate's name is a host's (RFC 6125 6.4.3)."""
    name, host = name.lower(), host.lower()
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:] and "." in name[2:])


def installed() -> Found:
    """Compare what is installed with what this version needs."""
    old = [f"{name} {version or 'is missing'}{f' (needs {least})' if least != '0' else ''}" for name, least, version in versions.outdated()]
    if old:
        raise refuse(f"too old: {', '.join(old)}", "install what requirements/runtime.lock names, or update them")
    found = versions.installed()
    return Found(f"Rightful {found['rightful']}, Python {found['python']}, SQLite {found['sqlite']}")
