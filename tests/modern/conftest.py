# SPDX-License-Identifier: Apache-2.0
"""QEMU of several Debian suites: QEMU_ROOT_11, QEMU_ROOT_10 and QEMU_ROOT_7 name the roots that
have it (this machine's is /), FIRMWARE_SEV and FIRMWARE_TDX firmware that goes with it, and
GUEST the directory of the guest. scripts/test --lane modern-qemu makes them."""
import contextlib
import copy
import os
import pathlib

import pytest

from conftest import FAKE
from harness.daemon import Daemon
from harness.roots import bound


class Qemu:
    """A QEMU below a root, and a daemon that runs it where it asks what it can do."""

    def __init__(self, name, root, daemon):
        self.name, self.root, self.daemon = name, root, daemon


def wrapper(root):
    """A program that is that QEMU, also for a user who may not change its root: QEMU's modules are
    found by fixed paths, so the loader alone does not do."""
    path = root.parent / "qemu-system-x86_64"
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
    with contextlib.ExitStack() as stack:
        place, binary = pathlib.Path("/"), "/usr/bin/qemu-system-x86_64"
        if os.environ[variable] != "/":
            place = stack.enter_context(bound(os.environ[variable], "/proc", "/dev"))
            binary = wrapper(place)
        config = copy.deepcopy(FAKE)
        config["qemu"] = {"default": binary}
        daemon = Daemon(config).start()
        stack.callback(daemon.finish)
        checks = daemon.call("DescribeHost", platform="sev")["checks"]
        assert [check for check in checks if check["name"] == "qemu" and check["passed"]
                and check["found"].startswith(f"QEMU {request.param}.")], checks
        yield Qemu(request.param, place, daemon)
