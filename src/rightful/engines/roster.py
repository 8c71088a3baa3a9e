"""Who is there to be sent work: workers of this version that have on their machine what the sources need."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from rightful import __version__
from rightful.engines.cluster import Cluster, Member, Sent
from rightful.engines.inbox import Inbox
from rightful.engines.task import End, Task, read_outcome, seal

_log = structlog.get_logger(__name__)

_AGAIN_S = 30.0
"""When a worker is looked at again that lacks something."""


@dataclass(slots=True)
class _Looked:
    """What is known of a worker that came."""

    is_usable: bool = False
    again_at: float = 0.0
    sent: Sent | None = field(default=None, repr=False)


class Roster:
    """Looks at each worker that comes before it is sent anything. For one thread."""

    def __init__(
        self,
        cluster: Cluster,
        make_task: Callable[[], Task],
        paths: Sequence[str],
        wake: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Workers have to have all `paths` on their machine; `make_task` makes a task without a claim."""
        self._monotonic = monotonic
        self._cluster = cluster
        self._make_task = make_task
        self._paths = tuple(paths)
        self._looks: Inbox[tuple[Member, bytes | None]] = Inbox(wake)
        self._known: dict[Member, _Looked] = {}
        self._strangers: set[Member] = set()
        self.usable: tuple[Member, ...] = ()
        """Who can be sent work."""
        self._found: tuple[Member, ...] | None = None

    def look(self) -> bool:
        """Look who is there; return whether others can be sent work than before."""
        self._found = self._cluster.members()
        members = self._found or ()
        there = [member for member in members if member.version == __version__]
        self._note_strangers({member for member in members if member.version != __version__})
        for member in self._known.keys() - set(there):
            del self._known[member]
            _log.warning("a worker is gone", worker=member.address)
        self._take_looks()
        now = self._monotonic()
        for member in there:
            looked = self._known.setdefault(member, _Looked())
            if not looked.is_usable and looked.sent is None and now >= looked.again_at:
                self._look_at(member, looked)
        usable = tuple(member for member in there if self._known[member].is_usable)
        if usable == self.usable:
            return False
        self.usable = usable
        _log.info("workers that can be sent work", workers=len(usable), threads=sum(member.threads for member in usable))
        return True

    def is_dead(self, member: Member) -> bool:
        """Say whether a worker was known to be gone at the last look; where nobody could say who is there, none is."""
        return self._found is not None and member not in self._found

    def _note_strangers(self, strangers: set[Member]) -> None:
        for member in strangers - self._strangers:
            _log.error("a worker of another version gets no work", worker=member.address, version=member.version, own=__version__)
        self._strangers = strangers

    def _look_at(self, member: Member, looked: _Looked) -> None:
        """Ask a worker whether it has what the sources need that lie on its machine."""
        looked.again_at = self._monotonic() + _AGAIN_S
        task = msgspec.structs.replace(self._make_task(), paths=self._paths)
        looked.sent = self._cluster.send(seal(task, member.recipient), member, lambda said: self._looks.put((member, said)))

    def _take_looks(self) -> None:
        for member, said in self._looks.take():
            looked = self._known.get(member)
            if looked is None:
                continue
            if looked.sent is not None:
                looked.sent.drop()
            looked.sent = None
            outcome = read_outcome(said)
            looked.is_usable = outcome is not None and outcome.end is End.DONE and not outcome.missing
            if outcome is not None and not looked.is_usable:
                missing = [self._paths[number] for number in outcome.missing if 0 <= number < len(self._paths)]
                _log.error("a worker gets no work", worker=member.address, end=outcome.end, missing=missing, error=outcome.detail)
