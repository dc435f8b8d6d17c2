# SPDX-License-Identifier: Apache-2.0
"""cvmctl events: a sentence a line, from when on, and how it ends."""
import json
import pathlib
import re
import signal
import subprocess
import time

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import TIMEOUT, Peer, cvm, cvmctl, environment, refuse

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")

INTERFACE = pathlib.Path(__file__).resolve().parents[2] / "src/wire/io.cvmd.Manager.varlink"
SECOND = 1_000_000
AT = 1700000000 * SECOND  # 2023-11-14 22:13:20 UTC
GONE = refuse("NoSuchCvm", name="web")


def event(sequence=7, kind="state", at=AT, name="web", **more):
    return {"sequence": sequence, "at": at, "name": name, "id": "i", "kind": kind, **more}


EVENTS = [event(7, oldState="starting", newState="running"),
          event(8, "status", AT + SECOND, detail={"text": "warm"})]


def watch(events, last=None):
    def stream(call, connection):
        assert call.more
        for one in events:
            connection.reply({"event": one}, continues=True)
        if last is None:
            connection.error("EventsLost", oldest=20)
        else:
            connection.reply(last)
    return stream


def lines(events, *args, **options):
    """The lines that are printed of events that are kept."""
    with Peer(Watch=watch(events, {"sequence": 100}), Status={"cvm": cvm()}) as peer:
        done = peer.cvmctl("events", "-q", *args, **options)
        assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


def test_events():
    with Peer(Watch=watch(EVENTS), Status={"cvm": cvm()}) as peer:
        done = peer.cvmctl("events", "web", "--from", "7")
        found = peer.cvmctl("events", "--json")
        assert [(call.method, call.parameters) for call in peer.calls] == [
            ("Status", {"name": "web"}), ("Watch", {"name": "web", "fromSequence": 7}),
            ("Watch", {})]
    assert done.out.splitlines() == ["2023-11-14 22:13:20 web: running",
                                     "2023-11-14 22:13:21 web: the guest says: warm"]
    assert done.code == 1 and "before number 20" in done.err
    assert [json.loads(line) for line in found.out.splitlines()] == EVENTS


@pytest.mark.parametrize("one, sentence", [
    (event(newState="preparing"), "launch admitted"),
    (event(oldState="failed", newState="preparing"), "launch admitted"),
    (event(oldState="preparing", newState="starting"), "starting"),
    (event(oldState="running", newState="paused"), "paused"),
    (event(oldState="paused", newState="running"), "running again"),
    (event(newState="stopped"), "stopped as before: the launch that was to replace it failed"),
    (event(oldState="stopping", newState="stopped", detail={"reason": "stopped"}),
     "stopped: on request"),
    (event(oldState="running", newState="failed", detail={"reason": "guest-panic"}),
     "failed: the guest panicked"),
    (event(oldState="starting", newState="failed",
           detail={"reason": "launch-failed", "text": "no QEMU\nmore"}),
     "failed: the launch failed: no QEMU"),
    (event(oldState="running", newState="restarting",
           detail={"reason": "guest-reset", "restarts": 1, "restartAt": AT}),
     "will be launched again: the guest rebooted"),
    (event(oldState="running", newState="failed", detail={"reason": "of-later"}),
     "failed: of-later"),
    (event(kind="ready"), "ready"),
    (event(kind="panic", detail={"info": {"message": "no way on"}}),
     "the guest's kernel panicked: no way on"),
    (event(kind="panic", detail={"console": "[1] Kernel panic\x1b[2J"}),
     "the guest's kernel panicked: [1] Kernel panic\\x1b[2J"),
    (event(kind="panic"), "the guest's kernel panicked"),
    (event(kind="internal-error", detail={"text": "KVM error\nRAX"}),
     "QEMU cannot continue to run the guest: KVM error"),
    (event(kind="note", detail={"text": "not ready in time"}), "not ready in time"),
    (event(kind="removed"), "removed"),
    (event(kind="removed", detail={"remove": "ended"}),
     "removed, as its spec says (remove: ended)"),
    (event(kind="removed", detail={"limit": "endedPerUid"}),
     "removed, because of the limit endedPerUid"),
    (event(kind="of-later", detail={"a": 1}), 'of-later {"a":1}'),
])
def test_a_sentence_for_each_event(one, sentence):
    assert lines([one]) == [f"2023-11-14 22:13:20 web: {sentence}"]


@pytest.mark.parametrize("detail, sentence", [
    ({"reason": "unclean-boot"}, "events before this one may be lost: the host crashed"),
    ({"reason": "disk", "count": 3}, "3 events before this one are lost: the disk did not answer"),
])
def test_an_event_about_no_cvm(detail, sentence):
    assert lines([event(kind="events-lost", name="", detail=detail)]) == [
        f"2023-11-14 22:13:20 {sentence}"]


def test_the_date_is_left_out_today():
    now = int(time.time())
    clock = time.strftime("%H:%M:%S", time.gmtime(now))
    assert lines([event(kind="ready", at=now * SECOND)]) == [f"{clock} web: ready"]


def test_events_of_some_kinds():
    all_kinds = [event(kind="ready"), event(newState="running"), event(kind="removed")]
    assert len(lines(all_kinds)) == 3
    assert [line.split(": ")[1] for line in lines(all_kinds, "--kind", "ready", "--kind",
                                                  "removed")] == ["ready", "removed"]


@pytest.mark.parametrize("since, shown", [
    ("@1700000000", [0, 1]), ("@1700000001", [1]), ("2023-11-14 22:13:21", [1]),
    ("2023-11-14T22:13:21", [1]), ("2023-11-14 22:14", []), ("2023-11-14", [0, 1]),
    ("2023-11-15", []), ("1h", []), ("2024-02-29", []), ("2020-02-29", [0, 1]), ("36500d", [0, 1]),
])
def test_since(since, shown):
    expected = [line for i, line in enumerate(lines(EVENTS)) if i in shown]
    assert lines(EVENTS, "--since", since) == expected


def test_since_is_local_time_unless_it_says_utc():
    zone = {"env": {"TZ": "XYZ-5"}}  # five hours ahead of UTC
    assert len(lines(EVENTS, "--since", "2023-11-15 03:13:21", **zone)) == 1
    assert len(lines(EVENTS, "--since", "2023-11-14T22:13:21Z", **zone)) == 1
    assert not lines(EVENTS, "--since", "2023-11-15 03:13:22", **zone)


def test_since_a_time_of_today():
    now = int(time.time())
    at = now - now % 86400 + 3600  # 01:00 UTC
    assert len(lines([event(kind="ready", at=at * SECOND)], "--since", "01:00")) == 1
    assert not lines([event(kind="ready", at=at * SECOND)], "--since", "01:00:01")


def test_kinds_of_the_interface():
    """--kind offers those, and no other."""
    text = re.search(r"# kind: (state.*? events-lost):", INTERFACE.read_text(), re.DOTALL)[1]
    text = re.sub(r"\([^)]*\)", "", text.replace("\n#", ""))
    kinds = {re.match(r"\s*(?:or )?([\w-]+)", part)[1] for part in re.split("[,;]", text)}
    assert {"updated", "internal-error", "events-lost"} < kinds
    offered = cvmctl("complete", "--", "events", "--kind", "").out.splitlines()[1:]
    assert {line.rstrip("\t") for line in offered} == kinds


@pytest.mark.parametrize("args, wrong", [
    (["--since", "5x"], "invalid --since '5x'"), (["--since", "2023-11-14 22:13:20 x"], "--since"),
    (["--since", ""], "--since"), (["--from", "newest"], "invalid --from 'newest'"),
    (["--from", "-1"], "--from"), (["--since", "2026-02-30"], "invalid --since '2026-02-30'"),
    (["--since", "2026-11-31T10:00Z"], "--since"), (["--since", "2026-02-29 10:00"], "--since")])
def test_a_start_that_is_none(args, wrong):
    with Peer() as peer:
        done = peer.cvmctl("events", *args)
        assert done.code == exits.USAGE and wrong in done.err and not peer.calls


@pytest.mark.parametrize("args, parameters", [
    ([], {}), (["--from", "oldest"], {"fromSequence": 0}), (["--from", "9"], {"fromSequence": 9}),
    (["--since", "5m"], {"fromSequence": 0}), (["-q"], {"fromSequence": 0, "follow": False}),
    (["--from", "3", "-q"], {"fromSequence": 3, "follow": False}),
])
def test_from_where(args, parameters):
    with Peer(Watch=watch([], {"sequence": 9})) as peer:
        assert peer.cvmctl("events", *args).code == 0
        assert peer.calls[0].parameters == parameters


def test_a_name_that_no_cvm_has():
    with Peer(Status=GONE, Watch=watch([], {"sequence": 9})) as peer:
        done = peer.cvmctl("events", "web")
        assert (done.code, done.out) == (exits.NOT_FOUND, "") and "no CVM named 'web'" in done.err
        assert [call.method for call in peer.calls] == ["Status"]
        done = peer.cvmctl("events", "web", "--since", "5m")
        assert (done.code, done.out) == (exits.NOT_FOUND, "") and "no CVM named 'web'" in done.err


def test_what_a_removed_cvm_has_left():
    """There is nothing to wait for: the command ends."""
    with Peer(Status=GONE, Watch=watch(EVENTS, {"sequence": 9})) as peer:
        done = peer.cvmctl("events", "web", "--from", "oldest")
        assert (done.code, done.out.count("\n"), done.err) == (0, 2, "")
        assert peer.calls[1].parameters == {"name": "web", "fromSequence": 0, "follow": False}


def test_a_daemon_that_ends_while_events_are_followed():
    def end(call, connection):
        connection.reply({"event": EVENTS[0]}, continues=True)
        connection.close()
    with Peer(Watch=end) as peer:
        done = peer.cvmctl("events")
    assert done.code == 1 and done.err.count("\n") == 1 and done.out.count("\n") == 1


def flood(call, connection):
    try:
        while True:
            connection.reply({"event": EVENTS[0]}, continues=True)
    except OSError:
        connection.close()


def trickle(call, connection):
    """Something, and then nothing more."""
    more = {"data": "b25lCg=="} if call.method == "Logs" else {"event": EVENTS[0]}
    connection.reply(more, continues=True)
    connection.wait_closed()
    connection.close()


@pytest.mark.parametrize("args, script", [
    (["events"], flood), (["events"], trickle), (["logs", "web", "--follow"], trickle)])
def test_a_reader_that_goes_ends_it(args, script):
    """At once, also if nothing more is to be printed."""
    with Peer(Watch=script, Logs=script, Status={"cvm": cvm()}) as peer:
        process = subprocess.Popen([CVMCTL, "--socket", peer.path, *args], env=environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(TIMEOUT) == -signal.SIGPIPE
        assert process.stderr.read() == b""
        process.stderr.close()


def test_a_reader_that_goes_where_sigpipe_is_ignored():
    with Peer(Watch=trickle) as peer:
        process = subprocess.Popen([CVMCTL, "--socket", peer.path, "events"], env=environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
                                   restore_signals=False)
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(TIMEOUT) == 1
        assert b"write the output: Broken pipe" in process.stderr.read()
        process.stderr.close()
