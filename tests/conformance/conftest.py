# SPDX-License-Identifier: Apache-2.0
"""Clients of a newer Debian, run in its root against a cvmd outside of it."""
import os
import subprocess

import pytest

# In a mount namespace of its own, which takes its mounts with it: the daemon's directory on /mnt.
ENTER = """
mount --bind "$2" "$1/mnt" && mount --rbind /proc "$1/proc" && shift 2 && exec chroot "$ROOT" "$@"
"""


class Clients:
    def __init__(self, root, daemon):
        self.root = root
        self.daemon = daemon
        self.socket = "/mnt/" + str(daemon.socket.relative_to(daemon.directory))

    def run(self, *command, check=True):
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", self.root,
             self.daemon.directory, *command],
            env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "ROOT": self.root, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False)
        assert not check or done.returncode == 0, f"{done.stderr}\ncvmd:\n{self.daemon.log()}"
        return done

    def needs_guest(self):
        if not self.daemon.embedded:
            pytest.skip("this cvmd has no embedded guest")

    def varlinkctl(self, *command, **options):
        return self.run("varlinkctl", *command, **options)

    def python(self, script, *arguments):
        return self.run("python3", "-B", "-c", script, self.socket, *arguments).stdout


@pytest.fixture
def clients(cvmd):
    root = os.environ.get("CLIENT_ROOT")
    if not root:
        pytest.skip("CLIENT_ROOT is not set; scripts/test --lane conformance makes one")
    return Clients(root, cvmd)
