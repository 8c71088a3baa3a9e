"""Reference runs: small, always the same, and between them they come to every failpoint there is."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from tests.faults import checker
from tests.faults.container import Container, JoiningContainer
from tests.faults.ground import LOCAL, SAS, SECOND, STRICT_SAS, TENANT, Ground, Life
from tests.faults.scenario import Data

from rightful.audit.record import NOBODY, Action, Target
from rightful.config.model import ExportSettings
from rightful.errors import Conflict, InvalidRequest, Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.export.interface import Note
from rightful.ids import OperationId
from rightful.operation.model import OperationStatus
from rightful.package.forms import Form
from rightful.subject.model import IdentifiedSubject
from rightful.testing.failpoints import Killed, Script
from rightful.testing.memory_connector import Faults

_PUT_OFF_S = 301.0
"""Longer than what was not taken three times is put off; a client that comes again comes within a day."""

NOTHING: Script = lambda _number, _name: None  # noqa: E731 - a script like any other


@dataclass
class Reference:
    """Two people's export to one location, in lives that each go on where the last one was killed."""

    folder: Path
    export: ExportSettings
    location: str = LOCAL
    checks: str = "standard"
    joins: bool = False
    is_mortal: bool = False
    """Whether a real process lives this, which remembers nothing of an earlier one, nor what lay in its memory."""
    store: str = "sqlite"
    done: set[str] = field(default_factory=set)
    """What the clients need not ask for again."""

    def __post_init__(self) -> None:
        random.seed(0)
        if self.location == "SAS":
            self.location = STRICT_SAS if self.checks == "strict" else SAS
        people = 1 if self.checks == "strict" or self.is_mortal else 3
        self.data = Data(random.Random(7), people)
        self.ground = Ground(
            self.folder,
            self.data.people,
            self.data.sources,
            export=self.export,
            store=self.store,
            checks=self.checks,
            is_told=not self.is_mortal,
        )
        self._container = self.ground.container = JoiningContainer() if self.joins else Container()
        self._subjects = list(self.data.people)[:2]
        """Who is to be exported; a third one's export is cancelled when it has begun to write."""

    def live(self, script: Script) -> list[str] | None:
        """Live until the kill of the script; return what is wrong in the end where it does not kill."""
        ground = self.ground
        self._container.error = None
        faults = {"plain": Faults(down=1)}
        with structlog.testing.capture_logs() as logs:
            try:
                life = ground.begin(script, self.data.sources(faults))
                life.start()
                self._drive(life)
                ground.close()
            except Killed:
                ground.bury()
                return None
        evidence = ground.evidence(logs=logs)
        if self.is_mortal:
            evidence.asked = {}
        return checker.check(evidence)

    def _once(self, what: str, act: Callable[[], object]) -> None:
        """Ask for something that nobody asks for again once it was answered."""
        if what not in self.done:
            act()
            self.done.add(what)

    def _drive(self, life: Life) -> None:
        ground = self.ground
        life.service.unready()
        if self.checks != "strict" and not self.is_mortal:
            self._once("refused", lambda: self._be_refused(life))
        known = [self._submit(life, subject, self.location, f"key-{number}") for number, subject in enumerate(self._subjects)]
        first, last = known[0], known[-1]
        for doomed in list(self.data.people)[2:]:
            self._once("doomed", lambda: self._cancel_written(life, doomed))  # noqa: B023 - called at once
        life.trail.note(
            Note(actor=NOBODY, tenant_id=TENANT, action=Action.READ_OPERATION, outcome="ok", target=Target.OPERATION, target_id=first)
        )
        life.trail.flush()
        self._approve(life)
        life.tell()
        life.step(1)
        life.store.heartbeat("owner", lease_s=60)
        life.work.estimator.estimate(OperationId(first), self._subject(first), ground.tenants[TENANT])
        self._once("extend", lambda: self._extend(life, first))
        if not self.is_mortal:  # there is one export, and what it had written would be deleted: it is to be complete
            self._once("cancel", lambda: self._cancel(life, last))
            self._once("resume", lambda: self._resume(life, last))
        self._work(life)
        self._once("no answer", lambda: self._fail_finishing(life, first))
        self._work(life)
        life.work.keeper.tidy()
        if self.export.compare_days:
            life.service.forget(TENANT, OperationId(first))
        life.tell_all(put_off_s=_PUT_OFF_S)

    def _submit(self, life: Life, subject: str, location: str, key: str) -> str:
        operation_id = life.submit(subject, location, key)
        self.ground.accepted[operation_id] = subject
        # One that waits goes on with the location of a request that repeats it, and that is recorded.
        self.ground.asked["resume"].perhaps[operation_id] += len(self.ground.traces) - 1
        return operation_id

    def _subject(self, operation_id: str) -> IdentifiedSubject:
        ground = self.ground
        found = ground.directory.find_user(ground.accepted[operation_id])
        assert found is not None
        [identified] = ground.directory.identify([found])
        assert identified is not None
        return identified

    def _be_refused(self, life: Life) -> None:
        """Ask for an export to a location that refuses; where that was cut off, it may be an operation all the same."""
        with self._failing(StorageRefused("the SAS has expired", refusal=Refusal.SIGNATURE)), suppress(InvalidRequest):
            self._submit(life, self._subjects[0], SAS, "refused")

    @contextmanager
    def _failing(self, error: StorageError) -> Iterator[None]:
        """Let every put into the container fail."""
        self._container.error = error
        yield
        self._container.error = None

    def _approve(self, life: Life) -> None:
        for operation_id in self.ground.accepted:
            approval = life.get(operation_id).approval
            if approval is not None and approval.state.value == "waiting":
                decide = lambda: life.service.decide(SECOND, OperationId(operation_id), is_approved=True)  # noqa: E731,B023 - called at once
                self.ground.ask("approve", operation_id, decide)

    def _cancel_written(self, life: Life, subject: str) -> None:
        operation_id = self._submit(life, subject, self.location, "doomed")
        self._approve(life)
        for _ in range(8):
            life.step()
        self._cancel(life, operation_id)

    def _cancel(self, life: Life, operation_id: str) -> None:
        with suppress(Conflict):
            self.ground.ask("cancel", operation_id, lambda: life.cancel(operation_id))

    def _extend(self, life: Life, operation_id: str) -> None:
        with suppress(Conflict):
            self.ground.ask("extend", operation_id, lambda: life.service.extend(TENANT, OperationId(operation_id), "complexity"))

    def _resume(self, life: Life, operation_id: str) -> None:
        location = self.location if self.location != LOCAL else None
        with suppress(Conflict):
            self.ground.ask("resume", operation_id, lambda: life.service.resume(TENANT, OperationId(operation_id), location))

    def _fail_finishing(self, life: Life, operation_id: str) -> None:
        """Let the location be away when the package is to be closed."""
        if self.location != LOCAL and life.get(operation_id).status is OperationStatus.RUNNING:
            with self._failing(StorageUnavailable("the storage location does not answer")):
                life.step()

    def _work(self, life: Life) -> None:
        for _ in range(60):
            for operation_id in self.ground.accepted:
                if self.ground.poll(operation_id).status is OperationStatus.FAILED:
                    self._resume(life, operation_id)
            if "no answer" not in self.done and self.location != LOCAL and self._is_to_be_closed(life):
                return
            if not life.step():
                if all(life.get(each).is_ended for each in self.ground.accepted):
                    return
                self.ground.clock.advance(5.0)

    def _is_to_be_closed(self, life: Life) -> bool:
        sources = [source for each in self.ground.accepted for source in life.get(each).sources]
        return all(source.state.value in {"exported", "empty"} for source in sources)


def _settings(**changes: object) -> ExportSettings:
    return ExportSettings(**({"retry_s": 1.0, "attempts": 9, "leak_check": "off", "viewer": "off"} | changes))  # type: ignore[arg-type]


RUNS: dict[str, Callable[[Path, str], Reference]] = {
    "folder": lambda folder, store: Reference(folder, _settings(compare_days=30, viewer="on"), store=store),
    "container": lambda folder, store: Reference(folder, _settings(formats=(Form.JSONL, Form.CSV)), location="SAS", store=store),
    "approved": lambda folder, store: Reference(folder, _settings(approval="required"), store=store),
    "zip": lambda folder, store: Reference(folder, _settings(layout="zip"), store=store),
    "joined": lambda folder, store: Reference(folder, _settings(layout="zip"), location="SAS", joins=True, store=store),
    "strict": lambda folder, store: Reference(folder, _settings(), location="SAS", checks="strict", store=store),
}
MORTALS: dict[str, Callable[[Path], Reference]] = {
    "folder": lambda folder: Reference(folder, _settings(), is_mortal=True),
    "zip": lambda folder: Reference(folder, _settings(layout="zip"), is_mortal=True),
}
"""Smaller ones, for real processes."""
