"""Write limits: never more than they say, whoever waits as told gets through, and a flood costs those who flood."""

import heapq
import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.graph.throttle import IDLE_S, MAX_APPS, MOST_TOLD_S, WriteBuckets

rates = st.integers(1, 100)
calls = st.lists(st.tuples(st.sampled_from("ABCDEFGH"), st.sampled_from([0.0, 0.0, 0.001, 0.01, 0.05, 0.3, 1.0, 5.0, 60.0])), max_size=200)


def most_in_any_span(times: list[float], rate: float) -> float:
    """Return by how much the calls of any span of time are more than rate * its length."""
    return max(
        (last - first + 1 - rate * (times[last] - times[first]) for first in range(len(times)) for last in range(first, len(times))),
        default=0,
    )


@given(rates, rates, calls)
def test_never_more_than_the_rate_and_one_burst_passes(rate: int, app_rate: int, asked: list[tuple[str, float]]) -> None:
    buckets, now_s = WriteBuckets(per_second=rate, per_second_per_app=app_rate), 0.0
    passed: list[tuple[str, float]] = []
    for app, pause_s in asked:
        now_s += pause_s
        if not buckets.take(app, now_s):
            passed.append((app, now_s))
    assert most_in_any_span([at_s for _, at_s in passed], rate) <= rate + 1 + 1e-3
    for name in {app for app, _ in passed}:
        assert most_in_any_span([at_s for app, at_s in passed if app == name], app_rate) <= app_rate + 1 + 1e-3


@given(rates, rates, calls, st.sampled_from("ABZ"))
def test_who_waits_as_told_gets_through(rate: int, app_rate: int, asked: list[tuple[str, float]], app: str) -> None:
    buckets, now_s = WriteBuckets(per_second=rate, per_second_per_app=app_rate), 0.0
    for other, pause_s in asked:
        now_s += pause_s
        buckets.take(other, now_s)
    wait_s = buckets.take(app, now_s)
    assert wait_s <= max(MOST_TOLD_S, 2 + 2 / min(rate, app_rate))
    if wait_s:
        assert buckets.take(app, now_s + math.ceil(wait_s)) == 0


def run(buckets: WriteBuckets, arrivals: list[tuple[float, str]], *, obeys: bool) -> dict[str, list[int]]:
    """Let calls come and come again as they were told; returns how often each was refused, by application."""
    order = itertools.count()
    waiting = [(at_s, next(order), app, 0) for at_s, app in arrivals]
    heapq.heapify(waiting)
    refused: dict[str, list[int]] = {}
    while waiting:
        at_s, _, app, tries = heapq.heappop(waiting)
        wait_s = buckets.take(app, at_s)
        if wait_s and obeys:
            heapq.heappush(waiting, (at_s + math.ceil(wait_s), next(order), app, tries + 1))
        else:
            refused.setdefault(app, []).append(tries + bool(wait_s))
    return refused


@pytest.mark.parametrize("rate", [1, 7, 20])
def test_those_who_come_at_once_come_again_one_after_another(rate: int) -> None:
    buckets = WriteBuckets(per_second=60, per_second_per_app=rate)
    refused = run(buckets, [(0.0003 * number, "A") for number in range(rate * 9)], obeys=True)
    assert max(refused["A"]) <= 2  # SDKs give up after three (GRAPH-15)
    assert sum(tries <= 1 for tries in refused["A"]) >= 0.9 * len(refused["A"])


@pytest.mark.parametrize("floods", [1, 3, 5, 20])
def test_flood_of_other_applications_costs_no_call_of_one_that_asks_little(floods: int) -> None:
    chance = random.Random(floods)
    rate, span_s = 60, 60
    arrivals = [(chance.uniform(0, span_s), f"flood {number}") for number in range(floods) for _ in range(span_s * 100)]
    own_per_s = rate / (floods + 1) / 3
    arrivals += [(10 + number / own_per_s, "own") for number in range(int((span_s - 10) * own_per_s))]
    refused = run(WriteBuckets(per_second=rate, per_second_per_app=20), sorted(arrivals), obeys=False)
    assert not any(refused["own"])
    assert sum(not each for each in itertools.chain(*refused.values())) >= min(20 * floods, rate) * span_s * 0.95  # nothing is wasted


def test_flood_of_double_force_gets_little_more_than_the_others() -> None:
    chance = random.Random(7)
    arrivals = sorted((chance.uniform(0, 60), name) for name in "ABCDEF" for _ in range(60 * 50 * (1 + (name == "A"))))
    passed = {
        name: sum(not each for each in tries)
        for name, tries in run(WriteBuckets(per_second=60, per_second_per_app=20), arrivals, obeys=False).items()
    }
    assert min(passed.values()) >= 0.65 * max(passed.values()), passed


def test_applications_that_are_idle_are_forgotten_and_their_number_is_bounded() -> None:
    buckets = WriteBuckets(per_second=1000, per_second_per_app=20)
    for number in range(MAX_APPS + 500):
        buckets.take(f"app {number}", 0.0)
    assert len(buckets) == MAX_APPS
    buckets.take("another", IDLE_S)
    assert len(buckets) == 1
