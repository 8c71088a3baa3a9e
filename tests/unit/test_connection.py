"""What is understood of an answer without `http.client` is what `http.client` understands."""

import http.client
import io
import select
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.connection import Connection, parse_bare

CREATED = b'HTTP/1.1 201 Created\r\nContent-Length: 0\r\nETag: "0x1"\r\nx-ms-request-id: 7\r\n\r\n'


class _Heard:
    """Bytes in the form that `http.client` reads."""

    def __init__(self, heard: bytes) -> None:
        self._heard = heard

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._heard)


def read_by_http_client(heard: bytes) -> tuple[int, list[tuple[str, str]], bytes, bool]:
    response = http.client.HTTPResponse(_Heard(heard), method="PUT")  # type: ignore[arg-type]  # it only calls makefile
    response.begin()
    return response.status, response.headers.items(), response.read(), bool(response.will_close)


@pytest.mark.parametrize(
    "heard",
    [
        pytest.param(b"", id="end"),
        pytest.param(CREATED[:-2], id="head that is not whole"),
        pytest.param(CREATED + b"HTTP", id="something after it"),
        pytest.param(CREATED.replace(b"Length: 0", b"Length: 1") + b"x", id="body"),
        pytest.param(CREATED.replace(b"Content-Length: 0\r\n", b""), id="no length"),
        pytest.param(CREATED.replace(b"Length: 0\r\n", b"Length: 0\r\nContent-Length: 5\r\n"), id="two lengths"),
        pytest.param(CREATED.replace(b"ETag", b"Transfer-Encoding: chunked\r\nETag"), id="chunks"),
        pytest.param(CREATED.replace(b"ETag", b"Connection: close\r\nETag"), id="close"),
        pytest.param(CREATED.replace(b"ETag", b" folded: x\r\nETag"), id="folded line"),
        pytest.param(CREATED.replace(b"\r\nETag", b"\nETag"), id="bare line feed"),
        pytest.param(CREATED.replace(b"HTTP/1.1", b"HTTP/1.0"), id="older HTTP, which closes"),
        pytest.param(CREATED.replace(b"201 Created", b"100 Continue"), id="interim"),
        pytest.param(CREATED.replace(b"201 Created", b"409 Conflict"), id="refusal"),
    ],
)
def test_all_but_a_bare_success_is_left_to_http_client(heard: bytes) -> None:
    assert parse_bare(heard) is None


@given(
    st.lists(
        st.one_of(
            st.sampled_from([b"Content-Length: 0", b"content-length:0 ", b"Connection: keep-alive", b"X: \xff\x85", b"Content-Length: 00"]),
            st.binary(max_size=12),
        ),
        max_size=5,
    ),
    st.sampled_from([b"201 Created", b"204 ", b"200 OK", b"200 \x85", b"299 x"]),
)
def test_what_is_taken_for_a_bare_success_http_client_reads_alike(lines: list[bytes], status: bytes) -> None:
    heard = b"HTTP/1.1 " + status + b"\r\n" + b"\r\n".join([*lines, b"", b""])
    found = parse_bare(heard)
    if found is not None:
        assert (found[0], found[1].items(), b"", False) == read_by_http_client(heard)


def test_what_was_heard_early_is_read_again_however_long_it_is() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"a" * 12_000 + b"\nlast\n")
        connection = Connection(ours, 5.0, select.poll())
        assert connection.hear()[:1] == b"a"
        theirs.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as reader:
            assert reader.read() == b"a" * 12_000 + b"\nlast\n"
