# SPDX-License-Identifier: Apache-2.0
"""What /proc tells about a process: children, descriptors, sockets, memory."""
import ctypes
import os
import pathlib
import re
import time

PR_SET_CHILD_SUBREAPER = 36
SLOWNESS = float(os.environ.get("TEST_SLOWNESS", "1"))
# A limit that a test waits for, after stages which have to fit into it.
BRIEF_SEC = max(2, round(2 * SLOWNESS))


def become_subreaper():
    """What a daemon leaves behind becomes a child of this process, where it can be found."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def eventually(condition, what, seconds=10, pause=0.02):
    """Waits until condition() is true and returns what it gave; `what` may be a callable."""
    end = time.monotonic() + seconds * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds * SLOWNESS:g} s: "
                                 f"{what() if callable(what) else what}")
        time.sleep(pause)


def name(pid):
    """As ps shows it; "" for a process that has gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def children(pid):
    """Live and zombie children of all threads of a process, without the one that makes children for
    the daemon (src/base/forker.h), which is always there."""
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            pass
    return [child for child in found if name(child) != "cvmd-forker"]


def command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(
            errors="replace").strip()
    except OSError:
        return ""


def state(pid):
    """'R', 'S', 'T', 'Z', … or None if there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def resident(pid):
    """KiB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", text, re.M)[1])


def threads(pid):
    """A line for each thread: its name, its system call with arguments, and where the kernel has it
    wait; what cannot be read is left out."""
    lines = []
    for task in sorted(pathlib.Path(f"/proc/{pid}/task").glob("*")):
        words = [task.name]
        for name in ("comm", "wchan", "syscall", "stack"):
            try:
                text = (task / name).read_text(errors="replace")
            except OSError:
                continue
            words.append(" < ".join(re.findall(r"(\w+)\+0x", text)) if name == "stack"
                         else text.strip())
        lines.append(" ".join(words))
    return "\n".join(lines)


def descriptors(pid):
    """Number to what it is, for each open descriptor."""
    found = {}
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(path.name)] = os.readlink(path)
        except OSError:
            pass
    return found


def tree(directory):
    """All paths below a directory, relative, sorted; some may go meanwhile."""
    return sorted(os.path.relpath(os.path.join(top, name), directory)
                  for top, directories, files in os.walk(directory)
                  for name in directories + files)


def has_ended(pid):
    """Collects it, too, if it is an orphan."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return state(pid) is None


def reap():
    """Collects orphans that have ended; children that somebody waits for are left alone."""
    for pid in children(os.getpid()):
        if state(pid) == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
