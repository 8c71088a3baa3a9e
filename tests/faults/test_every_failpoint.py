"""kill -9 at each failpoint by its name, in a first run and while a killed one recovers; and at each step of whole reference runs."""

import pytest
from tests.faults.ground import STORES, beside_main, quick_folder
from tests.faults.reference import NOTHING, RUNS

from rightful.testing.failpoints import FAILPOINTS, kill_at, kill_when

_EVERYWHERE = [
    pytest.param(name, store, marks=pytest.mark.postgres if store == "postgres" else ())
    for store in STORES
    for name in FAILPOINTS
    if store == "sqlite" or not name.startswith("storage.")  # what a location does is the same on each store
]
_traces: dict[tuple[str, str], list[str]] = {}


def _lives(run: str, store: str, *scripts: object) -> tuple[list[list[str]], list[str] | None]:
    """Live so, then once more undisturbed; return the steps of each life, and what is wrong in the end."""

    def live() -> tuple[list[list[str]], list[str] | None]:
        with quick_folder() as folder:
            reference = RUNS[run](folder, store)
            found = None
            for script in (*scripts, NOTHING):
                found = reference.live(script)  # type: ignore[arg-type]
                if found is not None:
                    break
            return reference.ground.traces, found

    return beside_main(live)


def _trace(run: str, store: str) -> list[str]:
    """Return the steps of a run that nothing disturbs; those of the strict one, of one that was killed once its container was marked."""
    if (run, store) not in _traces:
        before = [kill_when("storage.put_append.after")] if run == "strict" else []
        traces, found = _lives(run, store, *before)
        assert found == []
        _traces[run, store] = [step for trace in traces for step in trace]
    return _traces[run, store]


def _run_with(name: str, store: str) -> str:
    for run in RUNS:
        if name in _trace(run, store):
            return run
    raise AssertionError(f"no reference run comes to {name}")


@pytest.mark.parametrize(("name", "store"), _EVERYWHERE)
def test_killed_there_in_the_first_run(name: str, store: str) -> None:
    run = _run_with(name, store)
    before = [kill_when("storage.put_append.after")] if name.startswith("storage.append.") else []
    traces, found = _lives(run, store, *before, kill_when(name))
    assert traces[len(before)][-1] == name
    assert found == []


@pytest.mark.parametrize(("name", "store"), _EVERYWHERE)
def test_killed_there_while_it_recovers_and_once_more(name: str, store: str) -> None:
    run = _run_with(name, store)
    first = kill_when({"strict": "storage.put_append.after"}.get(run, "service.started" if "drop" in name else "store.begin.after"))
    traces, found = _lives(run, store, first, kill_when(name), kill_when(name))
    assert traces[1][-1] == name, traces[1]
    assert found == []


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("share", range(3))
def test_killed_at_each_step_of_a_run(run: str, share: int) -> None:
    stride = 1 if run == "folder" else 7  # of the others each seventh one: they differ in a few steps
    steps = range(1, len(_trace(run, "sqlite")) + 1, stride)[share::3]
    for number in steps:
        _, found = _lives(run, "sqlite", kill_at(number), *([kill_at(2 + number % 17)] if number % 2 else []))
        assert found == [], f"killed at step {number}"
