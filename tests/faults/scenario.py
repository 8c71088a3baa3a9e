"""A scenario: one seed, from which all follows: people, sources, settings, faults, kills, cancels, resumes, and their order."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from tests.faults import checker
from tests.faults.checker import Person
from tests.faults.container import JoiningContainer
from tests.faults.ground import SAS, SECOND, TENANT, Ground, Life, beside_main, quick_folder

from rightful.config.model import ExportSettings, RetentionSettings
from rightful.connectors.interface import Connector
from rightful.errors import Conflict, InvalidRequest, Refusal, StorageRefused, StorageUnavailable, Throttled
from rightful.ids import OperationId
from rightful.operation.model import OperationStatus
from rightful.package.forms import Form
from rightful.package.schema import Column, ColumnKind
from rightful.store.values import StoreFault
from rightful.testing.failpoints import PURGE_FAILPOINTS, Killed, Script, kill_at
from rightful.testing.memory_connector import Faults, MemoryConnector

_COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="upn", kind=ColumnKind.TEXT), Column(name="note", kind=ColumnKind.TEXT))
_MOST_TURNS = 400
_CALM_S = 80 * 3600.0
"""Longer than an operation waits for its storage location."""
_DAY_S = 86_400.0
_SELDOM, _OFTEN = 0.02, 0.2
"""How often there is a purge, of all that happens: in most lives, in those that one is to end."""
_LATE = 300
"""A step that only long lives reach."""


class Data:
    """What the sources hold on some people: rows with a key, rows without one in two partitions, files."""

    def __init__(self, chance: random.Random, people: int, *, is_large: bool = False, many_files: bool = False) -> None:
        names = [str(number) for number in range(people)]
        size = 700_000 if is_large else 40
        number = 14 if is_large else chance.choice([0, 1, 3, 10])
        self._rows: list[dict[str, object]] = [
            {
                "id": row * people + int(name),
                "upn": f"u{name}@x.example",
                "note": _marker(name) + "x" * chance.randrange(size // 2, size + 1),
            }
            for row in range(number)
            for name in names
        ]
        number = 300 if many_files else chance.choice([0, 1, 4])
        self._files = {
            f"u{name}@x.example": {
                f"d{each % 3}/{each}.txt": f"{_marker(name)} {each}".encode() * chance.randrange(1, 30) for each in range(number)
            }
            for name in names
        }
        self.people = {
            name: Person(
                subject_id=name,
                marker=_marker(name),
                rows={source: [row for row in self._rows if row["upn"] == f"u{name}@x.example"] for source in ("keyed", "plain")},
                files={"files": self._files[f"u{name}@x.example"]},
            )
            for name in names
        }

    def sources(self, faults: Mapping[str, Faults] | None = None) -> dict[str, Connector]:
        """Make connectors that fail so."""
        faults = faults or {}
        shared: dict[str, Any] = {"columns": _COLUMNS, "match": {"upn": "upn"}, "rows": self._rows, "batch_rows": 4}
        return {
            "keyed": MemoryConnector("keyed", **shared, key="id", faults=faults.get("keyed")),
            "plain": MemoryConnector("plain", **shared, partitions=2, faults=faults.get("plain")),
            "files": MemoryConnector("files", files=self._files, faults=faults.get("files")),
        }


def _marker(name: str) -> str:
    return f"only-of-{name}-"


class Scenario:
    """Runs the lives of one service, each until its kill, the last one until everything has ended."""

    def __init__(self, seed: int, folder: Path, store: str = "sqlite") -> None:
        chance = self._chance = random.Random(seed)
        kind = chance.random()
        self.data = Data(chance, chance.choice([1, 1, 1, 2, 2, 3]), is_large=kind < 0.015, many_files=0.015 <= kind < 0.03)
        self.export = ExportSettings(
            part_mib=1,
            retry_s=1.0,
            attempts=9,
            leak_check="sample" if chance.random() < 0.05 else "off",
            layout="zip" if chance.random() < 0.2 else "folder",
            sealed="age" if chance.random() < 0.15 else "off",
            formats=chance.choice([(Form.JSONL,), (Form.JSONL,), (Form.JSONL, Form.CSV)]),
            viewer="on" if chance.random() < 0.3 else "off",
            compare_days=30 if chance.random() < 0.1 else 0,
            approval="required" if chance.random() < 0.1 else "none",
        )
        is_remote = chance.random() < 0.3
        self.location = SAS if is_remote else "Local"
        retention = RetentionSettings(
            operations_days=chance.choice([0, 30, 30, 100]),
            receipts_days=chance.choice([0, 60, 200]),
            audit_days=chance.choice([0, 45, 150]),
        )
        self.ground = Ground(
            folder, self.data.people, self.data.sources, export=self.export, store=store, is_told=True, retention=retention
        )
        if self.export.layout == "zip":
            self.ground.container = JoiningContainer()  # one that cannot join takes no ZIP file by pieces
        self._kills = [chance.choice([*range(1, 30), *range(1, 100, 2)]) for _ in range(chance.choice([0, 1, 1, 2, 2, 3, 4]))]
        self._purge_kills = [chance.choice(PURGE_FAILPOINTS) if chance.random() < 0.15 else "" for _ in self._kills]
        """By life: where in a purge it is killed, if it comes so far."""
        self._is_troubled = self.ground.may_leave_marks = chance.random() < 0.5
        self._often = _SELDOM
        self._waiting = [(subject_id, f"key-{number}") for number, subject_id in enumerate(self.data.people)]
        """Who is to be exported, and was not answered yet."""
        self._sent: Counter[str] = Counter()

    def run(self) -> list[str]:
        """Run it, and return what the checker finds."""
        random.seed(0)  # for the jitter of retries
        with structlog.testing.capture_logs() as logs:
            for number, name in zip(self._kills, self._purge_kills, strict=True):
                self._often = _OFTEN if name else _SELDOM
                self._live(self._script(_LATE if name else number, name), self._faults())
            self._often = _SELDOM
            self._live(kill_at(0), {}, is_last=True)
        return checker.check(self.ground.evidence(logs=logs))

    @property
    def traces(self) -> list[list[str]]:
        """The steps of each life."""
        return self.ground.traces

    # -- a life ---------------------------------------------------------------------------------------------------------
    def _live(self, script: Script, faults: Mapping[str, Faults], *, is_last: bool = False) -> None:
        ground = self.ground
        try:
            life = ground.begin(script, self.data.sources(faults))
            try:
                life.start()
            except StoreFault:  # then the command ends, and whoever keeps it running starts it again
                ground.bury()
                return
            for _ in range(_MOST_TURNS):
                self._turn(life, is_calm=is_last)
                for operation_id in ground.there:
                    ground.poll(operation_id)
                if not self._waiting and all(life.get(each).is_ended for each in ground.there) and (is_last or self._chance.random() < 0.5):
                    break
            else:
                self._settle(life)
            if is_last:
                self._resume_rest(life)
                life.tell_all()
                self._purge_rest()
                ground.close()
                return
        except Killed:
            pass
        ground.bury()

    def _turn(self, life: Life, *, is_calm: bool) -> None:
        what = self._chance.random()
        with self._met():
            if self._chance.random() < self._often:
                self._purge(is_calm=is_calm)
            elif self._waiting and what < 0.4:
                self._submit(life)
            elif what < 0.75:
                if not life.step(self._chance.choice([1, 100])):
                    self.ground.clock.advance(self._chance.choice([1.0, 5.0, 30.0]))
            elif what < 0.8 and not is_calm:
                self._cancel(life)
            elif what < 0.87:
                self._resume(life)
            elif what < 0.9:
                life.store.heartbeat("owner", lease_s=60)
            elif what < 0.93:
                life.trail.flush()
            elif what < 0.96 and not is_calm:
                self.ground.clock.advance(self._chance.choice([61.0, 3600.0]))
            elif what < 0.97:
                life.work.keeper.tidy()
            elif what < 0.985:
                life.tell()
            else:
                self._approve(life)

    @contextmanager
    def _met(self) -> Iterator[None]:
        """Meet what a client or a loop of the service meets where faults are; it comes again."""
        with suppress(StoreFault, Conflict, Throttled, InvalidRequest):
            yield

    def _submit(self, life: Life) -> None:
        subject_id, key = self._waiting[0]
        self._sent[key] += 1
        operation_id = life.submit(subject_id, self.location, key)
        self._waiting.pop(0)
        self.ground.accepted[operation_id] = subject_id
        # One that waits for its storage location goes on with that of a request that repeats it.
        self.ground.asked["resume"].perhaps[operation_id] += self._sent[key] - 1

    def _any(self) -> str | None:
        return self._chance.choice(self.ground.there) if self.ground.there else None

    def _cancel(self, life: Life) -> None:
        if (operation_id := self._any()) is not None:
            self.ground.ask("cancel", operation_id, lambda: life.cancel(operation_id))

    def _resume(self, life: Life) -> None:
        if (operation_id := self._any()) is not None:
            self._resume_one(life, operation_id)

    def _resume_one(self, life: Life, operation_id: str) -> None:
        if life.get(operation_id).status is not OperationStatus.COMPLETE:
            location = SAS if self.location == SAS else None
            self.ground.ask("resume", operation_id, lambda: life.service.resume(TENANT, OperationId(operation_id), location))

    def _purge(self, *, is_calm: bool) -> None:
        """Purge, sometimes after so long that something is due; whoever was not answered yet would not come again as late as that."""
        if not is_calm and not self._waiting:
            self.ground.clock.advance(self._chance.choice([0, 0, 31, 101]) * _DAY_S)
        self.ground.purge()

    def _purge_rest(self) -> None:
        """Everything has ended, and nothing fails any more: what is due goes, all of it."""
        self.ground.clock.advance(self._chance.choice([0, 0, 31, 101, 201, 301]) * _DAY_S)
        self.ground.purge(is_whole=True)

    def _approve(self, life: Life) -> None:
        if (operation_id := self._any()) is None:
            return
        before = life.get(operation_id).approval
        if before is not None and before.state.value == "waiting":
            self.ground.ask("approve", operation_id, lambda: life.service.decide(SECOND, OperationId(operation_id), is_approved=True))

    def _settle(self, life: Life) -> None:
        """Work until nothing is left."""
        for _ in range(300):
            while self._waiting:
                self._submit(life)
            for operation_id in self.ground.there:
                with self._met():
                    if (approval := life.get(operation_id).approval) is not None and approval.state.value == "waiting":
                        self._approve(life)
            with self._met():
                while life.step():
                    pass
            for operation_id in self.ground.there:
                self.ground.poll(operation_id)
            if all(life.get(each).is_ended for each in self.ground.there):
                return
            self.ground.clock.advance(30.0)

    def _resume_rest(self, life: Life) -> None:
        """Somebody resumes half of what failed; then it must end again."""
        for operation_id in self.ground.there:
            if life.get(operation_id).status is OperationStatus.FAILED and self._chance.random() < 0.5:
                with suppress(Conflict, InvalidRequest):  # a SAS may have expired meanwhile
                    self._resume_one(life, operation_id)
        self._settle(life)

    # -- what goes wrong ------------------------------------------------------------------------------------------------
    def _script(self, number: int, fatal: str) -> Script:
        """Kill at a step, or where one of this name is reached; fail some of those before."""
        chance, is_troubled = random.Random(self._chance.random()), self._is_troubled

        def script(reached: int, name: str) -> None:
            if reached == number or name == fatal:
                raise Killed(name)
            if not is_troubled or chance.random() > 0.03:
                return
            if name.startswith("store."):
                raise StoreFault("the disk is full")
            if name.startswith("storage."):
                # What was carried out can lose its answer, and no more.
                trouble = chance.choice(_TROUBLE[:1] if name.endswith(".after") else _TROUBLE)
                raise trouble()

        return script

    def _faults(self) -> dict[str, Faults]:
        chance = self._chance
        if not self._is_troubled:
            return {}
        return {
            name: chance.choice(
                [
                    Faults(),
                    Faults(),
                    Faults(down=1),
                    Faults(plan_down=1),
                    Faults(dies_after=chance.randrange(4)),
                    Faults(is_refused=chance.random() < 0.2),
                ]
            )
            for name in ("keyed", "plain", "files")
        }


_TROUBLE = (
    lambda: StorageUnavailable("the storage location does not answer"),
    lambda: StorageUnavailable("the storage location is busy", retry_after_s=45.0),
    lambda: StorageRefused("the SAS has expired", refusal=Refusal.SIGNATURE),
)


def run(seed: int, store: str = "sqlite") -> tuple[list[str], list[list[str]]]:
    """Run a scenario in a folder of its own; return what is wrong, and the steps of each life."""

    def live() -> tuple[list[str], list[list[str]]]:
        with quick_folder() as folder:
            scenario = Scenario(seed, folder, store)
            return scenario.run(), scenario.traces

    return beside_main(live)
