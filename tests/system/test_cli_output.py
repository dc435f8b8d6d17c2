# SPDX-License-Identifier: Apache-2.0
"""cvmctl and cvmd with a standard output or error that is closed, full or has no reader."""
import json
import os
import subprocess

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import TIMEOUT, Peer, cvm, environment, refuse

CLOSED = "cannot write the output: Bad file descriptor"
FULL = "cannot write the output: No space left on device"

READERS = [
    ["list"], ["list", "--json"], ["list", "-q"], ["status", "web"], ["stats", "web"],
    ["stats", "web", "--json"], ["logs", "web"], ["events", "--from", "oldest", "-q"],
    ["wait", "web", "--for", "ready"], ["wait", "web", "--for", "ready", "--json"],
    ["timeline", "web"], ["timeline", "web", "--svg", "-"], ["metrics"], ["doctor"], ["version"],
]
FOLLOWERS = [["events"], ["logs", "web", "--follow"], ["console", "web"]]


def through_shell(redirection, socket, *args):
    """(exit status, standard output, standard error) of cvmctl, started with that redirection."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {redirection}', CVMCTL, *args, "--socket", str(socket)],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def failure(args, text):
    if "--json" not in args:
        return 1, "", f"cvmctl: {text}\n"
    return 1, "", json.dumps({"error": "cvmctl.Failed", "parameters": {"message": text}},
                             separators=(",", ":")) + "\n"


@pytest.fixture
def web(shared):
    shared.launch("web", cmdline="fake.ready-ms=1 fake.console-bytes=100")
    shared.call("Wait", name="web", **{"for": "ready"})
    return shared.socket


@pytest.mark.parametrize("args", READERS, ids=" ".join)
def test_a_closed_or_full_output_is_told_in_one_line(web, args):
    assert through_shell(">&-", web, *args) == failure(args, CLOSED)
    assert through_shell(">/dev/full", web, *args) == failure(args, FULL)


@pytest.mark.parametrize("args", FOLLOWERS, ids=" ".join)
def test_what_follows_does_not_wait_with_a_closed_output(web, args):
    assert through_shell(">&-", web, *args) == failure(args, CLOSED)


def test_nothing_is_written_into_the_connection():
    """Which would otherwise have the number of the closed descriptor."""
    def wait(call, connection):
        connection.reply({"cvm": cvm()})
        assert connection.receive() is None  # the peer would see half a message

    for redirection, code in ((">&-", 1), ("2>&-", 0), (">&- 2>&-", 1), ("<&- >&- 2>&-", 1)):
        with Peer(Wait=wait) as peer:
            assert through_shell(redirection, peer.path, "wait", "web")[0] == code
    with Peer(Wait=refuse("NoSuchCvm", name="web")) as peer:
        assert through_shell("2>&-", peer.path, "wait", "web") == (exits.NOT_FOUND, "", "")


def test_run_says_at_once_that_the_console_cannot_be_written(shared, tmp_path):
    spec = tmp_path / "web.json"
    spec.write_text(json.dumps(shared.spec(
        "web", cmdline="fake.ready-ms=1 fake.console-bytes=100")))
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$0" "$@" >/dev/full', CVMCTL, "run", "--file", spec, "--console",
         "--socket", str(shared.socket)],
        env=environment(), stderr=subprocess.PIPE, text=True)
    said = ""
    while FULL not in said:
        said += process.stderr.readline() or pytest.fail(said)
    assert process.poll() is None
    assert shared.status("web")["state"] == "running"
    shared.stop("web", force=True)
    rest = process.communicate(timeout=TIMEOUT)[1]
    assert FULL not in rest and process.returncode == 1


def test_a_lost_connection():
    for answer in (lambda call, connection: connection.close(),
                   lambda call, connection: (connection.send_raw(b'{"par'), connection.close())):
        with Peer(List=answer) as peer:
            code, out, err = through_shell("", peer.path, "list")
            assert (code, out) == (1, "")
            assert err == "cvmctl: the connection to cvmd was lost: Connection reset by peer\n"


def test_the_daemon_fills_closed_descriptors(make_daemon, config):
    daemon = make_daemon(config, start=False)
    daemon.launcher = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-']
    daemon.start()
    links = [os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}") for fd in range(3)]
    assert links == ["/dev/null"] * 3
    daemon.launch("web")
