# SPDX-License-Identifier: Apache-2.0
"""A network of a test's own: a namespace that this process, and what it starts, is in meanwhile."""
import contextlib
import ctypes
import os
import shutil
import subprocess

import pytest

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def ports(bridge):
    """The interfaces that are on a bridge."""
    shown = subprocess.run(["ip", "-o", "link", "show", "master", bridge], check=True,
                           capture_output=True, text=True).stdout
    return [line.split()[1].rstrip(":").split("@")[0] for line in shown.splitlines()]


@contextlib.contextmanager
def bridge(name, address):
    """A namespace with a bridge of this address; skips where it cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace can be made by root alone")
    if not shutil.which("ip") or not os.path.exists("/dev/net/tun"):
        pytest.skip("taps need /dev/net/tun and ip (package iproute2)")
    with open("/proc/thread-self/ns/net", encoding="ascii") as before:
        if LIBC.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace here: {os.strerror(ctypes.get_errno())}")
        try:
            try:
                ip("link", "set", "lo", "up")
                ip("link", "add", name, "type", "bridge")
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no bridge here: {error.stderr}")
            ip("addr", "add", address, "dev", name)
            ip("link", "set", name, "up")
            yield
        finally:
            assert LIBC.setns(before.fileno(), CLONE_NEWNET) == 0
