# SPDX-License-Identifier: Apache-2.0
"""cvmctl measure and igvm against a second computation: tests/harness/expected.py."""
import json
import os
import pathlib
import struct

import pytest

from harness import exits, expected, images
from harness.measured import Files, measure, values
from harness.peer import cvmctl

pytestmark = pytest.mark.qemu_driver("it launches nothing")

CMDLINE = "console=ttyS0 panic=-1"
BANKS = ("sha256", "sha384")


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def snp_ovmf(files, *args, kernel=True):
    names = ["firmware"] + (["kernel", "initramfs"] if kernel else [])
    more = ["--cmdline", CMDLINE] if kernel else []
    return values(measure("sev-snp-ovmf", *files.options(*names), *more, *args))


def hash_table(files, initrd=True, cmdline=CMDLINE):
    return expected.hash_table(0x805c00, cmdline, files.data["initramfs"] if initrd else None,
                               files.data["kernel"])


# The same values as the second computation

@pytest.mark.parametrize("cpus", [1, 2, 5])
@pytest.mark.parametrize("kernel", [True, False])
def test_snp_ovmf(files, cpus, kernel):
    table = hash_table(files) if kernel else None
    want = expected.snp_ovmf(files.data["firmware"], images.SEV_SECTIONS, table, cpus)
    assert snp_ovmf(files, "--cpus", cpus, kernel=kernel) == {("LaunchDigest", "sha384"): want}


@pytest.mark.parametrize("model,signature", [("EPYC-Milan", 0xa00f11), ("EPYC-Genoa-v1", 0xa10f10),
                                             ("0x123456", 0x123456)])
def test_snp_vcpu(files, model, signature):
    want = expected.snp_ovmf(files.data["firmware"], images.SEV_SECTIONS, hash_table(files), 1,
                             signature=signature, features=0x21)
    got = snp_ovmf(files, "--cpus", 1, "--cpu-model", model, "--guest-features", "0x21")
    assert got == {("LaunchDigest", "sha384"): want}


@pytest.mark.parametrize("order", ["page", "section"])
@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("separator", [True, False])
def test_tdx(files, order, prefix, separator):
    profile = (f"mrtd={order},kernel=raw,options={'prefix' if prefix else 'suffix'},"
               f"separator={'rtmr1' if separator else 'rtmr0'}")
    data = files.data
    got = values(measure("tdx", *files.options("firmware", "kernel", "initramfs"), "--cmdline",
                         CMDLINE, "--profile", profile))
    assert got == {
        ("MRTD", "sha384"): expected.mrtd(data["firmware"], images.TDX_SECTIONS,
                                          order == "section"),
        ("RTMR0", "sha384"): "not-predictable",
        ("RTMR1", "sha384"): expected.rtmr1(data["kernel"], separator),
        ("RTMR2", "sha384"): expected.rtmr2(CMDLINE, data["initramfs"], prefix),
        ("RTMR3", "sha384"): "0" * 96,
    }


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("cmdline", [CMDLINE, "", "a" * 2047])
@pytest.mark.parametrize("initrd", [True, False])
@pytest.mark.parametrize("memory", [None, 512 << 20, 4 << 30])
def test_vtpm(files, prefix, cmdline, initrd, memory):
    """memory: QEMU changes the kernel's header by it."""
    kernel, ramdisk = files.data["kernel"], files.data["initramfs"] if initrd else None
    profile = f"options={'prefix' if prefix else 'suffix'},kernel={'patched' if memory else 'raw'}"
    got = values(measure("vtpm", *files.options("kernel", *(["initramfs"] if initrd else [])),
                         f"--cmdline={cmdline}", "--profile", profile,
                         *(["--memory", memory] if memory else [])))
    seen = expected.patched(kernel, memory, ramdisk) if memory else kernel
    assert got == {key: value for bank in BANKS for key, value in {
        ("PCR4", bank): expected.pcr4(bank, seen),
        ("PCR9", bank): expected.pcr9(bank, cmdline, ramdisk, prefix)}.items()}


def test_snp_igvm(files):
    launch = expected.LaunchDigest()
    launch.add(1, 0x10000, images.noise(4096, 21))
    launch.add(1, 0x11000, bytes(4096))
    for kind, address, size in ((4, 0x12000, 1), (5, 0x13000, 1), (4, 0x20000, 2), (6, 0x14000, 1)):
        launch.add(kind, address, size=4096 * size)
    launch.add(2, images.VMSA_ADDRESS, images.vmsa())
    first = launch.value.hex()
    got = values(measure("sev-snp-igvm", *files.options("igvm"), "--cpus", 1))
    assert got[("LaunchDigest", "sha384")] == first
    assert got[("PCR4", "sha256")] == "not-given"
    launch.add(2, images.VMSA_ADDRESS, expected.vmsa(0xfffffff0))
    got = values(measure("sev-snp-igvm", *files.options("igvm", "kernel", "initramfs"), "--cpus", 2,
                         "--cmdline", CMDLINE, "--profile", "options=prefix"))
    assert got == {
        ("LaunchDigest", "sha384"): first,
        ("LaunchDigestAllVcpus", "sha384"): launch.value.hex(),
        **{("PCR4", bank): expected.pcr4(bank, files.data["kernel"]) for bank in BANKS},
        **{("PCR9", bank): expected.pcr9(bank, CMDLINE, files.data["initramfs"], True)
           for bank in BANKS}}


@pytest.mark.parametrize("pages", [240, 256, 304, 1040])
def test_large_firmware(files, pages):
    """Its pages are hashed by several threads, and added in their order."""
    whole = images.noise(4096 * (pages - 16), 77) + files.data["firmware"]
    files.write("firmware", whole)
    want = expected.snp_ovmf(whole, images.SEV_SECTIONS, None, 1)
    assert snp_ovmf(files, "--cpus", 1, kernel=False) == {("LaunchDigest", "sha384"): want}


def test_snp_igvm_of_every_kind(files):
    """Large pages, each data type, several platforms, areas of several pages."""
    file, launch = images.Igvm(), expected.LaunchDigest()
    for bit, kind in ((1, 0), (2, 3), (4, 2), (8, 1)):
        file.platform(bit, kind)
    for index, address, size in ((7, 0x20000, 0x3000), (0, 0x30000, 0x1000), (9, 0x40000, 0x3000)):
        file.area(index, size)
        file.insert(4, address, index)
        launch.add(4, address, size=size)
    file.area(5, 0x1000)
    file.insert(2, 0x50000, 5)
    pages = [  # address, data, flags, data type; type in the digest
        (0x400000, None, 1, 0, 1), (0x600000, None, 3, 0, 4),
        (0x10000, images.noise(4096), 0, 0, 1), (0x11000, images.noise(4096), 2, 0, 4),
        (0x12000, None, 0, 1, 5), (0x13000, images.noise(4096, 6), 0, 2, 6),
        (0x14000, None, 0, 3, 6), (0x15000, None, 0, 0, 1)]
    for address, data, flags, data_type, kind in pages:
        file.page(4, address, data, flags, data_type)
        file.page(2, address, images.noise(4096, 9) if not flags & 1 else None)  # TDX's
        size = 2 << 20 if flags & 1 else 4096
        # pages without data are sent as pages of zeros
        launch.add(kind, address, (data or bytes(size)) if kind == 1 else None, size)
    file.vp(4, images.vmsa(rax=5))
    launch.add(2, images.VMSA_ADDRESS, images.vmsa(rax=5))
    files.write("igvm", file.finish())
    got = values(measure("sev-snp-igvm", *files.options("igvm"), "--cpus", 1))
    assert got["LaunchDigest", "sha384"] == launch.value.hex()


# One changed byte changes exactly the registers that the documents say

def flip(data, offset):
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1:]


def changed(before, after):
    assert before.keys() == after.keys()
    return {name for name, bank in before if before[name, bank] != after[name, bank]}


# Where it is, and whether the PE image hash has it: text, gap between sections, end, checksum.
KERNEL_BYTES = [(0x610, True), (0x950, True), (0x6002, True), (0x98 + 64, False), (0x500, False)]
PROFILE = ["--profile", "options=suffix,kernel=raw,separator=rtmr1"]


@pytest.mark.parametrize("platform,registers", [
    ("sev-snp-ovmf", [{"LaunchDigest"}, {"LaunchDigest"}, {"LaunchDigest"}, {"LaunchDigest"}]),
    ("tdx", [{"RTMR1"}, {"RTMR2"}, {"RTMR2"}, {"MRTD"}]),
    ("vtpm", [{"PCR4"}, {"PCR9"}, {"PCR9"}, set()]),
    ("sev-snp-igvm", [{"PCR4"}, {"PCR9"}, {"PCR9"}, {"LaunchDigest"}])])
def test_one_byte(files, platform, registers):
    code = "igvm" if platform == "sev-snp-igvm" else "firmware"
    profile = [] if platform == "sev-snp-ovmf" else PROFILE

    def run(cmdline=CMDLINE):
        return values(measure(platform, *files.options(code, "kernel", "initramfs"), "--cpus", 1,
                              f"--cmdline={cmdline}", *profile))

    def flipped(name, offset):
        data = files.data[name]
        files.write(name, flip(data, offset))
        after = run()
        files.write(name, data)
        return changed(before, after)

    before = run()
    in_kernel, in_initramfs, in_cmdline, in_code = registers
    for offset, hashed in KERNEL_BYTES:
        # kernel hashes are of the whole file
        everything = hashed or platform == "sev-snp-ovmf"
        assert flipped("kernel", offset) == (in_kernel if everything else set()), hex(offset)
    for offset in (6, 100, len(files.data["initramfs"]) - 1):
        assert flipped("initramfs", offset) == in_initramfs
    assert changed(before, run(CMDLINE[:-1] + "2")) == in_cmdline
    for offset in (0x1000, 0x1fff):
        assert flipped(code, offset) == in_code


def spread(size, count=16):
    """Places all over a file, the same ones each time."""
    return sorted({(size * i // count + i * 37) % size for i in range(count)} | {0, size - 1})


def result_of(*args):
    """Values, or None where the changed file is none of its kind any more."""
    done = cvmctl("measure", *args, "--json")
    assert done.code in (0, exits.DATA), done
    return values(done.json) if done.code == 0 else None


@pytest.mark.not_valgrind("a hundred runs of cvmctl take minutes")
@pytest.mark.parametrize("platform", ["sev-snp-ovmf", "tdx", "vtpm", "sev-snp-igvm"])
def test_a_byte_anywhere(files, platform):
    """Exactly what the documents say of the byte changes, wherever it is."""
    code = "igvm" if platform == "sev-snp-igvm" else "firmware"
    args = ["--platform", platform, *files.options(code, "kernel", "initramfs"), "--cpus", 2,
            "--cmdline", CMDLINE, *([] if platform == "sev-snp-ovmf" else PROFILE)]
    before = values(measure(*args[1:]))
    launch = {name for name, _ in before if name.startswith("LaunchDigest")}
    of_kernel = {"sev-snp-ovmf": launch, "tdx": {"RTMR1"}}.get(platform, {"PCR4"})
    of_initramfs = {"sev-snp-ovmf": launch, "tdx": {"RTMR2"}}.get(platform, {"PCR9"})
    seen = set()

    def check(name, offset, want):
        data = files.data[name]
        files.write(name, flip(data, offset))
        after = result_of(*args)
        files.write(name, data)
        if after is None:
            return
        seen.add(name)
        assert changed(before, after) == want, (name, hex(offset))

    for offset in spread(len(files.data["kernel"])):
        image = flip(files.data["kernel"], offset)
        try:
            hashed = expected.authenticode("sha256", image) != \
                expected.authenticode("sha256", files.data["kernel"])
        except struct.error:
            continue  # the byte makes it no PE image
        check("kernel", offset, of_kernel if hashed or platform == "sev-snp-ovmf" else set())
    for offset in spread(len(files.data["initramfs"])):
        check("initramfs", offset, of_initramfs)
    for offset in spread(len(files.data[code])):
        want = {"sev-snp-ovmf": launch, "tdx": {"MRTD"}}.get(platform, set())
        if platform == "tdx" and offset < 0x1000:
            want = set()  # of the volume of variables, which is added and not measured
        if platform == "sev-snp-igvm":
            # the headers have a checksum, what pads them has none; then come a page, one of TDX's,
            # one that is not measured, and the VMSA
            want = launch if 0x1000 <= offset < 0x2000 or 0x4000 <= offset else set()
        check(code, offset, want)
    assert seen == {"kernel", "initramfs", code}
    for i in range(len(CMDLINE)):
        other = CMDLINE[:i] + chr(ord(CMDLINE[i]) ^ 1) + CMDLINE[i + 1:]
        after = result_of(*(other if word == CMDLINE else word for word in args))
        assert changed(before, after) == of_initramfs
    after = result_of(*(3 if word == 2 else word for word in args))
    of_vcpus = {"sev-snp-ovmf": launch, "sev-snp-igvm": {"LaunchDigestAllVcpus"}}
    assert changed(before, after) == of_vcpus.get(platform, set())


def test_vcpus(files):
    """A launch digest depends on them, PCRs and RTMRs do not."""
    assert len({tuple(snp_ovmf(files, "--cpus", n).values()) for n in (1, 2, 3)}) == 3
    options = [*files.options("firmware", "kernel"), "--cmdline", "x", *PROFILE]
    one, two = (values(measure("tdx", *options, "--cpus", n)) for n in (1, 2))
    assert one == two


# What is not named is not measured

class AnyWith:
    """Equal to every text that has these words."""
    def __init__(self, words):
        self.words = words

    def __eq__(self, text):
        return self.words in text

    def __repr__(self):
        return f"… {self.words} …"


def test_states(files):
    result = measure("sev-snp-ovmf")
    assert values(result) == {("LaunchDigest", "sha384"): "not-given"}
    assert "--firmware" in result["registers"][0]["reason"]
    result = measure("tdx", *files.options("firmware"))
    assert {reg["name"]: reg["state"] for reg in result["registers"]} == {
        "MRTD": "value", "RTMR0": "not-predictable", "RTMR1": "not-given", "RTMR2": "not-given",
        "RTMR3": "value"}
    result = measure("vtpm", *files.options("kernel", "initramfs"), "--cmdline", "x")
    assert set(values(result).values()) == {"not-predictable"}
    for reg in result["registers"]:
        assert "--profile" in reg["reason"]
    assert result["profile"]["options"] == {"value": "unknown"}


def test_reasons(files):
    """What cannot be told, and why."""
    def reasons(*args):
        return {(reg["name"], reg["state"]): reg["reason"] for reg in measure(*args)["registers"]
                if "reason" in reg and reg["algorithm"] == "sha384"}
    kernel = [*files.options("kernel", "initramfs"), "--cmdline", "x"]
    assert reasons("vtpm", *kernel) == {
        ("PCR4", "not-predictable"): AnyWith("--profile kernel="),
        ("PCR9", "not-predictable"): AnyWith("--profile options=")}
    found = reasons("tdx", *kernel, *files.options("firmware"))
    assert found["RTMR0", "not-predictable"] == AnyWith("--acpi")
    assert found["RTMR1", "not-predictable"] == AnyWith("--profile")
    assert found["RTMR2", "not-predictable"] == AnyWith("--profile options=")
    assert found["RTMR3", "value"] == AnyWith("guest")
    # Both digests of an IGVM file with several vCPUs, each with the host that shows it.
    found = reasons("sev-snp-igvm", *files.options("igvm"), "--cpus", 2)
    assert found["LaunchDigest", "value"] == AnyWith("SVSM")
    assert found["LaunchDigestAllVcpus", "value"] == AnyWith("every vCPU")
    found = reasons("sev-snp-igvm", *files.options("igvm"))
    assert found["LaunchDigest", "value"] == AnyWith("--cpus")
    assert ("LaunchDigest", "value") not in reasons("sev-snp-igvm", *files.options("igvm"),
                                                    "--cpus", 1)


def test_acpi(files, tmp_path):
    """RTMR0 without its files, with them, and with one missing."""
    acpi = tmp_path / "acpi"
    acpi.mkdir()
    args = ["tdx", *files.options("firmware"), "--acpi", acpi, "--profile", "edk2=202502"]
    for name in ("table-loader", "rsdp"):
        (acpi / name).write_bytes(name.encode())
    done = cvmctl("measure", "--platform", *args)
    assert done.code == exits.NOT_FOUND and f"{acpi}/tables" in done.err
    (acpi / "tables").write_bytes(b"tables")
    assert values(measure(*args))["RTMR0", "sha384"] == "not-given"
    # its configuration volume is noise, no empty store of variables
    result = measure(*args, "--memory", "1G")
    assert values(result)["RTMR0", "sha384"] == "not-predictable"
    image = bytearray(files.data["firmware"])
    struct.pack_into("<H", image, 48, 0x48)
    image[0x48:0x1000] = b"\xff" * (0x1000 - 0x48)
    struct.pack_into("<I", image, 0x48 + 16, 0x1000 - 0x48)
    files.write("firmware", bytes(image))
    reg = measure(*args, "--memory", "1G")["registers"][1]
    assert reg["state"] == "not-predictable" and "boot=menu" in reg["reason"]
    args[-1] += ",boot=menu"
    result = measure(*args, "--memory", "1G")
    assert result["profile"]["boot"] == {"value": "menu", "source": "given"}
    reg = result["registers"][1]
    assert [event["digest"] for event in reg["events"][8:11]] == [
        expected.digest("sha384", name).hex() for name in (b"table-loader", b"rsdp", b"tables")]
    assert reg["value"] == expected.extend("sha384", [bytes.fromhex(event["digest"])
                                                      for event in reg["events"]])
    for name in ("table-loader", "rsdp", "tables"):
        data = (acpi / name).read_bytes()
        assert result["inputs"][f"acpi/{name}"] == {
            "size": len(data), **{bank: expected.digest(bank, data).hex() for bank in BANKS}}
    # A byte of what it depends on changes RTMR0, of the variables nothing else.
    before = values(result)
    for name in ("table-loader", "rsdp", "tables"):
        data = (acpi / name).read_bytes()
        for offset in (0, len(data) - 1):
            (acpi / name).write_bytes(flip(data, offset))
            assert changed(before, values(measure(*args, "--memory", "1G"))) == {"RTMR0"}
        (acpi / name).write_bytes(data)
    assert changed(before, values(measure(*args, "--memory", "2G"))) == {"RTMR0"}
    files.write("firmware", flip(bytes(image), 0x20))
    assert changed(before, values(measure(*args, "--memory", "1G"))) == {"RTMR0"}
    assert "acpi" in refusal(INVALID_SPEC, "--platform", "vtpm", "--acpi", acpi)


def test_inputs_and_profile_are_told(files):
    result = measure("tdx", *files.options("kernel"), "--cmdline", "a b", "--cpus", 3, "--memory",
                     "2G", "--qemu", "8.2.2", "--profile", "edk2=202411")
    kernel = files.data["kernel"]
    assert result["inputs"] == {
        "kernel": {"size": len(kernel), **{bank: expected.digest(bank, kernel).hex()
                                           for bank in BANKS}},
        "cmdline": "a b", "cpus": "3", "memory": "2G"}
    assert result["method"] == result["platform"] == "tdx"
    assert result["profile"]["edk2"] == {"value": "202411", "source": "given"}
    assert result["profile"]["mrtd"] == {"value": "section", "source": "the QEMU version"}


def test_text(files):
    done = cvmctl("measure", "--platform", "vtpm", *files.options("kernel"),
                  "--cmdline", "\x1b[31m", *PROFILE)
    pcr = expected.pcr4("sha256", files.data["kernel"])
    assert done.code == 0
    assert f"PCR4 sha256 {pcr}" in done.out.splitlines()
    assert "\x1b" not in done.out and "\\x1b[31m" in done.out


# Bad input

def refusal(code, *args):
    done = cvmctl("measure", *args, "--json")
    assert (done.code, done.out) == (exits.DATA, ""), done
    error = json.loads(done.err)
    assert error["error"] == f"io.cvmd.Manager.{code}"
    return " ".join(value for value in error["parameters"].values() if isinstance(value, str))


INVALID_SPEC, INVALID_FILE = "InvalidSpec", "ArtifactInvalid"


def test_no_hashes_in_firmware(files):
    files.write("firmware", images.firmware(sev=images.SEV_SECTIONS[:4]))
    assert "kernel hashes" in refusal(INVALID_FILE, "--platform", "sev-snp-ovmf", "--cpus", 1,
                                      *files.options("firmware", "kernel"), "--cmdline", "x")
    snp_ovmf(files, "--cpus", 1, kernel=False)


@pytest.mark.parametrize("platform", ["sev-snp-ovmf", "tdx"])
def test_no_metadata(files, platform):
    files.write("firmware", images.firmware(sev=None, tdx=None))
    assert "metadata" in refusal(INVALID_FILE, "--platform", platform, "--cpus", 1,
                                 *files.options("firmware"))
    files.write("firmware", images.noise(0x10000))
    assert "table of GUIDs" in refusal(INVALID_FILE, "--platform", platform, "--cpus", 1,
                                       *files.options("firmware"))


@pytest.mark.parametrize("cmdline", ["caf\u00e9", "x" * 2048])
def test_command_line(files, cmdline):
    assert "cmdline " in refusal(INVALID_SPEC, "--platform", "vtpm", *files.options("kernel"),
                                  "--cmdline", cmdline)


@pytest.mark.parametrize("args,field", [
    (["--platform", "none-such"], "platform"), (["--platform", "plain"], "platform"),
    (["--platform", "tdx", "--qemu", "new"], "qemu"),
    (["--platform", "tdx", "--profile", "edk2=x"], "profile"),
    (["--platform", "sev-snp-ovmf", "--cpu-model", "host"], "cpu-model"),
    (["--platform", "sev-snp-ovmf", "--guest-features", "0x2"], "guest-features"),
    (["--platform", "tdx", "--cpu-model", "EPYC-v4"], "cpu-model"),
    (["--platform", "vtpm", "--guest-features", "0x1"], "guest-features"),
    (["--platform", "tdx", "--cmdline", "x"], "cmdline")])
def test_bad_options(args, field):
    assert refusal(INVALID_SPEC, *args).startswith(f"{field} ")


@pytest.mark.parametrize("args", [[], ["--platform", "tdx", "--memory", "much"],
                                  ["--platform", "tdx", "--cpus", "0"],
                                  ["--platform", "tdx", "--guest-features", "-1"],
                                  ["--platform", "tdx", "--kernel", "embedded:kernel"]])
def test_usage(args):
    assert cvmctl("measure", *args).code == exits.USAGE


def test_files_that_are_not(files):
    files.write("kernel", images.kernel()[:0x1000])
    assert "truncated" in refusal(INVALID_FILE, "--platform", "vtpm", *files.options("kernel"))
    assert cvmctl("measure", "--platform", "vtpm", "--kernel", "/nowhere").code == exits.NOT_FOUND


def patched_at(data, offset, layout, *numbers):
    image = bytearray(data)
    struct.pack_into(layout, image, offset, *numbers)
    return bytes(image)


# What is wrong with the small kernel's PE headers: offset, layout, number; PE header at 0x80.
HOSTILE_PE = {"header": (0x3c, "<I", 0xfffffff0), "signature": (0x80, "<I", 0),
              "sections": (0x86, "<H", 0xffff), "optional header": (0x94, "<H", 0xffff),
              "size of headers": (0x98 + 60, "<I", 0xffffffff),
              "section": (0x98 + 240 + 20, "<I", 0xffffff00),
              "section's size": (0x98 + 240 + 16, "<I", 0xffffffff),
              "certificates": (0x98 + 112 + 36, "<I", 0xffffffff)}


@pytest.mark.parametrize("platform", ["vtpm", "tdx", "sev-snp-igvm"])
@pytest.mark.parametrize("what", HOSTILE_PE)
def test_hostile_kernel(files, platform, what):
    files.write("kernel", patched_at(files.data["kernel"], *HOSTILE_PE[what]))
    reason = refusal(INVALID_FILE, "--platform", platform, *files.options("kernel"), "--cmdline",
                     "x", *PROFILE)
    assert "kernel" in reason and "PE" in reason, reason


@pytest.mark.parametrize("platform, offset", [("sev-snp-ovmf", 0x800), ("tdx", 0x600)])
@pytest.mark.parametrize("field", [4, 8, 12])
def test_metadata_outside_the_firmware(files, platform, offset, field):
    """Its length, version and count; then the offset to it in the table of GUIDs."""
    size = len(files.data["firmware"])
    good = files.data["firmware"]
    files.write("firmware", patched_at(good, size - offset + field, "<I", 0xfffffff0))
    assert "metadata" in refusal(INVALID_FILE, "--platform", platform, "--cpus", 1,
                                 *files.options("firmware"))
    name = images.SEV_METADATA if platform == "sev-snp-ovmf" else images.TDX_METADATA
    files.write("firmware", patched_at(good, good.index(images.guid(name)) - 6, "<I", size + 1))
    assert "metadata" in refusal(INVALID_FILE, "--platform", platform, "--cpus", 1,
                                 *files.options("firmware"))


def test_sections_outside_the_firmware(files):
    files.write("firmware", images.firmware(tdx=[(0x10000, 0x1000, 0xffffd000, 0x1000, 0, 1)]))
    assert "section" in refusal(INVALID_FILE, "--platform", "tdx", *files.options("firmware"))


def test_igvm_of_another_platform(files):
    file = images.Igvm()
    file.platform(1, 3)
    file.page(1, 0x10000, images.noise(4096))
    files.write("igvm", file.finish())
    assert "SEV-SNP" in refusal(INVALID_FILE, "--platform", "sev-snp-igvm", *files.options("igvm"))


# igvm

def test_igvm(files):
    done = cvmctl("igvm", files.path("igvm"), "--json")
    assert done.code == 0
    assert done.json["notLoadable"] == []
    snp, tdx = done.json["platforms"]
    assert snp == {"platform": "sev-snp", "version": 1, "highestVtl": 2, "mode": "paravisor",
                   "policy": "0x30000", "vmsas": 1, "lowest": "0x10000", "highest": "0x22000",
                   "pages": {"data": 1, "zeros": 1, "unmeasured": 1, "secrets": 1, "cpuid": 1,
                             "parameters": 2, "shared": 0}}
    assert (tdx["platform"], tdx["mode"], tdx["pages"]["data"]) == ("tdx", "service", 1)
    text = cvmctl("igvm", files.path("igvm"))
    assert text.code == 0 and "sev-snp" in text.out and "0x30000" in text.out


def test_igvm_headers_that_qemu_refuses(files):
    """Some that certain QEMUs load, and some that none does: those are neither measured."""
    file = images.Igvm()
    file.platform(1, 2)
    file.header(0x104, struct.pack("<IIII", 1, 0, 0, 0))
    file.area(0, 4096)
    file.parameter(0x309, 0)
    file.vp(1, images.vmsa())
    files.write("igvm", file.finish())
    done = cvmctl("igvm", files.path("igvm"), "--json")
    assert done.json["notLoadable"] == [{"type": "0x104", "name": "CORIM_DOCUMENT"},
                                        {"type": "0x309", "name": "MADT"}]
    assert "MADT" in cvmctl("igvm", files.path("igvm")).out
    assert cvmctl("measure", "--platform", "sev-snp-igvm", *files.options("igvm")).code == 0
    for kind, name in ((0x80000104, "CORIM_DOCUMENT"), (0x3ff, None)):
        file = images.Igvm()
        file.platform(1, 2)
        file.header(kind, struct.pack("<IIII", 1, 0, 0, 0))
        file.vp(1, images.vmsa())
        files.write("igvm", file.finish())
        done = cvmctl("igvm", files.path("igvm"), "--json")
        assert done.json["notLoadable"] == [{"type": hex(kind), **({"name": name} if name else {})}]
        assert done.json["headers"] == {"SUPPORTED_PLATFORM": 1, name or hex(kind): 1,
                                        "VP_CONTEXT": 1}
        refused = refusal(INVALID_FILE, "--platform", "sev-snp-igvm", *files.options("igvm"))
        assert f"(type {hex(kind)}) at offset 0x30" in refused


def test_igvm_refused(files):
    good = files.data["igvm"]
    for size in (0, 10, 24, 100, 0x1000, len(good) - 1):
        files.write("igvm", good[:size])
        assert cvmctl("igvm", files.path("igvm")).code == exits.DATA, size
    files.write("igvm", flip(good, 40))
    assert "checksum" in cvmctl("igvm", files.path("igvm")).err
    file = images.Igvm()
    file.platform(1, 3)
    file.page(1, 0, bytes([1]) * 4096)
    files.write("igvm", file.finish())
    assert "not for SEV-SNP" in refusal(INVALID_FILE, "--platform", "sev-snp-igvm",
                                        *files.options("igvm"))
    file.page(1, 0, bytes([1]) * 4096)
    files.write("igvm", file.finish())
    assert "overlap" in cvmctl("igvm", files.path("igvm")).err


# Real files, where there are any

def kernels():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return sorted((cache / "cvmd/guest/kernels").glob("*/bzImage"))


def test_real_kernels(tmp_path):
    if not kernels():
        pytest.skip("hal/build has left no kernel in its cache")
    for path in kernels():
        kernel = path.read_bytes()
        got = values(measure("tdx", "--kernel", path, "--cmdline", CMDLINE, "--memory", "1G",
                             "--profile", "kernel=patched,separator=rtmr1"))
        assert got[("RTMR1", "sha384")] == expected.rtmr1(
            expected.patched(kernel, 1 << 30, None))


FIRMWARE = "/usr/share/ovmf/OVMF.fd"


@pytest.mark.skipif(not os.path.exists(FIRMWARE), reason=f"there is no {FIRMWARE} (package ovmf)")
def test_real_firmware(files):
    """What its code shows: Debian 12's is edk2-stable202211, which puts initrd=initrd last."""
    image = pathlib.Path(FIRMWARE).read_bytes()
    offset = struct.unpack_from("<I", image, image.rfind(images.guid(images.TDX_METADATA)) - 6)[0]
    count = struct.unpack_from("<I", image, len(image) - offset + 12)[0]
    sections = [struct.unpack_from("<IIQQII", image, len(image) - offset + 16 + 32 * i)
                for i in range(count)]
    result = measure("tdx", "--firmware", FIRMWARE, *files.options("kernel", "initramfs"),
                     "--cmdline", CMDLINE, "--memory", "1G")
    assert values(result)[("MRTD", "sha384")] == expected.mrtd(image, sections)
    assert "code" in result["profile"]["options"]["source"]
    prefix = result["profile"]["options"]["value"] == "prefix"
    assert values(result)[("RTMR2", "sha384")] == expected.rtmr2(
        CMDLINE, files.data["initramfs"], prefix)
