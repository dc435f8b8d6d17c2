# SPDX-License-Identifier: Apache-2.0
"""cvmd with the machine's QEMU under TCG and the real guest. GUEST_PLAIN and GUEST_CONFIDENTIAL
name directories made by hal/build; what is in build/ has the plain one embedded."""
import os
import pathlib

import pytest


@pytest.fixture
def config():
    return {"accelerator": "tcg", "timeouts": {"startSec": 60, "readySec": 300,
                                               "powerdownSec": 30, "quitSec": 10}}


@pytest.fixture
def guest():
    """guest(profile): the directory of a profile's files; skips where it was not built."""
    def find(profile):
        path = os.environ.get(f"GUEST_{profile.upper()}")
        if not path:
            pytest.skip(f"GUEST_{profile.upper()} is not set; scripts/test --lane e2e builds it")
        return pathlib.Path(path)
    return find
