# SPDX-License-Identifier: Apache-2.0
"""Inputs of `cvmctl measure` in files, and what it prints of them."""
from harness import images
from harness.peer import cvmctl


class Files:
    """Each input in a file; write() changes one."""

    def __init__(self, directory):
        self.directory = directory
        self.data = {}
        for name, data in {"kernel": images.kernel(), "initramfs": images.initramfs(),
                           "firmware": images.firmware(), "igvm": images.igvm()}.items():
            self.write(name, data)

    def write(self, name, data):
        self.data[name] = data
        self.path(name).write_bytes(data)

    def options(self, *names):
        return [word for name in names for word in (f"--{name}", self.path(name))]

    def path(self, name):
        return self.directory / name


def measure(platform, *args):
    done = cvmctl("measure", "--platform", platform, *args, "--json")
    assert done.code == 0, done.err
    return done.json


def values(result):
    return {(reg["name"], reg["algorithm"]): reg.get("value", reg["state"])
            for reg in result["registers"]}
