# SPDX-License-Identifier: Apache-2.0
"""The full image launched by cvmctl: what it measures is what was predicted, and it ends when it is
asked to."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.agent import Agent

FIRMWARE = pathlib.Path("/usr/share/ovmf/OVMF.fd")


def qemu_version():
    said = subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    return re.search(r"version (\S+)", said)[1]


@pytest.mark.skipif(not FIRMWARE.exists() or not shutil.which("swtpm"),
                    reason="needs the packages ovmf and swtpm")
def test_measured_as_predicted(config, make_daemon, full, manifest):
    daemon = make_daemon(config)
    options = ["--platform", "plain-uefi", "--kernel", full / "bzImage", "--initramfs",
               full / "initramfs.cpio", "--firmware", FIRMWARE, "--memory", "1G", "--cpus", 1,
               "--cmdline", "console=null quiet"]
    daemon.cvmctl("launch", "full", *options, "--wait", "ready", timeout=400)
    cvm = daemon.status("full")
    answer = Agent(cvm).ask(timeout=120)
    assert answer["kernel"] == manifest["kernel"]
    booted = {f"PCR{n}-{bank}": answer["pcrs"][bank][str(n)]
              for n in (4, 9) for bank in ("sha256", "sha384")}
    assert booted == cvm["measurement"]
    offline = json.loads(daemon.cvmctl("measure", *options, "--qemu", qemu_version(),
                                       "--json").stdout)
    assert booted == {f"{one['name']}-{one['algorithm']}": one["value"]
                      for one in offline["registers"]}
    daemon.cvmctl("stop", "full", timeout=120)
    assert daemon.status("full")["state"] == "stopped"
