# SPDX-License-Identifier: Apache-2.0
"""Host ports of which a test knows that no other test has them at the same time."""
import os
import socket

FIRST, OF_A_WORKER = 7400, 60
BLOCKS = range(5000, 7400)
HELD = []


def port(number):
    """The number-th (from 0) of this worker of pytest-xdist."""
    assert 0 <= number < OF_A_WORKER
    worker = int("0" + os.environ.get("PYTEST_XDIST_WORKER", "").strip("gw"))
    return FIRST + OF_A_WORKER * worker + number


def block(count):
    """So many ports in a row that no other process of tests has until this one ends: whoever binds
    a block's name, which belongs to a network namespace as its ports do, has the block."""
    for first in range(BLOCKS.start, BLOCKS.stop - count + 1, count):
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0cvmd-tests-ports-{count}-{first}")
        except OSError:
            name.close()
            continue
        HELD.append(name)
        return [first + number for number in range(count)]
    raise RuntimeError("other tests have all blocks of ports")
