# SPDX-License-Identifier: Apache-2.0
"""cvmctl stop --all, remove --all and prune, several names, and port."""
import os
import time

import pytest

from harness import exits
from harness.peer import Peer, cvm, refuse

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")

OWN = os.geteuid()


def one(number, state, ended_sec_ago=None, owner=OWN, **more):
    ending = None if ended_sec_ago is None else {
        "reason": "stopped", "at": int((time.time() - ended_sec_ago) * 1e6)}
    return cvm(f"n{number}", id=f"{number:08x}-5a33-4a0c-9a51-0c83f3a1f0aa", state=state,
               ending=ending, owner=owner, **more)


ALL = {"cvms": [one(1, "running"), one(2, "stopped", 5), one(3, "failed", 7200),
                one(4, "paused", owner=OWN + 1), one(5, "stopped", 7200, OWN + 1),
                one(6, "restarting", 60)]}


def ids(peer, method):
    return sorted(int(call.parameters["id"][:8], 16) for call in peer.calls
                  if call.method == method)


def run(*args, **scripts):
    with Peer(List=ALL, **{"Remove": {}, "Stop": {"cvm": cvm()}, **scripts}) as peer:
        done = peer.cvmctl(*args)
        return done, ids(peer, "Stop"), ids(peer, "Remove")


def said(numbers, what):
    return "".join(f"n{number}: {what}\n" for number in numbers)


@pytest.mark.parametrize("args, numbers", [([], [1, 4, 6]), (["--own"], [1, 6])])
def test_stop_all(args, numbers):
    done, stopped, removed = run("stop", "--all", *args)
    assert (done.code, done.out, done.err) == (0, said(numbers, "stopped"), "")
    assert (stopped, removed) == (numbers, [])


@pytest.mark.parametrize("args, numbers, left", [([], [2, 3, 5], 3), (["--own"], [2, 3], 2)])
def test_remove_all(args, numbers, left):
    done, stopped, removed = run("remove", "--all", *args)
    assert (done.code, done.out) == (0, said(numbers, "removed"))
    assert done.err == (f"cvmctl: note: {left} that have not ended are left: `cvmctl stop --all` "
                        "stops CVMs\n")
    assert (stopped, removed) == ([], numbers)


@pytest.mark.parametrize("args, numbers", [
    ([], [2, 3, 5]), (["--own"], [2, 3]), (["--older-than", "1h"], [3, 5]),
    (["--older-than", "3h"], []), (["--older-than", "1h", "--own"], [3])])
def test_prune(args, numbers):
    done, stopped, removed = run("prune", *args)
    assert (done.code, done.out) == (0, said(numbers, "removed"))
    assert done.err == ("" if numbers else "cvmctl: note: there is no CVM to remove\n")
    assert (stopped, removed) == ([], numbers)


def test_prune_in_json():
    done, _, _ = run("prune", "--json")
    assert done.out == '{"name":"n2"}\n{"name":"n3"}\n{"name":"n5"}\n' and done.err == ""


def test_what_is_gone_meanwhile_is_no_failure():
    def remove(call, connection):
        if call.parameters["id"].startswith("00000003"):
            connection.error("NoSuchCvm", id=call.parameters["id"])
        else:
            connection.reply({})
    done, _, _ = run("prune", Remove=remove)
    assert (done.code, done.out, done.err) == (0, said([2, 5], "removed"), "")


def test_what_cannot_be_removed_is_a_failure():
    done, _, _ = run("prune", "--own", Remove=refuse("WrongState", name="n2", state="running",
                                                      allowed=["stopped", "failed"]))
    assert done.code == 1 and done.err.count("\n") == 2


def test_errors_of_several_names_repeat_nothing():
    def stop(call, connection):
        name = call.parameters["name"]
        if name == "odd":
            connection.error("WrongState", name=name, state="preparing", allowed=["running"])
        else:
            connection.error("NoSuchCvm", name=name)
    with Peer(Stop=stop) as peer:
        done = peer.cvmctl("stop", "nope", "odd", "none")
        alone = peer.cvmctl("stop", "nope")
    first, second, third = done.err.splitlines()
    assert (first, third) == ("cvmctl: no CVM named 'nope'", "cvmctl: no CVM named 'none'")
    assert second.count("odd") == 1
    assert alone.err == "cvmctl: no CVM named 'nope'; see `cvmctl list`\n"
    assert done.code == exits.NOT_FOUND


FORWARDS = [{"address": "127.0.0.1", "hostPort": 8702, "guestPort": 7002, "protocol": "tcp"},
            {"address": "10.0.0.1", "hostPort": 53, "guestPort": 7002, "protocol": "udp"}]


@pytest.mark.parametrize("args, shown", [
    ([], "7002/tcp -> 127.0.0.1:8702\n7002/udp -> 10.0.0.1:53\n"),
    (["7002"], "127.0.0.1:8702\n"), (["7002/tcp"], "127.0.0.1:8702\n"),
    (["7002/udp"], "10.0.0.1:53\n")])
def test_port(args, shown):
    with Peer(Status={"cvm": cvm(forwards=FORWARDS)}) as peer:
        done = peer.cvmctl("port", "web", *args)
        assert (done.code, done.out, done.err) == (0, shown, "")
        assert peer.cvmctl("port", "web", "--json").json == FORWARDS


@pytest.mark.parametrize("args, fields, code, says", [
    (["80"], {"forwards": FORWARDS}, 1, "no port of this host leads to port 80 of CVM 'web'"),
    ([], {"forwards": []}, 0, "no port of this host leads to CVM 'web'"),
    ([], {"state": "stopped"}, 1, "CVM 'web' is stopped: no port leads to it")])
def test_no_port(args, fields, code, says):
    with Peer(Status={"cvm": cvm(**fields)}) as peer:
        done = peer.cvmctl("port", "web", *args)
    assert (done.code, done.out) == (code, "") and says in done.err
