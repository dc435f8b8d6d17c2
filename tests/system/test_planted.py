# SPDX-License-Identifier: Apache-2.0
"""What was put where a daemon looks: records of others, links in place of its directories, numbers
of other processes. Nothing that the daemon did not make is signalled, changed or removed."""
import json
import os
import shutil
import subprocess

import pytest

from harness import libvirt, processes
from harness.daemon import TOP
from harness.varlink import VarlinkError

SECRETS = {"env": {"TOKEN": "topsecret"}, "certs": {"key.pem": {"text": "topsecret"}}}
KEPT = TOP / "tests/records/2/runs.json"
BOOT_ID = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip()
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")


@pytest.fixture
def victim():
    """A process that is none of the daemon's; it must live to the end of the test."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    assert process.poll() is None, "it was signalled"
    process.kill()
    process.wait()


def record_of(process, **fields):
    """A record that says of the process that it is a CVM's QEMU."""
    stat = open(f"/proc/{process.pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return {**json.loads(KEPT.read_text()), "bootId": BOOT_ID, "pid": process.pid,
            "startTime": int(stat[19]), **fields}


def path_of(daemon, record):
    return daemon.state / "records" / f"{record['id']}.json"


@pytest.mark.parametrize("place", ["vms", "shares"])
def test_directories_with_an_id_of_no_cvm(cvmd, place):
    """A launch with this id fails, and does not remove what it has not made."""
    id_ = "01234567-89ab-4def-8123-456789abcdef"
    planted = cvmd.runtime / place / id_ / "file"
    planted.parent.mkdir()
    planted.write_text("kept")
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call("Launch", spec=cvmd.spec("web", **SECRETS), id=id_)
    assert f"{place}/{id_}" in str(refusal.value.fields)
    assert planted.read_text() == "kept"
    other = "shares" if place == "vms" else "vms"
    assert not (cvmd.runtime / other / id_).exists()
    assert cvmd.cvms() == []
    shutil.rmtree(planted.parent)


def restart(daemon, plant):
    daemon.kill()
    plant()
    daemon.start()


def owned_by_another(path, text):
    path.write_text(text)
    path.chmod(0o600)
    os.chown(path, 61001, 61001)


def writable_by_others(path, text):
    path.write_text(text)
    path.chmod(0o622)


def a_link(path, text):
    target = path.parent.parent / "target"
    target.write_text(text)
    target.chmod(0o600)
    path.symlink_to(target)


def a_fifo(path, text):
    os.mkfifo(path, 0o600)


def a_directory(path, text):
    path.mkdir()
    (path / "kept").write_text(text)


@needs_root
@pytest.mark.parametrize("plant", [owned_by_another, writable_by_others, a_link, a_fifo,
                                   a_directory], ids=lambda plant: plant.__name__)
def test_a_record_that_the_daemon_did_not_write(cvmd, victim, plant):
    cvmd.launch("web")
    record = record_of(victim)
    path = path_of(cvmd, record)
    restart(cvmd, lambda: plant(path, json.dumps(record)))
    assert [cvm["name"] for cvm in cvmd.cvms()] == ["web"]
    aside = path.with_name(path.name + ".bad")
    assert os.path.lexists(aside) and not os.path.lexists(path)
    if plant is a_link:
        assert (path.parent.parent / "target").read_text() == json.dumps(record)
        (path.parent.parent / "target").unlink()
    if plant is a_directory:
        (aside / "kept").unlink()
        aside.rmdir()
    else:
        aside.unlink()


def test_a_number_that_is_another_processes_now(cvmd, victim):
    """The process of a record has gone, and its number was given to another."""
    cvm = cvmd.launch("web", **SECRETS)
    path = cvmd.state / "records" / f"{cvm['id']}.json"

    def reuse():
        os.kill(cvm["pid"], 9)
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "pid": victim.pid}))
    restart(cvmd, reuse)
    processes.reap()
    assert cvmd.wait_state("web", "failed")["ending"]["reason"] in libvirt.LOST
    assert not (cvmd.runtime / "shares" / cvm["id"]).exists()


@pytest.mark.parametrize("name", ["state", "state/records", "state/consoles", "state/qemu-cache",
                                  "run", "run/vms", "run/shares"])
def test_a_link_in_place_of_a_directory(cvmd, name):
    """The daemon does not start, and says which it is."""
    cvmd.kill()
    elsewhere = cvmd.directory / "elsewhere"
    elsewhere.mkdir(mode=0o750)
    (elsewhere / "kept").write_text("kept")
    path = cvmd.directory / name
    path.rename(cvmd.directory / "aside")
    path.symlink_to(elsewhere)
    cvmd.spawn()
    assert cvmd.process.wait(15 * processes.SLOWNESS) == 1
    assert str(path) in cvmd.log(3)
    assert elsewhere.stat().st_mode & 0o777 == 0o750
    assert [entry.name for entry in elsewhere.iterdir()] == ["kept"]
    path.unlink()
    (cvmd.directory / "aside").rename(path)
    cvmd.start()


@pytest.mark.parametrize("below", ["vms", "shares"])
def test_a_link_in_place_of_a_cvms_directory(cvmd, below):
    """What the link leads to is not looked at, and not removed with the CVM."""
    cvm = cvmd.launch("web", **SECRETS)
    elsewhere = cvmd.directory / "elsewhere"
    elsewhere.mkdir()
    for file in ("qmp", "environment"):
        (elsewhere / file).write_text("kept")
    path = cvmd.runtime / below / cvm["id"]

    def replace():
        path.rename(cvmd.directory / "aside")
        path.symlink_to(elsewhere)
    restart(cvmd, replace)
    if cvmd.status("web")["state"] == "running":
        cvmd.stop("web", force=True)
    cvmd.wait_gone(cvm["pid"])
    processes.reap()
    cvmd.call("Remove", name="web")
    assert not os.path.lexists(path)
    assert {file.read_text() for file in elsewhere.iterdir()} == {"kept"}


def test_what_a_guests_share_holds_at_the_end(cvmd):
    """A hostile QEMU has put links into its own share: what they lead to stays."""
    cvm = cvmd.launch("web", **SECRETS)
    kept = cvmd.directory / "kept"
    kept.write_text("kept")
    certs = cvmd.runtime / "shares" / cvm["id"] / "certs"
    (certs / "file").symlink_to(kept)
    (certs / "directory").symlink_to(cvmd.directory)
    if os.geteuid() == 0:  # the share is its QEMU's, the file is not
        os.link(kept, certs / "hard")
    cvmd.stop("web", force=True)
    assert not (cvmd.runtime / "shares" / cvm["id"]).exists()
    assert kept.read_text() == "kept"
