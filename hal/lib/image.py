# SPDX-License-Identifier: Apache-2.0
"""The initial RAM file systems, as cpio archives of which every byte is decided here."""
import gzip
import os
import stat
import subprocess
import tempfile

from .failure import Failure

# Of the debug image alone: with an empty password, since whoever holds the console holds the guest.
DEBUG_FILES = {
    "etc/passwd": b"root::0:0:root:/root:/bin/sh\n",
    "etc/group": b"root:x:0:\ntty:x:5:\n",
    "etc/issue": b"cvmd guest, debug image: its measurement is not the default image's\n\n",
}


class Cpio:
    """A "newc" archive (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst):
    entries sorted by name, inodes counted, no times, all owned by root."""

    def __init__(self):
        self.entries = {}

    def directory(self, name, mode=0o755):
        self.parents(name)
        self.entries[name] = (stat.S_IFDIR | mode, b"", (0, 0))

    def file(self, name, data, mode=0o644):
        self.parents(name)
        self.entries[name] = (stat.S_IFREG | mode, data, (0, 0))

    def symlink(self, name, target):
        self.parents(name)
        self.entries[name] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def node(self, name, mode, major, minor):
        self.parents(name)
        self.entries[name] = (mode, b"", (major, minor))

    def parents(self, name):
        parent = os.path.dirname(name)
        if parent and parent not in self.entries:
            self.directory(parent)

    def bytes(self):
        archive = bytearray()
        for inode, name in enumerate(sorted(self.entries, key=os.fsencode), 1):
            self.append(archive, inode, name, *self.entries[name])
        self.append(archive, 0, "TRAILER!!!", 0, b"", (0, 0))
        return bytes(archive) + bytes(-len(archive) % 512)

    @staticmethod
    def append(archive, inode, name, mode, data, device):
        encoded = os.fsencode(name) + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(encoded), 0)
        archive += b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)


def applets(busybox):
    """Paths of the programs that a busybox is, e.g. usr/sbin/getty; asked of itself."""
    with tempfile.TemporaryDirectory(prefix="cvm-busybox-") as directory:
        program = os.path.join(directory, "busybox")
        with open(program, "wb") as file:
            file.write(busybox)
        os.chmod(program, 0o700)
        try:
            listed = subprocess.run([program, "--list-full"], stdin=subprocess.DEVNULL,
                                    capture_output=True, check=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failure(f"busybox does not run here ({error}); is this an amd64 machine "
                          "and /tmp not noexec?") from error
    return sorted(listed.split())


def initramfs(program, kernel, attest, busybox=None):
    """The gzip of the archive; with busybox, the debug image."""
    cpio = Cpio()
    for name in ("dev", "etc/certs", "etc/cocos", "mnt", "proc", "run", "sys"):
        cpio.directory(name)
    # The kernel opens this for the first process before anything is mounted.
    cpio.node("dev/console", stat.S_IFCHR | 0o600, 5, 1)
    cpio.node("dev/null", stat.S_IFCHR | 0o666, 1, 3)
    cpio.file("init", program, 0o755)
    for path, data in attest.items():
        cpio.file(path, data, 0o755)
    modules = f"lib/modules/{kernel.release}"
    for path, data in kernel.modules.items():
        cpio.file(f"{modules}/{path}", data)
    if kernel.order:
        cpio.file("lib/modules/load",
                  "".join(f"/{modules}/{path}\n" for path in kernel.order).encode())
    if busybox:
        cpio.directory("root", 0o700)
        cpio.directory("tmp", 0o1777)
        cpio.file("bin/busybox", busybox, 0o755)
        for name in applets(busybox):
            if name not in cpio.entries and name not in ("init", "linuxrc"):
                cpio.symlink(name, "/bin/busybox")
        for name, data in DEBUG_FILES.items():
            cpio.file(name, data)
    # The operating system's byte of the header would be the only trace of who compressed it.
    return gzip.compress(cpio.bytes(), compresslevel=9, mtime=0)
