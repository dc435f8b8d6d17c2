# SPDX-License-Identifier: Apache-2.0
"""cvmctl measure side by side with systemd-pcrlock and the Rust crate sev, on the same files."""
import base64
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import images
from harness.peer import cvmctl

CMDLINE = "console=ttyS0 panic=-1 a=\"b c\""
BANKS = ("sha256", "sha384")


def real_kernel():
    """The guest's, which is a real one; None: it was not built."""
    path = pathlib.Path(os.environ.get("GUEST_PLAIN", "/nonexistent")) / "bzImage"
    return path if path.exists() else None


@pytest.fixture(params=["small", "real"])
def files(request, tmp_path):
    """kernel and initramfs below the test's directory."""
    if request.param == "real" and not real_kernel():
        pytest.skip("there is no kernel of the guest (GUEST_PLAIN)")
    kernel = images.kernel() if request.param == "small" else real_kernel().read_bytes()
    (tmp_path / "kernel").write_bytes(kernel)
    (tmp_path / "initramfs").write_bytes(images.initramfs())
    (tmp_path / "firmware").write_bytes(images.firmware())
    return tmp_path


def measured(*args):
    done = cvmctl("measure", *args, "--json")
    assert done.code == 0, done.err
    return done.json["registers"]


def events(platform, directory, *args):
    """{(register, bank): its events' digests}"""
    kernel, initramfs = directory / "kernel", directory / "initramfs"
    registers = measured("--platform", platform, "--kernel", kernel, "--initramfs", initramfs,
                         "--cmdline", CMDLINE, "--profile",
                         "kernel=raw,options=suffix,separator=rtmr1,stub=both", *args)
    return {(reg["name"], reg["algorithm"]): [event.get("digest") for event in reg["events"]]
            for reg in registers if reg["state"] == "value" and "events" in reg}


def pcrlock(peers, *command):
    """The digests of the one record, by bank."""
    peers.run("systemd-pcrlock", *command, "--pcrlock=/mnt/out.pcrlock")
    (record,) = json.loads((peers.directory / "out.pcrlock").read_text())["records"]
    return {digest["hashAlg"]: digest["digest"] for digest in record["digests"]}


# systemd-pcrlock

def test_kernel_as_a_pe_image(peers, files):
    """It pads what follows the sections to 8 bytes, edk2 does not: equal where that is nothing."""
    kernel = (files / "kernel").read_bytes()
    whole = kernel + bytes(-len(kernel) % 8)
    theirs = pcrlock(peers, "lock-pe", "--pcr=4", "/mnt/kernel")
    odd = events("vtpm", files)
    (files / "kernel").write_bytes(whole)
    even = events("vtpm", files)
    for bank in BANKS:
        assert even["PCR4", bank][0] == theirs[bank]
        assert (odd["PCR4", bank][0] == theirs[bank]) == (whole == kernel)
    assert events("tdx", files)["RTMR1", "sha384"][0] == theirs["sha384"]


def test_initramfs(peers, files):
    theirs = pcrlock(peers, "lock-kernel-initrd", "/mnt/initramfs")
    ours = events("vtpm", files)
    for bank in BANKS:
        assert ours["PCR9", bank][1] == theirs[bank]
    assert events("tdx", files)["RTMR2", "sha384"][1] == theirs["sha384"]


def test_load_options(peers, files):
    """Of OVMF's boot of -kernel: with the name of the initramfs behind the command line."""
    (files / "cmdline").write_text(CMDLINE + " initrd=initrd")
    theirs = pcrlock(peers, "lock-kernel-cmdline", "/mnt/cmdline")
    ours = events("vtpm", files)
    for bank in BANKS:
        assert ours["PCR9", bank][0] == theirs[bank]


# The crate sev

def launch_digest(firmware, cpus, model, features, directory=None):
    boot = ["--kernel", directory / "kernel", "--initramfs", directory / "initramfs", "--cmdline",
            CMDLINE] if directory else []
    (reg,) = measured("--platform", "sev-snp-ovmf", "--firmware", firmware, "--cpus", cpus,
                      "--cpu-model", model, "--guest-features", features, *boot)
    return reg["value"]


@pytest.mark.parametrize("which", ["real", "made"])
@pytest.mark.parametrize("cpus, model, features", [
    (1, "EPYC-v4", 1), (2, "EPYC-v4", 1), (5, "EPYC-Milan", 0x21), (3, "EPYC-Genoa", 1),
    (1, "EPYC-Rome", 1)])
def test_launch_digest(snp_digest, files, which, cpus, model, features):
    """OVMF of ovmf-amdsev, which takes kernel hashes, and a small one; with and without kernel."""
    firmware = files / "firmware"
    if which == "real":
        shutil.copy(os.environ["FIRMWARE_SEV"], firmware)
    base = ["/mnt/firmware", cpus, model, features]
    boot = ["/mnt/kernel", "/mnt/initramfs", CMDLINE]
    assert snp_digest("launch", *base, *boot) == [launch_digest(firmware, cpus, model, features,
                                                                files)]
    assert snp_digest("launch", *base) == [launch_digest(firmware, cpus, model, features)]


def test_id_block(snp_digest, files):
    """Ours with keys of openssl's, and theirs of the same: all but the signatures."""
    for name in ("id", "author"):
        subprocess.run(["openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out",
                        files / name], check=True)
    done = cvmctl("measure", "--platform", "sev-snp-ovmf", "--firmware", files / "firmware",
                  "--cpus", 2, "--format", "snp-id-block", "--id-key", files / "id",
                  "--author-key", files / "author", "--family-id", "ab" * 16, "--image-id",
                  "cd" * 16, "--svn", 7, "--policy", 0x30000)
    assert done.code == 0, done.err
    ours = done.json
    block, id_key, author_key = snp_digest("id", ours["launchDigest"], "/mnt/id", "/mnt/author",
                                           "ab" * 16, "cd" * 16, 7, 0x30000)
    assert base64.b64decode(ours["launchSecurity"]["idBlock"]).hex() == block
    assert (ours["idKeyDigest"], ours["authorKeyDigest"]) == (id_key, author_key)
