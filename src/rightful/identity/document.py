"""An issuer's documents, fetched over HTTP: no redirect is followed, an answer is bounded in size and in all of its time."""

import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rightful.identity.jwks import is_on_this_machine, is_safe_url

WAIT_S = 5.0
"""The longest silence."""
TOTAL_S = 10.0
"""From the first byte sent to the last one received."""
MAX_BYTES = 1024 * 1024


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


class _Ending:
    """Ends the connections that urllib makes: its own time limit is one for each read, so a byte now and then would go on for days."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.is_over = False

    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """Return what makes the connections."""
        sockets = self._sockets

        class Http(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        class Https(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        class HttpHandler(urllib.request.HTTPHandler):
            def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Http, request)

        class HttpsHandler(urllib.request.HTTPSHandler):
            def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Https, request)

        return HttpHandler(), HttpsHandler()

    def end(self) -> None:
        """Wake whoever reads: there is nothing more."""
        self.is_over = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def after(self, total_s: float) -> Iterator[None]:
        """End them when so much time has passed and the block has not."""
        timer = threading.Timer(total_s, self.end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def fetch(url: str, *, wait_s: float = WAIT_S, total_s: float = TOTAL_S) -> bytes:
    """Return a document of at most MAX_BYTES; raises `OSError` or `ValueError`."""
    if not is_safe_url(url):
        raise ValueError("not an https URL")
    ending = _Ending()
    proxy = [urllib.request.ProxyHandler({})] if is_on_this_machine(url) else []
    opener = urllib.request.build_opener(_NoRedirect, *ending.handlers(), *proxy)
    asked = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the scheme is checked above
    try:
        with ending.after(total_s), opener.open(asked, timeout=wait_s) as answer:
            found: bytes = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise OSError(f"answered {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        if ending.is_over:
            raise TimeoutError("the answer takes too long") from None
        reason = error.reason if isinstance(error, urllib.error.URLError) else str(error) or type(error).__name__
        raise OSError(f"not reached: {reason}") from None
    if ending.is_over:
        raise TimeoutError("the answer takes too long")
    if len(found) > MAX_BYTES:
        raise ValueError("the document is too large")
    return found
