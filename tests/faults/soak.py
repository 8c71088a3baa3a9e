"""Scenarios without end: `make soak` runs new ones for ten minutes (SOAK_S=…), `SEED=17 make soak` runs that one and prints its steps."""

import os
import random
import sys
import time

from tests.faults.scenario import run


def main() -> int:
    """Run scenarios; return 1 as soon as something is wrong with one."""
    seed = os.environ.get("SEED")
    if seed:
        found, traces = run(int(seed))
        for number, trace in enumerate(traces, 1):
            print(f"life {number}: {' '.join(trace)}")  # noqa: T201 - what the command is for
        return _tell(int(seed), found)
    until = time.monotonic() + float(os.environ.get("SOAK_S", "600"))
    first = seeds = random.SystemRandom().randrange(1 << 40)
    while time.monotonic() < until:
        found, _ = run(seeds)
        if found:
            return _tell(seeds, found)
        seeds += 1
        if seeds % 100 == first % 100:
            print(f"{seeds - first} scenarios, from seed {first} on: nothing wrong", flush=True)  # noqa: T201 - as above
    return _tell(seeds - 1, [])


def _tell(seed: int, found: list[str]) -> int:
    for each in found:
        print(each)  # noqa: T201 - as above
    print(f"SEED={seed}: {f'{len(found)} things are wrong' if found else 'nothing is wrong'}")  # noqa: T201 - as above
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
