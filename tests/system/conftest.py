# SPDX-License-Identifier: Apache-2.0
"""cvmd with tests/fake-qemu in QEMU's place; the top of tests/fake-qemu.c says how a CVM's kernel
command line chooses what the fake does."""
import pytest

from harness.daemon import FAKE_QEMU

CONFIG = {
    "accelerator": "tcg",
    "qemu": {"default": FAKE_QEMU},
    "timeouts": {"startSec": 10, "readySec": 10, "powerdownSec": 2, "quitSec": 2},
}


@pytest.fixture
def config():
    """A configuration that a test may change before it makes a daemon of it."""
    return {key: dict(value) if isinstance(value, dict) else value for key, value in CONFIG.items()}


@pytest.fixture
def cvmd(make_daemon, config):
    return make_daemon(config)
