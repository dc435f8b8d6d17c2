# SPDX-License-Identifier: Apache-2.0
"""Users that one user can be, by subuid(5), have that user's quotas together."""
import contextlib
import grp
import json
import os
import signal

import pytest

from harness.processes import eventually, has_ended
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
                                "artifactBytesPerUid": "16M", "memoryPerUid": "256M"}}
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
        "resource": "CVMs of one user", "limit": 3, "used": 3, "wanted": 1, "name": "n3"}
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


def test_consoles(cvmd):
    """They are connections still: a user has as many of both together."""
    by(ANN, lambda: cvmd.launch("web", wait="ready"))
    with contextlib.ExitStack() as consoles:
        for _ in range(CONNECTIONS):
            with acting_as(ANN):
                client = consoles.enter_context(cvmd.client())
            client.upgrade("io.cvmd.Manager.Console", name="web")
        with pytest.raises(Failed):
            by(ANN, cvmd.cvms)
        assert by(BOB, cvmd.cvms) == []
    eventually(lambda: [cvm["name"] for cvm in served(cvmd)] == ["web"], cvmd.log)


def served(cvmd):
    try:
        return by(ANN, cvmd.cvms)
    except Failed:
        return []


def is_served(function):
    try:
        return function() == []
    except Failed:
        return False


def reload(cvmd, text):
    (cvmd.directory / "subuid").write_text(text)
    seen = cvmd.log().count("configuration")
    cvmd.process.send_signal(signal.SIGHUP)
    eventually(lambda: cvmd.log().count("configuration") > seen, cvmd.log)
    return cvmd.log().splitlines()[-1]


def refuses_to_start(cvmd):
    assert cvmd.terminate() == 0
    cvmd.spawn()
    return cvmd.process.wait(15)


@pytest.mark.parametrize("too_much", [f"{ANN}:1:1\n" * 70000, "\n" * (17 << 20)],
                         ids=["ranges", "bytes"])
def test_ranges_that_are_too_many(cvmd, too_much):
    """Nobody gets the quotas of many by that: what was read before stays in force."""
    assert "not reloaded" in reload(cvmd, too_much)
    for number in range(3):
        by_subordinate(number, lambda: cvmd.launch(f"n{number}"))
    refused(3, lambda: cvmd.launch("n3"))
    for number in range(3):
        cvmd.discard(f"n{number}")
    assert refuses_to_start(cvmd) == 78
    assert f"{cvmd.directory}/subuid" in cvmd.log().splitlines()[-1]


def test_ranges_that_cannot_be_read(cvmd):
    (cvmd.directory / "subuid").unlink()
    (cvmd.directory / "subuid").mkdir()
    assert refuses_to_start(cvmd) == 78
    assert "/subuid: Is a directory" in cvmd.log().splitlines()[-1]


def test_ranges_that_come_with_a_reload(cvmd):
    """CVMs that run are counted to the user whose uids theirs are now; none ends. Their secrets and
    artifacts go with them, shared ones once."""
    env = {"A": "b" * 20000}
    initramfs, big = ({"path": str(cvmd.directory / name)} for name in ("initramfs", "big"))
    for name, size in ("initramfs", 5_000_000), ("big", 12_000_000):
        (cvmd.directory / name).write_bytes(b"070701" + bytes(size))
        (cvmd.directory / name).chmod(0o644)
    assert "reloaded" in reload(cvmd, "")
    for number in range(2):
        by_subordinate(number, lambda: cvmd.launch(f"n{number}", env=env, initramfs=initramfs))
        by(ANN, lambda: cvmd.launch(f"anns{number}", env=env))
    assert "configuration reloaded" in reload(cvmd, f"{ANN}:{FIRST}:1000\n")
    assert {cvm["state"] for cvm in cvmd.cvms()} == {"running"} and len(cvmd.cvms()) == 4
    assert refused(2, lambda: cvmd.launch("n2"))["used"] == 4
    cvmd.discard("n0")
    cvmd.discard("anns0")
    used = refused(2, lambda: cvmd.launch("n2", env={"A": "b" * 40000}))
    assert used["resource"] == "secrets of one user" and used["used"] == 2 * 20480
    used = refused(2, lambda: cvmd.launch("n2", initramfs=big))
    assert used["resource"] == "artifacts of one user" and 5_000_000 <= used["used"] < 5_200_000
    cvmd.discard("n1")
    cvmd.discard("anns1")
    # Nothing is left with any of the accounts, and nothing is counted to whoever has the first uid.
    assert "configuration reloaded" in reload(cvmd, "")
    for number in range(2):
        by_subordinate(number, lambda: cvmd.launch(f"n{number}", env={"A": "b" * 50000}))
    by(ANN, lambda: cvmd.launch("anns0", env={"A": "b" * 50000}))


def test_ranges_with_uids_of_cvms(cvmd):
    """Whoever may act as a CVM's uid could take its QEMU over: also a uid that new CVMs do not get
    any more."""
    cvm = cvmd.launch("web")
    record = json.loads((cvmd.state / "records" / f"{cvm['id']}.json").read_text())
    taken = f"{ANN}:{record['uid']}:2\n"
    assert "has uids of CVMs" in reload(cvmd, taken)
    cvmd.config["uids"] = {"first": 1800001000, "last": 1800001999}
    cvmd.config_path.write_text(json.dumps(cvmd.config))
    assert "has uids of CVMs" in reload(cvmd, taken)
    pid = cvmd.status("web")["pid"]
    assert refuses_to_start(cvmd) == 78
    assert "/subuid" in cvmd.log().splitlines()[-1] and not has_ended(pid)
    (cvmd.directory / "subuid").write_text("")
    cvmd.start()
    assert cvmd.status("web")["pid"] == pid
    cvmd.discard("web")
    assert "configuration reloaded" in reload(cvmd, taken)
    (cvmd.directory / "subuid").write_text(f"{ANN}:1800001999:2\n")
    assert refuses_to_start(cvmd) == 78
    assert "has uids of CVMs" in cvmd.log()
