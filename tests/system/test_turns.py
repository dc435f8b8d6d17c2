# SPDX-License-Identifier: Apache-2.0
"""Launches of one user take turns at starting QEMU, and questions at the threads of the loop."""
import contextlib
import os
import pathlib
import select
import signal
import tempfile

import pytest

from harness.actors import Actor, groups_of
from harness.processes import SLOWNESS, eventually
from harness.users import ANN, BOB, USERS, by, reachable

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users"),
              pytest.mark.qemu_driver("whose turn it is does not depend on the driver")]

AT_A_TIME = max(4, len(os.sched_getaffinity(0)))
WAITING = 3


@pytest.fixture
def cvmd(make_daemon, config):
    return reachable(make_daemon({**config, "groups": {"users": USERS},
                                  "timeouts": {**config["timeouts"], "startSec": 60}}))


def launch_in_order(link, cvmd, count):
    """And wait for the answers."""
    clients = []
    for number in range(count):
        client = cvmd.client()
        client.send("Launch", {"spec": cvmd.spec(f"n{number:02}", cmdline="fake.qmp-silent",
                                                   remove="failed-launch")})
        clients.append(client)
        eventually(lambda n=number: any(cvm["name"] == f"n{n:02}" for cvm in cvmd.cvms()), cvmd.log)
    link.say(begun=len(clients))
    link.stopped(3600)


@contextlib.contextmanager
def launched(cvmd, uid):
    actor = Actor(uid, groups_of(uid), launch_in_order, cvmd, AT_A_TIME + WAITING)
    try:
        actor.hear(30 * SLOWNESS)
        yield
    finally:
        actor.end()
        # with the caller the launches go
        eventually(lambda: not any(cvm["name"][0] == "n" for cvm in cvmd.cvms()), cvmd.log)


def named(cvmd, state):
    return [cvm["name"] for cvm in cvmd.cvms() if cvm["name"][0] == "n" and cvm["state"] == state]


def wait_for(cvmd, starting, waiting):
    def numbers():
        return len(named(cvmd, "starting")), len(named(cvmd, "preparing"))

    eventually(lambda: numbers() == (starting, waiting), numbers)


def test_launches_of_one_user_take_turns(cvmd):
    """Only the user's own wait for a QEMU that does not answer."""
    with launched(cvmd, ANN):
        wait_for(cvmd, AT_A_TIME, WAITING)
        assert by(BOB, lambda: cvmd.launch("bobs", wait="ready"))["ready"]
        assert cvmd.launch("roots", wait="ready")["ready"]
        wait_for(cvmd, AT_A_TIME, WAITING)
        cvmd.stop(named(cvmd, "starting")[0], force=True)
        wait_for(cvmd, AT_A_TIME, WAITING - 1)
        # One that waits can be stopped, and the next one takes its turn.
        stopped, following = named(cvmd, "preparing")
        cvmd.stop(stopped, force=True)
        cvmd.stop(named(cvmd, "starting")[0], force=True)
        wait_for(cvmd, AT_A_TIME, 0)
        assert following in named(cvmd, "starting")


def test_roots_do_not_wait(cvmd):
    with launched(cvmd, 0):
        wait_for(cvmd, AT_A_TIME + WAITING, 0)


def test_a_reload_gives_turns(make_daemon, config, tmp_path):
    """One that waited for the launches of whoever has its owner's account no more."""
    ranges = tmp_path / "subuid"
    ranges.write_text(f"{ANN}:{BOB}:1\n")
    cvmd = reachable(make_daemon({**config, "groups": {"users": USERS}, "subuids": str(ranges),
                                  "timeouts": {**config["timeouts"], "startSec": 60}}))

    def launch_one(link):
        client = cvmd.client()
        client.send("Launch", {"spec": cvmd.spec("bobs"), "wait": "ready"})
        link.say(begun=1)
        link.stopped(3600)

    with launched(cvmd, ANN):
        wait_for(cvmd, AT_A_TIME, WAITING)
        bob = Actor(BOB, groups_of(BOB), launch_one)
        try:
            bob.hear(30 * SLOWNESS)
            eventually(lambda: "bobs" in [cvm["name"] for cvm in cvmd.cvms()], cvmd.log)
            cvmd.stop(named(cvmd, "starting")[0], force=True)
            wait_for(cvmd, AT_A_TIME, WAITING - 1)
            assert cvmd.status("bobs")["state"] == "preparing"
            ranges.write_text("")
            cvmd.process.send_signal(signal.SIGHUP)
            eventually(lambda: cvmd.status("bobs").get("ready"), cvmd.log)
            wait_for(cvmd, AT_A_TIME, WAITING - 1)
        finally:
            bob.end()


QUESTIONS = 90  # more than there are threads (TURNS_THREADS of daemon/local/turns.h)


@pytest.fixture
def silent_qemu():
    """For a user without rights, to whom tmp_path is closed."""
    with tempfile.TemporaryDirectory(prefix="cvmd-", dir="/tmp") as name:
        path = pathlib.Path(name, "qemu")
        path.write_text('#!/bin/sh\nwhile [ ! -e "$0.ended" ]; do sleep 0.1; done\n')
        path.parent.chmod(0o755)
        path.chmod(0o755)
        yield str(path)


def test_questions_of_one_user_take_turns(silent_qemu, make_daemon, config):
    """They leave threads to others while a QEMU does not answer the daemon."""
    daemon = reachable(make_daemon({**config, "groups": {"users": USERS},
                                    "qemu": {**config["qemu"], "tdx": silent_qemu}}))
    by(BOB, lambda: daemon.launch("bobs", wait="ready"))

    def ask(link):
        clients = [daemon.client() for _ in range(QUESTIONS)]
        for client in clients:
            client.send("DescribeHost", {"platform": "tdx"})
        link.say(asked=QUESTIONS)
        link.stopped(3600)
        answered = select.select([client.socket for client in clients], [], [], 0)[0]
        link.say(answered=len(answered))

    actor = Actor(ANN, groups_of(ANN), ask)
    try:
        actor.hear(30 * SLOWNESS)
        assert by(BOB, lambda: daemon.call("Logs", name="bobs")["data"])
        actor.stop()
        assert actor.hear(30) == {"answered": 0}
    finally:
        actor.end()
        pathlib.Path(f"{silent_qemu}.ended").touch()
