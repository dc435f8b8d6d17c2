# SPDX-License-Identifier: Apache-2.0
"""A file system (FUSE, <linux/fuse.h>) of one file, `file`, that opens and whose reads never end,
as on a server that has gone; or one that is served."""
import ctypes
import errno
import os
import pathlib
import struct
import subprocess
import threading

import pytest

LOOKUP, GETATTR, OPEN, READ, STATFS, FLUSH, INIT = 1, 3, 14, 15, 17, 25, 26
ROOT, FILE = 1, 2
SIZE = 1 << 20
FOPEN_DIRECT_IO = 1
IN_HEADER = struct.Struct("<IIQQIIIHH")
OUT_HEADER = struct.Struct("<IiQ")


def attributes(node, file_size):
    mode, size = (0o40755, 4096) if node == ROOT else (0o100644, file_size)
    return struct.pack("<QQQQQQIIIIIIIIII", node, size, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0,
                       4096, 0)


class DeafFile:
    """In a `with`, at whose end every read fails."""

    def __init__(self, directory, deaf=False):
        """deaf: no close ends either."""
        self.deaf = deaf
        self.content = None
        self.directory = pathlib.Path(directory)
        self.path = self.directory / "file"
        self.readers = self.closers = 0
        self.device = None
        self.connection = None

    def __enter__(self):
        try:
            self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            pytest.skip(f"/dev/fuse: {error.strerror}")
        self.directory.mkdir()
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"deaf", os.fsencode(self.directory), b"fuse", 0, options.encode()):
            error = ctypes.get_errno()
            os.close(self.device)
            pytest.skip(f"mount a FUSE file system: {os.strerror(error)}")
        threading.Thread(target=self.serve, daemon=True).start()
        self.connection = str(os.minor(self.directory.stat().st_dev))
        return self

    def __exit__(self, *_):
        self.end()

    def is_silent(self, kind):
        """Whether a request of this kind is never answered."""
        if kind == READ:
            self.readers += 1
        if kind == FLUSH:
            self.closers += 1
        return (kind == READ and self.content is None) or (kind == FLUSH and self.deaf)

    def end(self):
        """Ends the reads, with errors."""
        if not self.connection:
            return
        connections = pathlib.Path("/sys/fs/fuse/connections")
        mounted = connections.joinpath(self.connection).exists()
        if not mounted:
            subprocess.run(["mount", "-t", "fusectl", "none", connections], check=True)
        connections.joinpath(self.connection, "abort").write_text("1")
        if not mounted:
            subprocess.run(["umount", "-l", connections], check=True)
        subprocess.run(["umount", "-l", self.directory], check=True)
        self.connection = None

    def serve(self):
        while True:
            try:
                request = os.read(self.device, SIZE + 4096)
            except OSError as error:
                if error.errno == errno.EINTR:
                    continue
                os.close(self.device)
                return
            _, kind, unique, node, *_ = IN_HEADER.unpack_from(request)
            reply, code = self.reply(kind, node, request[IN_HEADER.size:])
            if reply is not None or code:
                body = reply or b""
                os.write(self.device,
                         OUT_HEADER.pack(OUT_HEADER.size + len(body), -code, unique) + body)

    def size(self):
        return SIZE if self.content is None else len(self.content)

    def reply(self, kind, node, body):
        """What is answered; (None, 0): nothing, ever."""
        if self.is_silent(kind):
            return None, 0
        if kind == INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, 0, 16, 12, 65536, 1, 32, 0, 0), 0
        if kind == LOOKUP:
            if body.rstrip(b"\0") != b"file":
                return None, errno.ENOENT
            return struct.pack("<QQQQII", FILE, 0, 60, 60, 0, 0) + attributes(FILE, self.size()), 0
        if kind == GETATTR:
            return struct.pack("<QII", 60, 0, 0) + attributes(node, self.size()), 0
        if kind == OPEN:
            return struct.pack("<QII", 0, FOPEN_DIRECT_IO, 0), 0  # each read comes here
        if kind == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self.content[offset:offset + size], 0
        if kind == FLUSH:
            return b"", 0
        return None, 0 if kind in (2, 18, 36, 42) else errno.ENOSYS


class ServedFile(DeafFile):
    """The same with a server that answers: the file has this content."""

    def __init__(self, directory, content):
        super().__init__(directory)
        self.content = content
