# SPDX-License-Identifier: Apache-2.0
"""Time that is no lane's: for programs, guests and roots, which the lanes share and a new machine
has to make first. Tests that make such a thing by themselves append a line `SECONDS WHAT` to the
file that CVMD_TIME_APART names."""
import contextlib
import os
import time

VARIABLE = "CVMD_TIME_APART"


class Clock:
    def __init__(self):
        self.seconds = 0.0
        self.depth = 0
        self.read = 0

    @contextlib.contextmanager
    def stopped(self):
        """What happens within is apart; within another one it is counted once."""
        start = time.monotonic()
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            if not self.depth:
                self.seconds += time.monotonic() - start

    def total(self):
        """Seconds so far, with what tests have written meanwhile."""
        path = os.environ.get(VARIABLE)
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                file.seek(self.read)
                for line in file:
                    self.seconds += float(line.split()[0])
                self.read = file.tell()
        return self.seconds


CLOCK = Clock()
