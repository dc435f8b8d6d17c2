# SPDX-License-Identifier: Apache-2.0
"""What a launch that fails leaves, and how many CVMs that have ended stay."""
import json
import os
import signal
import time

import pytest

from harness import exits, libvirt, processes
from harness.processes import SLOWNESS, eventually
from harness.varlink import Client, VarlinkError

ID = "01234567-89ab-4def-8123-456789abcdef"
LONG = bool(os.environ.get("CVMD_LONG"))
CLIENTS = 1000 if LONG else 200


def cvmctl_launch(cvmd, *options, cmdline="fake.no-ready", name="web", check=False):
    return cvmd.cvmctl("launch", name, "--platform", "plain", "--kernel", cvmd.kernel,
                       "--initramfs", cvmd.initramfs, "--memory", "64M", "--cmdline", cmdline,
                       *(["--driver", "libvirt"] if libvirt.USED else []), *options, check=check)


def test_cvmctl_shows_the_console_of_a_launch_that_timed_out(cvmd):
    done = cvmctl_launch(cvmd, "--wait", "ready", "--timeout", str(max(1, round(SLOWNESS))),
                         cmdline='fake.no-ready fake.console-bytes=3000')
    assert done.returncode == exits.TRY_AGAIN
    first, title, *lines, last = done.stderr.splitlines()
    console = cvmd.cvmctl("logs", "web").stdout.splitlines()
    assert "timed out at stage 'ready'" in first and title == "Last lines of its console:"
    assert [line.strip() for line in lines] == [line.strip() for line in console[-10:]]
    assert "`cvmctl logs web`" in last
    cvm = cvmd.status("web")
    assert (cvm["state"], cvm["ending"]["reason"]) == ("failed", "launch-failed")
    assert first.removeprefix("cvmctl: ") == cvm["ending"]["detail"].splitlines()[0]
    assert cvmctl_launch(cvmd, cmdline="fake.ready-ms=1").returncode == 0


@pytest.mark.parametrize("options, kept", [
    ((), True), (["--rm"], False), (["--rm=failed-launch"], False)])
def test_cvmctl_removes_on_request(cvmd, options, kept):
    done = cvmctl_launch(cvmd, *options, cmdline='fake.exit=1 fake.stderr="out of luck"')
    assert done.returncode == 1 and "out of luck" in done.stderr
    assert [cvm["state"] for cvm in cvmd.cvms()] == (["failed"] if kept else [])
    assert ("is kept" in done.stderr) == kept
    if kept:
        assert "out of luck" in cvmd.status("web")["ending"]["detail"]
    cvmctl_launch(cvmd, *options, cmdline="fake.ready-ms=1", check=True)
    spec = json.loads(cvmd.cvmctl("inspect", "web", "--spec").stdout)
    assert spec.get("remove") == {"--rm": "ended", "--rm=failed-launch": "failed-launch"}.get(
        "".join(options))
    cvmd.stop("web", force=True)
    if "--rm" in options:
        eventually(lambda: cvmd.cvms() == [], "it is removed")
    else:
        assert cvmd.status("web")["state"] == "stopped"


def test_json_has_the_error_alone(cvmd):
    done = cvmctl_launch(cvmd, "--json", cmdline="fake.exit=1")
    assert json.loads(done.stderr)["error"] == "io.cvmd.Manager.LaunchFailed"


def test_run_removes_on_request(cvmd):
    path = cvmd.directory / "web.json"
    path.write_text(json.dumps(cvmd.spec("web", cmdline="fake.poweroff-ms=1")))
    assert cvmd.cvmctl("run", "--file", path, "--rm").returncode == 0
    eventually(lambda: cvmd.cvms() == [], "it is removed")


def test_a_refused_launch_leaves_the_older_one(cvmd):
    """Its reason and its log, too, whatever the new one lacks."""
    first = cvmd.launch("web", cmdline="fake.console-bytes=100", wait="ready")
    cvmd.stop("web", force=True)
    cvmd.wait_state("web", "stopped")
    log = cvmd.call("Logs", name="web")
    for fields in ({"kernel": {"path": "/etc/passwd"}}, {"memory": "64T"},
                   {"kernel": {"path": "/none"}}, {"network": "bridge:none"}, {"cpus": 512}):
        with pytest.raises(VarlinkError):
            cvmd.launch("web", **fields)
        cvm = cvmd.status("web")
        assert (cvm["id"], cvm["state"]) == (first["id"], "stopped"), fields
        assert cvmd.call("Logs", name="web") == log
    assert cvmd.launch("web")["id"] != first["id"]


def events(cvmd, kind):
    upto = cvmd.call("List")["sequence"]
    with cvmd.client() as client:
        found = client.take(upto - 1, "Watch", fromSequence=1)
    return [reply["event"] for reply in found if reply["event"]["kind"] == kind]


def test_an_event_says_why_one_was_removed(make_daemon, config):
    cvmd = make_daemon({**config, "limits": {"endedPerUid": 2}})
    for number in range(4):
        cvmd.launch(f"web{number}")
        cvmd.stop(f"web{number}", force=True)
    eventually(lambda: len(cvmd.cvms()) == 2, "two stay")
    cvmd.launch("gone", remove="ended")
    cvmd.stop("gone", force=True)
    eventually(lambda: len(cvmd.cvms()) == 2, "two stay")
    cvmd.call("Remove", name="web3")
    assert [(event["name"], event.get("detail")) for event in events(cvmd, "removed")] == [
        ("web0", {"limit": "endedPerUid"}), ("web1", {"limit": "endedPerUid"}),
        ("gone", {"remove": "ended"}), ("web3", None)]


@pytest.mark.parametrize("field, value", [
    ("endedPerUid", 0), ("endedPerUid", 65537), ("endedLogBytesPerUid", "1"),
    ("endedLogBytesPerUid", 7)])
def test_limits_that_are_none(make_daemon, config, field, value):
    daemon = make_daemon({**config, "limits": {field: value}}, start=False)
    daemon.spawn()
    assert daemon.process.wait(20 * SLOWNESS) != 0
    assert f"limits.{field}" in daemon.log()


def ended_how(client):
    try:
        return client.receive()[0]["cvm"]
    except VarlinkError as problem:
        return problem


@pytest.mark.parametrize("stage", ["admitted", "artifacts", "rendered", "starting", "running"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_daemon_ends_at_a_stage(cvmd, stage, number):
    """Of a launch: what was not started is gone, and what was has failed or runs."""
    with cvmd.client() as client:
        for reply in client.stream("Launch", spec=cvmd.spec("web", cmdline="fake.no-ready"),
                                   wait="ready"):
            if reply.get("stage") == stage:
                cvmd.process.send_signal(number)
                break
        cvmd.process.wait(20 * SLOWNESS)
    cvmd.start()
    cvms = cvmd.cvms()
    assert [cvm["state"] for cvm in cvms] in ([], ["failed"], ["running"]), cvms
    if stage == "running":
        assert len(cvms) == 1
    for cvm in cvms:
        if cvm["state"] == "failed":
            assert cvm["ending"]["reason"] == "launch-failed"
            assert not (cvmd.runtime / "vms" / cvm["id"]).exists()
        cvmd.discard(cvm["name"])
    processes.reap()


@pytest.mark.qemu_driver("a domain takes long to start")
def test_many_launches_of_many_clients(make_daemon, config, record_property):
    """Each with a connection and a name of its own: each is answered, at the first try or, where
    the host has no memory for so many at once, at a later one; and what has ended is bounded."""
    config["timeouts"] = {"startSec": 300, "readySec": 300, "powerdownSec": 60, "quitSec": 60}
    config["limits"] = {"cvms": 2 * CLIENTS, "cvmsPerUid": 2 * CLIENTS, "vcpusPerCpu": 65536}
    cvmd = make_daemon(config)
    begin = time.monotonic()
    spec = cvmd.spec("web", cmdline="fake.poweroff-ms=1", forwards=[])
    waiting = {f"web{number}": Client(cvmd.socket, 300 * SLOWNESS) for number in range(CLIENTS)}
    launched, rounds = set(), 0
    while waiting:
        rounds += 1
        for name, client in waiting.items():
            client.send("Launch", {"spec": {**spec, "name": name}})
        refused = {}
        for name, client in waiting.items():
            found = ended_how(client)
            if isinstance(found, VarlinkError):
                assert (found.name, found.fields["resource"]) == ("NoResources", "memory"), found
                refused[name] = client
                continue
            assert found["name"] == name
            launched.add(found["id"])
            client.close()
        assert len(refused) < len(waiting)
        waiting = refused
    assert len(launched) == CLIENTS
    eventually(lambda: len(cvmd.cvms()) == 32 and
               {cvm["state"] for cvm in cvmd.cvms()} == {"stopped"}, "all have ended")
    record_property("launches", f"{CLIENTS} launched in {time.monotonic() - begin:.1f} s, in "
                                f"{rounds} rounds")


@pytest.mark.qemu_driver("a domain takes long to start")
def test_many_clients_launch_one_name(cvmd):
    clients = [cvmd.client() for _ in range(30)]
    for client in clients:
        client.send("Launch", {"spec": cvmd.spec("web")})
    found = [ended_how(client) for client in clients]
    for client in clients:
        client.close()
    assert sum(isinstance(cvm, dict) for cvm in found) == 1
    assert {problem.name for problem in found if isinstance(problem, VarlinkError)} == {"CvmExists"}
    assert [cvm["state"] for cvm in cvmd.cvms()] == ["running"]


def test_many_clients_launch_one_id(cvmd):
    """All are answered with the same CVM."""
    clients = [cvmd.client() for _ in range(10)]
    for client in clients:
        client.send("Launch", {"spec": cvmd.spec("web"), "id": ID})
    found = [ended_how(client) for client in clients]
    for client in clients:
        client.close()
    assert {cvm["id"] for cvm in found} == {ID}
    assert [cvm["state"] for cvm in cvmd.cvms()] == ["running"]
