# SPDX-License-Identifier: Apache-2.0
"""What a confidential platform needs and a spec or the host does not give: refused before a launch,
with the field and the fix, and by render all the same. CIDs are those of a host that has them."""
import base64
import json
import pathlib

import pytest

from harness import netns, processes
from harness.review import refused_and_listed
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("each launch is refused before a driver has it")

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "templates"
TAKEN = 1001
BLOCK, AUTH = (base64.b64encode(bytes(size)).decode() for size in (96, 4096))


@pytest.fixture
def vhost(make_daemon, config):
    """A daemon whose host has vhost's devices, where another program holds a CID."""
    def make(**more):
        daemon = make_daemon({**config, "vsock": {"first": TAKEN - 1, "last": TAKEN + 1}, **more},
                             start=False)
        daemon.opens = daemon.directory / "opens"
        daemon.opens.write_text("")
        daemon.preload("libvhost-devices.so", VHOST_CID_TAKEN=str(TAKEN),
                       VHOST_OPENS=str(daemon.opens))
        return daemon.start()
    return make


@pytest.fixture
def platforms(make_daemon, config, tmp_path):
    """Ordinary VMs under the names of confidential platforms; they take and need the same."""
    directory = tmp_path / "templates"
    directory.mkdir()
    for name, checks in (("sev-snp-ovmf", []), ("tdx", ["qgs"])):
        plain = json.loads((TEMPLATES / "plain.json").read_text())
        real = json.loads((TEMPLATES / f"{name}.json").read_text())
        plain.update(name=name, launchSecurity=real["launchSecurity"])
        plain["requires"]["host"] = checks
        (directory / f"{name}.json").write_text(json.dumps(plain))
    return make_daemon({**config, "templates": str(directory)})


def refusals(daemon, **fields):
    """What Launch says, and Render's words for the same spec: an error's or the list's."""
    spec = daemon.spec("web", **fields)
    with pytest.raises(VarlinkError) as launch:
        daemon.call("Launch", spec=spec)
    assert daemon.cvms() == []
    try:
        rendered = daemon.call("Render", spec=spec)["missing"]
    except VarlinkError as error:
        rendered = error
    return launch.value, rendered


@pytest.mark.parametrize("platform, fields, field", [
    ("sev-snp-ovmf", {"idBlock": BLOCK}, "idAuth"),
    ("sev-snp-ovmf", {"idAuth": AUTH}, "idBlock"),
    ("sev-snp-ovmf", {"idBlock": BLOCK[:-4], "idAuth": AUTH}, "idBlock"),
    ("sev-snp-ovmf", {"hostData": "AAAA"}, "hostData"),
    ("sev-snp-ovmf", {"hostData": "not base64"}, "hostData"),
    ("sev-snp-ovmf", {"mrConfigId": base64.b64encode(bytes(48)).decode()}, "mrConfigId"),
    ("tdx", {"mrOwner": base64.b64encode(bytes(47)).decode()}, "mrOwner"),
    ("tdx", {"hostData": base64.b64encode(bytes(32)).decode()}, "hostData"),
])
def test_launch_security(platforms, platform, fields, field):
    launch, rendered = refusals(platforms, platform=platform, launchSecurity=fields)
    assert launch.name == rendered.name == "InvalidSpec"
    for member in ("field", "reason", "name"):
        assert launch.fields[member] == rendered.fields[member] and launch.fields[member]
    assert launch.fields["field"] == f"launchSecurity.{field}"


def test_no_quote_service(platforms):
    launch, rendered = refusals(platforms, platform="tdx")
    assert launch.name == "HostNotReady" and launch.fields["check"] == "qgs"
    listed = {check["name"]: check for check in rendered}
    assert listed["qgs"]["fix"] == launch.fields["fix"] and "qgsd" in launch.fields["fix"]


def test_a_cid_of_another_program(vhost):
    daemon = vhost()
    refused = refused_and_listed(daemon, daemon.spec("web", vsock={"cid": TAKEN}), "NoResources",
                                 "cid", str(TAKEN))
    assert refused.fields == {"resource": "cid", "wanted": TAKEN, "available": 0, "holders": [],
                              "name": "web"}
    free = daemon.call("Render", spec=daemon.spec("web", vsock={"cid": TAKEN + 1}))["missing"]
    assert free == []
    # where none is named, those that are free are found
    assert {daemon.launch(name, vsock={})["vsockCid"] for name in ("one", "two")} == {
        TAKEN - 1, TAKEN + 1}
    with pytest.raises(VarlinkError) as refused:
        daemon.launch("three", vsock={})
    assert refused.value.name == "NoResources" and refused.value.fields["resource"] == "cid"
    with pytest.raises(VarlinkError) as refused:
        daemon.launch("three", vsock={"cid": TAKEN + 1})
    assert len(refused.value.fields["holders"]) == 1


def test_cids_are_tried_with_one_descriptor(vhost):
    """The last close of one waits for all CPUs: where others have many CIDs the loop would."""
    daemon = vhost()
    for name in ("one", "two"):
        daemon.opens.write_text("")
        daemon.launch(name, vsock={})
        assert daemon.opens.read_text().count("vhost-vsock") == 1, name


def test_vhost_for_a_tap(vhost):
    """The kernel moves the packets where it can."""
    with netns.bridge("br0", "198.18.0.1/24"):
        daemon = vhost(network={"bridges": ["br0"]})
        cvm = daemon.launch("web", network="bridge:br0")
        argv = processes.command(cvm["pid"]).split()
        netdev = dict(part.partition("=")[::2] for part in
                      argv[argv.index("-netdev") + 1].split(","))
        assert netdev["vhost"] == "on"
        held = processes.descriptors(cvm["pid"])
        assert held[int(netdev["vhostfd"])].startswith("/memfd:vhost-net")
        assert held[int(netdev["fd"])] == "/dev/net/tun"
        daemon.discard("web")
