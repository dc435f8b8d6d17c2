# SPDX-License-Identifier: Apache-2.0
"""The full image launched by cvmctl: what it measures is what was predicted, and it ends when it is
asked to."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.agent import Agent, sha256
from harness.daemon import CVMCTL

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


def test_registers_agree(full, make_daemon, config):
    """A TD's RTMR2 extends what PCR 9 does; what the manifest, the files, measure and render say of
    a file is the same."""
    shown = {}
    for platform in ("vtpm", "tdx"):
        document = json.loads(subprocess.run(
            [CVMCTL, "measure", "--platform", platform, "--image", full, "--memory", "1G",
             "--cmdline", "console=null quiet", "--qemu", "7.2", "--profile", "options=suffix",
             "--json"], stdout=subprocess.PIPE, check=True, text=True).stdout)
        shown.update({(one["name"], one["algorithm"]): one for one in document["registers"]})
    pcr, rtmr = shown["PCR9", "sha384"], shown["RTMR2", "sha384"]
    assert len(pcr["events"]) == 2
    assert [one["digest"] for one in pcr["events"]] == [one["digest"] for one in rtmr["events"]]
    assert pcr["value"] == rtmr["value"]
    daemon = make_daemon({**config, "images": [str(full.parent)]})
    reply = json.loads(daemon.cvmctl("render", "--platform", "plain", "--image", full.name,
                                     "--memory", "1G", "--json").stdout)
    rendered = {one["what"]: one["sha256"] for one in reply["descriptors"] if "sha256" in one}
    for kind, name in (("kernel", "bzImage"), ("initramfs", "initramfs.cpio")):
        summed = subprocess.run(["sha256sum", full / name], stdout=subprocess.PIPE, check=True,
                                text=True).stdout.split()[0]
        assert summed == rendered[kind] == document["inputs"][kind]["sha256"]
    assert document["inputs"]["image"] == (
        f"{full.name}@sha256:{sha256((full / 'manifest.json').read_bytes())}")
