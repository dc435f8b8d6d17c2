# SPDX-License-Identifier: Apache-2.0
"""What scripts/test prints."""
import sys

from budgets import ALL, BUDGETS
from results import LONG

SLOWEST = 10
MENTIONED = 1.05  # a machine that is hardly slower is not worth a word


def show(name, result, spent, long):
    """A lane's line, then what was skipped and what failed."""
    notes = [] if long else [f"of {BUDGETS[name].seconds:>3} s"]
    if spent.factor > MENTIONED:
        notes.append(f"(machine {spent.factor:.1f} times as slow)")
    if spent.apart >= 1:
        notes.append(f"and {spent.apart:.0f} s to make what the lanes share")
    print(f"{name:<14} {result.passed:>5} passed {len(result.failures):>4} failed "
          f"{len(result.skips):>4} skipped {spent.seconds:>7.1f} s", *notes, flush=True)
    for test, reason in result.skips:
        print(f"    skipped: long: {test}" if reason == LONG else f"    skipped {test}: {reason}")
    shown = {}
    for test, log in result.failures:
        print(f"    FAILED {test}")
        for line in [f"as {shown[log]}"] if log in shown else log.splitlines():
            print(f"        {line}")
        shown.setdefault(log, test)
    sys.stdout.flush()


def slowest(times, count=SLOWEST):
    """The lines of the tests that took longest; times are (seconds, lane, name)."""
    longest = sorted(times, key=lambda time: -time[0])[:count]
    return [f"{seconds:>8.1f} s  {lane}: {name}" for seconds, lane, name in longest]


def summary(times, spent, long):
    """The lines before the last one; `spent` is each lane's."""
    lines = [f"the {min(len(times), SLOWEST)} slowest tests:", *slowest(times)] if times else []
    used = sum(one.seconds for one in spent)
    limit = "no budget with --long" if long else f"{ALL} s ({ALL // 60} min) are the budget of all"
    lines.append(f"lanes: {used:.0f} s; {limit}; {sum(one.apart for one in spent):.0f} s more to "
                 "make programs, guests and roots")
    return lines


def last_line(total):
    return (f"{total.passed} passed, {len(total.failures)} failed, {len(total.skips)} skipped")
