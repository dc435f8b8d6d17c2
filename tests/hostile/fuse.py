# SPDX-License-Identifier: Apache-2.0
"""FUSE file systems of one file whose servers answer no request of some kinds. Each server is a
process of its own, and known to the watchdog (see enter)."""
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from harness.deaf import DeafFile

VARIABLE = "CVMD_HOSTILE"
NODE = pathlib.Path("/dev/shm/cvmd-fuse")  # a device of mode 0666, as udev makes it
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def make_node():
    """In this mount namespace alone."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "none", NODE.parent], check=True)
    os.mknod(NODE, 0o020666, os.makedev(10, 229))
    NODE.chmod(0o666)


class Server(DeafFile):
    """silent: kinds of requests, each with how many of them are answered first."""

    def __init__(self, directory, device, silent):
        super().__init__(directory)
        self.device = device
        self.left = dict(silent)

    def is_silent(self, kind):
        if kind not in self.left:
            return False
        self.left[kind] -= 1
        return self.left[kind] < 0


def connection(directory):
    """Its number, without a question to the server."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if fields[4] == str(directory):
                return int(fields[2].split(":")[1])
    raise OSError(f"{directory} is not mounted")


def start_server(directory, device, silent, uid=None):
    """Returns its process id once the watchdog knows it; the device is its alone then."""
    number = connection(directory)
    ready, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(ready)
            if uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as watchdog:
                watchdog.connect(f"{os.environ[VARIABLE]}/watchdog")
                watchdog.send(str(number).encode())
            os.write(writing, b"x")
            os.closerange(3, device)
            os.closerange(device + 1, 1 << 16)
            Server(directory, device, silent).serve()
        finally:
            os._exit(0)
    os.close(writing)
    os.close(device)
    with open(ready, "rb") as pipe:
        if pipe.read(1) != b"x":
            raise OSError("the FUSE server has not begun")
    return pid


def mount(directory, uid, silent, more="", server_uid=None):
    device = os.open(NODE, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id={uid},group_id={uid}{more}"
    check(LIBC.mount(b"deaf", os.fsencode(directory), b"fuse", 0, options.encode()), "mount")
    return start_server(directory, device, silent, server_uid)


def mount_own(directory, silent):
    """By a user without any rights: in namespaces of their own, which the caller then is in.
    Returns the path of the file."""
    uid, gid = os.getuid(), os.getgid()
    check(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
    pathlib.Path("/proc/self/setgroups").write_text("deny")
    pathlib.Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    pathlib.Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    mount(directory, uid, silent)
    return f"{directory}/file"


@contextlib.contextmanager
def mounted(directory, uid, silent):
    """As fusermount does it for a user, with allow_other: for all users, by path, with a server
    without any rights. Yields the path of the file."""
    try:
        pid = mount(directory, uid, silent, ",allow_other", uid)
    except OSError as problem:
        pytest.skip(f"no FUSE file system can be mounted here: {problem}")
    try:
        yield f"{directory}/file"
    finally:
        os.kill(pid, signal.SIGKILL)  # with which the connection ends
        os.waitpid(pid, 0)
        subprocess.run(["umount", "-l", directory], check=True)
