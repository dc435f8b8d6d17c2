# SPDX-License-Identifier: Apache-2.0
"""What the daemon says that a CVM would measure is what cvmctl computes from the same files."""
import json
import pathlib

import pytest

FIRMWARE = pathlib.Path("/usr/share/ovmf/OVMF.fd")

pytestmark = pytest.mark.skipif(not FIRMWARE.exists(), reason="needs the package ovmf")


def qemu_version(cvmd):
    """That of the QEMU which the daemon probed."""
    missing = cvmd.call("Render", spec={"name": "web", "platform": "sev-snp"})["missing"]
    found = next(check["found"] for check in missing if check["name"] == "qemu")
    return found.split()[1]


def rendered(cvmd, guest, platform, **fields):
    plain = guest("plain")
    return cvmd.call("Render", spec={
        "name": "web", "platform": platform, "memory": "1G", "cpus": 2,
        "firmware": {"path": str(FIRMWARE)}, "kernel": {"path": str(plain / "bzImage")},
        "initramfs": {"path": str(plain / "initramfs.cpio.gz")}, **fields})


def offline(cvmd, guest, *options):
    plain = guest("plain")
    done = cvmd.cvmctl("measure", "--platform", "tdx", "--memory", "1G", "--cpus", "2",
                       "--firmware", FIRMWARE, "--kernel", plain / "bzImage", "--initramfs",
                       plain / "initramfs.cpio.gz", "--qemu", qemu_version(cvmd), "--json",
                       *options)
    return {register["name"]: register["value"]
            for register in json.loads(done.stdout)["registers"] if register.get("value")}


def test_the_same_as_offline(cvmd, guest):
    measurement = rendered(cvmd, guest, "tdx")["measurement"]
    assert {"MRTD", "RTMR2", "RTMR3"} <= set(measurement)
    assert measurement == offline(cvmd, guest, "--cmdline", "console=null quiet")


def test_the_command_line_changes_one_register(cvmd, guest):
    before = rendered(cvmd, guest, "plain-uefi")["measurement"]
    after = rendered(cvmd, guest, "plain-uefi", cmdline="console=null quiet x")["measurement"]
    assert {name for name in before if before[name] != after[name]} == {"PCR9-sha256",
                                                                        "PCR9-sha384"}


def test_an_old_kernel_measures_nothing_into_a_td(cvmd, guest):
    """Linux 6.1: what stands in RTMR2 is zeros, whatever the command line."""
    measurement = rendered(cvmd, guest, "tdx")["measurement"]
    assert measurement["RTMR2"] == 96 * "0"


def test_what_cannot_be_measured_is_missing(cvmd, guest):
    answer = rendered(cvmd, guest, "sev-snp-ovmf")
    assert answer["measurement"] == {}
    (check,) = [check for check in answer["missing"] if check["name"] == "firmware"]
    assert "kernel hashes" in check["found"]


def test_plain_measures_nothing(cvmd, guest):
    assert rendered(cvmd, guest, "plain")["measurement"] == {}
