# SPDX-License-Identifier: Apache-2.0
"""Data disks that a real guest reads and writes, by way of its debug image's shell."""
import hashlib
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import exits
from harness.mounts import SmallDisk
from harness.shell import Shell

MIB = 1 << 20


def content(size, seed):
    block = hashlib.sha256(seed).digest()
    return (block * (size // len(block) + 1))[:size]


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="no qemu-img (package qemu-utils)")
def test_a_guest_reads_and_writes(cvmd, tmp_path):
    """As root's daemon QEMU has another uid, and the images are nobody's but root's."""
    read, written, packed = (tmp_path / name for name in ("read.img", "written.img", "p.qcow2"))
    read.write_bytes(content(MIB, b"read"))
    written.write_bytes(bytes(2 * MIB))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", packed, "4M"], check=True)
    for path in (read, written, packed):
        path.chmod(0o600)
    before = read.read_bytes()
    cvmd.cvmctl("launch", "web", "--platform", "plain", "--memory", "256M", "--cpus", 1, "--debug",
                "--disk", read, "--disk", f"{written},rw,id=data",
                "--disk", f"{packed},rw,format=qcow2,bus=virtio,id=packed", "--wait", "ready",
                timeout=300)
    if os.geteuid() == 0:
        status = pathlib.Path(f"/proc/{cvmd.status('web')['pid']}/status").read_text()
        assert "\nUid:\t0\t" not in status

    shell = Shell(cvmd, "web")
    shell.log_in()
    # The kernel gives names in the order in which its probes come back.
    first = "disk0" in shell.run("cat /sys/block/sda/device/vpd_pg80")
    sda, sdb = ("sda", "sdb") if first else ("sdb", "sda")
    assert "data" in shell.run(f"cat /sys/block/{sdb}/device/vpd_pg80")
    assert hashlib.sha256(before).hexdigest() in shell.run(f"sha256sum /dev/{sda}")
    for name, size, read_only in ((sda, MIB, 1), (sdb, 2 * MIB, 0), ("vda", 4 * MIB, 0)):
        found = shell.run(f"cat /sys/block/{name}/size /sys/block/{name}/ro").split()
        assert found[-3:-1] == [str(size // 512), str(read_only)], found
    assert "packed" in shell.run("cat /sys/block/vda/serial")
    shell.run(f"! dd if=/dev/zero of=/dev/{sda} bs=512 count=1 2>&1")
    for name in (sdb, "vda"):
        shell.run(f"dd if=/dev/{sda} of=/dev/{name} bs=64k seek=1 count=8 && sync")
    shell.close()

    other = cvmd.cvmctl("launch", "two", "--platform", "plain", "--memory", "256M", "--disk",
                        written, check=False)
    assert (other.returncode == exits.TRY_AGAIN and "web" in other.stderr
            and "disk:disk0" in other.stderr)
    cvmd.cvmctl("stop", "web")
    assert read.read_bytes() == before
    assert written.read_bytes()[65536:65536 + 8 * 65536] == before[:8 * 65536]
    raw = tmp_path / "raw"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", packed, raw], check=True)
    assert raw.read_bytes()[65536:65536 + 8 * 65536] == before[:8 * 65536]


@pytest.mark.skipif(not shutil.which("qemu-io"), reason="no qemu-io (package qemu-utils)")
@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
@pytest.mark.parametrize("access", ["", ",rw"], ids=["read", "write"])
def test_a_disk_that_another_program_holds(cvmd, tmp_path, image_format, access):
    """QEMU says it with the number of a descriptor; the daemon with the name of the file."""
    free, held = tmp_path / "free", tmp_path / "held"
    free.write_bytes(bytes(MIB))
    subprocess.run(["qemu-img", "create", "-q", "-f", image_format, held, "1M"], check=True)
    with subprocess.Popen(["qemu-io", "-f", image_format, held], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:
        holder.stdin.write("length\n")
        holder.stdin.flush()
        assert "1 MiB" in holder.stdout.readline()
        done = cvmd.cvmctl("launch", "web", "--platform", "plain", "--memory", "64M", "--disk",
                           free, "--disk", f"{held}{access},format={image_format}", check=False)
        holder.stdin.close()
    assert done.returncode == 1, done.stderr
    assert f"disks[1] ({held}) is in use by another program" in done.stderr


@pytest.fixture
def small(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    disk = SmallDisk(tmp_path / "small", 4096)
    yield disk
    disk.unmount()


def test_a_disk_that_is_full(cvmd, small):
    """QEMU holds the guest, which knows nothing of it, and goes on once there is space."""
    image = small.path / "image"
    with open(image, "wb") as file:
        file.truncate(8 * MIB)
    small.fill()
    cvmd.cvmctl("launch", "web", "--platform", "plain", "--memory", "256M", "--debug", "--env",
                "A=b", "--disk", f"{image},rw", "--wait", "ready", timeout=300)
    shell = Shell(cvmd, "web")
    shell.log_in()
    for path in ("/etc/cocos", "/etc/certs"):  # its own, and yet not its to change
        shell.run(f"! touch {path}/new 2>&1")
    shell.socket.sendall(b"dd if=/dev/urandom of=/dev/sda bs=64k count=8 && sync; echo '<'$?'>'\n")
    cvmd.wait_state("web", "paused", seconds=60)
    small.empty()
    assert cvmd.call("Resume", name="web")["cvm"]["state"] == "running"
    shell.wait("'>'")
    assert shell.wait(">").endswith("<0")
    shell.close()
    cvmd.cvmctl("stop", "web")
