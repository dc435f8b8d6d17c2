# SPDX-License-Identifier: Apache-2.0
"""Restart and cvmctl restart: a CVM that a client has stopped and launched again."""
import json
import os
import signal
import socket

import pytest

from harness import libvirt, processes
from harness.processes import BRIEF_SEC, SLOWNESS, eventually
from harness.varlink import VarlinkError

SECRETS = {"env": {"TOKEN": "s3cret"}, "certs": {"key.pem": {"text": "s3cret"}}}
KEPT = ("id", "name", "uid", "forwards", "artifacts", "createdAt", "owner")
ALLOWED = ["running", "paused", "restarting"]


def restart(daemon, **parameters):
    return libvirt.with_pid(daemon.call("Restart", name="web", **parameters)["cvm"])


def begin(daemon, method, **parameters):
    """A client whose call has begun: the daemon has taken up all that came before."""
    client = daemon.client()
    client.send(method, parameters if "spec" in parameters else {"name": "web", **parameters})
    daemon.call("List")
    return client


def refused(call):
    with pytest.raises(VarlinkError) as refusal:
        call()
    return refusal.value.name, refusal.value.fields


def agent(cvm):
    port = cvm["forwards"][0]["hostPort"]
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"{}\n")
        return json.loads(connection.makefile().readline())


def states(daemon):
    """The states that web has been in, with the reasons."""
    found = []
    with daemon.client() as client:
        last = daemon.call("List")["sequence"] - 1
        for reply in client.stream("Watch", fromSequence=0):
            event = reply["event"]
            if event["kind"] == "state":
                found.append((event["newState"], (event.get("detail") or {}).get("reason")))
            if event["sequence"] == last:
                return found


@pytest.mark.parametrize("fields", [{}, {"force": True}], ids=["", "force"])
def test_the_same_cvm_in_another_process(cvmd, fields):
    first = cvmd.launch("web", wait="ready", **SECRETS)
    seen = agent(first)
    second = restart(cvmd, **fields)
    assert {key: second[key] for key in KEPT} == {key: first[key] for key in KEPT}
    assert second["state"] == "running" and second["restarts"] == 1 and not second.get("ending")
    assert second["pid"] != first["pid"] and second["startedAt"] > first["startedAt"]
    assert agent(cvmd.wait_ready("web")) == seen
    assert states(cvmd)[-4:] == [("stopping", None), ("restarting", "restart-requested"),
                                 ("starting", "restart-requested"), ("running", None)]
    assert restart(cvmd)["restarts"] == 2
    assert cvmd.stop("web")["ending"]["reason"] in ("stopped", "killed")


def test_of_a_paused_one(cvmd):
    cvmd.launch("web", paused=True)
    assert restart(cvmd)["state"] == "running"


def test_it_counts_for_no_policy(cvmd):
    """Its policy would not have launched it, and its limit is for ends that nobody requested."""
    cvmd.launch("web", restart={"policy": "on-failure", "limit": 1, "backoffSec": 60})
    assert [restart(cvmd)["restarts"] for _ in range(3)] == [1, 2, 3]
    assert cvmd.status("web")["state"] == "running"


def test_the_guests_time_to_power_off_is_for_this_stop_alone(cvmd):
    cvmd.launch("web", cmdline="fake.ignore-powerdown", timeouts={"powerdownSec": 20})
    restart(cvmd, timeoutSec=1)
    assert json.loads((cvmd.state / "records" / f"{cvmd.status('web')['id']}.json").read_text())[
        "timeouts"]["powerdownSec"] == 20
    with begin(cvmd, "Restart") as patient:
        cvmd.wait_state("web", "stopping")
        assert restart(cvmd, force=True)["restarts"] == 2  # and hastens it
        assert patient.receive()[0]["cvm"]["restarts"] == 2


def test_during_the_backoff(cvmd):
    first = cvmd.launch("web", restart={"policy": "always", "backoffSec": 60})
    os.kill(first["pid"], signal.SIGKILL)
    eventually(lambda: processes.reap() or processes.state(first["pid"]) is None, "it is reaped")
    libvirt.wait_forgotten(first)
    cvmd.wait_state("web", "restarting")
    second = restart(cvmd)
    assert second["state"] == "running" and second["restarts"] == 1


def test_stop_wins(cvmd):
    cvm = cvmd.launch("web", cmdline="fake.ignore-powerdown")
    fields = {"name": "web", "id": cvm["id"], "allowed": ALLOWED}
    with begin(cvmd, "Restart", timeoutSec=2) as restarting:
        cvmd.wait_state("web", "stopping")
        with begin(cvmd, "Stop") as stopping:
            # it is stopped for good by now
            assert refused(lambda: restart(cvmd)) == ("WrongState", {**fields, "state": "stopping"})
            cvmd.kill()
            assert stopping.is_closed() and restarting.is_closed()
    cvmd.start()  # which knows that
    assert not cvmd.wait_state("web", "running", "stopped").get("restarts")
    assert refused(lambda: restart(cvmd)) == ("WrongState", {**fields, "state": "stopped"})


def test_a_stop_is_told_to_who_restarts(cvmd):
    cvm = cvmd.launch("web", cmdline="fake.ignore-powerdown")
    with begin(cvmd, "Restart", timeoutSec=20) as restarting:
        cvmd.wait_state("web", "stopping")
        assert cvmd.stop("web", force=True)["state"] == "stopped"
        assert refused(restarting.receive) == (
            "WrongState", {"name": "web", "id": cvm["id"], "state": "stopped", "allowed": ALLOWED})
    cvmd.call("Remove", name="web")


def test_the_time_to_live_wins(cvmd):
    cvmd.launch("web", cmdline="fake.ignore-powerdown", ttlSec=BRIEF_SEC)
    with begin(cvmd, "Restart", timeoutSec=2 * BRIEF_SEC) as restarting:
        assert refused(restarting.receive)[0] == "WrongState"
    assert cvmd.status("web")["ending"]["reason"] == "expired"


def test_a_daemon_that_died_meanwhile(cvmd):
    first = cvmd.launch("web", cmdline="fake.ignore-powerdown", **SECRETS)
    begin(cvmd, "Restart", timeoutSec=2).close()
    cvmd.wait_state("web", "stopping")
    cvmd.kill()
    cvmd.start()
    eventually(lambda: cvmd.status("web").get("restarts") == 1 and
               cvmd.status("web")["state"] == "running", cvmd.log)
    assert cvmd.status("web")["id"] == first["id"]


def test_a_launch_that_fails(cvmd):
    """Nobody knows whether a new attempt helps but the policy: without one it is failed."""
    cvmd.launch("web", **SECRETS)
    kernel = cvmd.kernel.read_bytes()
    cvmd.terminate()  # the next daemon reads it again
    cvmd.kernel.write_bytes(kernel[:-1] + bytes([kernel[-1] ^ 1]))
    cvmd.start()
    name, fields = refused(lambda: restart(cvmd))
    assert name == "LaunchFailed" and "did not run again: restart-failed" in fields["reason"]
    cvm = cvmd.status("web")
    assert (cvm["state"], cvm["ending"]["reason"]) == ("failed", "restart-failed")
    assert not (cvmd.runtime / "shares" / cvm["id"]).exists()


def test_a_launch_that_fails_and_is_tried_again(cvmd):
    cvmd.launch("web", restart={"policy": "always", "backoffSec": 60})
    kernel = cvmd.kernel.read_bytes()
    cvmd.terminate()
    cvmd.kernel.write_bytes(kernel[:-1] + bytes([kernel[-1] ^ 1]))
    cvmd.start()
    assert refused(lambda: restart(cvmd))[0] == "LaunchFailed"
    assert cvmd.status("web")["state"] == "restarting"
    cvmd.kernel.write_bytes(kernel)
    assert restart(cvmd)["state"] == "running"


def test_secrets_that_are_gone(cvmd):
    """It is said before anything is stopped."""
    cvm = cvmd.launch("web", wait="ready", **SECRETS)
    path = cvmd.runtime / "shares" / cvm["id"]
    path.rename(cvmd.directory / "elsewhere")
    assert refused(lambda: restart(cvmd)) == ("SecretsGone", {"name": "web", "id": cvm["id"]})
    done = cvmd.cvmctl("restart", "web", check=False)
    assert done.returncode == 1 and "no longer there" in done.stderr
    assert cvmd.status("web") == cvm
    (cvmd.directory / "elsewhere").rename(path)


@pytest.mark.qemu_driver("driver libvirt refuses such a disk")
def test_a_descriptor_without_a_path(cvmd):
    """There is nothing that a later launch could open: refused before anything is stopped."""
    path = cvmd.directory / "disk"
    path.write_bytes(bytes(1 << 20))
    descriptor = os.open(path, os.O_RDONLY)
    with cvmd.client() as client:
        spec = cvmd.spec("web", disks=[{"fd": 0}])
        path.unlink()
        client.call("Launch", {"spec": spec}, fds=[descriptor])
    os.close(descriptor)
    name, fields = refused(lambda: restart(cvmd))
    assert name == "InvalidSpec" and fields["field"] == "disks[0]"
    assert cvmd.status("web")["state"] == "running"


def test_what_cannot_be_restarted(cvmd):
    assert refused(lambda: restart(cvmd)) == ("NoSuchCvm", {"name": "web"})
    with cvmd.client() as launching:
        launching.send("Launch", {"spec": cvmd.spec("web", cmdline="fake.no-ready"),
                                  "wait": "ready"})
        cvm = cvmd.wait_state("web", "running")
        assert restart(cvmd, id=cvm["id"])["state"] == "running"
        name, fields = refused(launching.receive)
        assert name == "LaunchFailed" and "restart-requested" in fields["reason"]
    other = "00000000-0000-4000-8000-000000000000"
    assert refused(lambda: restart(cvmd, id=other))[0] == "NoSuchCvm"


def test_a_launch_that_failed_and_was_kept(cvmd):
    """It has ended: a Launch with its id launches it again, and a Restart does not."""
    other = "00000000-0000-4000-8000-000000000000"
    launch = {"spec": cvmd.spec("web", cmdline="fake.no-qmp"), "id": other}
    assert refused(lambda: cvmd.call("Launch", **launch, timeoutSec=round(2 * SLOWNESS)))[0] == \
        "Timeout"
    fields = {"name": "web", "id": other, "state": "failed", "allowed": ALLOWED}
    assert refused(lambda: restart(cvmd)) == ("WrongState", fields)
    assert cvmd.status("web")["ending"]["reason"] == "launch-failed"
    cvmd.terminate()
    cvmd.start()
    assert refused(lambda: restart(cvmd, id=other)) == ("WrongState", fields)
    with begin(cvmd, "Launch", **launch):
        cvmd.wait_state("web", "starting")
        assert refused(lambda: restart(cvmd)) == ("WrongState", {**fields, "state": "starting"})
    cvmd.wait_state("web", "failed")


def test_one_that_is_removed_at_its_end(cvmd):
    """A restart is no end; a launch that fails is."""
    cvmd.launch("web", remove="ended")
    assert [restart(cvmd, force=True)["restarts"] for _ in range(2)] == [1, 2]
    kernel = cvmd.kernel.read_bytes()
    cvmd.terminate()
    cvmd.kernel.write_bytes(kernel[:-1] + bytes([kernel[-1] ^ 1]))
    cvmd.start()
    assert refused(lambda: restart(cvmd))[0] == "LaunchFailed"
    eventually(lambda: cvmd.cvms() == [], "it is removed")


def test_the_daemon_exits(cvmd):
    cvmd.launch("web", cmdline="fake.ignore-powerdown")
    with begin(cvmd, "Restart", timeoutSec=2) as restarting:
        cvmd.wait_state("web", "stopping")
        assert cvmd.terminate() == 0
        assert refused(restarting.receive)[0] == "SystemError"
    cvmd.start()
    eventually(lambda: cvmd.status("web")["state"] == "running", cvmd.log)


def test_several_by_cvmctl(cvmd):
    for name in ("a", "b"):
        cvmd.launch(name)
    done = cvmd.cvmctl("restart", "a", "none", "b", "--force", check=False)
    assert done.stdout.splitlines() == ["a: restarted", "b: restarted"]
    assert done.returncode == 66 and done.stderr == "cvmctl: no CVM named 'none'\n"
    shown = json.loads(cvmd.cvmctl("restart", "a", "--timeout", "5", "--json").stdout)
    assert (shown["name"], shown["restarts"]) == ("a", 2)
    assert "Restart called by uid" in cvmd.log(None)
