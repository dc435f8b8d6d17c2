# SPDX-License-Identifier: Apache-2.0
"""cvmctl run: a CVM in the foreground; its signals, exit codes and messages to systemd."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from harness import exits, libvirt
from harness.daemon import CVMCTL, DEAD, FOUND
from harness.processes import SLOWNESS, eventually
from harness.users import as_user

AWAY, LOST, QEMU_EXIT = exits.DAEMON_AWAY, exits.LOST, 12
# Of a QEMU that is not the daemon's child: libvirt may tell that it has ended.
GONE = (LOST, QEMU_EXIT) if libvirt.USED else (LOST,)


class Notified:
    """A NOTIFY_SOCKET and what came over it."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="cvmd-", dir="/tmp")
        self.path = f"{self.directory.name}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                data = self.socket.recv(65536)
            except OSError:
                return
            self.lines += data.decode().splitlines()

    def wait(self, line):
        eventually(lambda: line in self.lines, lambda: f"{line} in {self.lines}")


class Runner:
    def __init__(self, daemon, *args, env=None, json_output=False):
        self.daemon = daemon
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [CVMCTL, "--socket", daemon.socket, "run", *map(str, args),
             *(["--json"] if json_output else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={**os.environ, **(env or {})})

    def errors(self):
        self.log.seek(0)
        return self.log.read()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=20):
        out, _ = self.process.communicate(timeout=seconds * SLOWNESS)
        errors = self.errors()
        assert not FOUND.search(errors), errors
        return self.process.returncode, out, errors

    def code(self):
        return self.wait()[0]

    def says(self, text):
        eventually(lambda: text in self.errors(), lambda: f"{text!r} in {self.errors()!r}")


@pytest.fixture
def run(cvmd):
    """run(NAME, …) starts `cvmctl run` with a small spec; none outlives the test."""
    runners = []

    def start(name="web", *args, cmdline="", spec=None, **options):
        path = cvmd.directory / f"{name}.json"
        path.write_text(json.dumps(spec or cvmd.spec(name, cmdline=cmdline or None)))
        runners.append(Runner(cvmd, "--file", path, *args, **options))
        return runners[-1]

    yield start
    for runner in runners:
        if runner.process.poll() is None:
            runner.process.kill()
        runner.process.wait()


def there(cvmd, state="running", ready=True):
    """The CVM, once it is there and has come so far, and the disk has that: until then its launch
    is not answered, and is undone with its caller."""
    def reached():
        if list((cvmd.state / "records").glob(".*")):
            return None
        found = [cvm for cvm in cvmd.cvms() if cvm["state"] == state and cvm["ready"] == ready]
        waits = list((cvmd.state / "records").glob(".*"))
        return found[0] if found and not waits else None
    return eventually(reached, lambda: f"{state}: {cvmd.cvms()}\n{cvmd.log()}")


@pytest.mark.parametrize("word, code", [
    ("fake.poweroff-ms=50", 0),
    ("fake.reset-ms=50", 10),
    ("fake.panic-ms=50", 11),
    ("fake.exit-ms=50", 12),
    pytest.param("fake.die-ms=50", 13, marks=pytest.mark.qemu_driver(
        "libvirt does not tell by which signal QEMU ended")),
])
def test_exit_code_says_how_it_ended(run, word, code):
    runner = run(cmdline=word, json_output=True)
    status, out, errors = runner.wait()
    assert status == code, errors
    ending = json.loads(out)["ending"]
    reasons = {0: "power-off", 10: "guest-reset", 11: "guest-panic", 12: "qemu-exit",
               13: "qemu-signal"}
    assert ending["reason"] == reasons[code]


@pytest.mark.parametrize("word, code", [("fake.poweroff-ms=1", 18), ("fake.reset-ms=1", 10)])
def test_exit_code_of_one_that_is_given_up(run, cvmd, word, code):
    restart = {"policy": "always", "backoffSec": 1, "limit": 1}
    runner = run(spec=cvmd.spec("web", cmdline=word, restart=restart), json_output=True)
    status, out, errors = runner.wait()
    assert status == code, errors
    cvm = json.loads(out)
    assert cvm["state"] == "failed"
    assert cvm["ending"]["detail"].startswith("given up after 1 restart")


def test_failing_launches_have_the_codes_of_launch(run, cvmd):
    assert run("web", spec={**cvmd.spec("web"), "cpus": 0}).code() == exits.DATA
    assert cvmd.cvms() == []
    assert run("web", cmdline="fake.exit=3").code() == 1
    assert cvmd.status("web")["ending"]["reason"] == "launch-failed"
    assert run("web", "--timeout", "1", cmdline="fake.no-qmp").code() == exits.TRY_AGAIN
    assert "timed out" in cvmd.status("web")["ending"]["detail"]
    assert Runner(cvmd, "web", "--nonsense").code() == exits.USAGE


def test_no_daemon(cvmd, tmp_path):
    done = subprocess.run([CVMCTL, "--socket", tmp_path / "none", "run", "web", "--defaults"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=20)
    assert done.returncode == exits.UNAVAILABLE and "no daemon listens" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it(run, cvmd, number):
    runner = run()
    there(cvmd)
    runner.signal(number)
    assert runner.code() == 0
    cvm = cvmd.status("web")
    assert cvm["state"] == "stopped" and cvm["ending"]["reason"] == "stopped"


def test_a_second_signal_forces(make_daemon, config):
    config["timeouts"]["powerdownSec"] = 120
    cvmd = make_daemon(config)
    path = cvmd.directory / "web.json"
    path.write_text(json.dumps(cvmd.spec("web", cmdline="fake.ignore-powerdown")))
    runner = Runner(cvmd, "--file", path)
    there(cvmd)
    runner.signal()
    runner.says("stopping")
    assert runner.process.poll() is None
    runner.signal()
    assert runner.code() == 0
    assert cvmd.status("web")["state"] == "stopped"


def test_a_signal_calls_a_launch_off(run, cvmd):
    runner = run(cmdline="fake.no-qmp")
    there(cvmd, "starting", False)
    runner.signal()
    assert runner.code() == 0
    eventually(lambda: cvmd.cvms() == [] or cvmd.cvms()[0]["state"] == "failed", "its end")


def test_somebody_else_stops_it(run, cvmd):
    runner = run()
    there(cvmd)
    cvmd.stop("web")
    assert runner.code() == 0


def test_removed_and_launched_anew_is_another_cvm(run, cvmd):
    runner = run()
    there(cvmd)
    runner.signal(signal.SIGSTOP)
    cvmd.discard("web")
    cvmd.launch("web")
    runner.signal(signal.SIGCONT)
    assert runner.code() == 0  # its own was stopped
    assert cvmd.status("web")["state"] == "running"


def test_notify(run, cvmd):
    notified = Notified()
    runner = run("web", "--notify", cmdline="fake.ready-ms=300",
                 env={"NOTIFY_SOCKET": notified.path})
    there(cvmd, ready=False)
    assert "READY=1" not in notified.lines
    notified.wait("READY=1")
    assert cvmd.status("web")["ready"]
    assert "STATUS=launching" in notified.lines and "STATUS=ready" in notified.lines
    runner.signal()
    assert runner.code() == 0
    notified.wait("STOPPING=1")
    notified.wait("STATUS=stopped")


def test_the_status_text_is_the_cvms(run, cvmd):
    """What the guest says last, too, in one line: its newlines are no messages to systemd."""
    notified = Notified()
    run("web", "--notify", cmdline="fake.status=all\\x0ais\\x20well",
        env={"NOTIFY_SOCKET": notified.path})
    there(cvmd)
    said = cvmd.status("web")["guestStatus"]
    notified.wait(f"STATUS=ready: {said}")
    cvmd.cvmctl("pause", "web")
    notified.wait(f"STATUS=paused: {said}")
    cvmd.cvmctl("resume", "web")
    eventually(lambda: notified.lines[-1] == f"STATUS=ready: {said}", lambda: notified.lines)


def test_notify_when_running_for_guests_without_an_agent(run, cvmd):
    notified = Notified()
    run("web", "--notify", "--wait", "running", cmdline="fake.no-ready",
        env={"NOTIFY_SOCKET": notified.path})
    notified.wait("READY=1")
    assert not cvmd.status("web")["ready"]


def test_without_notify_nothing_is_sent(run, cvmd):
    notified = Notified()
    runner = run(env={"NOTIFY_SOCKET": notified.path})
    there(cvmd)
    runner.signal()
    assert runner.code() == 0 and notified.lines == []


def test_console(run):
    code, out, errors = run("web", "--console",
                            cmdline="fake.console-bytes=200000 fake.poweroff-ms=500").wait()
    assert code == 0, errors
    assert len(out) >= 200000
    assert run("web", cmdline="fake.poweroff-ms=50").wait()[1] == ""


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_restarted_daemon_is_found_again(run, cvmd, end):
    runner = run()
    pid = there(cvmd)["pid"]
    runner.says("ready")
    getattr(cvmd, end)()
    runner.says("the daemon is not answering")
    cvmd.start()
    runner.says("the daemon is back")
    assert cvmd.status("web")["pid"] == pid and runner.process.poll() is None
    os.kill(pid, signal.SIGKILL)
    # The restarted daemon is not QEMU's parent: it cannot know of the signal.
    assert runner.code() in GONE


def test_it_ends_while_the_daemon_is_away(run, cvmd):
    runner = run()
    pid = there(cvmd)["pid"]
    runner.says("ready")
    cvmd.kill()
    os.kill(pid, signal.SIGKILL)
    runner.says("the daemon is not answering")
    cvmd.start()
    assert runner.code() in GONE
    assert cvmd.status("web")["state"] in DEAD


def test_a_signal_while_the_daemon_is_away_is_kept(run, cvmd):
    runner = run()
    there(cvmd)
    runner.says("ready")
    cvmd.kill()
    runner.says("the daemon is not answering")
    runner.signal()
    cvmd.start()
    assert runner.code() == 0
    assert cvmd.status("web")["state"] == "stopped"


def test_the_daemon_dies_during_the_stop(run, cvmd):
    runner = run(cmdline="fake.ignore-powerdown")
    there(cvmd)
    runner.signal()
    there(cvmd, "stopping", True)
    cvmd.kill()
    cvmd.start()
    assert runner.code() == 0
    assert cvmd.status("web")["state"] == "stopped"


def test_a_daemon_that_does_not_come_back(run, cvmd):
    runner = run("web", "--reconnect-timeout", "1")
    there(cvmd)
    runner.says("ready")
    cvmd.kill()
    assert runner.code() == AWAY
    cvmd.start()
    assert cvmd.status("web")["state"] == "running"


def test_the_daemon_dies_during_the_launch(run, cvmd):
    runner = run(cmdline="fake.no-qmp")
    there(cvmd, "starting", False)
    cvmd.kill()
    cvmd.start()
    assert runner.code() == 1
    assert cvmd.status("web")["ending"]["detail"] == "the daemon ended during the launch"


def test_started_again_it_takes_over(run, cvmd):
    notified = Notified()
    first = run()
    pid = there(cvmd)["pid"]
    first.process.kill()
    first.process.wait()
    second = run("web", "--notify", env={"NOTIFY_SOCKET": notified.path})
    notified.wait("READY=1")
    assert "attached to the CVM" in second.errors()
    assert cvmd.status("web")["pid"] == pid
    second.signal()
    assert second.code() == 0
    assert cvmd.status("web")["state"] == "stopped"


def launch_as_another(cvmd):
    os.chmod(cvmd.directory, 0o755)
    os.chmod(cvmd.socket, 0o666)
    spec = cvmd.spec("web")
    for kind in ("kernel", "initramfs"):
        os.chmod(spec[kind]["path"], 0o644)
    as_user(4242, 4242, [], lambda: cvmd.call("Launch", spec=spec))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_another_users_cvm_is_not_taken_over(run, cvmd):
    launch_as_another(cvmd)
    runner = run()
    assert runner.code() == exits.TAKEN
    assert cvmd.status("web")["state"] == "running"


# stop --own, with which a unit clears up

def test_stop_own(cvmd):
    assert cvmd.cvmctl("stop", "--own", "web").stdout == ""
    cvmd.launch("web")
    assert cvmd.cvmctl("stop", "--own", "web", "absent").stdout == "web: stopped\n"
    assert cvmd.status("web")["state"] == "stopped"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_stop_own_spares_another_users(cvmd):
    launch_as_another(cvmd)
    assert cvmd.cvmctl("stop", "--own", "web").stdout == ""
    assert cvmd.status("web")["state"] == "running"


# Credentials

def credentials(tmp_path, **files):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return {"CREDENTIALS_DIRECTORY": str(tmp_path)}


def test_credentials_become_env_and_certs(run, cvmd, tmp_path):
    env = credentials(tmp_path, token=b"s3cret\n", key=b"\x00\xff not text")
    spec = cvmd.spec("web", env={"TOKEN": {"credential": "token"}, "PLAIN": "x"},
                     certs={"key.pem": {"credential": "key"}})
    runner = run(spec=spec, env=env)
    cvm = there(cvmd)
    share = cvmd.runtime / "shares" / cvm["id"]
    (environment,) = share.rglob("environment")
    assert environment.read_text() == 'PLAIN="x"\nTOKEN="s3cret"\n'
    (key,) = share.rglob("key.pem")
    assert key.read_bytes() == b"\x00\xff not text"
    runner.signal()
    assert runner.code() == 0


@pytest.mark.parametrize("reference, says", [
    ({"credential": "absent"}, "the unit has no credential of that name"),
    ({"credential": "../token"}, "a file's name"),
    ({"credential": 1}, "a file's name"),
    ({"credential": "token", "text": "x"}, "a file's name"),
    ({"credential": "binary"}, "not text in UTF-8"),
    ({"credential": "large"}, "too large"),
    ({"credential": "directory"}, "not a regular file"),
])
def test_credentials_that_cannot_be(run, cvmd, tmp_path, reference, says):
    env = credentials(tmp_path, token=b"x", binary=b"\xff", large=b"x" * ((4 << 20) + 1))
    (tmp_path / "directory").mkdir()
    code, _, errors = run(spec=cvmd.spec("web", env={"A": reference}), env=env).wait()
    assert code == exits.DATA and "env.A" in errors and says in errors
    assert "s3cret" not in errors


def test_credentials_without_a_directory(run, cvmd):
    spec = cvmd.spec("web", certs={"c": {"credential": "token"}})
    code, _, errors = run(spec=spec, env={"CREDENTIALS_DIRECTORY": ""}).wait()
    assert (code == exits.DATA and "CREDENTIALS_DIRECTORY is not set" in errors
            and "certs.c" in errors)


@pytest.mark.qemu_driver("it launches nothing")
def test_a_render_needs_no_credentials(cvmd, tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(cvmd.spec("web", env={"A": {"credential": "a"}},
                                         certs={"c": {"credential": "c"}})))
    assert json.loads(cvmd.cvmctl("render", "--file", path, "--json").stdout)["argv"]
