# SPDX-License-Identifier: Apache-2.0
"""Host ports of which a test knows that no other test has them at the same time."""
import os

FIRST, OF_A_WORKER = 7400, 60


def port(number):
    """The number-th (from 0) of this worker of pytest-xdist."""
    assert 0 <= number < OF_A_WORKER
    worker = int("0" + os.environ.get("PYTEST_XDIST_WORKER", "").strip("gw"))
    return FIRST + OF_A_WORKER * worker + number
