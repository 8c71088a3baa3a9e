"""A stand-in for Microsoft Graph on loopback, as far as the connector `msgraph` asks it, and for Entra's token endpoint.

It behaves as Graph does where that matters to a reader: small pages with `@odata.nextLink`, a drive's list that ends with
`@odata.deltaLink`, has no paths and may name an item twice, `@odata.count` for who asks, folders of mail that lie in others, 429 with
`Retry-After`, content of drives by a redirect to another host (which refuses who brings a token there), and 404
with Graph's codes for people who are unknown or have no mailbox or drive, and for a calendar that is not there any more.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

_PAGE = 2
_SECRET = "stand-in secret"
_TOKEN = "stand-in-token"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Json = dict[str, Any]


@dataclass
class Account:
    """What one user has."""

    profile: Json = field(default_factory=dict)
    messages: Mapping[str, bytes] | None = None
    """Subject to MIME content; None: there is no mailbox, so no calendar either."""
    deleted: set[int] = field(default_factory=set)
    """Numbers of messages that are not there any more, from 0 on; the others keep their ids."""
    received: str = ""
    """When all messages came; left out: each in another month."""
    events: Mapping[str, list[Json]] = field(default_factory=dict)
    """By calendar; the first is the default one."""
    shared: Mapping[str, list[Json]] = field(default_factory=dict)
    """Calendars of somebody else's, which are in the list too."""
    files: Mapping[str, bytes] | None = None
    """By path; None: there is no drive."""
    links: Mapping[str, Json] = field(default_factory=dict)
    """By name: what the drive has at its top that lies in another drive, and what is said of each."""


@dataclass
class GraphStandIn:
    """A running stand-in; what it does can be changed while it runs."""

    accounts: dict[str, Account]
    url: str = ""
    download_url: str = ""
    client_secret: str = _SECRET
    certificate: str = ""
    """In PEM: one that is registered, so that its key may sign in place of the secret."""
    assertions: list[str] = field(default_factory=list)
    """What was signed and taken; none is taken twice."""
    refuse_every: int = 0
    """Answer 429 to each so-manieth request."""
    retry_after: str = "0"
    """When to ask again then, in seconds."""
    is_whole: bool = True
    """Whether a drive's list ends with its deltaLink."""
    absent_after: int = 0
    """After so many requests there is nothing left of anybody."""
    instead: tuple[int, bytes] | None = None
    """Status and body that everything is answered with."""
    claims: dict[str, str] = field(default_factory=dict)
    """User to the one that answers say they are of: for tests of what happens then."""
    meanwhile: Callable[[int], None] = lambda _: None
    """Called before each request is answered, with how many there were: for what happens meanwhile."""
    asked: list[str] = field(default_factory=list)
    """Path and query of each request to Graph."""
    downloads: list[dict[str, str]] = field(default_factory=list)
    """Headers of each request to the download host."""

    def answer(self, target: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of an answer of Graph's."""
        self.asked.append(target)
        self.meanwhile(len(self.asked))
        if self.instead is not None:
            return self.instead[0], {}, self.instead[1]
        if self.refuse_every and len(self.asked) % self.refuse_every == 0:
            return 429, {"Retry-After": self.retry_after}, _error("TooManyRequests")
        if authorization != f"Bearer {_TOKEN}":
            return 401, {}, _error("InvalidAuthenticationToken")
        return self._found(target)

    def _found(self, target: str) -> tuple[int, dict[str, str], bytes]:
        if self.absent_after and len(self.asked) > self.absent_after:
            return 404, {}, _error("ResourceNotFound")
        parts = urlsplit(target)
        match [unquote(each) for each in parts.path.split("/")[1:]]:
            case ["v1.0", "users", user, *rest] if user in self.accounts:
                return self._of_user(user, self.accounts[user], rest, target)
            case ["v1.0", "drives", drive, *rest] if drive.removeprefix("drive!") in self.accounts:
                return self._of_drive(drive, rest, target)
            case ["v1.0", "users", _, kind, *_] if kind in {"messages", "calendars", "mailFolders"}:
                return 404, {}, _error("ErrorInvalidUser")
            case _:
                return 404, {}, _error("Request_ResourceNotFound")

    def _of_user(self, user: str, account: Account, rest: list[str], target: str) -> tuple[int, dict[str, str], bytes]:
        shown = self.claims.get(user, user)
        match rest:
            case []:
                return _ok({"@odata.context": f"{self.url}/v1.0/$metadata#users/$entity", **account.profile, "id": shown})
            case ["drive"] if account.files is not None:
                used = sum(map(len, account.files.values()))
                return _ok({"id": f"drive!{user}", "owner": {"user": {"id": shown}}, "quota": {"used": used}})
            case ["mailFolders", *within] if account.messages is not None:
                return self._page(_folders(account.messages, within, target), f"users('{shown}')/mailFolders(id)", target)
            case ["messages" | "calendars" | "mailFolders", *_]:
                return self._of_mailbox(shown, account, rest, target)
            case _:
                return 404, {}, _error("ResourceNotFound")

    def _of_mailbox(self, shown: str, account: Account, rest: list[str], target: str) -> tuple[int, dict[str, str], bytes]:
        if account.messages is None:
            return 404, {}, _error("MailboxNotEnabledForRESTAPI")
        match rest:
            case ["messages"]:
                found = _listed(account, target)
                return self._page(found, f"users('{shown}')/messages(id,subject)", target)
            case ["messages", message, "$value"]:
                contents = list(account.messages.values())
                return 200, {"Content-Type": "text/plain"}, contents[int(message[2:-1])]
            case ["calendars"]:
                calendars = [
                    {
                        "id": f"{name}/=",
                        "owner": {"address": "Owner@contoso.example" if name in account.events else "other@contoso.example"},
                        "isDefaultCalendar": number == 0,
                    }
                    for number, name in enumerate([*account.events, *account.shared])
                ]
                return self._page(calendars, f"users('{shown}')/calendars(id)", target)
            case ["calendars", calendar, "events"] if calendar[:-2] in {**account.events, **account.shared}:
                found = _by_time({**account.events, **account.shared}[calendar[:-2]], target)
                return self._page(found, f"users('{shown}')/calendars('x')/events", target)
            case _:
                return 404, {}, _error("ErrorItemNotFound")

    def _of_drive(self, drive: str, rest: list[str], target: str) -> tuple[int, dict[str, str], bytes]:
        files = self.accounts[drive.removeprefix("drive!")].files or {}
        match rest:
            case ["root", "delta"]:
                items: list[Json] = [{"id": "root", "name": "root", "root": {}, "folder": {}}]
                folders = {str(above): above for path in files for above in PurePosixPath(path).parents if above.name}
                for above in folders.values():
                    place = {"driveId": drive, "id": _folder_id(above.parent)}
                    items.append({"id": _folder_id(above), "name": above.name, "parentReference": place, "folder": {}})
                for number, (path, content) in enumerate(files.items()):
                    name = PurePosixPath(path).name
                    place = {"driveId": drive, "id": _folder_id(PurePosixPath(path).parent)}
                    item = {"id": f"i{number}", "name": name, "parentReference": place, "lastModifiedDateTime": "2026-02-03T04:05:06Z"}
                    items.append({**item, "size": 1, "file": {}})  # an older state: it comes again
                    items.append({**item, "size": len(content), "file": {}})
                for name, said in self.accounts[drive.removeprefix("drive!")].links.items():
                    items.append({"id": f"l{name}", "name": name, "parentReference": {"driveId": drive, "id": "root"}, **said})
                items.append({"id": "gone", "deleted": {}})
                return self._page(items, "Collection(driveItem)", target, is_delta=True)
            case ["items", item, "content"]:
                return 302, {"Location": f"{self.download_url}/{drive}/{item}?tempauth=x"}, b""
            case _:
                return 404, {}, _error("itemNotFound")

    def _page(self, found: list[Json], context: str, target: str, *, is_delta: bool = False) -> tuple[int, dict[str, str], bytes]:
        base, _, query = target.partition("?")
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        start = int(asked.get("$skiptoken", 0))
        end = start + min(_PAGE, int(asked.get("$top", _PAGE)))
        page: Json = {"@odata.context": f"{self.url}/v1.0/$metadata#{context}", "value": found[start:end]}
        if asked.get("$count") == "true":
            page["@odata.count"] = len(found)
        if end < len(found):
            page["@odata.nextLink"] = f"{self.url}{base}?{urlencode({**asked, '$skiptoken': end})}"
        elif is_delta and self.is_whole:
            page["@odata.deltaLink"] = f"{self.url}{base}?token=latest"
        return _ok(page)

    def download(self, target: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return an answer of the download host's."""
        self.downloads.append(dict(headers))
        if "authorization" in headers:
            return 401, {}, b""
        drive, item = urlsplit(target).path.split("/")[1:]
        return 200, {}, list((self.accounts[drive.removeprefix("drive!")].files or {}).values())[int(item[1:])]

    def grant(self, target: str, form: Mapping[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        """Return an answer of the token endpoint's."""
        is_let_in = self._is_signed(target, form) if "client_assertion" in form else form.get("client_secret") == [self.client_secret]
        if not is_let_in or form.get("scope") != [f"{self.url}/.default"]:
            return 401, {}, json.dumps({"error": "invalid_client", "error_description": str(form)}).encode()
        return _ok({"token_type": "Bearer", "expires_in": 3599, "access_token": _TOKEN})

    def _is_signed(self, target: str, form: Mapping[str, list[str]]) -> bool:
        """Look at an assertion as Entra does: PS256, by the certificate that it names, for this endpoint, and for ten minutes at most."""
        [text], [client_id] = form["client_assertion"], form["client_id"]
        if not self.certificate or text in self.assertions or form["client_assertion_type"] != [_ASSERTION]:
            return False
        certificate = x509.load_pem_x509_certificate(self.certificate.encode())
        digest = certificate.fingerprint(hashes.SHA256())
        try:
            claims = jwt.decode(
                text,
                certificate.public_key(),  # type: ignore[arg-type]  # an RSA key
                algorithms=["PS256"],
                audience=f"{self.url}{target}",
                issuer=client_id,
                options={"require": ["aud", "exp", "iss", "jti", "nbf", "sub"]},
            )
        except jwt.InvalidTokenError:
            return False
        self.assertions.append(text)
        named = jwt.get_unverified_header(text).get("x5t#S256") == base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return named and claims["sub"] == client_id and claims["exp"] - claims["nbf"] <= 600


def _listed(account: Account, target: str) -> list[Json]:
    """Return what a list of messages has."""
    found = [
        {"id": f"m/{number}=", "subject": subject, "receivedDateTime": account.received or f"2026-0{1 + number % 9}-02T03:04:05Z"}
        for number, subject in enumerate(account.messages or {})
        if number not in account.deleted
    ]
    return _by_time(found, target)


def _by_time(found: list[Json], target: str) -> list[Json]:
    """Return what has a time, the oldest first where that is asked for: from a time on, where one is."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    name, _, since = asked.get("$filter", "").partition(" ge ")
    order = asked.get("$orderby")
    return sorted((each for each in found if each.get(name, "") >= since), key=lambda each: each.get(order, "") if order else "")


def _folders(messages: Mapping[str, bytes], within: list[str], target: str) -> list[Json]:
    """Return the folders at the top, or those in the inbox: in the inbox lies every second message, in its folder what else there is."""
    contents = list(messages.values())
    inbox: Json = {"id": "inbox=", "childFolderCount": 1, **_filled(contents[::2], target)}
    if within == ["inbox=", "childFolders"]:
        return [{"id": "projects=", "childFolderCount": 0, **_filled(contents[1::2], target)}]
    if within:
        return []
    found: Json = {"@odata.type": "#microsoft.graph.mailSearchFolder", "id": "all=", "childFolderCount": 1, **_filled(contents, target)}
    return [found, {"id": "outbox=", "childFolderCount": 0, **_filled([], target)}, inbox]


def _filled(contents: list[bytes], target: str) -> Json:
    said: Json = {"totalItemCount": len(contents)}
    if "Long 0x0e08" in unquote(target).replace("+", " "):  # Graph spells the id anew
        said["singleValueExtendedProperties"] = [{"id": "Long 0xe08", "value": str(sum(map(len, contents)))}]
    return said


def _folder_id(folder: PurePosixPath) -> str:
    return f"f/{folder}" if folder.name else "root"


def _ok(value: Json) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _error(code: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "as Graph words it"}}).encode()


@contextmanager
def serving(accounts: Mapping[str, Account]) -> Iterator[GraphStandIn]:
    """Serve Graph and the download host until left."""
    graph = GraphStandIn(dict(accounts))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            is_download = self.server is servers[1]
            self._send(*(graph.download(self.path, headers) if is_download else graph.answer(self.path, headers.get("authorization", ""))))

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._send(*graph.grant(self.path, form))

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}) for server in servers]
    graph.url, graph.download_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    for server, thread in zip(servers, threads, strict=True):
        server.daemon_threads = True
        thread.start()
    try:
        yield graph
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
