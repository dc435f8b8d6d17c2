# SPDX-License-Identifier: Apache-2.0
"""CVMs on a cluster of three nodes that loses nodes, daemons and QEMUs."""
import contextlib
import os
import pathlib
import random
import shutil

import pytest

from harness.processes import eventually

from .nodes import NODES, cluster

ROOT = os.environ.get("CLUSTER_ROOT")
NAMES = [f"cvm{number}" for number in range(6)]
STUBBORN = "stubborn"  # its guest ignores the power button, and its QEMU quits after it

OPERATIONS = """<operations>
<op id="{0}-start" name="start" interval="0" timeout="300s"/>
<op id="{0}-stop" name="stop" interval="0" timeout="180s"/>
<op id="{0}-monitor" name="monitor" interval="2s" timeout="30s"/>
<op id="{0}-deep" name="monitor" interval="3s" timeout="30s">
<instance_attributes id="{0}-level"><nvpair id="{0}-l" name="OCF_CHECK_LEVEL" value="10"/>
</instance_attributes></op></operations>"""
CVM = '<primitive id="{0}" class="ocf" provider="cvmd" type="cvm">' + OPERATIONS + "</primitive>"
FENCE = """<primitive id="fence" class="stonith" type="fence_test">
<instance_attributes id="fence-a">
<nvpair id="fence-hosts" name="pcmk_host_list" value="alpha beta gamma"/>
<nvpair id="fence-check" name="pcmk_host_check" value="static-list"/></instance_attributes>
</primitive>"""
PROPERTIES = {"stonith-enabled": "true", "dc-deadtime": "2s", "no-quorum-policy": "stop",
              "start-failure-is-fatal": "false", "cluster-recheck-interval": "10s"}


# One process has the nodes.
pytestmark = pytest.mark.xdist_group("nodes")


@pytest.fixture(scope="module")
def nodes():
    if not ROOT or not shutil.which("systemd-nspawn"):
        pytest.skip("scripts/test --lane cluster makes the root of the nodes, where one can be")
    fields = {name: {} for name in NAMES}
    fields[STUBBORN] = {"cmdline": "fake.ignore-powerdown"}
    with cluster(pathlib.Path(ROOT), fields) as found:
        for name, value in PROPERTIES.items():
            found.ask("crm_attribute", "--type", "crm_config", "--name", name, "--update", value)
        # nothing moves back when a node returns
        found.ask("crm_attribute", "--type", "rsc_defaults", "--name", "resource-stickiness",
                  "--update", "100")
        for resource in (FENCE, *(CVM.format(name) for name in fields)):
            found.ask("cibadmin", "--create", "--scope", "resources", "--xml-text", resource)
        yield found


@pytest.fixture
def settled(nodes):
    settle(nodes)
    return nodes


def settle(nodes):
    """All nodes are there and all CVMs run."""
    if missing := set(NODES) - set(nodes.nodes()):
        nodes.boot(*missing)
    eventually(lambda: nodes.online() == set(NODES), "all nodes are online", 120, 1)
    nodes.settle([*NAMES, STUBBORN], NODES)
    nodes.fenced.clear()


def test_each_runs_once(settled):
    places = settled.places()
    assert {place for places in places.values() for place in places} == set(NODES)


@contextlib.contextmanager
def moved_after_the_fence(nodes, lost):
    """The lost node's CVMs run on the others, started once it had been fenced."""
    before = [name for name, places in nodes.places().items() if places == [lost]]
    assert before
    yield
    places = nodes.settle([*NAMES, STUBBORN], set(NODES) - {lost})
    assert [name for name, _ in nodes.fenced] == [lost]
    for name in before:
        started = nodes.nodes()[places[name][0]].status(name)["startedAt"] / 1e6
        assert started > nodes.fenced[0][1], f"{name} was started before {lost} was fenced"


def test_a_lost_node(settled):
    lost = settled.places()[NAMES[0]][0]
    with moved_after_the_fence(settled, lost):
        settled.kill(lost)


def test_a_killed_daemon(settled):
    """systemd starts it again, and nothing moves."""
    before, qemus = settled.places(), settled.qemus()
    for node in settled.nodes().values():
        if not node.qemus():
            continue  # its socket has not started the daemon yet
        node.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "cvmd.service")
    assert settled.settle([*NAMES, STUBBORN], NODES) == before
    assert settled.qemus() == qemus and not settled.fenced
    for name, (place,) in before.items():
        node = settled.nodes()[place]
        assert node.status(name)["state"] == "running", node.journal(200)


def test_a_killed_qemu(settled):
    at = settled.nodes()[settled.places()[NAMES[1]][0]]
    pid = at.status(NAMES[1])["pid"]
    at.run("kill", "-KILL", pid)
    eventually(lambda: any(node.status(NAMES[1]).get("pid") not in (None, pid)
                           for node in settled.nodes().values()
                           if NAMES[1] in node.qemus()), "another one runs", 60, 0.5)
    settled.settle([*NAMES, STUBBORN], NODES)
    assert not settled.fenced


def test_standby_leaves_nothing(settled):
    left = settled.places()[STUBBORN][0]
    settled.ask("crm_attribute", "--node", left, "--name", "standby", "--update", "on")
    settled.settle([*NAMES, STUBBORN], set(NODES) - {left})
    assert settled.nodes()[left].qemus() == [] and not settled.fenced
    settled.ask("crm_attribute", "--node", left, "--name", "standby", "--delete")


def test_a_lost_link(settled):
    """Two nodes have quorum: they fence the third, which by then may still run its CVMs."""
    lost = settled.places()[NAMES[2]][0]
    with moved_after_the_fence(settled, lost):
        settled.nodes()[lost].run("ip", "link", "set", "host0", "down")


@pytest.mark.long
def test_many_losses(settled):
    """Of nodes, links, daemons and QEMUs, in any order; CLUSTER_SEED repeats one."""
    seed = int(os.environ.get("CLUSTER_SEED") or random.randrange(1 << 32))
    print(f"CLUSTER_SEED={seed}")
    chosen = random.Random(seed)
    tests = [test_a_lost_node, test_a_lost_link, test_a_killed_daemon, test_a_killed_qemu,
             test_standby_leaves_nothing]
    for _ in range(150):
        settle(settled)
        chosen.choice(tests)(settled)
