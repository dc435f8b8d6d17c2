# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed at any time under many launches and stops at once, and started again."""
import collections
import concurrent.futures
import random
import threading
import time

from harness import fates
from harness.daemon import DEAD
from harness.history import History
from harness.processes import SLOWNESS
from harness.varlink import ConnectionClosed, VarlinkError

ROUNDS = 40
CLIENTS = 6


def work(daemon, name, told, ended):
    """One client's life; `told` has what the daemon said last of its CVM."""
    try:
        while not ended.is_set():
            told[name] = "maybe"
            told[name] = daemon.launch(name, env={"A": "b"}, certs={"c": {"text": "d"}})["state"]
            told[name] = "maybe"
            told[name] = daemon.stop(name, force=random.random() < 0.5)["state"]
    except (ConnectionClosed, OSError):
        pass
    except VarlinkError as problem:
        if not ended.is_set():
            told[name] = problem


def test_killed_at_any_time(cvmd, record_property):
    found = collections.Counter()
    names = [f"web{number}" for number in range(CLIENTS)]
    history, events = History(cvmd), 0
    for _ in range(ROUNDS):
        told, ended = {}, threading.Event()
        history.begin()
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            for name in names:
                pool.submit(work, cvmd, name, told, ended)
            time.sleep(random.uniform(0.001, 0.15) * SLOWNESS)
            ended.set()
            cvmd.kill()
        cvmd.start()
        events += history.check()
        fate = fates.judge(cvmd)
        for name, said in told.items():
            now = fate.get(name)
            assert said == "maybe" or (said in DEAD) == (now in DEAD) and now, (name, said, now)
            found[now or "gone"] += 1
    assert events > ROUNDS
    record_property("at any time", f"{ROUNDS} kills: {fates.show(found)}; {events} events, none "
                                   "lost, no number used twice")
