"""What must hold beyond the types in settings of the service as a whole: where it listens, its store, its engine, its key."""

import ipaddress
import re
from importlib.util import find_spec
from urllib.parse import SplitResult, urlsplit

from rightful.config.model import DaskSettings, ServerSettings, is_loopback_host
from rightful.config.problem import Complain

SEAL_KEY_DIGITS = 64

_POSTGRES = ("postgresql://", "postgres://")
_SCHEDULER = re.compile(r"tls://[^\s/?#@]+:[0-9]{1,5}")
_LARGEST_PORT = 65535


def split_address(url: str) -> SplitResult | None:
    """Return the parts of an address; None where it is none, or has a port that is none."""
    try:
        parts = urlsplit(url)
        is_usable = parts.port is None or parts.port > 0  # the property raises for what is no number
    except ValueError:
        return None
    return parts if is_usable else None


def check_server(server: ServerSettings, complain: Complain) -> None:
    """Listen on an address that is spelt plainly; TLS anywhere but on loopback (GRAPH-60)."""
    host, colon, port = server.listen.rpartition(":")
    plain = host.removeprefix("[").removesuffix("]")
    if not colon or not (port.isascii() and port.isdigit() and int(port[:6]) <= _LARGEST_PORT):
        complain("server.listen", "is not ADDRESS:PORT", "write for instance 127.0.0.1:8443; port 0 takes a free one")
        return
    if not _is_address(plain) and plain != "localhost":
        hint = "write 0.0.0.0 for all interfaces" if not plain or plain == "*" else "write the interface's address, 0.0.0.0 for all"
        complain("server.listen", "does not begin with an IP address or localhost", hint)
    elif server.tls is None and not is_loopback_host(plain):
        complain(
            "server.tls", "is missing, and the service would be reachable from other machines", "add cert and key, or listen on 127.0.0.1"
        )
    if server.metrics:
        _check_metrics(server.metrics, complain)
    if server.traces and not _is_base_address(server.traces):
        complain(
            "server.traces", "is not http://HOST:PORT or https://HOST, with a path perhaps", "write for instance http://127.0.0.1:4318"
        )
    if server.base_url:
        _check_base_url(server.base_url, complain)
    if server.own_address:
        _check_own_address(server, complain)


def _check_metrics(metrics: str, complain: Complain) -> None:
    host, colon, port = metrics.rpartition(":")
    is_port = port.isascii() and port.isdigit() and int(port[:6]) <= _LARGEST_PORT
    if not colon or not is_port or not _is_address(host.removeprefix("[").removesuffix("]")):
        complain("server.metrics", "is not an IP address and a port", "write for instance 127.0.0.1:9464; port 0 takes a free one")


def _is_base_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and not set(" \\") & set(url)
    return is_plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0 and not set("?#@") & set(url)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _check_base_url(url: str, complain: Complain) -> None:
    parts = split_address(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        complain("server.base_url", "is not an http(s) address", "write for instance https://dsr.contoso.example")
    elif parts.query or parts.fragment or parts.username is not None or url.endswith("/"):
        complain("server.base_url", "has a slash at its end, or user, query or fragment", "write https://HOST or https://HOST/PATH")


def _check_own_address(server: ServerSettings, complain: Complain) -> None:
    """Others send it callers' tokens: it is as safe as what the service listens with."""
    parts = split_address(server.own_address)
    scheme = "http" if server.tls is None else "https"
    if not _is_base_address(server.own_address) or parts is None or parts.path:
        complain("server.own_address", "is not an address of scheme, host and port", "write for instance https://10.0.0.7:8443")
    elif parts.scheme != scheme:
        complain(
            "server.own_address", f"is not {scheme}://, as the service answers there", f"write {scheme}://HOST:PORT, or change server.tls"
        )


def check_store(store: str, complain: Complain) -> None:
    """A SQLite file, or a PostgreSQL database; what is wrong is said without the address, which holds a password."""
    if store.startswith(_POSTGRES):
        parts = split_address(store)
        if parts is None or not parts.path.strip("/") or parts.fragment or not (parts.hostname or "host=" in parts.query):
            complain(
                "store",
                "is not the address of a PostgreSQL database",
                "write postgresql://USER:${PASSWORD}@HOST/DATABASE?sslmode=verify-full, with %-escapes where a password has : / ? # @ or %",
            )
    elif (
        not store.startswith("sqlite:///")
        or not store.removeprefix("sqlite:///").strip("/")
        or "?" in store
        or store.endswith(("/", ":memory:"))
    ):
        complain(
            "store",
            "is the address neither of a SQLite file nor of a PostgreSQL database",
            "write sqlite:///var/rightful.db, with a fourth slash where the path is absolute, or postgresql://USER:${PASSWORD}@HOST/DATABASE",
        )


def check_engine(engine: str | None, dask: DaskSettings, store: str | None, complain: Complain) -> None:
    """Workers on other machines need a scheduler, certificates, and a store that they can write to."""
    if engine != "dask":
        return
    if find_spec("distributed") is None:
        complain("engine", "dask needs the library distributed, which is not installed", "install rightful[dask]")
    if not _SCHEDULER.fullmatch(dask.scheduler):
        complain("dask.scheduler", "is not tls://HOST:PORT", "write for instance tls://dask.contoso.example:8786")
    for name in ("ca", "cert", "key"):
        if not getattr(dask, name):
            complain(f"dask.{name}", "is missing: nothing is sent to workers but over TLS", "name a PEM file")
    if not (store or "").startswith(_POSTGRES):
        complain("store", "is a file, which workers on other machines cannot write to", "engine: dask needs postgresql://…")


def parse_seal_key(text: str, complain: Complain) -> bytes | None:
    """Return the 32 bytes, or None."""
    if len(text) == SEAL_KEY_DIGITS and re.fullmatch(r"[0-9A-Fa-f]+", text):
        return bytes.fromhex(text)
    complain("seal_key", "is not 64 hex digits", "make one with `rightful init`, and write {file: seal.key}")
    return None
