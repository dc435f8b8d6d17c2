# SPDX-License-Identifier: Apache-2.0
"""Update and cvmctl update: what of a live CVM can change."""
import json
import os
import signal
import time

import pytest

from harness import exits, libvirt, processes, users
from harness.processes import SLOWNESS, eventually
from harness.varlink import VarlinkError

HOUR = 3600
INVALID = "org.varlink.service.InvalidParameter"
POLICY = {"policy": "on-failure", "backoffSec": 1}


def update(daemon, **changes):
    return daemon.call("Update", name="web", **changes)["cvm"]


def refused(daemon, **changes):
    with pytest.raises(VarlinkError) as refusal:
        update(daemon, **changes)
    return refusal.value.name, refusal.value.fields


def spec(daemon):
    return daemon.call("Status", name="web", withSpec=True)["cvm"]["spec"]


def record(daemon):
    return json.loads((daemon.state / "records" / f"{daemon.status('web')['id']}.json").read_text())


def updates(daemon):
    """The events of updates, as fields and labels."""
    with daemon.client() as client:
        last = daemon.call("List")["sequence"] - 1
        found = []
        for reply in client.stream("Watch", fromSequence=0):
            event = reply["event"]
            if event["kind"] == "updated":
                found.append((event["detail"]["fields"], event.get("labels")))
            if event["sequence"] == last:
                return found


@pytest.fixture
def web(cvmd):
    return cvmd.launch("web", wait="ready", labels={"app": "shop", "old": "1"}, env={"A": "b"})


@pytest.mark.usefixtures("web")
def test_it_is_shown_and_kept(cvmd):
    before = spec(cvmd)
    cvm = update(cvmd, ttlSec=HOUR, restart=POLICY, labels={"app": "blog"})
    assert cvm["labels"] == {"app": "blog"}
    assert abs(cvm["expiresAt"] - cvm["createdAt"] - HOUR * 10**6) < 2 * 10**6
    wanted = {**before, "ttlSec": HOUR, "restart": POLICY, "labels": {"app": "blog"}}
    assert spec(cvmd) == wanted
    shown = json.loads(cvmd.cvmctl("inspect", "web", "--spec").stdout)
    assert (shown["ttlSec"], shown["labels"]) == (HOUR, {"app": "blog"})
    assert updates(cvmd) == [(["ttlSec", "restart", "labels"], {"app": "blog"})]
    assert [c["name"] for c in cvmd.call("List", labels={"app": "blog"})["cvms"]] == ["web"]
    assert cvmd.call("List", labels={"app": "shop"})["cvms"] == []
    cvmd.kill()
    cvmd.start()
    assert spec(cvmd) == wanted
    after = cvmd.status("web")
    assert after["expiresAt"] == cvm["expiresAt"] and after["labels"] == cvm["labels"]


@pytest.mark.usefixtures("web")
def test_nothing_differs(cvmd):
    """Whoever wants a state may ask for it again: there is no event, and nothing is written."""
    update(cvmd, ttlSec=HOUR, labels={"app": "blog"})
    sequence, before = cvmd.call("List")["sequence"], cvmd.status("web")
    assert update(cvmd, ttlSec=HOUR, labels={"app": "blog"}) == {
        key: value for key, value in before.items() if key in update(cvmd)}
    assert cvmd.call("List")["sequence"] == sequence


@pytest.mark.parametrize("launched, asked", [
    ({"policy": "always"}, {"policy": "always", "backoffSec": 5}),  # which is the default
    ({"policy": "always", "backoffSec": 9}, {"backoffMaxSec": 300, "policy": "always",
                                             "backoffSec": 9}),
])
def test_the_same_in_other_words(cvmd, launched, asked):
    """What counts is what a field means: no event, nothing is written, the spec reads as before."""
    cvmd.launch("web", restart=launched)
    sequence, before = cvmd.call("List")["sequence"], spec(cvmd)
    update(cvmd, restart=asked)
    assert (spec(cvmd), cvmd.call("List")["sequence"]) == (before, sequence)


@pytest.mark.usefixtures("web")
def test_taken_away_again(cvmd):
    update(cvmd, ttlSec=HOUR)
    cvm = update(cvmd, ttlSec=0, labels={})
    assert cvm.get("expiresAt") is None and cvm.get("labels") is None
    assert not {"ttlSec", "labels"} & {*spec(cvmd)}


def test_the_time_to_live_is_the_launchs(cvmd):
    """A time that has passed is refused, as nobody may have meant to stop it."""
    cvmd.launch("web", ttlSec=HOUR)
    time.sleep(1.1)
    name, fields = refused(cvmd, ttlSec=1, labels={"a": "b"})
    assert name == INVALID and fields["parameter"] == "ttlSec" and "launch" in fields["reason"]
    assert cvmd.status("web").get("labels") is None and spec(cvmd)["ttlSec"] == HOUR
    seconds = round(3 * SLOWNESS)
    cvm = update(cvmd, ttlSec=seconds)
    assert cvmd.wait_state("web", "stopped", seconds=60)["ending"]["reason"] == "expired"
    assert abs(cvm["expiresAt"] - cvm["createdAt"] - seconds * 10**6) < 10**6


@pytest.mark.usefixtures("web")
def test_a_policy_that_came_later(cvmd, web):
    update(cvmd, restart=POLICY)
    os.kill(web["pid"], signal.SIGKILL)
    eventually(lambda: processes.reap() or processes.state(web["pid"]) is None, "it is reaped")
    libvirt.wait_forgotten(web)
    cvm = cvmd.wait_state("web", "restarting")
    assert cvm["restarts"] == 1
    assert update(cvmd, labels={"waits": "yes"})["state"] == "restarting"
    assert cvmd.wait_state("web", "running")["labels"] == {"waits": "yes"}
    update(cvmd, restart={"policy": "no"})
    os.kill(cvmd.status("web")["pid"], signal.SIGKILL)
    assert cvmd.wait_state("web", "failed", "restarting")["state"] == "failed"
    processes.reap()


@pytest.mark.parametrize("changes, field", [
    ({"labels": {" ": "x"}}, "labels"),
    ({"restart": {"policy": "never"}}, "restart.policy"),
    ({"restart": {"policy": "no", "often": 1}}, "restart.often"),
    ({"memoryHigh": "1M"}, "memoryHigh"),
    ({"memoryHigh": "much"}, "memoryHigh"),
])
@pytest.mark.usefixtures("web")
def test_all_or_nothing(cvmd, changes, field):
    before = record(cvmd)
    name, fields = refused(cvmd, **{"ttlSec": HOUR, **changes})
    assert name == INVALID and fields["parameter"].startswith(field) and fields["reason"]
    assert record(cvmd) == before and updates(cvmd) == []


@pytest.mark.parametrize("changes, parameter", [
    ({"ttlSec": -1}, "ttlSec"), ({"ttlSec": 2**32}, "ttlSec"), ({"cpuWeight": 10001}, "cpuWeight"),
    ({"labels": {"a": 1}}, "labels"), ({"memory": "1G"}, "memory"),
])
@pytest.mark.usefixtures("web")
def test_parameters(cvmd, changes, parameter):
    name, fields = refused(cvmd, **changes)
    assert name == INVALID and fields["parameter"] == parameter and fields["reason"]


@pytest.mark.usefixtures("web")
def test_limits_without_a_control_group(cvmd):
    """No service manager runs here; the rest of the update is not done either."""
    name, fields = refused(cvmd, cpuWeight=50, memoryHigh="128M", labels={"a": "b"})
    if libvirt.USED:
        assert (name, fields["parameter"]) == (INVALID, "cpuWeight")
    else:
        assert (name, fields["check"]) == ("HostNotReady", "scopes")
        done = cvmd.cvmctl("update", "web", "--cpu-weight", "50", check=False)
        assert done.returncode == exits.UNAVAILABLE
        assert done.stderr.startswith("cvmctl: cannot update on this host:\nFAIL scopes\n")
    assert cvmd.status("web")["labels"] == {"app": "shop", "old": "1"}
    update(cvmd, cpuWeight=0, memoryHigh="0")  # as it is


def test_a_launch_that_is_repeated(cvmd):
    """What was launched decides, not what it has become."""
    identity = "2c5d4ba4-6b0e-4c0a-9d0e-0d5f2f4a7a11"
    original = cvmd.spec("web", labels={"app": "shop"})
    cvmd.call("Launch", spec=original, id=identity)
    update(cvmd, labels={"app": "blog"}, ttlSec=HOUR)
    again = cvmd.call("Launch", spec=original, id=identity)["cvm"]
    assert again["labels"] == {"app": "blog"}
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call("Launch", spec={**original, "labels": {"app": "blog"}}, id=identity)
    assert refusal.value.name == "IdempotencyMismatch"


@pytest.mark.usefixtures("web")
def test_after_a_restart_it_is_as_updated(cvmd):
    update(cvmd, labels={"app": "blog"}, restart=POLICY)
    cvm = cvmd.call("Restart", name="web", force=True)["cvm"]
    assert cvm["labels"] == {"app": "blog"} and spec(cvmd)["restart"] == POLICY


def test_a_record_that_cannot_be_written(cvmd):
    """Then nothing is changed."""
    web = cvmd.launch("web", labels={"a": "b"})
    before, path = spec(cvmd), cvmd.state / "records" / f"{web['id']}.json"
    aside = path.rename(cvmd.directory / "aside")
    path.mkdir()  # nothing can take its place
    name, _ = refused(cvmd, labels={"c": "d"}, ttlSec=HOUR)
    assert name == "SystemError"
    assert spec(cvmd) == before and cvmd.status("web")["labels"] == {"a": "b"}
    assert cvmd.status("web").get("expiresAt") is None and updates(cvmd) == []
    path.rmdir()
    aside.rename(path)
    update(cvmd, labels={"c": "d"})
    assert record(cvmd)["labels"] == {"c": "d"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")
@pytest.mark.qemu_driver("driver libvirt has no limits")
def test_the_weight_that_users_may_set(make_daemon, config):
    cvmd = users.reachable(make_daemon({**config, "groups": {"users": users.USERS}}))

    def ask(**changes):
        """The fields of the refusal, from a process of that user's."""
        return refused(cvmd, **changes)

    users.by(users.ANN, lambda: cvmd.launch("web"))
    name, fields = users.by(users.ANN, lambda: ask(cpuWeight=101))
    assert name == INVALID and fields["parameter"] == "cpuWeight"
    assert "administrators" in fields["reason"]
    name, fields = users.by(users.ANN, lambda: ask(cpuWeight=100))
    assert (name, fields["check"]) == ("HostNotReady", "scopes")  # no service manager is there
    assert users.by(users.BOB, lambda: ask(labels={"a": "b"})) == ("NoSuchCvm", {"name": "web"})


def test_states(cvmd):
    cvmd.launch("web", paused=True)
    assert update(cvmd, labels={"a": "b"})["state"] == "paused"
    cvmd.stop("web", force=True)
    name, fields = refused(cvmd, labels={"c": "d"})
    assert name == "WrongState" and fields["state"] == "stopped"


@pytest.mark.usefixtures("web")
def test_by_cvmctl(cvmd):
    cvmd.launch("other")
    done = cvmd.cvmctl("update", "web", "other", "--label", "tier=1", "--remove-label", "old",
                       "--ttl", HOUR, "--restart", "always")
    assert done.stdout.splitlines() == ["web: updated", "other: updated"]
    assert cvmd.status("web")["labels"] == {"app": "shop", "tier": "1"}
    assert cvmd.status("other")["labels"] == {"tier": "1"}
    shown = json.loads(cvmd.cvmctl("update", "web", "--restart", "no", "--json").stdout)
    assert shown["name"] == "web" and spec(cvmd)["restart"] == {"policy": "no"}
    for arguments, text in ((["web"], "requires an option"), (["none", "--ttl", "9"], "none")):
        done = cvmd.cvmctl("update", *arguments, check=False)
        assert done.returncode in (64, 66) and text in done.stderr
