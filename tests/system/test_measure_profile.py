# SPDX-License-Identifier: Apache-2.0
"""What firmware shows of its version, in a file or within an IGVM file."""
import pytest

from harness import expected, images
from harness.measured import Files, measure, values

pytestmark = pytest.mark.qemu_driver("it launches nothing")

CMDLINE = "console=ttyS0 panic=-1"


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


# The texts in a firmware's code, and what they show: options, kernel, edk2, separator.
CODES = [(("2026.08+ds-2", True, True), ("prefix", "raw", "202608", "rtmr1")),
         (("2025.02-8+deb13u1", False, True), ("suffix", "raw", "202502", "rtmr1")),
         (("2024.11-5", False, False), ("suffix", "patched", "202411", "rtmr1")),
         (("2024.05-2", False, False), ("suffix", "patched", "202405", "rtmr0")),
         ((None, False, False), ("suffix", "patched", None, "unknown")),
         ((None, True, True), ("prefix", "raw", None, "rtmr1"))]


@pytest.mark.parametrize("code, found", CODES)
def test_profile_of_the_firmware(files, code, found):
    """Its code tells, in a file or in an IGVM file; --profile has the last word."""
    files.write("firmware", images.firmware(code_section=images.code(*code)))
    files.write("igvm", images.igvm(images.code(*code)))
    options, kernel, edk2, separator = found
    data = files.data
    seen = data["kernel"] if kernel == "raw" else expected.patched(
        data["kernel"], 1 << 30, data["initramfs"])
    boot = [*files.options("kernel", "initramfs"), "--cmdline", CMDLINE, "--memory", "1G",
            "--qemu", "10.1.0"]
    prefix = options == "prefix"
    for platform in ("tdx", "vtpm", "sev-snp-igvm"):
        name = "igvm" if platform == "sev-snp-igvm" else "firmware"
        result = measure(platform, *files.options(name), *boot)
        profile = result["profile"]
        assert profile["options"] == {"value": options, "source": "the firmware's code"}
        assert profile.get("edk2") == (edk2 and {"value": edk2,
                                                 "source": "the firmware's version string"})
        got = values(result)
        if platform == "tdx":
            assert profile["kernel"]["value"] == kernel
            assert profile["separator"]["value"] == separator
            assert got["RTMR2", "sha384"] == expected.rtmr2(CMDLINE, data["initramfs"], prefix)
            assert got["RTMR1", "sha384"] == (
                "not-predictable" if separator == "unknown" else
                expected.rtmr1(seen, separator == "rtmr1"))
        else:
            assert got["PCR9", "sha256"] == expected.pcr9("sha256", CMDLINE, data["initramfs"],
                                                          prefix)
            # QEMU leaves the kernels of SEV guests alone
            assert got["PCR4", "sha256"] == expected.pcr4(
                "sha256", data["kernel"] if platform == "sev-snp-igvm" else seen)
        other = "suffix" if prefix else "prefix"
        result = measure(platform, *files.options(name), *boot, "--profile",
                         f"options={other},kernel=raw,separator=rtmr0,edk2=202408"
                         if platform == "tdx" else f"options={other},kernel=raw")
        assert result["profile"]["options"] == {"value": other, "source": "given"}
        assert result["profile"]["kernel"] == {"value": "raw", "source": "given"}
        if platform == "tdx":
            assert result["profile"]["edk2"] == {"value": "202408", "source": "given"}
            assert values(result)["RTMR1", "sha384"] == expected.rtmr1(data["kernel"], False)


STUBS = [(images.stub(), "both", "both"),
         (images.stub(size=4), "both", "both"),
         (images.stub(guids=(images.TCG2,)), "both", "none"),  # Linux 6.1 to 6.8
         (images.stub((images.INITRD,), (images.TCG2,)), "initrd", "none"),  # from 5.17 on
         (images.stub(()), "none", "none"),
         (images.stub(guids=()), "none", "none"),
         (b"", "none", "none")]


@pytest.mark.parametrize("code, tpm, td", STUBS)
def test_profile_of_the_kernel(files, code, tpm, td):
    """What its EFI stub does not measure is in neither PCR 9 nor RTMR 2."""
    files.write("kernel", images.kernel(measures=code, payload=images.stub()))
    events = [expected.options(bank, CMDLINE, files.data["initramfs"], True)
              for bank in ("sha256", "sha384")]
    for platform, name, stub in (("vtpm", "PCR9", tpm), ("sev-snp-igvm", "PCR9", tpm),
                                 ("tdx", "RTMR2", td)):
        args = [platform, *files.options("kernel", "initramfs"), "--cmdline", CMDLINE,
                "--profile", "options=prefix"]
        result = measure(*args)
        assert result["profile"]["stub"]["value"] == stub
        assert result["profile"]["stub"]["source"].startswith("the kernel's code")
        first = {"both": 0, "initrd": 1, "none": 2}[stub]
        got = values(result)
        assert got[name, "sha384"] == expected.extend("sha384", events[1][first:])
        if name == "PCR9":
            assert got[name, "sha256"] == expected.extend("sha256", events[0][first:])
        for reg in result["registers"]:
            if reg["name"] == name:
                assert ("stub" in reg.get("reason", "")) == (stub != "both")
        for given, first in (("both", 0), ("initrd", 1), ("none", 2)):
            result = measure(*args[:-1], f"options=prefix,stub={given}")
            assert result["profile"]["stub"] == {"value": given, "source": "given"}
            assert values(result)[name, "sha384"] == expected.extend("sha384", events[1][first:])


@pytest.mark.parametrize("flags, kind, mask, gap", [(2, 0, 1, 0), (0, 1, 1, 0), (0, 0, 2, 0),
                                                    (0, 0, 1, 0x1000)])
def test_code_that_is_not_the_guests(files, flags, kind, mask, gap):
    """In pages that are not measured, not data, another platform's, or not in a row."""
    file = images.Igvm()
    file.platform(1, 2, vtl=2)
    file.platform(2, 3)
    data = images.noise(0x10000, 25) + images.code("2025.08", True).ljust(0x1000, b"\0")
    for at in range(0, len(data), 4096):
        file.page(mask, 0x100000 + at + (gap if at == 0x10000 else 0), data[at:at + 4096], flags,
                  kind)
    file.vp(1, images.vmsa())
    files.write("igvm", file.finish())
    result = measure("sev-snp-igvm", *files.options("igvm", "kernel", "initramfs"), "--cmdline",
                     CMDLINE)
    assert result["profile"]["options"] == {"value": "unknown"}
    assert values(result)["PCR9", "sha256"] == "not-predictable"


@pytest.mark.parametrize("shift", [0, 1, 8, 14, 15, 31, 116, 125, 232, 240, 260])
def test_code_is_read_in_pieces(files, shift):
    """Each text where a piece ends, and whole code before and after."""
    before = bytes((1 << 20) - 100 - shift)
    files.write("firmware", images.firmware(code_section=images.code(
        "2025.08", True, True, before, bytes(3 << 20))))
    profile = measure("vtpm", *files.options("firmware", "kernel"), "--cmdline", "x")["profile"]
    assert {key: item["value"] for key, item in profile.items()} == {
        "edk2": "202508", "options": "prefix", "kernel": "unknown", "stub": "both"}
    files.write("firmware", images.firmware(code_section=images.code(
        None, False, False, before, b"2025.08")))
    profile = measure("vtpm", *files.options("firmware", "kernel"), "--cmdline", "x")["profile"]
    assert {key: item["value"] for key, item in profile.items()} == {
        "options": "suffix", "kernel": "patched", "stub": "both"}


def test_codes_that_differ(files):
    """Two in an IGVM file: which one boots is not known."""
    file = images.Igvm()
    file.platform(1, 2, vtl=2)
    for at, prefix in ((0x100000, True), (0x200000, False)):
        file.pages(1, at, images.noise(0x10000, 25) + images.code(prefix=prefix))
    file.vp(1, images.vmsa())
    files.write("igvm", file.finish())
    args = [*files.options("igvm", "kernel", "initramfs"), "--cmdline", CMDLINE]
    assert measure("sev-snp-igvm", *args)["profile"]["options"] == {"value": "unknown"}
