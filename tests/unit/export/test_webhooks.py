"""Webhooks are told what becomes of operations, by real receivers that take it, refuse it, hang and redirect."""

import base64
import hashlib
import hmac
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.export.world import TENANT, World

from rightful.config.model import WebhookSettings
from rightful.export.webhooks import WAITS_S, Webhooks, announcing, key_of
from rightful.meters import Meters
from rightful.store.values import StoreFault
from rightful.testing.failpoints import Failpoints, failing_store
from rightful.testing.memory_connector import MemoryConnector
from rightful.testing.store_cases import OTHER_TENANT, accept

SECRET = b"canary secret of 32 bytes, sure."
PATIENCE_S = 20
PEOPLE = {"ann": {"id": ("ann",), "upn": ("ann@contoso.example",)}}


def until(holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.01)


class Receiver:
    """Takes what is posted, and answers as the test says."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Mapping[str, str], bytes]] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.hangs = threading.Event()
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.taken.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                if outer.hangs.is_set():
                    outer.released.wait(60)
                    self.close_connection = True
                    return
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook?key=canary"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


class Counting(Meters):
    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def posted(self, outcome: str) -> None:
        self.outcomes.append(outcome)


_opened: list[Webhooks] = []


class Setting:
    """A world with one webhook, and what posts to it, step by step."""

    def __init__(self, folder: Path, receiver: Receiver, *events: Any) -> None:
        self.webhook = WebhookSettings(url=receiver.url, secret=f"whsec_{base64.b64encode(SECRET).decode()}", events=events)
        connector = MemoryConnector("shop", match={"id": "id"})
        self.world = World(folder, PEOPLE, {"shop": connector}, webhooks=(self.webhook,))
        self.meters = Counting()
        self.webhooks = Webhooks(self.world.config, self.world.store, self.world.clock, self.meters)
        _opened.append(self.webhooks)

    def deliver(self) -> int:
        return self.webhooks.deliver(key_of(TENANT, self.webhook))


@pytest.fixture(autouse=True)
def all_stopped() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().stop()


@pytest.fixture
def setting(tmp_path: Path, receiver: Receiver) -> Setting:
    return Setting(tmp_path, receiver)


def verify(headers: Mapping[str, str], body: bytes, secret: bytes = SECRET) -> None:
    """Check as docs/howto/be-told-of-changes.md shows receivers how to."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert any(hmac.compare_digest(f"v1,{expected}", each) for each in headers["webhook-signature"].split())


def test_operation_from_submit_to_end_is_told_signed_and_without_anything_personal(setting: Setting, receiver: Receiver) -> None:
    operation = setting.world.submit("ann")
    setting.world.run()
    assert setting.deliver() == 2
    assert setting.deliver() == 0
    assert setting.meters.outcomes == ["delivered"] * 2
    documents = []
    for path, headers, body in receiver.taken:
        verify(headers, body)
        assert path == "/hook?key=canary"
        assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
        document = json.loads(body)
        assert document["id"] == headers["webhook-id"]
        assert b"ann" not in body.replace(b"tenant", b"")
        documents.append(document)
    assert [document["type"] for document in documents] == ["dev.rightful.operation.submitted", "dev.rightful.operation.completed"]
    assert documents[1] == {
        "specversion": "1.0",
        "id": documents[1]["id"],
        "source": f"urn:rightful:tenant:{TENANT}",
        "type": "dev.rightful.operation.completed",
        "subject": operation.operation_id,
        "time": documents[1]["time"],
        "datacontenttype": "application/json",
        "data": {"operationId": operation.operation_id, "tenantId": TENANT, "status": "complete"},
    }
    assert datetime.fromisoformat(documents[0]["time"]).tzinfo == UTC


def test_only_what_is_asked_for_is_told(tmp_path: Path, receiver: Receiver) -> None:
    setting = Setting(tmp_path, receiver, "cancelled")
    operation = setting.world.submit("ann")
    setting.world.service.cancel(TENANT, operation.operation_id)
    assert setting.deliver() == 1
    assert json.loads(receiver.taken[0][2])["data"]["status"] == "failed"


def test_what_is_refused_is_posted_again_later_the_same_and_given_up_in_the_end(setting: Setting, receiver: Receiver) -> None:
    setting.world.submit("ann")
    receiver.status = 500
    for wait_s in WAITS_S:
        assert setting.deliver() == 0
        assert setting.deliver() == 0  # not before its time
        setting.world.clock.advance(wait_s)
    assert len(receiver.taken) == len(WAITS_S)
    assert setting.deliver() == 0
    setting.world.clock.advance(10 * 86_400)
    assert setting.deliver() == 0
    assert setting.meters.outcomes == ["retried"] * len(WAITS_S) + ["dropped"]
    assert len({body for _, _, body in receiver.taken}) == 1
    assert len({headers["webhook-id"] for _, headers, _ in receiver.taken}) == 1
    assert len({headers["webhook-timestamp"] for _, headers, _ in receiver.taken}) == len(receiver.taken)
    for _, headers, body in receiver.taken:
        verify(headers, body)


def test_what_comes_back_after_a_while_gets_everything(setting: Setting, receiver: Receiver) -> None:
    setting.world.submit("ann")
    receiver.status = 503
    assert setting.deliver() == 0
    setting.world.run()
    receiver.status = 200
    setting.world.clock.advance(WAITS_S[0])
    assert setting.deliver() == 2


def test_redirect_is_not_followed(setting: Setting, receiver: Receiver) -> None:
    other = Receiver()
    try:
        receiver.status, receiver.headers = 307, {"Location": other.url}
        setting.world.submit("ann")
        assert setting.deliver() == 0
        assert other.taken == []
        assert setting.meters.outcomes == ["retried"]
    finally:
        other.close()


def test_receiver_that_is_gone_for_good_is_not_asked_again(setting: Setting, receiver: Receiver) -> None:
    setting.world.submit("ann")
    receiver.status = 410
    assert setting.deliver() == 0
    setting.world.clock.advance(86_400)
    assert setting.deliver() == 0
    assert (len(receiver.taken), setting.meters.outcomes) == (1, ["dropped"])


def test_what_was_not_taken_is_posted_after_a_kill(setting: Setting, receiver: Receiver) -> None:
    setting.world.submit("ann")
    setting.world.stop()
    setting.world.start()
    webhooks = Webhooks(setting.world.config, setting.world.store, setting.world.clock)
    _opened.append(webhooks)
    assert webhooks.deliver(key_of(TENANT, setting.webhook)) == 1
    assert len(receiver.taken) == 1


def test_tenants_with_the_same_address_are_each_told_their_own_with_their_own_signature(setting: Setting, receiver: Receiver) -> None:
    secrets = {TENANT: SECRET, OTHER_TENANT: b"another canary of 32 bytes, sure"}
    (tenant,), store = setting.world.config.tenants, setting.world.store
    theirs = msgspec.structs.replace(setting.webhook, secret=f"whsec_{base64.b64encode(secrets[OTHER_TENANT]).decode()}")
    config = msgspec.structs.replace(
        setting.world.config, tenants=(tenant, msgspec.structs.replace(tenant, id=OTHER_TENANT, webhooks=(theirs,)))
    )
    store.announce(announcing(config.tenants))
    setting.world.submit("ann")
    accept(store, 1, "shop", tenant_id=OTHER_TENANT)
    webhooks = Webhooks(config, store, setting.world.clock)
    _opened.append(webhooks)
    webhooks.start()
    until(lambda: len(receiver.taken) > 1)
    webhooks.stop()
    told = [json.loads(body)["data"]["tenantId"] for _, _, body in receiver.taken]
    assert sorted(told) == sorted(secrets)
    for tenant_id, (_, headers, body) in zip(told, receiver.taken, strict=True):
        verify(headers, body, secrets[tenant_id])


def test_receiver_that_hangs_holds_up_no_stop_and_loses_nothing(setting: Setting, receiver: Receiver) -> None:
    receiver.hangs.set()
    setting.world.submit("ann")
    setting.webhooks.start()
    until(lambda: bool(receiver.taken))
    setting.webhooks.stop()
    assert not receiver.released.is_set(), "the receiver hangs still"
    (left,) = setting.world.store.outgoing(TENANT, key_of(TENANT, setting.webhook), limit=9)
    assert left.attempts == 0


def test_receiver_whose_tls_never_begins_holds_up_no_stop(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10.0)
        webhook = WebhookSettings(
            url=f"https://127.0.0.1:{listener.getsockname()[1]}/", secret=f"whsec_{base64.b64encode(SECRET).decode()}"
        )
        world = World(tmp_path, PEOPLE, {"shop": MemoryConnector("shop", match={"id": "id"})}, webhooks=(webhook,))
        webhooks = Webhooks(world.config, world.store, world.clock)
        world.submit("ann")
        webhooks.start()
        taken, _ = listener.accept()
        with taken:
            webhooks.stop()


class FullDisk:
    """A store whose disk is full when it is to put down what came of a post; with `late` it has put it down, and does not know."""

    def __init__(self, setting: Setting, *, late: bool = False) -> None:
        self.is_full = True
        self.tried_s: list[float] = []
        """When it was tried to put something down."""
        self._when = "after" if late else "before"
        store = failing_store(setting.world.store, Failpoints(self._script))
        self.webhooks = Webhooks(setting.world.config, store, setting.world.clock, setting.meters)
        self._key = key_of(TENANT, setting.webhook)
        _opened.append(self.webhooks)

    def _script(self, _number: int, name: str) -> None:
        if name in {f"store.forget_event.{self._when}", f"store.put_off_event.{self._when}"} and self.is_full:
            self.tried_s.append(time.monotonic())
            raise StoreFault("the disk is full")

    def deliver(self) -> int:
        return self.webhooks.deliver(self._key)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("status", "outcome", "left"), [(204, "delivered", 0), (500, "retried", 1), (410, "dropped", 0)])
def test_event_is_posted_once_though_the_store_cannot_take_what_came_of_it(
    setting: Setting, receiver: Receiver, status: int, outcome: str, left: int, *, late: bool
) -> None:
    disk = FullDisk(setting, late=late)
    receiver.status = status
    setting.world.submit("ann")
    for _ in range(3):
        with pytest.raises(StoreFault):
            disk.deliver()
    assert len(receiver.taken) == 1
    assert setting.meters.outcomes == []
    disk.is_full = False
    assert disk.deliver() == 0
    assert setting.meters.outcomes == [outcome]
    assert len(receiver.taken) == 1
    setting.world.clock.advance(WAITS_S[0])
    waiting = setting.world.store.outgoing(TENANT, key_of(TENANT, setting.webhook), limit=9)
    assert [event.attempts for event in waiting] == [1] * left


def test_event_that_came_since_is_not_taken_for_the_one_that_was_posted(setting: Setting, receiver: Receiver) -> None:
    disk = FullDisk(setting, late=True)
    setting.world.submit("ann")
    with pytest.raises(StoreFault):
        disk.deliver()
    setting.world.run()
    disk.is_full = False
    assert disk.deliver() == 1
    assert [json.loads(body)["type"].rpartition(".")[2] for _, _, body in receiver.taken] == ["submitted", "completed"]


def test_full_disk_is_tried_less_and_less_often(setting: Setting, receiver: Receiver) -> None:
    disk = FullDisk(setting)
    disk.webhooks.look_s = 0.1
    setting.world.submit("ann")
    disk.webhooks.start()
    until(lambda: len(disk.tried_s) > 3)
    assert len(receiver.taken) == 1
    disk.is_full = False
    until(lambda: bool(setting.meters.outcomes))
    pauses_s = [later - earlier for earlier, later in pairwise(disk.tried_s)]
    assert all(pause_s >= least_s for pause_s, least_s in zip(pauses_s, (0.2, 0.4, 0.8), strict=False)), "not each tenth of a second"
    assert setting.meters.outcomes == ["delivered"]
