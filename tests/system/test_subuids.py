# SPDX-License-Identifier: Apache-2.0
"""Users that one user can be, by subuid(5), have that user's quotas together."""
import contextlib
import grp
import os
import signal

import pytest

from harness.processes import eventually
from harness.users import ANN, BOB, USERS, Failed, as_user, by, reachable

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users"),
              pytest.mark.qemu_driver("quotas do not depend on the driver")]

CONNECTIONS = 256  # WIRE_CONNECTIONS_PER_UID_MAX of src/wire/server.h
FIRST = 710000  # of Ann's subordinate uids


@pytest.fixture
def cvmd(make_daemon, config):
    daemon = make_daemon(config, start=False)
    ranges = daemon.directory / "subuid"
    ranges.write_text(f"{ANN}:{FIRST}:1000\n")
    daemon.config = {**config, "groups": {"users": USERS}, "subuids": str(ranges),
                     "limits": {"cvmsPerUid": 3, "secretBytesPerUid": "64K",
                                "memoryPerUid": "256M"}}
    return reachable(daemon.start())


def by_subordinate(number, function):
    uid = FIRST + number
    return as_user(uid, uid, [grp.getgrnam(USERS).gr_gid], function)


def refused(number, function):
    with pytest.raises(Failed) as refusal:
        by_subordinate(number, function)
    assert refusal.value.name == "QuotaExceeded", refusal.value
    return refusal.value.fields


def test_cvms_and_memory(cvmd):
    by(ANN, lambda: cvmd.launch("n0"))
    by_subordinate(0, lambda: cvmd.launch("n1"))
    assert refused(1, lambda: cvmd.launch("n2", memory="192M"))["resource"] == "memory of one user"
    by_subordinate(2, lambda: cvmd.launch("n2"))
    assert refused(3, lambda: cvmd.launch("n3")) == {
        "resource": "CVMs of one user", "limit": 3, "used": 3, "wanted": 1}
    by(BOB, lambda: cvmd.launch("bobs"))
    as_user(FIRST + 1000, FIRST + 1000, [grp.getgrnam(USERS).gr_gid],
            lambda: cvmd.launch("anothers"))
    # Each sees their own all the same.
    assert [cvm["name"] for cvm in by_subordinate(0, cvmd.cvms)] == ["n1"]
    cvmd.kill()
    cvmd.start()
    assert refused(3, lambda: cvmd.launch("n3"))["used"] == 3


def test_the_ledger(cvmd):
    """Also over a reload with other ranges: what was counted to one user is given back there."""
    env = {"A": "b" * 40000}
    by_subordinate(0, lambda: cvmd.launch("n0", env=env))
    assert refused(1, lambda: cvmd.launch("n1", env=env))["resource"] == "secrets of one user"
    (cvmd.directory / "subuid").write_text("")
    cvmd.process.send_signal(signal.SIGHUP)
    eventually(lambda: "configuration reloaded" in cvmd.log(), cvmd.log)
    by_subordinate(1, lambda: cvmd.launch("n1", env=env))
    for name in ("n0", "n1"):
        cvmd.discard(name)
    by(ANN, lambda: cvmd.launch("n2", env=env))
    by_subordinate(0, lambda: cvmd.launch("n3", env=env))


@contextlib.contextmanager
def acting_as(uid):
    os.setegid(grp.getgrnam(USERS).gr_gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_connections(cvmd):
    """Each of another uid, they leave no room for one more of the user's."""
    with contextlib.ExitStack() as connections:
        for number in range(CONNECTIONS):
            with acting_as(FIRST + number):
                connections.enter_context(cvmd.client())
        with pytest.raises(Failed):
            by(ANN, cvmd.cvms)
        with pytest.raises(Failed):
            by_subordinate(CONNECTIONS, cvmd.cvms)
        assert by(BOB, cvmd.cvms) == []
    eventually(lambda: is_served(lambda: by(ANN, cvmd.cvms)), cvmd.log)


def is_served(function):
    try:
        return function() == []
    except Failed:
        return False


def test_ranges_that_cannot_be_read(cvmd):
    """The daemon says so, and serves."""
    (cvmd.directory / "subuid").unlink()
    (cvmd.directory / "subuid").mkdir()
    cvmd.process.send_signal(signal.SIGHUP)
    eventually(lambda: "subordinate uids" in cvmd.log(), cvmd.log)
    by_subordinate(0, lambda: cvmd.launch("n0"))
