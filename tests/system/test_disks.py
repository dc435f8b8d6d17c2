# SPDX-License-Identifier: Apache-2.0
"""Data disks: whose rights open them, who holds them, and what is refused."""
import grp
import json
import os
import stat
import subprocess

import pytest

from harness import exits
from harness.users import Failed, as_user
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("driver libvirt takes no disks")

ANN, BOB = 61001, 61002
MIB = 1 << 20


def image(path, size=MIB, owner=None, mode=0o600):
    with open(path, "wb") as file:
        file.truncate(size)
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, owner)
    return str(path)


def qcow2(path, **change):
    """The header of an image without backing file; `change` is offset to byte."""
    header = bytearray(104)
    header[:8] = b"QFI\xfb\0\0\0\3"
    header[23], header[103] = 16, 104
    for offset, value in change.items():
        header[int(offset[2:])] = value
    path.write_bytes(header)
    return str(path)


def refused(name, function):
    with pytest.raises(VarlinkError) as refusal:
        function()
    assert refusal.value.name == name, refusal.value.fields
    return refusal.value.fields


def disk(path, **fields):
    return [{"path": path, **fields}]


def open_disks(cvm):
    """Path and access of the descriptors of a CVM's QEMU that are images."""
    directory, found = f"/proc/{cvm['pid']}/fd", {}
    for number in os.listdir(directory):
        target = os.readlink(f"{directory}/{number}")
        if target.endswith(".img"):
            text = open(f"/proc/{cvm['pid']}/fdinfo/{number}").read()
            flags = int(text.split("flags:")[1].split()[0], 8)
            found[target] = flags & os.O_ACCMODE
    return found


def test_qemu_has_what_the_spec_says(cvmd, tmp_path):
    a, b = image(tmp_path / "a.img"), image(tmp_path / "b.img")
    cvm = cvmd.launch("web", disks=disk(a) + disk(b, readOnly=False, bus="virtio"))
    assert open_disks(cvm) == {a: os.O_RDONLY, b: os.O_RDWR}


def test_a_written_disk_is_held_by_one(cvmd, tmp_path):
    path, link = image(tmp_path / "a.img"), tmp_path / "hard.img"
    os.link(path, link)
    cvmd.launch("one", disks=disk(path, readOnly=False))
    for again in (disk(str(link), id="x"), disk(path, id="x", readOnly=False)):
        fields = refused("NoResources", lambda spec=again: cvmd.launch("two", disks=spec))
        assert fields.pop("id") and fields == {"resource": "disk:x", "wanted": 1, "available": 0,
                                               "holders": ["one"], "name": "two"}
    assert [cvm["name"] for cvm in cvmd.cvms()] == ["one"]

    cvmd.kill()
    cvmd.start()
    fields = refused("NoResources", lambda: cvmd.launch("two", disks=disk(path)))
    assert fields["holders"] == ["one"]
    cvmd.stop("one", force=True)
    cvmd.wait_state("one", "stopped")
    cvmd.launch("two", disks=disk(path, readOnly=False))


@pytest.mark.parametrize("says, locked", [
    ("Is another process using the image [/dev/fdset/1]?", True),
    ("Is another process using the image [/dev/fdset/2]?", False),
    ("Is another process using the image [/dev/fdset/1", False),
    ("Is another process using the image [/dev/fdset/]?", False),
    ("Is another process using the image [/dev/sda]?", False),
], ids=["disk", "no such disk", "cut off", "no number", "path"])
def test_what_qemu_says_of_a_locked_disk(cvmd, tmp_path, says, locked):
    paths = [image(tmp_path / name) for name in ("a.img", "b.img")]
    fields = refused("LaunchFailed", lambda: cvmd.launch(
        "web", disks=disk(paths[0]) + disk(paths[1]),
        cmdline=f'fake.exit=1 fake.stderr="{says}"'))
    assert fields["log"].endswith(says)
    assert (f"disks[1] ({paths[1]}) is in use by another program" in fields["reason"]) == locked
    assert locked or fields["reason"] == "QEMU exited with code 1"


def test_a_read_disk_is_shared(cvmd, tmp_path):
    path = image(tmp_path / "a.img")
    for name in ("one", "two"):
        cvmd.launch(name, disks=disk(path))
    fields = refused("NoResources", lambda: cvmd.launch("w", disks=disk(path, readOnly=False)))
    assert set(fields["holders"]) < {"one", "two"}


def test_one_disk_twice(cvmd, tmp_path):
    path = image(tmp_path / "a.img")
    twice = disk(path, readOnly=False) + disk(path)
    fields = refused("InvalidSpec", lambda: cvmd.launch("web", disks=twice))
    assert fields["field"] == "disks[1]" and "disks[0]" in fields["reason"]
    cvmd.launch("web", disks=disk(path) + disk(path))


@pytest.mark.parametrize("what, make, reason", [
    ("raw", lambda path: image(path, 0), "is empty"),
    ("raw", lambda path: image(path, 513), "513 bytes"),
    ("qcow2", lambda path: image(path), "not a qcow2"),
    ("qcow2", lambda path: qcow2(path, at15=104, at19=11), "backing file"),
    ("qcow2", lambda path: qcow2(path, at79=4), "data file"),
    ("qcow2", lambda path: qcow2(path, at35=1), "encrypted"),
    ("raw", lambda path: "/dev/null", "is a device, not"),
    pytest.param("raw", lambda path: "/proc/self/exe", "/proc link",
                 marks=pytest.mark.not_valgrind("valgrind answers for that link itself")),
])
def test_images_that_are_refused(shared, tmp_path, what, make, reason):
    path = make(tmp_path / "a.img")
    fields = refused("InvalidSpec", lambda: shared.launch("web", disks=disk(path, format=what)))
    assert fields["field"] == "disks[0]" and reason in fields["reason"], fields
    assert shared.cvms() == []


def test_qcow2_is_taken_where_it_is_named(cvmd, tmp_path):
    cvm = cvmd.launch("web", disks=disk(qcow2(tmp_path / "a.img"), format="qcow2", readOnly=False))
    command = open(f"/proc/{cvm['pid']}/cmdline").read()
    assert '"driver":"qcow2"' in command and '"backing":null' in command


def test_by_cvmctl(cvmd, tmp_path):
    path = image(tmp_path / "a.img")
    cvmd.cvmctl("launch", "web", "--memory", "64M", "--kernel", cvmd.kernel, "--initramfs",
                cvmd.initramfs, "--platform", "plain", "--disk", "a.img,rw,id=data,bus=virtio",
                cwd=tmp_path)
    assert open_disks(cvmd.status("web")) == {path: os.O_RDWR}
    other = cvmd.cvmctl("launch", "two", "--memory", "64M", "--kernel", cvmd.kernel, "--initramfs",
                        cvmd.initramfs, "--platform", "plain", "--disk", path, check=False)
    assert (other.returncode == exits.TRY_AGAIN and "web" in other.stderr
            and "disk:disk0" in other.stderr)
    plan = json.loads(cvmd.cvmctl("render", "--platform", "plain", "--disk", path, "--json").stdout)
    assert {"what": "disk:disk0", "path": path}.items() <= [
        d for d in plan["descriptors"] if d["what"].startswith("disk:")][0].items()
    for bad in ("", ",rw", f"{path},ro", f"{path},format"):
        refusal = cvmd.cvmctl("launch", "bad", "--disk", bad, check=False)
        assert refusal.returncode == exits.USAGE and "expected PATH[,rw]" in refusal.stderr


@pytest.fixture
def loop(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root for a block device")
    path = image(tmp_path / "loop.img", 4 * MIB)
    made = subprocess.run(["losetup", "--find", "--show", path], capture_output=True, text=True,
                          check=False)
    if made.returncode != 0:
        pytest.skip(f"no loop devices here: {made.stderr.strip()}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


def test_block_devices_that_are_listed(make_daemon, config, loop, tmp_path):
    cvmd = make_daemon(config)
    fields = refused("InvalidSpec", lambda: cvmd.launch("web", disks=disk(loop)))
    assert fields["field"] == "disks[0]" and "devices.disks" in fields["reason"]

    link = tmp_path / "by-id"
    link.symlink_to(loop)
    cvmd = make_daemon({**config, "devices": {"disks": ["/none", str(link)]}})
    cvm = cvmd.launch("web", disks=disk(loop, readOnly=False))
    assert "host_device" in open(f"/proc/{cvm['pid']}/cmdline").read()
    # the same device by another node
    node = tmp_path / "node"
    os.mknod(node, 0o600 | stat.S_IFBLK, os.stat(loop).st_rdev)
    assert refused("NoResources", lambda: cvmd.launch("two", disks=disk(str(node))))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")
def test_the_rights_are_the_callers(make_daemon, config, tmp_path):
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    cvmd = make_daemon({**config, "groups": {"users": "users", "admins": "operator"}})
    cvmd.directory.chmod(0o755)
    cvmd.kernel.chmod(0o644)
    cvmd.initramfs.chmod(0o644)
    anns = image(tmp_path / "ann.img", owner=ANN)
    readable = image(tmp_path / "read.img", owner=ANN, mode=0o644)

    def by(uid, **fields):
        return as_user(uid, uid, [grp.getgrnam("users").gr_gid],
                       lambda: cvmd.launch(f"cvm{uid}", **fields))

    for wanted in (disk(anns), disk(readable, readOnly=False)):
        with pytest.raises(Failed) as refusal:
            by(BOB, disks=wanted)
        assert refusal.value.name == "InvalidSpec"
        assert f"uid {BOB} may not read" in refusal.value.fields["reason"]
    assert open_disks(by(ANN, disks=disk(anns, readOnly=False))) == {anns: os.O_RDWR}
    # BOB may read this one, and does not learn who writes it
    by_ann = as_user(ANN, ANN, [grp.getgrnam("users").gr_gid], lambda: cvmd.launch(
        "second", disks=disk(readable, readOnly=False)))
    assert by_ann["owner"] == ANN
    with pytest.raises(Failed) as refusal:
        by(BOB, disks=disk(readable))
    assert refusal.value.name == "NoResources"
    assert refusal.value.fields["holders"] == []
