# SPDX-License-Identifier: Apache-2.0
"""Watch and cvmctl events: every change of state, in order, numbered, resumable."""
import itertools
import json
import subprocess

import pytest

from harness.daemon import CVMCTL
from harness.varlink import VarlinkError


def states(events, name="web"):
    return [event["newState"] for event in events if event["name"] == name
            and event["kind"] == "state"]


def read_until_removed(client, name, **parameters):
    """The events of a life, to the stopped state."""
    found = []
    for reply in client.stream("Watch", **parameters):
        found.append(reply["event"])
        if reply["event"]["name"] == name and reply["event"].get("newState") in ("stopped",
                                                                                  "failed"):
            return found
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
        all_events = read_until_removed(client, "web", fromSequence=0)
    middle = all_events[2]["sequence"]
    with cvmd.client() as client:
        rest = read_until_removed(client, "web", fromSequence=middle)
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
        last = read_until_removed(client, "web", fromSequence=0)[-1]["sequence"]
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
