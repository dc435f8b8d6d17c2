# SPDX-License-Identifier: Apache-2.0
"""The reference agent as a client sees it, cvm-guest(7)."""
import hashlib
import json
import socket


class Agent:
    """The agent of a CVM, by the host port that leads to it."""

    def __init__(self, cvm):
        forward = next(f for f in cvm["forwards"] if f["guestPort"] == 7002)
        self.address = (forward["address"], forward["hostPort"])

    def ask(self, request="{}", timeout=60):
        with socket.create_connection(self.address, timeout) as connection:
            connection.sendall(request.encode() + b"\n")
            with connection.makefile() as lines:
                return json.loads(lines.readline())


def sha256(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


def assert_environment(answer, given):
    seen = {variable["name"]: variable["sha256"] for variable in answer["environment"]}
    assert seen == {name: sha256(value) for name, value in given.items()}
    assert answer["environmentDropped"] == 0


def assert_certs(answer, directory):
    """What the guest has beyond these is empty: cert, key and ca are always there."""
    seen = {cert["name"]: cert["sha256"] for cert in answer["certs"]}
    for path in directory.iterdir():
        assert seen.pop(path.name) == sha256(path.read_bytes())
    assert set(seen.values()) <= {sha256(b"")}
