# SPDX-License-Identifier: Apache-2.0
"""A Debian that systemd has booted, with the project installed and fake-qemu as its QEMU."""
import contextlib
import json
import os
import pathlib
import shutil
import tempfile

import pytest

from harness import artifacts, booting

HERE = pathlib.Path(__file__).parent
TOP = HERE.parents[1]
BOOT_SECONDS = 420  # the first time all is compiled
CONFIG = {
    "accelerator": "tcg",
    "qemu": {"default": "/usr/libexec/fake-qemu"},
    "timeouts": {"startSec": 10, "readySec": 10, "powerdownSec": 5, "quitSec": 5},
}


class Machine(booting.Machine):
    def configure(self, **changes):
        """cvmd.conf with these changes to the lane's; the daemon is started anew."""
        self.write("/etc/cvmd/cvmd.conf", json.dumps({**CONFIG, **changes}))
        self.systemctl("restart", "cvmd.service")


def boot_machine(root, build, guest, log):
    return booting.boot(Machine, HERE / "boot", root, TOP, build, guest, log=log,
                        seconds=BOOT_SECONDS)


@contextlib.contextmanager
def boot_root(variable):
    root = os.environ.get(variable)
    if not root:
        pytest.skip(f"{variable} is not set; scripts/test --lane systemd makes one")
    with tempfile.TemporaryDirectory(prefix="cvmd-") as directory, \
            tempfile.TemporaryFile() as log:
        guest = pathlib.Path(directory)
        artifacts.kernel(guest / "bzImage")
        artifacts.initramfs(guest / "initramfs")
        for name in ("bzImage", "initramfs.cpio.gz"):
            if real := os.environ.get("GUEST"):
                shutil.copy(pathlib.Path(real) / name, guest / f"real-{name}")
        (guest / "cvmd.conf").write_text(json.dumps(CONFIG))
        build = pathlib.Path(os.environ["SYSTEMD_BUILD"])
        build.mkdir(exist_ok=True)
        boot, machine = boot_machine(root, build, guest, log)
        try:
            yield machine
        finally:
            booting.end_machine(boot, machine.leader)


@pytest.fixture(scope="session")
def booted():
    with boot_root("SYSTEMD_ROOT") as machine:
        yield machine


@pytest.fixture(scope="session")
def booted_newest(booted):
    """Beside the other: what was built there is installed here."""
    with boot_root("SYSTEMD_NEWEST_ROOT") as machine:
        yield machine


@pytest.fixture
def machine(booted):
    """The machine with no CVM, no drop-in and no failed unit of a test before."""
    yield booted
    clear(booted)


@pytest.fixture
def newest(booted_newest):
    """The same under the systemd of Debian unstable."""
    yield booted_newest
    clear(booted_newest)


@pytest.fixture(params=["debian 13", "newest"])
def either(request):
    return request.getfixturevalue("machine" if request.param == "debian 13" else "newest")


def clear(booted):
    booted.systemctl("stop", "cvm@*.service", "cvms.target", check=False)
    for cvm in json.loads(booted.cvmctl("list", "--json").stdout):
        booted.cvmctl("stop", "--force", cvm["name"])
        booted.cvmctl("remove", cvm["name"])
    booted.run("sh", "-c", "rm -rf /etc/cvmd/cvms/*; cd /etc/systemd/system; "
               "if ls -d cvm*.d >/dev/null 2>&1; then rm -r cvm*.d; systemctl daemon-reload; fi")
    booted.systemctl("reset-failed", check=False)
    left = booted.run("pgrep", "-x", "fake-qemu", check=False).stdout.split()
    assert not left, f"QEMU processes left: {left}"


def pytest_collection_modifyitems(items):
    if not shutil.which("systemd-nspawn"):
        for item in items:
            if "systemd" in pathlib.Path(item.fspath).parts:
                item.add_marker(pytest.mark.skip(reason="systemd-nspawn is not installed"))
