# SPDX-License-Identifier: Apache-2.0
"""ACPI tables with code, byte by byte from chapter 20 ("ACPI Machine Language") of the ACPI
specification: what a malicious host hands to its guest."""
import struct

BYTE_ACCESS = 1
MEMORY, PORTS = 0, 1  # region spaces
HEADER = 36
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


def fields(of, *names):
    """A byte each."""
    return b"\x5b\x81" + package(of + bytes([BYTE_ACCESS]) +
                                 b"".join(name + b"\x08" for name in names))


def store(source, target):
    return b"\x70" + source + target


def method(name, *statements):
    return b"\x14" + package(name + b"\x00" + b"".join(statements))


def device(name, *parts):
    return b"\x5b\x82" + package(name + b"".join(parts))


def scope(name, *parts):
    return b"\x10" + package(name + b"".join(parts))


def table(code):
    """An SSDT of it."""
    head = struct.pack("<4sIBB6s8sI4sI", b"SSDT", HEADER + len(code), 2, 0, b"CVMD  ",
                       b"TEST    ", 1, b"TEST", 1)
    whole = bytearray(head + code)
    whole[9] = -sum(whole) & 0xff
    return bytes(whole)


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
