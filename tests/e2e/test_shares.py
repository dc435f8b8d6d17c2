# SPDX-License-Identifier: Apache-2.0
"""Shared directories between a real guest and the host, by way of its debug image's shell."""
import errno
import os
import pathlib
import shutil
import stat
import subprocess

import pytest

from harness.mounts import SmallDisk
from harness.shell import Shell
from harness.users import ADMINS, ANN, USERS, as_user, reachable

HOSTILE = pathlib.Path(__file__).with_name("hostile-share.c")
HARD_LINKS = pathlib.Path("/proc/sys/fs/protected_hardlinks")
OWN = "a user's daemon"


class Host:
    """A daemon, directories of ann's that she launches a CVM with, and the guest's shell."""

    def __init__(self, daemon, own):
        self.daemon, self.own = daemon, own
        self.shell, self.disks, self.cvm = None, [], None
        self.read, self.written, self.attacked = (
            self.directory(name) for name in ("read", "written", "attacked"))

    def directory(self, name):
        path = self.daemon.directory / name
        path.mkdir()
        os.chown(path, ANN, ANN)
        return path

    def by_ann(self, function):
        return as_user(ANN, ANN, [100], function)  # 100: group users, who may use root's daemon

    def mount(self, path):
        path.mkdir()
        self.disks.append(SmallDisk(path, 64))
        (path / "file").write_text(path.name)
        return path

    def launch(self):
        shares = [{"tag": "read", "path": str(self.read)},
                  {"tag": "written", "path": str(self.written), "readOnly": False},
                  {"tag": "attacked", "path": str(self.attacked), "readOnly": False}]
        self.cvm = self.by_ann(lambda: self.daemon.launch(
            "web", wait="ready", kernel=None, initramfs=None, memory="256M", debug=True,
            shares=shares))
        self.shell = Shell(self.daemon, "web")
        self.shell.log_in()
        self.shell.run("dmesg -n 1")

    def lines(self, command):
        output = self.shell.run(command)
        return [line for line in output.replace("\r", "").split("\n")[1:-1] if line]

    def end(self):
        if self.shell:
            self.shell.close()
            self.daemon.call("Stop", name="web", force=True)
        for disk in self.disks:
            disk.unmount()


@pytest.fixture(params=["root's daemon", OWN])
def host(request, make_daemon, config):
    if os.geteuid() != 0:
        pytest.skip("needs root to be several users")
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    if request.param == OWN:
        daemon = make_daemon({**config, "groups": {}},
                             user={"user": ANN, "group": ANN, "extra_groups": []})
    else:
        daemon = make_daemon({**config, "groups": {"users": USERS, "admins": ADMINS}})
    place = Host(reachable(daemon), request.param == OWN)
    yield place
    place.end()


def deploy(directory):
    """As ann: a deployment with a link to the release in use, and scripts."""
    (directory / "releases/1").mkdir(parents=True)
    (directory / "releases/1/index").write_text("one\n")
    (directory / "current").symlink_to("releases/1")
    (directory / "dangling").symlink_to("nowhere")
    (directory / "absolute").symlink_to("/proc/version")
    (directory / "script").write_text("#!/bin/sh\n")
    (directory / "script").chmod(0o755)
    (directory / "private").write_text("x")
    (directory / "private").chmod(0o600)


def check_what_the_guest_reads(host):
    run, lines = host.shell.run, host.lines
    run("cd /mnt/read")
    assert lines("cat current/index") == ["one"]
    assert lines("for i in current dangling absolute; do readlink $i; done") == [
        "releases/1", "nowhere", "/proc/version"]
    assert "Linux version" in run("cat absolute")
    owner = ANN if host.own else host.cvm["uid"]
    assert lines("stat -c '%a %u %F' script") == [f"755 {owner} regular file"]
    assert lines("stat -c %a private releases") == ["600", "755"]
    assert lines("cat a/file b/file; echo") == ["ab"]
    inodes = lines("stat -c %i a b a/file b/file")
    assert len(set(inodes)) == 4, inodes
    run("! cat roots 2>&1")
    run("! touch new 2>&1; ! touch a/new 2>&1")
    assert "roots" in os.listdir(host.read) and "new" not in os.listdir(host.read)


def prepare_writing(directory):
    (directory / "edited").write_text("old")
    (directory / "target").symlink_to("edited")
    (directory / "team").mkdir()
    (directory / "team").chmod(0o2755)


def check_what_the_guest_writes(host):
    """The host finds it as it was made: modes, kinds and links, and ann's own."""
    run, directory = host.shell.run, host.written
    run("cd /mnt/written")
    run("umask 022 && echo '#!/bin/sh' >script && chmod 0755 script && echo x >plain && mkdir dir")
    run("mkdir -m 1777 sticky && mkdir -m 0700 private && ln -s script link && ln script hard")
    run("echo new >edited && ln -s /nowhere dangling && mv plain dir/moved")
    run("echo y >gone && rm gone && (umask 077 && echo z >secret) && grep new target && sync")
    run("! chown 1234 script 2>&1")
    # Linux asks for the bit in the new directory, too.
    run("touch team/file && ! mkdir team/directory 2>&1")

    modes = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (ANN, ANN), path
        modes[str(path.relative_to(directory))] = stat.filemode(status.st_mode)
    assert modes == {
        "dangling": "lrwxrwxrwx", "dir": "drwxr-xr-x", "dir/moved": "-rw-r--r--",
        "edited": "-rw-r--r--", "hard": "-rwxr-xr-x", "link": "lrwxrwxrwx",
        "private": "drwx------", "script": "-rwxr-xr-x", "secret": "-rw-------",
        "sticky": "drwxrwxrwt", "target": "lrwxrwxrwx", "team": "drwxr-sr-x",
        "team/file": "-rw-r--r--"}
    assert os.readlink(directory / "link") == "script"
    assert os.readlink(directory / "dangling") == "/nowhere"
    assert (directory / "hard").samefile(directory / "script")
    assert (directory / "edited").read_text() == "new\n"


def prepare_attack(host, tmp_path):
    """Returns a file outside of the share, to which a link in it leads."""
    done = subprocess.run(["cc", "-static", "-O1", "-o", tmp_path / "hostile", HOSTILE],
                          check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shutil.copy(tmp_path / "hostile", host.read / "hostile")
    outside = host.daemon.directory / "outside"
    outside.write_text("outside")
    os.chown(outside, ANN, ANN)
    host.by_ann(lambda: (host.attacked / "file").write_text("x"))
    host.by_ann(lambda: (host.attacked / "out").symlink_to(outside))
    (host.attacked / "foreign").write_text("root's")
    return outside


def check_what_a_hostile_guest_leaves(host, outside):
    """Nothing that gives anybody a right, and nothing outside is touched."""
    before = outside.stat()
    host.shell.run("cp /mnt/read/hostile / && cd /mnt/attacked")
    found = dict(line.split("=") for line in host.lines("/hostile; sync"))
    outcome = {name: errno.errorcode.get(int(number), "0") for name, number in found.items()}
    # A link outwards leads nowhere from QEMU: the guest's kernel looks in the guest.
    host.shell.run("! cat out 2>&1; ! sh -c 'echo x >>out' 2>&1")

    for name in ("open-suid", "open-sgid", "mknod-suid", "chmod-suid", "chmod-sgid",
                 "chmod-both", "chmod-directory", "null", "disk", "whiteout"):
        assert outcome[name] == "EPERM", (name, outcome)
    assert outcome["fifo"] in ("0", "ENXIO")  # QEMU's own refusal since the repair of CVE-2023-2861
    for name in ("plain", "user", "link", "link-up", "hard-own"):
        assert outcome[name] == "0", (name, outcome)
    for name in ("capability", "trusted", "chown-other"):
        assert outcome[name] != "0", (name, outcome)
    if not host.own or HARD_LINKS.read_text() == "1\n":
        assert outcome["hard-foreign"] in ("EPERM", "EOVERFLOW"), outcome
        assert (host.attacked / "foreign").stat().st_nlink == 1

    for path in host.attacked.rglob("*"):
        status = path.lstat()
        assert not status.st_mode & (stat.S_ISUID | stat.S_ISGID), path
        assert stat.S_IFMT(status.st_mode) not in (stat.S_IFCHR, stat.S_IFBLK), path
        if not path.is_symlink():
            assert set(os.listxattr(path)) <= {"user.x"}, path
        assert path.name == "foreign" or (status.st_uid, status.st_gid) == (ANN, ANN), path
    after = outside.stat()
    assert (after.st_nlink, after.st_mode, after.st_mtime_ns) == (
        1, before.st_mode, before.st_mtime_ns)
    assert outside.read_text() == "outside"


def test_directories_of_a_user(host, tmp_path):
    """One guest for all, as each takes its time to boot."""
    host.by_ann(lambda: deploy(host.read))
    (host.read / "roots").write_text("secret")
    (host.read / "roots").chmod(0o600)
    first, second = host.mount(host.read / "a"), host.mount(host.read / "b")
    assert first.stat().st_ino == second.stat().st_ino
    host.by_ann(lambda: prepare_writing(host.written))
    outside = prepare_attack(host, tmp_path)
    host.launch()
    check_what_the_guest_reads(host)
    check_what_the_guest_writes(host)
    check_what_a_hostile_guest_leaves(host, outside)
