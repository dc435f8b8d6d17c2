# SPDX-License-Identifier: Apache-2.0
"""The layers of src, the floors of the daemon, and which of them each may use: what CONTRIBUTING.md
says as a table."""
import pathlib

# A layer of src may use those listed.
LAYERS = {
    "base": set(),
    "wire": {"base"},
    "spec": {"base"},
    "artifact": {"base", "spec"},
    "qmp": {"base"},
    "host": {"base", "qmp"},
    "template": {"base", "spec", "artifact", "host"},
    "measure": {"base", "spec", "artifact", "host", "template"},
    "verify": {"base", "spec", "measure"},
}
# The event loop belongs to the layers that own descriptors.
LOOP = {"wire", "qmp"}
# The daemon's floors, from the lowest up: each may use those before it.
FLOORS = ["local", "systemd", "driver", "vm", "manager", "launch", "api"]
TOP = "."  # the daemon's main()


def floor_of(source):
    """The house and the layer or floor of a file: ("src", "base"), ("daemon", "vm"), ("daemon",
    "."), ("cli", ".")."""
    parts = pathlib.PurePath(source).parts
    return parts[0], parts[1] if len(parts) > 2 else TOP


def rank(floor):
    return FLOORS.index(floor) if floor in FLOORS else len(FLOORS)


def may_use(source, target):
    """Whether the order lets file `source` include or link with file `target`."""
    house, floor = floor_of(source)
    other, below = floor_of(target)
    if "(generated)" in (house, other):  # the table of drivers, embedded artifacts
        return True
    if house == other == "src":
        return floor == below or below in LAYERS.get(floor, ())
    if house == other == "daemon":
        return rank(floor) >= rank(below)
    return house == other or other == "src"


def is_above(target, source):
    return not may_use(source, target)
