# SPDX-License-Identifier: Apache-2.0
"""Records as daemons wrote them since the first schema (tests/records/SCHEMA/CVM.json, of CVMs that
ran, were held, had ended, …) are understood by this one: what lives goes on, unnoticed."""
import json
import os
import signal

import pytest

from harness import processes
from harness.daemon import TOP
from harness.processes import eventually
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver(
    "the records are of CVMs whose QEMU is the daemon's own child")

RECORDS = TOP / "tests/records"
SCHEMAS = sorted(path.name for path in RECORDS.iterdir())
# What is of one process, machine or caller.
FACTS = ("bootId", "pid", "startTime", "uid", "owner", "ownerGroup", "promised", "scope")


def kept(schema, name):
    return json.loads((RECORDS / schema / f"{name}.json").read_text())


def present_version():
    header = (TOP / "daemon/vm/record.h").read_text()
    return int(header.split("#define RECORD_VERSION ")[1].split()[0])


def plant(daemon, record, process=None):
    """Puts the record in place, about a process that is there now."""
    path = daemon.state / "records" / f"{record['id']}.json"
    if process:
        record = {**record, **{fact: process[fact] for fact in FACTS if fact in process
                               and fact in record}}
    path.write_text(json.dumps(record))
    path.chmod(0o600)


def written(daemon, cvm_id):
    return json.loads((daemon.state / "records" / f"{cvm_id}.json").read_text())


def test_each_schema_is_there():
    """A new schema comes with records of its own."""
    assert {kept(schema, "runs")["version"] for schema in SCHEMAS} == set(
        range(1, present_version() + 1))


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("name, paused", [("runs", False), ("held", True)])
def test_one_that_lives(cvmd, schema, name, paused):
    record = kept(schema, name)
    launched = cvmd.call("Launch", id=record["id"], paused=paused,
                         spec=cvmd.spec(name, env={"TOKEN": "secret"}))["cvm"]
    cvmd.kill()
    plant(cvmd, record, written(cvmd, record["id"]))
    cvmd.start()
    eventually(lambda: "adopted; QEMU reports" in cvmd.log(), cvmd.log)
    cvm = cvmd.status(name)
    for field in ("id", "state", "ready", "cpus", "memory", "forwards", "createdAt", "artifacts"):
        assert cvm[field] == record[field], field
    assert cvm["pid"] == launched["pid"]
    if not paused:
        assert cvmd.call("Pause", name=name)["cvm"]["state"] == "paused"
        assert written(cvmd, record["id"])["version"] == present_version()
    assert cvmd.call("Resume", name=name)["cvm"]["state"] == "running"
    assert cvmd.stop(name)["ending"]["reason"] == "stopped"
    cvmd.wait_gone(launched["pid"])
    processes.reap()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_one_that_had_ended(cvmd, schema):
    record = kept(schema, "ended")
    cvmd.kill()
    plant(cvmd, record)
    cvmd.start()
    cvm = cvmd.status("ended")
    assert (cvm["id"], cvm["state"]) == (record["id"], "failed")
    assert cvm["ending"] == record["ending"]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_one_whose_launch_was_not_done(cvmd, schema):
    record = kept(schema, "comes")
    with cvmd.client() as client:
        client.send("Launch", {"spec": cvmd.spec("comes", cmdline="fake.no-qmp"),
                               "id": record["id"]})
        cvmd.wait_state("comes", "starting")
        cvmd.kill()
    now = written(cvmd, record["id"])
    plant(cvmd, record, now)
    cvmd.start()
    assert cvmd.cvms() == []
    cvmd.wait_gone(now["pid"])
    processes.reap()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_one_of_before_the_hosts_restart(cvmd, schema):
    cvmd.kill()
    plant(cvmd, {**kept(schema, "runs"), "pid": os.getpid()})
    cvmd.start()
    cvm = cvmd.wait_state("runs", "failed", "restarting")
    assert cvm["ending"]["reason"] == "lost" and cvm.get("pid") is None


@pytest.mark.parametrize("schema", [schema for schema in SCHEMAS
                                    if (RECORDS / schema / "again.json").exists()])
def test_one_that_was_to_be_launched_again(cvmd, schema):
    record = kept(schema, "again")
    cvmd.kill()
    plant(cvmd, {**record, "bootId": open("/proc/sys/kernel/random/boot_id",
                                          encoding="ascii").read().strip()})
    cvmd.start()
    cvm = cvmd.wait_state("again", "restarting")
    assert (cvm["id"], cvm["restarts"]) == (record["id"], record["restarts"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for uids of CVMs")
@pytest.mark.parametrize("how", ["newer", "broken"])
def test_a_process_without_a_record(make_daemon, config, how):
    """Its record is set aside: it is told of, and its uid given to no other while it is there."""
    first = 1800001000 + 2 * os.getpid()  # another worker's stray would be this daemon's, too
    cvmd = make_daemon({**config, "uids": {"first": first, "last": first + 1}})
    cvm = cvmd.launch("stray", wait="ready")
    cvmd.kill()
    path = cvmd.state / "records" / f"{cvm['id']}.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "version": 99}) if how == "newer" else "{}")
    cvmd.start()
    assert f"process {cvm['pid']} runs as uid {cvm['uid']}" in cvmd.log()
    other = cvmd.launch("other")
    assert other["uid"] == first + (cvm["uid"] == first)
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("more")
    assert (refusal.value.name, refusal.value.fields["resource"]) == ("NoResources", "uid")
    os.kill(cvm["pid"], signal.SIGKILL)
    cvmd.wait_gone(cvm["pid"])
    processes.reap()
    assert cvmd.launch("more")["uid"] == cvm["uid"]
    next((cvmd.state / "records").glob(f"{cvm['id']}.json.*")).unlink()
    cvmd.kill()
    cvmd.start()
    assert cvmd.log(lines=None).count("belongs to no known CVM") == 1


def test_the_longest_environment(cvmd):
    """The record of a CVM with as many and as long names as there may be is read again."""
    env = {f"N{number:04}{'x' * 59}": "" for number in range(4096)}
    pid = cvmd.launch("web", wait="ready", env=env)["pid"]
    cvmd.kill()
    cvmd.start()
    eventually(lambda: "adopted; QEMU reports" in cvmd.log(), cvmd.log)
    assert cvmd.status("web")["pid"] == pid
    cvmd.stop("web", force=True)
    cvmd.wait_gone(pid)
    processes.reap()
