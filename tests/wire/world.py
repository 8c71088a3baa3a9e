"""A small world to ask over the wire: two tenants, a token issuer, the application over exports in memory, and a client that needs no socket."""

import asyncio
import json
import secrets
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rightful.clock import Clock, SystemClock
from rightful.config.model import (
    Config,
    DirectoryConfig,
    GraphSettings,
    IdentitySettings,
    IssuerSettings,
    LimitSettings,
    ServerSettings,
    TenantConfig,
)
from rightful.graph.app import GraphApp, create_app
from rightful.graph.closed_list import CODES
from rightful.graph.passing_on import PassingOn
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import DataPolicyOperation
from rightful.subject.model import DataSubject, SubjectKind
from rightful.testing.issuer import AUDIENCE, SimulatedIssuer
from rightful.testing.memory_exports import MemoryExports

T = TypeVar("T")

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
OTHER_TENANT = TenantId("22222222-2222-2222-2222-222222222222")
ANN = "aaaaaaaa-0000-4000-8000-000000000001"
BEN = "aaaaaaaa-0000-4000-8000-000000000002"
GUEST_PROFILE = "bbbbbbbb-0000-4000-8000-000000000001"
OTHER_ANN = "aaaaaaaa-0000-4000-8000-00000000000b"
OTHER_PROFILE = "bbbbbbbb-0000-4000-8000-00000000000b"
NOBODY = "cccccccc-0000-4000-8000-000000000009"
ADDRESS = "192.0.2.7"
HOST = "dsr.contoso.example"
ROOT = f"http://{HOST}"
LOCATION = "https://acct.blob.core.windows.net/exports?sv=2024-11-04&sp=cw&sig=SECRETSIGNATURE"

SUBJECTS = (
    DataSubject(tenant_id=TENANT, subject_id=SubjectId(ANN), user_principal_name="ann@contoso.example", display_name="Ann"),
    DataSubject(tenant_id=TENANT, subject_id=SubjectId(BEN), user_principal_name="ben_fabrikam.example#EXT#@contoso.example"),
    DataSubject(
        tenant_id=TENANT,
        subject_id=SubjectId(GUEST_PROFILE),
        kind=SubjectKind.INBOUND_PROFILE,
        user_principal_name="guest@fabrikam.example",
        display_name="Guest",
        home_tenant_id=OTHER_TENANT,
    ),
    DataSubject(tenant_id=OTHER_TENANT, subject_id=SubjectId(OTHER_ANN), user_principal_name="ann@fabrikam.example"),
    DataSubject(tenant_id=OTHER_TENANT, subject_id=SubjectId(OTHER_PROFILE), kind=SubjectKind.INBOUND_PROFILE),
)


UNLIMITED = LimitSettings(writes_per_second=1_000_000, writes_per_second_per_app=1_000_000)
"""For tests that are about something else, and quicker than any application may be."""


class Later(SystemClock):
    """The machine's clock, ahead by what a test says."""

    ahead_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class NoSettings(msgspec.Struct, frozen=True):
    """The directory of this world is never opened."""


def v1_issuer(tenant_id: str) -> str:
    return f"https://sts.windows.net/{tenant_id}/"


def make_config(
    issuers: dict[TenantId, list[SimulatedIssuer]],
    *,
    folder: Path = Path("/nonexistent"),
    server: ServerSettings | None = None,
    graph: GraphSettings | None = None,
    limits: LimitSettings = UNLIMITED,
    local: bool = False,
) -> Config:
    """Return a configuration in which each tenant trusts its issuers, in the v1 and the v2 form."""

    def trusted(tenant_id: TenantId) -> tuple[IssuerSettings, ...]:
        found = [
            IssuerSettings(issuer=name, audience=(AUDIENCE,), jwks_uri=issuer.jwks_uri)
            for issuer in issuers[tenant_id]
            for name in (issuer.issuer, v1_issuer(tenant_id))
        ]
        if local:
            found.append(IssuerSettings(issuer="local", audience=(AUDIENCE,)))
        return tuple(found)

    def tenant(tenant_id: TenantId) -> TenantConfig:
        return TenantConfig(
            id=tenant_id,
            name=tenant_id[:4],
            identity=IdentitySettings(issuers=trusted(tenant_id)),
            limits=limits,
            directory=DirectoryConfig(connector="sql", settings=NoSettings()),
            sources=(),
        )

    return Config(
        folder=folder,
        server=server or ServerSettings(listen="127.0.0.1:0"),
        graph=graph or GraphSettings(),
        seal_key=bytes(32),
        tenants=tuple(tenant(tenant_id) for tenant_id in issuers),
    )


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class Client:
    """Calls an ASGI application in this thread."""

    def __init__(self, app: GraphApp | PassingOn, *, scheme: str = "http") -> None:
        self.app = app
        self.scheme = scheme
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        headers: list[tuple[str, str]] | None = None,
        chunks: list[bytes] | None = None,
    ) -> Answer:
        """Send one request; `path` is percent-encoded and may have a query, `body` is sent as it is if bytes, else as JSON."""
        sent = [("host", HOST), *(headers or [])]
        if token is not None:
            sent.append(("authorization", f"Bearer {token}"))
        if chunks is None:
            raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            if raw:
                sent.append(("content-length", str(len(raw))))
            chunks = [raw]
        return self.run(self._request(method, path, sent, chunks))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the loop that requests are made on; `get` is for use in it."""
        return self._runner.run(work)

    async def get(self, path: str, token: str) -> Answer:
        """Send one GET from within `run`."""
        return await self._request("GET", path, [("host", HOST), ("authorization", f"Bearer {token}")], [b""])

    async def post(self, path: str, token: str, body: object) -> Answer:
        """Send one POST from within `run`."""
        raw = json.dumps(body).encode()
        headers = [("host", HOST), ("authorization", f"Bearer {token}"), ("content-length", str(len(raw)))]
        return await self._request("POST", path, headers, [raw])

    async def _request(self, method: str, path: str, headers: list[tuple[str, str]], chunks: list[bytes]) -> Answer:
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1" if any(name.lower() == "host" for name, _ in headers) else "1.0",
            "method": method,
            "scheme": self.scheme,
            "path": raw_path,
            "raw_path": raw_path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
            "server": ("127.0.0.1", 8443),
            "client": (ADDRESS, 50_000),
        }
        waiting: Iterator[bytes] = iter(chunks)
        messages: list[Any] = []
        left = len(chunks)

        async def receive() -> dict[str, object]:
            nonlocal left
            left -= 1
            if left < 0:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": next(waiting), "more_body": left > 0}

        async def send(message: Any) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start, *rest = messages
        names = [name.decode() for name, _ in start["headers"]]
        assert len(names) == len(set(names)), names
        answer = Answer(
            status=start["status"],
            headers={name.decode(): value.decode("latin-1") for name, value in start["headers"]},
            body=b"".join(message.get("body", b"") for message in rest),
        )
        if answer.status >= 400 and raw_path != "/readyz" and answer.body:
            assert answer.code in CODES[answer.status], "put it into graph/closed_list.py"
        return answer


class World:
    """Everything a test asks of; `client` speaks plain http to one host."""

    def __init__(self, issuer: SimulatedIssuer, other_issuer: SimulatedIssuer, exports: MemoryExports, app: GraphApp) -> None:
        self.issuer = issuer
        self.other_issuer = other_issuer
        self.exports = exports
        self.app = app
        self.client = Client(app)
        self.token = issuer.token()

    def submit(self, user: str = ANN, *, location: str = LOCATION, token: str = "", root: str = "/v1.0") -> Answer:
        body = {"storageLocation": location}
        return self.client.request("POST", f"{root}/users/{user}/exportPersonalData", token=token or self.token, body=body)

    def get(self, path: str, *, token: str = "") -> Answer:
        return self.client.request("GET", path, token=token or self.token)

    def operation(self, answer: Answer) -> DataPolicyOperation:
        return self.exports.operations[OperationId(answer.headers["request-id"])]


@contextmanager
def world(
    *,
    graph: GraphSettings | None = None,
    server: ServerSettings | None = None,
    exports: MemoryExports | None = None,
    limits: LimitSettings = UNLIMITED,
    clock: Clock | None = None,
) -> Iterator[World]:
    """Open a world of its own for a test."""
    with SimulatedIssuer(TENANT) as issuer, SimulatedIssuer(OTHER_TENANT) as other_issuer:
        exports = exports or MemoryExports(SUBJECTS, accounts=["LocalExports"])
        config = make_config({TENANT: [issuer], OTHER_TENANT: [other_issuer]}, graph=graph, server=server, limits=limits)
        app = create_app(config=config, exports=exports, clock=clock)
        opened = World(issuer, other_issuer, exports, app)
        try:
            yield opened
        finally:
            opened.client.close()
            app.close()


def new_location() -> str:
    """Return a storage location that nothing was exported to."""
    return f"https://acct.blob.core.windows.net/c{secrets.token_hex(6)}?sp=cw&sig=SECRETSIGNATURE"
