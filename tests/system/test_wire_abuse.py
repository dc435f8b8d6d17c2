# SPDX-License-Identifier: Apache-2.0
"""Clients that are broken, hostile or slow: they lose their connection, nobody else notices."""
import json
import os
import pathlib
import random
import socket

import pytest

from harness.processes import eventually, resident
from harness.varlink import ConnectionClosed, VarlinkError

pytestmark = pytest.mark.qemu_driver("a client's bytes are no driver's")

SERVICE = "org.varlink.service."
NOISE = {
    "no JSON": b"hello\0",
    "nothing": b"\0",
    "an array": b"[]\0",
    "a number": b"1\0",
    "a string": b'"io.cvmd.Manager.List"\0',
    "no method": b'{"parameters": {}}\0',
    "a method that is no string": b'{"method": 1}\0',
    "two flags": b'{"method": "io.cvmd.Manager.List", "more": true, "oneway": true}\0',
    "not UTF-8": b'{"method": "io.cvmd.Manager.\xff"}\0',
    "text after the object": b'{"method": "io.cvmd.Manager.List"} {}\0',
    "a comment": b'/* */ {"method": "io.cvmd.Manager.List"}\0',
    "an object too deep": b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\0",
    "a key twice": b'{"method": "io.cvmd.Manager.List", "method": "io.cvmd.Manager.List"}\0',
    "random bytes": random.Random(1).randbytes(100_000) + b"\0",
}
# Messages that are understood well enough to be answered.
MISTAKES = {
    "method": b'{"method": "List"}\0',
    "parameters": b'{"method": "io.cvmd.Manager.List", "parameters": []}\0',
    "more": b'{"method": "io.cvmd.Manager.List", "more": 1}\0',
    "what": b'{"method": "io.cvmd.Manager.List", "what": 1}\0',
}


@pytest.mark.parametrize("what", NOISE)
def test_noise_ends_the_connection(shared, what):
    with shared.client() as client, shared.client() as other:
        client.send_raw(NOISE[what])
        assert client.is_closed()
        assert other.call("List")["cvms"] == []


@pytest.mark.parametrize("parameter", MISTAKES)
def test_mistakes_are_named(shared, parameter):
    with shared.client() as client:
        client.send_raw(MISTAKES[parameter])
        with pytest.raises(VarlinkError) as refusal:
            client.receive()
        assert refusal.value.bad_parameter() == parameter


def test_noise_after_a_call(shared):
    with shared.client() as client:
        client.send("List")
        client.send_raw(b"noise\0")
        # The answer may be lost with the connection.
        with pytest.raises(ConnectionClosed):
            assert client.receive()[0]["cvms"] == []
            client.receive()
    assert shared.call("List")["cvms"] == []


def test_half_a_message_and_gone(shared):
    for _ in range(50):
        with shared.client() as client:
            client.send_raw(b'{"method": "io.cvmd.Man')


def test_half_a_message_and_silence(shared):
    with shared.client() as silent:
        silent.send_raw(b'{"method": "io.cvmd.Manager.Li')
        assert shared.call("List")["cvms"] == []
        silent.send_raw(b'st"}\0')
        assert silent.receive()[0]["cvms"] == []


@pytest.mark.parametrize("end", [b"", b"\0"])
def test_64_mib(shared, end):
    piece = b"x" * (1 << 20)
    with shared.client() as client:
        client.send_raw(b'{"method": "')
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(64):
                client.send_raw(piece)
            client.send_raw(b'"}' + end)
            if client.is_closed():
                raise BrokenPipeError
        assert shared.call("List")["cvms"] == []


@pytest.mark.parametrize("tail", [b"", b"\0"])
def test_random_bytes(shared, tail):
    source = random.Random(2)
    for size in (1, 10, 1000, 60_000):
        with shared.client() as client:
            try:
                client.send_raw(source.randbytes(size) + tail)
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert shared.call("List")["cvms"] == []


def test_1000_pipelined_calls_keep_their_order(shared):
    with shared.client() as client:
        for number in range(1000):
            client.send("Status", {"name": f"n{number}"})
        for number in range(1000):
            with pytest.raises(VarlinkError) as error:
                client.receive()
            assert (error.value.name, error.value.fields) == ("NoSuchCvm", {"name": f"n{number}"})


def test_a_client_that_never_reads(shared):
    call = json.dumps({"method": SERVICE + "GetInterfaceDescription",
                       "parameters": {"interface": "io.cvmd.Manager"}}).encode() + b"\0"
    with shared.client() as client:
        client.socket.setblocking(False)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += client.socket.send(call * 100)
        except BlockingIOError:
            pass
        before = resident(shared.process.pid)
        for _ in range(20):
            assert shared.call("List")["cvms"] == []
        # Unsent replies are bounded: 4 MiB and what is in work.
        assert resident(shared.process.pid) - before < 32 << 10
        assert resident(shared.process.pid) < 200 << 10
    assert shared.call("List")["cvms"] == []


def test_a_watcher_that_never_reads(shared):
    with shared.client() as watcher:
        watcher.send("Watch", {"fromSequence": 0}, more=True)
        for _ in range(5):
            shared.launch("web")
            shared.discard("web")
        assert shared.call("List")["cvms"] == []


def test_a_launch_whose_client_leaves(shared):
    with shared.client() as client:
        client.send("Launch", {"spec": shared.spec("web")})
    eventually(lambda: {cvm["state"] for cvm in shared.cvms()} <= {"running", "failed"},
               "it runs, has failed or is gone")


def test_many_connections_at_once(shared):
    clients = [shared.client() for _ in range(500)]
    try:
        for client in clients:
            client.send("List")
        for client in clients:
            assert client.receive()[0]["cvms"] == []
    finally:
        for client in clients:
            client.close()


def test_descriptors_that_nobody_asked_for(shared):
    files = [os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC) for _ in range(30)]
    try:
        with shared.client() as client:
            for _ in range(20):
                assert client.call("List", fds=files)["cvms"] == []
    finally:
        for fd in files:
            os.close(fd)


def test_descriptors_with_half_a_message(shared):
    with shared.client() as client:
        socket.send_fds(client.socket, [b'{"method'], [0, 1, 2])
    with shared.client() as client:
        socket.send_fds(client.socket, [b"x"], [0] * 200)
    assert shared.call("List")["cvms"] == []


def test_calls_of_what_is_not_there(shared):
    for method, error, fields in (
            ("io.cvmd.Manager.Nothing", "MethodNotFound", {"method": "Nothing"}),
            ("io.cvmd.Other.List", "InterfaceNotFound", {"interface": "io.cvmd.Other"})):
        with pytest.raises(VarlinkError) as refusal:
            shared.call(method)
        assert refusal.value.name == SERVICE + error
        value = list(refusal.value.fields.values())
        assert value and value[0].endswith(list(fields.values())[0])


@pytest.mark.parametrize("method, parameters, parameter", [
    ("List", {"colour": "red"}, "colour"),
    ("List", {"state": 1}, "state"),
    ("List", {"state": "asleep"}, "state"),
    ("Status", {}, "name"),
    ("Status", {"name": 1}, "name"),
    ("Stop", {"name": "web", "timeoutSec": "x"}, "timeoutSec"),
    ("Launch", {}, "spec"),
    ("Launch", {"spec": "web"}, "spec"),
])
def test_parameters_of_the_wrong_kind(shared, method, parameters, parameter):
    with pytest.raises(VarlinkError) as refusal:
        shared.call(method, **parameters)
    assert refusal.value.bad_parameter() == parameter


def test_parameters_may_be_missing_or_null(shared):
    with shared.client() as client:
        for text in (b"", b', "parameters": null', b', "parameters": {}'):
            client.send_raw(b'{"method": "io.cvmd.Manager.List"' + text + b"}\0")
            assert client.receive()[0]["cvms"] == []


def test_oneway_is_never_answered(shared):
    with shared.client() as client:
        client.send("Status", {"name": "nobody"}, oneway=True)
        client.send("io.cvmd.Manager.Nothing", {}, oneway=True)
        client.send("List")
        assert client.receive()[0]["cvms"] == []


def test_methods_that_need_a_flag(shared):
    with pytest.raises(VarlinkError) as refusal:
        shared.call("Watch")
    assert refusal.value.name == SERVICE + "ExpectedMore"
    shared.launch("web")
    with pytest.raises(VarlinkError) as refusal:
        shared.call("Console", name="web")
    assert refusal.value.bad_parameter() == "upgrade"


def loop_seconds(daemon):
    """Of CPU that the loop's thread has had."""
    pid = daemon.process.pid
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def cost_on_loop(daemon, client, spec):
    begun = loop_seconds(daemon)
    with pytest.raises(VarlinkError) as refusal:
        client.call("Render", spec=spec)
    assert refusal.value.name.endswith("InvalidSpec")
    return loop_seconds(daemon) - begun


def test_base64_is_not_decoded_on_the_loop(shared):
    """Of the same bytes only the number that a worker has to decode differs."""
    megabyte = "QUFB" * (1 << 18)
    certs = {f"c{i}": {"base64": megabyte} for i in range(14)}
    costs = []
    with shared.client() as client:
        for wrong in ("c0", "c13"):
            spec = {"name": "web", "certs": {**certs, wrong: {"base64": megabyte[:-1] + "!"}}}
            costs.append(min(cost_on_loop(shared, client, spec) for _ in range(5)))
    first, last = costs
    assert last < 1.5 * first + 0.002, costs
