"""A proxy on loopback that loses answers: the request is carried out, and nobody is told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class CuttingProxy:
    """Passes everything on to a port; `lose` answers are read to the end of their head, and the connection is closed instead."""

    def __init__(self, upstream: int) -> None:
        self.lose = 0
        self.lost: list[bytes] = []
        """What was not passed on."""
        self._upstream = upstream
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        pumps: list[threading.Thread] = []
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                pumps.append(threading.Thread(target=self._pass_on, args=(client,)))
                pumps[-1].start()
        for pump in pumps:
            pump.join(10)

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._upstream), timeout=20) as server:
            sending = threading.Thread(target=_pump, args=(client, server))
            sending.start()
            head = b""
            while b"\r\n\r\n" not in head and (chunk := server.recv(65536)):
                head += chunk
            if self.lose > 0:
                self.lose -= 1
                self.lost.append(head)
            else:
                with suppress(OSError):
                    client.sendall(head)
                    _pump(server, client)
            for side in (client, server):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            sending.join(10)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def cutting(port: int) -> Iterator[CuttingProxy]:
    """Run a proxy while the block lasts."""
    proxy = CuttingProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
