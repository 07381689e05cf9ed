"""Run one command to the end of all its processes and print what they used, as JSON.

Usage: ``python launcher.py LOG COMMAND...``. Every measured run has its own launcher, so that the
resource usage of its children is that run's and nothing else. On Linux it adopts orphans
(``PR_SET_CHILD_SUBREAPER``): a worker that outlives its parent, or that its parent never waits for,
is still counted. Elsewhere only processes that are waited for by their parents are counted.
"""

import ctypes
import json
import os
import resource
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 10.0


def adopt_orphans() -> bool:
    """Ask the kernel to make this process the parent of orphaned descendants."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def start(log: str, command: list[str]) -> int:
    """Start the command with its output going to the log, and return its process id."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )


def wait_for(pid: int) -> int:
    """Reap children until the given one ends, and return its exit code."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


def reap_orphans() -> int:
    """Wait until no descendant is left; after the grace period kill them, and return how many."""
    killed = 0
    deadline = time.perf_counter() + GRACE_S
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return killed
        if pid == 0:
            if time.perf_counter() > deadline:
                killed += kill_descendants()
            time.sleep(0.002)


def kill_descendants() -> int:
    """Kill every process below this one, and return how many there were."""
    import psutil  # Needed only in this unusual case: a launcher starts in a few milliseconds.

    descendants = psutil.Process().children(recursive=True)
    for process in descendants:
        process.kill()
    return len(descendants)


def main() -> None:
    """Run the command given on the command line."""
    log, *command = sys.argv[1:]
    adopts = adopt_orphans()
    started = time.perf_counter()
    exit_code = wait_for(start(log, command))
    ended = time.perf_counter()
    killed = reap_orphans()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = {
        "exit_code": exit_code,
        "wall": ended - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "after_exit": time.perf_counter() - ended,
        "killed": killed,
        "adopts_orphans": adopts,
    }
    sys.stdout.write(json.dumps(outcome))


if __name__ == "__main__":
    main()
