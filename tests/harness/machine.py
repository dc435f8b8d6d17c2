# SPDX-License-Identifier: Apache-2.0
"""A guest in a bare QEMU under TCG, without cvmd: for what hal/build makes, and nothing else."""
import fcntl
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from .processes import SLOWNESS

QEMU = "qemu-system-x86_64"
BOOT_SECONDS = 60
CONSOLE_SIZE = 1 << 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stream:
    """A socket of QEMU's of which all that comes is kept."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.begin()

    def begin(self):
        self.text = ""
        self.ended = False
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def receive(self):
        """Bytes, none at the end."""
        try:
            return self.socket.recv(65536)
        except OSError:
            return b""

    def read(self):
        while not self.ended:
            data = self.receive()
            with self.changed:
                self.text += data.decode(errors="replace")
                self.ended = not data
                self.changed.notify_all()

    def wait(self, wanted, seconds=BOOT_SECONDS, after=0):
        """Waits until `wanted` came after the first `after` characters; returns where it ends."""
        with self.changed:
            self.changed.wait_for(lambda: wanted in self.text[after:] or self.ended,
                                  seconds * SLOWNESS)
            assert wanted in self.text[after:], f"no {wanted!r} in {self.text!r}"
            return self.text.index(wanted, after) + len(wanted)

    def send(self, text):
        self.socket.sendall(text.encode())

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.reader.join()
        self.socket.close()


class Console(Stream):
    """A pipe in each direction for a serial port, to be made before QEMU starts. QEMU writes a byte
    at a time and drops what finds no room: in a socket some 250 bytes have it, so a reader that a
    busy host keeps waiting loses some; in this pipe a whole boot has."""

    def __init__(self, path):
        for end in ("in", "out"):
            os.mkfifo(f"{path}.{end}")
        self.input = os.open(f"{path}.in", os.O_RDWR | os.O_CLOEXEC)
        self.output = os.open(f"{path}.out", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self.output, fcntl.F_SETPIPE_SZ, CONSOLE_SIZE)
        self.closing = False
        self.begin()

    def receive(self):
        poll = select.poll()
        poll.register(self.output, select.POLLIN)
        while not self.closing:
            if poll.poll(200):  # or its end, once QEMU had it open
                return os.read(self.output, CONSOLE_SIZE)
        return b""

    def send(self, text):
        os.write(self.input, text.encode())

    def close(self):
        self.closing = True
        self.reader.join()
        os.close(self.input)
        os.close(self.output)


class Machine:
    """One machine; to be used in a `with`, at whose end nothing of it is left."""

    def __init__(self, guest, debug=False, cmdline="console=null quiet", shares=(), options=(),
                 memory="256M"):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="machine-"))
        self.port = free_port()
        name = "initramfs-debug.cpio" if debug else "initramfs.cpio"
        if not (guest / name).exists():  # that of the full image is not compressed
            name += ".gz"
        self.argv = [
            QEMU, "-accel", "tcg", "-cpu", "max", "-machine", "q35", "-m", memory, "-smp", "1",
            "-nodefaults", "-nographic", "-vga", "none",
            "-kernel", guest / "bzImage", "-initrd", guest / name, "-append", cmdline,
            "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:7002",
            "-device", "virtio-net-pci,netdev=net,romfile=",
            "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off",
            "-serial", f"pipe:{self.directory}/serial",
            "-chardev", f"socket,id=notify,path={self.directory}/notify,server=on,wait=off",
            "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=notify,name=io.cvmd.notify",
        ]
        for number, (tag, path) in enumerate(shares):
            self.argv += ["-fsdev", f"local,id=fs{number},path={path},security_model=none,"
                          "readonly=on",
                          "-device", f"virtio-9p-pci,fsdev=fs{number},mount_tag={tag}"]
        self.argv += options
        self.process = None
        self.serial = self.notify = self.qmp = None

    def __enter__(self):
        self.serial = Console(self.directory / "serial")
        with open(self.directory / "stderr", "wb") as errors:
            self.process = subprocess.Popen(list(map(str, self.argv)), stdin=subprocess.DEVNULL,
                                            stdout=errors, stderr=errors)
        end = time.monotonic() + 30 * SLOWNESS
        while not self.qmp:
            try:
                self.qmp = Stream(self.directory / "qmp")
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, \
                    (self.directory / "stderr").read_text()
                time.sleep(0.02)
        self.command("qmp_capabilities")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.serial, self.notify, self.qmp):
            if stream:
                stream.close()
        shutil.rmtree(self.directory)

    def command(self, name, **arguments):
        start = len(self.qmp.text)
        self.qmp.send(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.qmp.wait('"return"', 30, start)

    def hear(self, wanted, **options):
        """Waits for text from the guest's notifications."""
        if not self.notify:
            self.notify = Stream(self.directory / "notify")
        return self.notify.wait(wanted, **options)

    def ask(self, *requests, seconds=60):
        """Answers to lines sent in one go; QEMU accepts before the guest does."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            connection.sendall("".join(request + "\n" for request in requests).encode())
            with connection.makefile() as lines:
                return [json.loads(lines.readline()) for _ in requests]

    def wait_end(self, seconds):
        """Waits for QEMU to end by itself; returns why the guest ended, in QMP's words."""
        start = time.monotonic()
        reason = self.qmp.wait('"event": "SHUTDOWN"', seconds)
        self.process.wait(max(0.1, start + seconds * SLOWNESS - time.monotonic()))
        line = next(line for line in self.qmp.text[reason - 200 if reason > 200 else 0:].split("\n")
                    if "SHUTDOWN" in line)
        return json.loads(line[line.index("{"):])["data"]["reason"]
