# SPDX-License-Identifier: Apache-2.0
"""Directories of a user in a guest: how QEMU gets them, and what is mounted below them."""
import os
import pathlib
import re
import subprocess

import pytest

from harness.mounts import SmallDisk
from harness.users import ADMINS, ANN, USERS, Failed, as_user, by, reachable
from harness.varlink import VarlinkError

pytestmark = [pytest.mark.qemu_driver("driver libvirt takes no shares"),
              pytest.mark.not_valgrind("valgrind does not know mount_setattr(2)")]
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users and to mount")


@pytest.fixture
def config(config):
    return {**config, "groups": {"users": USERS, "admins": ADMINS}} if os.geteuid() == 0 else config


@pytest.fixture
def cvmd(cvmd):
    return reachable(cvmd)


@pytest.fixture
def home(cvmd):
    """A directory of a user's."""
    path = cvmd.directory / "home"
    path.mkdir()
    if os.geteuid() == 0:
        os.chown(path, ANN, ANN)
    return path


@pytest.fixture
def mounts(home):
    """mount(name, *options): a file system below the directory, with the file `name`."""
    mounted = []

    def mount(name, *options, kind="tmpfs"):
        path = home / name
        path.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", kind, *options, kind, path], check=True)
        mounted.append(path)
        if kind == "tmpfs":
            (path / name.replace("/", "-")).write_text(name)
        return path

    yield mount
    for path in reversed(mounted):
        subprocess.run(["umount", "-l", path], check=False)


def options_of(cvm):
    """The option of the CVM's first share, and where its QEMU has the directory."""
    argv = pathlib.Path(f"/proc/{cvm['pid']}/cmdline").read_bytes().decode().split("\0")
    (option,) = [a for a in argv if a.startswith("local,id=share0,")]
    number = re.search(r"path=/proc/self/(fd/\d+)", option).group(1)
    return option, pathlib.Path(f"/proc/{cvm['pid']}") / number


def launch(cvmd, home, name="web", read_only=True):
    share = {"tag": "data", "path": str(home), "readOnly": read_only}
    return by(ANN, lambda: cvmd.launch(name, shares=[share]))


def refused(cvmd, home):
    with pytest.raises(Failed) as refusal:
        launch(cvmd, home)
    assert refusal.value.name == "InvalidSpec"
    assert refusal.value.fields["field"] == "shares[0].path"
    return refusal.value.fields["reason"]


@pytest.mark.parametrize("read_only", [True, False])
def test_what_qemu_is_told(cvmd, home, read_only):
    """Links and modes as they are, for the shares of a spec alone."""
    cvm = cvmd.launch("web", shares=[{"tag": "data", "path": str(home), "readOnly": read_only}])
    option, _ = options_of(cvm)
    assert option.split(",")[3:] == ["security_model=none", "multidevs=remap",
                                     *(["readonly=on"] if read_only else [])]
    argv = pathlib.Path(f"/proc/{cvm['pid']}/cmdline").read_bytes().decode()
    assert argv.count("security_model=mapped") == 2


@ROOT
@pytest.mark.parametrize("read_only", [True, False])
def test_file_systems_below_come_along(cvmd, home, mounts, read_only):
    for name in ("a", "b", "a/deep"):
        mounts(name)
    for path in (home / "a/a", home / "b", home / "b/b"):
        os.chown(path, ANN, ANN)
    cvm = launch(cvmd, home, read_only=read_only)
    _, seen = options_of(cvm)
    assert (seen / "a/a").read_text() == "a" and (seen / "b/b").read_text() == "b"
    assert (seen / "a/deep/a-deep").read_text() == "a/deep"
    unmapped = int(pathlib.Path("/proc/sys/kernel/overflowuid").read_text())
    assert (seen / "a/a").stat().st_uid == (seen / "b/b").stat().st_uid == cvm["uid"]
    assert (seen / "a/deep").stat().st_uid == unmapped  # root's
    for below in (".", "a", "b", "a/deep"):
        flags = os.statvfs(seen / below).f_flag
        assert flags & os.ST_NOSUID and flags & os.ST_NODEV, below
        assert bool(flags & os.ST_RDONLY) == read_only, below
    if not read_only:
        as_user(cvm["uid"], cvm["uid"], [], lambda: (seen / "b/new").write_text("x"))
        assert (home / "b/new").stat().st_uid == ANN
        # root's, though open to everybody: the kernel lets nobody write through such a mount
        (home / "a").chmod(0o777)
        with pytest.raises(Failed) as refusal:
            as_user(cvm["uid"], cvm["uid"], [], lambda: (seen / "a/new").write_text("x"))
        assert refusal.value.kind == "PermissionError"


@ROOT
def test_what_is_read_only_below_stays_so(cvmd, home, mounts):
    mounts("a")
    subprocess.run(["mount", "-o", "remount,ro", home / "a"], check=True)
    cvm = launch(cvmd, home, read_only=False)
    _, seen = options_of(cvm)
    assert os.statvfs(seen / "a").f_flag & os.ST_RDONLY
    assert not os.statvfs(seen).f_flag & os.ST_RDONLY


@ROOT
def test_what_is_mounted_later_is_not_seen(cvmd, home, mounts):
    """Nor does it go when it is unmounted, even where mounts propagate, as systemd has them."""
    shared = mounts("top")
    subprocess.run(["mount", "--make-shared", shared], check=True)
    os.chown(shared, ANN, ANN)
    before = mounts("top/before")
    (shared / "later").mkdir()
    _, seen = options_of(launch(cvmd, shared))
    mounts("top/later")
    assert os.listdir(seen / "later") == []
    subprocess.run(["umount", before], check=True)
    assert os.listdir(seen / "before") == ["top-before"]


@ROOT
def test_a_file_system_below_that_cannot_be_mapped(cvmd, home, mounts):
    """Not left out without a word: each is named, and what can be mapped is not."""
    mounts("good")
    mounts("some proc", kind="proc")
    mounts("good/sys", kind="sysfs")
    reason = refused(cvmd, home)
    assert f"{home}/some proc (proc)" in reason and f"{home}/good/sys (sysfs)" in reason
    assert f"{home}/good (tmpfs)" not in reason
    assert cvmd.cvms() == []


@ROOT
def test_a_file_of_such_a_file_system(cvmd, home, mounts):
    mounts("good")
    (home / "version").touch()
    subprocess.run(["mount", "--bind", "/proc/version", home / "version"], check=True)
    try:
        reason = refused(cvmd, home)
    finally:
        subprocess.run(["umount", home / "version"], check=True)
    assert f": {home}/version (proc); " in reason


@ROOT
def test_a_file_system_below_that_is_never_copied(cvmd, home, mounts):
    path = mounts("a")
    subprocess.run(["mount", "--make-unbindable", path], check=True)
    reason = refused(cvmd, home)
    assert f"unbindable and cannot be shared: {path} (tmpfs)" in reason


@ROOT
def test_too_many_file_systems_below(cvmd, home, mounts):
    for number in range(64):
        mounts(f"m{number}", "-o", "size=4k,nr_inodes=2")
    cvm = launch(cvmd, home)
    assert len(os.listdir(options_of(cvm)[1] / "m63")) == 1
    mounts("one-more")
    cvmd.stop("web", force=True)
    assert "more than 64 file systems" in refused(cvmd, home)


@ROOT
def test_the_root_directory(cvmd):
    """/proc is always mounted below it. The root of a container may be of a kind itself that cannot
    be mapped, which is said first."""
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web", shares=[{"tag": "all", "path": "/"}])
    kind = subprocess.run(["stat", "--file-system", "--format=%T", "/"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()
    told = "its file system cannot be shared" if kind == "overlayfs" else "/proc (proc)"
    assert told in refusal.value.fields["reason"]


@ROOT
def test_a_link_leads_with_the_rights_of_the_caller(cvmd, home):
    secret = cvmd.directory / "secret"
    secret.mkdir(mode=0o700)
    by(ANN, lambda: (home / "link").symlink_to(secret))
    assert "uid 61001 may not" in refused(cvmd, home / "link")
    by(ANN, lambda: (home / "real").mkdir())
    by(ANN, lambda: (home / "good").symlink_to("real"))
    _, seen = options_of(launch(cvmd, home / "good"))
    assert seen.samefile(home / "real")


@ROOT
def test_a_directory_that_is_swapped_after_the_launch(cvmd, home):
    """QEMU has what was opened, whatever is under its name now."""
    by(ANN, lambda: (home / "data").mkdir())
    by(ANN, lambda: (home / "data/mine").write_text("x"))
    _, seen = options_of(launch(cvmd, home / "data"))
    by(ANN, lambda: (home / "data").rename(home / "old"))
    by(ANN, lambda: (home / "data").symlink_to("/etc"))
    assert os.listdir(seen) == ["mine"]


@ROOT
def test_mounts_go_with_the_cvm(cvmd, home, mounts):
    """Nothing of the copy is left: the file system is free again."""
    path = mounts("a")
    launch(cvmd, home)
    before = pathlib.Path("/proc/self/mountinfo").read_text()
    cvmd.stop("web", force=True)
    assert pathlib.Path("/proc/self/mountinfo").read_text() == before
    # a remount to read-only is refused as long as any mount of it is written by somebody
    subprocess.run(["mount", "-o", "remount,ro", path], check=True)


@ROOT
def test_a_daemon_of_a_user(make_daemon, config, tmp_path):
    """What is mounted below is there as well; nothing needs to be mapped."""
    daemon = make_daemon({**config, "groups": {}}, user={"user": ANN, "group": ANN,
                                                         "extra_groups": []})
    daemon.kernel.chmod(0o644)
    daemon.initramfs.chmod(0o644)
    home = daemon.directory / "home"
    by(ANN, home.mkdir)
    by(ANN, (home / "sub").mkdir)
    disk = SmallDisk(home / "sub", 64)
    try:
        (home / "sub/file").write_text("x")
        cvm = by(ANN, lambda: daemon.launch("web", shares=[{"tag": "d", "path": str(home)}]))
        option, seen = options_of(cvm)
        assert "security_model=none,multidevs=remap,readonly=on" in option
        assert (seen / "sub/file").read_text() == "x"
        status = pathlib.Path(f"/proc/{cvm['pid']}/status").read_text()
        assert "\nSeccomp:\t2\n" in status and "\nNoNewPrivs:\t1\n" in status
        by(ANN, lambda: daemon.call("Stop", name="web", force=True))
    finally:
        disk.unmount()
