# SPDX-License-Identifier: Apache-2.0
"""A network of a test's own: a namespace that this process, and what it starts, is in meanwhile."""
import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading

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
def answering(address, port, text):
    """A TCP service that says `text` to whoever connects."""
    with socket.create_server((address, port)) as server:
        def serve():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.sendall(text.encode() + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def resolving(address, answer):
    """A resolver on port 53 of the address that has one IPv4 address for all names."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        done = threading.Event()

        def serve():
            while not done.is_set():
                query, client = server.recvfrom(512)
                end = query.find(b"\0", 12) + 5
                is_ipv4 = query[end - 4:end - 2] == b"\0\1"
                record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(answer)
                server.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([is_ipv4]) + bytes(4) +
                              query[12:end] + (record if is_ipv4 else b""), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(bytes(17), (address, 53))
            thread.join()


OUTSIDE = """
import socket, subprocess, sys
print("there", flush=True)
sys.stdin.readline()
subprocess.run(["ip", "addr", "add", "198.18.0.2/24", "dev", "far"], check=True)
subprocess.run(["ip", "link", "set", "far", "up"], check=True)
server = socket.create_server(("198.18.0.2", 2180))
print("serving", flush=True)
while True:
    client, _ = server.accept()
    client.sendall(b"reached the outside\\n")
    client.close()
"""


@contextlib.contextmanager
def private():
    """A namespace with nothing but its loopback."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("a network namespace can be made by root alone, with ip (package iproute2)")
    with open("/proc/thread-self/ns/net", encoding="ascii") as before:
        if LIBC.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace here: {os.strerror(ctypes.get_errno())}")
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            assert LIBC.setns(before.fileno(), CLONE_NEWNET) == 0


@contextlib.contextmanager
def with_outside():
    """A namespace that has 198.18.0.1 and, outside, a host 198.18.0.2 that answers on port 2180."""
    with private(), subprocess.Popen(["unshare", "-n", sys.executable, "-c", OUTSIDE], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE) as outside:
        try:
            outside.stdout.readline()
            ip("link", "add", "near", "type", "veth", "peer", "name", "far")
            ip("link", "set", "far", "netns", str(outside.pid))
            ip("addr", "add", "198.18.0.1/24", "dev", "near")
            ip("link", "set", "near", "up")
            ip("route", "add", "default", "via", "198.18.0.2")
            outside.stdin.write("\n")
            outside.stdin.flush()
            assert outside.stdout.readline() == "serving\n"
            yield
        finally:
            outside.kill()


@contextlib.contextmanager
def bridge(name, address, *options):
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
                ip("link", "add", name, "type", "bridge", *options)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no bridge here: {error.stderr}")
            ip("addr", "add", address, "dev", name)
            ip("link", "set", name, "up")
            yield
        finally:
            assert LIBC.setns(before.fileno(), CLONE_NEWNET) == 0
