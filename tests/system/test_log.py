# SPDX-License-Identifier: Apache-2.0
"""The daemon's log: who called what, and the journal's fields."""
import os
import re
import socket
import threading

import pytest

from harness import libvirt
from harness.daemon import TOP, WRAPPER
from harness.processes import eventually

CALL = re.compile(r"cvmd: info: (\S+): (\w+) called by uid (\d+), pid (\d+)$", re.MULTILINE)
IDS = dict(re.findall(r"#define LOG_MESSAGE_(\w+) \"(\w{32})\"",
                      (TOP / "daemon/local/log.h").read_text()))
# The journal of a mount namespace; everything else in /run is gone there.
JOURNAL = ("mount -t tmpfs none /run && mkdir -p /run/systemd/journal && "
           "mount --bind \"$0\" /run/systemd/journal && exec \"$@\"")


def test_who_called(cvmd):
    cvmd.launch("web")
    cvmd.call("Pause", name="web")
    cvmd.call("Resume", name="web")
    cvmd.status("web")
    for _ in range(3):
        cvmd.stop("web", force=True)
    cvmd.call("Remove", name="web")
    me = (str(os.getuid()), str(os.getpid()))
    assert CALL.findall(cvmd.log(lines=None)) == [
        ("web", method, *me) for method in ("Launch", "Pause", "Resume", "Stop", "Remove")]


def test_a_stop_that_is_repeated_does_not_fill_the_log(cvmd):
    cvmd.launch("web", cmdline="fake.ignore-powerdown")
    clients = [cvmd.client() for _ in range(5)]
    for client in clients:
        client.send("Stop", {"name": "web"})
    cvmd.wait_state("web", "stopping", "stopped")
    cvmd.wait_state("web", "stopped")
    assert [method for _, method, *_ in CALL.findall(cvmd.log(lines=None))] == ["Launch", "Stop"]
    for client in clients:
        client.close()


class Journal:
    """A journal of a daemon's own."""

    def __init__(self, socket_):
        self.socket = socket_
        self.entries = []

    def read(self):
        """From now on, in the background; whoever writes waits for it, as the socket has little
        room."""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                text = self.socket.recv(65536).decode()
            except OSError:
                return
            if not text:
                return
            self.entries.append(dict(line.split("=", 1) for line in text.splitlines()))

    def wait(self, message):
        eventually(lambda: any(message in entry["MESSAGE"] for entry in self.entries),
                   lambda: f"{message} is in the journal: {self.entries}")

    def with_id(self, name):
        return [entry for entry in self.entries if entry.get("MESSAGE_ID") == IDS[name]]


@pytest.fixture(name="journal")
def fixture_journal(make_daemon, config):
    """A daemon, not started yet, and the journal that it logs to."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a mount namespace")
    if WRAPPER or libvirt.USED:
        pytest.skip("they need /run")
    daemon = make_daemon(config, start=False)
    directory = daemon.directory / "journal"
    directory.mkdir()
    daemon.log_path.touch()
    stat = daemon.log_path.stat()
    daemon.environment["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino}"
    daemon.launcher = ["unshare", "-m", "sh", "-c", JOURNAL, directory]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as socket_:
        socket_.bind(str(directory / "socket"))
        yield daemon, Journal(socket_)
        socket_.shutdown(socket.SHUT_RD)


def test_fields_of_the_journal(journal):
    daemon, journal = journal
    journal.read()
    daemon.start()
    cvm = daemon.launch("web", wait="ready")
    daemon.stop("web", force=True)
    journal.wait("→ stopped")
    daemon.call("Remove", name="web")
    assert daemon.terminate() == 0
    for entry in journal.entries:
        assert entry["SYSLOG_IDENTIFIER"] == "cvmd" and entry["PRIORITY"] in "34567"
    assert {entry["CVM_ID"] for entry in journal.entries
            if entry.get("CVM_NAME") == "web"} == {cvm["id"]}
    calls = journal.with_id("CALL")
    assert [(entry["CVM_METHOD"], entry["CVM_CALLER_UID"], entry["CVM_CALLER_PID"])
            for entry in calls] == [
                (method, "0", str(os.getpid())) for method in ("Launch", "Stop", "Remove")]
    assert calls[1]["MESSAGE"] == f"web: Stop called by uid 0, pid {os.getpid()}"
    assert [(entry["CVM_OLD_STATE"], entry["CVM_STATE"], entry.get("CVM_REASON"))
            for entry in journal.with_id("STATE")] == [
                ("preparing", "starting", None), ("starting", "running", None),
                ("running", "stopping", None), ("stopping", "stopped", "stopped")]
    assert [entry["MESSAGE"] for entry in journal.with_id("READY")] == ["web: ready"]


def test_a_journal_that_nobody_reads(journal):
    """Its socket has room for some ten messages: the daemon continues, and they come later."""
    daemon, journal = journal
    daemon.start()
    for number in range(3):
        daemon.launch(f"web{number}", wait="ready")
        daemon.stop(f"web{number}", force=True)
        daemon.call("Remove", name=f"web{number}")
    journal.read()
    journal.wait("web2: Remove called")
    assert daemon.terminate() == 0
    assert [entry["CVM_METHOD"]
            for entry in journal.with_id("CALL")] == 3 * ["Launch", "Stop", "Remove"]


def test_the_page_names_each_message():
    page = (TOP / "man/cvmd.8.scd").read_text()
    assert len(IDS) == 3 and all(f"\n{value}\n" in page for value in IDS.values())
