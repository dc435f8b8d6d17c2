# SPDX-License-Identifier: Apache-2.0
"""A cvmd that dies at a chosen moment; see src/base/fail_point.h."""
import mmap
import struct

import pytest

from harness.daemon import CVMD


class Moment:
    """How many fail points the daemon passes before it dies; 0: it does not."""

    def __init__(self, path):
        path.write_bytes(bytes(8))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 8)

    def arm(self, number):
        self.memory[:] = struct.pack("=q", number)

    def disarm(self):
        """Returns whether the moment had come."""
        (left,) = struct.unpack("=q", self.memory[:])
        self.arm(0)
        return left <= 0


@pytest.fixture(scope="session", autouse=True)
def fail_points():
    with open(CVMD, "rb") as program:
        if b"fail point: " not in program.read():
            pytest.skip(f"{CVMD} was built without -Dfail_points=true")


@pytest.fixture
def cvmd(make_daemon, config, tmp_path):
    config["timeouts"] = {"startSec": 5, "readySec": 5, "powerdownSec": 1, "quitSec": 1}
    daemon = make_daemon(config, start=False)
    daemon.moment = Moment(tmp_path / "moment")
    daemon.environment["CVMD_FAIL_POINTS"] = str(tmp_path / "moment")
    return daemon.start()
