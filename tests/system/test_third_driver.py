# SPDX-License-Identifier: Apache-2.0
"""A driver that the daemon's sources do not know: tests/driver, linked into the same objects."""
import pathlib

import pytest

from harness.daemon import FAKE_QEMU
from harness.processes import children
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("it is about a third driver")


@pytest.fixture
def third(make_daemon, config):
    daemon = make_daemon(config, start=False)
    daemon.program = str(pathlib.Path(FAKE_QEMU).parent / "driver/cvmd-idle")
    return daemon.start()


def test_life(third):
    cvm = third.launch("web", driver="idle")
    assert (cvm["driver"], cvm["state"], cvm.get("pid")) == ("idle", "running", None)
    assert children(third.process.pid) == []  # no QEMU, nothing beside it
    third.cvmctl("pause", "web")
    assert third.status("web")["state"] == "paused"
    third.cvmctl("resume", "web")
    assert [(cvm["name"], cvm["state"]) for cvm in third.cvms()] == [("web", "running")]
    assert third.cvmctl("list").stdout.splitlines()[1].startswith("web")
    cvm = third.stop("web")
    assert (cvm["state"], cvm["ending"]["reason"]) == ("stopped", "stopped")


def test_beside_another_driver(third):
    third.launch("idle", driver="idle")
    third.launch("busy")
    assert {cvm["name"]: cvm["driver"] for cvm in third.cvms()} == {"busy": "qemu", "idle": "idle"}
    assert third.stop("idle", force=True)["state"] == "stopped"
    assert third.status("busy")["state"] == "running"


def test_a_daemon_that_starts_again(third):
    third.launch("web", driver="idle")
    third.kill()
    third.start()
    cvm = third.status("web")
    assert (cvm["state"], cvm["ending"]["reason"]) == ("failed", "lost")


def test_a_build_without_it(third, cvmd):
    with pytest.raises(VarlinkError) as refused:
        cvmd.launch("web", driver="idle")
    assert (refused.value.name, refused.value.fields["field"]) == ("InvalidSpec", "driver")
    assert refused.value.fields["reason"].startswith(
        "this build has no driver 'idle', only: qemu")
    with pytest.raises(VarlinkError) as refused:
        third.launch("web", driver="xen")
    assert refused.value.fields["reason"].endswith(", idle")
    render = cvmd.call("Render", spec=cvmd.spec("web", driver="idle"))
    assert "driver" in [check["name"] for check in render["missing"]]
