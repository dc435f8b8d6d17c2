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
OWN = "a user's daemon"


@pytest.fixture(params=["root's daemon", OWN])
def share(request, make_daemon, config):
    """share(*, read_only): a started CVM with a directory of ann's. As an object: the directory,
    its guest's shell, and how to do something on the host as ann."""
    if os.geteuid() != 0:
        pytest.skip("needs root to be several users")
    if request.param == OWN:
        daemon = make_daemon({**config, "groups": {}},
                             user={"user": ANN, "group": ANN, "extra_groups": []})
    else:
        daemon = make_daemon({**config, "groups": {"users": USERS, "admins": ADMINS}})
    place = Share(reachable(daemon), request.param == OWN)
    yield place
    place.end()


class Share:
    def __init__(self, daemon, own):
        self.daemon, self.own = daemon, own
        self.path = daemon.directory / "share"
        self.path.mkdir()
        os.chown(self.path, ANN, ANN)
        self.shell, self.disks = None, []

    def by_ann(self, function):
        """Members of the group may use root's daemon; to look at files it does not count."""
        return as_user(ANN, ANN, [100], function)

    def mount(self, name):
        (self.path / name).mkdir()
        disk = SmallDisk(self.path / name, 64)
        self.disks.append(disk)
        (disk.path / "file").write_text(name)
        return disk.path

    def launch(self, read_only):
        shares = [{"tag": "data", "path": str(self.path), "readOnly": read_only}]
        cvm = self.by_ann(lambda: self.daemon.launch(
            "web", wait="ready", kernel=None, initramfs=None, memory="256M", debug=True,
            shares=shares))
        self.shell = Shell(self.daemon, "web")
        self.shell.log_in()
        self.shell.run("dmesg -n 1 && cd /mnt/data")
        return cvm

    def end(self):
        if self.shell:
            self.shell.close()
            self.daemon.call("Stop", name="web", force=True)
        for disk in self.disks:
            disk.unmount()


def lines(output):
    """What came between the command's echo and its exit status."""
    return [line for line in output.replace("\r", "").split("\n")[1:-1] if line]


def test_what_the_host_has_put_there(share):
    """A deployment with a link to the release in use; scripts; other file systems."""
    def deploy():
        (share.path / "releases/1").mkdir(parents=True)
        (share.path / "releases/1/index").write_text("one\n")
        (share.path / "current").symlink_to("releases/1")
        (share.path / "dangling").symlink_to("nowhere")
        (share.path / "absolute").symlink_to("/proc/version")
        (share.path / "script").write_text("#!/bin/sh\n")
        (share.path / "script").chmod(0o755)
        (share.path / "private").write_text("x")
        (share.path / "private").chmod(0o600)

    share.by_ann(deploy)
    (share.path / "roots").write_text("secret")
    (share.path / "roots").chmod(0o600)
    first, second = share.mount("a"), share.mount("b")
    assert first.stat().st_ino == second.stat().st_ino
    cvm = share.launch(read_only=True)
    run = share.shell.run
    assert lines(run("cat current/index")) == ["one"]
    assert lines(run("for i in current dangling absolute; do readlink $i; done")) == [
        "releases/1", "nowhere", "/proc/version"]
    assert "Linux version" in run("cat absolute")
    assert lines(run("stat -c '%a %u %F' script")) == [f"755 {cvm['uid']} regular file"
                                                       if not share.own
                                                       else f"755 {ANN} regular file"]
    assert lines(run("stat -c %a private releases")) == ["600", "755"]
    assert lines(run("cat a/file b/file; echo")) == ["ab"]
    inodes = lines(run("stat -c %i a b a/file b/file"))
    assert len(set(inodes)) == 4, inodes
    run("! cat roots 2>&1")
    run("! touch new 2>&1; ! touch a/new 2>&1")
    assert "roots" in os.listdir(share.path) and "new" not in os.listdir(share.path)


def test_what_the_guest_puts_there(share):
    """The host finds it as it was made: modes, kinds and links, and ann's own."""
    share.by_ann(lambda: (share.path / "edited").write_text("old"))
    share.by_ann(lambda: (share.path / "target").symlink_to("edited"))
    share.by_ann(lambda: (share.path / "team").mkdir())
    share.by_ann(lambda: (share.path / "team").chmod(0o2755))
    share.launch(read_only=False)
    run = share.shell.run
    run("umask 022 && echo '#!/bin/sh' >script && chmod 0755 script && echo x >plain && mkdir dir")
    run("mkdir -m 1777 sticky && mkdir -m 0700 private && ln -s script link && ln script hard")
    run("echo new >edited && ln -s /nowhere dangling && mv plain dir/moved")
    run("echo y >gone && rm gone && (umask 077 && echo z >secret) && grep new target && sync")
    run("! chown 1234 script 2>&1")
    # Linux wants the bit for the new directory, too.
    run("touch team/file && ! mkdir team/directory 2>&1")

    modes = {}
    for path in sorted(share.path.rglob("*")):
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (ANN, ANN), path
        modes[str(path.relative_to(share.path))] = stat.filemode(status.st_mode)
    assert modes == {
        "dangling": "lrwxrwxrwx", "dir": "drwxr-xr-x", "dir/moved": "-rw-r--r--",
        "edited": "-rw-r--r--", "hard": "-rwxr-xr-x", "link": "lrwxrwxrwx",
        "private": "drwx------", "script": "-rwxr-xr-x", "secret": "-rw-------",
        "sticky": "drwxrwxrwt", "target": "lrwxrwxrwx", "team": "drwxr-sr-x",
        "team/file": "-rw-r--r--"}
    assert os.readlink(share.path / "link") == "script"
    assert os.readlink(share.path / "dangling") == "/nowhere"
    assert (share.path / "hard").samefile(share.path / "script")
    assert (share.path / "edited").read_text() == "new\n"


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_a_hostile_guest(share, tmp_path):
    """Nothing of what it leaves gives anybody a right, and nothing outside is touched."""
    program = tmp_path / "hostile"
    done = subprocess.run(["cc", "-static", "-O1", "-o", program, HOSTILE], check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shutil.copy(program, share.path / "hostile")
    outside = share.daemon.directory / "outside"
    outside.write_text("outside")
    os.chown(outside, ANN, ANN)
    before = outside.stat()
    share.by_ann(lambda: (share.path / "file").write_text("x"))
    share.by_ann(lambda: (share.path / "out").symlink_to(outside))
    share.launch(read_only=False)
    share.shell.run("cp hostile /hostile && chmod 755 /hostile")
    found = dict(line.split("=") for line in lines(share.shell.run("/hostile; sync")))
    outcome = {name: errno.errorcode.get(int(number), "0") for name, number in found.items()}
    # A link outwards leads nowhere from QEMU: the guest's kernel looks in the guest.
    share.shell.run("! cat out 2>&1; ! sh -c 'echo x >>out' 2>&1 || rm -f $(readlink out)")

    for name in ("open-suid", "open-sgid", "mknod-suid", "chmod-suid", "chmod-sgid",
                 "chmod-both", "chmod-directory", "null", "disk", "whiteout"):
        assert outcome[name] == "EPERM", (name, outcome)
    assert outcome["fifo"] in ("0", "ENXIO")  # QEMU's own refusal since the repair of CVE-2023-2861
    for name in ("plain", "user", "link", "link-up", "hard-own"):
        assert outcome[name] == "0", (name, outcome)
    for name in ("capability", "trusted", "chown-other"):
        assert outcome[name] != "0", (name, outcome)

    for path in share.path.rglob("*"):
        status = path.lstat()
        assert not status.st_mode & (stat.S_ISUID | stat.S_ISGID), path
        assert stat.S_IFMT(status.st_mode) not in (stat.S_IFCHR, stat.S_IFBLK), path
        if not path.is_symlink():
            assert set(os.listxattr(path)) <= {"user.x"}, path
        assert path.name == "hostile" or status.st_uid == ANN, path
    after = outside.stat()
    assert (after.st_nlink, after.st_mode, after.st_mtime_ns) == (
        1, before.st_mode, before.st_mtime_ns)
    assert outside.read_text() == "outside"
