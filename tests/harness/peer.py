# SPDX-License-Identifier: Apache-2.0
"""A scripted daemon: answers what a test tells it to, and keeps what it was asked.

    with Peer(List={"cvms": []}) as peer:
        done = peer.cvmctl("list")
    assert peer.calls[0].parameters == {}

A method's script is the reply's parameters, or a function of (call, connection).
"""
import array
import dataclasses
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading

from harness.daemon import CVMCTL, FOUND
from harness.processes import SLOWNESS

MANAGER = "io.cvmd.Manager."
TIMEOUT = 20 * SLOWNESS
FDS_MAX = 128


def environment(**more):
    """An environment in which cvmctl finds no daemon by itself and prints plain text."""
    env = {key: value for key, value in os.environ.items()
           if key not in ("CVMD_SOCKET", "XDG_RUNTIME_DIR", "NO_COLOR")}
    return {**env, "TZ": "UTC", "LC_ALL": "C.UTF-8", **more}


def cvmctl(*args, env=None, **options):
    """Runs cvmctl; no test waits for ever, and no sanitizer's finding is missed."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([CVMCTL, *map(str, args)], env=environment(**(env or {})),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT,
                          check=False, **options)
    errors = done.stderr.decode()
    assert not FOUND.search(errors), errors
    return Done(done.returncode, done.stdout, errors)


@dataclasses.dataclass
class Done:
    code: int
    raw: bytes
    err: str

    @property
    def out(self):
        return self.raw.decode()

    @property
    def json(self):
        return json.loads(self.raw)


@dataclasses.dataclass
class Call:
    method: str
    parameters: dict
    more: bool
    upgrade: bool
    fds: list  # one (mode, content or directory's entries) a descriptor


class Connection:
    def __init__(self, stream):
        self.socket = stream
        self.buffer = b""

    def send_raw(self, data):
        self.socket.sendall(data)

    def reply(self, parameters=None, continues=False):
        message = {"parameters": parameters or {}}
        if continues:
            message["continues"] = True
        self.send_raw(json.dumps(message).encode() + b"\0")

    def error(self, name, /, **fields):
        name = name if "." in name else MANAGER + name
        self.send_raw(json.dumps({"error": name, "parameters": fields}).encode() + b"\0")

    def close(self):
        self.socket.close()

    def wait_closed(self):
        """True once the client has gone."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def receive(self):
        """The next call, or None at the end."""
        fds = []
        while b"\0" not in self.buffer:
            try:
                data, control, flags, _ = self.socket.recvmsg(
                    1 << 16, socket.CMSG_SPACE(4 * FDS_MAX))
            except ConnectionResetError:
                return None
            assert not flags & socket.MSG_CTRUNC
            for _, _, rights in control:
                fds += array.array("i", rights[:len(rights) // 4 * 4])
            if not data:
                assert not self.buffer, "half a message"
                return None
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        call = json.loads(message)
        assert set(call) <= {"method", "parameters", "more", "upgrade"}, call
        return Call(call["method"].removeprefix(MANAGER), call["parameters"],
                    call.get("more", False), call.get("upgrade", False),
                    [look_at(fd) for fd in fds])


def look_at(fd):
    """What a descriptor is, which it closes: its entries, or its bytes."""
    try:
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            return sorted(os.listdir(fd))
        return os.pread(fd, 1 << 21, 0)
    finally:
        os.close(fd)


class Peer:
    def __init__(self, **scripts):
        self.scripts = scripts
        self.calls = []
        self.problems = []
        self.threads = []
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="peer-", dir="/tmp"))
        self.path = self.directory / "socket"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.listener.listen(64)

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, kind, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(TIMEOUT)
        shutil.rmtree(self.directory)
        if kind is None:
            assert not self.problems, self.problems

    def accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            stream.settimeout(TIMEOUT)
            thread = threading.Thread(target=self.serve, args=(Connection(stream),), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, connection):
        try:
            while connection.socket.fileno() >= 0:
                call = connection.receive()
                if call is None:
                    break
                self.calls.append(call)
                self.answer(call, connection)
        except (AssertionError, OSError, KeyError, ValueError) as problem:
            self.problems.append(repr(problem))
        finally:
            connection.close()

    def answer(self, call, connection):
        script = self.scripts[call.method.rsplit(".", 1)[-1]]
        if callable(script):
            script(call, connection)
        else:
            connection.reply(script)

    def cvmctl(self, *args, **options):
        return cvmctl("--socket", self.path, *args, **options)


def refuse(name, /, **fields):
    """A script: an error reply."""
    return lambda call, connection: connection.error(name, **fields)


def measurement(*registers, **fields):
    """A Measurement as the daemon has it."""
    return {"platform": "plain", "registers": list(registers), "inputs": {}, **fields}


def register(name, value, algorithm="sha384", **more):
    """A register of it, or of an expectation."""
    return {"name": name, "algorithm": algorithm, "state": "value", "value": value, **more}


def cvm(name="web", **fields):
    """A Cvm as the daemon has it."""
    return {
        "name": name, "id": "6b1bd9e2-5a33-4a0c-9a51-0c83f3a1f0aa", "platform": "plain",
        "driver": "qemu", "state": "running", "ready": True, "owner": 0, "cpus": 2,
        "memory": 2 << 30, "pid": 4711, "debug": False, "createdAt": 1700000000000000,
        "startedAt": 1700000001000000, "readyAt": 1700000002000000,
        "forwards": [{"address": "127.0.0.1", "hostPort": 6100, "guestPort": 7002,
                      "protocol": "tcp"}],
        "artifacts": {"kernel": "ab" * 32}, "measurement": {}, **fields,
    }
