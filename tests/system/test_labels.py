# SPDX-License-Identifier: Apache-2.0
"""Labels: kept with the CVM, shown with it, and what List, Watch and cvmctl select by, beside
owner, state, platform, id and the beginning of the name."""
import json
import os
import pwd
import subprocess

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.users import ADMINS, ANN, BOB, USERS, by, reachable
from harness.varlink import VarlinkError

SHOP = {"app": "shop", "example.org/tenant": "7"}


def names(cvms):
    return [cvm["name"] for cvm in cvms]


def listed(cvmd, **parameters):
    return names(cvmd.call("List", **parameters)["cvms"])


@pytest.fixture
def three(cvmd):
    """web-1 and web-2 of the shop, of which the second is stopped, and db without labels."""
    cvmd.launch("web-1", labels={**SHOP, "color": "green"})
    cvmd.launch("web-2", labels=SHOP)
    cvmd.launch("db")
    cvmd.stop("web-2", force=True)
    return cvmd


def test_selected_by_list(three):
    cvm = three.status("web-1")
    assert cvm["labels"] == {**SHOP, "color": "green"}
    assert "labels" not in three.status("db")
    for parameters, found in [
            ({}, ["db", "web-1", "web-2"]),
            ({"labels": {"app": "shop"}}, ["web-1", "web-2"]),
            ({"labels": {"app": "shop", "color": "green"}}, ["web-1"]),
            ({"labels": {"app": "shop", "color": "red"}}, []),
            ({"labels": {"color": ""}}, []),
            ({"labels": {}}, ["db", "web-1", "web-2"]),
            ({"namePrefix": "web-"}, ["web-1", "web-2"]),
            ({"namePrefix": "web-1x"}, []),
            ({"state": "stopped"}, ["web-2"]),
            ({"state": "running", "labels": SHOP}, ["web-1"]),
            ({"platform": cvm["platform"], "namePrefix": "d"}, ["db"]),
            ({"platform": "tdx"}, []),
            ({"owner": os.getuid()}, ["db", "web-1", "web-2"]),
            ({"owner": 4294967294}, []),
            ({"id": cvm["id"]}, ["web-1"]),
            ({"id": "00000000-0000-4000-8000-000000000000"}, [])]:
        assert listed(three, **parameters) == found, parameters


@pytest.mark.parametrize("parameter, value", [
    ("labels", {"app": 1}), ("labels", ["app"]), ("owner", -1), ("owner", "root"), ("id", "1"),
    ("owner", 4294967295), ("state", "dead"), ("namePrefix", 1)])
@pytest.mark.parametrize("method", ["List", "Watch"])
def test_conditions_that_are_none(shared, method, parameter, value):
    with shared.client() as client, pytest.raises(VarlinkError) as refusal:
        client.send(method, {parameter: value}, more=True)
        client.receive(more=True)
    assert refusal.value.name == "org.varlink.service.InvalidParameter"
    assert refusal.value.fields["parameter"].split(".")[0] == parameter


def watched(cvmd, last, **parameters):
    """(name, kind, newState) of all events so far, up to the state of db's last one."""
    with cvmd.client() as client:
        found = []
        for reply in client.stream("Watch", fromSequence=0, **parameters):
            event = reply["event"]
            found.append((event["name"], event["kind"], event.get("newState")))
            if found[-1] == last:
                return found
    return found


def test_selected_by_watch(three):
    three.launch("web-3", labels={"app": "shop", "last": "yes"})
    last = ("web-3", "state", "running")
    cvm = three.status("web-1")
    shop = watched(three, last, labels={"app": "shop"})
    assert {name for name, _, _ in shop} == {"web-1", "web-2", "web-3"}
    assert {name for name, _, _ in watched(three, last)} == {"db", "web-1", "web-2", "web-3"}
    assert watched(three, last, labels={"last": "yes"}, state="running") == [last]
    assert {name for name, _, _ in watched(three, last, namePrefix="web-3")} == {"web-3"}
    by_id = watched(three, ("web-1", "state", "running"), id=cvm["id"])
    assert {name for name, _, _ in by_id} == {"web-1"}
    assert watched(three, last, state="running", owner=cvm["owner"], platform=cvm["platform"]) == [
        (name, "state", "running") for name in ("web-1", "web-2", "db", "web-3")]
    assert watched(three, ("web-2", "state", "stopped"), state="stopped") == [
        ("web-2", "state", "stopped")]


def test_events_say_whose_they_are(three):
    with three.client() as client:
        event = next(iter(client.stream("Watch", fromSequence=0, name="web-1")))["event"]
    cvm = three.status("web-1")
    assert (event["labels"], event["owner"], event["platform"]) == (
        cvm["labels"], cvm["owner"], cvm["platform"])


def test_kept_over_a_restart_of_the_daemon(three):
    before = three.status("web-1")["labels"]
    three.kill()
    three.start()
    assert three.status("web-1")["labels"] == before
    assert listed(three, labels=SHOP) == ["web-1", "web-2"]
    with three.client() as watcher:
        watcher.send("Watch", {"labels": {"color": "green"}}, more=True)
        three.stop("web-2", force=True)
        three.stop("web-1", force=True)
        assert watcher.receive(more=True)[0]["event"]["name"] == "web-1"


def test_pages(make_daemon, config):
    """A List with more: pages of 64 at most, in order, none left out and none twice."""
    cvmd = make_daemon({**config, "limits": {"endedPerUid": 100}})
    for i in range(70):
        cvmd.launch(f"cvm-{i:03}", labels={"even": "no" if i % 2 else "yes"})
        cvmd.stop(f"cvm-{i:03}", force=True)
    with cvmd.client() as client:
        pages = [names(reply["cvms"]) for reply in client.stream("List")]
        some = [names(reply["cvms"]) for reply in client.stream("List", labels={"even": "yes"})]
    assert [len(page) for page in pages] == [64, 6]
    assert sum(pages, []) == [f"cvm-{i:03}" for i in range(70)]
    assert sum(some, []) == [f"cvm-{i:03}" for i in range(0, 70, 2)] and len(some) == 1


def test_by_cvmctl(cvmd, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({**cvmd.spec("web"), "labels": {"app": "none", "of": "file"}}))

    def ctl(*args):
        return json.loads(cvmd.cvmctl(*args, "--json").stdout)

    def refused(*args):
        done = cvmd.cvmctl(*args, check=False)
        return done.returncode, done.stderr

    web = ctl("launch", "web", "--file", spec, "--label", "app=shop", "--label", "note=a=b")
    assert web["labels"] == {"app": "shop", "of": "file", "note": "a=b"}
    cvmd.launch("db")
    assert names(ctl("list", "--label", "app=shop", "--label", "note=a=b")) == ["web"]
    assert ctl("list", "--label", "app=") == []
    assert names(ctl("list", "--name-prefix", "d")) == ["db"]
    assert names(ctl("list", "--id", web["id"])) == ["web"]
    assert names(ctl("list", "--owner", os.getuid())) == ["db", "web"]
    assert names(ctl("list", "--owner", pwd.getpwuid(os.getuid()).pw_name)) == ["db", "web"]
    assert "app shop" in cvmd.cvmctl("status", "web").stdout
    assert refused("list", "--label", "app")[0] == exits.USAGE
    assert refused("list", "--owner", "no such user")[0] == exits.USAGE
    status, says = refused("launch", "x", "--label", "a=b", "--label", "a=c")
    assert status == exits.USAGE and "twice" in says
    status, says = refused("launch", "x", "--label", "%=b")
    assert status == exits.DATA and "labels.%" in says
    with subprocess.Popen([CVMCTL, "--socket", cvmd.socket, "events", "--from", "0", "--json",
                           "--label", "app=shop", "--state", "running"],
                          stdout=subprocess.PIPE, text=True) as events:
        event = json.loads(events.stdout.readline())
        events.terminate()
    assert (event["name"], event["newState"]) == ("web", "running")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")
def test_others_labels_select_nothing(make_daemon, config):
    """Nobody learns by a filter what another user's CVM has."""
    cvmd = reachable(make_daemon({**config, "groups": {"users": USERS, "admins": ADMINS}}))
    by(ANN, lambda: cvmd.launch("anns", labels=SHOP))
    assert by(ANN, lambda: listed(cvmd, labels=SHOP)) == ["anns"]
    for parameters in ({"labels": SHOP}, {"owner": ANN}, {"namePrefix": "a"}, {}):
        assert by(BOB, lambda p=parameters: listed(cvmd, **p)) == [], parameters
    assert listed(cvmd, owner=ANN) == ["anns"]
