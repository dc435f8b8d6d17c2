# SPDX-License-Identifier: Apache-2.0
"""Users that a program looks up and this machine may lack: in /etc/passwd and /etc/group of the
caller's own mount namespace, so that the machine's stay as they are."""
import ctypes
import os
import pathlib

MS_BIND = 4096
FIRST_ID = 64055  # Debian's for libvirt-qemu; the next ones where it is taken


def free_id(*texts):
    """The first number from FIRST_ID that no line of these has as its third field."""
    taken = {line.split(":")[2] for text in texts for line in text.splitlines()
             if line.count(":") >= 2}
    return next(number for number in range(FIRST_ID, FIRST_ID + 1000) if str(number) not in taken)


def with_user(passwd, group, name):
    """The texts of both files with a user and a group of this name; as they are where they have
    them."""
    def has(text):
        return any(line.startswith(f"{name}:") for line in text.splitlines())

    def line_more(text, line):
        return f"{text.rstrip()}\n{line}\n".lstrip()

    number = free_id(passwd, group)
    if not has(group):
        group = line_more(group, f"{name}:x:{number}:")
    if not has(passwd):
        gid = next(line.split(":")[2] for line in group.splitlines()
                   if line.startswith(f"{name}:"))
        passwd = line_more(passwd, f"{name}:x:{number}:{gid}::/nonexistent:/usr/sbin/nologin")
    return passwd, group


def add_user(name, directory):
    """For all that is in the caller's mount namespace, which has to be its own. What is mounted
    over the two files is kept in the directory. OSError."""
    paths = [pathlib.Path("/etc/passwd"), pathlib.Path("/etc/group")]
    before = [path.read_text() for path in paths]
    libc = ctypes.CDLL(None, use_errno=True)
    for path, old, new in zip(paths, before, with_user(*before, name)):
        if new == old:
            continue
        copy = pathlib.Path(directory) / path.name
        copy.write_text(new)
        copy.chmod(0o644)
        if libc.mount(os.fsencode(copy), os.fsencode(path), None, MS_BIND, None):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
