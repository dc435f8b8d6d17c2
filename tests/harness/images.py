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
TDX_SECTIONS = [(0x1000, 0x3000, 0xffffd000, 0x3000, 0, 1), (0, 0x1000, 0xffc00000, 0x1000, 1, 0),
                (0, 0, 0x809000, 0x2000, 2, 0), (0, 0, 0x810000, 0x1000, 3, 0)]
VMSA_ADDRESS = 0xfffffffff000


def noise(size, seed=1):
    return bytes((i * 131 + (i >> 8) * 29 + seed) & 0xff for i in range(size))


def kernel(seed=1):
    """A bzImage with EFI stub: headers of 0x400 bytes, sections at 0x600 and 0xa00, a rest."""
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


def firmware(size=0x4000, sev=SEV_SECTIONS, tdx=TDX_SECTIONS, hashes=0x805c00, reset=0x80b004,
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


class Igvm:
    """An IGVM file in the making: headers in their order, data behind them."""
    DATA = 0x1000

    def __init__(self):
        self.headers = b""
        self.data = b""

    def header(self, kind, body):
        self.headers += struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)

    def platform(self, mask, kind, vtl=0):
        self.header(0x1, struct.pack("<IBBHQ", mask, vtl, kind, 1, 0))

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

    def insert(self, mask, address, index):
        self.header(0x303, struct.pack("<QII", address, mask, index))

    def vp(self, mask, data, index=0, address=VMSA_ADDRESS):
        self.header(0x304, struct.pack("<QIIHH", address, mask, self.put(data), index, 0))

    def finish(self):
        assert 24 + len(self.headers) <= self.DATA

        def fixed(checksum):
            return struct.pack("<4sIIIII", b"IGVM", 1, 24, len(self.headers),
                               self.DATA + len(self.data), checksum)
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
    vmsa = bytearray(noise(4096, 24))
    struct.pack_into("<Q", vmsa, 0x3b0, 1)
    file.vp(1, bytes(vmsa))
    return file.finish()
