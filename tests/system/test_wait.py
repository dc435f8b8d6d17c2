# SPDX-License-Identifier: Apache-2.0
"""Wait and cvmctl wait: until a CVM runs, is ready or has ended."""
import subprocess

import pytest

from harness.daemon import CVMCTL
from harness.varlink import VarlinkError


def begin(daemon, **parameters):
    """A client whose Wait has begun: the daemon has taken up all that came before."""
    client = daemon.client()
    client.send("Wait", parameters)
    daemon.call("List")
    return client


def refused(client):
    with pytest.raises(VarlinkError) as refusal:
        client.receive()
    return refusal.value.name, refusal.value.fields


def test_until_it_is_ready(cvmd):
    with cvmd.client() as launching:
        launching.send("Launch", {"spec": cvmd.spec("web", cmdline="fake.ready-ms=300")})
        cvmd.wait_state("web", "starting", "running")
        cvm = cvmd.call("Wait", name="web", **{"for": "ready"})["cvm"]
        assert cvm["ready"] and cvm["state"] == "running"
        launching.receive()
    assert cvmd.call("Wait", name="web", **{"for": "ready"})["cvm"] == cvm
    assert cvmd.call("Wait", id=cvm["id"], **{"for": "running"})["cvm"] == cvm


def test_until_it_has_ended(cvmd):
    cvmd.launch("web")
    with begin(cvmd, name="web") as waiting:
        cvmd.stop("web", force=True)
        assert waiting.receive()[0]["cvm"] == cvmd.status("web")
    assert cvmd.call("Wait", name="web", **{"for": "stopped"})["cvm"]["state"] == "stopped"


def test_until_it_is_resumed(cvmd):
    cvmd.launch("web", paused=True)
    with begin(cvmd, name="web", **{"for": "running"}) as waiting:
        cvmd.call("Resume", name="web")
        assert waiting.receive()[0]["cvm"]["state"] == "running"


@pytest.mark.parametrize("goal", ["running", "ready"])
def test_it_does_not_come_any_more(cvmd, goal):
    id_ = cvmd.launch("web", paused=True)["id"]
    expected = ("WrongState", {"name": "web", "id": id_, "state": "stopped", "allowed": [
        "preparing", "starting", "running", "paused", "restarting"]})
    with begin(cvmd, name="web", **{"for": goal}) as waiting:
        cvmd.stop("web", force=True)
        name, fields = refused(waiting)
    assert (name, fields) == expected
    with begin(cvmd, name="web", **{"for": goal}) as waiting:
        assert refused(waiting) == expected


def test_not_for_ever(cvmd):
    id_ = cvmd.launch("web")["id"]
    with begin(cvmd, id=id_, timeoutSec=1) as waiting:
        assert refused(waiting) == (
            "Timeout", {"stage": "stopped", "afterMSec": 1000, "name": "web", "id": id_})


def test_what_cannot_be_waited_for(cvmd):
    cvmd.launch("web")
    for parameters in ({"for": "removed"}, {"for": ""}):
        with begin(cvmd, name="web", **parameters) as waiting:
            with pytest.raises(VarlinkError) as refusal:
                waiting.receive()
            assert refusal.value.bad_parameter() == "for"


def test_the_daemon_exits(cvmd):
    cvmd.launch("web")
    with begin(cvmd, name="web") as waiting:
        assert cvmd.terminate() == 0
        assert refused(waiting)[0] == "SystemError"
    cvmd.start()


def test_waiting_clients_that_leave(cvmd):
    """Nothing of them stays: the fixture compares what the daemon holds."""
    cvmd.launch("web")
    for _ in range(20):
        begin(cvmd, name="web", timeoutSec=1000).close()
    cvmd.stop("web", force=True)


def test_cvmctl_wait(cvmd):
    for name in ("a", "b"):
        cvmd.launch(name)
    waiting = subprocess.Popen([CVMCTL, "--socket", cvmd.socket, "wait", "a", "b"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    for name in ("a", "b"):
        cvmd.stop(name, force=True)
    output, _ = waiting.communicate(timeout=60)
    assert (output, waiting.returncode) == ("a: stopped\nb: stopped\n", 0)
    assert cvmd.cvmctl("wait", "a", "--for", "ready", check=False).returncode == 1
    cvmd.launch("c")
    assert cvmd.cvmctl("wait", "c", "--timeout", "1", check=False).returncode == 75
