"""A server that does not keep to the protocol is given up, in bounded time and memory, and never believed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from rightful.directory.ldap import LdapDirectory
from rightful.directory.ldap_settings import LdapDirectorySettings
from rightful.errors import SourceUnavailable
from rightful.ids import TenantId
from rightful.ldap.ber import integer, tlv

BOUND = tlv(0x30, integer(1), tlv(0x61, tlv(10, b"\0"), tlv(4), tlv(4)))


def _answer(listener: socket.socket, answers: tuple[bytes, ...]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                for each in answers:
                    connection.recv(65536)
                    connection.sendall(each)
                while answers[-1] and connection.recv(65536):
                    pass  # silent from now on, until the client leaves


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found
        found.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answers", "match"),
    [
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "not LDAP"),
        ((b"\x30\x84\x7f\xff\xff\xff",), "more than 16 MiB"),
        ((b"\x30\x80",), "not LDAP"),
        ((b"",), "was lost"),
        ((tlv(0x30, integer(9), tlv(0x61, tlv(10, b"\0"), tlv(4), tlv(4))),), "what was not asked"),
        ((tlv(0x30, integer(0), tlv(0x78, tlv(10, b"\x34"), tlv(4), tlv(4))),), "ended the connection"),
        ((BOUND, tlv(0x30, integer(2), tlv(0x64, b"\x04\x7fx"))), "not LDAP"),
        ((BOUND, tlv(0x30, integer(1), tlv(0x65, tlv(10, b"\0"), tlv(4), tlv(4)))), "what was not asked"),
        ((BOUND,), "took too long"),
    ],
)
def test_what_is_no_answer_is_an_outage(listener: socket.socket, tmp_path: Path, answers: tuple[bytes, ...], match: str) -> None:
    thread = threading.Thread(target=_answer, args=(listener, answers), daemon=True)
    thread.start()
    url = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
    settings = LdapDirectorySettings(url=url, base="dc=x", id="entryUUID", upn="mail", timeout_s=1.0)
    with closing(LdapDirectory(TenantId("t"), settings, folder=tmp_path)) as directory, pytest.raises(SourceUnavailable, match=match):
        directory.find_user("a@contoso.example")


def test_what_comes_between_starttls_and_its_beginning_is_not_believed(listener: socket.socket, tmp_path: Path) -> None:
    agreed = tlv(0x30, integer(1), tlv(0x78, tlv(10, b"\0"), tlv(4), tlv(4)))
    injected = tlv(0x30, integer(2), tlv(0x61, tlv(10, b"\0"), tlv(4), tlv(4)))
    threading.Thread(target=_answer, args=(listener, (agreed + injected,)), daemon=True).start()
    url = f"ldap://localhost:{listener.getsockname()[1]}"
    settings = LdapDirectorySettings(url=url, start_tls=True, base="dc=x", id="entryUUID", upn="mail", timeout_s=2.0)
    with (
        closing(LdapDirectory(TenantId("t"), settings, folder=tmp_path)) as directory,
        pytest.raises(SourceUnavailable, match="between StartTLS"),
    ):
        directory.check()
