# SPDX-License-Identifier: Apache-2.0
"""What a system's root has: programs, users and groups."""
import os
import pathlib

PATH = ("usr/sbin", "usr/bin", "sbin", "bin")


class Machine:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.programs = {path.name for directory in PATH if (self.root / directory).is_dir()
                         for path in (self.root / directory).iterdir()}
        self.accounts = {kind: names(self.root / "etc" / file)
                         for kind, file in (("user", "passwd"), ("group", "group"))}

    def has(self, use):
        """Whether what is used is there; a program with a path at that path."""
        if use.kind != "program":
            return use.name in self.accounts[use.kind]
        if use.name.startswith("/"):
            # links lead to paths in the root
            return os.path.lexists(self.root / use.name[1:])
        return use.name in self.programs


def names(path):
    return {line.split(":")[0] for line in path.read_text().splitlines() if line}
