# SPDX-License-Identifier: Apache-2.0
"""What the daemon counts of itself: the text of Metrics, and that its numbers are right."""
import json
import os
import re
import socket
import threading
import time

import pytest

from harness import openmetrics
from harness.daemon import TOP
from harness.deaf import DeafFile
from harness.ports import port
from harness.processes import eventually
from harness.users import ADMIN, ADMINS, ANN, USERS, by, connect_by, reachable, refused
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("what is counted does not depend on the driver")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")
STATES = ["preparing", "starting", "running", "paused", "stopping", "restarting", "stopped",
          "failed"]
INTERFACE = (TOP / "src/wire/io.cvmd.Manager.varlink").read_text()


def metrics(daemon):
    return openmetrics.parse(daemon.call("Metrics")["text"])


def value(daemon, family, suffix="", **labels):
    return metrics(daemon)[family].value(suffix, **labels)


def total(daemon, family, **labels):
    return value(daemon, family, "_total", **labels)


def test_launches_and_failures(cvmd):
    for number in range(3):
        cvmd.launch(f"good{number}", wait="ready")
    with pytest.raises(VarlinkError):
        cvmd.launch("bad", cmdline="fake.exit=1")
    cvmd.stop("good1", force=True)
    found = metrics(cvmd)
    by_state = {state: found["cvmd_cvms"].value(state=state, platform="plain") for state in STATES}
    assert by_state == {**dict.fromkeys(STATES, 0), "running": 2, "stopped": 1, "failed": 1}
    assert found["cvmd_ready_cvms"].value() == 2
    launches = found["cvmd_launches"]
    assert launches.value("_total", kind="new", result="succeeded") == 3
    assert launches.value("_total", kind="new", result="failed") == 1
    assert launches.value("_total", kind="restart", result="succeeded") == 0
    failures = {dict(labels)["step"]: count
                for (_, labels), count in found["cvmd_launch_failures"].samples.items() if count}
    assert failures == {"created": 1}
    steps = found["cvmd_launch_step_duration_seconds"]
    assert steps.value("_count", step="admitted") == steps.value("_count", step="rendered") == 4
    assert steps.value("_count", step="running") == steps.value("_count", step="ready") == 3
    assert found["cvmd_launch_to_running_seconds"].value("_count") == 3
    assert found["cvmd_guest_to_ready_seconds"].value("_count") == 3
    endings = found["cvmd_endings"]
    assert endings.value("_total", reason="launch-failed") == 1
    assert sum(endings.samples.values()) == 2
    calls = found["cvmd_api_calls"]
    assert calls.value("_total", method="Launch", result="ok") == 3
    assert calls.value("_total", method="Launch", result="LaunchFailed") == 1
    assert calls.value("_total", method="Stop", result="ok") == 1
    times = found["cvmd_api_call_duration_seconds"]
    assert times.value("_count", method="Launch") == 4
    # Each step was a part of a launch, and each launch a part of its call.
    parts = sum(count for (suffix, _), count in steps.samples.items() if suffix == "_sum")
    assert 0 < parts < times.value("_sum", method="Launch")


def test_a_launch_that_nobody_wants_any_more(cvmd):
    with cvmd.client() as client:
        client.send("Launch", {"spec": cvmd.spec("web", cmdline="fake.qmp-silent")})
        cvmd.wait_state("web", "starting")
        assert value(cvmd, "cvmd_queue_working", queue="launches") == 1
    cvmd.wait_state("web", "failed")
    found = metrics(cvmd)
    assert found["cvmd_launches"].value("_total", kind="new", result="cancelled") == 1
    assert sum(found["cvmd_launch_failures"].samples.values()) == 0
    assert found["cvmd_api_calls"].value("_total", method="Launch", result="disconnected") == 1
    assert found["cvmd_queue_working"].value(queue="launches") == 0


def test_restarts(cvmd):
    cvmd.launch("web", cmdline="fake.poweroff-ms=10",
                restart={"policy": "always", "backoffSec": 1, "limit": 1})
    cvmd.wait_state("web", "failed")
    found = metrics(cvmd)
    assert found["cvmd_restarts"].value("_total") == 1
    assert found["cvmd_launches"].value("_total", kind="restart", result="succeeded") == 1
    assert found["cvmd_endings"].value("_total", reason="power-off") == 2
    assert found["cvmd_cvms"].value(state="failed", platform="plain") == 1


def test_refusals(make_daemon, config):
    cvmd = make_daemon({**config, "limits": {"cvms": 2}})

    def refuse(name, **fields):
        with pytest.raises(VarlinkError) as refusal:
            cvmd.launch(name, **fields)
        return refusal.value.name, refusal.value.fields["resource"]

    forward = {"hostPort": port(0), "guestPort": 80}
    with socket.create_server(("127.0.0.1", port(0))):
        assert refuse("web", forwards=[forward]) == ("NoResources", "port")
    assert refuse("web", memory="60000000M") == ("NoResources", "memory")
    cvmd.launch("one", forwards=[])
    cvmd.launch("two", forwards=[])
    assert refuse("web") == refuse("web") == ("QuotaExceeded", "CVMs of this daemon")
    with cvmd.client() as client:  # before it is a call
        client.send_raw(b'{"method":"io.cvmd.Manager.Status","parameters":{"name":"'
                        + b"x" * 20000 + b'"}}\0')
        with pytest.raises(VarlinkError):
            client.receive()
    found = {tuple(dict(labels).values()): count
             for (_, labels), count in metrics(cvmd)["cvmd_refusals"].samples.items() if count}
    assert found == {("NoResources", "port"): 1, ("NoResources", "memory"): 1,
                     ("QuotaExceeded", "CVMs of this daemon"): 2,
                     ("QuotaExceeded", "message (bytes)"): 1}
    assert value(cvmd, "cvmd_cvms_limit") == 2
    launches = metrics(cvmd)["cvmd_launches"]  # of those that were admitted
    assert sum(launches.samples.values()) == 2


def test_every_resource_of_the_interface_is_counted_by_its_name(shared):
    """A resource that is added to the interface is added to the metrics."""
    comment = re.search(r"((?:^# .*\n)+)error NoResources", INTERFACE, re.MULTILINE)[1]
    listed = re.search(r"resource: (.*?)\. holders", comment.replace("\n#", ""), re.DOTALL)[1]
    names = {re.sub(r"[ :].*", "", name) for name in listed.split(", ")}
    counted = {dict(labels)["resource"] for (_, labels) in metrics(shared)["cvmd_refusals"].samples
               if dict(labels)["error"] == "NoResources"}
    assert len(names) > 10 and counted == names | {"other"}


def test_calls_and_their_results(cvmd):
    for _ in range(5):
        cvmd.call("List")
    for method, parameters in (("Status", {"name": "nope"}), ("Status", {"name": 1}),
                               ("Watch", {}), ("NoSuchMethod", {}), ("io.cvmd.Other.Thing", {})):
        with pytest.raises(VarlinkError):
            cvmd.call(method, **parameters)
    with cvmd.client() as client:
        client.call_more("Watch", snapshot=True)
    calls = metrics(cvmd)["cvmd_api_calls"]
    found = {tuple(dict(labels)[key] for key in ("method", "result")): count
             for (_, labels), count in calls.samples.items() if count}
    assert found.pop(("org.varlink.service", "ok")) > 0
    assert found.pop(("ListArtifacts", "ok")) == 1  # by the test's daemon itself
    assert found == {
        ("List", "ok"): 5, ("Status", "NoSuchCvm"): 1, ("Status", "InvalidParameter"): 1,
        ("Watch", "ExpectedMore"): 1, ("Watch", "disconnected"): 1,
        ("unknown", "MethodNotFound"): 1, ("unknown", "InterfaceNotFound"): 1}
    assert total(cvmd, "cvmd_api_calls", method="Metrics", result="ok") == 1
    methods = re.findall(r"^method (\w+)", INTERFACE, re.MULTILINE)
    assert {dict(labels)["method"] for _, labels in calls.samples} == {
        *methods, "org.varlink.service", "unknown"}


def test_latencies(cvmd):
    """A Wait that takes a while is in the bucket of that while."""
    cvmd.launch("web")
    started = time.monotonic()
    with pytest.raises(VarlinkError):
        cvmd.call("Wait", name="web", timeoutSec=1)
    took = time.monotonic() - started
    times = metrics(cvmd)["cvmd_api_call_duration_seconds"]
    assert times.value("_bucket", method="Wait", le="0.5") == 0
    assert times.value("_bucket", method="Wait", le="+Inf") == 1
    assert 1 <= times.value("_sum", method="Wait") <= took


def test_events(cvmd):
    before = metrics(cvmd)["cvmd_events"]
    cvmd.launch("web", wait="ready", cmdline='fake.status="fine"')
    cvmd.stop("web", force=True)
    cvmd.call("Remove", name="web")
    with cvmd.client() as client:
        listed = client.call("List")["sequence"]
        seen = [reply["event"]["kind"]
                for reply in client.take(listed - 1, "Watch", fromSequence=1)]
    after = metrics(cvmd)["cvmd_events"]
    grown = {dict(labels)["kind"]: after.samples[key] - count
             for key, count in before.samples.items() for labels in [key[1]]
             if after.samples[key] != count}
    assert grown == {kind: seen.count(kind) for kind in seen} and "state" in grown


def test_memory(cvmd):
    empty = metrics(cvmd)
    assert empty["cvmd_memory_promised_bytes"].value() == 0
    assert empty["cvmd_memory_used_bytes"].value() == 0
    pids = [cvmd.launch(name, memory="64M", wait="ready")["pid"] for name in ("one", "two")]
    found = metrics(cvmd)
    promised = found["cvmd_memory_promised_bytes"].value()
    assert 2 * (64 << 20) <= promised < 2 * (1 << 30)
    resident = sum(int(open(f"/proc/{pid}/statm", encoding="ascii").read().split()[1])
                   for pid in pids) * os.sysconf("SC_PAGESIZE")
    assert found["cvmd_memory_used_bytes"].value() == pytest.approx(resident, rel=0.2)
    with open("/proc/meminfo", encoding="ascii") as file:
        available = int(re.search(r"MemAvailable:\s+(\d+)", file.read())[1]) << 10
    left = found["cvmd_memory_available_bytes"].value()
    assert left == pytest.approx(available - promised + resident, rel=0.2)
    cvmd.stop("one", force=True)
    assert value(cvmd, "cvmd_memory_promised_bytes") == promised / 2


def test_the_daemon_itself(cvmd):
    pid = cvmd.process.pid
    found = metrics(cvmd)
    version = cvmd.call("org.varlink.service.GetInfo")["version"]
    assert found["cvmd_build"].value("_info", version=version) == 1
    assert abs(found["cvmd_start_time_seconds"].value() - time.time()) < 60
    assert found["cvmd_open_fds"].value() == pytest.approx(
        len(os.listdir(f"/proc/{pid}/fd")), abs=3)
    assert found["cvmd_threads"].value() == len(os.listdir(f"/proc/{pid}/task"))
    assert found["cvmd_max_fds"].value() > 1000
    assert found["cvmd_resident_memory_bytes"].value() > 1 << 20
    assert 0 < found["cvmd_cpu_seconds"].value("_total") < 60
    with cvmd.client(), cvmd.client():
        assert value(cvmd, "cvmd_api_connections") == 3
    assert value(cvmd, "cvmd_api_connections_limit") == 4096


def test_a_new_daemon_begins_at_zero(cvmd):
    cvmd.launch("web")
    before = metrics(cvmd)
    assert before["cvmd_launches"].value("_total", kind="new", result="succeeded") == 1
    cvmd.terminate()
    cvmd.start()
    after = metrics(cvmd)
    assert after["cvmd_start_time_seconds"].value() > before["cvmd_start_time_seconds"].value()
    assert after["cvmd_launches"].value("_total", kind="new", result="succeeded") == 0
    assert after["cvmd_cvms"].value(state="running", platform="plain") == 1


def series(families):
    """All series but those of calls, of which results come as they occur."""
    return {(name, *key) for name, family in families.items() if name != "cvmd_api_calls"
            for key in family.samples}


def test_nothing_that_a_user_chooses_is_a_label(cvmd):
    """The text has as many series as before, whatever CVMs are called and labelled."""
    before = series(metrics(cvmd))
    word = "odd-word"
    cvmd.launch(word, wait="ready", labels={word: word}, env={word.replace("-", "_"): word},
                cmdline=f"{word} fake.status={word}")
    taken = {"hostPort": cvmd.status(word)["forwards"][0]["hostPort"], "guestPort": 1}
    for name, fields in ((word, {}), ("b", {"forwards": [taken]}), ("c", {"platform": word}),
                         ("d", {"disks": [{"id": word, "path": f"/{word}"}]}),
                         ("e", {"kernel": {"path": f"/{word}"}})):
        with pytest.raises(VarlinkError):
            cvmd.launch(name, **fields)
    for method in (word, f"io.cvmd.Manager.{word}", f"{word}.Method"):
        with pytest.raises(VarlinkError):
            cvmd.call(method)
    text = cvmd.call("Metrics")["text"]
    assert word not in text
    assert series(openmetrics.parse(text)) == before


def test_the_pages_list_is_the_live_one(shared):
    page = re.sub(r"\\(.)", r"\1", (TOP / "man/cvmd.8.scd").read_text())
    section = page[page.index("\n# METRICS"):]
    section = section[:section.index("\n# ", 3)]
    listed = dict(re.findall(r"^\*(cvmd_\w+)\*(.*)$", section, re.MULTILINE))
    there = {}
    for family in metrics(shared).values():
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.kind, "")
        labels = {label for _, pairs in family.samples for label, _ in pairs} - {"le"}
        there[name] = (family.kind, labels)
    assert len(there) > 20 and set(listed) == set(there)
    for name, (kind, labels) in there.items():
        assert set(re.findall(r"_(\w+)_", listed[name])) == labels, name
        assert kind in listed[name], name


def test_the_older_format(shared):
    """The same samples, in the words of Prometheus's own format."""
    new = shared.call("Metrics", format="openmetrics")["text"]
    old = shared.call("Metrics", format="prometheus")["text"]

    def shape(text):
        return [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]

    assert [line for line in shape(old) if "method=" not in line] == [
        line for line in shape(new) if "method=" not in line]
    assert "# EOF" not in old and "# UNIT" not in old
    assert "# TYPE cvmd_restarts_total counter\n" in old
    assert "# TYPE cvmd_build_info gauge\n" in old
    with pytest.raises(VarlinkError) as refusal:
        shared.call("Metrics", format="xml")
    assert refusal.value.fields == {"parameter": "format",
                                    "reason": "must be openmetrics or prometheus"}


@ROOT
def test_only_administrators(make_daemon, config):
    cvmd = reachable(make_daemon({**config, "groups": {"users": USERS, "admins": ADMINS}}))
    refusal = refused(ANN, lambda: cvmd.call("Metrics"))
    assert refusal.name == "org.varlink.service.PermissionDenied"
    assert by(ADMIN, lambda: metrics(cvmd))["cvmd_api_calls"].value(
        "_total", method="Metrics", result="PermissionDenied") == 1


# cvmctl


def test_cvmctl(shared):
    openmetrics.parse(shared.cvmctl("metrics").stdout)
    assert "# EOF" not in shared.cvmctl("metrics", "--format", "prometheus").stdout
    openmetrics.parse(json.loads(shared.cvmctl("metrics", "--json").stdout)["text"])


def test_a_file_is_replaced_at_once(cvmd):
    """Who reads it meanwhile never finds a part of it, nor a file of another name for metrics."""
    directory = cvmd.directory / "textfile"
    directory.mkdir()
    path = directory / "cvmd.prom"
    cvmd.cvmctl("metrics", "--output", path)
    kept = path.open()  # so that no other file gets its inode
    first = os.fstat(kept.fileno())
    assert first.st_mode & 0o777 == 0o644
    done = threading.Event()
    found = []

    def read():
        while not done.is_set():
            found.append(set(directory.glob("*.prom")) == {path}
                         and path.read_text().endswith("\n# EOF\n"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            cvmd.cvmctl("metrics", "--output", path, umask=0o077)
    finally:
        done.set()
        reader.join()
        kept.close()
    assert found and all(found)
    assert path.stat().st_mode & 0o777 == 0o644 and path.stat().st_ino != first.st_ino
    assert os.listdir(directory) == ["cvmd.prom"]
    before = path.read_text()
    cvmd.terminate()
    refusal = cvmd.cvmctl("metrics", "--output", path, check=False)
    assert refusal.returncode == 69 and path.read_text() == before
    cvmd.start()
    path.unlink()
    path.symlink_to(directory / "elsewhere")  # a link is not replaced
    assert cvmd.cvmctl("metrics", "--output", path, check=False).returncode == 65
    assert path.is_symlink() and not path.exists()


# Queues


@ROOT
def test_queues_of_files(make_daemon, config):
    """Of one user's launches whose files never answer, eight are being read."""
    cvmd = reachable(make_daemon({**config, "groups": {"users": USERS}}))
    with DeafFile(cvmd.directory / "there") as deaf:
        spec = {"kernel": {"path": str(deaf.path)}}
        clients = [connect_by(ANN, cvmd.client) for _ in range(10)]
        for number, client in enumerate(clients):
            client.send("Launch", {"spec": cvmd.spec(f"n{number}", **spec)})
        eventually(lambda: len(cvmd.cvms()) == 10, cvmd.log)
        found = metrics(cvmd)
        assert found["cvmd_queue_working"].value(queue="files") == 8
        assert found["cvmd_queue_waiting"].value(queue="files") == 2
        assert found["cvmd_queue_working"].value(queue="launches") == 10
        assert found["cvmd_cvms"].value(state="preparing", platform="plain") == 10
        for client in clients:
            client.close()
    eventually(lambda: not cvmd.cvms(), cvmd.log)


def test_a_template_of_the_name_for_others(make_daemon, config, tmp_path):
    """There is one sample for it and for platforms that have no template any more."""
    templates = tmp_path / "templates"
    templates.mkdir()
    plain = json.loads((TOP / "templates" / "plain.json").read_text())
    for name in "other", "passing":
        (templates / f"{name}.json").write_text(json.dumps({**plain, "name": name}))
    config["templates"] = str(templates)
    cvmd = make_daemon(config)
    cvmd.launch("web", platform="other")
    cvmd.launch("two", platform="passing")
    for name in "web", "two":
        cvmd.stop(name, force=True)
    assert value(cvmd, "cvmd_cvms", state="stopped", platform="other") == 1
    assert cvmd.terminate() == 0
    (templates / "passing.json").unlink()
    cvmd.start()
    assert value(cvmd, "cvmd_cvms", state="stopped", platform="other") == 2


def test_queue_of_commits(make_daemon, config, tmp_path):
    cvmd = make_daemon(config, start=False)
    (tmp_path / "disk").write_text("0")
    (tmp_path / "synced").write_text("")
    cvmd.preload("libslow-fsync.so", SLOW_FSYNC=str(tmp_path / "disk"),
                 FSYNC_LOG=str(tmp_path / "synced"))
    cvmd.start()
    cvmd.launch("web")
    (tmp_path / "disk").write_text("300")
    with cvmd.client() as client:
        client.send("Pause", {"name": "web"})
        eventually(lambda: cvmd.status("web")["state"] == "paused", cvmd.log)
        assert value(cvmd, "cvmd_queue_working", queue="commits") == 1
        client.receive()
    (tmp_path / "disk").write_text("0")
    eventually(lambda: value(cvmd, "cvmd_queue_working", queue="commits") == 0, cvmd.log)
