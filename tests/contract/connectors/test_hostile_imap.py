"""`mailbox` beside IMAP servers that answer what they should not: bounded in time and memory, told in our words, and ended at once."""

import base64
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.contract.connectors.test_mailbox_connector import files, skips
from tests.contract.connectors.test_mailbox_over_imap import read
from tests.servers.api import Reply, serving

from rightful.connectors.mailbox import MailboxConnector
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.webapi.access import OAuthSettings

MIB = 1 << 20
Answer = Callable[[socket.socket, bytes, bytes], None]
"""Gets the connection, a command's tag and its words."""

ANSWERS: dict[bytes, bytes] = {
    b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
    b"LIST": b'* LIST () "/" INBOX\r\n',
    b"EXAMINE": b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n",
    b"UID SEARCH": b"* SEARCH 1 2\r\n",
    b"RFC822.SIZE": b"* 1 FETCH (UID 1 RFC822.SIZE 3 FLAGS ())\r\n* 2 FETCH (UID 2 RFC822.SIZE 4 FLAGS (\\Seen))\r\n",
    b"BODY.PEEK": b"* 1 FETCH (UID 1 BODY[] {3}\r\none)\r\n* 2 FETCH (UID 2 BODY[] {4}\r\ntwo!)\r\n",
}


class Scripted:
    """A server that answers as said; what is asked for is kept."""

    def __init__(self, changed: dict[bytes, bytes], greeting: bytes, ready: bytes) -> None:
        self.answers = {**ANSWERS, **changed}
        self.greeting, self.ready = greeting, ready
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _serve(self) -> None:
        threads = []
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threads.append(threading.Thread(target=self._talk, args=(connection,)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, suppress(OSError):
            connection.sendall(self.greeting)
            for line in lines:
                tag, _, words = line.rstrip(b"\r\n").partition(b" ")
                self.heard.append(words)
                if words.startswith(b"AUTHENTICATE"):
                    connection.sendall(b"+ \r\n")
                    self.heard.append(base64.b64decode(next(lines)))
                key = next((key for key in self.answers if key in words), b"")
                answer = self.answers.get(key, b"")
                connection.sendall(answer)
                if b"\x00stop" not in answer:
                    connection.sendall(self.ready.replace(b"TAG", tag))


@contextmanager
def scripted(
    changed: dict[bytes, bytes] | None = None, *, greeting: bytes = b"* OK hello\r\n", ready: bytes = b"TAG OK done\r\n", **more: Any
) -> Iterator[tuple[MailboxConnector, Scripted]]:
    said = {"user": "{folder}", "password": "canary", "starttls": False, "timeout_s": 2.0, **more}
    with closing(Scripted(changed or {}, greeting, ready)) as server:
        settings = MailboxSettings(url=f"imap://127.0.0.1:{server.port}", **said)
        with closing(MailboxConnector("mail", settings, siblings={}, folder=Path("/"))) as connector:
            yield connector, server


def test_a_server_that_answers_as_it_should_is_read() -> None:
    with scripted() as (connector, server):
        assert files(read(connector)) == {"INBOX/7-1.eml": b"one", "INBOX/7-2.eml": b"two!"}
    assert b"\0ann\0canary" in server.heard
    assert any(words.startswith(b"EXAMINE") for words in server.heard)
    assert not any(words.startswith((b"SELECT", b"STORE", b"UID STORE")) or b"BODY[" in words for words in server.heard)


HOSTILE: dict[str, dict[bytes, bytes]] = {
    "line without end": {b"LIST": b'* LIST () "/" "' + b"x" * (20 * MIB)},
    "answers without end": {b"UID SEARCH": b"* 1 EXISTS\r\n" * MIB},
    "negative literal": {b"BODY.PEEK": b"* 1 FETCH (UID 1 BODY[] {-5}\r\nxxxxx)\r\n"},
    "literal of a terabyte": {b"BODY.PEEK": b"* 1 FETCH (UID 1 BODY[] {1099511627776}\r\n"},
    "literal with a number of thousands of digits": {b"BODY.PEEK": b"* 1 FETCH (UID 1 BODY[] {" + b"9" * 5000 + b"}\r\n"},
    "more than it said": {b"BODY.PEEK": b"* 1 FETCH (UID 1 BODY[] {9000000}\r\n" + b"x" * 9_000_000 + b")\r\n"},
    "UID that is no number": {b"UID SEARCH": b"* SEARCH 1 x\r\n"},
    "UID beyond 32 bits": {b"UID SEARCH": b"* SEARCH 4294967296\r\n"},
    "brackets": {b"LIST": b"* LIST " + b"(" * 20_000 + b"\r\n"},
    "no UIDVALIDITY number": {b"EXAMINE": b"* OK [UIDVALIDITY x] y\r\n"},
    "no capability": {b"CAPABILITY": b"* CAPABILITY \xff\r\n"},
    "capability as literal": {b"CAPABILITY": b"* CAPABILITY {3}\r\nabc\r\n"},
    "wrong tag": {b"LIST": b"ZZZZ1 OK done\r\n"},
    "bare line feed": {b"LIST": b'* LIST () "/" INBOX\n'},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_answer_ends_the_read_with_little_memory(name: str) -> None:
    with scripted(HOSTILE[name]) as (connector, _):
        tracemalloc.start()
        try:
            with pytest.raises((SourceRefused, SourceUnavailable)) as caught:
                read(connector)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert "canary" not in str(caught.value)
    assert peak < 150 * MIB


@pytest.mark.parametrize("greeting", [b"* PREAUTH welcome\r\n", b"* BYE no\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\r\n", b""])
def test_a_greeting_that_is_none_is_told(greeting: bytes) -> None:
    with scripted(greeting=greeting or b"\x00", timeout_s=0.5) as (connector, server):
        with pytest.raises((SourceRefused, SourceUnavailable)):
            read(connector)
        assert not any(b"canary" in words for words in server.heard)


@pytest.mark.parametrize("offered", [b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"])
def test_no_password_is_sent_before_tls(offered: bytes) -> None:
    injected = b"TAG OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"
    with scripted({b"CAPABILITY": offered}, ready=injected, starttls=True) as (connector, server):
        with pytest.raises((SourceRefused, SourceUnavailable)):
            read(connector)
        assert not any(b"canary" in words for words in server.heard)


def test_a_server_that_falls_silent_is_given_up_in_time() -> None:
    silent = {b"BODY.PEEK": b"* 1 FETCH (UID 1 BODY[] {300}\r\no\x00stop"}
    with scripted(silent) as (connector, server), pytest.raises(SourceUnavailable):
        read(connector)  # else it would wait for as long as the server is silent: for ever
    assert any(b"BODY.PEEK" in words for words in server.heard)


def _interrupt_once_asked(connector: MailboxConnector, server: Scripted) -> None:
    while not any(words.startswith(b"LIST") for words in server.heard):
        time.sleep(0.01)
    connector.interrupt()


def test_an_interrupted_read_ends_at_once() -> None:
    with scripted({b"LIST": b'* LIST () "/" INB\x00stop'}, timeout_s=60.0) as (connector, server):
        thread = threading.Thread(target=_interrupt_once_asked, args=(connector, server))
        thread.start()
        begun = time.monotonic()
        with pytest.raises(SourceUnavailable):
            read(connector)
        assert time.monotonic() - begun < 30, "it waited for its time-out"
        thread.join()
        with pytest.raises(SourceUnavailable):
            read(connector)
    assert any(words.startswith(b"LIST") for words in server.heard)


def test_a_message_that_is_not_given_stands_in_the_ledger_and_others_are_read() -> None:
    with scripted({b"BODY.PEEK": b"* 2 FETCH (UID 2 BODY[] {4}\r\ntwo!)\r\n"}) as (connector, _):
        found = read(connector)
    assert files(found) == {"INBOX/7-2.eml": b"two!"}
    assert skips(found) == {"INBOX/7-1.eml": "deleted while the mailbox was read"}


def test_folders_of_strange_names_stay_apart_and_can_be_delivered() -> None:
    names = [b"INBOX", b"inbox", b'"a.b"', b'"a/b"', b'"a..b"', b'"&AC8-"', b'"x\\"y"', b'"&w-"', b"{3}\r\nlit", b"NIL"]
    listed = b"".join(b'* LIST () "." ' + name + b"\r\n" for name in names)
    with scripted({b"LIST": listed}) as (connector, _):
        found = files(read(connector))
    assert len(found) == 2 * len(names)
    assert len({path.rpartition("/")[0] for path in found}) == len(names)


@pytest.mark.parametrize(
    ("offered", "first"), [(b"XOAUTH2", b"user=ann\x01auth=Bearer"), (b"OAUTHBEARER", b"n,a=ann,\x01host=127.0.0.1\x01port=")]
)
def test_a_token_stands_for_the_password(offered: bytes, first: bytes) -> None:
    grant = Reply(json.dumps({"access_token": "token-1", "token_type": "Bearer", "expires_in": 3600}).encode())
    with serving(lambda _: grant) as api:
        oauth2 = OAuthSettings(token_url=f"{api.url}/token", client_id="rightful", client_secret="s")
        offers = {b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=" + offered + b"\r\n"}
        with scripted(offers, password="", oauth2=oauth2) as (connector, server):
            assert len(files(read(connector))) == 2
    [said] = [words for words in server.heard if b"token-1" in words]
    assert said.startswith(first)
    assert said.endswith(b"auth=Bearer token-1\x01\x01")
