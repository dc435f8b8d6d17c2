# SPDX-License-Identifier: Apache-2.0
"""Each refusal that a launch can meet before QEMU is started is listed by render."""
import os
import pathlib
import re
import socket

import pytest

from harness.ports import port
from harness.review import assert_launches, refused_and_listed
from harness.users import ANN, USERS, by, reachable
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("each launch is refused before a driver has it")

ADMIT = pathlib.Path(__file__).resolve().parents[2] / "daemon/launch/admission.c"
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs a daemon of root's")
PORTS = {"first": port(20), "last": port(21)}


def forward(port, address="127.0.0.1"):
    return {"forwards": [{"guestPort": 80, "hostPort": port, "address": address}]}


# Of an empty daemon: spec, error, name of the check, a word of it.
ALONE = {
    "memory": ({"memory": "64T"}, "NoResources", "memory", "64T"),
    "vCPUs": ({"cpus": 200}, "NoResources", "cpus", None),
    "privileged port": (forward(80), "InvalidSpec", "port", "privileged"),
    "foreign address": (forward(8443, "10.99.99.99"), "InvalidSpec", "port", "10.99.99.99"),
    "limits without scopes": ({"limits": {"tasksMax": 300}}, "HostNotReady", "scopes", "off"),
}


@pytest.fixture
def config(config):
    return {**config, "ports": PORTS, "scopes": "off",
            "limits": {"vcpusPerCpu": 4, "cvms": 3}}


@pytest.mark.parametrize("what", ALONE)
def test_alone(cvmd, what):
    more, error, check, word = ALONE[what]
    refused_and_listed(cvmd, cvmd.spec("web", **more), error, check, word)
    cvmd.assert_clean()


@ROOT
@pytest.mark.parametrize("path", ["/proc", "/sys", "/dev", "/proc/self"])
def test_a_share_that_cannot_be_mapped(cvmd, path):
    spec = cvmd.spec("web", shares=[{"tag": "p", "path": path}])
    refused_and_listed(cvmd, spec, "InvalidSpec", "files")


@pytest.mark.not_valgrind("valgrind does not know mount_setattr(2)")
def test_a_share_of_an_ordinary_directory(cvmd, tmp_path):
    assert_launches(cvmd, cvmd.spec("web", shares=[{"tag": "p", "path": str(tmp_path)}]))


def test_a_port_that_another_program_has(cvmd):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        spec = cvmd.spec("web", **forward(other.getsockname()[1]))
        refused_and_listed(cvmd, spec, "NoResources", "port")
    assert_launches(cvmd, spec)


def test_every_port_that_is_taken_is_listed(cvmd):
    with socket.socket() as one, socket.socket() as two:
        for other in (one, two):
            other.bind(("127.0.0.1", 0))
            other.listen()
        taken = [other.getsockname()[1] for other in (one, two)]
        forwards = [{"guestPort": 80 + i, "hostPort": number}
                    for i, number in enumerate([taken[0], 0, taken[1], 80])]
        spec = cvmd.spec("web", forwards=forwards)
        found = [item["found"] for item in cvmd.call("Render", spec=spec)["missing"]
                 if item["name"] == "port"]
    assert [str(number) in text for number, text in zip([*taken, 80], found)] == [True] * 3, found
    # ports that are to be chosen, of which none is free, are one refusal
    cvmd.launch("one", **forward(port(20)))
    cvmd.launch("two", **forward(port(21)))
    spec = cvmd.spec("web", forwards=[{"guestPort": 80}, {"guestPort": 81}])
    found = [item["name"] for item in cvmd.call("Render", spec=spec)["missing"]]
    assert found.count("port") == 1


def test_beside_another(cvmd):
    """Name, port, and in the end all ports and the number of CVMs are used up."""
    cvmd.launch("web", **forward(port(20)))
    refused_and_listed(cvmd, cvmd.spec("web", forwards=[]), "CvmExists", "name", "web")
    refused_and_listed(cvmd, cvmd.spec("two", **forward(port(20))), "NoResources", "port")
    cvmd.launch("two", **forward(port(21)))
    refused_and_listed(cvmd, cvmd.spec("three"), "NoResources", "port")
    cvmd.launch("three", forwards=[])
    refused_and_listed(cvmd, cvmd.spec("four", forwards=[]), "QuotaExceeded", "quota", "3")


def test_a_stopped_one_is_replaced(cvmd):
    cvmd.launch("web", forwards=[])
    cvmd.stop("web", force=True)
    cvmd.wait_state("web", "stopped")
    assert cvmd.call("Render", spec=cvmd.spec("web"))["missing"] == []
    assert [cvm["name"] for cvm in cvmd.cvms()] == ["web"]


def test_a_disk_of_another(cvmd, tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 16))
    disk = {"path": str(image), "readOnly": False}
    twice = cvmd.spec("web", disks=[disk, {**disk, "id": "two"}])
    refused_and_listed(cvmd, twice, "InvalidSpec", "disk", "disks[0]")
    cvmd.launch("web", disks=[{**disk, "id": "a"}], forwards=[])
    refused_and_listed(cvmd, cvmd.spec("two", disks=[{**disk, "id": "b"}]), "NoResources", "disk:b")


def test_nothing_stays_held(cvmd):
    """Where searches for something free begin stays as it is, too."""
    for _ in range(5):
        assert cvmd.call("Render", spec=cvmd.spec("web"))["missing"] == []
    assert cvmd.launch("web")["forwards"][0]["hostPort"] == PORTS["first"]


@ROOT
def test_uids(make_daemon, config):
    uid = 1900100000
    cvmd = make_daemon({**config, "uids": {"first": uid, "last": uid}})
    cvmd.launch("web", forwards=[])
    refused_and_listed(cvmd, cvmd.spec("two", forwards=[]), "NoResources", "uid")


@ROOT
def test_limits_of_a_user(make_daemon, config):
    cvmd = reachable(make_daemon({**config, "groups": {"users": USERS}, "scopes": "auto"}))
    spec = cvmd.spec("web", limits={"cpuWeight": 101})

    def ask():
        missing = cvmd.call("Render", spec=spec)["missing"]
        try:
            cvmd.call("Launch", spec=spec)
        except VarlinkError as refusal:
            return {check["name"]: check["found"] for check in missing}, refusal.fields["reason"]
        return None

    listed, reason = by(ANN, ask)
    assert reason in listed["limits"]


# What no machine of the tests has, and what other files cover with the same helper.
ELSEWHERE = {"driver": "a build without libvirt", "gpu": "a device that VFIO has",
             "cid": "test_bad_platform.py", "vsock-port": "test_svsm.py"}


def test_each_step_is_here():
    """A step that is added to the table is added to these tests."""
    table = re.search(r"AdmissionStep steps\[\] = \{(.*?)\n\};", ADMIT.read_text(), re.S)[1]
    steps = set(re.findall(r'^\s*\{"([a-z-]+)",', table, re.M))
    assert len(steps) >= 12
    here = {"limits", "name", "quota", "memory", "capacity", "scopes", "uid", "port"}
    assert steps == here | set(ELSEWHERE)
