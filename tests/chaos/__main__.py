"""Run many random schedules: ``make chaos``. Exit code 1 if one of them ends wrong."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.chaos.judge import run_schedule
from tests.chaos.schedule import SCHEDULES, Schedule


def run(schedules: int, number: int) -> Counter[str]:
    """Run schedules drawn from one seed, and count what happened in them."""
    happened: Counter[str] = Counter()

    @seed(number)
    @settings(
        max_examples=schedules,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(SCHEDULES)
    def go(schedule: Schedule) -> None:
        happened.update(run_schedule(schedule))
        happened["schedules"] += 1
        happened["calls"] += len(schedule.calls)

    go()
    return happened


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None, help="default: any")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    number = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    began_s = time.monotonic()
    if asked.processes > 1:
        each = asked.schedules // asked.processes
        command = [sys.executable, "-m", "tests.chaos", "--processes=1", f"--schedules={each}"]
        running = [
            subprocess.Popen([*command, f"--seed={number + n}"]) for n in range(asked.processes)
        ]
        return 1 if sum(process.wait() != 0 for process in running) else 0
    happened = run(asked.schedules, number)
    took_s = time.monotonic() - began_s
    schedules, calls = happened.pop("schedules"), happened.pop("calls")
    words = ", ".join(f"{n:,} {what}" for what, n in sorted(happened.items()))
    sys.stdout.write(
        f"{schedules:,} schedules of {calls:,} calls ended right in {took_s:.0f} s "
        f"(--processes=1 --seed={number}); what happened: {words}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
