# SPDX-License-Identifier: Apache-2.0
"""Thousands of CVMs come and go under one daemon, many at once, and nothing of them stays: no
descriptor, file, process or memory. SOAK_CYCLES and SOAK_CLIENTS say how many of them."""
import concurrent.futures
import itertools
import os
import pathlib
import re
import time

from harness.daemon import DEAD
from harness.varlink import VarlinkError

CYCLES = int(os.environ.get("SOAK_CYCLES", "2000"))
CLIENTS = int(os.environ.get("SOAK_CLIENTS", "50"))
# Until the ring of events and the allocator's arenas have the size that they need.
WARM_UP = min(CYCLES, 700)
GROWTH_KIB = 1024
SECRETS = {"env": {"TOKEN": "x" * 1000}, "certs": {"key.pem": {"text": "y" * 1000}}}
# Stops, also of those that go by themselves just then.
ENDS = [(None, True), (None, False), ("fake.poweroff-ms=1", True), ("fake.exit-ms=1", False),
        ("fake.exit=1", False)]


def resident(pid):
    """KiB of the process's own memory."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)[1])


def cycle(daemon, number):
    name = f"n{number}"
    cmdline, force = ENDS[number % len(ENDS)]
    try:
        daemon.launch(name, cmdline=cmdline, **SECRETS)
    except VarlinkError as problem:
        assert cmdline == "fake.exit=1" and problem.name == "LaunchFailed", problem
        assert daemon.status(name)["ending"]["reason"] == "launch-failed"
    assert daemon.stop(name, force=force)["state"] in DEAD
    daemon.call("Remove", name=name)


def test_launched_and_stopped(make_daemon, config, record_property):
    config["timeouts"] = {"startSec": 120, "readySec": 120, "powerdownSec": 60, "quitSec": 60}
    config["limits"] = {"endedPerUid": 10 * CLIENTS}  # each client removes its own
    daemon = make_daemon(config)
    numbers = itertools.count()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        def run(count):
            list(pool.map(lambda number: cycle(daemon, number), itertools.islice(numbers, count)))
            daemon.assert_clean()

        run(WARM_UP)
        before = resident(daemon.process.pid)
        begin = time.monotonic()
        run(CYCLES)
        seconds = time.monotonic() - begin
    after = resident(daemon.process.pid)
    record_property("soak", f"{CYCLES} cycles by {CLIENTS} clients in {seconds:.0f} s: "
                            f"{before} KiB before, {after} KiB after, nothing left")
    assert abs(after - before) <= GROWTH_KIB, f"{before} KiB before, {after} KiB after"
