# SPDX-License-Identifier: Apache-2.0
"""The reference agent as a client sees it, cvm-guest(7)."""
import base64
import hashlib
import hmac
import json
import socket

# What a launch gives so that its agent shows what the guest was given, and a request for that.
KEY = hashlib.sha256(b"a key for tests").hexdigest()
GIVEN = {"CVM_AGENT_KEY": KEY}
NONCE = b"a nonce for tests"


def mac(purpose, rest=b"", nonce=NONCE, key=KEY):
    text = f"cvm-agent {purpose}\0".encode() + nonce.ljust(64, b"\0") + rest
    return hmac.new(bytes.fromhex(key), text, "sha256").hexdigest()


def proof(nonce=NONCE, key=KEY):
    """The request of who has the key."""
    return json.dumps({"nonce": base64.b64encode(nonce).decode(),
                       "proof": mac("proof", nonce=nonce, key=key)})


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

    def look(self, **options):
        """What the guest was given is in this answer, too."""
        return self.ask(proof(), **options)


def sha256(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


def assert_environment(answer, given):
    """Of a launch with GIVEN, whose key the answer lists as well."""
    seen = {variable["name"]: variable["hmac"] for variable in answer["environment"]}
    assert seen == {name: mac("variable", f"{name}\0{value}".encode())
                    for name, value in (GIVEN | given).items()}
    assert (answer["environmentCount"], answer["environmentDropped"]) == (len(seen), 0)


def cert_mac(name, content):
    return mac("certificate", name.encode() + b"\0" + content)


def assert_certs(answer, directory):
    """What the guest has beyond these is empty: cert, key and ca are always there."""
    seen = {cert["name"]: cert["hmac"] for cert in answer["certs"]}
    assert answer["certsCount"] == len(seen)
    for path in directory.iterdir():
        assert seen.pop(path.name) == cert_mac(path.name, path.read_bytes())
    assert seen == {name: cert_mac(name, b"") for name in seen}
