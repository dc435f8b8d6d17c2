# SPDX-License-Identifier: Apache-2.0
"""IGVM files for the native platform, which an ordinary VM boots from."""
import pytest

from harness import images, native
from harness.measured import Files, measure, values
from harness.peer import cvmctl

CMDLINE = "console=ttyS0 quiet"


@pytest.fixture
def files(tmp_path):
    files = Files(tmp_path)
    firmware = images.firmware(0x20000, code_section=images.code("2025.02", raw=True))
    files.write("firmware", firmware)
    files.write("igvm", native.wrap(firmware))
    return files


def test_shown_as_native(files):
    done = cvmctl("igvm", files.path("igvm"), "--json")
    assert done.code == 0, done.err
    (platform,) = done.json["platforms"]
    assert (platform["platform"], platform["mode"], platform["highestVtl"]) == ("native", "native",
                                                                                0)
    assert platform["pages"]["data"] == 0x20 and platform["vmsas"] == 0
    assert (platform["lowest"], platform["highest"]) == ("0xfffe0000", "0x100000000")
    assert "native" in cvmctl("igvm", files.path("igvm")).out


@pytest.mark.parametrize("memory", ["512M", "4G"])
@pytest.mark.parametrize("qemu", ["7.2", "10.0"])
def test_pcrs_are_those_of_the_firmware(files, memory, qemu):
    """What the code shows is read from the file's pages."""
    common = [*files.options("kernel", "initramfs"), "--cmdline", CMDLINE, "--memory", memory,
              "--qemu", qemu]
    wrapped = measure("vtpm", *files.options("igvm"), *common)
    plain = measure("vtpm", *files.options("firmware"), *common)
    assert wrapped["profile"] == plain["profile"]
    assert wrapped["profile"]["options"] == {"value": "suffix", "source": "the firmware's code"}
    assert values(wrapped) == values(plain)
    assert not {"not-given", "not-predictable"} & set(values(wrapped).values())
    assert "igvm" in wrapped["inputs"] and "firmware" not in wrapped["inputs"]


def refusal(*args):
    done = cvmctl("measure", *args, "--json")
    assert done.code == 4 and done.out == "", done
    return done.err


def test_refused(files):
    kernel = [*files.options("kernel"), "--cmdline", "x"]
    assert "within the IGVM" in refusal("--platform", "vtpm", *kernel,
                                        *files.options("igvm", "firmware"))
    files.write("igvm", images.igvm())
    assert "native" in refusal("--platform", "vtpm", *kernel, *files.options("igvm"))
    files.write("igvm", images.igvm()[:-1])
    assert "truncated" in refusal("--platform", "vtpm", *kernel, *files.options("igvm"))
    assert "boots from none" in refusal("--platform", "plain-uefi", *kernel, *files.options("igvm"))
    assert "within the IGVM" in refusal("--platform", "sev-snp", *kernel,
                                        *files.options("firmware"))
