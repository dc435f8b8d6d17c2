# SPDX-License-Identifier: Apache-2.0
"""Attacks by how much a user asks for, by ordinary calls in numbers, and by names."""
import os
import pathlib
import threading

from harness import varlink
from hostile.descriptors import GONE, answered

MIB = 1 << 20
KERNEL_FILES = ["/proc/self/stat", "/proc/1/environ", "/proc/net/unix", "/proc/kallsyms",
                "/sys/kernel/notes", "/sys/power/state", "/proc/sys/kernel/random/uuid"]


def sparse(path, size, text=b""):
    path.write_bytes(b"070701" + text)
    os.truncate(path, size)
    path.chmod(0o644)
    return {"path": str(path)}


def of_artifacts(link, daemon, directory):
    """Files of which hardly anything is on disk, launched and rendered, within and beyond what a
    user may have."""
    files = [sparse(directory / f"f{at}", 60 * MIB, bytes([at])) for at in range(8)]
    huge = sparse(directory / "huge", 1 << 40)
    answers = [answered(daemon, "Launch", {"spec": daemon.spec("huge", initramfs=huge)}, (), 20)]
    for at, file in enumerate(files):
        spec = daemon.spec(f"anns{at}", initramfs=file)
        answers.append(answered(daemon, "Launch", {"spec": spec}, (), 30))
        answered(daemon, "Render", {"spec": daemon.spec("r", initramfs=files[-1])}, (), 30)
    link.say(answers=answers)
    link.stopped(3600)


def of_secrets(link, daemon, _directory):
    """As many bytes of environments as are taken."""
    env = {f"A{number}": "x" * 30000 for number in range(100)}
    answers = [answered(daemon, "Launch", {"spec": daemon.spec(f"anns{at}", env=env)}, (), 30)
               for at in range(8)]
    link.say(answers=answers)
    link.stopped(3600)


def of_ports(link, daemon, _directory):
    """As many forwards as are taken."""
    forwards = [{"guestPort": 1000 + at} for at in range(64)]
    answers = [answered(daemon, "Launch", {"spec": daemon.spec(f"anns{at}", forwards=forwards)})
               for at in range(20)]
    link.say(answers=answers)
    link.stopped(3600)


def of_cvms(link, daemon, _directory):
    """Launches in numbers, whose client does not wait."""
    clients = []
    for at in range(60):
        client = varlink.Client(daemon.socket)
        client.send("Launch", {"spec": daemon.spec(f"anns{at}")})
        clients.append(client)
    for client in clients[::2]:
        client.close()
    done = 0
    for client in clients[1::2]:
        try:
            client.receive()
            done += 1
        except varlink.VarlinkError:
            pass
    link.say(done=done)
    link.stopped(3600)


def in_loops(link, count, call):
    """Threads that call over and over until they are to stop; how often it was answered."""
    answers, ended = [], threading.Event()

    def run():
        while not ended.is_set():
            try:
                call()
                answers.append(1)
            except GONE:
                pass

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    link.stopped(2)
    ended.set()
    for thread in threads:
        thread.join(30)
    return len(answers)


def of_renders(link, daemon, _directory):
    spec = daemon.spec("anns")

    def call():
        with varlink.Client(daemon.socket) as client:
            client.call("Render", spec=spec)

    link.say(answered=in_loops(link, 30, call))
    link.stopped(3600)


def of_logs(link, daemon, _directory):
    """Of a console that is as long as it may be."""
    spec = daemon.spec("anns", cmdline=f"fake.console-bytes={8 * MIB}")
    assert answered(daemon, "Launch", {"spec": spec, "wait": "ready"}, (), 20) == ""
    link.stopped(1)

    def call():
        with varlink.Client(daemon.socket) as client:
            client.call("Logs", name="anns")

    link.say(answered=in_loops(link, 30, call))
    link.stopped(3600)


def of_questions(link, daemon, _directory):
    """What asks the host, QEMU or files."""
    calls = ["DescribeHost", "ListTemplates", "ListArtifacts", "List"]
    numbers = iter(range(1 << 30))

    def call():
        with varlink.Client(daemon.socket) as client:
            client.call(calls[next(numbers) % len(calls)])

    link.say(answered=in_loops(link, 16, call))
    link.stopped(3600)


def of_others(link, daemon, _directory):
    """Every method on the CVMs of others, whose names can be guessed."""
    answers = set()
    while not link.stopped() and len(answers) < 1000:
        for at in range(40):
            for method in ("Stop", "Pause", "Remove", "Status", "Measure", "Timeline", "Logs"):
                answers.add(str(answered(daemon, method, {"name": f"bobs{at}"})))
        break
    link.say(answers=sorted(answers))
    link.stopped(3600)


def of_kernel_files(link, daemon, _directory):
    """By path and by descriptor, as each kind of content."""
    answers = {}
    for path in KERNEL_FILES:
        for field in ("kernel", "initramfs", "certs", "disks"):
            value = {"certs": {"x": {"path": path}},
                     "disks": [{"path": path}]}.get(field, {"path": path})
            spec = daemon.spec(f"anns{len(answers)}", **{field: value})
            answers[f"{path} as {field}"] = answered(daemon, "Launch", {"spec": spec})
    link.say(answers=answers)
    link.stopped(3600)


def odd_directory(directory):
    """What a user can put into a directory."""
    (directory / "file").write_text("x")
    for number in range(2000):
        os.link(directory / "file", directory / f"link{number}")
    os.mkfifo(directory / "fifo")
    os.symlink("/etc/shadow", directory / "shadow")
    os.symlink("loop", directory / "loop")
    (directory / "line\n\u202e\x1b[2J").write_text("x")
    (directory / os.fsdecode(b"\xff\xfe")).write_text("x")
    deep = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(300):
        os.mkdir("d" * 200, dir_fd=deep)
        inner = os.open("d" * 200, os.O_RDONLY | os.O_DIRECTORY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)


def of_shares(link, daemon, directory):
    """Directories of odd files, and one that is a link to another's at any time."""
    directory = pathlib.Path(directory)
    odd, swapped, link_to = directory / "odd", directory / "swapped", directory / "to"
    for path in (odd, swapped):
        path.mkdir()
    odd_directory(odd)
    os.symlink("/root", link_to)
    ended = threading.Event()

    def swap():
        while not ended.is_set():
            for a, b in ((swapped, directory / "t"), (link_to, swapped), (swapped, link_to),
                         (directory / "t", swapped)):
                os.rename(a, b)

    thread = threading.Thread(target=swap)
    thread.start()
    answers = []
    for number in range(12):
        path = odd if number % 3 == 0 else swapped
        share = {"tag": "t", "path": str(path), "readOnly": number % 2 == 0}
        spec = daemon.spec(f"anns{number}", shares=[share])
        answers.append(answered(daemon, "Launch", {"spec": spec}))
    ended.set()
    thread.join()
    link.say(answers=answers)
    link.stopped(3600)
