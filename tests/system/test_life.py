# SPDX-License-Identifier: Apache-2.0
"""The states of a CVM, how it ends, and that whatever ends it leaves nothing."""
import json
import os
import pathlib
import re
import signal
import time

import pytest

from harness import exits, libvirt, processes
from harness.processes import BRIEF_SEC, SLOWNESS, eventually
from harness.varlink import VarlinkError

# Reasons for leaving a test out with driver libvirt.
SIGNALS = pytest.mark.qemu_driver("libvirt does not tell by which signal or with which status QEMU "
                                  "ended, and ends it by signals")
AWAY = pytest.mark.qemu_driver("libvirt ends a domain with its guest, and does not remember why")


def ended(daemon, state, reason, name="web"):
    """The ending of a CVM that came to this state for this reason, with nothing left of it."""
    cvm = daemon.wait_state(name, "stopped", "failed")
    assert (cvm["state"], cvm["ending"]["reason"]) == (state, reason), daemon.log()
    assert "pid" not in cvm or cvm["pid"] is None
    assert not (daemon.runtime / "shares" / cvm["id"]).exists()
    assert not (daemon.runtime / "vms" / cvm["id"]).exists()
    return cvm["ending"]


def launch_failed(daemon, name="web"):
    """The detail of the ending of a CVM whose QEMU had started, with nothing left of that; removes
    the CVM."""
    detail = ended(daemon, "failed", "launch-failed", name)["detail"]
    daemon.call("Remove", name=name)
    assert name not in [cvm["name"] for cvm in daemon.cvms()]
    return detail


def test_a_launch_in_stages(cvmd):
    with cvmd.client() as client:
        replies = list(client.stream("Launch", spec=cvmd.spec("web"), wait="ready"))
    stages = [reply["stage"] for reply in replies if reply.get("stage")]
    assert stages == ["admitted", "artifacts", "rendered", "starting", "running", "ready"]
    cvm = replies[-1]["cvm"]
    assert (cvm["state"], cvm["ready"]) == ("running", True)
    assert cvm["createdAt"] <= cvm["startedAt"] <= cvm["readyAt"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", cvm["id"])


def test_running_comes_before_ready(cvmd):
    cvm = cvmd.launch("web", cmdline="fake.ready-ms=300")
    assert (cvm["state"], cvm["ready"]) == ("running", False)
    assert cvmd.wait_ready("web")["readyAt"] > cvm["startedAt"]


def test_status_of_the_guest(cvmd):
    cvmd.launch("web", cmdline='fake.status="mounting shares"', wait="ready")
    assert cvmd.status("web")["guestStatus"] == "mounting shares"
    cvmd.kill()
    cvmd.start()
    assert cvmd.status("web")["guestStatus"] == "mounting shares"


def test_noise_for_readiness(cvmd):
    """What a guest says that is no notification is passed over, and does no harm."""
    cvmd.launch("web", cmdline="fake.notify-garbage", wait="ready")
    assert cvmd.status("web")["state"] == "running"


def test_never_ready(make_daemon, config):
    config["timeouts"]["readySec"] = 1
    daemon = make_daemon(config)
    daemon.launch("web", cmdline="fake.no-ready")
    with daemon.client() as client:
        for reply in client.stream("Watch", fromSequence=0):
            if reply["event"]["kind"] == "note":
                break
    assert daemon.status("web")["state"] == "running"


def test_launch_that_waits_for_ready_in_vain(cvmd):
    """timeoutSec bounds the call; at its end the CVM has failed."""
    cvmd.launch("other")  # and its files are read and in memory: the time is READY's
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call("Launch", spec=cvmd.spec("web", cmdline="fake.no-ready"), wait="ready",
                  timeoutSec=BRIEF_SEC)
    assert refusal.value.name == "Timeout" and refusal.value.fields["stage"] == "ready"
    assert "timed out at stage 'ready'" in launch_failed(cvmd)


def test_cvmctl_timeout_is_5(cvmd):
    cvmd.launch("other")
    done = cvmd.cvmctl("launch", "web", "--platform", "plain", "--kernel", cvmd.kernel,
                       "--initramfs", cvmd.initramfs, "--memory", "64M", "--cmdline",
                       "fake.no-ready", "--wait", "ready", "--timeout", BRIEF_SEC, check=False)
    assert done.returncode == exits.TRY_AGAIN
    assert done.stderr.splitlines()[0].startswith("cvmctl: timed out at stage 'ready'")


def test_paused_at_first(cvmd):
    cvm = cvmd.launch("web", paused=True)
    assert (cvm["state"], cvm["ready"]) == ("paused", False)
    assert cvmd.call("Resume", name="web")["cvm"]["state"] == "running"
    cvmd.wait_ready("web")


def test_pause_and_resume(cvmd):
    id_ = cvmd.launch("web")["id"]
    assert cvmd.call("Pause", name="web")["cvm"]["state"] == "paused"
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call("Pause", name="web")
    assert refusal.value.name == "WrongState"
    assert refusal.value.fields == {"name": "web", "id": id_, "state": "paused",
                                    "allowed": ["running"]}
    assert cvmd.call("Resume", name="web")["cvm"]["state"] == "running"


@pytest.mark.parametrize("method", ["Status", "Stop", "Pause", "Resume", "Remove", "Logs"])
def test_of_none_there_is(cvmd, method):
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call(method, name="nobody")
    assert (refusal.value.name, refusal.value.fields) == ("NoSuchCvm", {"name": "nobody"})


def test_cvmctl_not_found_is_3(cvmd):
    done = cvmd.cvmctl("status", "nobody", check=False)
    assert done.returncode == exits.NOT_FOUND and "nobody" in done.stderr


# Ends


def test_stop_by_the_power_button(cvmd):
    cvmd.launch("web")
    start = time.monotonic()
    assert cvmd.stop("web")["state"] == "stopped"
    assert time.monotonic() - start < 10 * SLOWNESS
    assert ended(cvmd, "stopped", "stopped").get("signal") is None


def test_stop_by_quit(cvmd):
    cvmd.launch("web", cmdline="fake.ignore-powerdown")
    start = time.monotonic()
    assert cvmd.stop("web", timeoutSec=1)["state"] == "stopped"
    assert 0.9 < time.monotonic() - start < 10 * SLOWNESS
    assert ended(cvmd, "stopped", "stopped").get("signal") is None


@SIGNALS
def test_stop_by_sigkill(cvmd):
    cvmd.launch("web", cmdline="fake.ignore-powerdown fake.ignore-quit",
                timeouts={"powerdownSec": 1, "quitSec": 1})
    start = time.monotonic()
    assert cvmd.stop("web")["state"] == "stopped"
    assert 1.9 < time.monotonic() - start < 15 * SLOWNESS
    assert ended(cvmd, "stopped", "killed")["signal"] == signal.SIGKILL


@SIGNALS
def test_a_qemu_that_stays_after_its_guest(cvmd):
    """The guest has powered off; a QEMU that does not quit then is killed."""
    cvmd.launch("web", cmdline="fake.ignore-quit fake.poweroff-ms=50", timeouts={"quitSec": 1})
    assert ended(cvmd, "stopped", "power-off")["signal"] == signal.SIGKILL


def test_stop_by_force_leaves_the_button_out(cvmd):
    cvmd.launch("web", cmdline="fake.ignore-powerdown", timeouts={"powerdownSec": 60})
    start = time.monotonic()
    assert cvmd.stop("web", force=True)["state"] == "stopped"
    assert time.monotonic() - start < 10 * SLOWNESS


def test_the_button_is_pressed_again_while_the_guest_boots(cvmd):
    """Until its kernel is up, a guest does not see it."""
    cvmd.launch("web", cmdline="fake.deaf-ms=1500 fake.no-ready", timeouts={"powerdownSec": 300})
    assert cvmd.stop("web")["state"] == "stopped"


def test_force_hastens_a_stop_in_work(cvmd):
    cvmd.launch("web", cmdline="fake.ignore-powerdown", timeouts={"powerdownSec": 60})
    with cvmd.client() as patient:
        patient.send("Stop", {"name": "web"})
        cvmd.wait_state("web", "stopping")
        assert cvmd.stop("web", force=True)["state"] == "stopped"
        assert patient.receive()[0]["cvm"]["state"] == "stopped"


def test_stop_of_a_hanging_qemu(cvmd):
    """SIGSTOP: neither button nor quit is heard; the daemon and other CVMs are not held up."""
    cvm = cvmd.launch("web", timeouts={"powerdownSec": 1, "quitSec": 1})
    cvmd.launch("other")
    os.kill(cvm["pid"], signal.SIGSTOP)
    with cvmd.client() as client:
        client.send("Stop", {"name": "web"})
        start = time.monotonic()
        assert cvmd.stop("other")["state"] == "stopped"
        assert time.monotonic() - start < 10 * SLOWNESS
        assert client.receive()[0]["cvm"]["state"] == "stopped"
    if not libvirt.USED:
        assert ended(cvmd, "stopped", "killed")["signal"] == signal.SIGKILL


def test_pause_of_a_hanging_qemu_holds_up_nobody(cvmd):
    cvm = cvmd.launch("web")
    os.kill(cvm["pid"], signal.SIGSTOP)
    with cvmd.client() as client:
        client.send("Pause", {"name": "web"})
        assert len(cvmd.cvms()) == 1
        os.kill(cvm["pid"], signal.SIGCONT)
        assert client.receive()[0]["cvm"]["state"] == "paused"


def test_stop_of_a_stopped_one_succeeds(cvmd):
    cvmd.launch("web")
    assert cvmd.stop("web") == cvmd.stop("web", force=True)


def test_stop_while_paused(cvmd):
    cvmd.launch("web", paused=True)
    assert cvmd.stop("web", force=True)["state"] == "stopped"


def test_killed(cvmd):
    cvm = cvmd.launch("web")
    os.kill(cvm["pid"], signal.SIGKILL)
    ending = ended(cvmd, "failed", libvirt.KILLED)
    assert ending.get("signal") == (None if libvirt.USED else signal.SIGKILL)
    assert ending["at"] > cvm["startedAt"]


def silent_qemus(cvmd):
    """Not one that is only asked what it can do."""
    found = (libvirt.domains(cvmd.directory) if libvirt.USED
             else processes.children(cvmd.process.pid))
    return [pid for pid in found if "fake.no-qmp" in processes.command(pid)]


def test_killed_while_starting(cvmd):
    """A launch whose QEMU dies under it answers with that, and leaves it with the CVM."""
    with cvmd.client() as client:
        client.send("Launch", {"spec": cvmd.spec("web", cmdline="fake.no-qmp")})
        pid = eventually(lambda: silent_qemus(cvmd), "a QEMU")[0]
        time.sleep(0.3 * SLOWNESS)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(VarlinkError) as refusal:
            client.receive()
    assert (refusal.value.name, refusal.value.fields["stage"]) == ("LaunchFailed", "starting")
    assert refusal.value.fields["reason"] in launch_failed(cvmd)


@pytest.mark.parametrize("cmdline, state, reason", [
    ("fake.poweroff-ms=50", "stopped", "power-off"),
    ("fake.reset-ms=50", "stopped", "guest-reset"),
    ("fake.panic-ms=50", "failed", "guest-panic"),
    ("fake.exit-ms=50", "failed", "qemu-exit"),
    pytest.param("fake.die-ms=50", "failed", "qemu-signal", marks=SIGNALS),
    ("fake.internal-error-ms=50", "failed", "internal-error"),
])
def test_ends_by_itself(cvmd, cmdline, state, reason):
    cvmd.launch("web", cmdline=cmdline)
    ending = ended(cvmd, state, reason)
    assert ending.get("signal") == (signal.SIGSEGV if reason == "qemu-signal" else None)
    if not libvirt.USED:
        assert ending.get("exitCode") == (1 if reason == "qemu-exit" else ending.get("exitCode"))


@pytest.mark.qemu_driver("libvirt takes a guest's end without a reason for a shutdown")
def test_an_end_that_qemu_does_not_explain(cvmd):
    """A QEMU that its guest has taken over says what it likes."""
    cvmd.launch("web", cmdline="fake.poweroff-ms=50 fake.no-reason")
    ended(cvmd, "stopped", "stopped")


@pytest.mark.qemu_driver("libvirt keeps what QEMU says in a log of its own")
def test_the_last_words_of_qemu_are_kept(cvmd):
    cvmd.launch("web", cmdline='fake.exit-ms=50 fake.stderr="qemu: out of ideas"')
    assert "qemu: out of ideas" in ended(cvmd, "failed", "qemu-exit")["detail"]


# A start that fails


def failed_start(daemon, **fields):
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch("web", **fields)
    assert refusal.value.name == "LaunchFailed", refusal.value
    assert refusal.value.fields["stage"] == "starting"
    detail = launch_failed(daemon)
    assert refusal.value.fields["reason"] in detail
    # what is no text in its lines is shown in another way there
    assert all(line in detail for line in refusal.value.fields.get("log", "").splitlines()[-1:])
    return refusal.value.fields


def test_qemu_fails_and_says_why(cvmd):
    fields = failed_start(cvmd, cmdline='fake.exit=1 fake.stderr="qemu: no such luck"')
    assert "qemu: no such luck" in fields["log"]


def test_cvmctl_shows_what_qemu_said(cvmd):
    done = cvmd.cvmctl("launch", "web", "--platform", "plain", "--kernel", cvmd.kernel,
                       "--initramfs", cvmd.initramfs, "--memory", "64M", "--cmdline",
                       'fake.exit=1 fake.stderr="qemu: no such luck"', check=False)
    assert done.returncode == 1 and "qemu: no such luck" in done.stderr


@pytest.mark.parametrize("cmdline", ["fake.qmp-garbage", "fake.exit=0", "fake.exit=3"])
def test_qemu_makes_no_sense(cvmd, cmdline):
    assert failed_start(cvmd, cmdline=cmdline)["reason"]


@pytest.mark.parametrize("cmdline", ["fake.no-qmp", "fake.qmp-silent"])
def test_qemu_never_answers(cvmd, cmdline):
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web", cmdline=cmdline, timeouts={"startSec": 1})
    assert refusal.value.name in ("Timeout", "LaunchFailed"), refusal.value
    launch_failed(cvmd)


def test_qemu_that_floods(cvmd):
    """Events without end are read, bounded, and hold up nobody."""
    cvmd.launch("web", cmdline="fake.qmp-flood")
    cvmd.launch("other")
    assert cvmd.stop("other")["state"] == "stopped"
    assert cvmd.stop("web", force=True)["state"] == "stopped"


@pytest.mark.parametrize("binary", ["/none/qemu", "/etc/passwd", "/tmp"])
def test_qemu_is_missing(make_daemon, config, binary):
    config["qemu"] = {"default": binary}
    daemon = make_daemon(config)
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch("web")
    error = refusal.value
    assert error.name in ("HostNotReady", "LaunchFailed"), error
    assert binary in json.dumps(error.fields)
    if error.name == "LaunchFailed":  # by exec(2), behind the gate
        launch_failed(daemon)
    assert daemon.cvms() == []


def test_a_caller_that_leaves(cvmd):
    """The launch fails: nobody waits for it."""
    with cvmd.client() as client:
        client.send("Launch", {"spec": cvmd.spec("web", cmdline="fake.no-qmp")})
        eventually(lambda: silent_qemus(cvmd), "a QEMU")
    assert "disconnected" in launch_failed(cvmd)


# Names, ids, removal


def test_a_name_in_use(cvmd):
    id_ = cvmd.launch("web")["id"]
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web")
    assert (refusal.value.name, refusal.value.fields) == (
        "CvmExists", {"name": "web", "id": id_, "anothers": False})


def test_a_stopped_one_is_replaced(cvmd):
    first = cvmd.launch("web")
    cvmd.stop("web", force=True)
    second = cvmd.launch("web")
    assert second["id"] != first["id"]
    assert [cvm["id"] for cvm in cvmd.cvms()] == [second["id"]]


def test_an_id_of_the_callers(cvmd):
    own = "0b0e7e8c-7a5d-4f0e-8f3e-0123456789ab"
    first = cvmd.call("Launch", spec=cvmd.spec("web"), id=own)["cvm"]
    again = cvmd.call("Launch", spec=cvmd.spec("web"), id=own)["cvm"]
    assert first["id"] == again["id"] == own and first.get("pid") == again.get("pid")
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call("Launch", spec=cvmd.spec("two"), id="../../etc")
    assert refusal.value.bad_parameter() == "id"


def test_remove(cvmd):
    cvmd.launch("web")
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call("Remove", name="web")
    assert refusal.value.name == "WrongState"
    assert set(refusal.value.fields["allowed"]) == {"stopped", "failed"}
    cvmd.stop("web", force=True)
    cvmd.call("Remove", name="web")
    cvmd.assert_clean()


def test_list_by_state_and_platform(cvmd):
    cvmd.launch("b")
    cvmd.launch("a")
    cvmd.stop("b", force=True)

    def names(**parameters):
        return [cvm["name"] for cvm in cvmd.call("List", **parameters)["cvms"]]

    assert names() == ["a", "b"]
    assert names(state="running") == ["a"] and names(state="stopped") == ["b"]
    assert names(platform="plain") == ["a", "b"] and names(platform="tdx") == []


# The daemon's own end


def test_it_outlives_its_daemon(cvmd):
    before = cvmd.launch("web", wait="ready")
    assert cvmd.terminate() == 0
    assert processes.state(before["pid"]) not in (None, "Z")
    cvmd.start()
    after = cvmd.status("web")
    for key in ("id", "pid", "state", "ready", "forwards", "createdAt", "artifacts"):
        assert after[key] == before[key], key
    assert cvmd.stop("web")["state"] == "stopped"


@AWAY
def test_it_ends_while_nobody_watches(cvmd):
    cvm = cvmd.launch("web")
    cvmd.kill()
    os.kill(cvm["pid"], signal.SIGKILL)
    processes.reap()
    cvmd.start()
    ended(cvmd, "failed", "lost")


@SIGNALS
def test_killed_under_a_daemon_that_found_it_again(cvmd):
    """Newer kernels tell the status of a process to those whose child it is not."""
    cvm = cvmd.launch("web")
    cvmd.kill()
    cvmd.start()
    os.kill(cvm["pid"], signal.SIGKILL)
    eventually(lambda: processes.reap() or processes.state(cvm["pid"]) is None, "it is reaped")
    knows = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 15)
    ending = ended(cvmd, "failed", "qemu-signal" if knows else "lost")
    assert ending.get("signal") == (signal.SIGKILL if knows else None)


@SIGNALS
def test_terminated_under_a_daemon_that_found_it_again(cvmd):
    """QEMU says that it was told to go."""
    cvm = cvmd.launch("web")
    cvmd.kill()
    cvmd.start()
    os.kill(cvm["pid"], signal.SIGTERM)
    eventually(lambda: processes.reap() or processes.state(cvm["pid"]) is None, "it is reaped")
    ended(cvmd, "stopped", "stopped")


def test_a_stop_that_ends_while_nobody_watches(cvmd):
    cvm = cvmd.launch("web", cmdline="fake.ignore-powerdown")
    with cvmd.client() as client:
        client.send("Stop", {"name": "web"})
        cvmd.wait_state("web", "stopping")
        cvmd.kill()
    os.kill(cvm["pid"], signal.SIGTERM)
    cvmd.wait_gone(cvm["pid"])
    processes.reap()
    cvmd.start()
    ended(cvmd, "stopped", "stopped")


def runs_unwatched(cvmd, cmdline):
    """The guest does what it is told while no daemon is there. Returns its QEMU's pid."""
    pid = cvmd.launch("web", cmdline=cmdline, paused=True)["pid"]
    with cvmd.client() as client:
        client.send("Resume", {"name": "web"})
        client.receive()
        cvmd.kill()
    time.sleep(0.2 * SLOWNESS)
    cvmd.start()
    return pid


@pytest.mark.parametrize("cmdline, state, reason", [
    pytest.param("fake.poweroff-ms=50", "stopped", "power-off-or-reboot", marks=AWAY),
    pytest.param("fake.reset-ms=50", "stopped", "power-off-or-reboot", marks=AWAY),
    pytest.param("fake.panic-ms=50", "failed", "guest-panic", marks=AWAY),
    ("fake.internal-error-ms=50", "failed", "internal-error"),
])
def test_a_guest_that_ends_while_nobody_watches(cvmd, cmdline, state, reason):
    """QEMU stays to tell what it knows."""
    pid = runs_unwatched(cvmd, cmdline)
    ended(cvmd, state, reason)
    cvmd.wait_gone(pid)
    processes.reap()


def test_a_disk_that_fails_while_nobody_watches(cvmd):
    pid = runs_unwatched(cvmd, "fake.io-error-ms=50")
    cvmd.wait_state("web", "paused")
    assert cvmd.call("Resume", name="web")["cvm"]["state"] == "running"
    cvmd.stop("web", force=True)
    cvmd.wait_gone(pid)
    processes.reap()


def test_a_launch_that_the_daemon_did_not_finish(cvmd):
    with cvmd.client() as client:
        client.send("Launch", {"spec": cvmd.spec("web", cmdline="fake.no-qmp", env={"A": "b"})})
        pid = eventually(lambda: silent_qemus(cvmd), "a QEMU")[0]
        time.sleep(0.3 * SLOWNESS)
        cvmd.kill()
    cvmd.start()
    assert launch_failed(cvmd) == "the daemon ended during the launch"
    cvmd.wait_gone(pid)
    processes.reap()


def test_a_record_that_is_none(cvmd):
    """It is set aside, and nothing is done on its word."""
    cvm = cvmd.launch("web")
    assert cvmd.terminate() == 0
    bad = cvmd.state / "records" / "00000000-0000-0000-0000-000000000000.json"
    for text in ("", "{", "[]", json.dumps({"version": 1, "pid": os.getpid()})):
        bad.write_text(text)
        cvmd.start()
        assert [one["id"] for one in cvmd.cvms()] == [cvm["id"]]
        assert not bad.exists()
        assert cvmd.terminate() == 0
    cvmd.start()
    for path in bad.parent.glob("*.bad"):
        path.unlink()


def test_what_a_record_holds_is_no_secret(cvmd):
    cvmd.launch("web", env={"TOKEN": "topsecret"}, certs={"key.pem": {"text": "topsecret"}})
    everywhere = [cvmd.log_path, *(path for path in cvmd.state.rglob("*") if path.is_file())]
    assert not [path for path in everywhere if b"topsecret" in path.read_bytes()]
    argv = pathlib.Path(f"/proc/{cvmd.status('web')['pid']}/cmdline").read_bytes()
    assert b"topsecret" not in argv
