# SPDX-License-Identifier: Apache-2.0
"""cvmd of this machine with the QEMUs of another Debian (TCG), swtpm, real guests and firmware.

QEMU_ROOT_10 and QEMU_ROOT_11 name roots with those QEMUs, GUEST_OWN, GUEST_PLAIN and GUEST_PLAIN13
directories made by hal/build, FIRMWARE_BOOKWORM, _TRIXIE and _SID images of OVMF. scripts/test
--lane boot makes them."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import daemon
from harness.roots import bound

NEEDED = ("QEMU_ROOT_10", "QEMU_ROOT_11", "FIRMWARE_BOOKWORM", "FIRMWARE_TRIXIE", "FIRMWARE_SID")
INSTALLED = "installed"  # the QEMU of this machine, whatever its version
LIBRARIES = "usr/lib/x86_64-linux-gnu"
# The root's program by the root's own loader: so it needs no chroot, whatever user runs it.
WRAPPER = """#!/bin/sh
lib={root}/{libraries}
export QEMU_MODULE_DIR=$lib/qemu
exec {root}/lib64/ld-linux-x86-64.so.2 --library-path $lib:$lib/pulseaudio \\
    {root}/usr/bin/qemu-system-x86_64 -L {root}/usr/share/qemu -L {root}/usr/share/seabios "$@"
"""
# Asked what it can do, QEMU loads all modules, and this machine's where the root has none: those of
# another build end it. So cvmd and all that it starts see the root's in their place.
HIDE = 'test ! -d "$2" || mount --bind "$1" "$2" && shift 2 && exec "$@"'


@pytest.fixture(scope="session")
def files():
    """What the lane made, by the names in the environment."""
    if not all(name in os.environ for name in NEEDED):
        pytest.skip("scripts/test --lane boot makes the files")
    if not shutil.which("swtpm"):
        pytest.skip("swtpm is not installed")
    return {name: pathlib.Path(os.environ[name]) for name in NEEDED}


@pytest.fixture
def qemu(files, request, monkeypatch):
    """Path and version of the QEMU whose major version is the test's parameter."""
    if request.param == INSTALLED:
        path = pathlib.Path(shutil.which("qemu-system-x86_64") or pytest.skip("QEMU is missing"))
        yield path, version_of(path)[1]
        return
    with bound(files[f"QEMU_ROOT_{request.param}"]) as root:
        path = root.parent / "qemu-system-x86_64"
        path.write_text(WRAPPER.format(root=root, libraries=LIBRARIES))
        path.chmod(0o755)
        version = version_of(path)
        assert version[2] == request.param
        monkeypatch.setattr(daemon, "WRAPPER", [
            "unshare", "--mount", "sh", "-c", HIDE, "sh", root / LIBRARIES / "qemu",
            f"/{LIBRARIES}/qemu"])
        yield path, version[1]


def version_of(path):
    said = subprocess.run([path, "--version"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return re.search(r"version ((\d+)\.\d+\.\d+)", said)


@pytest.fixture
def guest():
    """guest(name): the directory of a guest's files; skips where it was not built."""
    def find(name):
        if f"GUEST_{name}" not in os.environ:
            pytest.skip(f"the guest {name.lower()} was not built")
        return pathlib.Path(os.environ[f"GUEST_{name}"])
    return find


@pytest.fixture
def config(qemu):
    return {"accelerator": "tcg", "network": {"hostAccess": "allow"},
            "qemu": {"default": str(qemu[0])},
            "timeouts": {"startSec": 60, "readySec": 300, "powerdownSec": 30, "quitSec": 10}}
