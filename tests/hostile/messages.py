# SPDX-License-Identifier: Apache-2.0
"""Attacks by what is sent, how much of it, and by not reading what comes back."""
import json
import random
import re
import select
import socket
import threading
import time

from harness import varlink
from harness.daemon import TOP
from hostile.descriptors import GONE, answered

INTERFACE = (TOP / "src/wire/io.cvmd.Manager.varlink").read_text()
METHODS = dict(re.findall(r"^method (\w+)\((.*?)\)\s*->", INTERFACE, re.MULTILINE | re.DOTALL))
MUTATIONS = 60  # of each method's message
MESSAGE = 16 << 20  # WIRE_MESSAGE_MAX of src/wire/server.h
LAUNCH = b'{"method": "io.cvmd.Manager.Launch", "parameters": {"spec": {"shares": ['
SMALL = {"objects": (b"{},", b"{}]}}}"), "arrays": (b"[],", b"[]]}}}"),
         "numbers": (b"1,", b"1]}}}"),
         "strings": (b'"",', b'""]}}}'), "members": (b'{"a":1},', b"{}]}}}"),
         "depth": (b"[", b""), "object depth": (b'{"a":', b""),
         "escapes": (b'"\\u0000",', b"1]}}}")}


def exchange(daemon, data, seconds=20):
    """Sends it and one NUL byte; what came back, b"" where the connection was ended."""
    try:
        with varlink.Client(daemon.socket, seconds) as client:
            client.send_raw(data + b"\0")
            return client.receive_raw()
    except GONE:
        return b""


def large(kind, size):
    piece, end = SMALL[kind]
    return LAUNCH + piece * ((size - len(LAUNCH) - len(end) - 1) // len(piece)) + end


def of_many_values(link, daemon, _directory):
    """As large as one may be, of each kind, three at a time."""
    answers = []

    def run(kinds):
        for kind in kinds:
            answers.append(exchange(daemon, large(kind, MESSAGE)).decode()[:200])

    threads = [threading.Thread(target=run, args=[list(SMALL)[first::3]]) for first in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    link.say(answers=answers)
    link.stopped(3600)


def of_secrets(link, daemon, _directory):
    """Valid ones of all the bytes that there may be, with a refusal at their end."""
    env = {f"A{number}": "x" * 30000 for number in range(120)}
    certs = {f"c{number}": {"text": "y" * 180000} for number in range(60)}
    spec = daemon.spec("anns", env=env, certs=certs, shares=[{"tag": "env_share", "path": "/tmp"}])
    data = json.dumps({"method": "io.cvmd.Manager.Launch", "parameters": {"spec": spec}}).encode()
    sent = 0
    while not link.stopped() and sent < 8:
        sent += bool(exchange(daemon, data))
    link.say(sent=sent, bytes=len(data))
    link.stopped(3600)


def connected(daemon, count, data, enough):
    """Connections that have sent this, and how many of them were refused, within some seconds."""
    clients, refused = [], 0
    for _ in range(count):
        try:
            client = varlink.Client(daemon.socket)
            client.send_raw(data)
            clients.append(client)
        except OSError:
            refused += 1
    waiting = {client.socket for client in clients}
    end = time.monotonic() + 5
    while refused < enough and time.monotonic() < end:
        ended = select.select(waiting, [], [], 0.5)[0]
        refused += len(ended)
        waiting.difference_update(ended)
    return clients, refused


def left_half(link, daemon, _directory):
    """Connections beyond what a user may have, each with half of a message."""
    clients, refused = connected(daemon, 400, b'{"method": "' + b"x" * 100_000, 100)
    link.say(connected=len(clients), refused=refused)
    link.stopped(3600)


def come_and_go(link, daemon, _directory):
    """Connections by the thousand, with noise, half a call or a call whose answer nobody awaits."""
    kinds = [b"", b"\0", b"{", b"[]\0", b'{"method": "io.cvmd.Manager.List"}\0',
             b'{"method": "io.cvmd.Manager.Render", "parameters": {"spec": {}}}\0', b"\xff" * 5000]
    count = 0
    while not link.stopped() and count < 2000:
        try:
            with varlink.Client(daemon.socket) as client:
                client.send_raw(kinds[count % len(kinds)])
            count += 1
        except OSError:
            pass
    link.say(count=count)
    link.stopped(3600)


def unread(link, daemon, _directory):
    """Calls without end whose answers nobody reads."""
    calls = [("org.varlink.service.GetInterfaceDescription", {"interface": "io.cvmd.Manager"}),
             ("io.cvmd.Manager.DescribeHost", {}), ("io.cvmd.Manager.ListTemplates", {})]
    sent = 0
    clients = []
    for number in range(60):
        method, parameters = calls[number % len(calls)]
        data = json.dumps({"method": method, "parameters": parameters}).encode() + b"\0"
        client = varlink.Client(daemon.socket)
        client.socket.setblocking(False)
        clients.append(client)
        try:
            for _ in range(1000):
                sent += client.socket.send(data * 100)
        except OSError:  # no more is taken, or it was ended
            pass
    link.say(sent=sent)
    link.stopped(3600)


def unread_events(link, daemon, _directory):
    """Watchers that read nothing while event comes after event."""
    watchers = []
    for _ in range(200):
        client = varlink.Client(daemon.socket)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.send("Watch", {"fromSequence": 0}, more=True)
        watchers.append(client)
    floods = 0
    while not link.stopped() and floods < 20:
        spec = daemon.spec(f"anns{floods}", cmdline="fake.notify-lines=1000000")
        floods += answered(daemon, "Launch", {"spec": spec, "wait": "ready"}) == ""
    link.say(watchers=len(watchers), floods=floods)
    link.stopped(3600)


def declared_errors():
    """As the interface files name them."""
    return {f"org.varlink.service.{name}" for name in
            ("InterfaceNotFound", "MethodNotFound", "MethodNotImplemented", "InvalidParameter",
             "PermissionDenied", "ExpectedMore")} | set(
        re.findall(r"^error (\w+)", INTERFACE, re.MULTILINE))


def valid(daemon, method, identifier):
    """A message that the daemon would take, with all parameters of the method that are listed."""
    values = {"name": "anns", "id": identifier, "wait": "running", "timeoutSec": 5, "force": True,
              "fromSequence": 0, "lines": 10, "follow": False, "for": "running", "withSpec": True,
              "format": "prometheus", "platform": "plain",
              "spec": daemon.spec("annz", env={"TOKEN": "x"})}
    parameters = {name: values[name] for name in re.findall(r"(\w+):", METHODS[method])
                  if name in values}
    if method == "Launch":
        del parameters["id"]
    return json.dumps({"method": varlink.MANAGER + method, "parameters": parameters}).encode()


def outcome(daemon, data):
    """ "" for an answer, the name of an error; "closed", or "waits" where neither comes soon."""
    try:
        with varlink.Client(daemon.socket, 0.5) as client:
            client.send_raw(data + b"\0")
            client.receive()
            return ""
    except varlink.VarlinkError as error:
        return error.name
    except TimeoutError:
        return "waits"
    except GONE:
        return "closed"


def of_mutations(link, daemon, _directory):
    """Valid messages of all methods, each with one byte changed, wherever and to whatever."""
    chance = random.Random(1)
    outcomes = {}
    assert answered(daemon, "Launch", {"spec": daemon.spec("anns"), "wait": "ready"}, (), 20) == ""
    with varlink.Client(daemon.socket) as client:
        identifier = client.call("Status", name="anns")["cvm"]["id"]
    for method in METHODS:
        data = valid(daemon, method, identifier)
        seen = outcomes[method] = {}
        for at in (chance.randrange(len(data)) for _ in range(MUTATIONS)):
            changed = bytes([(data[at] + chance.randrange(1, 256)) % 256])
            what = outcome(daemon, data[:at] + changed + data[at + 1:])
            seen[what] = seen.get(what, 0) + 1
    link.say(outcomes=outcomes)
    link.stopped(3600)
