# SPDX-License-Identifier: Apache-2.0
"""cvmd with the machine's QEMU under TCG and the real guest. GUEST, and GUEST_OWN, GUEST_PLAIN and
GUEST_CONFIDENTIAL name directories made by hal/build; what is in build/ has the first embedded."""
import os
import pathlib

import pytest


@pytest.fixture
def config():
    return {"accelerator": "tcg", "timeouts": {"startSec": 60, "readySec": 300,
                                               "powerdownSec": 30, "quitSec": 10},
            "network": {"hostAccess": "allow"}}


@pytest.fixture
def guest():
    """guest(name): the directory of a guest's files, by default of the one that cvmd embeds; skips
    where it was not built."""
    def find(name=None):
        variable = f"GUEST_{name.upper()}" if name else "GUEST"
        path = os.environ.get(variable)
        if not path:
            pytest.skip(f"{variable} is not set; scripts/test --lane e2e builds it")
        return pathlib.Path(path)
    return find
