# SPDX-License-Identifier: Apache-2.0
"""QEMU of several Debian suites: QEMU_ROOT_11, QEMU_ROOT_10 and QEMU_ROOT_7 name the roots that
have it (this machine's is /), FIRMWARE_SEV and FIRMWARE_TDX firmware that goes with it, and
GUEST_CONFIDENTIAL the directory of the guest. scripts/test --lane modern-qemu makes them."""
import copy
import os
import pathlib
import subprocess
import tempfile

import pytest

from conftest import FAKE
from harness.daemon import Daemon


class Qemu:
    """A QEMU below a root, and a daemon that runs it where it asks what it can do."""

    def __init__(self, name, root, daemon):
        self.name, self.root, self.daemon = name, root, daemon


def wrapper(root, directory):
    """A program that is that QEMU, also for a user who may not change its root: QEMU's modules are
    found by fixed paths, so the loader alone does not do."""
    if str(root) == "/":
        return "/usr/bin/qemu-system-x86_64"
    path = directory / "qemu-system-x86_64"
    path.write_text("#!/bin/sh\nexec unshare --map-root-user /usr/sbin/chroot "
                    f'{root} /usr/bin/qemu-system-x86_64 "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="session")
def qemu(request):
    """The root is seen from another place, with this machine's /proc and /dev in it."""
    variable = f"QEMU_ROOT_{request.param}"
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set")
    mounted = []
    with tempfile.TemporaryDirectory(prefix="modern-", dir="/tmp") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        place = pathlib.Path("/")
        daemon = None
        try:
            if os.environ[variable] != "/":
                place = directory / "root"
                place.mkdir()
                for source, target in ((os.environ[variable], place), ("/proc", place / "proc"),
                                       ("/dev", place / "dev")):
                    subprocess.run(["mount", "--bind", source, target], check=True)
                    mounted.append(target)
            config = copy.deepcopy(FAKE)
            config["qemu"] = {"default": wrapper(place, directory)}
            daemon = Daemon(config).start()
            checks = daemon.call("DescribeHost", platform="sev")["checks"]
            assert [check for check in checks if check["name"] == "qemu" and check["passed"]
                    and check["found"].startswith(f"QEMU {request.param}.")], checks
            yield Qemu(request.param, place, daemon)
        finally:
            if daemon:
                daemon.finish()
            for target in reversed(mounted):
                subprocess.run(["umount", "-l", target], check=True)
