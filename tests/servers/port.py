"""A free port for a server that a test starts, and may stop and start again."""

import random
import socket

_PORTS = range(20_000, 30_000)
"""Below those that a system gives to whoever asks for any (32768 and up on Linux): nobody gets one of these by chance meanwhile."""


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    while True:
        port = random.SystemRandom().choice(_PORTS)  # without a seed: two workers must not choose alike
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
