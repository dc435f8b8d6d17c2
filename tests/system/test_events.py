# SPDX-License-Identifier: Apache-2.0
"""Watch and cvmctl events: every change of state, in order, numbered, resumable."""
import base64
import itertools
import json
import subprocess

import pytest

from harness import libvirt
from harness.daemon import CVMCTL
from harness.processes import eventually
from harness.varlink import VarlinkError


def states(events, name="web"):
    return [event["newState"] for event in events if event["name"] == name
            and event["kind"] == "state"]


def read_until(client, state, **parameters):
    """The events up to the first change to a state."""
    found = []
    for reply in client.stream("Watch", **parameters):
        found.append(reply["event"])
        if reply["event"].get("newState") == state:
            break
    return found


def test_a_life_in_events(cvmd):
    with cvmd.client() as watcher:
        watcher.send("Watch", {"name": "web"}, more=True)
        cvmd.launch("web")
        cvmd.call("Pause", name="web")
        cvmd.call("Resume", name="web")
        cvmd.stop("web", force=True)
        events = []
        while "stopped" not in states(events):
            events.append(watcher.receive(more=True)[0]["event"])
    assert states(events) == ["preparing", "starting", "running", "paused", "running", "stopping",
                              "stopped"]
    numbers = [event["sequence"] for event in events]
    assert numbers == sorted(set(numbers))
    for before, after in itertools.pairwise(e for e in events if e["kind"] == "state"):
        assert after["oldState"] == before["newState"]
        assert after["at"] >= before["at"] and after["id"] == before["id"]


def test_resume_from_a_number(cvmd):
    cvmd.launch("web")
    cvmd.stop("web", force=True)
    with cvmd.client() as client:
        all_events = read_until(client, "stopped", fromSequence=0)
    middle = all_events[2]["sequence"]
    with cvmd.client() as client:
        rest = read_until(client, "stopped", fromSequence=middle)
    assert rest == all_events[2:]


def test_only_new_ones_without_a_number(cvmd):
    cvmd.launch("old")
    with cvmd.client() as watcher:
        watcher.send("Watch", more=True)
        cvmd.launch("new")
        assert watcher.receive(more=True)[0]["event"]["name"] == "new"


def test_only_those_of_a_name(cvmd):
    with cvmd.client() as watcher:
        watcher.send("Watch", {"name": "two"}, more=True)
        cvmd.launch("one")
        cvmd.launch("two")
        assert watcher.receive(more=True)[0]["event"]["name"] == "two"


def test_numbers_grow_over_a_restart(cvmd):
    cvmd.launch("web")
    cvmd.stop("web", force=True)
    with cvmd.client() as client:
        last = read_until(client, "stopped", fromSequence=0)[-1]["sequence"]
    assert cvmd.terminate() == 0
    cvmd.start()
    with cvmd.client() as watcher:
        watcher.send("Watch", more=True)
        cvmd.launch("web2")
        assert watcher.receive(more=True)[0]["event"]["sequence"] > last


def test_events_that_are_no_longer_kept(cvmd):
    """After a restart the old events are gone, and who asks for them is told so."""
    cvmd.launch("web")
    cvmd.discard("web")
    assert cvmd.terminate() == 0
    cvmd.start()
    cvmd.launch("web")
    with cvmd.client() as client, pytest.raises(VarlinkError) as refusal:
        client.send("Watch", {"fromSequence": 1}, more=True)
        client.receive(more=True)
    assert refusal.value.name == "EventsLost" and refusal.value.fields["oldest"] > 1


def test_many_watchers(cvmd):
    watchers = [cvmd.client() for _ in range(50)]
    try:
        for watcher in watchers:
            watcher.send("Watch", {"name": "web"}, more=True)
        cvmd.launch("web")
        for watcher in watchers:
            assert watcher.receive(more=True)[0]["event"]["newState"] == "preparing"
    finally:
        for watcher in watchers:
            watcher.close()


@pytest.mark.parametrize("cmdline, kind, detail", [
    ('fake.panic-ms=50 fake.panic-says="no way on"', "panic",
     {"action": "pause", "info": {"type": "tdx", "error-code": 9, "message": "no way on"}}),
    ("fake.internal-error-ms=50", "internal-error",
     {"text": "" if libvirt.USED else "KVM internal error. Suberror: 1\nRAX=0000000000000042",
      "status": "internal-error"}),
])
def test_what_is_known_of_a_disaster(cvmd, cmdline, kind, detail):
    with cvmd.client() as watcher:
        watcher.send("Watch", {"name": "web"}, more=True)
        cvmd.launch("web", cmdline=cmdline)
        events = []
        while "failed" not in states(events):
            events.append(watcher.receive(more=True)[0]["event"])
    assert [event["detail"] for event in events if event["kind"] == kind] == [detail]


PANIC = b"Kernel panic - not syncing: "


def write_console(daemon, data):
    """The fake guest of `fake.echo` writes the same to its console."""
    with daemon.client() as typing:
        typing.upgrade("Console", name="web").sendall(data)
        eventually(lambda: data[-40:] in base64.b64decode(daemon.call("Logs", name="web")["data"]),
                   "the console has it")


def panics(daemon):
    """Of all events up to the end."""
    daemon.stop("web", force=True)
    with daemon.client() as client:
        events = read_until(client, "stopped", fromSequence=0)
    return [event["detail"] for event in events if event["kind"] == "panic"]


def test_a_panic_on_the_console_of_a_debug_cvm(cvmd):
    """One event, whatever else the guest writes; and what it writes decides nothing."""
    cvmd.launch("web", cmdline="fake.echo", debug=True, wait="ready")
    write_console(cvmd, b"x" * 100_000 + PANIC + b"in a line\n" + PANIC + b"real")
    write_console(cvmd, b"\r\n" + (PANIC + b"again\r\n") * 500 + b"the end of it all\r\n")
    assert cvmd.status("web")["state"] == "running"
    assert panics(cvmd) == [{"console": PANIC.decode() + "real"}]


def test_a_panic_on_the_console_is_bounded_text(cvmd):
    cvmd.launch("web", cmdline="fake.echo", debug=True, wait="ready")
    write_console(cvmd, b"\n[    0.7] " + PANIC + b"bad \xff\x1b[2J" + b"y" * 5000 + b"\r\n")
    [detail] = panics(cvmd)
    assert detail["console"].startswith(PANIC.decode() + "bad \ufffd\x1b[2Jyyy")
    assert len(detail["console"]) < 256


def test_a_panic_on_the_console_of_other_cvms_is_none(cvmd):
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    write_console(cvmd, b"\n" + PANIC + b"by whoever writes to this console\n")
    assert panics(cvmd) == []


def test_a_panic_reported_twice_is_one_event(cvmd):
    with cvmd.client() as watcher:
        watcher.send("Watch", {"name": "web"}, more=True)
        cvmd.launch("web", cmdline="fake.echo fake.panic-ms=3000", debug=True, wait="ready")
        write_console(cvmd, b"\n" + PANIC + b"first on the console\n")
        events = []
        while "failed" not in states(events):
            events.append(watcher.receive(more=True)[0]["event"])
    assert [event["detail"] for event in events if event["kind"] == "panic"] == [
        {"console": PANIC.decode() + "first on the console"}]
    assert cvmd.status("web")["ending"]["reason"] == "guest-panic"


def test_a_disk_that_fails(cvmd):
    """QEMU holds the guest; it is paused, and goes on when told to."""
    cvmd.launch("web", cmdline="fake.io-error-ms=50")
    cvmd.wait_state("web", "paused")
    with cvmd.client() as client:
        events = read_until(client, "paused", fromSequence=0)
    notes = [event["detail"]["status"] for event in events if event["kind"] == "note"]
    assert notes == ["io-error"]
    assert cvmd.call("Resume", name="web")["cvm"]["state"] == "running"


def test_cvmctl_events(cvmd):
    cvmd.launch("web")
    cvmd.stop("web", force=True)
    process = subprocess.Popen([CVMCTL, "--socket", cvmd.socket, "events", "--from", "0", "--json"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        events = []
        while "stopped" not in states(events):
            events.append(json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
    assert states(events)[:3] == ["preparing", "starting", "running"]
