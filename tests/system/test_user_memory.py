# SPDX-License-Identifier: Apache-2.0
"""Memory beside that of CVMs: artifacts from files and secrets are counted to their user."""
import os
import re
import signal

import pytest

from harness.processes import eventually
from harness.users import ADMIN, ADMINS, ANN, BOB, USERS, by, reachable, refused

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")

MIB = 1 << 20
LIMIT = 16 * MIB


@pytest.fixture
def config(config):
    return {**config, "groups": {"users": USERS, "admins": ADMINS},
            "limits": {"artifactBytesPerUid": "16M", "secretBytesPerUid": "64K"}}


@pytest.fixture
def cvmd(cvmd):
    return reachable(cvmd)


def image(cvmd, name, size, text=b""):
    """An initramfs of which hardly anything is on disk."""
    path = cvmd.directory / name
    path.write_bytes(b"070701" + text)
    os.truncate(path, size)
    path.chmod(0o644)
    return {"path": str(path)}


def shared_memory():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"^Shmem: +(\d+) kB", file.read(), re.MULTILINE).group(1)) << 10


def kernel_size(cvmd):
    return cvmd.kernel.stat().st_size


def test_a_sparse_file_counts_whole(cvmd):
    """It is refused before it is copied, and a render refuses it as a launch does."""
    large = image(cvmd, "large", 1 << 30)
    before = shared_memory()
    error = refused(ANN, lambda: cvmd.launch("web", initramfs=large))
    assert (error.name, error.fields) == ("QuotaExceeded", {
        "name": "web", "id": error.fields["id"], "resource": "artifacts of one user",
        "limit": LIMIT, "used": kernel_size(cvmd), "wanted": 1 << 30})
    shown = by(ANN, lambda: cvmd.call("Render", spec=cvmd.spec("web", initramfs=large)))
    assert "artifacts of one user" in str(shown["missing"])
    assert shared_memory() < before + (512 << 20)
    other = image(cvmd, "other", 2 * LIMIT)
    by(ADMIN, lambda: cvmd.launch("web", initramfs=other))


def test_artifacts_of_live_ones_count(cvmd):
    files = [image(cvmd, f"f{n}", 6 * MIB, bytes([n])) for n in range(3)]
    by(ANN, lambda: cvmd.launch("n0", initramfs=files[0]))
    by(ANN, lambda: cvmd.launch("n1", initramfs=files[1]))
    error = refused(ANN, lambda: cvmd.launch("n2", initramfs=files[2]))
    assert (error.name, error.fields["used"]) == (
        "QuotaExceeded", 12 * MIB + 2 * kernel_size(cvmd))  # and the kernel that it loads
    by(BOB, lambda: cvmd.launch("bobs", initramfs=files[2]))
    cvmd.kill()
    cvmd.start()
    assert refused(ANN, lambda: cvmd.launch("n2", initramfs=files[2])).name == "QuotaExceeded"
    by(ANN, lambda: cvmd.stop("n1", force=True))
    by(ANN, lambda: cvmd.launch("n2", initramfs=files[2]))


def test_equal_bytes_count_once(cvmd):
    """What several CVMs boot from is one memory file; the last one gives it back."""
    small, large = image(cvmd, "small", 4 * MIB), image(cvmd, "large", 12 * MIB, b"x")
    for name in ("a", "b", "c", "d", "e"):
        by(ANN, lambda name=name: cvmd.launch(name, initramfs=small))
    for name in ("a", "b", "c", "d"):
        by(ANN, lambda name=name: cvmd.stop(name, force=True))
    assert refused(ANN, lambda: cvmd.launch("f", initramfs=large)).fields["used"] == (
        4 * MIB + 2 * kernel_size(cvmd))
    by(ANN, lambda: cvmd.stop("e", force=True))
    by(ANN, lambda: cvmd.launch("f", initramfs=large))


def test_a_failed_launch_gives_back(cvmd):
    bad = image(cvmd, "bad", 10 * MIB)
    for _ in range(4):
        error = refused(ANN, lambda: cvmd.launch("web", initramfs={**bad, "sha256": "0" * 64}))
        assert error.name == "ArtifactInvalid"
    by(ANN, lambda: cvmd.launch("web", initramfs=bad))


def secret(cvmd, name, size):
    path = cvmd.directory / name
    path.write_bytes(b"s" * size)
    path.chmod(0o644)
    return {"path": str(path)}


def test_secrets_count(cvmd):
    """Environment and certificates, inline and from files, in pages."""
    key = secret(cvmd, "key", 20 << 10)
    by(ANN, lambda: cvmd.launch("one", certs={"a": key, "b": {"text": "t"}}, env={"A": "b"}))
    error = refused(ANN, lambda: cvmd.launch("two", certs={"a": key, "b": key}))
    assert (error.name, error.fields["resource"], error.fields["limit"]) == (
        "QuotaExceeded", "secrets of one user", 64 << 10)
    fields = refused(ANN, lambda: cvmd.launch("two", env={"A": "b" * 40000})).fields
    assert fields == {"name": "two", "id": fields["id"], "resource": "secrets of one user",
                      "limit": 64 << 10, "used": 28 << 10, "wanted": 40 << 10}
    cvmd.kill()
    cvmd.start()
    assert refused(ANN, lambda: cvmd.launch("two", env={"A": "b" * 40000})).fields[
        "used"] == 28 << 10
    by(BOB, lambda: cvmd.launch("bobs", env={"A": "b" * 40000}))
    by(ADMIN, lambda: cvmd.launch("admins", env={"A": "b" * 80000}))
    by(ANN, lambda: cvmd.stop("one", force=True))
    by(ANN, lambda: cvmd.launch("two", env={"A": "b" * 40000}))
    eventually(lambda: len(list((cvmd.runtime / "shares").iterdir())) == 3, cvmd.log)


def test_what_an_earlier_daemon_has_loaded_is_loaded_again(cvmd):
    """A restart after the daemon's needs the bytes once, not twice."""
    own = image(cvmd, "own", 10 * MIB)
    by(ANN, lambda: cvmd.launch("web", initramfs=own, wait="ready",
                                restart={"policy": "always", "backoffSec": 1}))
    cvmd.kill()
    cvmd.start()
    os.kill(cvmd.status("web")["pid"], signal.SIGKILL)
    eventually(lambda: cvmd.status("web")["state"] in ("restarting", "failed"), cvmd.log)
    cvmd.wait_state("web", "running")
    other = image(cvmd, "other", 10 * MIB, b"x")
    assert refused(ANN, lambda: cvmd.launch("other", initramfs=other)).name == "QuotaExceeded"
    cvmd.discard("web")
    by(ANN, lambda: cvmd.launch("other", initramfs=other))
