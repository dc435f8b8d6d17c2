# SPDX-License-Identifier: Apache-2.0
"""IGVM files by a QEMU that loads them: by the real one that CVMD_TEST_QEMU_IGVM names, which no
Debian has (QEMU 10.1 or newer, built with IGVM), and by tests/fake-qemu in the same words.
GUEST_PLAIN names the guest that hal/build makes; scripts/test --lane igvm makes it."""
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import images
from harness.daemon import FAKE_QEMU
from harness.native import program_directory

OVMF = pathlib.Path("/usr/share/ovmf/OVMF.fd")
UNSET = ("CVMD_TEST_QEMU_IGVM is not set: it names a QEMU that is built with IGVM, which Debian's "
         "is not")


@dataclasses.dataclass(frozen=True)
class Qemu:
    path: pathlib.Path
    real: bool

    def version(self):
        said = subprocess.run([self.path, "--version"], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, check=True).stdout
        return re.search(r"version (\d+\.\d+\.\d+)", said)[1]

    def load(self, file):
        """What it says before it ends with a file that it refuses; None: it takes the file."""
        command = [self.path, "-machine", "q35,igvm-cfg=igvm0", "-accel", "tcg", "-m", "64M",
                   "-nodefaults", "-display", "none", "-S",
                   "-object", f"igvm-cfg,id=igvm0,file={file}",
                   *([] if self.real else ["-append", "fake.exit=0"])]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, timeout=20, text=True,
                                  errors="replace", check=False)
        except subprocess.TimeoutExpired:
            return None
        if not self.real and done.returncode == 0:
            return None
        assert done.returncode == 1, done
        return done.stderr


REAL = os.environ.get("CVMD_TEST_QEMU_IGVM")


@pytest.fixture(params=["fake", *(["real"] if REAL else [])])
def qemu(request):
    if request.param == "real":
        yield Qemu(pathlib.Path(REAL), True)
        return
    with program_directory() as directory:
        yield Qemu(pathlib.Path(shutil.copy(FAKE_QEMU, directory / "fake-qemu-igvm")), False)


@pytest.fixture
def real():
    """For the one test that says what was left out."""
    if not REAL:
        pytest.skip(UNSET)
    return Qemu(pathlib.Path(REAL), True)


@pytest.fixture
def config(config, qemu):
    config["qemu"] = {"default": str(qemu.path)}
    if qemu.real:
        config["timeouts"] = {"startSec": 60, "readySec": 300, "powerdownSec": 30, "quitSec": 10}
    return config


@pytest.fixture
def firmware():
    if not OVMF.exists():
        pytest.skip(f"{OVMF} (package ovmf) is not installed")
    return OVMF.read_bytes()


@pytest.fixture
def guest(qemu, tmp_path):
    """Kernel and initramfs."""
    if not qemu.real:
        (tmp_path / "kernel").write_bytes(images.kernel())
        (tmp_path / "initramfs").write_bytes(images.initramfs())
        return tmp_path / "kernel", tmp_path / "initramfs"
    if not os.environ.get("GUEST_PLAIN"):
        pytest.skip("GUEST_PLAIN is not set; scripts/test --lane igvm builds it")
    directory = pathlib.Path(os.environ["GUEST_PLAIN"])
    return directory / "bzImage", directory / "initramfs.cpio.gz"
