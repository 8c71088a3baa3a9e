"""What is sent to a worker and comes back: plain values, as bytes. What is sent is sealed to the key of the worker that is to do it.

Whatever carries a task (a scheduler, its logs, its dashboard) sees bytes that it cannot open; what comes back says how it ended, in words
of the program, never of what was read.
"""

import enum

import msgspec

from rightful.age import message
from rightful.age.keys import Identity, Recipient
from rightful.engines.counted import Counted
from rightful.store.values import Announcing, FinishSet, ReadSet


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A claim to be dealt with, and what that takes: everything that a worker knows comes by this. One of the last three is given."""

    version: str
    """Of who sends it: a worker of another one does not know what to do with it."""
    owner: str
    """Whose claim it is."""
    term: int
    """In which term of the lead: what is written counts only while that lasts."""
    config: bytes
    """What is needed of the configuration, secrets and all (`config.packed`)."""
    announcing: Announcing = {}
    """Whom the store tells what."""
    reads: ReadSet | None = None
    finish: FinishSet | None = None
    paths: tuple[str, ...] = ()
    """Where something has to be on the worker's machine too; nothing else is to be done."""

    @property
    def claim(self) -> ReadSet | FinishSet | None:
        """What is to be dealt with."""
        return self.reads if self.reads is not None else self.finish

    def __repr__(self) -> str:
        """Show nothing: it holds secrets."""
        return "Task()"


class End(enum.StrEnum):
    """How a task ended."""

    DONE = "done"
    """Dealt with; where something went wrong with it, the store knows."""
    STOPPED = "stopped"
    """The worker stops: the rest is to be done by another."""
    FAULT = "fault"
    """The store, or the program: to be tried again."""
    REFUSED = "refused"
    """This worker cannot do it at all."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of a task."""

    end: End
    detail: str = ""
    """Why, for the log: types and places in the program."""
    missing: tuple[int, ...] = ()
    """Which of the paths are not there, by number."""
    counted: tuple[Counted, ...] = ()
    """What the worker has counted since it said so last."""


def seal(task: Task, recipient: Recipient) -> bytes:
    """Return a task as it is sent."""
    return message.seal(msgspec.msgpack.encode(task), recipient)


def unseal(sealed: bytes, identity: Identity) -> Task:
    """Return what was sent; raises `ValueError` where it is for another worker, or of a version that writes it otherwise."""
    return msgspec.msgpack.decode(message.unseal(sealed, (identity,)), type=Task)


def read_outcome(said: bytes | None) -> Outcome | None:
    """Return what a worker says; None where it says nothing. What cannot be understood is a fault."""
    try:
        return None if said is None else msgspec.msgpack.decode(said, type=Outcome)
    except msgspec.MsgspecError:
        return Outcome(end=End.FAULT, detail="the answer is not understood")
