# SPDX-License-Identifier: Apache-2.0
"""cvmctl's other verbs: what they ask, and what they show."""
import base64
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import TIMEOUT, Peer, cvm, cvmctl, environment, measurement, refuse, register

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")

UNSEEN = "\u009b\u202e\u2066\u200f\u061c\u2028\ufeff\u00ad\U000e0041"
EVIL = "\x1b[31mred\x07" + UNSEEN


def calls(peer):
    return [(call.method, call.parameters) for call in peer.calls]


# list and status

def test_list():
    web, db = cvm("web"), cvm("db", state="stopped", ready=False, forwards=[], startedAt=None)
    with Peer(List={"cvms": [web, db]}) as peer:
        done = peer.cvmctl("list")
        assert peer.cvmctl("list", "--json").json == [web, db]
        assert peer.cvmctl("status", "--json").json == [web, db]
        assert peer.cvmctl("status").out == done.out
        peer.cvmctl("list", "--state", "running", "--platform", "tdx")
        assert calls(peer) == [("List", {})] * 4 + [
            ("List", {"state": "running", "platform": "tdx"})]
    head, first, second = done.out.splitlines()
    assert head.split() == ["NAME", "STATE", "AGE", "OWNER", "CONFIDENTIAL", "PLATFORM", "MEMORY",
                            "READY", "FORWARDS"]
    assert re.fullmatch(r"web +running +\d+d +root +- +plain +2G +yes +127.0.0.1:6100 -> 7002/tcp",
                        first)
    assert re.fullmatch(r"db +stopped +\d+d +root +- +plain +2G +- +-", second)


def test_an_empty_list():
    with Peer(List={"cvms": []}) as peer:
        assert peer.cvmctl("list", "--json").json == []
        done = peer.cvmctl("list")
        assert (done.code, done.out) == (0, "No CVMs.\n")
        for args in (["-q"], ["--no-legend"], ["--format", "jsonl"]):
            assert (peer.cvmctl("list", *args).code, peer.cvmctl("list", *args).out) == (0, "")
        assert peer.cvmctl("list", "--format", "json").json == []


def test_tables_are_whole_when_piped():
    many = [{"address": "127.0.0.1", "hostPort": 6100 + i, "guestPort": 7000 + i,
             "protocol": "udp"} for i in range(64)]
    with Peer(List={"cvms": [cvm("n" * 63, forwards=many)]}) as peer:
        for env in ({}, {"COLUMNS": "40"}):
            row = peer.cvmctl("list", env=env).out.splitlines()[1]
            assert row.startswith("n" * 63) and row.endswith("127.0.0.1:6163 -> 7063/udp")


def test_status():
    ending = {"reason": "qemu-exit", "detail": "no space\nleft", "exitCode": 1,
              "at": 1700000003000000}
    one = cvm(state="failed", ready=False, ending=ending, guestStatus="warming up", vsockCid=6,
              measurement={"PCR4": "ef" * 32})
    with Peer(Status={"cvm": one}) as peer:
        shown = peer.cvmctl("status", "web").out
        assert peer.cvmctl("status", "web", "--json").json == one
        assert calls(peer) == [("Status", {"name": "web", "withSpec": True})] * 2
    fields = [line.strip() for line in shown.splitlines()]
    for line in ("Name: web", "State: failed", "Guest says: warming up", "Memory: 2G",
                 "Forwards: 127.0.0.1:6100 -> 7002/tcp", "Vsock CID: 6", "Exit code: 1",
                 "Ended by: qemu-exit", "Detail: no space\\nleft",
                 f"Artifact: kernel {'ab' * 32}", f"Measurement: PCR4 {'ef' * 32}"):
        assert line in fields, shown
    for line in ("Started: 2023-11-14 22:13:21", "Ended: 2023-11-14 22:13:23"):
        assert re.search(rf"^ *{line} \+0000, \d+ days ago$", shown, re.M), shown


def test_status_without_a_spec():
    """Of cvmd 0.1.0, or of a CVM that it launched."""
    with Peer(Status={"cvm": cvm()}) as peer:
        shown = peer.cvmctl("status", "web").out
    assert "Network" not in shown and "Confidential: -" in shown


def test_times_are_local():
    with Peer(Status={"cvm": cvm()}) as peer:
        shown = peer.cvmctl("status", "web", env={"TZ": "UTC-5"}).out
    assert "Started: 2023-11-15 03:13:21 +0500, " in shown


@pytest.mark.parametrize("verb, script", [
    ("list", {"cvms": [cvm(EVIL, state=EVIL, platform=EVIL)]}),
    ("status", {"cvm": cvm(EVIL, guestStatus=EVIL, artifacts={EVIL: EVIL},
                           measurement={EVIL: EVIL}, ending={"reason": EVIL, "detail": EVIL})}),
    ("events", {"event": {"name": EVIL, "kind": EVIL, "oldState": EVIL, "newState": EVIL,
                          "detail": {EVIL: EVIL}}}),
    ("templates", {"templates": [{"name": EVIL, "description": EVIL}]}),
    ("artifacts", {"artifacts": [{"name": EVIL, "kind": EVIL}]}),
    ("version", {"product": EVIL, "version": EVIL}),
    ("launch", {"cvm": cvm(EVIL, state=EVIL, forwards=[{"address": EVIL, "protocol": EVIL}])}),
    ("render", {"argv": [EVIL], "descriptors": [{"number": 3, "what": EVIL}],
                "missing": [{"name": EVIL, "fix": EVIL}]}),
    ("pause", refuse("WrongState", name=EVIL, state=EVIL, allowed=[EVIL])),
])
def test_nothing_of_a_peer_reaches_the_terminal_raw(verb, script):
    methods = ["List", "Status", "Watch", "ListTemplates", "ListArtifacts", "GetInfo", "Launch",
               "Render", "Pause"]
    args = ["x"] if verb in ("status", "launch", "pause") else []
    with Peer(**{method: script for method in methods}) as peer:
        done = peer.cvmctl(verb, *args)
        escaped = peer.cvmctl(verb, *args, "--json")
    for text in (done.out, done.err, escaped.out, escaped.err):
        assert not set(text) & set("\x1b\x07" + UNSEEN), text
    assert "\\x1b[31mred" in done.out + done.err or "\\033[31mred" in done.out


# stop, pause, resume, remove

@pytest.mark.parametrize("args, method, parameters, says", [
    (["stop"], "Stop", {}, "stopped"),
    (["stop", "--force", "--timeout", "7"], "Stop", {"force": True, "timeoutSec": 7}, "stopped"),
    (["pause"], "Pause", {}, "paused"),
    (["resume"], "Resume", {}, "running"),
    (["remove"], "Remove", {}, "removed"),
])
def test_verbs_of_names(args, method, parameters, says):
    reply = {} if method == "Remove" else {"cvm": cvm()}
    with Peer(**{method: reply}) as peer:
        done = peer.cvmctl(*args, "web")
        found = peer.cvmctl(*args, "web", "--json")
        assert calls(peer) == [(method, {**parameters, "name": "web"})] * 2
    assert (done.code, done.out, done.err) == (0, f"web: {says}\n", "")
    assert found.json == ({"name": "web"} if method == "Remove" else cvm())


def test_names_are_called_at_once_and_shown_in_order():
    names = [f"n{i}" for i in range(70)]
    waiting = threading.Barrier(32)

    def stop(call, connection):
        if int(call.parameters["name"][1:]) < 32:
            waiting.wait(TIMEOUT)  # passes only when 32 calls are there together
        if call.parameters["name"] in ("n3", "n60"):
            connection.error("NoSuchCvm", name=call.parameters["name"])
        else:
            connection.reply({"cvm": cvm()})

    with Peer(Stop=stop) as peer:
        done = peer.cvmctl("stop", *names)
        assert sorted(call.parameters["name"] for call in peer.calls) == sorted(names)
    assert done.code == exits.NOT_FOUND
    assert done.out.splitlines() == [f"{name}: stopped" for name in names
                                     if name not in ("n3", "n60")]
    assert done.err.splitlines() == ["cvmctl: no CVM named 'n3'", "cvmctl: no CVM named 'n60'"]


@pytest.mark.parametrize("args", [["stop"], ["stop", "--own"], ["remove"]])
def test_ids_of_one_command_are_looked_up_once(args):
    ids = [f"{number:08x}-5a33-4a0c-9a51-0c83f3a1f0aa" for number in range(40)]
    found = [cvm(f"n{number}", id=id_) for number, id_ in enumerate(ids)]
    with Peer(List={"cvms": found}, Stop={"cvm": cvm()}, Remove={},
              Status={"cvm": cvm(owner=os.geteuid())}) as peer:
        done = peer.cvmctl(*args, *[id_[:9] for id_ in ids], ids[0])
        methods = [method for method, _ in calls(peer)]
        assert methods[0] == "List" and methods.count("List") == 1
        assert sorted(parameters["id"] for method, parameters in calls(peer)
                      if method in ("Stop", "Remove")) == sorted(ids + ids[:1])
    assert done.code == 0 and len(done.out.splitlines()) == 41


@pytest.mark.parametrize("verb, method", [("stop", "Stop"), ("wait", "Wait")])
def test_a_cvm_that_has_failed_is_not_said_to_have_stopped(verb, method):
    failed = cvm(state="failed", ending={"reason": "qemu-exit"})
    with Peer(**{method: {"cvm": failed}}) as peer:
        assert peer.cvmctl(verb, "web").out == "web: failed: qemu-exit\n"


def test_a_whole_id_is_sent_at_once():
    whole = cvm()["id"]
    with Peer(Stop={"cvm": cvm()}) as peer:
        assert peer.cvmctl("stop", whole).out == "web: stopped\n"
        assert calls(peer) == [("Stop", {"id": whole})]

    def stop(call, connection):
        if "id" in call.parameters:
            connection.error("NoSuchCvm", id=whole)
        else:
            connection.error("NoSuchCvm", name=whole)

    with Peer(Stop=stop) as peer:
        assert peer.cvmctl("stop", whole).code == exits.NOT_FOUND
        assert calls(peer) == [("Stop", {"id": whole}), ("Stop", {"name": whole})]


def test_wait_has_one_timeout_for_all_names():
    """Those that are asked later have what is left."""
    names = [f"n{i}" for i in range(33)]

    def wait(call, connection):
        if call.parameters["name"] == "n0":
            time.sleep(1.5)
        connection.reply({"cvm": cvm()})

    with Peer(Wait=wait) as peer:
        assert peer.cvmctl("wait", *names, "--timeout", "600").code == 0
        given = {call.parameters["name"]: call.parameters["timeoutSec"] for call in peer.calls}
    assert {given[name] for name in names[:32]} == {600} and given["n32"] <= 599
    with Peer(Wait=wait) as peer:
        assert peer.cvmctl("wait", *names, "--timeout", "1").code == 0
        assert {call.parameters["timeoutSec"] for call in peer.calls} == {1}


# templates and artifacts

def test_templates_and_artifacts():
    templates = [{"name": "tdx", "description": "Intel TDX", "confidential": True, "strength": 20,
                  "origin": "built-in", "available": False}]
    artifacts = [{"name": "kernel", "kind": "kernel", "size": 123, "sha256": "ab" * 32,
                  "sha384": "cd" * 48, "origin": "embedded", "users": 2}]
    with Peer(ListTemplates={"templates": templates}, ListArtifacts={"artifacts": artifacts}) as p:
        row = p.cvmctl("templates").out.splitlines()[1]
        assert row.split() == ["tdx", "yes", "no", "20", "built-in", "Intel", "TDX"]
        row = p.cvmctl("artifacts").out.splitlines()[1]
        assert row.split() == ["kernel", "kernel", "123", "embedded", "2", "ab" * 32, "cd" * 48]
        assert p.cvmctl("templates", "--json").json == templates
        assert p.cvmctl("artifacts", "--json").json == artifacts


# logs

def pieces(*data):
    def answer(call, connection):
        for i, piece in enumerate(data):
            connection.reply({"data": base64.b64encode(piece).decode()}, i + 1 < len(data))
    return answer


STATUS = {"cvm": cvm(spec={"name": "web", "cmdline": "console=ttyS0"})}


def test_logs_are_exact_when_piped():
    data = bytes(range(256)) + b"\r\n\xc2\x9b"
    with Peer(Logs=pieces(data[:100], b"", data[100:]), Status=STATUS) as peer:
        assert peer.cvmctl("logs", "web").raw == data
        found = peer.cvmctl("logs", "web", "--lines", "5", "--json").out.splitlines()
        assert calls(peer) == [("Status", {"name": "web", "withSpec": True}),
                               ("Logs", {"name": "web"}), ("Logs", {"name": "web", "lines": 5})]
    assert b"".join(base64.b64decode(json.loads(line)["data"]) for line in found) == data


def on_terminal(path, *args, term="xterm"):
    """Standard output on a terminal, as script(1) makes one; line ends become \\r\\n there."""
    command = " ".join([CVMCTL, "--socket", str(path), *args])
    done = subprocess.run(["script", "-qec", command, "/dev/null"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, env=environment(TERM=term), timeout=TIMEOUT,
                          check=True)
    return done.stdout


def test_logs_are_escaped_on_a_terminal():
    data = pieces(b"a\x1b", b"\x05b\r", b"\nc\rd\t\xc2", b"\x9b1m\xc3\xa4\xc2",
                  b"\xa0\x7f\n\x1b[31m")
    with Peer(Logs=data, Status=STATUS) as peer:
        assert on_terminal(peer.path, "logs", "web") == (
            b"a\\x1b\\x05b\r\nc\\x0dd\t\\xc2\\x9b1m\xc3\xa4\xc2\xa0\\x7f\r\n")
        assert b"\x1b[31m" in on_terminal(peer.path, "logs", "web", "--raw")


def test_logs_show_what_changes_the_order_of_a_text():
    data = pieces(b"a\xe2", b"\x80", b"\xaeb\xe2\x82\xac\xf0\x9f\x98\x80\xf3\xa0\x81", b"\x81c",
                  b"\xff\xe2\x80d\xe2\x80\x8d\n")
    with Peer(Logs=data, Status=STATUS) as peer:
        assert on_terminal(peer.path, "logs", "web") == (
            b"a\\xe2\\x80\\xaeb\xe2\x82\xac\xf0\x9f\x98\x80\\xf3\\xa0\\x81\\x81c"
            b"\\xff\\xe2\\x80d\xe2\x80\x8d\r\n")


@pytest.mark.parametrize("sequence", [
    b"\x1bc", b"\x1b[?7l", b"\x1b[2J", b"\x1b[0m", b"\x1b[1;31m", b"\x1b[ q", b"\x1b]0;title\x07",
    b"\x1b]8;;http://x\x1b\\", b"\x1bP+q\x1b\\", b"\x1b(B", b"\x1b=", b"\x1b7", b"\x1b#8"])
@pytest.mark.parametrize("at_once", [True, False])
def test_known_sequences_are_left_out_on_a_terminal(sequence, at_once):
    data = b"one" + sequence + b"two\r" + sequence + b"\n"
    with Peer(Logs=pieces(*([data] if at_once else [bytes([c]) for c in data])),
              Status=STATUS) as peer:
        assert on_terminal(peer.path, "logs", "web") == b"onetwo\r\n"


@pytest.mark.parametrize("data, shown", [
    (b"\x1bzx", b"\\x1bzx"), (b"\x1b[1\x01m", b"\\x1b[1\\x01m"), (b"\x1b", b"\\x1b"),
    (b"\x1b[12", b"\\x1b[12"), (b"\x1b\x1b[m!", b"\\x1b!"), (b"\x1b]0;x\ny", b"\\x1b]0;x\r\ny"),
    (b"\x1b]0;a\x1b[mb", b"\\x1b]0;ab"), (b"\x1b(\x1b[m", b"\\x1b("),
    (b"\x1b]" + b"a" * 300 + b"\x07", b"\\x1b]" + b"a" * 300 + b"\\x07"),
    (b"\x1b[" + b"1" * 300 + b"m", b"\\x1b[" + b"1" * 300 + b"m")])
def test_other_sequences_are_shown_on_a_terminal(data, shown):
    with Peer(Logs=pieces(data), Status=STATUS) as peer:
        assert on_terminal(peer.path, "logs", "web") == shown + b"\r\n"


@pytest.mark.parametrize("args", [[], ["--raw"], ["--follow"]])
def test_the_last_line_is_ended_on_a_terminal(args):
    with Peer(Logs=pieces(b"a\nlogin: "), Status=STATUS) as peer:
        assert on_terminal(peer.path, "logs", "web", *args) == b"a\r\nlogin: \r\n"
        assert peer.cvmctl("logs", "web", *args).raw == b"a\nlogin: "
    with Peer(Logs=pieces(b""), Status=STATUS) as peer:
        assert on_terminal(peer.path, "logs", "web", *args) == b""


@pytest.mark.parametrize("args, told", [([], True), (["-f"], True), (["--svsm"], False),
                                        (["--json"], False)])
def test_logs_say_that_the_kernel_has_no_console(args, told):
    with Peer(Logs=pieces(b"SeaBIOS\n"), Status={"cvm": cvm(spec={"name": "web"})}) as peer:
        done = peer.cvmctl("logs", "web", *args)
    assert done.code == 0 and ("has console=null" in done.err) == told
    assert not told or (done.out, done.err.count("\n")) == ("SeaBIOS\n", 1)


TIMED = {"data": base64.b64encode(b"one\ntwo\nthree").decode(),
         "times": [{"position": 2, "at": 1700000000000000},
                   {"position": 8, "at": 1700000001000000}]}


def test_logs_with_their_times():
    """Each line has that of its first byte; what begins in an earlier piece has none of its own."""
    def reply(call, connection):
        assert call.parameters == {"name": "web", "times": True}
        connection.reply(TIMED, continues=True)
        connection.reply({"data": base64.b64encode(b"!\nfour\n").decode(),
                          "times": [{"position": 0, "at": 1700000002000000}]})
    with Peer(Logs=reply, Status=STATUS) as peer:
        done = peer.cvmctl("logs", "web", "-t")
    assert done.out.splitlines() == ["- one", "2023-11-14 22:13:20 two",
                                     "2023-11-14 22:13:21 three!", "2023-11-14 22:13:22 four"]


def test_logs_since():
    with Peer(Logs=pieces(b"x\n"), Status=STATUS) as peer:
        assert peer.cvmctl("logs", "web", "--since", "@1700000000").out == "x\n"
        assert peer.calls[-1].parameters == {"name": "web", "since": 1700000000000000}
        assert peer.cvmctl("logs", "web", "--since", "x").code == exits.USAGE


def test_logs_that_are_no_base64():
    with Peer(Logs={"data": "?"}, Status=STATUS) as peer:
        assert peer.cvmctl("logs", "web").code == 1


@pytest.mark.parametrize("how, code", [(signal.SIGINT, exits.INTERRUPTED),
                                       (signal.SIGTERM, exits.DONE)])
@pytest.mark.parametrize("args", [["logs", "web", "--follow"], ["events"], ["events", "--json"]])
def test_streams_end_clean_at_a_signal(args, how, code):
    event = {"sequence": 3, "at": 1, "name": "web", "id": "i", "kind": "note"}

    def stream(call, connection):
        if call.method == "Logs":
            assert call.parameters == {"name": "web", "follow": True}
            connection.reply({"data": base64.b64encode(b"one\n").decode()}, continues=True)
        else:
            connection.reply({"event": event}, continues=True)
        connection.wait_closed()
        connection.close()

    with Peer(Logs=stream, Watch=stream, Status=STATUS) as peer:
        process = subprocess.Popen([CVMCTL, "--socket", peer.path, *args], env=environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.readline()  # each piece is flushed
        process.send_signal(how)
        rest, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, rest, errors) == (code, b"", b"")


def test_logs_that_the_daemon_ends():
    """The CVM may still run: who follows it is not told that it has ended."""
    def stream(_, connection):
        connection.reply({"data": base64.b64encode(b"one\n").decode()}, continues=True)
        connection.reply({"data": "", "ended": "daemon-exit"})

    with Peer(Logs=stream, Status=STATUS) as peer:
        done = peer.cvmctl("logs", "web", "--follow")
    assert (done.code, done.raw) == (1, b"one\n")
    assert "cvmd is going down" in done.err


# A CVM's name, its id, or the beginning of its id

WEB, DB = "6b1bd9e2-5a33-4a0c-9a51-0c83f3a1f0aa", "6b1bd9e2-0000-4a0c-9a51-0c83f3a1f0bb"
CAFE = "0123cafe-5a33-4a0c-9a51-0c83f3a1f0cc"
KNOWN = {"cvms": [cvm("web", id=WEB), cvm("db", id=DB), cvm("cafecafe", id=CAFE),
                  cvm("0123cafe", id="99999999-5a33-4a0c-9a51-0c83f3a1f0dd")]}
WAITS = {"stop": "Stop", "pause": "Pause", "resume": "Resume", "remove": "Remove", "wait": "Wait"}


def answer(**more):
    def reply(call, connection):
        connection.reply({"cvm": next(one for one in KNOWN["cvms"]
                                      if call.parameters.get("id") == one["id"] or
                                      call.parameters.get("name") == one["name"]), **more})
    return reply


@pytest.mark.parametrize("given, sent, listed", [
    (WEB, {"id": WEB}, True), (WEB[:10], {"id": WEB}, True), (DB, {"id": DB}, True),
    ("cafecafe", {"name": "cafecafe"}, True),  # no id begins so
    ("0123cafe", {"name": "0123cafe"}, True),  # a name comes first
    ("0123cafe-", {"id": CAFE}, True),
    ("web", {"name": "web"}, False), ("db", {"name": "db"}, False)])
@pytest.mark.parametrize("verb", sorted(WAITS))
def test_an_id_or_its_beginning(verb, given, sent, listed):
    with Peer(List=KNOWN, **{WAITS[verb]: answer()}) as peer:
        done = peer.cvmctl(verb, given)
        assert done.code == 0, done.err
        *before, (_, parameters) = calls(peer)
        assert {**parameters, "for": None} == {**sent, "for": None}
        # a whole id is one; only for what Remove should print the name is not in the reply
        listed = listed and (verb == "remove" or len(given) < len(WEB))
        assert before == ([("List", {})] if listed else [])
        name = next(one["name"] for one in KNOWN["cvms"] if sent in ({"id": one["id"]},
                                                                     {"name": one["name"]}))
        assert done.out.startswith(f"{name}: ")


@pytest.mark.parametrize("args, method", [
    (["status"], "Status"), (["inspect"], "Status"), (["logs"], "Logs"), (["events"], "Watch"),
    (["measure"], "Measure"), (["stop", "--own"], "Status")])
def test_an_id_for_other_verbs(args, method):
    with Peer(List=KNOWN, Status=answer(), Stop=answer(), Logs={"data": ""},
              Watch={"event": {"name": "web", "kind": "removed", "at": 1, "sequence": 1}},
              Measure={"measurement": measurement(register("MRTD", "ab" * 48))}) as peer:
        done = peer.cvmctl(args[0], WEB[:12], *args[1:])
        assert done.code == 0, done.err
        assert next(parameters["id"] for name, parameters in calls(peer) if name == method) == WEB


def test_a_beginning_of_several_ids_is_refused():
    with Peer(List=KNOWN) as peer:
        done = peer.cvmctl("remove", WEB[:8])
        assert done.code == exits.USAGE and calls(peer) == [("List", {})]
        assert "'6b1bd9e2' is the beginning of the ids of 'web' and 'db'" in done.err


@pytest.mark.parametrize("given", ["6b1bd9e", "6B1BD9E2", "6b1bd9e2-5a33-4a0c-9a51-0c83f3a1f0aaa"])
def test_what_is_not_the_beginning_of_an_id_is_a_name(given):
    with Peer(List=KNOWN, Stop=refuse("NoSuchCvm", name=given)) as peer:
        assert peer.cvmctl("stop", given).code == exits.NOT_FOUND
        assert calls(peer) == [("Stop", {"name": given})]


@pytest.mark.parametrize("verb", ["pause", "remove", "status"])
def test_several_ids_and_one_that_is_wrong(verb):
    with Peer(List=KNOWN) as peer:
        done = peer.cvmctl(verb, "web", WEB[:8], DB[:12], WEB[:9], WEB)
        assert (done.code, done.out) == (exits.USAGE, "") and calls(peer) == [("List", {})]
        assert done.err.count("beginning of the ids") == 2


def test_status_of_several():
    def status(call, connection):
        if call.parameters["name"] == "none":
            connection.error("NoSuchCvm", name="none")
        else:
            answer()(call, connection)
    with Peer(Status=status) as peer:
        done = peer.cvmctl("status", "none", "web", "db")
        assert done.code == exits.NOT_FOUND and "no CVM named 'none'" in done.err
        first, second = done.out.split("\n\n")
        assert "Name: web\n" in first and "Name: db\n" in second
        lines = peer.cvmctl("status", "web", "db", "--json").out.splitlines()
        assert [json.loads(line)["name"] for line in lines] == ["web", "db"]


def test_a_daemon_that_does_not_answer_is_reported_once(tmp_path):
    for verb in ("status", "stop"):
        done = cvmctl("--socket", tmp_path / "none", verb, "a", "b", WEB)
        assert done.code == exits.UNAVAILABLE and done.err.count("\n") == 1
