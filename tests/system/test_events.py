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


def kept(daemon):
    """All events that are kept, and the number of the next."""
    upto = daemon.call("List")["sequence"]
    events = []
    with daemon.client() as client:
        for reply in client.stream("Watch", fromSequence=0):
            events.append(reply["event"])
            if events[-1]["sequence"] == upto - 1:
                return events, upto


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_events_outlive_the_daemon(cvmd, end):
    """A new daemon has each event, and its numbers continue without a jump."""
    cvmd.launch("web")
    cvmd.stop("web", force=True)
    before, upto = kept(cvmd)
    getattr(cvmd, end)()
    cvmd.start()
    assert kept(cvmd) == (before, upto)
    with cvmd.client() as watcher:
        watcher.send("Watch", {"fromSequence": upto}, more=True)
        cvmd.launch("web2")
        assert watcher.receive(more=True)[0]["event"]["sequence"] == upto


def test_after_a_crash_of_the_host(cvmd):
    """Another boot without an end in good order: the numbers continue above all that were used, one
    event says so, and whoever asks for those before it is told that they are lost."""
    cvmd.launch("web")
    cvmd.discard("web")
    _, upto = kept(cvmd)
    cvmd.kill()
    path = cvmd.state / "events"
    path.write_text(path.read_text().replace(cvmd.boot_id(), "0" * 36))
    cvmd.start()
    [event], after = kept(cvmd)
    assert event["sequence"] == after - 1 > upto
    assert event["kind"] == "events-lost" and event["detail"] == {"reason": "unclean-boot"}
    assert event["name"] == event["id"] == ""
    for number in (upto - 1, upto, after + 1):
        with cvmd.client() as client, pytest.raises(VarlinkError) as refusal:
            client.call_more("Watch", fromSequence=number)
        assert refusal.value.name == "EventsLost"
        assert refusal.value.fields["oldest"] == event["sequence"]
        ahead = {"wanted": number, "next": after} if number > after else {}
        assert {key: refusal.value.fields[key] for key in ("wanted", "next")
                if key in refusal.value.fields} == ahead
    cvmd.terminate()
    cvmd.start()
    assert kept(cvmd) == ([event], after)


def test_list_then_watch_has_no_gap(cvmd):
    cvmd.launch("old")
    listed = cvmd.call("List")
    assert listed["boot"] == cvmd.boot_id()
    cvmd.launch("new")
    with cvmd.client() as watcher:
        watcher.send("Watch", {"fromSequence": listed["sequence"]}, more=True)
        event = watcher.receive(more=True)[0]["event"]
    assert (event["sequence"], event["name"], event["newState"]) == (
        listed["sequence"], "new", "preparing")


def test_a_snapshot_then_events(cvmd):
    for name in ("b", "a", "c"):
        cvmd.launch(name)
    with cvmd.client() as watcher:
        watcher.send("Watch", {"snapshot": True}, more=True)
        replies = [watcher.receive(more=True)[0] for _ in range(4)]
        assert [reply["cvm"] for reply in replies[:3]] == cvmd.call("List")["cvms"]
        assert replies[3] == {"sequence": cvmd.call("List")["sequence"], "boot": cvmd.boot_id()}
        cvmd.stop("b", force=True)
        event = watcher.receive(more=True)[0]["event"]
    assert (event["sequence"], event["newState"]) == (replies[3]["sequence"], "stopping")


def test_a_snapshot_of_one(cvmd):
    first = cvmd.launch("a")
    cvmd.launch("b")
    with cvmd.client() as watcher:
        watcher.send("Watch", {"snapshot": True, "id": first["id"]}, more=True)
        assert watcher.receive(more=True)[0]["cvm"]["name"] == "a"
        assert "sequence" in watcher.receive(more=True)[0]
        cvmd.stop("b", force=True)
        cvmd.stop("a", force=True)
        assert watcher.receive(more=True)[0]["event"]["name"] == "a"


def test_a_snapshot_has_its_own_place(cvmd):
    with cvmd.client() as client, pytest.raises(VarlinkError) as refusal:
        client.call_more("Watch", snapshot=True, fromSequence=1)
    assert refusal.value.fields == {"parameter": "fromSequence",
                                    "reason": "cannot be combined with snapshot"}


def test_the_last_message_says_where_to_continue(cvmd):
    cvmd.launch("web", cmdline="fake.echo")
    upto = cvmd.call("List")["sequence"]
    with cvmd.client() as watcher, cvmd.client() as logs:
        watcher.send("Watch", more=True)
        logs.send("Logs", {"name": "web", "follow": True, "lines": 0}, more=True)
        cvmd.call("List")  # by now both have begun
        assert cvmd.terminate() == 0
        assert watcher.receive(more=True) == ({"sequence": upto, "ended": "daemon-exit"}, False)
        assert watcher.is_closed()
        assert logs.receive(more=True) == ({"data": "", "ended": "daemon-exit"}, False)
    cvmd.start()
    cvmd.stop("web", force=True)
    with cvmd.client() as client:
        assert states(read_until(client, "stopped", fromSequence=upto))[0] == "stopping"


def test_cvmctl_says_where_to_continue(cvmd):
    cvmd.launch("web", wait="ready")
    upto = cvmd.call("List")["sequence"]
    process = subprocess.Popen(
        [CVMCTL, "--socket", cvmd.socket, "events", "--from", "0", "--json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while json.loads(process.stdout.readline())["sequence"] < upto - 1:
        pass
    assert cvmd.terminate() == 0
    rest, complaint = process.communicate(timeout=60)
    assert (rest, process.returncode) == ("", 1)
    assert f"--from {upto}" in json.loads(complaint)["parameters"]["message"]
    cvmd.start()


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


def test_the_life_of_a_cvm_in_sentences(cvmd):
    cvmd.launch("web")
    cvmd.call("Pause", name="web")
    cvmd.call("Resume", name="web")
    cvmd.stop("web", force=True)
    cvmd.discard("web")
    done = cvmd.cvmctl("events", "web", "-q")
    said = [line.split(" web: ")[1] for line in done.stdout.splitlines()]
    assert [text for text in said if text != "ready" and "guest says" not in text] == [
        "launch admitted", "starting", "running", "paused", "running again", "stopping",
        said[-2], "removed"]
    assert said[-2].startswith("stopped: on request")


def test_watch_without_following(cvmd):
    """The reply after what is kept says with which number a later Watch continues."""
    cvmd.launch("web")
    upto = cvmd.call("List")["sequence"]
    with cvmd.client() as client:
        replies = list(client.stream("Watch", fromSequence=0, follow=False))
    assert replies[0]["event"]["newState"] == "preparing"
    assert replies[-2]["event"]["sequence"] == upto - 1
    assert replies[-1] == {"sequence": upto}
    with cvmd.client() as client:
        assert list(client.stream("Watch", follow=False)) == [{"sequence": upto}]
    with cvmd.client() as client:
        replies = list(client.stream("Watch", follow=False, snapshot=True))
    assert [set(reply) for reply in replies] == [{"cvm"}, {"sequence", "boot"}, {"sequence"}]


def test_why_a_launch_failed_is_in_the_event(cvmd):
    """Its first line; the rest is in the CVM's ending."""
    with pytest.raises(VarlinkError):
        cvmd.launch("web", cmdline='fake.exit=1 fake.stderr="out of luck"')
    first = cvmd.status("web")["ending"]["detail"].splitlines()[0]
    with cvmd.client() as client:
        *_, last, _ = client.stream("Watch", fromSequence=0, follow=False)
    assert last["event"]["detail"] == {"reason": "launch-failed", "text": first}
    shown = cvmd.cvmctl("events", "-q", "--state", "failed").stdout
    assert shown.endswith(f" web: failed: the launch failed: {first}\n")
