# SPDX-License-Identifier: Apache-2.0
"""A QEMU that is new to libvirt, which starts it to ask it before the first domain."""
import json

import pytest

QEMU = "/opt/qemu"
ASKING, START = 11, 8  # seconds; the daemon waits 10 for a libvirt to be there at all
SLOW = f"""#!/bin/sh
case "$*" in *qmp.monitor*) sleep {ASKING};; esac
exec /usr/bin/qemu-system-x86_64 "$@"
"""


@pytest.fixture
def new_qemu(machine):
    """It takes its time to answer libvirt."""
    def configure(config):
        machine.write("/etc/cvmd/cvmd.conf", json.dumps(config))
        machine.systemctl("reload", "cvmd.service")

    machine.write(QEMU, SLOW)
    machine.run("chmod", "755", QEMU)
    configure({**machine.config, "qemu": {"default": QEMU}})
    yield machine
    configure(machine.config)


def test_the_first_cvm_waits_for_its_answers(new_qemu):
    """That is before the CVM's start, and no part of the time it may take."""
    spec = {"name": "first", "platform": "plain", "driver": "libvirt", "memory": "256M",
            "kernel": {"path": "/files/bzImage"}, "initramfs": {"path": "/files/initramfs"},
            "timeouts": {"startSec": START}}
    new_qemu.write("/tmp/first.json", json.dumps(spec))
    new_qemu.cvmctl("launch", "--file", "/tmp/first.json", timeout=100)
    first = new_qemu.status("first")
    assert first["state"] == "running"
    assert (first["startedAt"] - first["createdAt"]) / 1e6 > START, "it had nothing to wait for"
