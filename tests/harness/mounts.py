# SPDX-License-Identifier: Apache-2.0
"""File systems that fill up or become read-only while a daemon uses them."""
import os
import subprocess

KIB = 1024


class SmallDisk:
    """A tmpfs on a directory."""

    def __init__(self, path, kib):
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=755,size={kib}k", "tmpfs", path],
                       check=True)

    def fill(self):
        """Not a byte is free any more."""
        with open(self.path / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4 * KIB))
            except OSError:
                pass

    def empty(self):
        os.unlink(self.path / "filler")

    def read_only(self, on):
        subprocess.run(["mount", "-o", f"remount,{'ro' if on else 'rw'}", self.path], check=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=False)
