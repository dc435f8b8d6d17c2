# SPDX-License-Identifier: Apache-2.0
"""Secrets pass through the daemon and leave nothing behind in its memory."""
import base64
import json
import secrets

import pytest

from harness.processes import eventually
from harness.varlink import ConnectionClosed


CHUNK = 1 << 24
SHADOW = 1 << 34  # a mapping of so many bytes is a sanitizer's shadow


def memory_holds(pid, needle):
    """Where the process's writable memory holds these bytes, as names of its mappings."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            span, rights, *rest = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if not rights.startswith("rw") or end - start >= SHADOW:
                continue
            for at in range(start, end, CHUNK):
                mem.seek(at)
                try:
                    data = mem.read(min(CHUNK + len(needle) - 1, end - at))
                except OSError:
                    break
                found += [rest[-1]] * data.count(needle)
    return found


def test_memory_can_be_searched(cvmd):
    """The test below could fail: a name, which is no secret, is found."""
    cvmd.launch("a-name-to-be-found")
    assert memory_holds(cvmd.process.pid, b"a-name-to-be-found")
    cvmd.discard("a-name-to-be-found")


@pytest.mark.parametrize("size", [32, 5000, 200_000])
def test_no_secret_stays(cvmd, size):
    value = secrets.token_hex(size // 2)
    key = secrets.token_hex(size // 2)
    coded = secrets.token_bytes(size)
    certs = {"key.pem": {"text": key}, "ca.pem": {"base64": base64.b64encode(coded).decode()}}
    cvmd.launch("web", wait="ready", env={"TOKEN": value}, certs=certs)
    needles = {"the environment": value.encode(), "a text": key.encode(), "decoded": coded,
               "base64": base64.b64encode(coded)}
    for name, needle in needles.items():
        for part in (needle[:32], needle[len(needle) // 2:][:32], needle[-32:]):
            eventually(lambda part=part: not memory_holds(cvmd.process.pid, part),
                       lambda name=name, part=part:
                       f"no copy of {name}: {memory_holds(cvmd.process.pid, part)}", seconds=2)
    cvmd.discard("web")


LAUNCH = "io.cvmd.Manager.Launch"


def call(method, spec, **parameters):
    return json.dumps({"method": method, "parameters": {"spec": spec, **parameters}})


REFUSED = {
    "no valid JSON": lambda spec: call(LAUNCH, spec)[:-1] + ",}",
    "cut short": lambda spec: call(LAUNCH, spec)[:-3],
    "a duplicate member": lambda spec: call(LAUNCH, spec).replace(
        '"env": {', '"env": {"TOKEN": ' + json.dumps(spec["env"]["TOKEN"]) + ", "),
    "half of a surrogate pair": lambda spec: call(LAUNCH, spec).replace(
        '"env": {', r'"env": {"A": "\ud800", '),
    "an unknown method": lambda spec: call("io.cvmd.Manager.Lunch", spec),
    "an unknown interface": lambda spec: call("io.example.Launch", spec),
    "a wrong parameter": lambda spec: call(LAUNCH, spec, id=5),
    "an unknown parameter": lambda spec: call(LAUNCH, spec, colour="red"),
    "another method": lambda spec: call("io.cvmd.Manager.List", spec),
    "an unknown member of the call": lambda spec: call(LAUNCH, spec)[:-1] + ', "x": 1}',
    "a spec with a mistake": lambda spec: call(LAUNCH, {**spec, "cpus": "many"}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_no_secret_of_a_refused_call_stays(cvmd, what):
    value = secrets.token_hex(3000)
    message = REFUSED[what](cvmd.spec("web", env={"TOKEN": value},
                                      certs={"key.pem": {"text": value}}))
    with cvmd.client() as client:
        client.send_raw(message.encode() + b"\0")
        try:
            assert b'"error"' in client.receive_raw()
        except ConnectionClosed:
            pass
    for part in (value[:32], value[3000:][:32], value[-32:]):
        eventually(lambda part=part: not memory_holds(cvmd.process.pid, part.encode()),
                   lambda part=part: f"{memory_holds(cvmd.process.pid, part.encode())}", seconds=2)
    assert cvmd.cvms() == []
