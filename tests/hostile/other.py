# SPDX-License-Identifier: Apache-2.0
"""The other user, who is not to notice."""
import time

from harness import varlink

SECONDS = 30  # without an answer a call has failed


def other_user(link, daemon):
    """Launches, lists and stops, over and over; says the seconds of each call, and what failed."""
    times, problems, number = [], [], 0

    def call(method, **parameters):
        begin = time.monotonic()
        try:
            with varlink.Client(daemon.socket, SECONDS) as client:
                client.call(method, **parameters)
        except (OSError, varlink.VarlinkError, varlink.ConnectionClosed) as problem:
            problems.append(f"{method}: {type(problem).__name__} {problem}")
        times.append((method, begin, time.monotonic() - begin))

    while not link.stopped():
        name = f"bobs{number}"
        call("Launch", spec=daemon.spec(name), wait="ready")
        call("List")
        call("Stop", name=name, force=number % 2 == 0)
        call("Remove", name=name)
        if number == 0:
            link.say(begun=True)
        number += 1
    link.say(times=times, problems=problems[:20])
    link.stopped(3600)
