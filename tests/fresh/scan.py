# SPDX-License-Identifier: Apache-2.0
"""What the project's scripts, tests and build files use of the system that they run on."""
import pathlib
import re

import python
import shell
from shell import Use

# In the build files, and in programs of the tests.
MESON = [("program", re.compile(r"\b(?:find_program|run_command)\(\s*'([^']+)'"))]
C = [("program", re.compile(r'\bexec[lv]p?e?\(\s*"([^"]+)"')),
     ("user", re.compile(r'\bgetpwnam\(\s*"([^"]+)"')),
     ("group", re.compile(r'\bgetgrnam\(\s*"([^"]+)"'))]


# Functions of the library that an OCF agent reads where Pacemaker starts it.
OCF_LIBRARY = "ocf-shellfuncs"
OCF_FUNCTIONS = {"have_binary", "ocf_exit_reason", "ocf_log"}


def by_pattern(text, patterns):
    return [Use(kind, match[1], text.count("\n", 0, match.start()) + 1)
            for kind, pattern in patterns for match in pattern.finditer(text)]


class Project:
    """Files by kind: {"shell": {name: text}, "python": …, "meson": …, "c": …}."""

    def __init__(self, files, suspects=frozenset()):
        self.files = files
        self.suspects = suspects
        self.own = {pathlib.PurePath(name).name for kind in files.values() for name in kind}
        self.functions = set().union(*map(shell.functions_of, files.get("shell", {}).values()))
        self.modules = {}
        for name, text in files.get("python", {}).items():
            self.modules[pathlib.PurePath(name).stem] = python.Module(text, self.modules)

    def uses(self):
        """(file, use) of all."""
        for name, text in self.files.get("shell", {}).items():
            for use in shell.uses(text):
                if use.name in OCF_FUNCTIONS and OCF_LIBRARY in text:
                    continue
                if use.name not in self.functions:
                    yield name, use
        for name, text in self.files.get("python", {}).items():
            for use in python.uses(python.Module(text, self.modules), self.suspects):
                yield name, use
        for kind, patterns in (("meson", MESON), ("c", C)):
            for name, text in self.files.get(kind, {}).items():
                for use in by_pattern(text, patterns):
                    if use.name not in self.own:
                        yield name, use
