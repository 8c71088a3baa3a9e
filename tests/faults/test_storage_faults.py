"""Each fault of a blob service, at each request of a reference export: the package is whole in the end, or the operation says why not."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import structlog
from tests.faults import checker
from tests.faults.ground import Ground, beside_main, quick_folder
from tests.faults.scenario import Data

from rightful.config.model import ExportSettings
from rightful.errors import InvalidRequest, Throttled
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault

_TURNS_S = (*(60.0,) * 6, *(1800.0,) * 6)
"""What passes between one try and the next; together longer than an operation waits for its location."""

Spoil = Callable[["_Simulator", str, int], None]
"""Let the n-th request for what lies at the end of this path go wrong."""


class _Simulator(BlobSimulator):
    """One that can be slow, and whose container can vanish, at a request."""

    def __init__(self) -> None:
        super().__init__()
        self.acts: dict[tuple[str, int], Callable[[], None]] = {}
        """By path's end and occurrence: what happens when this request comes."""
        self.ordered = 0
        """How many are to go wrong."""
        self.met = 0
        """How many requests went wrong."""
        self._seen: Counter[str] = Counter()

    def order(self, end: str, number: int, act: Callable[[], None]) -> None:
        self.ordered += 1
        self.acts[end, number] = act

    def take_fault(self, path: str) -> Fault | None:
        end = _end(path)
        self._seen[end] += 1
        act = self.acts.get((end, self._seen[end]))
        if act is not None:
            act()
        fault = super().take_fault(path)
        self.met += act is not None or fault is not None
        return fault


def _end(path: str) -> str:
    """Return what a path has behind the operation's id, which is another one each time."""
    return path[-4:] if path.endswith(".zip") else path.partition("/")[2]


def _answers(code: int, error: str = "", **headers: str) -> Spoil:
    return _meets(Fault.status(code, error, headers={name.replace("_", "-"): value for name, value in headers.items()}))


def _breaks(how: Break) -> Spoil:
    return _meets(Fault.broken(how))


def _meets(fault: Fault) -> Spoil:
    def spoil(simulator: _Simulator, end: str, number: int) -> None:
        simulator.ordered += 1
        simulator.fail(fault, after=number - 1, path=end)

    return spoil


def _slowly(simulator: _Simulator, end: str, number: int) -> None:
    simulator.order(end, number, lambda: time.sleep(0.05))


def _deleted(simulator: _Simulator, end: str, number: int) -> None:
    def delete() -> None:
        with suppress(KeyError):
            simulator.delete_container("exports")

    simulator.order(end, number, delete)


def _revoked(simulator: _Simulator, end: str, number: int) -> None:
    simulator.order(end, number, simulator.revoke)


MUST_BE_COMPLETE: dict[str, Spoil] = {
    "429": _answers(429, "TooManyRequests", Retry_After="3"),
    "500": _answers(500, "InternalError"),
    "500 and no code": _answers(500),
    "503": _answers(503, "ServerBusy", Retry_After="45"),
    "slow": _slowly,
    "reset": _breaks(Break.RESET),
    "reset before its body": _breaks(Break.RESET_BEFORE_BODY),
    "truncated": _breaks(Break.TRUNCATED),
    "answer lost": _breaks(Break.ANSWER_LOST),
    "time-out": _breaks(Break.TIMEOUT),
    "403 half way": _answers(403, "AuthenticationFailed"),
    "404": _answers(404, "ContainerNotFound"),
}
MAY_FAIL: dict[str, Spoil] = {
    "409": _answers(409, "BlobAlreadyExists"),
    "412": _answers(412, "ConditionNotMet"),
    "container deleted": _deleted,
    "SAS revoked": _revoked,
}
EXPORTS = {
    "folder": (ExportSettings(retry_s=1.0, leak_check="off", viewer="off", wait_h=1.0), "c"),
    "zip": (ExportSettings(retry_s=1.0, leak_check="off", viewer="off", wait_h=1.0, layout="zip"), "cw"),
}
_requests: dict[str, list[tuple[str, int]]] = {}


def _export(form: str, spoil: Callable[[_Simulator], None]) -> tuple[list[str], str, list[tuple[str, int]]]:
    """Export one person to a container; return what is wrong, how it ended, and the requests by path's end and occurrence."""

    def live() -> tuple[list[str], str, list[tuple[str, int]]]:
        random.seed(0)
        export, permissions = EXPORTS[form]
        data = Data(random.Random(8), 1)
        with quick_folder() as folder, _Simulator() as simulator, structlog.testing.capture_logs() as logs:
            ground = Ground(folder, data.people, data.sources, export=export, allow=(simulator.host,))
            location = simulator.sas_url("exports", permissions)
            life = ground.begin(lambda _number, _name: None)
            life.start()
            spoil(simulator)
            for _ in range(3):
                with suppress(InvalidRequest, Throttled):
                    ground.accepted[life.submit("0", location, "key")] = "0"
                    break
            for turn_s in _TURNS_S:
                for operation_id in ground.accepted:
                    ground.poll(operation_id)
                while life.step():
                    pass
                if all(life.get(each).is_ended for each in ground.accepted):
                    break
                ground.clock.advance(turn_s)
            status = [ground.poll(each).status.value for each in ground.accepted]
            requests = [_end(request.path) for request in simulator.requests]
            with suppress(KeyError):  # the container is gone
                for path, content in simulator.blobs("exports").items():
                    ground.container.entries[path] = content
            assert simulator.met == simulator.ordered
            ground.close()
            ground.may_leave_marks = True
            evidence = ground.evidence(logs=logs)
            signature = location.partition("sig=")[2].encode()
            evidence.secrets = (*evidence.secrets, signature)
            seen: Counter[str] = Counter()
            numbered = []
            for end in requests:
                seen[end] += 1
                numbered.append((end, seen[end]))
            return checker.check(evidence), status[0] if status else "refused", numbered

    return beside_main(live)


def _each_request(form: str) -> list[tuple[str, int]]:
    """Return the requests of an export that nothing disturbs."""
    if form not in _requests:
        found, status, requests = _export(form, lambda _simulator: None)
        assert (found, status) == ([], "complete")
        _requests[form] = requests
    return _requests[form]


@pytest.mark.parametrize("form", EXPORTS)
@pytest.mark.parametrize("fault", MUST_BE_COMPLETE)
def test_fault_that_passes_leaves_a_whole_package_wherever_it_comes(fault: str, form: str) -> None:
    requests = _each_request(form)
    assert len(requests) >= 3
    for end, number in requests[:: 2 if fault == "time-out" else 1]:
        found, status, _ = _export(form, lambda simulator: MUST_BE_COMPLETE[fault](simulator, end, number))  # noqa: B023 - called at once
        assert (found, status) == ([], "complete"), f"{fault} at request {number} for {end}"


@pytest.mark.parametrize("form", EXPORTS)
@pytest.mark.parametrize("fault", MAY_FAIL)
def test_fault_that_stays_ends_the_operation_with_its_cause_wherever_it_comes(fault: str, form: str) -> None:
    for end, number in _each_request(form):
        found, status, _ = _export(form, lambda simulator: MAY_FAIL[fault](simulator, end, number))  # noqa: B023 - called at once
        assert found == [], f"{fault} at request {number} for {end}"
        assert status in {"failed", "refused", *(("complete",) if fault in {"409", "412"} else ())}, (
            f"{fault} at request {number} for {end}"
        )


@contextmanager
def _another_server() -> Iterator[BlobSimulator]:
    with BlobSimulator() as other:
        yield other


@pytest.mark.parametrize("form", EXPORTS)
@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirect_takes_nothing_anywhere_else(code: int, form: str) -> None:
    with _another_server() as other:
        for end, number in _each_request(form):
            spoil = _meets(Fault.redirect(other.sas_url("elsewhere"), code))
            found, status, _ = _export(form, lambda simulator: spoil(simulator, end, number))  # noqa: B023 - as above
            assert found == [], f"{code} at request {number} for {end}: {status}"
        assert other.requests == []
