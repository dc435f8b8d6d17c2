# SPDX-License-Identifier: Apache-2.0
"""cvmctl list: which CVMs, in which order, and in which form."""
import json
import pathlib
import subprocess

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import Peer, cvm
from harness.screens import ago, on_terminal
from harness.terminal import Terminal
from harness.varlink_idl import Interface

INTERFACE = pathlib.Path(__file__).resolve().parents[2] / "src/wire/io.cvmd.Manager.varlink"
pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")


def make_cvms():
    return [
        cvm("batch", id="aaaaaaaa-0000-4000-8000-000000000001", state="failed", memory=4 << 30,
            confidential=False, createdAt=ago(7200), ready=False,
            ending={"reason": "guest-panic", "at": ago(300)}),
        cvm("db", id="bbbbbbbb-0000-4000-8000-000000000002", confidential=True,
            createdAt=ago(7300), labels={"tier": "back", "a.b/c": "x"},
            spec={"name": "db", "cmdline": "quiet"}),
        cvm("old", id="cccccccc-0000-4000-8000-000000000003", state="stopped", memory=512 << 20,
            confidential=False, createdAt=ago(90000),
            ending={"reason": "stopped", "at": ago(86500)}),
        cvm("web", id="dddddddd-0000-4000-8000-000000000004", state="restarting",
            confidential=False, createdAt=ago(120), restartAt=ago(-239),
            ending={"reason": "qemu-exit", "at": ago(1)}),
    ]


@pytest.fixture(name="peer")
def peer_fixture():
    with Peer(List={"cvms": make_cvms()}) as peer:
        yield peer


def names(peer, *args):
    done = peer.cvmctl("list", "-q", *args)
    assert (done.code, done.err) == (0, "")
    return done.out.split()


def test_which(peer):
    assert names(peer) == names(peer, "--all") == names(peer, "-a") == ["batch", "db", "old", "web"]
    assert names(peer, "--state", "failed,stopped") == ["batch", "old"]
    assert names(peer, "--filter", "state=failed", "--filter", "state=stopped") == ["batch", "old"]
    assert names(peer, "--running") == ["db"]
    assert names(peer, "--filter", "name=*[be]*", "--filter", "name=old") == [
        "batch", "db", "old", "web"]
    assert names(peer, "--filter", "name=b*") == ["batch"]
    assert names(peer, "web", "db") == ["db", "web"]
    assert names(peer, "cccccccc", "web") == ["old", "web"]
    assert names(peer, "web", "--state", "failed,stopped") == []


def test_what_the_daemon_selects(peer):
    peer.cvmctl("list", "--state", "failed", "-l", "tier=back", "--filter", "label=a=b=c",
                "--filter", "platform=tdx", "--filter", "owner=0")
    peer.cvmctl("list", "--running")
    peer.cvmctl("list", "--state", "failed,stopped")
    assert [call.parameters for call in peer.calls] == [
        {"state": "failed", "platform": "tdx", "owner": 0, "labels": {"tier": "back", "a": "b=c"}},
        {"state": "running"}, {}]


def test_a_cvm_that_is_not_there(peer):
    done = peer.cvmctl("list", "-q", "web", "nope", "eeeeeeee-0000-4000-8000-000000000005")
    assert (done.code, done.out) == (exits.NOT_FOUND, "web\n")
    first, second = done.err.splitlines()
    assert "'nope'" in first and "eeeeeeee" in second


def test_states_and_ages(peer):
    lines = peer.cvmctl("list").out.splitlines()
    state, age = lines[0].index("STATE"), lines[0].index("AGE")
    assert [line[state:age].strip() for line in lines[1:]] == [
        "failed: guest-panic, 5 min ago", "running", "stopped, 1 day ago",
        "restarting: qemu-exit, in 3 min"]
    assert [line[age:].split()[0] for line in lines[1:]] == ["2h", "2h", "1d", "2m"]
    assert [line[age:].split()[2] for line in lines[1:]] == ["no", "yes", "no", "no"]


def test_order(peer):
    assert names(peer, "--sort", "memory") == ["old", "db", "web", "batch"]
    assert names(peer, "--sort", "-memory") == ["batch", "db", "web", "old"]
    assert names(peer, "--sort=createdAt") == ["old", "db", "batch", "web"]
    assert names(peer, "--sort", "ending.reason") == ["batch", "web", "old", "db"]
    assert names(peer, "--sort", "-ending.reason") == ["old", "web", "batch", "db"]
    assert names(peer, "--sort", "confidential") == ["batch", "old", "web", "db"]


def test_fields(peer):
    done = peer.cvmctl("list", "--format", "name,memory,ending.reason,labels.a.b/c", "--sort", "id")
    assert [line.split() for line in done.out.splitlines()] == [
        ["name", "memory", "ending.reason", "labels.a.b/c"], ["batch", "4G", "guest-panic", "-"],
        ["db", "2G", "-", "x"], ["old", "512M", "stopped", "-"], ["web", "2G", "qemu-exit", "-"]]
    done = peer.cvmctl("list", "--no-legend", "db", "--format", "startedAt,forwards")
    assert done.out == "2023-11-14 22:13:21 +0000 127.0.0.1:6100 -> 7002/tcp\n"


def test_fields_of_the_spec(peer):
    done = peer.cvmctl("list", "db", "--format", "name,spec.cmdline", "--no-legend")
    assert done.out == "db quiet\n"
    assert [(call.more, call.parameters) for call in peer.calls] == [(True, {"withSpec": True})]


@pytest.mark.parametrize("path, hint", [
    ("ending.resaon", "; did you mean 'ending.reason'?"), ("binding.vlaue", "binding.value"),
    ("spec.cmdlnie", "; did you mean 'spec.cmdline'?"), ("memroy", "; did you mean 'memory'?"),
    ("state.x", "; did you mean 'state'?"), ("labels.", ""), ("artifacts.zzzzzzz", "")])
def test_a_field_that_a_cvm_has_not(peer, path, hint):
    for option, value in (("--format", f"name,{path}"), ("--sort", f"-{path}")):
        done = peer.cvmctl("list", option, value)
        assert done.code == exits.USAGE and f"has no field '{path}'{hint[:1] and ';'}" in done.err
        assert hint in done.err and not done.out and not peer.calls


def test_fields_of_the_interface_and_their_members(peer):
    types = Interface(INTERFACE.read_text()).types
    members = {"ending": "Ending", "binding": "Binding", "spec": "Spec"}
    paths = [*types["Cvm"][1], *(f"{field}.{name}" for field, kind in members.items()
                                 for name in types[kind][1])]
    assert len(paths) > 60
    for path in paths:
        assert peer.cvmctl("list", "--format", path, "--no-legend").code == 0, path


def list_by_state(call, connection):
    state = call.parameters.get("state")
    connection.reply({"cvms": [one for one in make_cvms() if state in (None, one["state"])]})


def test_a_cvm_that_does_not_meet_the_condition():
    """It is there, so an empty list is the answer, and no error."""
    with Peer(List=list_by_state) as peer:
        done = peer.cvmctl("list", "old", "--state", "running")
        assert (done.code, done.out.splitlines()[0], done.err) == (0, "No CVMs.", "")
        done = peer.cvmctl("list", "old", "nope", "--state", "running")
        assert (done.code, done.out) == (exits.NOT_FOUND, "")
        assert "nope" in done.err and "old" not in done.err
        done = peer.cvmctl("list", "nope")
        assert (done.code, done.out) == (exits.NOT_FOUND, "") and "nope" in done.err


@pytest.mark.parametrize("arguments, text", [
    (["--filter", "label=x"], "invalid --filter 'label=x': expected label=NAME=VALUE"),
    (["--filter", "label==x"], "invalid --filter 'label==x': expected label=NAME=VALUE"),
    (["-l", "x"], "invalid --label 'x': expected NAME=VALUE"),
    (["--filter", "label=a=1", "-l", "a=2"], "label 'a' is given twice"),
    (["--filter", "owner=no such"], "invalid owner 'no such': no user has this name"),
    (["--filter", "state=x"], "invalid state 'x': expected one of: preparing"),
    (["--filter", "tier=x"], "unknown --filter 'tier': expected label, state"),
    (["--filter", "x"], "invalid --filter 'x': expected KEY=VALUE"),
])
def test_errors_quote_what_was_typed(peer, arguments, text):
    done = peer.cvmctl("list", *arguments)
    assert done.code == exits.USAGE and text in done.err and done.out == ""


def test_json(peer):
    assert peer.cvmctl("list", "--format", "json").out == peer.cvmctl("list", "--json").out
    lines = peer.cvmctl("list", "--format", "jsonl", "--state", "failed,stopped").out.splitlines()
    cvms = peer.scripts["List"]["cvms"]
    assert [json.loads(line) for line in lines] == [cvms[0], cvms[2]]


def test_owner_is_for_those_who_see_several(peer):
    assert "OWNER" in peer.cvmctl("list").out
    peer.path.chmod(0o777)
    peer.path.parent.chmod(0o755)
    mine = {"user": 65534, "group": 65534, "extra_groups": []}
    assert "OWNER" in peer.cvmctl("list", **mine).out  # root's are listed
    peer.scripts["List"] = {"cvms": [cvm(owner=65534)]}
    assert "OWNER" not in peer.cvmctl("list", **mine).out
    user = subprocess.run(["id", "-un", "65534"], check=True, text=True, capture_output=True)
    assert f" {user.stdout.strip()} " in peer.cvmctl("list").out


def test_colours_of_states_on_a_terminal(peer):
    def shown(**environment):
        return "\n".join(on_terminal(120, "--socket", peer.path, "list", environment=environment))

    text = shown(NO_COLOR="")
    assert "\x1b[31mfailed: guest-panic, 5 min ago\x1b[0m" in text
    assert "\x1b[32mrunning\x1b[0m" in text and "\x1b[33mno\x1b[0m" in text
    assert "\x1b" not in shown(NO_COLOR="1") and "\x1b" not in shown(NO_COLOR="", TERM="dumb")
    assert "\x1b" not in peer.cvmctl("list").out


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_it_fits_the_terminal(peer, columns):
    lines = on_terminal(columns, "--socket", peer.path, "list")
    assert max(map(len, lines)) <= columns
    assert not [line for line in lines if line != line.rstrip()]
    assert on_terminal(columns, "--socket", peer.path, "list", "--full") == \
        peer.cvmctl("list").out.splitlines()


def test_watch(peer):
    command = [CVMCTL, "--socket", peer.path, "list", "--watch", "--sort", "name"]
    with Terminal(command, rows=8, columns=90) as terminal:
        terminal.wait_for("web")
        lines = terminal.screen.lines
        assert lines[0].split()[:3] == ["NAME", "STATE", "AGE"] and "failed:" in lines[1]
        assert terminal.screen.other is not None and not terminal.screen.modes["25"]
        peer.scripts["List"] = {"cvms": []}
        terminal.wait_for("No CVMs.")
        assert terminal.screen.lines == ["No CVMs."]
        peer.scripts["List"] = {"cvms": [cvm("late")]}
        terminal.wait_for("late")
        terminal.type("q")
        assert terminal.wait() == 0 and terminal.screen.lines == []
    assert peer.cvmctl("list", "-w").out.splitlines()[1].startswith("late ")  # once in a pipe
    assert peer.cvmctl("list", "-w", "-q").code == exits.USAGE
