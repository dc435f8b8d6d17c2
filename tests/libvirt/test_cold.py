# SPDX-License-Identifier: Apache-2.0
"""A libvirt that has just been installed: it asks each QEMU of the host before its first domain."""
import json

import pytest

PROGRAM = "/usr/bin/qemu-system-i386"  # asked for guests that none has here
CACHE = "/var/cache/libvirt/qemu/capabilities"
ASKING, START = 11, 8  # seconds; the daemon waits 10 for a libvirt to be there at all
SLOW = f"""#!/bin/sh
sleep {ASKING}
exec {PROGRAM}.real "$@"
"""


@pytest.fixture
def cold(machine):
    """Its QEMUs take their time to answer, and nobody has asked them yet."""
    machine.run("mv", PROGRAM, f"{PROGRAM}.real")
    machine.write(PROGRAM, SLOW)
    machine.run("chmod", "755", PROGRAM)
    machine.systemctl("stop", "libvirtd.service")
    machine.run("rm", "-rf", CACHE)
    yield machine
    machine.run("mv", f"{PROGRAM}.real", PROGRAM)


def test_the_first_cvm_waits_for_its_answers(cold):
    """That is before the CVM's start, and no part of the time it may take."""
    spec = {"name": "first", "platform": "plain", "driver": "libvirt", "memory": "256M",
            "kernel": {"path": "/files/bzImage"}, "initramfs": {"path": "/files/initramfs"},
            "timeouts": {"startSec": START}}
    cold.write("/tmp/first.json", json.dumps(spec))
    cold.cvmctl("launch", "--file", "/tmp/first.json", timeout=100)
    first = cold.status("first")
    seconds = (first["startedAt"] - first["createdAt"]) / 1e6
    assert first["state"] == "running"
    assert seconds > START, "it had nothing to wait for"
