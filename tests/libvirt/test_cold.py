# SPDX-License-Identifier: Apache-2.0
"""A QEMU that is new to libvirt, which starts it to ask it before the first domain."""
import json

import pytest

QEMU = "/opt/qemu"
ASKED = "/tmp/asked"  # when, in microseconds
SECONDS = 11  # of an answer; the daemon waits 10 for a libvirt to be there at all
SLOW = f"""#!/bin/sh
case "$*" in *qmp.monitor*) sleep {SECONDS}; date +%s%6N >>{ASKED};; esac
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
    new_qemu.launch("first", "--paused")
    text = new_qemu.run("timeout", 1, "cvmctl", "events", "first", "--from", 0, "--json",
                        check=False).stdout
    started = next(event["at"] for event in map(json.loads, text.splitlines())
                   if event.get("newState") == "starting")
    asked = new_qemu.run("cat", ASKED).stdout.split()
    assert asked and all(int(at) < started for at in asked)
