# SPDX-License-Identifier: Apache-2.0
"""Attacks by descriptors and by files that do not answer."""
import array
import contextlib
import os
import select
import socket
import struct
import threading

from harness import varlink
from harness.deaf import FLUSH
from hostile import fuse

FDS_MAX = 64  # WIRE_FDS_MAX of src/wire/server.h
GONE = (OSError, varlink.ConnectionClosed, varlink.VarlinkError)


def rights(fds):
    return (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))


def close_behind(fd):
    """Nobody waits for that: it may take for ever."""
    threading.Thread(target=os.close, args=[fd], daemon=True).start()


def answered(daemon, method, parameters, fds=(), seconds=5):
    """The name of the error, "" for an answer without; None: there was none in time."""
    try:
        with varlink.Client(daemon.socket, seconds) as client:
            client.send(method, parameters, fds)
            client.receive()
            return ""
    except varlink.VarlinkError as error:
        return error.name
    except TimeoutError:
        return None
    except GONE as problem:
        return type(problem).__name__


def begin_with(daemon, fds):
    """A connection that has sent a byte and these descriptors."""
    client = varlink.Client(daemon.socket)
    client.socket.sendmsg([b"{"], [rights(fds)])
    return client


def with_beginnings(link, daemon, directory):
    """Part of no message: one descriptor each that no close comes back of."""
    path = fuse.mount_own(directory, {FLUSH: 0})
    clients = []
    for _ in range(8):
        fd = os.open(path, os.O_RDONLY)
        clients.append(begin_with(daemon, [fd]))
        close_behind(fd)
    for _ in range(8):
        fd = os.open(path, os.O_RDONLY)
        begin_with(daemon, [fd]).close()
        close_behind(fd)
    link.say(sent=len(clients))
    link.stopped(3600)


def with_calls(link, daemon, directory):
    """With calls that take none, in numbers, until the daemon takes no more."""
    path = fuse.mount_own(directory, {FLUSH: 0})
    sent = refused = 0
    for _ in range(2 * FDS_MAX):
        fds = [os.open(path, os.O_RDONLY) for _ in range(16)]
        answer = answered(daemon, "List", {}, fds)
        sent += len(fds)
        refused += answer != ""
        for fd in fds:
            close_behind(fd)
        if link.stopped():
            break
    link.say(sent=sent, refused=refused)
    link.stopped(3600)


def as_artifacts(link, daemon, directory):
    """As what a launch may have a descriptor of."""
    path = fuse.mount_own(directory, {FLUSH: 0})
    answers = {}
    for field in ("kernel", "initramfs", "firmware", "shares", "disks", "certs"):
        fd = os.open(path, os.O_RDONLY)
        value = {"shares": [{"tag": "t", "fd": 0}], "disks": [{"fd": 0}],
                 "certs": {"x": {"fd": 0}}}.get(field, {"fd": 0})
        spec = daemon.spec(f"anns-{field}", **{field: value})
        answers[field] = answered(daemon, "Launch", {"spec": spec}, [fd])
        close_behind(fd)
    link.say(answers=answers)
    link.stopped(3600)


def in_sockets(link, daemon, directory):
    """In the queues of sockets: whoever closes these closes those."""
    path = fuse.mount_own(directory, {FLUSH: 0})
    for _ in range(8):
        outer = []
        for _ in range(4):
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            fd = os.open(path, os.O_RDONLY)
            near.sendmsg([b"x"], [rights([fd])])
            close_behind(fd)
            outer.append(far.detach())
            near.close()
        answered(daemon, "List", {}, outer)
        for fd in outer:
            close_behind(fd)
    link.say(sent=32)
    link.stopped(3600)


def by_path(link, daemon, paths, field, count):
    """Launches and renders that wait for the files' servers; every other client leaves."""
    clients = []
    for number in range(count):
        path = paths[number % len(paths)]
        value = {"shares": [{"tag": "t", "path": os.path.dirname(path)}],
                 "disks": [{"path": path}], "certs": {"x": {"path": path}}}
        client = varlink.Client(daemon.socket)
        spec = daemon.spec(f"anns{number}", **{field: value.get(field, {"path": path})})
        client.send("Render" if number % 4 == 3 else "Launch", {"spec": spec})
        clients.append(client)
    for client in clients[::2]:
        client.close()
    waiting = [client.socket for client in clients[1::2]]
    done = select.select(waiting, [], [], 1)[0]
    link.say(waiting=len(waiting) - len(done))
    link.stopped(3600)


def lingering(link, daemon, _directory):
    """Sockets whose close would wait for an hour, then what everybody may send."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        sending, peers = [], []
        for _ in range(96):
            one = socket.create_connection(server.getsockname())
            peers.append(server.accept()[0])
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    one.send(bytes(65536))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
            sending.append(one.detach())
    answers = [answered(daemon, "List", {}, sending[at:at + 32]) for at in range(0, 96, 32)]
    for fd in sending:
        close_behind(fd)
    null = os.open("/dev/null", os.O_RDONLY)
    sent = sum(answered(daemon, "List", {}, [null] * FDS_MAX) is not None for _ in range(312))
    link.say(sent=sent * FDS_MAX, answers=answers)
    link.stopped(3600)


def odd_ones():
    """A descriptor of each kind that a user can have, by name."""
    epoll = select.epoll()
    near, far = socket.socketpair()
    reading, writing = os.pipe()
    memory = os.memfd_create("big")
    os.truncate(memory, 1 << 40)
    kept = (epoll, near, far)
    return kept, {"epoll": epoll.fileno(), "socket": near.fileno(), "pipe": reading,
                  "write end": writing, "memory": memory, "event": os.eventfd(0),
                  "process": os.pidfd_open(os.getpid()), "path": os.open("/", os.O_PATH),
                  "directory": os.open("/tmp", os.O_RDONLY),
                  "zero": os.open("/dev/zero", os.O_RDWR),
                  "proc": os.open("/proc/self/stat", os.O_RDONLY)}


def of_odd_kinds(link, daemon, _directory):
    """Whatever else a descriptor may be, as a kernel, a certificate and a disk."""
    kept, fds = odd_ones()
    answers = {}
    for name, fd in fds.items():
        for field, value in (("kernel", {"fd": 0}), ("certs", {"x": {"fd": 0}}),
                             ("disks", [{"fd": 0}])):
            spec = daemon.spec(f"anns{len(answers)}", **{field: value})
            answers[f"{name} as {field}"] = answered(daemon, "Launch", {"spec": spec}, [fd])
    link.say(answers=answers)
    link.stopped(3600)
    del kept


def sent_at_once(link, daemon, _directory):
    """Many connections with as many descriptors as they may have, in half messages."""
    null = os.open("/dev/null", os.O_RDONLY)
    clients, refused = [], 0
    for _ in range(250):
        try:
            clients.append(begin_with(daemon, [null] * FDS_MAX))
        except OSError:
            refused += 1
    ended = select.select([client.socket for client in clients], [], [], 1)[0]
    link.say(kept=len(clients) - len(ended), refused=refused + len(ended))
    link.stopped(3600)


