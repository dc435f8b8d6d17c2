# SPDX-License-Identifier: Apache-2.0
"""What follows an end that nobody asked for, and a life that is limited."""
import base64
import json
import os
import pathlib
import re
import signal
import socket
import struct
import time

import pytest

from harness import libvirt, processes
from harness.processes import BRIEF_SEC, SLOWNESS, eventually
from harness.varlink import VarlinkError

ALWAYS = {"policy": "always", "backoffSec": 1}
ON_FAILURE = {"policy": "on-failure", "backoffSec": 1}
SLOWLY = {"policy": "always", "backoffSec": 60}
SECRETS = {"env": {"TOKEN": "s3cret"}, "certs": {"key.pem": {"text": "s3cret"}}}


def kill(cvm):
    os.kill(cvm["pid"], signal.SIGKILL)
    eventually(lambda: processes.reap() or processes.state(cvm["pid"]) is None, "it is reaped")
    libvirt.wait_forgotten(cvm)


def wait_again(daemon, before, name="web", seconds=15):
    """Running in another process than before."""
    gone = before["pid"]

    def again():
        cvm = daemon.status(name)
        return cvm if cvm["state"] == "running" and cvm.get("pid", gone) != gone else None
    return eventually(again, lambda: f"{daemon.status(name)}\n{daemon.log()}", seconds)


def ended(daemon, state, reason, name="web"):
    cvm = daemon.wait_state(name, "stopped", "failed")
    assert (cvm["state"], cvm["ending"]["reason"]) == (state, reason), daemon.log()
    assert not (daemon.runtime / "shares" / cvm["id"]).exists()
    assert not (daemon.runtime / "vms" / cvm["id"]).exists()
    return cvm


def reason(daemon):
    return (daemon.status("web").get("ending") or {}).get("reason")


def agent(cvm):
    """What the guest's agent sees of its environment and certificates."""
    port = cvm["forwards"][0]["hostPort"]
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"{}\n")
        return json.loads(connection.makefile().readline())


def another_boot(daemon):
    """As the records are after the host was restarted: of another boot, and what was in memory is
    gone."""
    for path in (daemon.state / "records").glob("*.json"):
        record = json.loads(path.read_text())
        record["bootId"] = "00000000-0000-4000-8000-000000000000"
        path.write_text(json.dumps(record))
    for path in (daemon.runtime / "shares").iterdir():
        for below in sorted(path.rglob("*"), reverse=True):
            below.rmdir() if below.is_dir() else below.unlink()
        path.rmdir()


def test_the_same_cvm_runs_again(cvmd):
    first = cvmd.launch("web", wait="ready", restart=ALWAYS, **SECRETS)
    seen = agent(first)
    shares = cvmd.runtime / "shares" / first["id"]
    inode = shares.stat().st_ino
    kill(first)
    waiting = cvmd.wait_state("web", "restarting")
    assert waiting["ending"]["reason"] == libvirt.KILLED and waiting.get("pid") is None
    assert waiting["restarts"] == 1 and shares.stat().st_ino == inode
    left = waiting["restartAt"] / 1e6 - time.time()
    assert -1 < left <= 1.01
    second = wait_again(cvmd, first)
    for key in ("id", "uid", "forwards", "artifacts", "createdAt"):
        assert second[key] == first[key], key
    assert second.get("ending") is None and second["restarts"] == 1
    assert shares.stat().st_ino == inode
    assert agent(cvmd.wait_ready("web")) == seen
    log = base64.b64decode(cvmd.call("Logs", name="web")["data"])
    assert log.count(b"fake-qemu: booted") == 2  # what the first said is not lost
    cvmd.stop("web")
    ended(cvmd, "stopped", "stopped")


def test_it_is_told(cvmd):
    """status, list and events show the state, the reason and when."""
    first = cvmd.launch("web", restart=SLOWLY)
    kill(first)
    cvmd.wait_state("web", "restarting")
    assert [cvm["name"] for cvm in cvmd.call("List", state="restarting")["cvms"]] == ["web"]
    text = cvmd.cvmctl("status", "web").stdout
    assert "restarting" in text and "Next start" in text and libvirt.KILLED in text
    with cvmd.client() as client:
        for reply in client.stream("Watch", fromSequence=0):
            if reply["event"].get("newState") == "restarting":
                break
    assert reply["event"]["detail"]["reason"] == libvirt.KILLED
    assert reply["event"]["detail"]["restarts"] == 1
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call("Remove", name="web")
    assert refusal.value.name == "WrongState"
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web")
    assert refusal.value.name == "CvmExists"


@pytest.mark.parametrize("cmdline, policy, again", [
    ("fake.poweroff-ms=50", "on-failure", False), ("fake.poweroff-ms=50", "always", True),
    ("fake.reset-ms=50", "on-failure", True), ("fake.reset-ms=50", "always", True),
    ("fake.reset-ms=50", "no", False), ("fake.panic-ms=50", "no", False),
    ("fake.panic-ms=50", "on-failure", True), ("fake.exit-ms=50", "on-failure", True),
    ("fake.die-ms=50", "on-failure", True),
])
def test_what_is_restarted(cvmd, cmdline, policy, again):
    cvmd.launch("web", cmdline=cmdline, restart={"policy": policy, "backoffSec": 60})
    cvm = cvmd.wait_state("web", "restarting", "stopped", "failed")
    assert (cvm["state"] == "restarting") == again, cvm["ending"]


def test_an_end_before_it_is_ready(cvmd):
    """Who waits for READY is told of the end; what follows it is no part of the call."""
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web", wait="ready", cmdline="fake.no-ready fake.die-ms=200", restart=ALWAYS)
    assert refusal.value.name == "LaunchFailed"
    assert libvirt.KILLED in refusal.value.fields["reason"]
    eventually(lambda: cvmd.status("web")["restarts"] >= 2, cvmd.log, seconds=15)


def test_nothing_of_the_guest_before_is_left(cvmd):
    """Neither its status nor the beginning of a line that it did not end."""
    first = cvmd.launch("web", wait="ready", restart=ALWAYS,
                        cmdline="fake.notify-part fake.status=up fake.ready-ms=500")
    assert first["guestStatus"] == "up"
    kill(first)
    second = wait_again(cvmd, first)
    assert second.get("guestStatus") is None or second["ready"]
    assert cvmd.wait_ready("web")["guestStatus"] == "up"


def test_a_stopped_one_stays_stopped(cvmd):
    cvmd.launch("web", restart=ALWAYS)
    cvmd.stop("web")
    time.sleep(1.2 * SLOWNESS)
    ended(cvmd, "stopped", "stopped")


def test_stop_during_the_backoff(cvmd):
    kill(cvmd.launch("web", restart=SLOWLY, **SECRETS))
    cvmd.wait_state("web", "restarting")
    assert cvmd.stop("web")["state"] == "stopped"
    ended(cvmd, "stopped", "stopped")


@pytest.mark.qemu_driver("libvirt asks a QEMU that it does not know, and waits for it")
def test_stop_while_it_starts_again(cvmd):
    """QEMU does not answer yet."""
    cvm = cvmd.launch("web", restart=ALWAYS)
    cvmd.terminate()
    cvmd.config["qemu"] = {"default": str(cvmd.directory / "silent")}
    (cvmd.directory / "silent").write_text("#!/bin/sh\nexec sleep 60\n")
    (cvmd.directory / "silent").chmod(0o755)
    cvmd.directory.chmod(0o755)
    cvmd.start()
    kill(cvm)
    pid = cvmd.wait_state("web", "starting")["pid"]
    assert cvmd.stop("web")["state"] == "stopped"
    ended(cvmd, "stopped", "stopped")
    cvmd.wait_gone(pid)


@pytest.mark.slow
def test_the_backoff_doubles_up_to_its_maximum(cvmd):
    cvmd.launch("web", cmdline="fake.exit-ms=1",
                restart={"policy": "always", "backoffSec": 1, "backoffMaxSec": 2, "limit": 3})
    waits = []
    with cvmd.client() as client:
        for reply in client.stream("Watch", fromSequence=0):
            event = reply["event"]
            if event.get("newState") == "restarting":
                waits.append(round((event["detail"]["restartAt"] - event["at"]) / 1e6))
            if event.get("newState") == "failed":
                break
    assert waits == [1, 2, 2]
    assert ended(cvmd, "failed", "qemu-exit")["restarts"] == 3


@pytest.mark.parametrize("word, policy, reason", [
    ("fake.reset-ms=1", "on-failure", "guest-reset"),
    ("fake.reset-ms=1", "always", "guest-reset"),
    ("fake.poweroff-ms=1", "always", "power-off"),
    ("fake.panic-ms=1", "on-failure", "guest-panic"),
])
def test_given_up_is_failed(cvmd, word, policy, reason):
    """Whatever the last end was: and so say status, events, the record and the next daemon."""
    cvmd.launch("web", cmdline=word, restart={"policy": policy, "backoffSec": 1, "limit": 1},
                **SECRETS)
    cvm = ended(cvmd, "failed", reason)
    assert cvm["restarts"] == 1
    assert cvm["ending"]["detail"].startswith("given up after 1 restart in a row")
    text = cvmd.cvmctl("status", "web").stdout
    assert re.search(r"State: +failed", text) and reason in text and "given up after 1" in text
    with cvmd.client() as client:
        for reply in client.stream("Watch", fromSequence=0):
            if reply["event"].get("newState") in ("failed", "stopped"):
                break
    assert reply["event"]["newState"] == "failed"
    assert reply["event"]["detail"]["reason"] == reason
    for end in (cvmd.kill, cvmd.terminate):
        end()
        cvmd.start()
        again = cvmd.status("web")
        assert again["state"] == "failed" and again["ending"] == cvm["ending"]
    assert cvmd.call("Remove", name="web") == {} and cvmd.cvms() == []


def test_a_wanted_end_after_restarts_is_none_given_up(cvmd):
    """The limit is reached, but the policy does not ask for another one."""
    cvm = cvmd.launch("web", restart={"policy": "on-failure", "backoffSec": 1, "limit": 1})
    kill(cvm)
    wait_again(cvmd, cvm)
    cvmd.stop("web")
    assert not (ended(cvmd, "stopped", "stopped")["ending"].get("detail") or "").startswith("given")


@pytest.mark.qemu_driver("libvirt ends a domain with its guest, and does not remember why")
def test_given_up_while_no_daemon_was_there(cvmd):
    first = cvmd.launch("web", cmdline="fake.poweroff-ms=600",
                        restart={"policy": "always", "backoffSec": 1, "limit": 1})
    wait_again(cvmd, first)
    cvmd.kill()
    time.sleep(0.9 * SLOWNESS)
    cvmd.start()
    ended(cvmd, "failed", "power-off-or-reboot")
    processes.reap()


@pytest.mark.slow
def test_a_quiet_window_begins_a_new_row(cvmd):
    cvm = cvmd.launch("web", restart={"policy": "always", "backoffSec": 1, "limit": 1,
                                      "windowSec": 1})
    for _ in range(2):
        time.sleep(1.1)
        kill(cvm)
        cvm = wait_again(cvmd, cvm)
    assert cvm["restarts"] == 2
    kill(cvm)  # at once
    ended(cvmd, "failed", libvirt.KILLED)


def test_a_launch_that_fails_is_none(cvmd):
    """A policy is for what has run."""
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web", cmdline="fake.exit=1", restart=ALWAYS)
    assert refusal.value.name == "LaunchFailed"
    cvm = cvmd.status("web")
    assert (cvm["state"], cvm["ending"]["reason"]) == ("failed", "launch-failed")
    assert not cvm.get("restarts")


@pytest.mark.slow
def test_an_attempt_that_fails_is_followed_by_another(cvmd):
    first = cvmd.launch("web", restart=ALWAYS)
    cvmd.terminate()
    qemu = cvmd.config["qemu"]
    cvmd.config["qemu"] = {"default": "/bin/false"}
    cvmd.start()
    kill(first)
    eventually(lambda: reason(cvmd) == "restart-failed", cvmd.log)
    cvmd.terminate()
    cvmd.config["qemu"] = qemu
    cvmd.start()
    assert wait_again(cvmd, first)["restarts"] >= 2


# Over the daemon's own end


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_the_backoff_outlives_the_daemon(cvmd, end):
    first = cvmd.launch("web", restart={"policy": "always", "backoffSec": 3}, **SECRETS)
    kill(first)
    before = cvmd.wait_state("web", "restarting")
    getattr(cvmd, end)()
    cvmd.start()
    after = cvmd.status("web")
    assert after["state"] == "restarting" and after["restartAt"] == before["restartAt"]
    second = wait_again(cvmd, first)
    assert second["startedAt"] >= before["restartAt"]
    assert agent(cvmd.wait_ready("web"))["certs"] == ["ca.pem", "cert.pem", "key.pem"]


def test_it_ends_while_no_daemon_is_there(cvmd):
    first = cvmd.launch("web", restart=ON_FAILURE)
    cvmd.kill()
    kill(first)
    cvmd.start()
    assert cvmd.wait_state("web", "restarting")["ending"]["reason"] in libvirt.LOST
    assert wait_again(cvmd, first)["id"] == first["id"]


@pytest.mark.qemu_driver("libvirt ends a domain with its guest, and does not remember why")
@pytest.mark.parametrize("policy, again", [("on-failure", False), ("always", True)])
def test_power_off_or_reboot(cvmd, policy, again):
    """Which of the two nobody heard: only `always` wants both."""
    cvmd.launch("web", cmdline="fake.poweroff-ms=400",
                restart={"policy": policy, "backoffSec": 60})
    cvmd.kill()
    time.sleep(0.6 * SLOWNESS)
    cvmd.start()
    cvm = cvmd.wait_state("web", "restarting", "stopped", "failed")
    assert cvm["ending"]["reason"] == "power-off-or-reboot"
    assert (cvm["state"] == "restarting") == again
    processes.reap()


def test_artifacts_that_are_not_what_was_launched(cvmd):
    """They are fetched again by a daemon that does not have them; the digests must be the same."""
    first = cvmd.launch("web", restart=ALWAYS)
    cvmd.kill()
    kill(first)
    changed = bytearray(cvmd.kernel.read_bytes())
    changed[-1] ^= 1
    cvmd.kernel.write_bytes(changed)
    cvmd.start()
    eventually(lambda: reason(cvmd) == "restart-failed", cvmd.log)
    assert "sha" in cvmd.status("web")["ending"]["detail"].lower()
    changed[-1] ^= 1
    cvmd.kernel.write_bytes(changed)
    assert wait_again(cvmd, first)["artifacts"] == first["artifacts"]


@pytest.mark.not_valgrind("valgrind does not know mount_setattr(2)")
def test_what_cvmctl_sent_by_descriptor(cvmd):
    """A later daemon has the paths."""
    share = cvmd.directory / "data"
    share.mkdir()
    cvmd.cvmctl("launch", "web", "--platform", "plain", "--memory", "64M", "--kernel", cvmd.kernel,
                "--initramfs", cvmd.initramfs, "--restart", "always", "--share", f"d={share}",
                "--env", "A=b")
    first = cvmd.status("web")
    cvmd.kill()
    kill(first)
    cvmd.start()
    argv = pathlib.Path(f"/proc/{wait_again(cvmd, first, seconds=20)['pid']}/cmdline").read_bytes()
    assert b"mount_tag=d" in argv


def test_an_artifact_that_has_no_name(cvmd):
    """Sent by descriptor and nowhere to be found again: the daemon that launched the CVM has it."""
    memory = os.memfd_create("kernel")
    os.write(memory, cvmd.kernel.read_bytes())
    kernel = os.open(f"/proc/self/fd/{memory}", os.O_RDONLY)
    with cvmd.client() as client:
        spec = cvmd.spec("web", restart=ALWAYS, kernel={"fd": 0})
        first = client.call("Launch", {"spec": spec}, fds=[kernel])["cvm"]
    first = libvirt.with_pid(first)
    os.close(kernel)
    os.close(memory)
    kill(first)
    assert wait_again(cvmd, first)["artifacts"] == first["artifacts"]
    second = cvmd.status("web")
    cvmd.kill()
    kill(second)
    cvmd.start()
    eventually(lambda: reason(cvmd) == "restart-failed", cvmd.log)
    detail = cvmd.status("web")["ending"]["detail"]
    assert "kernel" in detail and "without a path" in detail


# Over the host's own end


def test_secrets_that_did_not_outlive_the_host(cvmd):
    first = cvmd.launch("web", restart=ALWAYS, **SECRETS)
    cvmd.kill()
    kill(first)
    another_boot(cvmd)
    cvmd.start()
    cvm = ended(cvmd, "failed", "secrets-gone")
    assert "restart" in cvm["ending"]["detail"]


@pytest.mark.parametrize("fields", [{}, SECRETS], ids=["nothing", "secrets"])
def test_without_a_policy_it_is_lost(cvmd, fields):
    first = cvmd.launch("web", **fields)
    cvmd.kill()
    kill(first)
    another_boot(cvmd)
    cvmd.start()
    ended(cvmd, "failed", "lost")


def test_secrets_by_reference_outlive_the_host(cvmd):
    key = cvmd.directory / "key"
    key.write_text("k3y")
    key.chmod(0o600)
    first = cvmd.launch("web", restart=ALWAYS, certs={"extra.pem": {"path": str(key)}})
    cvmd.kill()
    kill(first)
    another_boot(cvmd)
    cvmd.start()
    second = wait_again(cvmd, first)
    assert "extra.pem" in agent(cvmd.wait_ready("web"))["certs"]
    assert (cvmd.runtime / "shares" / second["id"] / "certs/extra.pem").read_text() == "k3y"


# Time to live

def test_time_to_live(cvmd):
    cvm = cvmd.launch("web", ttlSec=BRIEF_SEC, restart=ALWAYS)
    lives = (cvm["expiresAt"] - cvm["createdAt"]) / 1e6
    assert lives == pytest.approx(BRIEF_SEC, abs=0.1 * SLOWNESS)
    assert "Expires" in cvmd.cvmctl("status", "web").stdout
    cvm = ended(cvmd, "stopped", "expired")
    lived = (cvm["ending"]["at"] - cvm["createdAt"]) / 1e6
    assert 0.9 * BRIEF_SEC < lived < BRIEF_SEC + 10 * SLOWNESS


def test_time_to_live_over_a_restart_of_the_daemon(cvmd):
    cvm = cvmd.launch("web", ttlSec=BRIEF_SEC)
    cvmd.kill()
    cvmd.start()
    assert cvmd.status("web")["expiresAt"] == cvm["expiresAt"]
    assert ended(cvmd, "stopped", "expired")["ending"]["at"] >= cvm["expiresAt"]
    processes.reap()


def test_time_to_live_that_ends_while_no_daemon_is_there(cvmd):
    cvmd.launch("web", ttlSec=BRIEF_SEC)
    cvmd.kill()
    time.sleep(BRIEF_SEC + 0.2)
    cvmd.start()
    ended(cvmd, "stopped", "expired")
    processes.reap()


@pytest.mark.parametrize("jump", [-86400, 86400])
def test_the_hosts_clock_jumps(make_daemon, config, jump):
    """A day back or ahead while the CVM runs: its time to live and its backoff are the same."""
    daemon = make_daemon(config, start=False)
    offset = daemon.directory / "offset"
    offset.write_bytes(struct.pack("=q", 0))
    daemon.preload("libclock-jump.so", CLOCK_JUMP=str(offset))
    daemon.start()
    begun = time.monotonic()
    daemon.launch("lives", ttlSec=3)
    cvm = daemon.launch("again", restart={"policy": "always", "backoffSec": 2})
    offset.write_bytes(struct.pack("=q", jump))
    kill(cvm)
    daemon.wait_state("again", "restarting")
    ended_at = wait_again(daemon, cvm, "again")["startedAt"]
    assert abs(ended_at / 1e6 - time.time() - jump) < 60  # the clock did jump
    assert 2 <= time.monotonic() - begun < 12 * SLOWNESS
    ended(daemon, "stopped", "expired", "lives")
    assert 3 <= time.monotonic() - begun < 15 * SLOWNESS


def test_time_to_live_during_a_backoff(cvmd):
    cvm = cvmd.launch("web", ttlSec=2 * BRIEF_SEC, restart=SLOWLY)
    kill(cvm)
    cvmd.wait_state("web", "restarting")
    ended(cvmd, "stopped", "expired")


def test_time_to_live_during_a_launch(cvmd):
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web", ttlSec=max(1, round(3 * SLOWNESS)), cmdline="fake.no-qmp",
                    timeouts={"startSec": 300})
    assert "time to live" in refusal.value.fields["reason"]
    ended(cvmd, "failed", "launch-failed")
