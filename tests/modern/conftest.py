# SPDX-License-Identifier: Apache-2.0
"""A root of Debian 13 with QEMU of its backports, and firmware of unstable: MODERN_ROOT names the
root, FIRMWARE_SEV and FIRMWARE_TDX the files. scripts/test --lane modern-qemu makes them."""
import os
import pathlib
import subprocess
import tempfile

import pytest


@pytest.fixture(scope="session")
def root():
    """The root, seen from another place, with this machine's /proc and /dev in it."""
    if "MODERN_ROOT" not in os.environ:
        pytest.skip("MODERN_ROOT is not set")
    mounted = []
    with tempfile.TemporaryDirectory(prefix="modern-", dir="/tmp") as name:
        place = pathlib.Path(name)
        try:
            for source, target in ((os.environ["MODERN_ROOT"], place), ("/proc", place / "proc"),
                                   ("/dev", place / "dev")):
                subprocess.run(["mount", "--bind", source, target], check=True)
                mounted.append(target)
            yield place
        finally:
            for target in reversed(mounted):
                subprocess.run(["umount", "-l", target], check=True)
