# SPDX-License-Identifier: Apache-2.0
"""How much slower than two quiet cores this machine is while a lane runs.

Three factors: the time that a fixed loop takes of a CPU, which is longer on a slower one and where
others share its core; the share of all CPUs that went meanwhile to other programs or to other
machines of the same host (steal); and too few CPUs. One that is faster gets no less than 1."""
import dataclasses
import os
import pathlib
import resource
import time

LOOP_TURNS = 200_000
LOOP_TIMES = 5
# Debian 12's Python on one core of an AMD EPYC as clouds rent it out.
LOOP_SECONDS = 0.0145
CPUS = 2
SHARE_MAX = 0.875
FACTOR_MAX = 8.0
TICKS = os.sysconf("SC_CLK_TCK")


def loop_seconds():
    """CPU time of the loop: the least of some, as interrupts and caches only add to it."""
    def once():
        start, value = time.thread_time(), 1
        for _ in range(LOOP_TURNS):
            value = (value * 1103515245 + 12345) & 0x7FFFFFFF
        return time.thread_time() - start
    return min(once() for _ in range(LOOP_TIMES))


@dataclasses.dataclass(frozen=True)
class Moment:
    """Seconds since some time, all CPUs together but for the clock's own."""
    clock: float
    busy: float  # of everybody
    stolen: float
    own: float  # of this process, and of its children that have ended
    loop: float


def cpu_times(text):
    """(busy, stolen) of the first line of /proc/stat."""
    fields = [int(word) / TICKS for word in text.split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq = fields[:7]
    return user + nice + system + irq + softirq, fields[7] if len(fields) > 7 else 0.0


def moment():
    loop = loop_seconds()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    busy, stolen = cpu_times(pathlib.Path("/proc/stat").read_text())
    return Moment(time.monotonic(), busy, stolen,
                  sum(usage.ru_utime + usage.ru_stime for usage in used), loop)


def factor(before, after, cpus=None):
    """At least 1, at most FACTOR_MAX."""
    cpus = cpus or len(os.sched_getaffinity(0))
    speed = max((before.loop + after.loop) / 2 / LOOP_SECONDS, 1)
    capacity = max(after.clock - before.clock, 0.001) * cpus
    foreign = max(after.busy - before.busy - (after.own - before.own), 0)
    share = min((foreign + max(after.stolen - before.stolen, 0)) / capacity, SHARE_MAX)
    return min(speed / (1 - share) * max(CPUS / cpus, 1), FACTOR_MAX)
