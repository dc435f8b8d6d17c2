# SPDX-License-Identifier: Apache-2.0
"""A cvmd that dies at a chosen moment; see src/base/fail_point.h."""
import mmap
import os
import signal
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

    def disarm(self, process):
        """Returns whether the moment had come. The daemon is held meanwhile: if one of its workers
        passed a fail point between the look and the disarming, it would die of a moment that the
        caller was told had not come."""
        process.send_signal(signal.SIGSTOP)
        if process.returncode is None:  # else nobody is there to be held
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        (left,) = struct.unpack("=q", self.memory[:])
        self.arm(0)
        process.send_signal(signal.SIGCONT)
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
