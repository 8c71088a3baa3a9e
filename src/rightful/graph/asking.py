"""Issuers asked for their keys, from the event loop."""

import asyncio

import msgspec

from rightful.errors import ServiceUnavailable
from rightful.graph.errors import stopping
from rightful.graph.threads import Threads
from rightful.identity.keys import Keys, refuse_key

WAIT_S = 10.0
WAITING = 200
_THREADS = 64


class _Question(msgspec.Struct):
    answered: asyncio.Future[None]
    waiting: int = 0


class Asking:
    """One question at a time to each issuer, in a thread of its own: one that does not answer holds up nobody else's tokens."""

    def __init__(self, *, wait_s: float = WAIT_S, waiting: int = WAITING) -> None:
        self._wait_s = wait_s
        self._waiting = waiting
        self._threads = Threads("keys", threads=_THREADS, waiting=1000)
        self._questions: dict[Keys, _Question] = {}

    async def ask(self, keys: Keys) -> None:
        """Ask, or wait for the answer that others wait for.

        Raises `ServiceUnavailable` where enough requests do so already, or the service stops meanwhile, and the error of `refuse_key` where
        no answer comes in time.
        """
        question = self._questions.get(keys)
        if question is None:
            question = self._questions[keys] = _Question(asyncio.ensure_future(self._threads.run("anybody", keys.ask)))
            question.answered.add_done_callback(lambda _: self._questions.pop(keys))
        if question.waiting >= self._waiting:
            raise ServiceUnavailable("Too many requests wait for the keys of this token's issuer", hint="try again later")
        question.waiting += 1
        try:
            done, _ = await asyncio.wait([question.answered], timeout=self._wait_s)  # cancelled with one request, it goes on for the others
        except asyncio.CancelledError:
            raise stopping() from None  # nothing was done yet
        finally:
            question.waiting -= 1
        if not done:
            raise refuse_key(keys)
        question.answered.result()

    def close(self) -> None:
        """Ask no more."""
        self._threads.close()
