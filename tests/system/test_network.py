# SPDX-License-Identifier: Apache-2.0
"""Networks other than QEMU's own: taps and bridges that the configuration allows, and passt."""
import contextlib
import shutil
import socket

import pytest

from harness import netns, processes
from harness.processes import eventually
from harness.review import refused_and_listed
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("libvirt's guests have no other network than the user's")

PASST = pytest.mark.skipif(not shutil.which("passt"), reason="no passt here (package passt)")


@pytest.fixture
def bridged(make_daemon, config):
    with netns.bridge("br0", "198.18.0.1/24"):
        netns.ip("tuntap", "add", "dev", "tap7", "mode", "tap")
        netns.ip("link", "set", "tap7", "master", "br0", "up")
        config["network"] = {"bridges": ["br0", "br9", "tap7"], "taps": ["tap7", "tap9", "br0"]}
        yield make_daemon(config)


def refused(daemon, error, **fields):
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch("other", **fields)
    assert refusal.value.name == error, refusal.value
    return refusal.value.fields


def test_a_tap_on_a_bridge_lives_as_long_as_the_cvm(bridged):
    assert netns.ports("br0") == ["tap7"]
    bridged.launch("web", network="bridge:br0")
    assert netns.ports("br0") == ["tap7", "cvm0"]
    bridged.launch("web2", network="bridge:br0")
    assert netns.ports("br0") == ["tap7", "cvm0", "cvm1"]
    bridged.kill()
    bridged.start()
    assert netns.ports("br0") == ["tap7", "cvm0", "cvm1"]
    bridged.discard("web")
    eventually(lambda: netns.ports("br0") == ["tap7", "cvm1"], "the tap is gone")
    bridged.discard("web2")


def test_a_tap_is_one_cvms(bridged):
    bridged.launch("web", network="tap:tap7")
    spec = bridged.spec("other", network="tap:tap7")
    fields = refused_and_listed(bridged, spec, "NoResources", "tap").fields
    assert fields["resource"] == "tap" and fields["holders"] == ["web"]
    bridged.discard("web")
    bridged.launch("web", network="tap:tap7")
    bridged.discard("web")
    assert netns.ports("br0") == ["tap7"]  # it was there before, and stays


@pytest.mark.parametrize("network", ["tap:tap9", "bridge:br9"])
def test_interfaces_that_there_are_not(bridged, network):
    kind, name = network.split(":")
    missing = bridged.call("Render", spec=bridged.spec("web", network=network))["missing"]
    assert (kind, name) in [(check["name"], check["needed"]) for check in missing]
    fields = refused(bridged, "HostNotReady", network=network)
    assert fields["check"] == kind and "no interface" in fields["found"]


def test_a_bridge_that_is_none(bridged):
    spec = bridged.spec("other", network="bridge:tap7")
    fields = refused_and_listed(bridged, spec, "InvalidSpec", "network").fields
    assert fields["field"] == "network" and "tap7 is not a bridge" in fields["reason"]
    spec = bridged.spec("other", network="tap:br0")
    fields = refused_and_listed(bridged, spec, "InvalidSpec", "network").fields
    assert fields["field"] == "network" and "br0 is not a tap" in fields["reason"]
    assert netns.ports("br0") == ["tap7"]


def answers(port):
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10).close()
        return True
    return False


@PASST
def test_passt_is_run_beside_qemu(cvmd):
    forwards = [{"guestPort": 7002}, {"guestPort": 80, "address": "0.0.0.0"},
                {"guestPort": 53, "protocol": "udp"}]
    cvm = cvmd.launch("web", network="passt", forwards=forwards)
    for forward in cvm["forwards"]:
        if forward["protocol"] == "tcp":
            # it listens when it has read its options, which nobody waits for
            eventually(lambda port=forward["hostPort"]: answers(port), cvmd.log)
    argv = processes.command(cvm["pid"]).split()
    netdev = argv[argv.index("-netdev") + 1]
    assert netdev.startswith("stream,id=vmnic,server=off,addr.type=fd,addr.str=")
    cvmd.discard("web")
    # it is killed with the CVM, and reaped when it has ended, which nobody waits for either
    eventually(lambda: not answers(cvm["forwards"][0]["hostPort"]), "nothing listens any more")


@PASST
def test_a_port_that_others_listen_on(cvmd):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        fields = refused(cvmd, "NoResources", network="passt",
                         forwards=[{"guestPort": 80, "hostPort": port}])
    assert fields["resource"] == "port"


def test_one_port_on_two_addresses(cvmd):
    """passt leads it to one port of the guest, whatever the address."""
    forwards = [{"guestPort": 80, "hostPort": 6101, "address": "127.0.0.1"},
                {"guestPort": 81, "hostPort": 6101, "address": "127.0.0.2"}]
    fields = refused(cvmd, "InvalidSpec", network="passt", forwards=forwards)
    assert fields["field"] == "forwards[1].hostPort"


def test_without_passt(make_daemon, config):
    config["programs"] = {"passt": "/nonexistent/passt"}
    daemon = make_daemon(config)
    spec = daemon.spec("web", network="passt")
    missing = {check["name"]: check for check in daemon.call("Render", spec=spec)["missing"]}
    assert "package passt" in missing["passt"]["fix"] or "passt" in missing["passt"]["needed"]
    assert refused(daemon, "HostNotReady", network="passt")["check"] == "passt"
