"""Thousands of seeds of the simulation, and planted bugs that it has to find."""

import time

import pytest
from tests.faults.mutants import MUTANTS
from tests.faults.simulation import Simulation, simulation_of

SEEDS = 1500
_SHARES = 5
_ENOUGH = 60
"""Seeds within which each planted bug is found."""
STEPS_PER_S = 20_000


@pytest.mark.parametrize("share", range(_SHARES))
def test_nothing_is_wrong_in_the_end(share: int) -> None:
    for seed in range(share, SEEDS, _SHARES):
        assert Simulation(seed).run() == [], f"SEED={seed}"


def test_one_seed_is_one_trace() -> None:
    for seed in range(20):
        one, other = Simulation(seed), Simulation(seed)
        assert (one.run(), one.trace, one.polls) == (other.run(), other.trace, other.polls)


def test_it_makes_twenty_thousand_steps_a_second_of_the_processor() -> None:
    began, steps = time.process_time(), 0
    for seed in range(60):
        simulation = Simulation(seed)
        simulation.run()
        steps += simulation.steps
    assert steps / (time.process_time() - began) >= STEPS_PER_S


def test_everything_that_it_plays_happens() -> None:
    seen: set[str] = set()
    for seed in range(60):
        simulation = Simulation(seed)
        simulation.run()
        seen |= {poll.status for poll in simulation.polls} | {poll.cause for poll in simulation.polls}
        seen |= {f"asked {action}" for action, asked in simulation.asked.items() if asked.certain}
    assert seen >= {"complete", "failed", "resume", "cancelled", "SourceUnavailable", "asked cancel", "asked resume"}


def test_there_are_as_many_planted_bugs_as_promised() -> None:
    assert len(MUTANTS) >= 20


@pytest.mark.parametrize("name", MUTANTS)
def test_planted_bug_is_found(name: str) -> None:
    mutated = simulation_of(MUTANTS[name])
    assert any(_is_found(mutated, seed) for seed in range(_ENOUGH))


def _is_found(mutated: type[Simulation], seed: int) -> bool:
    try:
        return mutated(seed).run() != []
    except (KeyError, IndexError, ValueError, AssertionError):  # it falls over what the bug left behind
        return True
