# SPDX-License-Identifier: Apache-2.0
"""The shell of a debug image, by way of the CVM's console."""
import socket
import time

from .processes import SLOWNESS


class Shell:
    """Root on the guest's console."""

    def __init__(self, cvmd, name):
        self.client = cvmd.client()
        self.client.upgrade("io.cvmd.Manager.Console", name=name)
        self.socket, self.text = self.client.socket, self.client.buffer
        self.socket.settimeout(1)

    def wait(self, text, seconds=60):
        end = time.monotonic() + seconds * SLOWNESS
        while text.encode() not in self.text:
            assert time.monotonic() < end, f"no {text!r} in {self.text[-2000:]}"
            try:
                self.text += self.socket.recv(65536)
            except socket.timeout:
                pass
        before, _, self.text = self.text.partition(text.encode())
        return before.decode(errors="replace")

    def log_in(self):
        self.socket.sendall(b"\n")
        self.wait("login: ")
        self.socket.sendall(b"root\n")
        self.wait(" # ")

    def run(self, command):
        """Its output; the exit status must be 0."""
        self.socket.sendall(f"{command}; echo '<'$?'>'\n".encode())
        self.wait("'>'")  # the echo of what was typed
        output = self.wait(">")
        self.wait(" # ")
        assert output.endswith("<0"), output
        return output

    def close(self):
        self.client.close()
