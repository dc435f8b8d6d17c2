# SPDX-License-Identifier: Apache-2.0
"""Runs the test lanes and counts every test: what scripts/test starts."""
import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile

import apart
from budgets import BUDGETS
from builds import TOP
from groups import end_group
from lanes import FAST, LANES
from report import last_line, show, summary
from results import Result
from run import Run
from timed import timed


@contextlib.contextmanager
def fetched_ahead(lanes):
    """What the lanes fetch comes while others run."""
    process = subprocess.Popen([sys.executable, "-B", TOP / "tests/lanes/needs.py", *lanes],
                               stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        end_group(process)


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/test", description="Builds if needed and runs the tests.",
        epilog="The last line is `N passed, N failed, N skipped`. Exit status: 0 if something "
               "passed and nothing failed, else 1; 2 for wrong usage.")
    parser.add_argument("--fast", action="store_true",
                        help=f"{', '.join(FAST)}, without the slow system tests")
    parser.add_argument("--lane", action="append", metavar="NAME", choices=LANES,
                        help="this lane only; may be repeated")
    parser.add_argument("--long", action="store_true",
                        help="all that does not fit in the budgets, too: takes hours")
    parser.add_argument("--list", action="store_true", help="list the lanes and their budgets")
    return parser.parse_args()


def main():
    # Started in the background by a shell, it and all below it would ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    args = arguments()
    if args.list:
        for name, (_, what) in LANES.items():
            print(f"{name:<14} {BUDGETS[name].seconds:>4} s  {what}")
        return 0
    # A pipe that was closed, Ctrl-C and SIGTERM end the run through the clean-up below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    total, times, spent = Result(), [], []
    lanes = args.lane or (FAST if args.fast else list(LANES))
    with (tempfile.TemporaryDirectory(prefix="cvmd-lanes-") as scratch, fetched_ahead(lanes)):
        os.environ[apart.VARIABLE] = f"{scratch}/apart"
        run = Run(scratch, args.fast, args.long)
        for name in lanes:
            result, used = timed(name, LANES[name][0], run)
            show(name, result, used, args.long)
            total.add(result)
            times += [(seconds, name, test) for seconds, test in result.times]
            spent.append(used)
    print("\n".join([*summary(times, spent, args.long), last_line(total)]))
    return 0 if total.passed and not total.failures else 1


if __name__ == "__main__":
    sys.exit(main())
