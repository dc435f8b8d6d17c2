# SPDX-License-Identifier: Apache-2.0
"""The guest's files that are installed beside a daemon in which none is embedded."""
import hashlib

import pytest

from harness import artifacts
from harness.peer import cvmctl
from harness.varlink import VarlinkError


@pytest.fixture(name="guest")
def fixture_guest(tmp_path):
    directory = tmp_path / "guest"
    directory.mkdir()
    artifacts.kernel(directory / "kernel")
    artifacts.initramfs(directory / "initramfs")
    return directory


def test_a_launch_without_files(make_daemon, config, guest):
    daemon = make_daemon({**config, "guest": str(guest)})
    cvm = daemon.launch("web", kernel=None, initramfs=None)
    listed = {one["name"]: one for one in daemon.call("ListArtifacts")["artifacts"]}
    assert {name: one["origin"] for name, one in listed.items()} == {
        "kernel": "installed", "initramfs": "installed"}
    digest = hashlib.sha256((guest / "kernel").read_bytes()).hexdigest()
    assert listed["kernel"]["sha256"] == cvm["artifacts"]["kernel"] == digest
    # What is installed later is used once the daemon starts again.
    artifacts.kernel(guest / "kernel", fill=b"\x91")
    assert {one["sha256"] for one in daemon.call("ListArtifacts")["artifacts"]} >= {digest}
    daemon.discard("web")


def test_a_bad_file_is_left_out_with_a_warning(make_daemon, config, guest):
    (guest / "kernel").write_bytes(b"not a kernel")
    daemon = make_daemon({**config, "guest": str(guest)})
    assert "an installed file of the guest is left out" in daemon.log()
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch("web", kernel=None)
    assert "kernel" in str(refusal.value.fields)


def test_none_installed(shared):
    done = cvmctl("--socket", shared.socket, "launch", "web", "--platform", "plain")
    assert done.code != 0 and "neither embedded nor installed" in " ".join(done.err.split())
    assert "cvmd.conf(5)" in done.err
