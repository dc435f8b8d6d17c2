# SPDX-License-Identifier: Apache-2.0
"""Records on a disk that is slow, fails or was torn by a crash of the host."""
import base64
import os
import signal
import subprocess
import threading
import time

import pytest

from harness import processes
from harness.processes import SLOWNESS, descriptors, eventually, has_ended
from harness.users import ADMINS, ANN, BOB, USERS, by, reachable
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("records are the daemon's own")
SLOW = 1000  # milliseconds a fsync


@pytest.fixture
def cvmd(make_daemon, config, tmp_path):
    daemon = make_daemon(config, start=False)
    daemon.disk = tmp_path / "disk"
    daemon.disk.write_text("0")
    daemon.synced = tmp_path / "synced"
    daemon.synced.write_text("")
    daemon.preload("libslow-fsync.so", SLOW_FSYNC=str(daemon.disk), FSYNC_LOG=str(daemon.synced))
    return daemon.start()


def record_of(cvmd, name):
    return cvmd.state / "records" / f"{cvmd.status(name)['id']}.json"


def kept(cvmd):
    return [path for path in (cvmd.state / "records").iterdir() if path.name.startswith(".")]


def in_background(action):
    """Runs it; what it returns once joined is in the list."""
    results = []
    thread = threading.Thread(target=lambda: results.append(action()))
    thread.start()
    return thread, results


def test_others_do_not_wait(cvmd):
    """A stop is answered once it is on disk; meanwhile others are, and a later daemon knows."""
    cvmd.launch("web")
    cvmd.launch("other")
    cvmd.disk.write_text(str(SLOW))
    begin = time.monotonic()
    stop, stopped = in_background(lambda: cvmd.stop("web", force=True))
    eventually(lambda: cvmd.status("web")["state"] == "stopped", cvmd.log)
    seen = time.monotonic() - begin
    for _ in range(20):
        cvmd.status("other")
    assert time.monotonic() - begin < SLOW / 1000, f"seen after {seen} s"
    assert not stopped
    assert b'"stopped"' in record_of(cvmd, "web").read_bytes() and kept(cvmd)
    stop.join()
    assert stopped[0]["state"] == "stopped" and time.monotonic() - begin >= SLOW / 1000
    cvmd.disk.write_text("0")
    eventually(lambda: not kept(cvmd), lambda: kept(cvmd))


def test_nothing_of_a_client_that_left_waits(cvmd):
    """Its descriptors are closed at once, not once its answer could be given."""
    def sent():
        return [name for name in descriptors(cvmd.process.pid).values() if "left-behind" in name]

    cvmd.launch("web")
    cvmd.disk.write_text(str(5 * SLOW))
    begin = time.monotonic()
    memory = os.memfd_create("left-behind")
    client = cvmd.client()
    client.send("Stop", {"name": "web", "force": True}, fds=[memory] * 8)
    os.close(memory)
    eventually(lambda: cvmd.status("web")["state"] == "stopped", cvmd.log)
    assert len(sent()) == 8
    client.close()
    eventually(lambda: not sent(), sent, seconds=3)
    assert time.monotonic() - begin < 5 * SLOW / 1000
    cvmd.disk.write_text("0")
    eventually(lambda: not kept(cvmd), lambda: kept(cvmd))


def test_many_are_committed_together(cvmd):
    """Each launch has three records; one by one, each would sync the directory, too."""
    cvmd.disk.write_text("100")
    cvmd.synced.write_text("")
    launches = [in_background(lambda name=name: cvmd.launch(f"web{name}"))[0]
                for name in range(16)]
    for launch in launches:
        launch.join()
    cvmd.disk.write_text("0")
    assert len(cvmd.cvms()) == 16
    assert cvmd.synced.read_text().count("d") < 16 < cvmd.synced.read_text().count("f")


def test_a_disk_that_fails(cvmd):
    """As before a launch whose record does not get to the disk is undone."""
    cvmd.launch("other")
    cvmd.disk.write_text("error")
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web")
    assert refusal.value.name == "SystemError"
    assert "record" in refusal.value.fields["operation"]
    eventually(lambda: [cvm["name"] for cvm in cvmd.cvms()] == ["other"], cvmd.log)
    cvmd.disk.write_text("0")
    cvmd.launch("web")


def begin_launch(cvmd, **parameters):
    """A launch of a guest that is ready; its answer waits for the disk. The client and the pid."""
    client = cvmd.client()
    client.send("Launch", {"spec": cvmd.spec("web", cmdline="fake.ready-ms=3000",
                                               remove="failed-launch",
                                               timeouts={"startSec": int(6 * SLOWNESS)}),
                           "wait": "ready", **parameters})
    eventually(lambda: cvmd.cvms() and cvmd.status("web")["state"] == "running" and not kept(cvmd),
               cvmd.log)
    cvmd.disk.write_text(str(int(12 * SLOW * SLOWNESS)))
    eventually(lambda: cvmd.status("web")["ready"], cvmd.log)
    return client, cvmd.status("web")["pid"]


def assert_undone(cvmd, pid):
    def committed():
        return [name for name in descriptors(cvmd.process.pid).values() if "/records/" in name]

    eventually(lambda: not cvmd.cvms() and has_ended(pid), cvmd.log)
    assert not list((cvmd.state / "records").glob("*.json"))
    assert committed()  # the disk has not let it go yet
    cvmd.disk.write_text("0")
    eventually(lambda: not committed(), committed, seconds=30)


def test_who_leaves_before_the_answer_leaves_nothing(cvmd):
    client, pid = begin_launch(cvmd)
    client.close()
    assert_undone(cvmd, pid)


@pytest.mark.parametrize("given", [{}, {"timeoutSec": int(9 * SLOWNESS)}],
                         ids=["startSec", "timeoutSec"])
def test_an_answer_waits_for_a_limited_time(cvmd, given):
    client, pid = begin_launch(cvmd, **given)
    with client, pytest.raises(VarlinkError) as refusal:
        client.receive()
    assert refusal.value.name == "Timeout" and refusal.value.fields["stage"] == "answered"
    assert_undone(cvmd, pid)


def test_an_ending_before_the_answer(cvmd):
    """It is kept, and the caller learns that the guest was ready."""
    client, pid = begin_launch(cvmd)
    cvmd.disk.write_text("0")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: cvmd.status("web")["state"] == "failed", cvmd.log)
    with client:
        assert client.receive()[0]["cvm"]["ready"]
    assert cvmd.status("web")["ending"]["reason"] == "qemu-signal"


def test_going_down_waits(cvmd):
    cvmd.launch("web")
    cvmd.disk.write_text(str(SLOW))
    stop, _ = in_background(lambda: cvmd.stop("web", force=True))
    eventually(lambda: cvmd.status("web")["state"] == "stopped", cvmd.log)
    cvmd.terminate()
    stop.join()
    assert not kept(cvmd)
    cvmd.disk.write_text("0")
    cvmd.start()
    assert cvmd.status("web")["state"] == "stopped"


def test_going_down_waits_for_a_while(cvmd):
    """A disk that does not answer: the log names what may not be on it."""
    cvmd.launch("web", wait="ready")
    record = record_of(cvmd, "web")
    eventually(lambda: not kept(cvmd), lambda: kept(cvmd))
    cvmd.disk.write_text(str(10000 * SLOW))
    stop, _ = in_background(lambda: pytest.raises(Exception, cvmd.stop, "web", force=True))
    eventually(lambda: cvmd.status("web")["state"] == "stopped", cvmd.log)
    begin = time.monotonic()
    cvmd.process.terminate()
    assert cvmd.process.wait(60) == 1
    assert 20 <= time.monotonic() - begin
    stop.join()
    assert "the disk did not answer for 20 s" in cvmd.log(None) and record.name in cvmd.log(None)
    cvmd.disk.write_text("0")
    cvmd.start()
    assert cvmd.status("web")["state"] == "stopped"


def test_going_down_with_all_records_on_disk(cvmd):
    """Then it waits for no disk, and loses no event."""
    cvmd.launch("web", wait="ready")
    eventually(lambda: not kept(cvmd), lambda: kept(cvmd))
    following = cvmd.call("List")["sequence"]
    cvmd.disk.write_text(str(60000))
    cvmd.process.terminate()
    assert cvmd.process.wait(15 * SLOWNESS) == 0
    cvmd.disk.write_text("0")
    cvmd.start()
    assert cvmd.status("web")["state"] == "running"
    with cvmd.client() as client:
        event, = client.take(1, "Watch", fromSequence=following - 1)
    assert event["event"]["sequence"] == following - 1


@pytest.mark.parametrize("torn", ["", "{", "\0" * 4096], ids=["empty", "half", "zeros"])
def test_a_torn_record(cvmd, torn):
    """The version that is on disk stands in for it, and goes once it is on disk itself."""
    cvmd.launch("web", wait="ready")
    path = record_of(cvmd, "web")
    eventually(lambda: not kept(cvmd), lambda: kept(cvmd))
    cvmd.kill()
    os.link(path, path.with_name(f".{path.name}.kept"))
    path.unlink()
    path.write_text(torn)
    path.with_name(f".{path.name}.sync").write_text("torn, too")
    for left in (path, path.with_name(f".{path.name}.sync")):
        left.chmod(0o600)
    path.with_name(".6b1bd9e2-5a33-4a0c-9a51-0c83f3a1f0aa.json.kept").write_text("{}")
    cvmd.start()
    assert cvmd.status("web")["state"] == "running"
    eventually(lambda: not kept(cvmd), lambda: kept(cvmd))
    assert b'"running"' in path.read_bytes()


@pytest.fixture
def unreadable(make_daemon, config, tmp_path):
    daemon = make_daemon(config, start=False)
    daemon.bad = tmp_path / "bad"
    daemon.bad.write_text("0")
    daemon.preload("libbad-block.so", BAD_BLOCK=str(daemon.bad))
    return daemon.start()


def test_a_record_that_the_disk_cannot_read(unreadable):
    """The version before it stands in for it; without one the record is set aside."""
    unreadable.launch("web", wait="ready")
    unreadable.launch("other", wait="ready")
    web, other = record_of(unreadable, "web"), record_of(unreadable, "other")
    eventually(lambda: not kept(unreadable), lambda: kept(unreadable))
    unreadable.kill()
    web.with_name(f".{web.name}.kept").write_bytes(web.read_bytes())
    web.with_name(f".{web.name}.kept").chmod(0o600)
    unreadable.bad.write_text(str(web.stat().st_ino))
    unreadable.start()
    assert unreadable.status("web")["state"] == "running"
    assert f"{web.name} is lost" in unreadable.log(None)
    eventually(lambda: not kept(unreadable), lambda: kept(unreadable))
    assert unreadable.stop("web", force=True)["state"] == "stopped"

    assert unreadable.stop("other", force=True)["state"] == "stopped"
    assert unreadable.terminate() == 0
    unreadable.bad.write_text(str(other.stat().st_ino))
    unreadable.start()
    assert [cvm["name"] for cvm in unreadable.cvms()] == ["web"]
    other.with_name(f"{other.name}.bad").unlink()
    (unreadable.state / "consoles" / other.name.replace(".json", ".log")).unlink()


def test_records_that_were_set_aside_are_bounded(cvmd):
    """The newest 16 are kept, however old the records were; each start logs that they are there."""
    records = cvmd.state / "records"
    names = [f"00000000-0000-0000-0000-0000000000{n:02}.json" for n in range(20)]
    assert cvmd.terminate() == 0
    last = 0
    for name in names[:19]:
        path = records / f"{name}.bad"
        path.write_text("{")
        while path.stat().st_ctime_ns <= last:
            os.utime(path, (0, 0))
        last = path.stat().st_ctime_ns
    log = cvmd.state / "consoles" / names[0].replace(".json", ".log")
    log.write_text("of a record that goes")
    (records / names[19]).write_text("{")
    cvmd.start()
    left = sorted(path.name for path in records.glob("*.bad"))
    assert left == [f"{name}.bad" for name in names[4:]]
    assert not log.exists()
    assert "/records/*.json.bad: 16; look at them" in cvmd.log(None)
    assert f"{names[0]}.bad, a record that was set aside, is removed" in cvmd.log(None)
    for path in records.glob("*.bad"):
        path.unlink()


@pytest.fixture
def logging(make_daemon, config, tmp_path):
    """Its disk takes long for the logs of guests alone."""
    daemon = make_daemon({**config, "console": {"size": "8M", "files": 2}}, start=False)
    daemon.disk = tmp_path / "disk"
    daemon.disk.write_text("0")
    daemon.preload("libslow-fsync.so", SLOW_CONSOLES=str(daemon.disk))
    return daemon.start()


@pytest.mark.not_valgrind("its threads take turns")
def test_logs_on_a_slow_disk(logging):
    """Neither its guest nor anybody else waits long for it, and all that is in memory is read."""
    logging.disk.write_text(str(60 * SLOW))
    logging.launch("web", cmdline="fake.console-bytes=3000000 fake.echo", wait="ready")
    slowest = 0
    for _ in range(50):
        begin = time.monotonic()
        logging.call("List")
        logging.call("Status", name="web")
        slowest = max(slowest, time.monotonic() - begin)
        time.sleep(0.02)
    assert slowest < 2 * SLOWNESS
    eventually(lambda: "the disk is too slow" in logging.log(None), logging.log, seconds=30)
    assert logging.log(None).count("the disk is too slow") == 1
    begin = time.monotonic()
    logging.launch("other", wait="ready")
    logging.stop("web", force=True)
    logging.call("Remove", name="web")
    assert time.monotonic() - begin < 20 * SLOWNESS
    logging.disk.write_text("0")
    eventually(lambda: len(list((logging.state / "consoles").iterdir())) == 1, logging.log)
    logging.discard("other")


@pytest.mark.not_valgrind("its threads take turns")
def test_logs_are_whole_on_a_disk_that_is_late(logging):
    """A guest is slowed down a little rather than that a part of its output is lost."""
    logging.disk.write_text("20")
    logging.launch("web", cmdline="fake.console-bytes=3000000", wait="ready")

    def on_disk():
        return sum(path.stat().st_size for path in (logging.state / "consoles").iterdir())

    eventually(lambda: on_disk() > 3_000_000, lambda: f"{on_disk()}\n{logging.log()}", seconds=60)
    assert "lacks" not in logging.log(None)


@pytest.mark.not_valgrind("its threads take turns")
def test_going_down_with_logs_that_are_late(logging):
    """The last output gets there if the disk answers, and is waited for no longer than that."""
    logging.launch("web", cmdline="fake.console-bytes=100000", wait="ready")
    logging.disk.write_text("300")
    assert logging.terminate() == 0
    logging.disk.write_text("0")
    assert "may be missing" not in logging.log(None)
    logging.start()
    eventually(lambda: logging.status("web")["state"] == "running", logging.log)
    logging.discard("web")


@pytest.mark.not_valgrind("its threads take turns")
def test_going_down_without_the_disk(logging):
    logging.disk.write_text(str(3600 * SLOW))
    logging.launch("web", cmdline="fake.console-bytes=100000", wait="ready")
    logging.process.terminate()
    assert logging.process.wait(15 * SLOWNESS) == 0
    assert "the last output of guests may be missing" in logging.log(None)
    logging.disk.write_text("0")
    logging.start()
    logging.discard("web")


@pytest.mark.not_valgrind("its threads take turns")
def test_going_down_while_the_disk_takes_logs(logging):
    """As long as some output gets there every 2 s, the rest of it is waited for."""
    logging.disk.write_text(str(3600 * SLOW))
    names = [f"web{number}" for number in range(4)]
    for name in names:
        logging.launch(name, cmdline="fake.console-bytes=100000", wait="ready")
    ids = [logging.status(name)["id"] for name in names]
    logging.disk.write_text("400")
    assert logging.terminate() == 0
    logging.disk.write_text("0")
    assert "may be missing" not in logging.log(None)
    logging.start()  # which reads what had not been read yet

    def sizes():
        return [(logging.state / f"consoles/{cvm}.log").stat().st_size for cvm in ids]

    eventually(lambda: min(sizes()) >= 100000, lambda: f"{sizes()}\n{logging.log()}")
    for name in names:
        logging.discard(name)


@pytest.fixture
def frozen(make_daemon, config, tmp_path):
    """Its logs have a file system of their own, which freeze() stops as a dead disk does: what
    writes there waits, and not even SIGKILL ends it."""
    daemon = make_daemon({**config, "groups": {"users": USERS, "admins": ADMINS}}, start=False)
    image, path = tmp_path / "image", daemon.state / "consoles"
    image.touch()
    os.truncate(image, 256 << 20)
    path.mkdir(parents=True)
    for command in (["/usr/sbin/mkfs.ext4", "-q", "-F", image],
                    ["mount", "-o", "loop", image, path]):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no file system in a file can be used here: {done.stderr}")
    (path / "lost+found").rmdir()

    def freeze(how):
        subprocess.run(["/usr/sbin/fsfreeze", how, path], check=how == "-f", capture_output=True)

    daemon.freeze = freeze
    try:
        yield reachable(daemon.start())
    finally:
        freeze("-u")
        try:
            daemon.finish()
        finally:
            subprocess.run(["umount", path], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount and to be several users")
@pytest.mark.not_valgrind("its threads take turns")
def test_consoles_of_a_user_on_a_frozen_disk(frozen):
    """What waits in memory is bounded for each user, and others notice nothing."""
    many = 24
    before = processes.resident(frozen.process.pid)
    frozen.freeze("-f")
    for number in range(many):
        by(ANN, lambda: frozen.launch(f"web{number}", cmdline="fake.console-bytes=2000000"))
    eventually(lambda: frozen.log(None).count("the disk is too slow") == many, frozen.log,
               seconds=60)
    grown = (processes.resident(frozen.process.pid) - before) >> 10
    print(f"{grown} MiB for {many} consoles")
    assert grown < 16 or "ASAN_OPTIONS" in os.environ, f"{grown} MiB"
    by(BOB, lambda: frozen.launch("other", cmdline="fake.console-bytes=200000", wait="ready"))
    data = by(BOB, lambda: frozen.call("Logs", name="other")["data"])
    assert len(base64.b64decode(data)) >= 200000
    assert by(BOB, lambda: frozen.stop("other", force=True))["state"] == "stopped"
    by(BOB, lambda: frozen.call("Remove", name="other"))
    frozen.freeze("-u")
    for number in range(many):
        frozen.discard(f"web{number}")
