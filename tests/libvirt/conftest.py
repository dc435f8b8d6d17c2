# SPDX-License-Identifier: Apache-2.0
"""A Debian with libvirt that systemd has booted, with what was built here and a guest for its QEMU
(TCG)."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from harness import booting, images
from harness.agent import KEY, proof
from harness.daemon import CVMD
from harness.processes import eventually

HERE = pathlib.Path(__file__).parent
TOP = HERE.parents[1]
BUILD = pathlib.Path(CVMD).resolve().parents[1]
BOOT_SECONDS = 120
CONFIG = {
    "accelerator": "tcg",
    "timeouts": {"startSec": 60, "readySec": 120, "powerdownSec": 60, "quitSec": 10},
}
SUITES = ["12", "sid"]


class Machine(booting.Machine):
    config = CONFIG

    def __init__(self, suite, leader):
        super().__init__(leader)
        self.suite = suite

    def virsh(self, *args, **options):
        return self.run("virsh", "-q", "-c", "qemu:///system", *args, **options).stdout.strip()

    def launch(self, name, *options, platform="plain", check=True):
        """A small CVM of driver libvirt; to be READY with --wait ready."""
        return self.cvmctl("launch", name, "--driver", "libvirt", "--platform", platform,
                           "--kernel", "/files/bzImage", "--initramfs", "/files/initramfs",
                           "--cpus", "1", "--memory", "256M", *options, check=check, timeout=150)

    def wait_state(self, name, state, seconds=30):
        def reached():
            cvm = self.status(name)
            return cvm if cvm["state"] == state else None
        return eventually(reached, lambda: f"{name} is {state}: {self.status(name)}\n"
                                           f"{self.journal()}", seconds, 0.1)

    def ask(self, cvm):
        """The agent's answer with what it was given, by the host's port that leads to it."""
        forward = next(f for f in cvm["forwards"] if f["guestPort"] == 7002)
        script = (f"exec 3<>/dev/tcp/127.0.0.1/{forward['hostPort']}; echo '{proof()}' >&3; "
                  "head -n 1 <&3")
        return json.loads(self.run("timeout", 30, "bash", "-c", script).stdout)

    def artifacts(self):
        return self.run("ls", "/run/cvmd/artifacts").stdout.split()

    def libvirt_goes(self):
        """Until libvirt_comes() nothing answers, nor starts one that would."""
        self.systemctl("stop", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket",
                       "libvirtd.service")

    def libvirt_comes(self):
        self.systemctl("start", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket",
                       "libvirtd.service")


def make_files(directory, guest, firmware):
    shutil.copy(firmware, directory / "OVMF.fd")
    (directory / "firmware.fd").write_bytes(images.firmware(size=1 << 16))
    shutil.copy(guest / "bzImage", directory / "bzImage")
    shutil.copy(guest / "initramfs.cpio.gz", directory / "initramfs")
    (directory / "cvmd.conf").write_text(json.dumps(CONFIG))


@pytest.fixture(scope="session")
def installed():
    with tempfile.TemporaryDirectory(prefix="cvmd-") as directory:
        subprocess.run(["/usr/bin/meson", "install", "-C", BUILD, "--no-rebuild", "--quiet",
                        "--destdir", directory], check=True, stdout=subprocess.DEVNULL)
        yield directory


def pytest_generate_tests(metafunc):
    """Each suite has two machines: in one of them guests boot while the other's tests wait."""
    if "booted" in metafunc.fixturenames:
        half = metafunc.module.__name__.endswith("test_both")
        metafunc.parametrize("booted", [
            pytest.param(suite, marks=pytest.mark.xdist_group(f"{suite}-{half}"))
            for suite in SUITES], indirect=True, scope="session")


@pytest.fixture(scope="session")
def booted(request, installed):
    root = os.environ.get(f"LIBVIRT_ROOT_{request.param.upper()}")
    if not root:
        pytest.skip("scripts/test --lane libvirt makes roots and guest, where it can")
    with tempfile.TemporaryDirectory(prefix="cvmd-") as directory, \
            tempfile.TemporaryFile() as log:
        make_files(pathlib.Path(directory), pathlib.Path(os.environ["GUEST"]),
                   os.environ[f"FIRMWARE_{request.param.upper()}"])
        try:
            boot, machine = booting.boot(lambda leader: Machine(request.param, leader),
                                         HERE / "boot", root, TOP, installed, directory, log=log,
                                         seconds=BOOT_SECONDS)
        except booting.BootFailed as failure:
            if failure.args[0] == 77:
                pytest.skip(failure.args[1].strip().splitlines()[-1])
            raise
        try:
            yield machine
        finally:
            booting.end_machine(boot, machine.leader)


@pytest.fixture
def machine(booted):
    """The machine; after the test it has no CVM of it, no domain and no file."""
    before = {cvm["name"] for cvm in listed(booted)}
    yield booted
    booted.libvirt_comes()
    for cvm in listed(booted):
        if cvm["name"] not in before:
            booted.cvmctl("stop", "--force", cvm["name"], check=False)
            booted.cvmctl("remove", cvm["name"])
    if not before:
        assert not booted.virsh("list", "--all", "--name")
        assert not booted.artifacts()


def listed(machine):
    return json.loads(machine.cvmctl("list", "--json").stdout)


@pytest.fixture(scope="module")
def web(booted):
    """A CVM that is ready, for tests that leave it so."""
    booted.launch("web", "--env", "A=b", "--env", f"CVM_AGENT_KEY={KEY}", "--wait", "ready")
    yield booted.status("web")
    booted.cvmctl("stop", "--force", "web", check=False)
    booted.cvmctl("remove", "web")
    assert not booted.virsh("list", "--all", "--name")
    assert not booted.artifacts()
