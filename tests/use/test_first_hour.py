# SPDX-License-Identifier: Apache-2.0
"""first-hour.txt: what a user of docker, virsh or machinectl types in the first hour, in one go;
each line is a test, with the real QEMU and the embedded guest."""
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from harness import exits, ports
from harness.daemon import CVMCTL, Daemon
from harness.processes import SLOWNESS, eventually
from harness.tmux import Tmux

HERE = pathlib.Path(__file__).parent
CONFIG = {"accelerator": "tcg", "network": {"hostAccess": "allow"},
          "timeouts": {"startSec": 60, "readySec": 300, "powerdownSec": 60, "quitSec": 10}}
SECONDS = 120 * SLOWNESS
PORT = ports.port(0)


@dataclasses.dataclass
class Expect:
    """A command's exit status, what its output has (regular expressions), and what it has not."""
    code: int = 0
    has: tuple = ()
    lacks: tuple = ()
    width: int = 0  # at most so many columns


def says(*words, code=exits.USAGE):
    """Refused in one line that names what to type instead."""
    return Expect(code, tuple(rf"\b{re.escape(word)}" for word in words))


class Session:
    def __init__(self, daemon, directory):
        self.daemon = daemon
        self.directory = directory
        self.environment = {**os.environ, "CVMD_SOCKET": str(daemon.socket), "LC_ALL": "C.UTF-8",
                            "PATH": f"{pathlib.Path(CVMCTL).parent}:{os.environ['PATH']}"}

    def shell(self, line):
        line = line.replace("8702", str(PORT))  # which others may have, too
        return subprocess.run(["bash", "-c", line], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              errors="replace", timeout=SECONDS, cwd=self.directory,
                              env=self.environment)

    def terminal(self, columns=80):
        tmux = Tmux(self.directory, columns)
        tmux.run(f"export CVMD_SOCKET={self.daemon.socket} PATH={self.environment['PATH']}; clear")
        return tmux


# Lines that a person ends

def followed(session, line, text):
    """It prints, and continues until Ctrl-C."""
    command = " ".join(("exec", line))
    process = subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, env=session.environment, errors="replace",
                               start_new_session=True)
    try:
        seen = ""
        while text not in seen:
            seen += process.stdout.readline()
            assert process.poll() is None, seen
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == exits.INTERRUPTED
    finally:
        process.kill()
        process.communicate()


def logs_follow(session, line):
    followed(session, line, "SeaBIOS")


def events_since(session, line):
    followed(session, line, "web: ready")


def console(session, line):
    with session.terminal() as tmux:
        tmux.run(f"{line}; clear; echo {'sane ' * 20}")
        tmux.expect("Ctrl-]")
        tmux.type("C-]")
        # lines wrap again at the terminal's edge
        eventually(lambda: tmux.screen().count("sane") == 20, tmux.screen)


def top(session, line):
    with session.terminal() as tmux:
        tmux.run(f"{line}; echo left''it")
        tmux.expect("web")
        tmux.type("q")
        tmux.expect("leftit")
        assert "did you mean" not in tmux.screen()


def ready(session, line):
    """It runs, so that logs and events have something."""
    done = session.shell(line)
    assert done.returncode == 0 and "web: running" in done.stdout, done
    assert done.stdout.count("NOT confidential") == 1
    session.daemon.wait_ready("web", seconds=SECONDS)


LOGS = Expect(has=("SeaBIOS",))
EXPECTED = {
    "cvmctl": Expect(exits.USAGE, ("Usage: cvmctl", "launch")),
    "cvmctl --version": Expect(has=(r"^cvmctl \d",)),
    "cvmctl -h": Expect(has=("Usage: cvmctl",)),
    "cvmctl help launch": Expect(has=("Usage: cvmctl launch", "Examples:"), width=80),
    "cvmctl ls": says("list"),
    "cvmctl ps -a": says("list --all"),
    "cvmctl images": Expect(has=("No images",)),
    "cvmctl version": Expect(has=(r"^cvmctl \d", r"(?m)^cvmd \d")),
    "cvmctl info": says("doctor"),
    "cvmctl doctor": Expect(has=("plain", "tdx")),
    "cvmctl run --rm -it web": says("launch", "console"),
    "cvmctl launch web -p 8702:7002 -e A=b": ready,
    "cvmctl launch web": says("web", "exists", code=exits.TAKEN),
    "cvmctl launch": Expect(has=("running",)),
    "cvmctl list": Expect(has=("AGE", "CONFIDENTIAL", "web")),
    "cvmctl list -q": Expect(has=(r"(?m)^web$",), lacks=("NAME",)),
    "cvmctl list --format json": Expect(has=(r'^\[', '"name":"web"')),
    "cvmctl list --filter label=team=x": Expect(has=(r"^No CVMs\.$",)),
    "cvmctl inspect web": Expect(has=('"name": "web"', '"spec"')),
    "cvmctl status web": Expect(has=("Confidential: no", f"Forwards: .*{PORT}", r"(?i)env.*\bA\b")),
    "cvmctl port web": Expect(has=("7002", str(PORT))),
    "cvmctl logs web": Expect(has=("SeaBIOS", "console=null")),
    "cvmctl logs -f web": logs_follow,
    "cvmctl logs -n 5 web": LOGS,
    "cvmctl logs --since 1m web": Expect(),
    "cvmctl console web": console,
    "cvmctl attach web": says("console"),
    "cvmctl exec web sh": says("console", "protected"),
    "cvmctl ssh web": says("no SSH"),
    "cvmctl cp f web:/f": Expect(exits.USAGE, ("--share", "--certs")),
    "cvmctl top": top,
    "cvmctl stats web": Expect(has=("web",)),
    "cvmctl events --since 5m": events_since,
    "cvmctl events --from oldest -q": Expect(has=("web: running", "web: ready")),
    "cvmctl timeline web": Expect(has=("admitted", "ready")),
    "cvmctl pause web": Expect(has=("web: paused",)),
    "cvmctl unpause web": says("resume"),
    "cvmctl resume web": Expect(has=("web: running",)),
    "cvmctl suspend web": says("pause"),
    "cvmctl reset web": says("restart"),
    "cvmctl restart web": Expect(has=("web: restarted",)),
    "cvmctl wait web --for ready": Expect(has=("web: ready",)),
    "cvmctl shutdown web": says("stop"),
    "cvmctl poweroff web": says("stop"),
    "cvmctl kill web": says("stop --force"),
    "cvmctl destroy web": says("stop --force"),
    "cvmctl stop web": Expect(has=("web: stopped",)),
    "cvmctl start web": says("launch"),
    "cvmctl launch bad --kernel /etc/passwd": says("not a bzImage", code=exits.DATA),
    "cvmctl launch boom --cmdline 'rdinit=/no' --debug --wait ready --timeout 20s":
        Expect(exits.FAILED, ("guest-panic", "Last lines of its console", "Kernel panic")),
    "cvmctl logs boom": Expect(has=("Kernel panic",)),
    "cvmctl list --state failed": Expect(has=("boom", "guest-panic")),
    "cvmctl rm boom": says("remove"),
    "cvmctl remove boom": Expect(has=("boom: removed",)),
    "cvmctl prune": Expect(),
    "cvmctl remove --all": Expect(),
    "cvmctl launch big --memory 10t": says("10T requested", "available", code=exits.TRY_AGAIN),
    "cvmctl launch x --memory 2g --ttl 1h": Expect(has=("x: running",)),
    "cvmctl lunch y": says("launch"),
    "cvmctl stop --all": Expect(has=("x: stopped",)),
}


def lines():
    """The commands of the file, and for each what it says that must come back."""
    text = (HERE / "first-hour.txt").read_text()
    return [[part.strip() for part in line.split(" | ")] for line in text.splitlines()
            if not line.startswith("#")]


COMMANDS = [command for command, _ in lines()]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64 is not installed")
    daemon = Daemon(CONFIG).start()
    try:
        if not daemon.embedded:
            pytest.skip("this cvmd has no embedded guest")
        yield Session(daemon, tmp_path_factory.mktemp("hour"))
    finally:
        daemon.finish()


def test_all_lines_are_here():
    assert {*COMMANDS} == {*EXPECTED}
    assert len(COMMANDS) == 61  # one of them twice


@pytest.mark.xdist_group("first-hour")
@pytest.mark.parametrize("line", COMMANDS)
def test_line(session, line):
    expected = EXPECTED[line]
    if not isinstance(expected, Expect):
        expected(session, line)
        return
    done = session.shell(line)
    assert done.returncode == expected.code, done.stdout
    assert not [text for text in expected.has if not re.search(text, done.stdout)], done.stdout
    assert not [text for text in expected.lacks if re.search(text, done.stdout)], done.stdout
    if expected.width:
        assert max(map(len, done.stdout.splitlines())) <= expected.width
    if expected.code == exits.USAGE and line != "cvmctl":  # which prints the overview
        assert done.stdout.count("\n") == 1
