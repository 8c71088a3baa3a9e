"""A way to a PostgreSQL server by which it does not notice that a client is gone, as with a slow machine or network between them."""

import socket
import threading
from contextlib import suppress

_TERMINATE = b"X\0\0\0\x04"
"""What a client says last, by itself: it has its answer to all that it said before."""


class Unnoticed:
    """Passes on what is said, but not that a client ends: the server sees that of all of them when this is closed."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._guard = threading.Lock()
        self._servers: list[socket.socket] = []
        """The ways on, also those of clients that are gone."""
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                both = [threading.Thread(target=each, args=(client, server), daemon=True) for each in (self._ask, self._answer)]
                with self._guard:
                    self._servers.append(server)
                    self._threads += both
                for each in both:
                    each.start()

    @staticmethod
    def _ask(client: socket.socket, server: socket.socket) -> None:
        """Pass on what a client says until it ends, and keep that to oneself."""
        with client, suppress(OSError):
            while (said := client.recv(65536)) and said != _TERMINATE:
                server.sendall(said)

    @staticmethod
    def _answer(client: socket.socket, server: socket.socket) -> None:
        """Pass on what the server says; where it ends, the client sees that."""
        with suppress(OSError):
            while said := server.recv(65536):
                client.sendall(said)
        with suppress(OSError):  # gone before
            client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let the server notice; returns when nothing of this is open any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept
        self._listener.close()
        self._threads[0].join()
        for server in self._servers:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for server in self._servers:
            server.close()
