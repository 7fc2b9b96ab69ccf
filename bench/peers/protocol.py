"""What all peers share: memory and load readings, one JSON line on stdout, and the serving mode for interleaved pairs.

Serving: after its warm-up a peer prints {"ready": true, …}. For every line on stdin it does the work that line asks for
and answers with one JSON line. An empty line or the end of stdin ends it. So a driver can let two engines take turns in
one run on one machine, each resident all the time and idle (no spinning threads) while the other works.
"""
import json
import os
import sys
import time


def status_mib(key: str) -> float:
    """A field of /proc/self/status in MiB: VmRSS now, VmHWM at its highest."""
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    return float("nan")


def forget_peak() -> None:
    """Starts VmHWM anew, so that compiling does not count as training. Not allowed everywhere."""
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass


def _busy_seconds() -> float:
    with open("/proc/stat") as f:
        user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, f.readline().split()[1:])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Stopwatch:
    """Wall and own CPU seconds of a piece of work, and which share of all cores others used meanwhile."""

    def __enter__(self):
        self.wall, self.cpu, self.busy = time.perf_counter(), time.process_time(), _busy_seconds()
        return self

    def __exit__(self, *_):
        self.wall = time.perf_counter() - self.wall
        self.cpu = time.process_time() - self.cpu
        others = max(0.0, _busy_seconds() - self.busy - self.cpu)
        # the kernel counts in hundredths of a second: nothing sensible can be said of less than a fifth
        self.other_load = round(min(1.0, others / (self.wall * (os.cpu_count() or 1))), 3) if self.wall > 0.2 else None

    def report(self) -> dict:
        return {"seconds": round(self.wall, 4), "cpu_seconds": round(self.cpu, 4), "other_load": self.other_load}


def say(record: dict) -> None:
    print(json.dumps(record), flush=True)


def serve(ready: dict, work) -> None:
    say({"ready": True} | ready)
    for line in sys.stdin:
        line = line.strip()
        if not line:
            break
        say(work(line))
