# SPDX-License-Identifier: Apache-2.0
"""ACPI tables with code, byte by byte from chapter 20 ("ACPI Machine Language") of the ACPI
specification: what a malicious host hands to its guest."""
import struct

BYTE_ACCESS = 1
MEMORY, PORTS = 0, 1  # region spaces
HEADER = 36
FADT_FLAGS = 0x84a5 | 1 << 10  # what QEMU sets, and that there is a register for a reset
OUT = b"OUT_"


def package(body):
    """A package length and what it is of."""
    size = len(body) + 1
    if size < 64:
        return bytes([size]) + body
    size += 1
    return bytes([0x40 | size & 15, size >> 4 & 0xff]) + body


def integer(value):
    return b"\x0e" + struct.pack("<Q", value)


def region(name, space, address, size):
    return b"\x5b\x80" + name + bytes([space]) + integer(address) + integer(size)


def table_region(name, signature, table_id=b""):
    """A region that is another table of the guest's: a DataTableRegion."""
    return b"\x5b\x88" + name + b"".join(b"\x0d" + text + b"\0"
                                        for text in (signature, b"", table_id))


def fields(of, *names, skip=0):
    """A byte each, after `skip` bytes, fewer than 512."""
    offset = b"\x00" + bytes([0x40 | skip * 8 & 15, skip * 8 >> 4]) if skip else b""
    return b"\x5b\x81" + package(of + bytes([BYTE_ACCESS]) + offset +
                                 b"".join(name + b"\x08" for name in names))


def store(source, target):
    return b"\x70" + source + target


def method(name, *statements):
    return b"\x14" + package(name + b"\x00" + b"".join(statements))


def device(name, *parts):
    return b"\x5b\x82" + package(name + b"".join(parts))


def scope(name, *parts):
    return b"\x10" + package(name + b"".join(parts))


def table(code, signature=b"SSDT", table_id=b"TEST"):
    """An SSDT of it, or another table."""
    head = struct.pack("<4sIBB6s8sI4sI", signature, HEADER + len(code), 2, 0, b"CVMD  ",
                       table_id.ljust(8), 1, b"TEST", 1)
    whole = bytearray(head + code)
    whole[9] = -sum(whole) & 0xff
    return bytes(whole)


def block(space, address, size):
    """A generic address structure (5.2.3.2) of registers."""
    return struct.pack("<BBBBQ", space, 8 * size, 0, 0, address)


def fadt(reset, value):
    """A table of fixed hardware (5.2.9): a Q35's, but its reset register is a byte of memory, to
    which a guest writes `value` when it restarts. It lacks a FACS: Linux panics and restarts."""
    none, event, control = block(PORTS, 0, 0), (0x600, 4), (0x604, 2)
    timer, gpe = (0x608, 4), (0x620, 16)
    old = struct.pack("<8I", event[0], 0, control[0], 0, 0, timer[0], gpe[0], 0)
    sizes = bytes([event[1], control[1], 0, timer[1], gpe[1], 0, 0, 0])
    new = [block(PORTS, *event), none, block(PORTS, *control), none, none, block(PORTS, *timer),
           block(PORTS, *gpe), none]
    return table(
        struct.pack("<IIBBHIBBBB", 0, 0, 1, 0, 9, 0xb2, 2, 3, 0, 0) + old + sizes +
        struct.pack("<HHHHBBBBBHBI", 0xfff, 0xfff, 0, 0, 0, 0, 0, 0, 0x32, 2, 0, FADT_FLAGS) +
        block(MEMORY, reset, 1) + struct.pack("<BHB", value, 0, 0) + bytes(16) + b"".join(new),
        b"FACP")


def steps(port, *methods, before=b""):
    """A table whose methods run when the guest initialises its devices, each in a device of its
    own, so that one which fails does not end the next. Its field OUT_ is the host's port; "<"
    comes before, ">" after them."""
    every = ([store(b"\x0a<", OUT)], *methods, [store(b"\x0a>", OUT)])
    return table(
        region(b"PORT", PORTS, port, 1) + fields(b"PORT", OUT) + before +
        scope(b"\\_SB_", *(device(b"SPY%d" % number, method(b"_INI", *statements))
                           for number, statements in enumerate(every))))


def spy(port, address, size):
    """What reads `size` bytes of memory at `address` and tells them; and what changes the first and
    tells that."""
    names = [b"M%03X" % number for number in range(size)]
    return steps(port, [store(name, OUT) for name in names],
                 [store(b"\x0a#", names[0]), store(names[0], OUT)],
                 before=region(b"SPY_", MEMORY, address, size) + fields(b"SPY_", *names))


def beyond_a_tables_end(port):
    """Tables: one without code; and one that rewrites the length in the header of that one, tells a
    byte of the new length, and then reads behind its end: the signature of the second table, which
    firmware puts there."""
    data = table(bytes(12), b"CVMT")
    names = [b"S00%d" % number for number in range(4)]
    return data, steps(
        port,
        [store(b"\x0aA", b"LEN2"), store(b"LEN2", OUT)],
        [table_region(b"TAIL", b"CVMT"), fields(b"TAIL", *names, skip=len(data)),
         *(store(name, OUT) for name in names)],
        before=table_region(b"HEAD", b"CVMT") + fields(b"HEAD", b"LEN2", skip=6))


def code_beyond_a_tables_end(port):
    """Tables with code: the first makes the header of the second longer before that one is loaded;
    the second tells "b" and ends with a buffer that needs the header of the third, after which "!"
    is told."""
    last = table(store(b"\x0a!", b"\\" + OUT), b"CVMT")
    open_end = b"\x08" + b"REST" + b"\x11" + bytes([HEADER + 3, 0x0a, HEADER])
    second = table(store(b"\x0ab", b"\\" + OUT) + open_end, table_id=b"SECOND")
    longer = len(second) + len(last)
    assert longer < 256
    return (table(region(b"PORT", PORTS, port, 1) + fields(b"PORT", OUT) +
                  table_region(b"NEXT", b"SSDT", b"SECOND  ") + fields(b"NEXT", b"LEN0", skip=4) +
                  store(b"\x0a" + bytes([longer]), b"LEN0") + store(b"\x0aa", OUT)), second, last)
