# SPDX-License-Identifier: Apache-2.0
"""What scripts/test prints."""
import sys


def show(name, result, seconds):
    print(f"{name:<14} {result.passed:>5} passed {len(result.failures):>4} failed "
          f"{len(result.skips):>4} skipped {seconds:>7.1f} s", flush=True)
    for test, reason in result.skips:
        print(f"    skipped {test}: {reason}")
    shown = {}
    for test, log in result.failures:
        print(f"    FAILED {test}")
        for line in [f"as {shown[log]}"] if log in shown else log.splitlines():
            print(f"        {line}")
        shown.setdefault(log, test)
    sys.stdout.flush()
