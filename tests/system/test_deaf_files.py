# SPDX-License-Identifier: Apache-2.0
"""Files whose reads never end, as on a server that has gone: who names them waits for them, and
nobody else does."""
import array
import contextlib
import fcntl
import grp
import hashlib
import json
import os
import pathlib
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

import pytest

from harness.deaf import DeafFile, ServedFile
from harness.peer import Peer
from harness.processes import SLOWNESS, eventually
from harness.users import ANN, BOB, USERS, Failed, by, connect_as, connect_by, reachable
from harness.varlink import VarlinkError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
THREADS = 80  # TURNS_THREADS of daemon/local/turns.h
OF_A_USER = 8
OF_OTHERS = 24
ID = "6b1bd9e2-5a33-4a0c-9a51-0c83f3a1f0aa"
# Runs a command as systemd does that has kept descriptors of CVMs that are gone by now.
KEEPER = """
import os, sys
n = int(sys.argv[1])
for number in range(3, 3 + n):
    fd = os.open("/dev/null", os.O_RDONLY)
    os.dup2(fd, number) if fd != number else os.set_inheritable(fd, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(n),
                  LISTEN_FDNAMES=":".join(f"kept.console.{i}" for i in range(n)))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def config(config):
    return {**config, "groups": {"users": USERS}}


@pytest.fixture
def deaf(cvmd):
    """Before the daemon is looked over, all reads have ended."""
    with tempfile.TemporaryDirectory(prefix="cvmd-", dir="/tmp") as directory:
        pathlib.Path(directory).chmod(0o755)
        with DeafFile(pathlib.Path(directory) / "there") as deaf:
            yield deaf
        eventually(lambda: all(cvm["state"] != "preparing" for cvm in cvmd.cvms()), cvmd.log)
        for cvm in cvmd.cvms():
            cvmd.discard(cvm["name"])


def launch_deaf(cvmd, deaf, name, **parameters):
    return cvmd.call("Launch", spec=cvmd.spec(name, kernel={"path": str(deaf.path)}), **parameters)


def launch_many(cvmd, deaf, n, first=0):
    """Returns the clients, which wait: launches whose clients leave are given up."""
    clients = []
    for number in range(first, first + n):
        client = cvmd.client()
        client.send("Launch", {"spec": cvmd.spec(f"deaf{number}",
                                                 kernel={"path": str(deaf.path)})})
        clients.append(client)
    return clients


def deaf_ones(cvmd):
    return sum(cvm["name"].startswith("deaf") for cvm in cvmd.cvms())


def test_others_are_served(cvmd, deaf):
    reachable(cvmd)
    clients = connect_by(ANN, lambda: launch_many(cvmd, deaf, THREADS + 8))
    eventually(lambda: deaf_ones(cvmd) == len(clients), cvmd.log)
    eventually(lambda: deaf.readers == OF_A_USER, lambda: f"{deaf.readers} readers")
    assert by(BOB, lambda: cvmd.launch("bobs", wait="ready"))["ready"]
    assert cvmd.launch("roots", wait="ready")["ready"]
    cvmd.call("Render", spec=cvmd.spec("other"))
    assert deaf.readers == OF_A_USER and deaf_ones(cvmd) == len(clients)


def test_root_is_served(cvmd, deaf):
    """However many users one person is; once the reads end, others are served again."""
    reachable(cvmd)
    group = grp.getgrnam(USERS).gr_gid
    clients = []
    for first in range(0, THREADS, OF_A_USER):
        clients += connect_as(100001 + first, [group],
                              lambda n=first: launch_many(cvmd, deaf, OF_A_USER, n))
    eventually(lambda: deaf_ones(cvmd) == len(clients), cvmd.log)
    eventually(lambda: deaf.readers == OF_OTHERS, lambda: f"{deaf.readers} readers")
    assert cvmd.launch("roots", wait="ready")["ready"]
    assert deaf.readers == OF_OTHERS
    deaf.end()
    assert by(BOB, lambda: cvmd.launch("bobs", wait="ready"))["ready"]


def test_the_users_own_go_on_in_their_order(cvmd, deaf):
    """Once the reads end, with errors, the rest have their turns."""
    reachable(cvmd)
    clients = connect_by(ANN, lambda: launch_many(cvmd, deaf, OF_A_USER))
    eventually(lambda: deaf.readers == OF_A_USER, lambda: f"{deaf.readers} readers")
    clients.append(connect_by(ANN, cvmd.client))
    clients[-1].send("Launch", {"spec": cvmd.spec("anns")})
    eventually(lambda: any(cvm["name"] == "anns" for cvm in cvmd.cvms()), cvmd.log)
    with cvmd.client() as client:
        client.send("Launch", {"spec": cvmd.spec("roots"), "wait": "ready"})
        assert client.receive()[0]["cvm"]["ready"]
    assert cvmd.status("anns")["state"] == "preparing"


def test_a_launch_that_is_stopped_again_and_again_does_not_fill_the_log(cvmd, deaf):
    launching = launch_many(cvmd, deaf, 1)
    eventually(lambda: deaf.readers == 1, lambda: f"{deaf.readers} readers")
    clients = [cvmd.client() for _ in range(6)]
    for number, client in enumerate(clients):
        client.send("Stop", {"name": "deaf0", "force": number >= 3})
    assert cvmd.status("deaf0")["state"] == "preparing"
    log = cvmd.log(lines=None)
    assert log.count("deaf0: Stop called") == 2, log  # the first, and the first with force
    for client in [*launching, *clients]:
        client.close()


@pytest.fixture
def little(config):
    return {**config, "limits": {"secretBytesPerUid": "4M"}}


def test_what_waits_is_counted(make_daemon, little):
    """Until the client leaves."""
    cvmd = reachable(make_daemon(little))
    large = cvmd.spec("large", env={f"A{n}": "x" * 700000 for n in range(2)})
    with tempfile.TemporaryDirectory(prefix="cvmd-", dir="/tmp") as directory:
        pathlib.Path(directory).chmod(0o755)
        with DeafFile(pathlib.Path(directory) / "there") as deaf:
            launching = connect_by(ANN, lambda: launch_many(cvmd, deaf, OF_A_USER))
            eventually(lambda: deaf.readers == OF_A_USER, lambda: f"{deaf.readers} readers")
            rendering = [connect_by(ANN, cvmd.client) for _ in range(2)]
            for client in rendering:
                client.send("Render", {"spec": large})
            time.sleep(0.5)
            with pytest.raises(Failed) as refusal:
                by(ANN, lambda: cvmd.call("Render", spec=large))
            assert refusal.value.name == "QuotaExceeded"
            assert refusal.value.fields["resource"] == "secrets of one user"
            by(BOB, lambda: cvmd.call("Render", spec=large))
            for client in rendering:
                client.close()
            eventually(lambda: waits(cvmd, ANN, large), "what has left is not counted")
            assert len(launching) == deaf_ones(cvmd)
        eventually(lambda: all(cvm["state"] != "preparing" for cvm in cvmd.cvms()), cvmd.log)
    by(ANN, lambda: cvmd.call("Render", spec=large))
    for client in launching:
        client.close()
    for cvm in cvmd.cvms():
        cvmd.discard(cvm["name"])


def waits(cvmd, uid, spec):
    """Whether a Render of the user's is accepted, though it is not its turn."""
    with connect_by(uid, lambda: cvmd.client(timeout=1)) as client:
        client.send("Render", {"spec": spec})
        try:
            client.receive()
        except TimeoutError:
            return True
        except VarlinkError as refusal:
            assert refusal.name == "QuotaExceeded"
        return False


def open_fds(cvmd):
    return len(os.listdir(f"/proc/{cvmd.process.pid}/fd"))


@pytest.mark.parametrize("method", ["Render", "Launch"])
def test_what_waits_goes_with_its_client(cvmd, deaf, method):
    """With the descriptors and memory that it holds."""
    reachable(cvmd)
    clients = connect_by(ANN, lambda: launch_many(cvmd, deaf, OF_A_USER))
    eventually(lambda: deaf.readers == OF_A_USER, lambda: f"{deaf.readers} readers")
    before = open_fds(cvmd)
    fds = [os.memfd_create("kernel") for _ in range(32)]
    certs = {f"c{number}": {"fd": number} for number in range(len(fds))}
    for number in range(20):
        with connect_by(ANN, cvmd.client) as client:
            client.send(method, {"spec": cvmd.spec(f"web{number}", certs=certs)}, fds=fds)
            eventually(lambda: open_fds(cvmd) >= before + len(fds), "they have come")
        eventually(lambda: open_fds(cvmd) <= before, cvmd.log)
    for fd in fds:
        os.close(fd)
    assert deaf.readers == OF_A_USER and deaf_ones(cvmd) == len(cvmd.cvms()) == len(clients)


def test_what_waits_can_be_stopped(cvmd, deaf):
    reachable(cvmd)
    clients = connect_by(ANN, lambda: launch_many(cvmd, deaf, OF_A_USER))
    eventually(lambda: deaf.readers == OF_A_USER, lambda: f"{deaf.readers} readers")
    with connect_by(ANN, cvmd.client) as client:
        client.send("Launch", {"spec": cvmd.spec("web")})
        eventually(lambda: len(cvmd.cvms()) == len(clients) + 1, cvmd.log)
        assert cvmd.stop("web")["ending"]["reason"] == "launch-failed"
        with pytest.raises(VarlinkError) as refusal:
            client.receive()
    assert refusal.value.name == "LaunchFailed" and "stopped" in refusal.value.fields["reason"]
    assert deaf_ones(cvmd) == len(cvmd.cvms()) == len(clients)
    for one in clients:
        one.close()


def test_a_timeout_is_told_in_time(cvmd, deaf):
    """And nothing is left of the CVM but the thread that reads."""
    began = time.monotonic()
    with pytest.raises(VarlinkError) as refusal:
        launch_deaf(cvmd, deaf, "web", timeoutSec=1, id=ID)
    assert refusal.value.name == "Timeout" and refusal.value.fields["stage"] == "artifacts"
    assert 1 <= time.monotonic() - began < 8 * SLOWNESS
    assert cvmd.cvms() == []
    assert cvmd.call("Launch", spec=cvmd.spec("web"), wait="ready", id=ID)["cvm"]["ready"]
    deaf.end()
    time.sleep(0.5)
    assert cvmd.status("web")["ready"]


def close_late(fd):
    with contextlib.suppress(OSError):  # of the file system that ends
        os.close(fd)


@pytest.mark.parametrize("force", [False, True])
def test_it_can_be_stopped(cvmd, deaf, force):
    with cvmd.client() as client:
        client.send("Launch", {"spec": cvmd.spec("web", kernel={"path": str(deaf.path)})})
        eventually(lambda: deaf.readers == 1, "the file is read")
        assert cvmd.stop("web", force=force)["ending"]["reason"] == "launch-failed"
        with pytest.raises(VarlinkError) as refusal:
            client.receive()
    assert refusal.value.name == "LaunchFailed" and "stopped" in refusal.value.fields["reason"]
    assert cvmd.cvms() == []


@pytest.mark.not_valgrind("no other thread of a program runs under it while one is in close(2)")
def test_descriptors_that_nobody_takes(cvmd, deaf):
    """Nor is the daemon held by closing what was sent."""
    deaf.deaf = True
    for method, parameters in (("GetInfo", {}), ("Status", {"name": "none"}), ("Nothing", {})):
        fd = os.open(deaf.path, os.O_RDONLY)
        with cvmd.client() as client:
            before = deaf.closers
            name = f"org.varlink.service.{method}" if method == "GetInfo" else method
            client.send(name, parameters, fds=[fd])
            eventually(lambda: deaf.closers > before, "it is closed")
            assert cvmd.cvms() == []
        threading.Thread(target=close_late, args=[fd], daemon=True).start()
    assert cvmd.launch("web", wait="ready")["ready"]


@pytest.mark.not_valgrind("no other thread of a program runs under it while one is in close(2)")
@pytest.mark.parametrize("held", ["by a beginning", "by a call"])
def test_descriptors_stop_no_child(cvmd, deaf, held):
    """Whatever stands in the daemon's table, the processes that it makes have no copy to close."""
    reachable(cvmd)
    deaf.deaf = True
    fd = os.open(deaf.path, os.O_RDONLY)
    client = cvmd.client()
    if held == "by a beginning":
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))
        client.socket.sendmsg([b'{"method'], [rights])
    else:
        client.send("Watch", {}, fds=[fd], more=True)
    # or the processes that the test makes would have a copy to close
    threading.Thread(target=close_late, args=[fd], daemon=True).start()
    eventually(lambda: deaf.closers == 2, "the test's own and the daemon's are being closed")
    began = time.monotonic()
    assert by(BOB, lambda: cvmd.launch("bobs", wait="ready"))["ready"]
    by(BOB, lambda: cvmd.call("Render", spec=cvmd.spec("other")))
    cvmd.stop("bobs")
    cvmd.discard("bobs")
    assert time.monotonic() - began < 10 * SLOWNESS
    client.close()


@pytest.mark.not_valgrind("no other thread of a program runs under it while one is in close(2)")
@pytest.mark.parametrize("n", [1, 20, 90])
def test_descriptors_that_systemd_kept(make_daemon, config, n):
    """The numbers that they had are nobody's."""
    cvmd = make_daemon(config, start=False)
    cvmd.launcher = [sys.executable, "-c", KEEPER, str(n)]
    cvmd.start()
    low = {f"/proc/{cvmd.process.pid}/fd/{number}" for number in range(3, 64)}
    assert all(map(os.path.lexists, low))
    before = {path: os.readlink(path) for path in low}
    assert "/dev/null" in before.values()
    with open("/dev/null", "rb") as null, cvmd.client() as client:
        client.send("Watch", {}, fds=[null.fileno()] * 64, more=True)
        assert cvmd.launch("web", wait="ready")["ready"]
        assert {path: os.readlink(path) for path in low} == before
    cvmd.stop("web")
    cvmd.discard("web")


@pytest.mark.not_valgrind("no other thread of a program runs under it while one is in close(2)")
@pytest.mark.parametrize("field", ["kernel", "certs", "disks"])
def test_descriptors_are_refused_at_receipt(cvmd, deaf, field):
    """Without a question to their server, and with the way that works."""
    deaf.deaf = True
    fd = os.open(deaf.path, os.O_RDONLY)
    members = {"kernel": {"fd": 0}, "certs": {"x": {"fd": 0}}, "disks": [{"fd": 0}]}
    spec = {**cvmd.spec("web"), field: members[field]}
    began = time.monotonic()
    with cvmd.client() as client:
        client.send("Launch", {"spec": spec}, fds=[fd])
        # or the processes that the test makes would have a copy to close
        threading.Thread(target=close_late, args=[fd], daemon=True).start()
        with pytest.raises(VarlinkError) as refusal:
            client.receive()
    assert time.monotonic() - began < 10 * SLOWNESS
    assert refusal.value.name == "InvalidSpec" and refusal.value.fields["field"] == field
    assert "on FUSE" in refusal.value.fields["reason"]
    assert "give its path" in refusal.value.fields["reason"]
    assert deaf.readers == 0
    eventually(lambda: deaf.closers == 2, "both are being closed")


@pytest.mark.not_valgrind("no other thread of a program runs under it while one is in close(2)")
def test_the_loop_is_quick_meanwhile(cvmd, deaf):
    reachable(cvmd)
    deaf.deaf = True
    fd = os.open(deaf.path, os.O_RDONLY)
    with cvmd.client() as sender, cvmd.client() as other:
        times = []
        for _ in range(20):
            sender.send("List", {}, fds=[fd] * 16)
            began = time.monotonic()
            other.call("List")
            times.append(time.monotonic() - began)
            sender.receive()
    # A child that the test makes meanwhile must not have a copy of it, which it could not close.
    fds = pathlib.Path("/proc/self/fd")
    threading.Thread(target=close_late, args=[fd], daemon=True).start()
    eventually(lambda: not (fds / str(fd)).is_symlink(), "the test's own is being closed")
    print(f"worst of {len(times)} calls: {max(times) * 1000:.1f} ms")
    assert max(times) < 2 * SLOWNESS


def useless(kind):
    if kind == "socket":
        return socket.socket().detach()
    if kind == "pipe":
        reading, writing = os.pipe()
        os.close(writing)
        return reading
    return os.open("/dev/null", os.O_RDONLY)


@pytest.mark.parametrize(("kind", "what"), [("socket", "a socket"), ("pipe", "a pipe"),
                                            ("device", "a character device")])
def test_descriptors_of_no_use(cvmd, kind, what):
    fd = useless(kind)
    try:
        with pytest.raises(VarlinkError) as refusal:
            cvmd.call("Launch", spec=cvmd.spec("web", kernel={"fd": 0}), fds=[fd])
    finally:
        os.close(fd)
    assert refusal.value.name == "InvalidSpec"
    assert refusal.value.fields["reason"] == f"the descriptor is {what}, not a regular file"


@pytest.fixture
def served(cvmd):
    with served_file(cvmd.kernel.read_bytes()) as file:
        yield file


def test_a_served_file_by_path(cvmd, served):
    """The child that opens it reads it, and what boots is what it says."""
    reachable(cvmd)
    cvm = by(ANN, lambda: cvmd.launch("web", wait="ready", kernel={"path": str(served.path)}))
    assert cvm["ready"] and served.readers > 0
    digest = hashlib.sha256(served.content).hexdigest()
    assert digest in {one["sha256"] for one in cvmd.call("ListArtifacts")["artifacts"]}
    cvmd.stop("web")
    cvmd.discard("web")


@contextlib.contextmanager
def served_file(content):
    with tempfile.TemporaryDirectory(prefix="cvmd-", dir="/tmp") as directory:
        pathlib.Path(directory).chmod(0o755)
        with ServedFile(pathlib.Path(directory) / "there", content) as file:
            yield file


def test_cvmctl_copies_a_served_kernel(cvmd, served):
    cvmd.cvmctl("launch", "web", "--platform", "plain", "--kernel", served.path,
                "--initramfs", cvmd.initramfs, "--wait", "ready")
    digest = hashlib.sha256(served.content).hexdigest()
    assert digest in {one["sha256"] for one in cvmd.call("ListArtifacts")["artifacts"]}
    copied = cvmd.cvmctl("render", "--platform", "plain", "--kernel", served.path,
                         "--initramfs", cvmd.initramfs, "--json")
    assert str(served.path) in copied.stdout


def test_cvmctl_copies_served_secrets(cvmd):
    """An environment file is read anyway, and so are certificates that are small."""
    with served_file(b"A=b\n") as env, served_file(b"x" * 200000) as cert:
        readers = cert.readers
        spec = cvmd.spec("web", certs={"x.pem": {"path": str(cert.path)}})
        path = cvmd.directory / "spec.json"
        path.write_text(json.dumps(spec))
        cvmd.cvmctl("launch", "--file", path, "--env-file", env.path, "--wait", "ready")
        assert cert.readers > readers
        shares = cvmd.runtime / "shares" / cvmd.status("web")["id"]
        assert (shares / "certs/x.pem").read_bytes() == cert.content
        assert (shares / "env/environment").read_text() == 'A="b"\n'
        path.unlink()


def test_cvmctl_names_what_it_cannot_copy(cvmd):
    with served_file(b"") as file:
        file.size = lambda: (2 << 30) + 1
        refused = cvmd.cvmctl("launch", "web", "--platform", "plain", "--kernel", file.path,
                              check=False)
    assert refused.returncode != 0 and cvmd.cvms() == []
    assert f"{file.path}: cannot copy it from its file system: it is longer" in refused.stderr


def test_cvmctl_copies_no_more_than_may_be(cvmd):
    """However little the server said that there is."""
    with served_file(b"x" * ((1 << 20) + 1)) as cert:
        cert.size = lambda: 200000
        path = cvmd.directory / "spec.json"
        path.write_text(json.dumps(cvmd.spec("web", certs={"x.pem": {"path": str(cert.path)}})))
        refused = cvmd.cvmctl("launch", "--file", path, check=False)
        path.unlink()
    assert refused.returncode != 0 and cvmd.cvms() == []
    assert f"{cert.path}: cannot copy it from its file system: it is longer" in refused.stderr


def test_what_cvmctl_copies_cannot_be_changed(served, monkeypatch):
    """It is sealed, so that nobody changes it while the daemon reads it."""
    def look(fd):
        try:
            return fcntl.fcntl(fd, fcntl.F_GET_SEALS), os.pread(fd, len(served.content) + 1, 0)
        finally:
            os.close(fd)

    monkeypatch.setattr("harness.peer.look_at", look)
    with Peer(Render={}) as peer:
        peer.cvmctl("render", "--platform", "plain", "--kernel", served.path, "--json")
        (call,) = peer.calls
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    assert call.fds == [(seals, served.content)]


@pytest.mark.qemu_driver("a domain opens its disks by path in any case")
def test_a_served_disk_goes_by_its_path(cvmd):
    with served_file(bytes(1 << 20)) as disk:
        fd = os.open(disk.path, os.O_RDONLY)
        with pytest.raises(VarlinkError) as refusal:
            cvmd.call("Launch", spec=cvmd.spec("web", disks=[{"fd": 0}]), fds=[fd])
        os.close(fd)
        assert refusal.value.fields["reason"].endswith("may not answer: give its path")
        cvmd.cvmctl("launch", "web", "--platform", "plain", "--kernel", cvmd.kernel,
                    "--initramfs", cvmd.initramfs, "--disk", disk.path, "--wait", "ready")
        assert cvmd.status("web")["ready"]
        cvmd.stop("web")
        cvmd.discard("web")


def lingering_socket():
    """One whose close would wait for an hour, and its peer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sending = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
    sending.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sending.send(bytes(65536))
    sending.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    return sending, peer


def test_sockets_that_linger(cvmd):
    """Whatever a client sends, the daemon has all its descriptors back in the end."""
    before = len(os.listdir(f"/proc/{cvmd.process.pid}/fd"))
    sockets = [lingering_socket() for _ in range(64)]
    with cvmd.client() as client:
        client.call("List", fds=[sending.fileno() for sending, _ in sockets])
    with open("/dev/null", "rb") as null:
        for _ in range(20):
            with cvmd.client() as client:
                client.call("List", fds=[null.fileno()] * 64)
    eventually(lambda: len(os.listdir(f"/proc/{cvmd.process.pid}/fd")) <= before, cvmd.log)
    for pair in sockets:
        for one in pair:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
            one.close()


@contextlib.contextmanager
def stopped(process):
    """Meanwhile it runs no instruction."""
    def states():
        return [(path / "stat").read_text().rpartition(")")[2].split()[0]
                for path in pathlib.Path(f"/proc/{process.pid}/task").iterdir()]

    process.send_signal(signal.SIGSTOP)
    eventually(lambda: set(states()) == {"T"}, states)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def send_last(client, data, fd):
    """The daemon is the last to have what is sent, once it has come."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))
    client.socket.sendmsg([data.encode()], [rights])
    os.close(fd)


def send_lingering(client, data):
    """Returns the socket's peer."""
    sending, peer = lingering_socket()
    send_last(client, data, sending.detach())
    return peer


def send_pipe(client, data):
    """Returns the end that breaks when the other one, which is sent, is closed."""
    reading, writing = os.pipe()
    send_last(client, data, reading)
    return writing


def send_unreceived(cvmd, where, send):
    """Sends what nobody receives to where the test says, and ends the connection."""
    client = cvmd.client()
    if where == "behind a call":
        client.send("Watch", {}, more=True)
    elif where == "on a console":
        client.upgrade("Console", name="web")
    # or the connection has gone before they come, or the daemon has closed them before the test
    with stopped(cvmd.process):
        if where == "behind noise":
            client.socket.sendall(b"noise\0")
        peers = [send(client, data) for data in ("{x" if where == "behind a call" else "x")]
    client.close()
    return peers


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@contextlib.contextmanager
def with_console(cvmd, where):
    """The descriptors that the daemon has without what is sent, and a CVM if `where` requires
    one."""
    if where == "on a console":
        cvmd.launch("web")  # the first one is what cvmd connects to libvirtd for
        cvmd.stop("web", force=True)
        cvmd.discard("web")
    before = open_fds(cvmd)
    reachable(cvmd)
    if where == "on a console":
        cvmd.launch("web", wait="ready")
    yield
    if where == "on a console":
        cvmd.stop("web")
        cvmd.discard("web")
    eventually(lambda: open_fds(cvmd) <= before, cvmd.log)


WHERE = pytest.mark.parametrize("where", ["behind noise", "behind a call", "on a console"])


@pytest.mark.not_valgrind("no other thread of a program runs under it while one is in close(2)")
@WHERE
def test_sockets_that_nobody_receives(cvmd, where):
    """They are closed with the connection, or with the bytes, that they came by, which waits for
    their peers."""
    with with_console(cvmd, where):
        peers = send_unreceived(cvmd, where, send_lingering)
        began = time.monotonic()
        for _ in range(3):
            cvmd.call("List")
        assert time.monotonic() - began < 5 * SLOWNESS
        for peer in peers:
            reset(peer)


def is_broken(pipe):
    poll = select.poll()
    poll.register(pipe, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


@WHERE
def test_pipes_that_nobody_receives(cvmd, where):
    """Likewise, of what waits for nobody."""
    with with_console(cvmd, where):
        pipes = send_unreceived(cvmd, where, send_pipe)
        eventually(lambda: all(map(is_broken, pipes)), cvmd.log)
        for pipe in pipes:
            os.close(pipe)


@pytest.mark.not_valgrind("what its threads hold that do not end is lost")
def test_a_daemon_goes_down(cvmd, deaf):
    with cvmd.client() as client:
        client.send("Launch", {"spec": cvmd.spec("web", kernel={"path": str(deaf.path)})})
        eventually(lambda: deaf.readers == 1, "the file is read")
        cvmd.process.send_signal(signal.SIGTERM)
        eventually(lambda: "a file does not answer" in cvmd.log(), cvmd.log, seconds=30)
    # Linux lets no thread go that has asked a FUSE file system; the next daemon comes all the same.
    goes = cvmd.process
    cvmd.start()
    assert cvmd.cvms() == []
    deaf.end()
    assert goes.wait(15 * SLOWNESS) == 0
