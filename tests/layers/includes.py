# SPDX-License-Identifier: Apache-2.0
"""What the sources must not include: a file of a layer or floor that they may not use, or the event
loop where it does not belong."""
import re

import order

LOCAL = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
SYSTEM = re.compile(r"^\s*#\s*include\s+<([^>]+)>")


def files(root):
    return sorted(path for house in ("src", "daemon", "cli")
                  for path in (root / house).glob("**/*.[ch]"))


def may_loop(source):
    house, floor = order.floor_of(source)
    return house == "daemon" or house == "src" and floor in order.LOOP


def resolve(root, path, name):
    """The file that an include names, below the source root."""
    for folder in (path.parent, root / "src", root / "daemon"):
        if (folder / name).exists():
            return str((folder / name).resolve().relative_to(root))
    return None


def problems(root, allowed):
    """Lines about what is wrong, and the allowed includes that are no longer needed. `allowed` is a
    set of (from, to)."""
    bad, needed, root = [], set(), root.resolve()
    for path in files(root):
        source = str(path.relative_to(root))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = SYSTEM.match(line)
            if match and match.group(1) == "uv.h" and not may_loop(source):
                bad.append(f"{source}:{number}: must stay free of the event loop")
            match = LOCAL.match(line)
            target = match and resolve(root, path, match.group(1))
            if match and not target and match.group(1).endswith(".h"):  # others are generated
                bad.append(f"{source}:{number}: {match.group(1)} is not below src or daemon")
            elif target and not order.may_use(source, target):
                needed.add((source, target))
                if (source, target) not in allowed:
                    bad.append(f"{source}:{number}: must not include {target}")
    return bad, allowed - needed
