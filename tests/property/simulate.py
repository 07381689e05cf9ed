"""Simulate thousands of schedules: ``make simulate``. Exit code 1 if one of them hangs.

Seeds are drawn at random, once each, and not by Hypothesis, which prefers small and equal ones. The
test suite runs a few hundred of the same schedules with it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from geneva.resources.admission import Verdict
from tests.property.random_workloads import Tally, run_schedule
from tests.property.workload_simulation import Hang

_AT_ONCE = 50


def simulated(seeds: list[int]) -> tuple[Tally, list[tuple[int, str, str]]]:
    """Run schedules; return what became of them, and seed, kind and words of each fault."""
    tally, faults = Tally(), []
    for seed in seeds:
        try:
            run_schedule(seed, tally)
        except AssertionError as error:  # All are to run, and to be counted.
            faults.append((seed, type(error).__name__, str(error)))
    return tally, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None, help="of all schedules; default: any")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    chance = random.Random(seed)  # noqa: S311 - schedules, not secrets
    seeds = chance.sample(range(2**48), asked.schedules)
    chunks = [seeds[i : i + _AT_ONCE] for i in range(0, len(seeds), _AT_ONCE)]
    total, faults, began_s = Tally(), [], time.monotonic()
    with ProcessPoolExecutor(asked.processes) as pool:
        for tally, found in pool.map(simulated, chunks):
            total.include(tally)
            faults += found
    _report(total, faults, seed, time.monotonic() - began_s)
    return 1 if faults else 0


def _report(total: Tally, faults: list[tuple[int, str, str]], seed: int, took_s: float) -> None:
    kinds = [kind for _, kind, _ in faults]
    hangs = kinds.count(Hang.__name__)
    hours = total.simulated_s / 3600
    lines = [
        f"{total.schedules + len(faults):,} schedules ran in {took_s:.0f} s (--seed {seed})",
        f"{total.jobs:,} jobs, {total.losses:,} lost nodes, {hours:,.0f} h simulated",
        *(f"{total.verdicts.get(v, 0):,} jobs: {v.value}" for v in Verdict),
        f"{total.refused_by_autoscaler:,} were refused by the autoscaler",
        f"{total.lost_for_good:,} lost the nodes that held them for good",
        f"{total.ended:,} ran to their ends",
        f"{total.longest_wait_s:,.0f} simulated s was the longest wait",
        f"{hangs} hangs",
        f"{len(faults) - hangs} other faults",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    for at, kind, words in faults[:5]:
        sys.stderr.write(f"schedule {at}: {kind}: {words}\n")


if __name__ == "__main__":
    sys.exit(main())
