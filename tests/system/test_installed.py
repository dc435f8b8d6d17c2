# SPDX-License-Identifier: Apache-2.0
"""The guest's files that are installed beside the daemon. The tests install what no build of the
lanes has embedded."""
import hashlib

import pytest

from harness.peer import cvmctl
from harness.varlink import VarlinkError

NAME = "firmware-sev"
SIZE = 2 << 20


@pytest.fixture(name="guest")
def fixture_guest(tmp_path):
    directory = tmp_path / "guest"
    directory.mkdir()
    (directory / NAME).write_bytes(b"\x90" * SIZE)
    return directory


def installed(daemon):
    return [one for one in daemon.call("ListArtifacts")["artifacts"]
            if one["origin"] == "installed"]


def test_a_launch_by_name(make_daemon, config, guest):
    daemon = make_daemon({**config, "guest": str(guest)})
    digest = hashlib.sha256((guest / NAME).read_bytes()).hexdigest()
    cvm = daemon.launch("web", firmware={"name": NAME})
    (one,) = installed(daemon)
    assert cvm["artifacts"]["firmware"] == one["sha256"] == digest
    assert (one["name"], one["kind"], one["size"], one["users"]) == (NAME, "firmware", SIZE, 1)
    # What is installed later is used once the daemon starts again.
    (guest / NAME).write_bytes(b"\x91" * SIZE)
    assert installed(daemon) == [one]
    daemon.discard("web")


def test_a_bad_file_is_left_out_with_a_warning(make_daemon, config, guest):
    (guest / NAME).write_bytes(b"")
    daemon = make_daemon({**config, "guest": str(guest)})
    assert "an installed file of the guest is left out" in daemon.log()
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch("web", firmware={"name": NAME})
    assert NAME in str(refusal.value.fields) and installed(daemon) == []


def test_none_installed(shared):
    done = cvmctl("--socket", shared.socket, "render", "--platform", "sev-snp")
    said = " ".join((done.err + done.out).split())
    assert "no 'igvm', neither embedded nor installed" in said and "cvmd.conf(5)" in said
