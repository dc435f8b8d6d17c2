# SPDX-License-Identifier: Apache-2.0
"""The full image, booted by the machine's QEMU under TCG. GUEST_FULL names the directory that
hal/build made it in."""
import json
import os
import pathlib
import sys

import pytest

from harness.agent import GIVEN

HAL = pathlib.Path(__file__).resolve().parents[2] / "hal"
sys.path.insert(0, str(HAL))


@pytest.fixture
def config():
    return {"accelerator": "tcg", "timeouts": {"startSec": 60, "readySec": 300,
                                               "powerdownSec": 30, "quitSec": 10}}


@pytest.fixture(scope="session")
def full():
    path = os.environ.get("GUEST_FULL")
    if not path:
        pytest.skip("GUEST_FULL is not set; scripts/test --lane hal builds it")
    return pathlib.Path(path)


@pytest.fixture(scope="session")
def manifest(full):
    return json.loads((full / "manifest.json").read_text())


@pytest.fixture
def shares(tmp_path):
    """env_share, certs_share and one more; the first tries to change how programs start."""
    for name in ("env", "certs", "data"):
        (tmp_path / name).mkdir()
    given = {**GIVEN, "LD_PRELOAD": "/etc/certs/evil.so", "PATH": "/etc/certs", "GREETING": "hello"}
    (tmp_path / "env" / "environment").write_text(
        "".join(f'{name}="{value}"\n' for name, value in given.items()))
    for name in ("ca.pem", "cert.pem", "key.pem", "evil.so"):
        (tmp_path / "certs" / name).write_bytes(name.encode())
    program = tmp_path / "certs" / "sh"
    program.write_text("#!/bin/sh\necho the host ran\n")
    program.chmod(0o755)
    return [("env_share", tmp_path / "env"), ("certs_share", tmp_path / "certs"),
            ("data-1", tmp_path / "data")]
