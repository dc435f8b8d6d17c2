# SPDX-License-Identifier: Apache-2.0
"""A small Varlink client (https://varlink.org): one JSON object and one NUL byte a message.

It checks each reply as strictly as systemd's client does, and lets a test send what no client
should.
"""
import array
import itertools
import json
import socket

MANAGER = "io.cvmd.Manager."
TIMEOUT = 120  # seconds; a guest that boots beside others under TCG takes a while


class VarlinkError(Exception):
    """An error reply: its name, without the interface where that is io.cvmd.Manager, and fields."""

    def __init__(self, name, fields):
        super().__init__(f"{name} {json.dumps(fields)}")
        self.name = name.removeprefix(MANAGER)
        self.fields = fields

    def bad_parameter(self):
        """The parameter that InvalidParameter names, with a reason."""
        assert self.name == "org.varlink.service.InvalidParameter", self
        assert set(self.fields) == {"parameter", "reason"} and self.fields["reason"], self
        return self.fields["parameter"]


class ConnectionClosed(Exception):
    """The peer ended the connection."""


class Client:
    """on_timeout() is called if the peer leaves a reply out; what it returns is the reason."""

    def __init__(self, path, timeout=TIMEOUT, on_timeout=None):
        self.on_timeout = on_timeout
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, method, parameters=None, fds=(), **flags):
        """`method` without an interface is io.cvmd.Manager's; flags: more, oneway, upgrade."""
        name = method if "." in method else MANAGER + method
        message = {"method": name, "parameters": parameters or {}, **flags}
        data = json.dumps(message).encode() + b"\0"
        sent = 0
        if fds:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
            sent = self.socket.sendmsg([data], [rights])
        self.socket.sendall(data[sent:])

    def receive_raw(self):
        """One message without its NUL."""
        while b"\0" not in self.buffer:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            except TimeoutError as problem:
                raise TimeoutError(self.on_timeout() if self.on_timeout else problem) from None
            if not data:
                raise ConnectionClosed(f"with {len(self.buffer)} bytes of a message received")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return message

    def receive(self, more=False):
        """(parameters, whether more replies follow); raises VarlinkError for an error reply."""
        reply = json.loads(self.receive_raw())
        assert set(reply) <= {"parameters", "continues", "error"}, reply
        continues = reply.get("continues", False)
        parameters = reply.get("parameters")
        assert isinstance(continues, bool) and isinstance(parameters, dict), reply
        assert more or not continues, f"continues without more: {reply}"
        if "error" in reply:
            assert not continues, reply
            raise VarlinkError(reply["error"], parameters)
        return parameters, continues

    def call(self, method, parameters=None, fds=(), **named):
        """One call, one reply. Parameters by name or as an object."""
        self.send(method, {**(parameters or {}), **named}, fds)
        return self.receive()[0]

    def call_more(self, method, **named):
        """The first reply of a call with `more`."""
        return self.take(1, method, **named)[0]

    def stream(self, method, parameters=None, fds=(), **named):
        """A call with `more`: yields the replies' parameters."""
        self.send(method, {**(parameters or {}), **named}, fds, more=True)
        while True:
            reply, continues = self.receive(more=True)
            yield reply
            if not continues:
                return

    def take(self, count, method, **named):
        """The first `count` replies of a call with `more`."""
        return list(itertools.islice(self.stream(method, **named), count))

    def upgrade(self, method, **named):
        """The connection turned into raw bytes: the socket; what came early is in self.buffer."""
        self.send(method, named, upgrade=True)
        self.receive()
        return self.socket

    def is_closed(self):
        """Waits for the end of the connection; False if a message comes instead."""
        try:
            self.receive_raw()
        except ConnectionClosed:
            return True
        return False
