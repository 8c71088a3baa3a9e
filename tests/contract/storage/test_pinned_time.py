"""How long an exchange may take in all: with hosts that say a little now and then, or take it, or nothing at all."""

import socket
import threading
import time
from collections.abc import Sequence

import pytest
from tests.contract.storage.hostile_host import (
    BUSY_S,
    Behaviour,
    continue_for_ever,
    drip_body,
    drip_chunks,
    drip_head,
    hostile,
    say_nothing,
    sip,
    took_s,
)
from tests.unit.no_threads import no_more_threads

from rightful.errors import StorageUnavailable
from rightful.pinned import PinnedHost, connect_to

ANSWERS = [drip_head, drip_body, drip_chunks, continue_for_ever, say_nothing]


@pytest.mark.parametrize("behave", ANSWERS, ids=lambda behave: behave.__name__)
def test_answer_has_the_usual_time_however_steadily_it_comes(behave: Behaviour) -> None:
    with hostile(behave) as port:
        host = PinnedHost("http", "127.0.0.1", port, may_be_private=True, answer_timeout_s=0.6)
        assert 0.5 < took_s(lambda: host.exchange("GET", "/"), r"takes longer than 0\.6 s for an answer") < BUSY_S
        host.close()


@pytest.mark.parametrize("behave", [*ANSWERS, sip], ids=lambda behave: behave.__name__)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_exchange_is_over_in_time_from_connecting_on(behave: Behaviour, scheme: str) -> None:
    with hostile(behave) as port:
        host = PinnedHost(scheme, "127.0.0.1", port, may_be_private=True)
        megabytes = [bytes(1 << 20)] * 40
        assert took_s(lambda: host.exchange("PUT", "/", (), megabytes, 40 << 20, within_s=0.6)) < BUSY_S
        host.close()


@pytest.mark.parametrize("behave", ANSWERS, ids=lambda behave: behave.__name__)
def test_streamed_answer_is_over_in_time(behave: Behaviour) -> None:
    with hostile(behave) as port:
        host = PinnedHost("http", "127.0.0.1", port, may_be_private=True)
        assert took_s(lambda: list(host.stream("/", within_s=0.6)[1]), r"takes longer than 0\.6 s for an answer") < BUSY_S
        host.close()


def test_name_server_and_addresses_have_their_part_of_the_time() -> None:
    ended = threading.Event()

    def resolve(_host: str, _port: int) -> Sequence[str]:
        ended.wait(30)
        return ["127.0.0.1"]

    host = PinnedHost("http", "contoso.example", 1, may_be_private=True, resolve=resolve)
    assert took_s(lambda: host.exchange("GET", "/", within_s=0.3), "not found: time-out") < BUSY_S
    ended.set()

    def connect(_address: str, _port: int, timeout_s: float) -> socket.socket:
        asked.append(timeout_s)
        time.sleep(min(timeout_s, 0.2))
        raise TimeoutError

    asked: list[float] = []
    many = PinnedHost("http", "contoso.example", 1, may_be_private=True, resolve=lambda _host, _port: ["127.0.0.1"] * 50, connect=connect)
    took_s(lambda: many.exchange("GET", "/", within_s=0.5), "cannot be connected: time-out")
    assert len(asked) < 50, "not each of them has its time"
    assert asked == sorted(asked, reverse=True), "each has what the ones before it left"
    assert max(asked) <= 0.5


def test_host_is_looked_up_later_where_the_system_gives_no_thread() -> None:
    host = PinnedHost("http", "contoso.example", 1, may_be_private=True, resolve=lambda _host, _port: ["127.0.0.1"])
    with no_more_threads(), pytest.raises(StorageUnavailable, match="no thread") as error:
        host.exchange("GET", "/", within_s=0.5)
    assert not error.value.was_asked
    assert not error.value.may_have_arrived
    assert took_s(lambda: host.exchange("GET", "/", within_s=0.5), "cannot be connected") < BUSY_S


def test_connection_of_an_exchange_that_was_in_time_has_the_usual_time_again() -> None:
    def behave(connection: socket.socket, ended: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.recv(4096)
        ended.wait(3.5)  # longer than the first exchange might have taken
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        ended.wait(10)

    connected: list[str] = []

    def connect(address: str, port: int, timeout_s: float) -> socket.socket:
        connected.append(address)
        return connect_to(address, port, timeout_s)

    with hostile(behave) as port:
        host = PinnedHost("http", "127.0.0.1", port, may_be_private=True, connect=connect)
        assert host.exchange("GET", "/", within_s=3.0).status == 200  # on a busy machine, too
        assert host.exchange("GET", "/").body == b"ok"
        assert len(connected) == 1
        host.close()
