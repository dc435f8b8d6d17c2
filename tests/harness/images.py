# SPDX-License-Identifier: Apache-2.0
"""Small kernels, firmware and IGVM files, built from the formats' documents."""
import lzma
import struct
import uuid
import zlib

FOOTER = "96b582de-1fb2-45f7-baea-a366c55a082d"
SEV_METADATA = "dc886566-984a-4798-a75e-5585a7bf67cc"
TDX_METADATA = "e47a6535-984a-4798-865e-4685a7bf8ec2"
HASH_TABLE = "7255371f-3a3b-4b04-927b-1da6efa8d454"
LZMA = "ee4e5898-3914-4259-9d6e-dc7bd79403cf"
AP_RESET = "00f771de-1a7e-4fcb-890e-68c77e2fb44e"

SEV_SECTIONS = [(0x800000, 0x2000, 1), (0x802000, 0x1000, 2), (0x803000, 0x1000, 3),
                (0x804000, 0x1000, 4), (0x805000, 0x1000, 0x10)]
# File offset, size, address, memory, type, attributes.
TDX_SECTIONS = [(0x1000, 0xf000, 0xffff1000, 0xf000, 0, 1), (0, 0x1000, 0xffc00000, 0x1000, 1, 0),
                (0, 0, 0x809000, 0x2000, 2, 0), (0, 0, 0x810000, 0x1000, 3, 0)]
VMSA_ADDRESS = 0xfffffffff000


def noise(size, seed=1):
    return bytes((i * 131 + (i >> 8) * 29 + seed) & 0xff for i in range(size))


TCG2, CC = "607f766c-7455-42be-930b-e4d76db2720f", "96751a3d-72f4-41a6-a794-ed5d0e67ae6b"
INITRD, OPTIONS = b"Linux initrd\0", b"LOADED_IMAGE::LoadOptions\0"
PAYLOAD = slice(0x2000, 0x4000)  # of kernel()


def stub(texts=(INITRD, OPTIONS), guids=(TCG2, CC), size=8):
    """Code of an EFI stub: what it measures, and by which protocols, in immediates of a size."""
    halves = [guid(name)[i:i + size] for name in guids for i in range(0, 16, size)]
    return b"".join(texts) + b"".join(b"\x48\xb8" + half + b"\x48\x89\x44\x24" for half in halves)


def kernel(seed=1, measures=None, payload=b""):
    """A bzImage with EFI stub: headers of 0x400 bytes, sections at 0x600 and 0xa00, a rest.

    measures: the stub's code, stub() if there is none; payload: what is in the compressed part."""
    image = bytearray(noise(0x6003, seed))
    image[0:2] = b"MZ"
    struct.pack_into("<I", image, 0x3c, 0x80)
    struct.pack_into("<4sHH12xHH", image, 0x80, b"PE\0\0", 0x8664, 2, 112 + 128, 0)
    optional = 0x98
    struct.pack_into("<H", image, optional, 0x20b)
    struct.pack_into("<I", image, optional + 60, 0x400)
    struct.pack_into("<I", image, optional + 108, 16)
    image[optional + 112:optional + 240] = bytes(128)
    for i, (offset, size) in enumerate([(0xa00, 0x200), (0x600, 0x300)]):
        section = optional + 240 + 40 * i
        image[section:section + 40] = bytes(40)
        struct.pack_into("<II", image, section + 16, size, offset)
    image[0x1f1] = 1
    struct.pack_into("<I", image, 0x1f4, 0x100)
    struct.pack_into("<H", image, 0x1fe, 0xaa55)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x20f)
    image[0x211] = 1
    struct.pack_into("<I", image, 0x22c, 0x7fffffff)
    struct.pack_into("<H", image, 0x236, 2)
    struct.pack_into("<II", image, 0x248, PAYLOAD.start - 0x400, PAYLOAD.stop - PAYLOAD.start)
    image[0x2000:0x2000 + len(payload)] = payload
    measures = stub() if measures is None else measures
    image[0x5000:0x5000 + len(measures)] = measures
    return bytes(image)


def uki():
    """A PE image with the section .linux, as a unified kernel image has it."""
    image = bytearray(0x1000)
    image[0:2] = b"MZ"
    struct.pack_into("<I", image, 0x3c, 0x80)
    struct.pack_into("<4sHH12xHH", image, 0x80, b"PE\0\0", 0x8664, 2, 112, 0)
    for i, name in enumerate((b".osrel", b".linux")):
        struct.pack_into("<8s", image, 0x98 + 112 + 40 * i, name)
    return bytes(image)


def initramfs(size=5003):
    return b"070701" + noise(size - 6, 9)


def guid(text):
    return uuid.UUID(text).bytes_le


def entry(name, data):
    return data + struct.pack("<H", len(data) + 18) + guid(name)


def code(version=None, prefix=False, raw=False, before=b"", after=b""):
    """A GUID-defined section of compressed code, with the texts that show its version."""
    text = before + noise(100, 8) + (b"initrd=initrd \0" if prefix else b" initrd=initrd\0")
    text += b"etc/boot/\0" if raw else b""
    text += noise(100) + (version or "").encode("utf-16-le") + bytes(2) + after
    stream = lzma.compress(text, lzma.FORMAT_ALONE)
    stream = stream[:5] + struct.pack("<Q", len(text)) + stream[13:]
    section = guid(LZMA) + struct.pack("<HH", 24, 1) + stream
    return (len(section) + 4).to_bytes(3, "little") + b"\2" + section


def firmware(size=0x10000, sev=SEV_SECTIONS, tdx=TDX_SECTIONS, hashes=0x805c00, reset=0x80b004,
             code_section=b""):
    image = bytearray(noise(size, 3))
    image[0x1100:0x1100 + len(code_section)] = code_section
    table = b""
    if tdx:
        blob = struct.pack("<4sIII", b"TDVF", 16 + 32 * len(tdx), 1, len(tdx))
        blob += b"".join(struct.pack("<IIQQII", *section) for section in tdx)
        image[-0x600:-0x600 + len(blob)] = blob
        table += entry(TDX_METADATA, struct.pack("<I", 0x600))
    if sev:
        blob = struct.pack("<4sIII", b"ASEV", 16 + 12 * len(sev), 1, len(sev))
        blob += b"".join(struct.pack("<III", *section) for section in sev)
        image[-0x800:-0x800 + len(blob)] = blob
        table += entry(SEV_METADATA, struct.pack("<I", 0x800))
    if hashes:
        table += entry(HASH_TABLE, struct.pack("<II", hashes, 0x400))
    if reset:
        table += entry(AP_RESET, struct.pack("<I", reset))
    table += struct.pack("<H", len(table) + 18) + guid(FOOTER)
    image[-32 - len(table):-32] = table
    return bytes(image)


# Fields of a VMSA that a start context sets, by name: AMD's manual, volume 2, table B-4.
VMSA_FIELDS = {"efer": 0xd0, "cr4": 0x148, "cr3": 0x150, "cr0": 0x158, "dr7": 0x160, "dr6": 0x168,
               "rflags": 0x170, "rip": 0x178, "rsp": 0x1d8, "rax": 0x1f8, "g_pat": 0x268,
               "rsi": 0x330, "features": 0x3b0, "xcr0": 0x3e8, "mxcsr": 0x408, "fcw": 0x410}


def vmsa(**fields):
    """The start context of 32-bit code at 0x10000. fields: other values by name; at: other bytes by
    offset."""
    page = bytearray(4096)
    data, code, table = (0x10, 0xc93, 0xffffffff), (8, 0xc9b, 0xffffffff), (0, 0, 0xffff)
    segments = [data, code, data, data, data, data, table, (0, 0x82, 0xffff), table,
                (0, 0x8b, 0xffff)]
    for i, segment in enumerate(segments):
        struct.pack_into("<HHIQ", page, 16 * i, *segment, 0)
    values = {"efer": 0x1000, "cr4": 0x40, "cr0": 0x31, "dr7": 0x400, "dr6": 0xffff0ff0,
              "rflags": 2, "rip": 0x10000, "g_pat": 0x7040600070406, "features": 1, "xcr0": 1,
              "mxcsr": 0x1f80, "fcw": 0x37f}
    at = fields.pop("at", {})
    for name, value in {**values, **fields}.items():
        struct.pack_into("<Q", page, VMSA_FIELDS[name], value)
    for offset, value in at.items():
        page[offset] = value
    return bytes(page)


class Igvm:
    """An IGVM file in the making: headers in their order, data behind them."""
    DATA = 0x1000  # where the data begin: there must be room for the headers before it

    def __init__(self, data=DATA):
        self.DATA = data
        self.headers = b""
        self.data = b""

    def header(self, kind, body):
        self.headers += struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)

    def platform(self, mask, kind, vtl=0, version=1, boundary=0):
        self.header(0x1, struct.pack("<IBBHQ", mask, vtl, kind, version, boundary))

    def policy(self, mask, policy):
        self.header(0x101, struct.pack("<QII", policy, mask, 0))

    def put(self, data):
        self.data += data
        return self.DATA + len(self.data) - len(data)

    def page(self, mask, address, data=None, flags=0, kind=0):
        offset = self.put(data) if data else 0
        self.header(0x302, struct.pack("<QIIIHH", address, mask, offset, flags, kind, 0))

    def pages(self, mask, address, data):
        for at in range(0, len(data), 4096):
            self.page(mask, address + at, data[at:at + 4096].ljust(4096, b"\0"))

    def area(self, index, size):
        self.header(0x301, struct.pack("<QII", size, index, 0))

    def parameter(self, kind, index, offset=0):
        self.header(kind, struct.pack("<II", index, offset))

    def insert(self, mask, address, index):
        self.header(0x303, struct.pack("<QII", address, mask, index))

    def required(self, mask, address, size, flags=0):
        self.header(0x305, struct.pack("<QIIII", address, mask, size, flags, 0))

    def context(self, mask, data, index=0, address=0):
        self.header(0x304, struct.pack("<QIIHH", address, mask, self.put(data), index, 0))

    def vp(self, mask, data, index=0, address=VMSA_ADDRESS):
        """Of SEV-SNP: a VMSA."""
        self.context(mask, data, index, address)

    def native(self, mask, rip=0x10000):
        """The context of the native platform: IgvmNativeVpContextX64, padded to a page."""
        context = bytearray(4096)
        struct.pack_into("<QQ", context, 128, rip, 2)
        self.context(mask, bytes(context))

    def vsm(self, mask, registers, vtl=2):
        """The context of VSM: {register name: value}."""
        self.context(mask, struct.pack("<I", len(registers)) + b"".join(
            struct.pack("<BI11xQ8x", vtl, name, value) for name, value in registers.items()))

    def finish(self, version=1):
        fixed_size = 24 if version == 1 else 32
        assert fixed_size + len(self.headers) <= self.DATA

        def fixed(checksum):
            start = struct.pack("<4sIIIII", b"IGVM", version, fixed_size, len(self.headers),
                                self.DATA + len(self.data), checksum)
            return start if version == 1 else start + struct.pack("<II", 0, 4096)
        checksum = zlib.crc32(fixed(0) + self.headers)
        return (fixed(checksum) + self.headers).ljust(self.DATA, b"\0") + self.data


def igvm(code_section=b""):
    """For SEV-SNP (with all kinds of pages) and TDX."""
    file = Igvm()
    file.platform(1, 2, vtl=2)
    file.platform(2, 3)
    file.policy(1, 0x30000)
    file.area(5, 0x2000)
    file.page(1, 0x10000, noise(4096, 21))
    file.page(2, 0x10000, noise(4096, 22))
    file.page(1, 0x11000)
    file.page(1, 0x12000, noise(4096, 23), flags=2)
    file.page(1, 0x13000, kind=1)
    file.page(1, 0x14000, kind=2)
    file.insert(1, 0x20000, 5)
    if code_section:
        file.pages(1, 0x100000, noise(0x10100, 25) + code_section)
    file.vp(1, vmsa())
    return file.finish()


SNP, NATIVE, TDP, VSM = 1, 2, 4, 16  # the bits that COCONUT-SVSM's igvmbuilder gives platforms
COCONUT = {SNP: 2, TDP: 3, VSM: 1, NATIVE: 0}  # its platform types, in the order of its headers
WIDE = SNP | NATIVE | TDP | VSM


def coconut(platforms=SNP | NATIVE | TDP, firmware=b"", policy=0x30000, sort=True,
            headers=(0x309, 0x312)):
    """In the shape of igvmbuilder: page tables for all platforms that it knows, four parameter
    areas of a page, all inserts before all pages, pages by address, the VMSA last."""
    file = Igvm(0x1000 + (len(firmware) // 4096 * 32 + 0xfff & -0x1000))
    vtl = 2 if firmware else 0
    for mask, kind in COCONUT.items():
        if platforms & mask:
            file.platform(mask, kind, vtl=0 if mask == NATIVE else vtl)
    if policy is not None and platforms & SNP:
        file.policy(SNP, policy)
    if platforms & ~VSM:
        file.required(platforms & ~VSM, 0x8a00000, 0x1000000)
    if platforms & VSM:
        file.required(VSM, 0x8a00000, 0x1000000, flags=1)
    for index in (1, 2, 3, 0):
        file.area(index, 0x1000)
    file.parameter(0x307, 0, 0)
    file.parameter(0x313, 0, 4)
    for kind, index in zip((0x309, 0x312), (2, 3)):
        if kind in headers:
            file.parameter(kind, index)
    file.parameter(0x30c, 1)
    for index, address in ((1, 0x803000), (2, 0x804000), (3, 0x805000), (0, 0x802000)):
        file.insert(platforms, address, index)
    if platforms & VSM:
        file.vsm(VSM, {0x60001: 8, 0x40000: 0x31, 0x20010: 0x10000, 0x20011: 2}, vtl)
    if platforms & NATIVE:
        file.native(NATIVE)
    pages = coconut_pages(platforms, firmware)
    if sort:
        pages.sort(key=lambda page: page[1])
    elif platforms & SNP:
        file.vp(SNP, vmsa(dr6=0, dr7=0, mxcsr=0, fcw=0, features=0x29, rax=1))
    for mask, address, data, kind in pages:
        file.page(mask, address, data, kind=kind)
    if sort and platforms & SNP:
        file.vp(SNP, vmsa(dr6=0, dr7=0, mxcsr=0, fcw=0, features=0x29, rax=1))
    return file.finish(2 if platforms & NATIVE else 1)


def coconut_pages(platforms, firmware):
    """[mask, address, data, type] of its pages, in the order in which it makes them."""
    pages = [[platforms, 0x8a00000 + at, noise(4096, 31 + (at >> 12)), 0]
             for at in range(0, 0x3000, 4096)]
    pages += [[platforms, 0x8a03000, None, 0]]
    pages += [[WIDE, 0x806000 + at, noise(4096, 41 + (at >> 12)), 0]
              for at in range(0, 0x4000, 4096)]
    pages += [[NATIVE | VSM, 0xf000, noise(4096, 45), 0]]
    pages += [[platforms, 0x10000 + at, noise(4096, 46 + (at >> 12)), 0]
              for at in range(0, 0x2000, 4096)]
    base = (1 << 32) - len(firmware)
    pages += [[platforms, base + at, firmware[at:at + 4096], 0]
              for at in range(0, len(firmware), 4096)]
    if platforms & TDP:
        pages += [[TDP, 0xfffff000 - len(firmware), noise(4096, 48), 0]]
    if platforms & SNP:
        pages += [[SNP, 0x9f000, noise(4096, 49), 2], [SNP, 0x9e000, None, 1]]
    if platforms & TDP:
        pages += [[TDP, 0x9f000, None, 0], [TDP, 0x9e000, None, 0]]
    return pages
