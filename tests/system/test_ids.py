# SPDX-License-Identifier: Apache-2.0
"""Ids: a launch that is repeated with its id is the same launch or is refused, and a call with an
id is about that CVM and never about its successor."""
import json

import pytest

from harness import libvirt
from harness.varlink import VarlinkError

ID = "01234567-89ab-4def-8123-456789abcdef"
OTHER = "01234567-89ab-4def-8123-456789abcdee"
METHODS = ["Status", "Stop", "Pause", "Resume", "Remove", "Measure", "Timeline", "Logs"]


def launch(daemon, name="web", **fields):
    return daemon.call("Launch", spec=daemon.spec(name, **fields), id=ID)["cvm"]


def error_of(call, *args, **named):
    with pytest.raises(VarlinkError) as refusal:
        call(*args, **named)
    return refusal.value


def refused(call, *args, **named):
    error = error_of(call, *args, **named)
    return error.name, error.fields


@pytest.mark.parametrize("end", [None, "terminate", "kill"])
def test_a_launch_may_be_repeated(cvmd, end):
    """Also by another daemon, and when the CVM has ended."""
    fields = {"env": {"TOKEN": "secret"}, "certs": {"key.pem": {"text": "hidden"}}}
    pid = libvirt.with_pid(launch(cvmd, **fields))["pid"]
    if end:
        getattr(cvmd, end)()
        cvmd.start()
    again = libvirt.with_pid(launch(cvmd, **fields))
    assert (again["id"], again["pid"]) == (ID, pid)
    assert libvirt.with_pid(launch(cvmd, **fields, gpus=None))["pid"] == pid
    cvmd.stop("web", force=True)
    assert launch(cvmd, **fields) == cvmd.status("web")
    cvmd.call("Remove", name="web")
    assert launch(cvmd, **fields)["state"] == "running"


@pytest.mark.parametrize("field, fields", [
    ("memory", {"memory": "128M"}), ("cmdline", {"cmdline": "quiet"}),
    ("env", {"env": {"TOKEN": "other"}}), ("certs", {"certs": {"key.pem": {"text": "x"}}}),
    ("env", {"env": None}), ("cpus", {"cpus": None}), ("name", {"name": "other"}),
    ("labels", {"labels": {"a": "b"}}), ("restart", {"restart": {"policy": "no"}}),
])
def test_another_spec_is_refused(cvmd, field, fields):
    """Secrets count, and so does what the first one had and the second has not."""
    given = {"name": "web", "env": {"TOKEN": "secret"}, "certs": {"key.pem": {"text": "hidden"}}}
    first = launch(cvmd, **given)
    mismatch = ("IdempotencyMismatch", {"id": ID, "field": field, "name": "web"})
    assert refused(launch, cvmd, **{**given, **fields}) == mismatch
    cvmd.stop("web", force=True)
    assert refused(launch, cvmd, **{**given, **fields}) == mismatch
    assert [cvm["id"] for cvm in cvmd.cvms()] == [first["id"]]


def test_a_secret_is_not_to_be_found_out(cvmd):
    """A record has digests under a key that nobody but the daemon can read."""
    for name, id_ in (("a", ID), ("b", OTHER)):
        cvmd.call("Launch", spec=cvmd.spec(name, env={"PIN": "1234"}), id=id_)
    records = [json.loads((cvmd.state / "records" / f"{id_}.json").read_text())["request"]
               for id_ in (ID, OTHER)]
    key = (cvmd.state / "key")
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32
    assert records[0]["name"] != records[1]["name"]
    for text in ("PIN", "1234"):
        assert text not in json.dumps(records)


@pytest.mark.parametrize("suffix, content", [("newer", {"version": 99}), ("bad", None)])
def test_the_id_of_a_cvm_that_is_set_aside(cvmd, suffix, content):
    """Such a CVM may run, and a later daemon knows it: nothing of it is touched."""
    pid = libvirt.with_pid(launch(cvmd, env={"TOKEN": "secret"}))["pid"]
    cvmd.kill()
    path = cvmd.state / "records" / f"{ID}.json"
    text = path.read_text()
    path.write_text(json.dumps({**json.loads(text), **content}) if content else "{}")
    cvmd.start()
    kept = [cvmd.state / "records" / f"{ID}.json.{suffix}", cvmd.state / "consoles" / f"{ID}.log"]
    if suffix == "newer":
        kept += [cvmd.runtime / "vms" / ID, cvmd.runtime / "shares" / ID / "env" / "environment"]
    inodes = [entry.stat().st_ino for entry in kept]
    assert refused(launch, cvmd) == ("CvmExists", {"name": ID, "anothers": True})
    assert [entry.stat().st_ino for entry in kept] == inodes
    assert cvmd.launch("other")["state"] == "running"
    cvmd.kill()
    kept[0].unlink()
    path.write_text(text)
    cvmd.start()
    cvm = libvirt.with_pid(cvmd.status("web"))
    assert (cvm["id"], cvm["pid"], cvm["state"]) == (ID, pid, "running")


def test_an_id_that_the_daemon_made(cvmd):
    made = cvmd.launch("web")["id"]
    assert cvmd.call("Launch", spec=cvmd.spec("web"), id=made)["cvm"]["id"] == made
    assert refused(cvmd.call, "Launch", spec=cvmd.spec("other"), id=made) == (
        "IdempotencyMismatch", {"id": made, "field": "name", "name": "web"})


def test_each_method_by_id(cvmd):
    launch(cvmd)
    cvmd.launch("other")
    assert cvmd.call("Status", id=ID)["cvm"]["name"] == "web"
    assert cvmd.call("Pause", id=ID)["cvm"]["state"] == "paused"
    assert cvmd.call("Resume", id=ID, name="web")["cvm"]["state"] == "running"
    assert "data" in cvmd.call("Logs", id=ID)
    assert "registers" in cvmd.call("Measure", id=ID)["measurement"]
    with cvmd.client() as client:
        client.upgrade("Console", id=ID)
    assert cvmd.call("Stop", id=ID, force=True)["cvm"]["name"] == "web"
    cvmd.call("Remove", id=ID)
    assert [cvm["name"] for cvm in cvmd.cvms()] == ["other"]


@pytest.mark.parametrize("method", METHODS)
def test_never_the_successor(cvmd, method):
    launch(cvmd)
    cvmd.stop("web", force=True)
    cvmd.launch("web")  # of the same name, by another id
    for given in ({"name": "web", "id": ID}, {"id": ID}, {"name": "other", "id": ID}):
        assert refused(cvmd.call, method, **given) == ("NoSuchCvm", given)
    assert cvmd.status("web")["state"] == "running"


@pytest.mark.parametrize("method", METHODS)
def test_neither_name_nor_id(cvmd, method):
    assert error_of(cvmd.call, method).bad_parameter() == "name"
    assert error_of(cvmd.call, method, id="web").bad_parameter() == "id"


def test_many_ids(make_daemon, config):
    """Each is found among the others, in whatever order they come and go."""
    cvmd = make_daemon({**config, "limits": {"endedPerUid": 100}})
    ids = [f"{(number * 7919) % 251:08x}-89ab-4def-8123-456789abcdef" for number in range(40)]
    for number, id_ in enumerate(ids):
        cvmd.call("Launch", spec=cvmd.spec(f"web{number}", cmdline="fake.poweroff-ms=1"), id=id_)
    for number, id_ in list(enumerate(ids))[::3]:
        cvmd.wait_state(f"web{number}", "stopped")
        cvmd.call("Remove", id=id_)
    for number, id_ in enumerate(ids):
        if number % 3:
            assert cvmd.call("Status", id=id_)["cvm"]["name"] == f"web{number}"
        else:
            assert refused(cvmd.call, "Status", id=id_)[0] == "NoSuchCvm"


def test_cvmctl_says_what_differs(cvmd):
    spec = cvmd.directory / "web.json"
    spec.write_text(json.dumps(cvmd.spec("web")))
    cvmd.cvmctl("launch", "--file", spec, "--id", ID)
    assert cvmd.cvmctl("launch", "--file", spec, "--id", ID).returncode == 0
    done = cvmd.cvmctl("launch", "--file", spec, "--id", ID, "--memory", "128M", check=False)
    assert done.returncode == 73
    assert "'memory' differs" in done.stderr


def test_cvmctl_accepts_ids_and_their_beginnings(cvmd):
    launch(cvmd)
    cvmd.call("Launch", spec=cvmd.spec("db"), id="fedcba98-89ab-4def-8123-456789abcdef")
    shown = cvmd.cvmctl("status", ID[:8], "db", "fedcba98-8", "--json").stdout.splitlines()
    assert [json.loads(line)["name"] for line in shown] == ["web", "db", "db"]
    assert cvmd.cvmctl("stop", ID[:8], "--force").stdout == "web: stopped\n"
    assert cvmd.cvmctl("remove", ID).stdout == "web: removed\n"
    assert [cvm["name"] for cvm in cvmd.call("List")["cvms"]] == ["db"]


@pytest.mark.parametrize("verb", [["stop"], ["stop", "--own"], ["pause"], ["restart"]])
def test_cvmctl_does_nothing_if_a_beginning_is_ambiguous(cvmd, verb):
    for name, id_ in (("a", ID), ("b", OTHER)):
        cvmd.call("Launch", spec=cvmd.spec(name), id=id_)
    pid = libvirt.with_pid(cvmd.launch("db"))["pid"]
    done = cvmd.cvmctl(*verb, "db", ID[:8], "b", check=False)
    assert (done.returncode, done.stdout) == (64, "")
    assert f"'{ID[:8]}' is the beginning of the ids of " in done.stderr
    assert {cvm["state"] for cvm in cvmd.cvms()} == {"running"}
    assert libvirt.with_pid(cvmd.status("db"))["pid"] == pid


def test_cvmctl_takes_a_whole_id_before_a_name(cvmd):
    launch(cvmd, "web")
    cvmd.launch(ID)
    cvmd.launch(OTHER)
    assert cvmd.cvmctl("pause", ID, OTHER).stdout == f"web: paused\n{OTHER}: paused\n"
    assert json.loads(cvmd.cvmctl("status", ID, "--json").stdout)["name"] == "web"
    assert cvmd.cvmctl("stop", "--own", "--force", ID).stdout == "web: stopped\n"
    assert cvmd.cvmctl("remove", ID).stdout == "web: removed\n"
    assert cvmd.status(ID)["state"] == "running"
