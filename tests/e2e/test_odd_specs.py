# SPDX-License-Identifier: Apache-2.0
"""Odd specs on the real QEMU: each is refused before it is started, or QEMU takes it."""
import shutil
import subprocess

import pytest

from harness.processes import SLOWNESS
from harness.varlink import VarlinkError


@pytest.fixture
def files(tmp_path):
    tmp_path.chmod(0o755)
    for i in range(16):
        with open(tmp_path / f"disk{i}", "wb") as disk:
            disk.truncate(1 << 20)
    for name, size in (("tiny", 100), ("small", 65536), ("odd", 65536 + 4096)):
        (tmp_path / name).write_bytes(b"\xf4" * size)
    return tmp_path


def disks(n, **more):
    return lambda files: [{"id": f"d{i}", "path": str(files / f"disk{i}"), **more}
                          for i in range(n)]


def shares(n):
    return lambda files: [{"tag": f"s{i}", "path": str(files)} for i in range(n)]


def firmware(name):
    return lambda files: {"path": str(files / name)}


FORWARDS = [{"guestPort": 1000 + i} for i in range(64)]
TAKEN = {
    "many vCPUs": {"cpus": 255},
    "little memory": {"memory": "64M"},
    "memory of an odd size": {"memory": "257M"},
    "a long command line": {"cmdline": "a" * 2047},
    "many forwards": {"forwards": FORWARDS},
    "a UDP forward of all addresses": {"forwards": [
        {"guestPort": 53, "protocol": "udp", "address": "0.0.0.0"}]},
    "no network": {"network": "none"},
    "disks of SCSI and shares": {"disks": disks(16), "shares": shares(16)},
    "virtio disks": {"disks": disks(16, bus="virtio", readOnly=True)},
    "all slots": {"disks": disks(10, bus="virtio"), "shares": shares(16)},
    "firmware of 64 KiB": {"firmware": firmware("small")},
}
REFUSED = {
    "too many vCPUs": ({"cpus": 256}, "HostNotReady", "check", "cpus"),
    "memory between pages": ({"memory": "257K"}, "InvalidSpec", "field", "memory"),
    "a longer command line": ({"cmdline": "a" * 2048}, "InvalidSpec", "field", "cmdline"),
    "a privileged port": ({"forwards": [{"guestPort": 80, "hostPort": 81}]}, "InvalidSpec",
                          "field", "forwards"),
    "a slot too many": ({"disks": disks(11, bus="virtio"), "shares": shares(16)}, "HostNotReady",
                        "check", "pci-slots"),
    "a disk of no sector": ({"disks": lambda files: [{"id": "d", "path": str(files / "tiny")}]},
                            "InvalidSpec", "field", "disks[0]"),
    "a disk of another format": ({"disks": disks(1, format="qcow2")}, "InvalidSpec", "field",
                                 "disks[0]"),
    "firmware of an odd size": ({"firmware": firmware("odd")}, "ArtifactInvalid", "artifact",
                                "firmware"),
}


@pytest.fixture
def launch(cvmd, files):
    def run(**fields):
        made = {key: value(files) if callable(value) else value for key, value in fields.items()}
        spec = cvmd.spec("web", **{"memory": "256M", "kernel": None, "initramfs": None, **made})
        with cvmd.client(timeout=120 * SLOWNESS) as client:
            return client.call("Launch", {"spec": spec, "paused": True})["cvm"]
    return run


@pytest.fixture
def config(config):
    config["limits"] = {"vcpusPerCpu": 512}
    return config


@pytest.mark.parametrize("what", TAKEN)
def test_taken(launch, what):
    assert launch(**TAKEN[what])["state"] == "paused"


@pytest.mark.parametrize("what", REFUSED)
def test_refused(cvmd, launch, what):
    fields, error, key, value = REFUSED[what]
    with pytest.raises(VarlinkError) as refusal:
        launch(**fields)
    assert (refusal.value.name, refusal.value.fields[key]) == (error, value), refusal.value
    assert cvmd.cvms() == []


def test_disk_with_a_file_elsewhere(launch, files):
    if not shutil.which("qemu-img"):
        pytest.skip("no qemu-img here (package qemu-utils)")
    image = files / "image"
    subprocess.run(["qemu-img", "create", "-qf", "qcow2", "-o", f"data_file={files}/data", image,
                    "1M"], check=True)
    with pytest.raises(VarlinkError) as refusal:
        launch(disks=[{"id": "d", "path": str(image), "format": "qcow2"}])
    assert refusal.value.name == "InvalidSpec" and "external" in refusal.value.fields["reason"]
