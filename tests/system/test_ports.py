# SPDX-License-Identifier: Apache-2.0
"""Host ports: chosen, held until QEMU has them, given back."""
import socket

import pytest

from harness.ports import port
from harness.varlink import VarlinkError

RANGE = {"first": port(0), "last": port(4)}


@pytest.fixture
def config(config):
    return {**config, "ports": RANGE}


def bind(port, address="127.0.0.1", kind=socket.SOCK_STREAM):
    """A socket of another program on this port; raises OSError where somebody has it."""
    taken = socket.socket(socket.AF_INET, kind)
    try:
        taken.bind((address, port))
        if kind == socket.SOCK_STREAM:
            taken.listen()
    except OSError:
        taken.close()
        raise
    return taken


def host_port(cvm):
    return cvm["forwards"][0]["hostPort"]


def test_default_is_one_to_the_agent(cvmd):
    cvm = cvmd.launch("web")
    assert len(cvm["forwards"]) == 1
    forward = cvm["forwards"][0]
    assert (forward["address"], forward["guestPort"], forward["protocol"]) == (
        "127.0.0.1", 7002, "tcp")
    assert RANGE["first"] <= forward["hostPort"] <= RANGE["last"]
    with pytest.raises(OSError):
        bind(forward["hostPort"])
    cvmd.discard("web")
    bind(forward["hostPort"]).close()


def test_none_where_none_are_wanted(cvmd):
    assert cvmd.launch("web", forwards=[])["forwards"] == []


def test_the_range_is_used_up_and_given_back(cvmd):
    size = RANGE["last"] - RANGE["first"] + 1
    ports = [host_port(cvmd.launch(f"n{number}")) for number in range(size)]
    assert sorted(ports) == list(range(RANGE["first"], RANGE["last"] + 1))
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("more")
    assert (refusal.value.name, refusal.value.fields["resource"]) == ("NoResources", "port")
    cvmd.discard("n2")
    assert host_port(cvmd.launch("more")) == ports[2]


def test_ports_of_other_programs_are_left_out(cvmd):
    taken = [bind(port) for port in range(RANGE["first"], RANGE["last"])]
    try:
        assert host_port(cvmd.launch("web")) == RANGE["last"]
    finally:
        for one in taken:
            one.close()


def test_a_named_port_in_use_by_another_program(cvmd):
    taken = bind(port(10))
    try:
        with pytest.raises(VarlinkError) as refusal:
            cvmd.launch("web", forwards=[{"guestPort": 7002, "hostPort": port(10)}])
    finally:
        taken.close()
    error = refusal.value
    assert (error.name, error.fields["resource"], error.fields["wanted"]) == (
        "NoResources", "port", port(10))
    assert cvmd.cvms() == []
    cvm = cvmd.launch("web", forwards=[{"guestPort": 7002, "hostPort": port(10)}])
    assert host_port(cvm) == port(10)


def test_a_named_port_of_another_cvm(cvmd):
    cvmd.launch("one", forwards=[{"guestPort": 7002, "hostPort": port(11)}])
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("two", forwards=[{"guestPort": 7002, "hostPort": port(11)}])
    assert refusal.value.name == "NoResources"
    assert refusal.value.fields["holders"] == ["one"]


def test_several_and_udp(cvmd):
    cvm = cvmd.launch("web", forwards=[
        {"guestPort": 7002}, {"guestPort": 53, "protocol": "udp"},
        {"guestPort": 80, "hostPort": port(12), "address": "127.0.0.2"}])
    tcp, udp, named = cvm["forwards"]
    assert udp["protocol"] == "udp" and udp["hostPort"] != 0 != tcp["hostPort"]
    assert (named["address"], named["hostPort"]) == ("127.0.0.2", port(12))
    with pytest.raises(OSError):
        bind(udp["hostPort"], kind=socket.SOCK_DGRAM)
    bind(port(12)).close()  # the same port of another address is another's


def test_an_address_that_is_not_here(cvmd):
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web", forwards=[
            {"guestPort": 80, "hostPort": port(13), "address": "192.0.2.1"}])
    assert refusal.value.name in ("NoResources", "InvalidSpec", "LaunchFailed"), refusal.value
    assert cvmd.cvms() == []


def test_cvmctl_publish(cvmd):
    cvmd.cvmctl("launch", "web", "--platform", "plain", "--kernel", cvmd.kernel, "--initramfs",
                cvmd.initramfs, "--memory", "64M", "--publish", f"127.0.0.3:{port(14)}:80",
                "--publish", "0:53/udp")
    first, second = cvmd.status("web")["forwards"]
    assert (first["address"], first["hostPort"], first["guestPort"]) == ("127.0.0.3", port(14), 80)
    assert (second["protocol"], second["guestPort"]) == ("udp", 53)
