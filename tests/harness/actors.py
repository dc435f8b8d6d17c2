# SPDX-License-Identifier: Apache-2.0
"""Processes of users that act until they are told to stop."""
import ctypes
import grp
import json
import os
import select
import signal
import time
import traceback

from harness.users import GROUPS

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


class Link:
    """An actor's end: what it says, and whether it is to stop."""

    def __init__(self, reading, writing):
        self.reading, self.writing = reading, writing

    def say(self, **what):
        os.write(self.writing, json.dumps(what).encode() + b"\n")

    def stopped(self, seconds=0.0):
        """Whether it is to stop; waits for that."""
        return bool(select.select([self.reading], [], [], seconds)[0])


class Actor:
    """A process of a user that calls function(link, *arguments), and what that starts."""

    def __init__(self, uid, groups, function, *arguments):
        from_actor, to_parent = os.pipe()
        from_parent, to_actor = os.pipe()
        self.buffer = b""
        parent, self.pid = os.getpid(), os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                low, high = sorted((from_parent, to_parent))
                os.closerange(3, low)
                os.closerange(low + 1, high)
                os.closerange(high + 1, 1 << 16)
                link = Link(from_parent, to_parent)
                os.setgroups(groups)
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                # A process that changes its user loses these.
                libc = ctypes.CDLL(None)
                libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:
                    os._exit(0)
                libc.prctl(PR_SET_DUMPABLE, 1)
                try:
                    function(link, *arguments)
                except Exception:
                    link.say(problem=traceback.format_exc())
            finally:
                os._exit(0)
        os.close(to_parent)
        os.close(from_parent)
        self.reading, self.to_actor = from_actor, to_actor

    def hear(self, seconds):
        """What it says next; AssertionError for what went wrong there, or if it says nothing."""
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.reading], [], [], left)[0], (
                f"a process of the test said nothing within {seconds:g} s")
            data = os.read(self.reading, 1 << 16)
            assert data, "a process of the test has ended without a word"
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        said = json.loads(line)
        assert "problem" not in said, said["problem"]
        return said

    def stop(self):
        os.write(self.to_actor, b"x")

    def end(self, seconds=10):
        """Kills it and all that it has started; whether it has gone by then."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        finish = time.monotonic() + seconds
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > finish:
                return False
            time.sleep(0.01)
        os.close(self.reading)
        os.close(self.to_actor)
        return True


def groups_of(uid):
    return [grp.getgrnam(name).gr_gid for name in GROUPS.get(uid, [])]
