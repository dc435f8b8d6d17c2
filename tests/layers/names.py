# SPDX-License-Identifier: Apache-2.0
"""Names of functions. A static function that is not a callback carries its module's noun: a
backtrace or a profile that says `refuse` says nothing."""
import collections
import pathlib
import re

HOUSES = ("src", "daemon", "cli")
DEFINITION = re.compile(r"^(static )?[A-Za-z_][\w \t\*]*?[ \*](\w+)\(([^;{}]*)\)\s*\n\{",
                        re.MULTILINE)
CALLBACK = re.compile(r"on_\w+")  # what an event loop or a table calls


def functions(root):
    """(file, name, whether it is static) of each function that is defined in a .c file."""
    for path in sorted(path for house in HOUSES
                       for path in (pathlib.Path(root) / house).glob("**/*.c")):
        for match in DEFINITION.finditer(path.read_text()):
            yield str(path.relative_to(root)), match.group(2), bool(match.group(1))


def shared(root):
    """The names of static functions that functions of other files have, too: {name: [file]}."""
    files, static = collections.defaultdict(set), set()
    for file, name, is_static in functions(root):
        if not CALLBACK.fullmatch(name):
            files[name].add(file)
            if is_static:
                static.add(name)
    return {name: sorted(files[name]) for name in sorted(static) if len(files[name]) > 1}


def problems(root, allowed):
    """Lines about what is wrong. `allowed` says how many files may share a name: {name: number}."""
    found = shared(root)
    bad = [f"{len(files)} files have a function {name}(): {', '.join(files)}"
           for name, files in found.items() if len(files) > allowed.get(name, 1)]
    return bad + [f"'{name}' is not shared any more: remove the line"
                  for name in sorted(allowed.keys() - found.keys())]
