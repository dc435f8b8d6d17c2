# SPDX-License-Identifier: Apache-2.0
"""What QEMU gives KVM of an IGVM file, and in which order: a second time, from QEMU's
backends/igvm.c and from the library through which it reads the file; nothing of src/measure."""
import struct

from harness import expected

PAGE_DATA, AREA, INSERT, CONTEXT = 0x302, 0x301, 0x303, 0x304
MASK_AT = {0x302: 8, 0x303: 8, 0x304: 8, 0x305: 8, 0x30b: 0, 0x30d: 8, 0x311: 0}
NORMAL, VMSA, UNMEASURED, SECRETS, CPUID = 1, 2, 4, 5, 6


def headers(file):
    """[type, body] of each, and the file's data begin behind them."""
    at, size = struct.unpack_from("<II", file, 8)
    end = at + size
    while at < end:
        kind, length = struct.unpack_from("<II", file, at)
        yield kind, file[at + 8:at + 8 + length]
        at += 8 + (length + 7) // 8 * 8


def mask_of_platform(file, platform):
    return next(struct.unpack_from("<I", body)[0] for kind, body in headers(file)
                if kind == 1 and body[5] == platform)


def directives(file):
    """The list that the library gives QEMU: headers whose mask is 0 are dropped from it."""
    return [(kind, body) for kind, body in headers(file) if kind > 0x300 and not (
        kind in MASK_AT and struct.unpack_from("<I", body, MASK_AT[kind])[0] == 0)]


class Page:
    def __init__(self, index, body):
        self.index = index
        self.address, self.mask, self.offset, self.flags, self.kind = struct.unpack_from(
            "<QIIIH", body)
        self.size = 2 << 20 if self.flags & 1 else 4096

    def continues(self, last):
        return (last.index == self.index - 1 and last.address + last.size == self.address and
                (last.flags, last.kind, last.mask) == (self.flags, self.kind, self.mask) and
                bool(last.offset) == bool(self.offset))

    def sent_as(self):
        if self.kind:
            return {1: SECRETS, 2: CPUID, 3: CPUID}[self.kind]
        return UNMEASURED if self.flags & 2 else NORMAL


def calls(file, platform=2):
    """[page type, address, data or None, size] in the order of the calls that KVM gets."""
    ours, areas, run, sent, contexts = mask_of_platform(file, platform), {}, [], [], []

    def flush():
        for page in run:
            data = file[page.offset:page.offset + 4096] if page.offset else b""
            kind = page.sent_as()
            sent.append((kind, page.address, data.ljust(page.size, b"\0") if kind == NORMAL else
                         None, page.size))
        run.clear()

    for index, (kind, body) in enumerate(directives(file)):
        if kind == AREA:
            size, area = struct.unpack_from("<QI", body)
            areas[area] = size
        elif kind in MASK_AT and not struct.unpack_from("<I", body, MASK_AT[kind])[0] & ours:
            continue
        elif kind == PAGE_DATA:
            page = Page(index, body)
            if run and not page.continues(run[-1]):
                flush()
            run.append(page)
        elif kind == INSERT:
            address, _, area = struct.unpack_from("<QII", body)
            sent.append((UNMEASURED, address, None, areas[area]))
        elif kind == CONTEXT:
            address, _, offset, vcpu = struct.unpack_from("<QIIH", body)
            contexts.append((vcpu, (VMSA, address, file[offset:offset + 4096], 4096)))
    flush()
    return sent + [call for _, call in sorted(contexts)]


def launch_digest(file):
    """Of a guest whose vCPUs all have a VMSA in the file."""
    launch = expected.LaunchDigest()
    for kind, address, data, size in calls(file):
        launch.add(kind, address, data, size)
    return launch.value.hex()
