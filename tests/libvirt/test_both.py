# SPDX-License-Identifier: Apache-2.0
"""One spec file, launched by each driver: the guest that comes up is the same."""
import base64
import contextlib
import json
import re

import pytest

from harness.agent import GIVEN, assert_environment, cert_mac
from harness.processes import eventually

DRIVERS = ("qemu", "libvirt")
ENV = {"LISTEN": "0.0.0.0:443", "EMPTY": "", "ODD": "a,b='c' \"d\" $e \\ <f>&amp;\tg"}
CERTS = {"ca.pem": b"from a file\n", "cert.pem": b"as text\n", "key.der": bytes(range(256))}
SPEC = {
    "name": "both", "platform": "plain-uefi", "cpus": 1, "memory": "512M",
    "kernel": {"path": "/files/bzImage"}, "initramfs": {"path": "/files/initramfs"},
    "firmware": {"path": "/files/OVMF.fd"},
    "cmdline": "console=ttyS0 quiet both=\"<x> & 'y',z\"",
    "env": GIVEN | ENV,
    "certs": {"ca.pem": {"path": "/tmp/both/ca.pem"},
              "cert.pem": {"text": CERTS["cert.pem"].decode()},
              "key.der": {"base64": base64.b64encode(CERTS["key.der"]).decode()}},
    "forwards": [{"hostPort": 7002, "guestPort": 7002},
                 {"hostPort": 5300, "guestPort": 53, "protocol": "udp"},
                 {"address": "127.0.0.2", "hostPort": 8443, "guestPort": 7002}],
    "network": "user",
    "timeouts": {"readySec": 200},
}
# What a guest knows that is not the same each time it boots; and its memory: it needs some for what
# driver qemu leaves room for (maxmem), and libvirt does not.
OWN = {"uptimeMs", "memory"}
# These hold ACPI tables, devices and what the kernel's IMA has seen.
OWN_PCRS = {"0", "1", "10"}


@contextlib.contextmanager
def launched(machine, driver):
    done = machine.cvmctl("launch", "--file", "/tmp/both/spec.json", "--driver", driver, "--wait",
                          "ready", "--json", timeout=240)
    cvm = json.loads(done.stdout)
    assert cvm["driver"] == driver and cvm["ready"]
    yield cvm
    machine.cvmctl("stop", "--force", "both", check=False)
    machine.cvmctl("remove", "both")


def without_own(answer):
    answer = {name: value for name, value in answer.items() if name not in OWN}
    answer["pcrs"] = {bank: {n: value for n, value in pcrs.items() if n not in OWN_PCRS}
                      for bank, pcrs in answer["pcrs"].items()}
    return answer


@pytest.fixture(scope="module")
def both(booted):
    """What status and agent say of the two, by driver; the machine has the second no more."""
    booted.write("/tmp/both/ca.pem", CERTS["ca.pem"].decode())
    booted.write("/tmp/both/spec.json", json.dumps(SPEC))
    found = {}
    for driver in DRIVERS:
        with launched(booted, driver) as cvm:
            found[driver] = cvm, booted.ask(cvm)
            if driver == "libvirt":
                state = booted.run("find", f"/run/cvmd/vms/{cvm['id']}/swtpm.d", "-name", "tpm2-*")
                booted.virsh("shutdown", "both")
                ended = booted.wait_state("both", "stopped", 60)
                log = booted.cvmctl("logs", "both").stdout
    assert state.stdout
    return found, ended, log


def test_guests_are_the_same(both):
    (found, _, _) = both
    (_, qemu), (_, libvirt) = (found[driver] for driver in DRIVERS)
    assert_environment(libvirt, ENV)
    seen = {cert["name"]: cert["hmac"] for cert in libvirt["certs"]}
    assert {name: seen.get(name) for name in CERTS} == {
        name: cert_mac(name, data) for name, data in CERTS.items()}
    assert without_own(libvirt) == without_own(qemu)
    assert 320 << 20 < qemu["memory"] <= libvirt["memory"] < 512 << 20


def test_status_is_the_same(both):
    own = {"id", "driver", "uid", "pid", "scope", "createdAt", "startedAt", "readyAt"}
    one, other = ({name: value for name, value in both[0][driver][0].items() if name not in own}
                  for driver in DRIVERS)
    assert one == other


def test_the_booted_pcrs_are_those_predicted(booted, both):
    version = booted.run("qemu-system-x86_64", "--version").stdout
    version = re.search(r"version (\d+\.\d+\.\d+)", version)[1]
    offline = json.loads(booted.cvmctl("measure", "--file", "/tmp/both/spec.json", "--qemu",
                                       version, "--json").stdout)
    predicted = {f"{one['name']}-{one['algorithm']}": one["value"] for one in offline["registers"]}
    assert len(predicted) == 4
    for driver in DRIVERS:
        cvm, answer = both[0][driver]
        assert cvm["measurement"] == predicted
        assert predicted == {f"PCR{n}-{bank}": answer["pcrs"][bank][str(n)]
                             for n in (4, 9) for bank in ("sha256", "sha384")}


def test_its_power_button_and_what_it_left(booted, both):
    """Its console was kept; its TPM, with what was sealed by it, is gone as it is."""
    _, ended, log = both
    assert ended["ending"]["reason"] == "power-off"
    assert "reboot: Power down" in log
    eventually(lambda: not booted.run("ls", "/run/cvmd/vms").stdout, "no directory is left", 10)
    assert not booted.run("pgrep", "swtpm", check=False).stdout
