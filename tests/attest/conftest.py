# SPDX-License-Identifier: Apache-2.0
"""What attests a CVM, and what judges it; scripts/test --lane attest."""
import hashlib

import pytest

from harness import evidence, tpm


@pytest.fixture(name="device", scope="session")
def running_tpm(tmp_path_factory):
    """A TPM whose PCRs 4 and 9 are as a kernel, a command line and an initramfs leave them."""
    with tpm.Tpm(tmp_path_factory.mktemp("tpm")) as device:
        for pcr, data in ((4, b"kernel"), (9, b"command line"), (9, b"initramfs")):
            device.extend(pcr, {bank: make(data).digest() for bank, make in tpm.HASHES.items()})
        yield device


@pytest.fixture(name="session", scope="session")
def one_session():
    return evidence.Session()


@pytest.fixture(name="part", scope="session")
def tpm_part(device, session):
    return evidence.tpm_part(device, session)


@pytest.fixture(name="authority", scope="session")
def one_authority():
    return evidence.Authority()


@pytest.fixture(name="platform", scope="session")
def one_platform(authority):
    return evidence.Platform(authority)


@pytest.fixture(name="root", scope="session")
def root_file(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("root") / "root.pem"
    path.write_bytes(authority.pem())
    return path


def extended(make, *parts):
    value = bytes(make().digest_size)
    for part in parts:
        value = make(value + make(part).digest()).digest()
    return value.hex()


@pytest.fixture(name="registers", scope="session")
def expected_registers():
    """As `cvmctl measure --json` has them."""
    return [{"name": f"PCR{pcr}", "algorithm": name, "state": "value",
             "value": extended(make, *parts)}
            for name, make in (("sha256", hashlib.sha256), ("sha384", hashlib.sha384))
            for pcr, parts in ((4, [b"kernel"]), (9, [b"command line", b"initramfs"]))]
