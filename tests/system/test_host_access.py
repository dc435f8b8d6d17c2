# SPDX-License-Identifier: Apache-2.0
"""What keeps guests from the host's own addresses: nftables by a daemon that is root, in a network
namespace of the test's own. What a real guest reaches is tried in tests/e2e/test_reach.py."""
import json
import shutil
import signal
import subprocess
import sys

import pytest

from harness import netns
from harness.daemon import CVMCTL, WRAPPER
from harness.processes import eventually

PORT = 2179
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
    print("reached")
except ConnectionRefusedError:
    print("refused")
"""
REFUSED_AT_ONCE = """
import socket, sys, time
longest = 0
for _ in range(300):
    begun = time.monotonic()
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
        sys.exit("reached")
    except ConnectionRefusedError:
        longest = max(longest, time.monotonic() - begun)
print(longest)
"""

pytestmark = pytest.mark.qemu_driver("the uids are those of QEMUs that cvmd itself starts")


@pytest.fixture
def loopback(make_daemon):  # which is to be looked over last
    if not shutil.which("nft", path="/usr/sbin:/usr/bin"):
        pytest.skip("no nft here (package nftables)")
    with netns.private(), netns.answering("127.0.0.1", PORT, "x"), \
            netns.answering("127.0.0.1", 53, "x"):
        yield


def connect(uid, port=PORT, address="127.0.0.1"):
    return run_as(uid, CONNECT, address, port)


def run_as(uid, script, *arguments):
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script, *map(str, arguments)],
                          user=uid, group=uid, extra_groups=[], check=True, text=True,
                          stdout=subprocess.PIPE)
    return done.stdout.strip()


def tables():
    done = subprocess.run(["/usr/sbin/nft", "list", "tables"], check=True, text=True,
                          stdout=subprocess.PIPE)
    return done.stdout.split()


def denying(config):
    return {name: value for name, value in config.items() if name != "network"}


def test_a_guest_does_not_reach_the_loopback(loopback, make_daemon, config):
    daemon = make_daemon(denying(config))
    uid = daemon.launch("web")["uid"]
    assert connect(uid) == "refused"
    assert connect(uid, 53) == "reached"  # its resolver may be there
    assert connect(1000) == connect(0) == "reached"
    # A connection that hears nothing tries again after a second.
    assert float(run_as(uid, REFUSED_AT_ONCE, PORT)) < 0.9
    # So it is with its other addresses.
    netns.ip("addr", "add", "198.18.0.1/24", "dev", "lo")
    with netns.answering("198.18.0.1", PORT, "x"):
        assert connect(uid, PORT, "198.18.0.1") == "refused"
        assert connect(1000, PORT, "198.18.0.1") == "reached"


def test_the_table_stays_with_its_cvms(loopback, make_daemon, config):
    daemon = make_daemon(denying(config))
    assert tables()[1] == "inet" and tables()[2].startswith("cvmd_")
    uid = daemon.launch("web")["uid"]
    daemon.kill()
    assert connect(uid) == "refused"
    daemon.start()
    assert connect(uid) == "refused" and len(tables()) == 3
    daemon.process.send_signal(signal.SIGTERM)
    daemon.process.wait(10)
    assert connect(uid) == "refused"
    daemon.start()
    daemon.stop("web")
    daemon.process.send_signal(signal.SIGTERM)
    daemon.process.wait(10)
    assert tables() == [] and connect(uid) == "reached"
    daemon.start()


def test_it_is_the_configurations(loopback, make_daemon, config):
    daemon = make_daemon({**denying(config), "network": {"hostAccess": "allow"}})
    uid = daemon.launch("web")["uid"]
    assert connect(uid) == "reached" and tables() == []
    for access, answer in (("deny", "refused"), ("allow", "reached")):
        before = daemon.log(None)
        daemon.config_path.write_text(json.dumps({**config, "network": {"hostAccess": access}}))
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "configuration reloaded" in daemon.log(None)[len(before):], daemon.log)
        assert connect(uid) == answer
    # Uids of CVMs that are there stay denied when the range becomes another.
    daemon.config_path.write_text(json.dumps({**denying(config), "uids": {"first": 1800000000,
                                                                         "last": 1800000100}}))
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: connect(uid) == "refused", daemon.log)
    assert connect(1800000050) == "refused" and connect(uid + 1) == "reached"


@pytest.mark.parametrize("hide, said", [
    ('mount -t tmpfs none /usr/sbin; exec "$@"', "nft is not installed (package nftables)"),
    ('mount --bind /usr/bin/false /usr/sbin/nft; exec "$@"', "nft failed to set up the table"),
], ids=["missing", "failing"])
@pytest.mark.not_valgrind("mount(8) is under valgrind, too")
def test_without_nft(loopback, make_daemon, config, monkeypatch, hide, said):
    """The log says so, and each launch whose guest can reach the host."""
    hidden = ["unshare", "-m", "sh", "-ec", hide, "sh"]
    monkeypatch.setattr("harness.daemon.WRAPPER", [*WRAPPER, *hidden])
    daemon = make_daemon(denying(config))
    uid = daemon.launch("web")["uid"]
    daemon.launch("other", network="isolated")
    assert connect(uid) == "reached"
    assert said in daemon.log() and "reach this host's own addresses" in daemon.log()
    assert "web: the guest can reach this host's own addresses" in daemon.log()
    assert "other: the guest can reach" not in daemon.log()
    notes = [event for event in events(daemon) if event["kind"] == "note"]
    assert [(event["name"], event["detail"]["text"]) for event in notes] == [
        ("web", "the guest can reach this host's own addresses")]
    if "tmpfs" in hide:
        doctor = subprocess.run([*hidden, CVMCTL, "doctor"], text=True, stdout=subprocess.PIPE)
        assert "Note: nft is not installed: a guest on network 'user' can reach" in \
            " ".join(doctor.stdout.split())
    doctor = subprocess.run([CVMCTL, "doctor"], text=True, stdout=subprocess.PIPE)
    assert "no nft" not in doctor.stdout


def events(daemon):
    done = subprocess.run(["timeout", "2", CVMCTL, "--socket", daemon.socket, "events", "--from",
                           "0", "--json"], text=True, stdout=subprocess.PIPE)
    return [json.loads(line) for line in done.stdout.splitlines()]
