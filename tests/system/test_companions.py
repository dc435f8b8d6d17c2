# SPDX-License-Identifier: Apache-2.0
"""Programs that a CVM needs beside QEMU: started before it, watched, found again, ended with it."""
import json
import os
import pathlib
import signal
import time

import pytest

from harness import processes
from harness.processes import SLOWNESS, eventually
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("its platforms are templates of QEMU's command line")

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "fake" / "companion"


def companion(name, mode):
    number = "${self.socket}" if mode == "pair" else "${self.directory}"
    return {"name": name, "program": "companion", "package": "companion-tools", "socket": mode,
            "arguments": ["${vm.name}", mode, number]}


def template(*companions):
    chardevs = [{"chardev": {"backend": "socket", "id": one["name"],
                             "fd": f"${{companion.{one['name']}}}"}} for one in companions]
    includes = ("network", "boot", "console", "monitor", "shares", "notify", "control")
    return {"name": "social", "description": "With companions", "qemu": "qemu",
            "artifacts": {"kernel": {"needed": True}, "initramfs": {}},
            "companions": list(companions),
            "arguments": [{"nographic": None}, *chardevs,
                          *({"include": name} for name in includes)]}


@pytest.fixture
def social(make_daemon, config):
    """A daemon with a platform that has two companions, one of each kind."""
    daemon = make_daemon(config, start=False)
    directory = daemon.directory / "templates"
    directory.mkdir(mode=0o755)
    (directory / "social.json").write_text(
        json.dumps(template(companion("tpm", "listen"), companion("net", "pair"))))
    daemon.config["templates"] = str(directory)
    daemon.config["programs"] = {"companion": str(PROGRAM)}
    return daemon.start()


def companions(daemon, vm):
    """The processes of the CVM's companions, by name, from its record."""
    record = json.loads((daemon.state / "records" / f"{vm['id']}.json").read_text())
    return {one["name"]: one["pid"] for one in record.get("companions", [])}


def launch(daemon, name="web", **fields):
    return daemon.launch(name, platform="social", **fields)


def test_they_run_and_end_with_it(social):
    cvm = launch(social, wait="ready")
    pids = companions(social, cvm)
    assert set(pids) == {"tpm", "net"}
    for pid in pids.values():
        assert processes.state(pid) in "RS"
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        uid = int(status.split("Uid:")[1].split()[0])
        assert uid == (cvm.get("uid") or os.geteuid())
        assert "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status
    # the daemon has let go of the channels: they are between QEMU and the companions alone
    directory = social.runtime / "vms" / cvm["id"]
    assert (directory / "tpm.d").stat().st_mode & 0o777 == 0o700
    assert social.stop("web", force=True)["state"] == "stopped"
    for pid in pids.values():
        social.wait_gone(pid)
    assert not directory.exists()


def test_they_outlive_the_daemon(social):
    cvm = launch(social, wait="ready")
    pids = companions(social, cvm)
    social.kill()
    time.sleep(0.2 * SLOWNESS)
    social.start()
    assert social.status("web")["state"] == "running"
    assert {processes.state(pid) for pid in pids.values()} <= {"R", "S"}
    assert companions(social, cvm) == pids
    os.kill(pids["net"], signal.SIGKILL)
    ending = social.wait_state("web", "failed")["ending"]
    assert ending["reason"] == "companion" and ending["detail"].startswith("net ended")
    social.wait_gone(pids["tpm"])
    processes.reap()


def test_one_ends_while_the_daemon_is_away(social):
    cvm = launch(social)
    pids = companions(social, cvm)
    social.kill()
    os.kill(pids["tpm"], signal.SIGKILL)
    social.wait_gone(pids["tpm"])
    processes.reap()
    social.start()
    ending = social.wait_state("web", "failed")["ending"]
    assert ending["reason"] == "companion"
    assert ending["detail"].startswith("tpm ended while the daemon was away")
    social.wait_gone(cvm["pid"])
    social.wait_gone(pids["net"])
    processes.reap()


def test_qemu_ends_while_the_daemon_is_away(social):
    cvm = launch(social)
    pids = companions(social, cvm)
    social.kill()
    os.kill(cvm["pid"], signal.SIGKILL)
    social.wait_gone(cvm["pid"])
    processes.reap()
    social.start()
    assert social.status("web")["ending"]["reason"] == "lost"
    for pid in pids.values():
        social.wait_gone(pid)
    processes.reap()


@pytest.mark.parametrize("name", ["tpm", "net"])
def test_one_is_killed(social, name):
    cvm = launch(social, wait="ready")
    pids = companions(social, cvm)
    os.kill(pids[name], signal.SIGKILL)
    ending = social.wait_state("web", "failed")["ending"]
    assert ending["reason"] == "companion"
    assert ending["detail"].startswith(f"{name} was ended by signal 9")
    for pid in (cvm["pid"], *pids.values()):
        social.wait_gone(pid)


def test_its_last_words(social):
    launch(social, "late")
    ending = social.wait_state("late", "failed")["ending"]
    assert ending["reason"] == "companion"
    assert ending["detail"].endswith("out of disk space")
    assert "exited with code 7" in ending["detail"]


def test_one_that_goes_with_qemu_is_not_blamed(social):
    launch(social, "with-qemu", cmdline="fake.poweroff-ms=300")
    cvm = social.wait_state("with-qemu", "stopped", "failed")
    assert (cvm["state"], cvm["ending"]["reason"]) == ("stopped", "power-off")


def refused(daemon, name, **fields):
    with pytest.raises(VarlinkError) as refusal:
        launch(daemon, name, **fields)
    for cvm in daemon.cvms():  # what QEMU was started for is kept
        assert "fake.exit" in fields.get("cmdline", "")
        assert (cvm["state"], cvm["ending"]["reason"]) == ("failed", "launch-failed")
        daemon.call("Remove", name=cvm["name"])
    return refusal.value


def test_one_that_fails_at_once(social):
    refusal = refused(social, "exits")
    assert refusal.name == "LaunchFailed" and refusal.fields["stage"] == "starting"
    assert "exited with code 1" in refusal.fields["reason"]
    assert "the state is broken\nand that is all" in refusal.fields["log"]


@pytest.mark.parametrize("name", ["no-socket", "link"])
def test_one_without_its_socket(social, name):
    """Nor will a link to another's socket do."""
    refusal = refused(social, name, timeouts={"startSec": 1})
    assert refusal.name == "LaunchFailed"
    assert refusal.fields["reason"] == "tpm did not open its socket within 1 s"


def test_a_launch_that_the_daemon_did_not_finish(social):
    """Recovery ends the companions of a launch that had no QEMU yet."""
    with social.client() as client:
        client.send("Launch", {"spec": social.spec("no-socket", platform="social")})
        pids = eventually(lambda: [pid for pid in processes.children(social.process.pid)
                                   if str(PROGRAM) in processes.command(pid)
                                   and processes.command(pid).startswith("/usr/bin/python3")],
                          "companions")
        social.kill()
    social.start()
    assert social.cvms() == []
    for pid in pids:
        social.wait_gone(pid)
    processes.reap()


def test_a_caller_that_goes(social):
    with social.client() as client:
        client.send("Launch", {"spec": social.spec("no-socket", platform="social")})
        eventually(lambda: processes.children(social.process.pid), "companions")
    eventually(lambda: social.cvms() == [], "the launch is undone")




def test_qemu_is_started_again(social):
    """After a port was lost: each start has companions of its own, and none is left."""
    refusal = refused(social, "web", cmdline='fake.exit=1 fake.stderr='
                                             '"Could not set up host forwarding rule"')
    assert refusal.name == "LaunchFailed" and "exited with code 1" in refusal.fields["reason"]


def test_no_such_program(social, make_daemon):
    daemon = make_daemon({**social.config, "programs": {}})
    refusal = refused(daemon, "web")
    assert refusal.name == "HostNotReady" and refusal.fields["check"] == "companion"
    assert "install the package companion-tools" in refusal.fields["fix"]
    checks = daemon.call("Render", spec=daemon.spec("web", platform="social"))["missing"]
    assert {check["name"] for check in checks} == {"companion"}
    checks = daemon.call("DescribeHost", platform="social")
    assert "companion" in [check["name"] for check in checks["checks"] if not check["passed"]]
    assert "social" not in checks["platforms"]


def test_render(social):
    plan = social.call("Render", spec=social.spec("web", platform="social"))
    tpm, net = plan["companions"]
    assert tpm["argv"] == [str(PROGRAM), "web", "listen", "3"]
    assert tpm["descriptors"] == [{"number": 3, "what": "directory"}]
    assert net["descriptors"] == [{"number": 3, "what": "socket"}]
    assert {"companion:tpm", "companion:net"} <= {one["what"] for one in plan["descriptors"]}
    text = social.cvmctl("render", "web", "--platform", "social", "--kernel", social.kernel).stdout
    assert f"# start first, in addition to QEMU: tpm\n# {PROGRAM} web listen 3\n" in text
