# SPDX-License-Identifier: Apache-2.0
"""Launch digests of IGVM files: in the order in which QEMU loads them, of the shapes that their
builders give them, and what cannot be loaded."""
import random
import struct

import pytest

from harness import exits, expected, images, qemu_igvm
from harness.measured import measure, values
from harness.peer import cvmctl

SNP = 1


def digest(path, content, *options):
    path.write_bytes(content)
    result = measure("sev-snp-igvm", "--igvm", path, *options)
    return values(result)["LaunchDigest", "sha384"]


def refusal(path, content, *options):
    path.write_bytes(content)
    done = cvmctl("measure", "--platform", "sev-snp-igvm", "--igvm", path, *options)
    assert done.code == exits.DATA, (done.code, done.out)
    return done.err


def started(policy=0x30000):
    file = images.Igvm()
    file.platform(SNP, 2, vtl=2)
    file.policy(SNP, policy)
    return file


# Digests that QEMU's own loader gives (10.2.2, its calls recorded), by what a file consists of:
# a page's number is what all its bytes are, "a" an area and its insertion, "v" the VMSA.
AREA = ("abaf8ce42a8e68e4194c239728aab416e91b15b3a6f6ea9d"
        "bcea0ad2f32be4f1327954e7f56a42a82029ddf3906a56fb")
VECTORS = [
    ([1, 2, "z", "s", "c", "v"],
     "de45dcccb9afe4a06dcceb0d48ff62a6d49aae8d26bbef46"
     "08bb6afc398adeed1befeb54059377025da41d41c78ac1eb"),
    (["a", "i", 1, (2, 0x102000), "v"], AREA),
    ([1, "a", "i", (2, 0x102000), "v"], AREA),
    (["a", 1, (2, 0x102000), "i", "v"],
     "a185d70e2422caab78d327bfd0e2917a4628c4b2ee08f905"
     "e3e86bae12b1c477797ab3bbefcb97a444cf972c83e0c5ea"),
    (["large", "v"],
     "c854a71d05764fa39e9605aa8dec03c40f84579717390926"
     "0dac82fc057aa61ba1f33eed22516c5a0d5aeaf698410f31"),
    (["wide", "other", "v"],
     "f7f41518aa17aae540702d039c43299f9a55e00da9001e48"
     "75c1073312bb4311f4f909fa7f1188fcf1b8b2d35b9dfc03"),
    ([1, "v", 2],
     "2d2d1e9b516845b7bfc8d5e27d7464f6e3dae589f2a3ca35"
     "6002db114fc70dd2da3035ad7d7d62e31716781e903fc675"),
]


def vector(parts):
    file = started()
    make = {
        "z": lambda: file.page(SNP, 0x102000), "s": lambda: file.page(SNP, 0x103000, kind=1),
        "c": lambda: file.page(SNP, 0x104000, kind=2), "v": lambda: file.vp(SNP, images.vmsa()),
        "a": lambda: file.area(0, 0x1000), "i": lambda: file.insert(SNP, 0x101000, 0),
        "large": lambda: file.page(SNP, 0x200000, flags=1),
        "wide": lambda: file.page(0x17, 0x100000, b"\1" * 4096),
        "other": lambda: file.page(0x10, 0x101000, b"\2" * 4096)}
    for part in parts:
        if part in make:
            make[part]()
        else:
            fill, address = part if isinstance(part, tuple) else (part, 0xff000 + 0x1000 * part)
            file.page(SNP, address, bytes([fill]) * 4096)
    return file.finish()


@pytest.mark.parametrize("parts, want", VECTORS)
def test_vectors(tmp_path, parts, want):
    content = vector(parts)
    assert qemu_igvm.launch_digest(content) == want
    assert digest(tmp_path / "igvm", content) == want


# Files of every shape, against the second loader

class Maker:
    """Headers by chance, of which no two fill the same page."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.file = images.Igvm(0x2000)
        self.next_area = 0
        self.address = 0x100000
        self.shape = (1, 0, 0, True)
        self.file.platform(1, 2, vtl=2)
        self.file.platform(4, 3)
        self.file.policy(1, 0x30000)

    def page(self):
        """Mostly like the page before, and right behind it."""
        if self.random.random() < 0.25:
            mask = self.random.choice([1, 1, 0x17, 5])
            flags, kind = self.random.choice([(0, 0), (0, 0), (2, 0), (0, 1), (0, 2), (0, 3)])
            self.shape = mask, flags, kind, self.random.random() < 0.6
        if self.random.random() < 0.15:
            self.address += 4096
        mask, flags, kind, has_data = self.shape
        self.file.page(mask, self.address, self.random.randbytes(4096) if has_data else None,
                       flags, kind)
        self.address += 4096

    def foreign(self):
        """Of no concern, but that one counts among the directives, and the other does not."""
        self.file.page(self.random.choice([4, 16, 0, 0]), self.address, None, *self.shape[1:3])

    def large_page(self):
        address = (self.address + (2 << 20) - 1) & -(2 << 20)
        self.file.page(1, address, flags=1)
        self.address = address + (2 << 20)

    def insert(self):
        size = self.random.choice([1, 1, 2, 3]) * 4096
        if self.random.random() < 0.3:
            self.address += 4096
        self.file.area(self.next_area, size)
        if self.random.random() < 0.5:
            self.file.parameter(0x307, self.next_area)
        self.file.insert(self.random.choice([1, 1, 5, 4]), self.address, self.next_area)
        self.next_area += 1
        self.address += size

    def required(self):
        self.file.required(self.random.choice([0, 0, 1, 4]), 0x4000000, 0x1000)

    def make(self):
        steps = [self.page] * 10 + [self.foreign] * 4 + [self.insert] * 3 + [self.required] * 2
        steps += [self.large_page] if self.random.random() < 0.1 else []
        count = self.random.randrange(3, 40)
        where = self.random.randrange(count)
        for i in range(count):
            if i == where:
                self.file.vp(1, images.vmsa(rax=self.random.getrandbits(64)))
            self.random.choice(steps)()
        return self.file.finish(self.random.choice([1, 2]))


def in_file_order(content):
    """As if each header acted where it stands."""
    launch, areas = expected.LaunchDigest(), {}
    for kind, body in qemu_igvm.headers(content):
        if kind == qemu_igvm.AREA:
            size, area = struct.unpack_from("<QI", body)
            areas[area] = size
        elif kind == qemu_igvm.PAGE_DATA:
            page = qemu_igvm.Page(0, body)
            data = content[page.offset:page.offset + 4096] if page.offset else bytes(page.size)
            if page.mask & 1:
                launch.add(page.sent_as(), page.address, data if page.sent_as() == 1 else None,
                           page.size)
        elif kind == qemu_igvm.INSERT:
            address, mask, area = struct.unpack_from("<QII", body)
            if mask & 1:
                launch.add(4, address, size=areas[area])
        elif kind == qemu_igvm.CONTEXT:
            address, _, offset, _ = struct.unpack_from("<QIIH", body)
            launch.add(2, address, content[offset:offset + 4096])
    return launch.value.hex()


@pytest.mark.not_valgrind("a hundred runs of cvmctl take minutes")
def test_random_files(tmp_path):
    """The order is what most of them test: hashed as they stand they have other digests."""
    told = 0
    for seed in range(96):
        content = Maker(seed).make()
        want = qemu_igvm.launch_digest(content)
        assert digest(tmp_path / "igvm", content, "--cpus", 1) == want, seed
        told += in_file_order(content) != want
    assert told > 60


# In the shape that COCONUT-SVSM's igvmbuilder gives its files

SHAPES = [(images.SNP, 0, True), (images.SNP | images.TDP | images.NATIVE, 0, True),
          (images.SNP | images.TDP | images.NATIVE, 0x8000, True),
          (images.SNP | images.VSM, 0x8000, True), (images.SNP | images.NATIVE, 0, False)]


@pytest.mark.parametrize("platforms, firmware, sort", SHAPES)
def test_builders_files(tmp_path, platforms, firmware, sort):
    """Its page tables are for platforms that the file does not name; unless it sorts, the VMSA
    stands before the pages."""
    content = images.coconut(platforms, images.noise(firmware), sort=sort)
    assert digest(tmp_path / "igvm", content) == qemu_igvm.launch_digest(content)
    result = measure("sev-snp-igvm", "--igvm", tmp_path / "igvm", "--cpus", 1)
    assert result["inputs"]["guestFeatures"] == "0x29"
    assert "reason" not in result["registers"][0]
    for options in ([], ["--json"]):
        note = cvmctl("measure", "--platform", "sev-snp-igvm", "--igvm", tmp_path / "igvm",
                      "--cpus", 1, *options).err
        assert note.startswith("cvmctl: note: ") and note.count("\n") == 1
        assert ": 0x309 (MADT), 0x312 (DEVICE_TREE);" in note
    done = cvmctl("igvm", tmp_path / "igvm", "--json")
    assert done.code == 0, done.err
    assert done.json["notLoadable"] == [{"type": "0x309", "name": "MADT"},
                                        {"type": "0x312", "name": "DEVICE_TREE"}]
    shown = {platform["platform"]: platform for platform in done.json["platforms"]}
    assert list(shown) == [name for mask, name in ((images.SNP, "sev-snp"), (images.TDP, "tdx"),
                                                   (images.VSM, "vsm"), (images.NATIVE, "native"))
                           if platforms & mask]
    snp = shown["sev-snp"]
    assert snp["policy"] == "0x30000" and snp["vmsas"] == 1
    assert snp["pages"] == {"data": 9 + firmware // 4096, "zeros": 1, "unmeasured": 0,
                            "secrets": 1, "cpuid": 1, "parameters": 4, "shared": 0}
    for page in (0x806000, 0x8a02000):  # both are measured: for all platforms, for those it names
        at = next(offset for kind, body in qemu_igvm.headers(content) if kind == 0x302
                  for address, _, offset in [struct.unpack_from("<QII", body)] if address == page)
        changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]
        assert digest(tmp_path / "igvm", changed) != qemu_igvm.launch_digest(content)


# What cannot be loaded

def bad_file(make):
    file = started()
    make(file)
    return file.finish()


def with_context(file, **fields):
    file.vp(SNP, images.vmsa(**fields))


@pytest.mark.parametrize("make, words", [
    (lambda file: file.page(SNP, 0x200000, images.noise(4096), flags=1),
     ["PAGE_DATA (type 0x302) at offset 0x48", "2 MiB"]),
    (lambda file: file.header(0x305, bytes(16)), ["REQUIRED_MEMORY", "0x48", "length"]),
    (lambda file: (file.area(0, 4096), file.parameter(0x307, 0, 4096)),
     ["VP_COUNT_PARAMETER (type 0x307) at offset 0x60", "beyond the end of its area"]),
    (lambda file: file.insert(SNP, 0x1000, 4), ["PARAMETER_INSERT", "no parameter area"]),
    (lambda file: file.platform(2, 3), ["SUPPORTED_PLATFORM", "order"]),
    (lambda file: file.vp(0x17, images.vmsa()), ["VP_CONTEXT", "one platform"]),
    (lambda file: with_context(file, at={0x3c8: 1}), ["VP_CONTEXT", "0x3c8"]),
    (lambda file: with_context(file, at={0xf80: 1}), ["0xf80", "after the last field"]),
    (lambda file: with_context(file, features=0x28), ["0x3b0", "lacks SEV-SNP"]),
    (lambda file: file.vp(SNP, images.vmsa(), address=0x1000), ["0x1000", "0xfffffffff000"]),
    (lambda file: file.vp(SNP, images.vmsa(), index=1), ["in order"]),
    (lambda file: file.page(SNP, 0x1000), ["no VP context"]),
])
def test_refused(tmp_path, make, words):
    message = refusal(tmp_path / "igvm", bad_file(make))
    for word in words:
        assert word in message, message


def test_contexts_and_vcpus(tmp_path):
    def make(file):
        file.vp(SNP, images.vmsa())
        file.vp(SNP, images.vmsa(rax=2), index=1)
    content = bad_file(make)
    assert "of 2 vCPUs, but the CVM has 1" in refusal(tmp_path / "igvm", content, "--cpus", 1)
    one = qemu_igvm.launch_digest(bad_file(with_context))
    for cpus in ([], ["--cpus", 2]):
        result = measure("sev-snp-igvm", "--igvm", tmp_path / "igvm", *cpus)
        got = values(result)
        assert got["LaunchDigest", "sha384"] == one
        assert "SVSM" in result["registers"][0]["reason"]
    assert got["LaunchDigestAllVcpus", "sha384"] == qemu_igvm.launch_digest(content)


@pytest.mark.parametrize("cr0, told", [(0x10, False), (0x30, False), (0x31, False),
                                       (0x80000031, True)])
def test_a_cr0_that_kvm_may_change(tmp_path, cr0, told):
    content = bad_file(lambda file: with_context(file, cr0=cr0))
    assert digest(tmp_path / "igvm", content) == qemu_igvm.launch_digest(content)
    for cpus in ([], ["--cpus", 1], ["--cpus", 2]):
        result = measure("sev-snp-igvm", "--igvm", tmp_path / "igvm", *cpus)
        assert (f"CR0 of the VP context, {hex(cr0)}" in
                result["registers"][0].get("reason", "")) == told


def test_features_are_those_of_the_file(tmp_path):
    content = bad_file(lambda file: with_context(file, features=0x21))
    (tmp_path / "igvm").write_bytes(content)
    result = measure("sev-snp-igvm", "--igvm", tmp_path / "igvm")
    assert result["inputs"]["guestFeatures"] == "0x21"
    message = refusal(tmp_path / "igvm", content, "--guest-features", "0x21")
    assert "'guest-features'" in message and "VP context" in message


def test_a_service_vm_boots_no_kernel(tmp_path):
    """As at a launch; the same file with firmware in it has PCRs."""
    (tmp_path / "kernel").write_bytes(images.kernel())
    for firmware, service in ((b"", True), (images.noise(0x8000), False)):
        (tmp_path / "igvm").write_bytes(images.coconut(images.SNP, firmware))
        options = ["--igvm", tmp_path / "igvm", "--kernel", tmp_path / "kernel"]
        done = cvmctl("measure", "--platform", "sev-snp-igvm", *options)
        assert done.code == (exits.DATA if service else 0)
        assert not service or "'kernel'" in done.err and "service VM" in done.err
        names = {name for name, _ in values(measure("sev-snp-igvm", *options[:2]))}
        assert names == {"LaunchDigest"} if service else names > {"LaunchDigest", "PCR4"}
