# SPDX-License-Identifier: Apache-2.0
"""A root to compile in: Debian packages unpacked beside each other, and commands run in there.

Nothing is installed: no maintainer script runs, so the root is what its packages hold, whoever
unpacks it. Who is not root enters it by a user namespace.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess

from . import debian
from .failure import Failure, cause, tool

# What a maintainer script would make: Debian's alternatives.
LINKS = {"usr/bin/awk": "mawk"}
# In namespaces that end with the command, so nothing stays mounted. $1 is the root.
ENTER = """
mount -t proc proc "$1/proc" && mount --bind /dev/null "$1/dev/null" || exit 125
exec chroot "$1" /usr/bin/sh -c "$2"
"""

NAMES_AN_ERROR = re.compile(r"error:|\*\*\*|\bFAILED\b|fatal:")


def contained():
    """What comes before a command that gets namespaces of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [tool("unshare", "util-linux"), *user, "--mount", "--pid", "--fork", "--kill-child"]


def check_namespaces():
    """This machine lets us have them."""
    done = subprocess.run([*contained(), "true"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", env={**os.environ, "LC_ALL": "C"}, check=False)
    if done.returncode:
        who = "root in this container" if os.geteuid() == 0 else "users who are not root"
        raise Failure(f"the kernel is compiled in namespaces of its own, which {who} may not "
                      f"make ({done.stdout.strip() or f'exit status {done.returncode}'}): see "
                      "sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone, or "
                      "compile it as root on the host")


class Root:
    def __init__(self, directory, debs):
        """Unpacks the packages below a new directory; base-files, which has the links that the
        others are unpacked through, first, and the others side by side."""
        self.path = pathlib.Path(directory)
        self.path.mkdir()
        debian.unpack(debs["base-files"], self.path)
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(lambda name: debian.unpack(debs[name], self.path),
                          sorted(debs.keys() - {"base-files"})))
        for link, target in LINKS.items():
            (self.path / link).symlink_to(target)
        for name in ("dev", "proc", "tmp"):
            (self.path / name).mkdir(exist_ok=True)
        (self.path / "dev" / "null").touch()

    def start(self, script, environment):
        """A shell's script in the root; what it says on both outputs is to be read."""
        command = [*contained(), "sh", "-c", ENTER, "sh", str(self.path), script]
        environment = {"PATH": "/usr/sbin:/usr/bin", "HOME": "/tmp", "LC_ALL": "C", "TZ": "UTC",
                       **environment}
        return subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=environment)

    def run(self, script, what, environment):
        """Its output; a Failure with its last line that names an error."""
        process = self.start(script, environment)
        try:
            output = process.communicate()[0].decode(errors="replace")
        except BaseException:
            end(process)
            raise
        if process.returncode:
            raise Failure(f"{what}: {reason(output) or f'exit status {process.returncode}'}")
        return output


def end(process):
    """Until nothing runs in the root that writes there: all that does holds the pipe."""
    process.kill()
    if not process.stdout.closed:
        process.stdout.read()
    process.wait()


def reason(output):
    """The line of a compiler's or tool's output that says why it ended."""
    return cause(output, NAMES_AN_ERROR)
