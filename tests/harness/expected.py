# SPDX-License-Identifier: Apache-2.0
"""What attestation must show, a second time: from the documents; nothing of src/measure."""
import hashlib
import struct
import uuid

ACTION = b"Calling EFI Application from Boot Option"
EXIT = [b"Exit Boot Services Invocation", b"Exit Boot Services Returned with Success"]
PAGE = 4096
VMSA_ADDRESS = 0xfffffffff000


def digest(bank, data):
    return hashlib.new(bank, data).digest()


def extend(bank, events):
    value = bytes(hashlib.new(bank).digest_size)
    for event in events:
        value = digest(bank, value + event)
    return value.hex()


def authenticode(bank, image):
    """The PE image hash, by the steps of Microsoft's document, as edk2 ends it."""
    pe = struct.unpack_from("<I", image, 0x3c)[0]
    n_sections, optional_size = struct.unpack_from("<H", image, pe + 6)[0], \
        struct.unpack_from("<H", image, pe + 20)[0]
    optional = pe + 24
    plus = struct.unpack_from("<H", image, optional)[0] == 0x20b
    directories = optional + (112 if plus else 96)
    count = struct.unpack_from("<I", image, directories - 4)[0]
    headers = struct.unpack_from("<I", image, optional + 60)[0]
    certificates = struct.unpack_from("<I", image, directories + 36)[0] if count > 4 else 0
    skip = (directories + 32, directories + 40) if count > 4 else (headers, headers)
    stream = image[:optional + 64] + image[optional + 68:skip[0]] + image[skip[1]:headers]
    total = headers
    table = [struct.unpack_from("<II", image, optional + optional_size + 40 * i + 16)
             for i in range(n_sections)]
    for size, offset in sorted(table, key=lambda section: section[1]):
        if size:
            stream += image[offset:offset + size]
            total += size
    return digest(bank, stream + image[total:len(image) - certificates])


def patched(kernel, memory, initrd):
    image = bytearray(kernel)
    image[0x210] = 0xb0
    image[0x211] |= 0x80
    struct.pack_into("<H", image, 0x224, 0xfe00)
    struct.pack_into("<I", image, 0x228, 0x20000)
    if initrd is not None:
        low = 0x80000000 if memory >= 0xb0000000 else memory
        top = 0xffffffff if image[0x236] & 2 else struct.unpack_from("<I", image, 0x22c)[0]
        top = min(top, low - 0x28000 - 1)
        struct.pack_into("<II", image, 0x218, (top - len(initrd)) & ~0xfff, len(initrd))
    return bytes(image)


def options(bank, cmdline, initrd, prefix):
    text = cmdline
    if initrd is not None:
        text = "initrd=initrd " + cmdline if prefix else cmdline + " initrd=initrd"
    events = [digest(bank, (text + "\0").encode("utf-16-le"))]
    return events + ([] if initrd is None else [digest(bank, initrd)])


def pcr4(bank, kernel):
    return extend(bank, [authenticode(bank, kernel), digest(bank, ACTION), digest(bank, bytes(4))])


def pcr9(bank, cmdline, initrd, prefix):
    return extend(bank, options(bank, cmdline, initrd, prefix))


def rtmr1(kernel, separator=True):
    events = [authenticode("sha384", kernel), digest("sha384", ACTION)]
    events += [digest("sha384", bytes(4))] if separator else []
    return extend("sha384", events + [digest("sha384", text) for text in EXIT])


def rtmr2(cmdline, initrd, prefix):
    return extend("sha384", options("sha384", cmdline, initrd, prefix))


def mrtd(image, sections, by_section=False):
    stream = hashlib.sha384()
    for offset, size, address, memory, _, attributes in sections:
        data = image[offset:offset + size].ljust(memory, b"\0")
        adds, extends = [], []
        for at in range(0, memory, PAGE):
            adds.append(b"" if attributes & 2 else
                        b"MEM.PAGE.ADD".ljust(16, b"\0") + struct.pack("<Q104x", address + at))
            extends.append(b"" if not attributes & 1 else b"".join(
                b"MR.EXTEND".ljust(16, b"\0") + struct.pack("<Q104x", address + at + i) +
                data[at + i:at + i + 256] for i in range(0, PAGE, 256)))
        if by_section:
            stream.update(b"".join(adds + extends))
        else:
            stream.update(b"".join(a + b for a, b in zip(adds, extends)))
    return stream.hexdigest()


class LaunchDigest:
    def __init__(self):
        self.value = bytes(48)

    def add(self, kind, address, data=None, size=PAGE):
        for at in range(0, size, PAGE):
            contents = digest("sha384", data[at:at + PAGE]) if data else bytes(48)
            info = self.value + contents + struct.pack("<HBBIQ", 0x70, kind, 0, 0, address + at)
            self.value = digest("sha384", info)


def hash_table(address, cmdline, initrd, kernel):
    def row(name, data):
        return uuid.UUID(name).bytes_le + struct.pack("<H", 18 + len(data)) + data
    rows = row("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", digest("sha256", cmdline.encode() + b"\0"))
    rows += row("44baf731-3a2f-4bd7-9af1-41e29169781d", digest("sha256", initrd or b""))
    rows += row("4de79437-abd2-427f-b835-d5b172d2045b", digest("sha256", kernel))
    table = row("9438d606-4f22-4cc9-b479-a793d411fd21", rows)
    return (bytes(address % PAGE) + table).ljust(PAGE, b"\0")


def vmsa(eip, signature=0x800f12, features=1):
    page = bytearray(PAGE)

    def segment(offset, attributes, selector=0, base=0):
        struct.pack_into("<HHIQ", page, offset, selector, attributes, 0xffff, base)
    for offset in (0x00, 0x20, 0x30, 0x40, 0x50):
        segment(offset, 0x93)
    segment(0x10, 0x9b, 0xf000, eip & 0xffff0000)
    for offset, attributes in ((0x60, 0), (0x70, 0x82), (0x80, 0), (0x90, 0x8b)):
        segment(offset, attributes)
    for offset, value in ((0xd0, 0x1000), (0x148, 0x40), (0x158, 0x10), (0x160, 0x400),
                          (0x168, 0xffff0ff0), (0x170, 2), (0x178, eip & 0xffff),
                          (0x268, 0x7040600070406), (0x310, signature), (0x3b0, features),
                          (0x3e8, 1), (0x408, 0x1f80), (0x410, 0x37f)):
        struct.pack_into("<Q", page, offset, value)
    return bytes(page)


def snp_ovmf(image, sections, table, cpus, reset=0x80b004, signature=0x800f12, features=1):
    """table: the page of kernel hashes, or None."""
    launch = LaunchDigest()
    launch.add(1, 2 ** 32 - len(image), image, len(image))
    for address, size, kind in sections:
        if kind == 0x10 and table:
            launch.add(1, address, table)
        else:
            launch.add({1: 3, 2: 5, 3: 6, 4: 3, 0x10: 3}[kind], address, size=size)
    for cpu in range(cpus):
        launch.add(2, VMSA_ADDRESS, vmsa(reset if cpu else 0xfffffff0, signature, features))
    return launch.value.hex()
