# SPDX-License-Identifier: Apache-2.0
"""The full image keeps cvm-guest(7), and says so where its machine is too small."""
import pathlib
import re
import time

import pytest
from lib import agent, full as image

from harness.agent import GIVEN, assert_environment, proof
from harness.machine import Machine

HAL = pathlib.Path(__file__).resolve().parents[2] / "hal"


def test_the_contract(full, manifest, shares):
    """From READY through the agent's answers to the power button, with console=null."""
    with Machine(full, shares=shares, memory="1G") as machine:
        machine.hear("READY=1\n", seconds=120)
        assert re.fullmatch(r"STATUS=Agent listens on port 7002\nX_CVMD_UPTIME_USEC=\d+\nREADY=1\n",
                            machine.notify.text)
        plain, given = machine.ask("{}", proof())
        assert_environment(given, {"LD_PRELOAD": "/etc/certs/evil.so", "PATH": "/etc/certs",
                                   "GREETING": "hello"})
        assert plain["environmentCount"] == 3 + len(GIVEN) and plain["certsCount"] == 5
        assert plain["shares"] == [
            {"tag": "env_share", "path": "/etc/cocos", "mounted": True},
            {"tag": "certs_share", "path": "/etc/certs", "mounted": True},
            {"tag": "data-1", "path": "/mnt/data-1", "mounted": True}]
        assert plain["agent"] == {"version": manifest["agent"]["version"]}
        assert plain["kernel"] == manifest["kernel"]
        assert plain["cmdline"] == "console=null quiet"
        start = time.monotonic()
        machine.command("system_powerdown")
        assert machine.wait_end(30) == "guest-shutdown"
        machine.hear("STATUS=Powering off\nSTOPPING=1\n", seconds=1)
        print(f"power button to gone: {time.monotonic() - start:.1f} s")


def test_least_memory(full, manifest):
    """With what the manifest requires it boots, also the larger debug image."""
    least = f"{manifest['memoryMin'] >> 20}M"
    with Machine(full, debug=True, memory=least) as machine:
        machine.hear("READY=1\n", seconds=120)


@pytest.mark.parametrize("memory", ["512M", "256M"])
def test_too_little_memory(full, memory):
    """The kernel would go on with a cut root; the guest does not."""
    with Machine(full, memory=memory) as machine:
        machine.hear("STATUS=Powering off: this machine has too little memory for its initramfs\n"
                     "STOPPING=1\n", seconds=120)
        assert machine.wait_end(30) == "guest-shutdown"
        assert "READY" not in machine.notify.text


def test_cut_before_all_layers(full, tmp_path):
    """Also where the cut is in the first of the layers, a large overlay: the first process would be
    that of a small image, if it asked for layers only."""
    layers = [("root", b"x" * 4096), ("overlay", b"x" * (160 << 20))]
    (tmp_path / "bzImage").symlink_to(full / "bzImage")
    (tmp_path / "initramfs.cpio").write_bytes(
        image.initramfs(agent.compile_agent(HAL), layers))
    with Machine(tmp_path, memory="256M") as machine:
        machine.hear("STATUS=Powering off: this machine has too little memory for its initramfs\n"
                     "STOPPING=1\n", seconds=120)
        assert machine.wait_end(30) == "guest-shutdown"
        assert "READY" not in machine.notify.text


def test_layers_follow_the_first_process():
    """Of a debug image with an overlay, too."""
    archive = image.initramfs(b"program", [("root", b"r"), ("overlay", b"o"), ("root.debug", b"d")])
    names = [b"full\0", b"init\0", b"overlay.erofs\0", b"root.debug.erofs\0", b"root.erofs\0",
             b"root.layers\0"]
    places = [archive.index(name) for name in names]
    assert places == sorted(places)
    with pytest.raises(AssertionError):
        image.initramfs(b"program", [("debug", b"sorts before the first process")])
