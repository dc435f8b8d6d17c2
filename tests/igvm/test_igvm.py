# SPDX-License-Identifier: Apache-2.0
"""What cvmd says of IGVM files, and what QEMU's own loader says of the same ones."""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import zlib

import pytest

from harness import images, native
from harness.agent import Agent
from harness.varlink import VarlinkError

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "templates"
CMDLINE = "console=null quiet"
# As QEMU ends that is asked for an SEV-SNP guest where there is none.
NO_SNP = (r"vm-type SEV-SNP not supported by KVM|Could not access KVM|failed to initialize kvm|"
          r"cannot set up private guest memory")
BANKS = ("sha256", "sha384")


def by_agent(cvm):
    banks = Agent(cvm).ask(timeout=120)["pcrs"]
    return {f"PCR{n}-{bank}": banks[bank][str(n)] for n in (4, 9) for bank in BANKS}


def measured(daemon, *options):
    done = daemon.cvmctl("measure", *options, "--cmdline", CMDLINE, "--memory", "512M", "--json")
    return {f"{reg['name']}-{reg['algorithm']}": reg.get("value")
            for reg in json.loads(done.stdout)["registers"]}


def test_by_a_real_qemu(real):
    """All of this again by that one; skipped, with the reason, where there is none."""
    assert tuple(map(int, real.version().split(".")[:2])) >= (10, 1)


@pytest.mark.skipif(not shutil.which("swtpm"), reason="swtpm is not installed")
def test_firmware_boots_the_guest(qemu, guest, firmware, make_daemon, config, tmp_path):
    """OVMF, wrapped: the PCRs are those predicted, of the file and of the firmware in it."""
    (tmp_path / "ovmf.igvm").write_bytes(native.wrap(firmware))
    (tmp_path / "OVMF.fd").write_bytes(firmware)
    boot = ["--kernel", guest[0], "--initramfs", guest[1]]
    daemon = make_daemon(config)
    daemon.cvmctl("launch", "native", "--platform", "plain-igvm", "--igvm", tmp_path / "ovmf.igvm",
                  *(boot if qemu.real else boot[:0]), "--memory", "512M", "--cpus", 1,
                  *(["--cmdline", CMDLINE, "--wait", "ready"] if qemu.real else []), timeout=400)
    cvm = daemon.status("native")
    assert cvm["state"] == "running" and cvm["platform"] == "plain-igvm"
    if not qemu.real:  # which boots nothing that could be measured
        assert cvm["measurement"] == {}
        daemon.discard("native")
        return
    wanted = by_agent(cvm)
    assert cvm["measurement"] == wanted
    options = [*boot, "--qemu", qemu.version()]
    assert measured(daemon, "--platform", "plain-igvm", "--igvm", tmp_path / "ovmf.igvm",
                    *options) == wanted
    assert measured(daemon, "--platform", "plain-uefi", "--firmware", tmp_path / "OVMF.fd",
                    *options) == wanted
    daemon.cvmctl("stop", "native", timeout=90)


def parameter(kind):
    """For the native platform, with a header of a parameter."""
    file = images.Igvm()
    file.platform(1, 0)
    file.area(0, 0x1000)
    file.parameter(kind, 0)
    file.insert(1, 0x101000, 0)
    file.page(1, 0x100000, images.noise(4096, 3))
    return file.finish()


def seal(data):
    data = bytearray(data)
    size = struct.unpack_from("<I", data, 12)[0]
    data[20:24] = bytes(4)
    struct.pack_into("<I", data, 20, zlib.crc32(data[:24] + data[24:24 + size]))
    return bytes(data)


def flipped(at):
    data = bytearray(parameter(0x307))
    data[at] ^= 0x40
    return bytes(data)


# Headers by type: QEMU 10.1 and 10.2 load none of these; a newer one, or a developer's, some.
TYPES = {f"{kind:#x}": lambda kind=kind: parameter(kind)
         for kind in (0x308, 0x309, 0x30a, 0x30e, 0x30f, 0x310, 0x312)}
BROKEN = {"magic": lambda: flipped(0), "version": lambda: flipped(4),
          "checksum": lambda: flipped(21), "truncated": lambda: parameter(0x307)[:-1],
          "unknown type": lambda: parameter(0x3ff), "optional": lambda: parameter(0x80000307),
          "header cut short": lambda: seal(flipped(28 + 2))}


def refused(daemon, file, guest):
    """cvmd's reason, or None: it would launch the file."""
    spec = {"name": "web", "platform": "plain-igvm", "memory": "64M", "cpus": 1,
            "igvm": {"path": str(file)}, "kernel": {"path": str(guest[0])}}
    listed = {check["name"]: check["found"]
              for check in daemon.call("Render", spec=spec)["missing"]}
    if "igvm" not in listed:
        return None
    with pytest.raises(VarlinkError) as refusal:
        daemon.call("Launch", spec=spec)
    assert refusal.value.name == "ArtifactInvalid" and refusal.value.fields["artifact"] == "igvm"
    assert refusal.value.fields["reason"] in listed["igvm"]
    return refusal.value.fields["reason"]


@pytest.mark.parametrize("name", [*TYPES, *BROKEN])
def test_refused_by_both(qemu, make_daemon, config, guest, tmp_path, name):
    file = tmp_path / "igvm"
    file.write_bytes({**TYPES, **BROKEN}[name]())
    said, ours = qemu.load(file), refused(make_daemon(config), file, guest)
    if name in BROKEN:
        assert said and re.search(r"Unable to parse IGVM file .*: -\d+", said), said
        assert ours
        return
    if not qemu.real:
        assert said is not None
    assert (said is None) == (ours is None), (said, ours)
    if said:
        assert f"(type {int(name, 16):#x})" in said.replace("0X", "0x").lower()
        assert name in ours and "does not load" in ours


def test_taken_by_both(qemu, make_daemon, config, guest, tmp_path):
    file = tmp_path / "igvm"
    for content in (native.wrap(images.firmware(0x10000)), parameter(0x307), parameter(0x30c),
                    parameter(0x313), images.coconut(images.NATIVE, headers=())):
        file.write_bytes(content)
        assert qemu.load(file) is None
        daemon = make_daemon(config)
        assert refused(daemon, file, guest) is None


def for_a_group(path):
    """Whether a QEMU that is not root's can be let to it; if not, it ends there."""
    return os.path.exists(path) and os.stat(path).st_gid and os.stat(path).st_mode & 0o60 == 0o60


@pytest.mark.parametrize("signed", [False, True])
def test_sev_snp_up_to_the_hardware(qemu, make_daemon, config, guest, tmp_path, signed):
    """The command line of the real template; what this host lacks is not asked beforehand. With an
    ID block in the file, which is the only place where QEMU takes one beside it."""
    template = json.loads((TEMPLATES / "sev-snp.json").read_text())
    template["requires"] = {}
    template["devices"] = [path for path in template["devices"] if for_a_group(path)]
    text = json.dumps(template).replace("${host.cbitpos}", "51")
    directory = tmp_path / "templates"
    directory.mkdir()
    (directory / "sev-snp.json").write_text(text)
    file = tmp_path / "svsm.igvm"
    file.write_bytes(images.coconut(images.SNP | images.NATIVE, images.firmware(), headers=()))
    daemon = make_daemon({**config, "templates": str(directory), "accelerator": "auto"})
    if signed:
        sign(daemon, file, tmp_path)
    answer = [] if qemu.real else [
        "fake.exit=1", 'fake.stderr="qemu: vm-type SEV-SNP not supported by KVM"']
    done = daemon.cvmctl("launch", "snp", "--platform", "sev-snp", "--igvm", file, "--kernel",
                         guest[0], "--initramfs", guest[1], "--cpus", 1, "--memory", "512M",
                         "--cmdline", " ".join([CMDLINE, *answer]), "--json", check=False)
    error = json.loads(done.stderr.splitlines()[-1])
    assert error["error"].endswith("LaunchFailed"), error
    assert error["parameters"]["stage"] == "starting"
    assert re.search(NO_SNP, error["parameters"]["log"]), error
    assert "SIGABRT" not in error["parameters"]["reason"]
    assert "signal" not in error["parameters"]["reason"], error


def sign(daemon, file, directory):
    key = directory / "key.pem"
    subprocess.run(["openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", key],
                   check=True)
    daemon.cvmctl("measure", "--platform", "sev-snp", "--igvm", file, "--cpus", 1, "--format",
                  "igvm", "--id-key", key, "--output", file)
    assert json.loads(daemon.cvmctl("igvm", file, "--json").stdout)["idBlock"]["matches"]


@pytest.mark.parametrize("number, words", [
    (9, "platform header"), (11, "directive header"), (17, "header section"), (18, "checksum")])
def test_numbers_are_translated(qemu, make_daemon, config, guest, tmp_path, number, words):
    """Where cvmd takes a file that QEMU does not."""
    if qemu.real:
        pytest.skip("there is no such file: cvmd refuses each that QEMU refuses")
    if not shutil.which("swtpm"):
        pytest.skip("swtpm is not installed")
    file = tmp_path / "igvm"
    file.write_bytes(parameter(0x307))
    done = make_daemon(config).cvmctl(
        "launch", "web", "--platform", "plain-igvm", "--igvm", file, "--kernel", guest[0],
        "--memory", "64M", "--cmdline", f"fake.igvm={number}", check=False)
    assert done.returncode and words in done.stderr and f"error -{number}" in done.stderr
