# SPDX-License-Identifier: Apache-2.0
"""cvmctl attest, over TLS with a guest that the test plays, whose TPM is a real one (swtpm)."""
import base64
import contextlib
import json
import socket
import subprocess
import threading

import pytest

from harness import evidence, exits, tpm
from harness.daemon import BUILD
from harness.peer import Peer, cvm, cvmctl

BRIDGE = BUILD / "tests/attest/tls-bridge"


class Guest(threading.Thread):
    """Answers the requests of one client by its methods; `with` gives its address."""

    def __init__(self, device, authority, version="1.3"):
        super().__init__()
        self.device, self.authority = device, authority
        self.session = evidence.Session()
        self.asked = []
        self.bridge = subprocess.Popen([BRIDGE, version], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        self.port = int(self.bridge.stdout.readline())
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.bridge.kill()
        self.bridge.wait()
        self.join()
        for stream in (self.bridge.stdin, self.bridge.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        for handle in getattr(self, "handles", ()):
            self.device.flush(handle)

    def run(self):
        seen = self.bridge.stdout.readline().split()
        if not seen:
            return
        self.session.exporter, self.session.spki = map(bytes.fromhex, seen)
        for line in self.bridge.stdout:
            request = json.loads(line)
            self.asked.append(request["method"])
            answer = getattr(self, request["method"])(request)
            self.bridge.stdin.write(answer if isinstance(answer, str)
                                    else json.dumps(answer) + "\n")
            self.bridge.stdin.flush()

    def evidence(self, request):
        self.session.random = base64.b64decode(request["random"])
        part, self.handles = evidence.tpm_part(self.device, self.session, keep=True)
        return {"evidence": evidence.plain(part, self.authority)}

    def activate(self, request):
        blob, secret = (base64.b64decode(request[name]) for name in ("credential", "secret"))
        try:
            ek, ak = self.handles
            return {"credential": evidence.text(self.device.activate(ak, ek, blob, secret))}
        except tpm.TpmError as error:
            return {"error": {"reason": "refused", "message": str(error)}}


@pytest.fixture(name="attest")
def attest_command(root, registers, tmp_path):
    expect = tmp_path / "expect.json"
    expect.write_text(json.dumps({"registers": registers}))

    def attest(address, *more):
        return cvmctl("attest", address, "--expect", expect, "--root-ca", root, "--at",
                      "2026-06-01", *more)
    return attest


def test_a_guest_proves_itself(attest, device, authority, root, registers, tmp_path):
    with Guest(device, authority) as guest:
        done = attest(guest.address, "--json", "--evidence", tmp_path / "seen")
    assert done.code == exits.VERIFIED_TEST_ROOT, done.err
    assert guest.asked == ["evidence", "activate"]
    assert (done.json["verdict"], done.json["except"]) == ("verified", ["revocation"])
    assert {link["result"] for link in done.json["chain"]} == {"right"}
    # Who reads the file later made no challenge.
    later = cvmctl("verify", "--evidence", tmp_path / "seen", "--expect", tmp_path / "expect.json",
                   "--root-ca", root, "--at", "2026-06-01", "--json")
    assert (later.code, later.json["except"]) == (
        exits.UNCHECKED, ["revocation", "ak-binding", "freshness"])


def test_by_name(device, authority, root, registers, tmp_path):
    (tmp_path / "expect.json").write_text(json.dumps({"registers": registers}))
    with Guest(device, authority) as guest:
        forward = {"address": "127.0.0.1", "hostPort": guest.port, "guestPort": 7002,
                   "protocol": "tcp"}
        with Peer(Status={"cvm": cvm(forwards=[forward])}) as peer:
            done = peer.cvmctl("attest", "web", "--expect", tmp_path / "expect.json", "--root-ca",
                               root, "--at", "2026-06-01")
    assert done.code == exits.VERIFIED_TEST_ROOT, done.err
    assert done.out.endswith("Verdict: verified under a test root except: revocation\n")


def test_no_port_leads_there(tmp_path):
    (tmp_path / "expect.json").write_text('{"registers": []}')
    with Peer(Status={"cvm": cvm(forwards=[])}) as peer:
        done = peer.cvmctl("attest", "web", "--expect", tmp_path / "expect.json")
    assert done.code == exits.FAILED and "no port of this host leads to port 7002" in done.err


class Relay(Guest):
    """Shows the evidence that another CVM gave for a connection of the relay's own."""

    def evidence(self, request):
        self.session.exporter = bytes(32)
        return super().evidence(request)


class OtherTpm(Guest):
    """Shows the AK of a TPM that does not hold the EK: it cannot open what is encrypted to it."""

    def activate(self, request):
        return {"credential": evidence.text(bytes(32))}


class Refusing(Guest):
    def activate(self, request):
        return {"error": {"reason": "refused", "message": "TPM_RC_INTEGRITY"}}


@pytest.mark.parametrize("kind, link", [(Relay, "quote"), (OtherTpm, "AK"), (Refusing, "AK")])
def test_a_guest_that_lies(attest, device, authority, kind, link):
    with kind(device, authority) as guest:
        done = attest(guest.address, "--json")
    assert done.code == exits.REFUTED, done.err
    assert next(item["link"] for item in done.json["chain"]
                if item["result"] == "wrong") == link


class Texts(Guest):
    answer = "{}\n"

    def evidence(self, request):
        return self.answer


@pytest.mark.parametrize("answer, code, said", [
    ("{}\n", exits.DATA, "has no evidence object"),
    ("[]\n", exits.DATA, "not a JSON object"),
    ("{}\n{}\n", exits.DATA, "not a JSON object|not one line|no evidence object"),
    ('{"error": {"message": "no\\u001b[2J"}}\n', exits.FAILED, "answered an error: no"),
    ('"' + "a" * (9 << 20) + '"\n', exits.DATA, "at most 8 MiB"),
], ids=["empty", "array", "two", "error", "long"])
def test_a_guest_that_answers_something_else(attest, device, authority, answer, code, said):
    with Texts(device, authority) as guest:
        guest.answer = answer
        done = attest(guest.address)
    assert done.code == code and not done.out, done.err
    assert any(part in done.err for part in said.split("|")) and "\x1b" not in done.err


def test_an_old_tls(attest, device, authority):
    with Guest(device, authority, "1.2") as guest:
        done = attest(guest.address)
    assert done.code == exits.FAILED and "TLS 1.3" in done.err
    assert guest.asked == []


def test_plain_text_is_never_accepted(attest):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        def answer():
            client, _ = server.accept()
            with client:
                assert client.recv(1) == b"\x16"  # TLS, and nothing that could be read
                client.sendall(b'{"evidence": {}}\n')
        thread = threading.Thread(target=answer)
        thread.start()
        done = attest(f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert done.code == exits.FAILED and "TLS 1.3" in done.err


def test_a_guest_that_says_nothing(attest):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        done = attest(f"127.0.0.1:{server.getsockname()[1]}", "--timeout", "1s")
    assert done.code == exits.TRY_AGAIN and "in time" in done.err


@pytest.mark.parametrize("target", [":7002", "host:", "host:70000", "host:x"])
def test_bad_addresses(attest, target):
    assert attest(target).code == exits.USAGE


def test_an_expectation_is_required():
    assert cvmctl("attest", "127.0.0.1:1").code == exits.USAGE
