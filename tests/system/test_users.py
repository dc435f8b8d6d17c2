# SPDX-License-Identifier: Apache-2.0
"""A daemon of root's: who may connect, who sees what, and whose rights open a path."""
import grp
import os
import pathlib
import re
import shutil

import pytest

from harness import processes
from harness.ports import port
from harness.users import (ADMIN, ADMINS, ANN, BOB, EVE, USERS, Failed, as_user, by, reachable,
                           refused)

ID = "01234567-89ab-4def-8123-456789abcdef"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")
LIBVIRTS = pytest.mark.qemu_driver("libvirt starts QEMU, as a user of its own")
SHARES = pytest.mark.qemu_driver("driver libvirt takes no shares")

MIB = 1 << 20


@pytest.fixture
def config(config):
    return {**config, "groups": {"users": USERS, "admins": ADMINS},
            "limits": {"cvms": 20, "cvmsPerUid": 3, "memoryPerUid": "400M", "vcpusPerUid": 6}}


@pytest.fixture
def cvmd(cvmd):
    return reachable(cvmd)


def test_the_socket_is_the_groups(cvmd):
    status = cvmd.socket.stat()
    assert (status.st_mode & 0o777, grp.getgrgid(status.st_gid).gr_name) == (0o660, USERS)


def test_who_is_in_no_group_may_not_connect(cvmd):
    assert refused(EVE, lambda: cvmd.call("List")).kind == "PermissionError"


def test_each_sees_their_own(cvmd):
    assert by(ANN, lambda: cvmd.launch("anns"))["owner"] == ANN
    by(BOB, lambda: cvmd.launch("bobs"))
    for uid, names in ((ANN, ["anns"]), (BOB, ["bobs"]), (ADMIN, ["anns", "bobs"])):
        assert [cvm["name"] for cvm in by(uid, cvmd.cvms)] == names
    assert [cvm["name"] for cvm in cvmd.cvms()] == ["anns", "bobs"]


def test_events_of_others_are_not_shown(cvmd):
    def watch():
        with cvmd.client() as client:
            return client.take(1, "Watch", fromSequence=0)[0]["event"]["name"]

    by(ANN, lambda: cvmd.launch("anns"))
    by(BOB, lambda: cvmd.launch("bobs"))
    assert by(BOB, watch) == "bobs"
    assert by(ADMIN, watch) == "anns"


def test_admins_control_all(cvmd):
    by(ANN, lambda: cvmd.launch("anns"))
    assert by(ADMIN, lambda: cvmd.stop("anns", force=True))["state"] == "stopped"
    by(ADMIN, lambda: cvmd.call("Remove", name="anns"))
    assert cvmd.cvms() == []


@pytest.mark.not_valgrind("valgrind is unpacked where only who runs the tests may read")
def test_a_name_belongs_to_who_took_it(cvmd):
    by(ANN, lambda: cvmd.launch("web"))
    error = refused(BOB, lambda: cvmd.launch("web"))
    assert (error.name, error.fields) == ("CvmExists", {"name": "web", "anothers": True})
    for uid in (ANN, ADMIN):
        assert refused(uid, lambda: cvmd.launch("web")).fields["anothers"] is False
    said = by(BOB, lambda: cvmd.cvmctl("launch", "web", "--platform", "plain", check=False))
    assert "'web' is in use by another user's CVM" in said.stderr
    by(ANN, lambda: cvmd.stop("web", force=True))
    assert refused(BOB, lambda: cvmd.launch("web")).name == "CvmExists"
    assert by(ANN, lambda: cvmd.launch("web"))["state"] == "running"


def test_nobody_guesses_at_another_s_secrets(cvmd):
    """A launch that is repeated is compared for its own user only."""
    def launch(pin):
        return cvmd.call("Launch", spec=cvmd.spec("web", env={"PIN": pin}), id=ID)["cvm"]

    assert by(ANN, lambda: launch("1234"))["id"] == by(ANN, lambda: launch("1234"))["id"] == ID
    assert refused(ANN, lambda: launch("1235")).name == "IdempotencyMismatch"
    for uid in (BOB, ADMIN):
        for pin in ("1234", "1235"):
            error = refused(uid, lambda: launch(pin))
            assert (error.name, error.fields) == ("CvmExists", {"name": ID, "anothers": True})


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_a_name_with_a_unit_is_root_s(make_daemon, config, ending):
    """A user cannot hold the name of cvm@NAME.service before it."""
    daemon = make_daemon(config, start=False)
    specs = daemon.directory / "specs"
    specs.mkdir(mode=0o750)
    (specs / f"web.{ending}").symlink_to("elsewhere")  # whatever it leads to
    daemon.config["specs"] = str(specs)
    daemon.start()
    reachable(daemon)
    error = refused(ANN, lambda: daemon.launch("web"))
    assert (error.name, error.fields["field"]) == ("InvalidSpec", "name")
    assert "reserved" in error.fields["reason"]
    by(ANN, lambda: daemon.launch("web2"))
    by(ADMIN, lambda: daemon.launch("web"))


def test_the_name_of_another_s_file_is_not_shown(cvmd):
    """Equal bytes are one artifact; each user sees the name that their own CVM has for it."""
    secret = cvmd.directory / "bobs-secret-project"
    secret.write_bytes(cvmd.kernel.read_bytes())
    secret.chmod(0o600)
    os.chown(secret, BOB, BOB)
    by(BOB, lambda: cvmd.launch("bobs", kernel={"path": str(secret)}))
    by(ANN, lambda: cvmd.launch("anns"))

    def kernels(uid):
        listed = by(uid, lambda: cvmd.call("ListArtifacts"))["artifacts"]
        return [(a["name"], a["users"]) for a in listed
                if a["kind"] == "kernel" and a["origin"] == "file"]

    assert kernels(BOB) == [("bobs-secret-project", 1)]
    assert kernels(ANN) == [(cvmd.kernel.name, 1)]
    assert kernels(ADMIN) == [(cvmd.kernel.name, 2)]


def test_quota_of_a_user(cvmd):
    for number in range(3):
        by(ANN, lambda: cvmd.launch(f"n{number}"))
    error = refused(ANN, lambda: cvmd.launch("more"))
    assert (error.name, error.fields) == ("QuotaExceeded", {
        "resource": "CVMs of one user", "limit": 3, "used": 3, "wanted": 1,
        "name": "more"})
    by(BOB, lambda: cvmd.launch("bobs"))


@pytest.mark.parametrize("field, first, second, resource, limit", [
    ("memory", 300 * MIB, 101 * MIB, "memory of one user", 400 * MIB),
    ("cpus", 4, 3, "vCPUs of one user", 6),
])
def test_quota_of_a_users_live_ones(cvmd, field, first, second, resource, limit):
    def launch(name, size):
        return cvmd.launch(name, **{field: str(size) if field == "memory" else size})

    by(ANN, lambda: launch("one", first))
    error = refused(ANN, lambda: launch("two", second))
    assert (error.name, error.fields) == ("QuotaExceeded", {
        "resource": resource, "limit": limit, "used": first, "wanted": second,
        "name": "two"})
    by(BOB, lambda: launch("bobs", second))
    by(ADMIN, lambda: launch("big", limit + (MIB if field == "memory" else 1)))
    by(ANN, lambda: cvmd.stop("one", force=True))
    by(ANN, lambda: launch("two", second))


@pytest.fixture
def few_ports(make_daemon, config):
    return reachable(make_daemon({**config, "ports": {"first": 7500, "last": 7519},
                                  "limits": {"portsPerUid": 5}}))


def test_quota_of_ports(few_ports):
    """Those of the range count, chosen or named, of live CVMs; others' launches go on."""
    cvmd = few_ports
    by(ANN, lambda: cvmd.launch("one", forwards=[
        {"guestPort": 1}, {"guestPort": 2, "hostPort": 7519}, {"guestPort": 3, "hostPort": 7530}]))
    four = [{"guestPort": port} for port in range(1, 5)]
    error = refused(ANN, lambda: cvmd.launch("two", forwards=four))
    assert (error.name, error.fields) == ("QuotaExceeded", {
        "resource": "ports of one user", "limit": 5, "used": 2, "wanted": 4,
        "name": "two"})
    by(ANN, lambda: cvmd.launch("two", forwards=four[:2]))
    assert refused(ANN, lambda: cvmd.launch("three", forwards=four[:2])).fields["used"] == 4
    by(ANN, lambda: cvmd.launch("three"))  # one to the agent
    assert refused(ANN, lambda: cvmd.launch("four")).name == "QuotaExceeded"
    by(ANN, lambda: cvmd.launch("none", forwards=[]))
    by(BOB, lambda: cvmd.launch("bobs", forwards=four))
    by(ADMIN, lambda: cvmd.launch("big", forwards=[{"guestPort": n} for n in range(1, 8)]))
    by(ANN, lambda: cvmd.stop("two", force=True))
    by(ANN, lambda: cvmd.launch("four"))


def test_quota_of_ports_by_default(make_daemon, config):
    """A quarter of the range."""
    cvmd = reachable(make_daemon({**config, "ports": {"first": 7600, "last": 7999}, "limits": {}}))
    many = [{"guestPort": port} for port in range(1, 51)]
    for name in ("one", "two"):
        by(ANN, lambda name=name: cvmd.launch(name, forwards=many))
    assert refused(ANN, lambda: cvmd.launch("three")).fields == {
        "resource": "ports of one user", "limit": 100, "used": 100, "wanted": 1,
        "name": "three"}
    by(BOB, lambda: cvmd.launch("bobs"))


def test_the_port_of_another_is_not_told(cvmd):
    by(ANN, lambda: cvmd.launch("anns", forwards=[{"guestPort": 1, "hostPort": port(50)}]))
    error = refused(
        BOB, lambda: cvmd.launch("b", forwards=[{"guestPort": 1, "hostPort": port(50)}]))
    assert (error.name, error.fields["holders"]) == ("NoResources", [])


def secret_file(cvmd):
    path = cvmd.directory / "secret"
    path.write_bytes(cvmd.kernel.read_bytes())
    path.chmod(0o600)
    return path


def secret_directory(cvmd):
    path = cvmd.directory / "secrets"
    path.mkdir(mode=0o700)
    return path


def test_a_kernel_that_the_caller_may_not_read(cvmd):
    path = str(secret_file(cvmd))
    error = refused(ANN, lambda: cvmd.launch("web", kernel={"path": path}))
    assert (error.name, error.fields["field"]) == ("InvalidSpec", "kernel")


def test_the_shadow_file_as_a_certificate(cvmd):
    error = refused(ANN, lambda: cvmd.launch("web", certs={"a": {"path": "/etc/shadow"}}))
    assert (error.name, error.fields["field"]) == ("InvalidSpec", "certs.a")


@SHARES
def test_a_share_that_the_caller_may_not_enter(cvmd):
    path = str(secret_directory(cvmd))
    error = refused(ANN, lambda: cvmd.launch("web", shares=[{"tag": "a", "path": path}]))
    assert (error.name, error.fields["field"]) == ("InvalidSpec", "shares[0].path")


@SHARES
@pytest.mark.not_valgrind("valgrind does not know mount_setattr(2)")
def test_a_share_that_the_caller_may_not_write(cvmd):
    path = cvmd.directory / "readable"
    path.mkdir(mode=0o755)
    share = {"tag": "a", "path": str(path), "readOnly": False}
    error = refused(ANN, lambda: cvmd.launch("web", shares=[share]))
    assert (error.name, error.fields["field"]) == ("InvalidSpec", "shares[0].path")
    by(ANN, lambda: cvmd.launch("web", shares=[{**share, "readOnly": True}]))


def test_a_link_to_what_the_caller_may_not_read(cvmd):
    home = cvmd.directory / "home"
    home.mkdir()
    os.chown(home, ANN, ANN)
    secret = secret_file(cvmd)
    by(ANN, lambda: (home / "kernel").symlink_to(secret))
    error = refused(ANN, lambda: cvmd.launch("web", kernel={"path": str(home / "kernel")}))
    assert (error.name, error.fields["field"]) == ("InvalidSpec", "kernel")


def test_what_only_a_group_of_the_callers_may_read(cvmd):
    path = secret_file(cvmd)
    os.chown(path, 0, grp.getgrnam(USERS).gr_gid)
    path.chmod(0o640)
    assert by(ANN, lambda: cvmd.launch("web", kernel={"path": str(path)}))["state"] == "running"


@LIBVIRTS
def test_qemu_has_no_rights_of_roots(cvmd):
    cvm = by(ANN, lambda: cvmd.launch("web", env={"A": "b"}))
    status = pathlib.Path(f"/proc/{cvm['pid']}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {str(cvm["uid"])}
    assert cvm["uid"] not in (0, ANN) and fields["Groups"].split() == []
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    # the daemon's filter, which the sandbox of a real QEMU comes on top of
    assert fields["Seccomp"] == "2"


@LIBVIRTS
def test_each_qemu_has_a_uid_of_its_own(cvmd):
    uids = [cvmd.launch(f"web{i}")["uid"] for i in range(3)]
    assert len(set(uids)) == 3
    cvmd.call("Stop", name="web0", force=True)
    assert "uid" in cvmd.status("web1")


@LIBVIRTS
@pytest.mark.not_valgrind("what the daemon forks is under valgrind, too")
def test_qemu_has_no_more_than_its_plan_names(cvmd):
    """No descriptor of the daemon's or of another CVM, no core dump."""
    other = cvmd.launch("other", env={"A": "b"})
    cvm = cvmd.launch("web", env={"A": "b"})
    held = set(processes.descriptors(cvm["pid"]).values())
    assert not [path for path in held if other["id"] in path or str(cvmd.state) in path
                or path == str(cvmd.runtime) or path.endswith("io.cvmd.Manager")]
    shares = [path for path in held if path.startswith(str(cvmd.runtime))]
    assert sorted(pathlib.Path(path).name for path in shares) == ["certs", "env"]
    assert all(cvm["id"] in path for path in shares)
    assert any(path.startswith("/memfd:artifact") for path in held)
    limits = pathlib.Path(f"/proc/{cvm['pid']}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


def share_of(cvm):
    """QEMU's view of the CVM's first share, by its own descriptor."""
    argv = pathlib.Path(f"/proc/{cvm['pid']}/cmdline").read_bytes().decode().split("\0")
    (option,) = [a for a in argv if a.startswith("local,id=share0,")]
    return pathlib.Path(f"/proc/{cvm['pid']}") / re.search(r"path=/proc/self/(fd/\d+)",
                                                           option).group(1)


@SHARES
@pytest.mark.not_valgrind("valgrind does not know mount_setattr(2)")
def test_a_share_is_seen_under_the_uid_of_its_qemu(cvmd):
    home = cvmd.directory / "home"
    home.mkdir(mode=0o700)
    for name, uid in (("anns", ANN), ("roots", 0)):
        (home / name).write_text(name)
        (home / name).chmod(0o600)
        os.chown(home / name, uid, uid)
    os.chown(home, ANN, ANN)
    cvm = by(ANN, lambda: cvmd.launch("web", shares=[{"tag": "data", "path": str(home),
                                                     "readOnly": False}]))
    seen = share_of(cvm)

    def as_qemu(function):
        return as_user(cvm["uid"], cvm["uid"], [], function)

    assert (seen / "anns").stat().st_uid == cvm["uid"]
    assert as_qemu((seen / "anns").read_text) == "anns"
    with pytest.raises(Failed) as refusal:
        as_qemu((seen / "roots").read_text)
    assert refusal.value.kind == "PermissionError"
    as_qemu(lambda: (seen / "new").write_text("by the guest"))
    assert ((home / "new").stat().st_uid, (home / "new").stat().st_gid) == (ANN, ANN)
    # the user's own directory is as it was
    assert (home.stat().st_uid, (home / "roots").stat().st_uid) == (ANN, 0)


@SHARES
@pytest.mark.not_valgrind("valgrind does not know mount_setattr(2)")
def test_a_read_only_share_is_read_only_to_qemu_itself(cvmd):
    home = cvmd.directory / "home"
    home.mkdir()
    os.chown(home, ANN, ANN)
    cvm = by(ANN, lambda: cvmd.launch("web", shares=[{"tag": "data", "path": str(home)}]))
    with pytest.raises(Failed) as refusal:
        as_user(cvm["uid"], cvm["uid"], [], lambda: (share_of(cvm) / "new").write_text("x"))
    assert refusal.value.kind == "OSError"
    assert not (home / "new").exists()


@SHARES
@pytest.mark.not_valgrind("valgrind does not know mount_setattr(2)")
def test_a_share_on_a_file_system_that_cannot_be_mapped(cvmd):
    error = refused(ANN, lambda: cvmd.launch("web", shares=[{"tag": "data", "path": "/proc/sys"}]))
    assert (error.name, error.fields["field"]) == ("InvalidSpec", "shares[0].path")
    assert "id-mapped" in error.fields["reason"]


@LIBVIRTS
def test_qemu_of_root_has_no_capabilities_either(cvmd):
    status = pathlib.Path(f"/proc/{cvmd.launch('web')['pid']}/status").read_text()
    assert "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status


def test_what_the_daemon_makes_is_private(cvmd):
    cvm = by(ANN, lambda: cvmd.launch("web", env={"A": "topsecret"}))

    def search():
        found = []
        for root in (cvmd.runtime, cvmd.state):
            for path, _, files in os.walk(root):
                for name in files:
                    try:
                        if b"topsecret" in pathlib.Path(path, name).read_bytes():
                            found.append(os.path.join(path, name))
                    except OSError:
                        pass
        return found

    assert by(BOB, search) == []
    shares = cvmd.runtime / "shares" / cvm["id"]
    assert b"topsecret" in (shares / "env" / "environment").read_bytes()
    cvmd.stop("web", force=True)
    assert not shares.exists() and search() == []


@pytest.mark.qemu_driver("libvirt talks to users whom the host knows")
@pytest.mark.not_valgrind("valgrind is unpacked where only who runs the tests may read")
def test_an_unprivileged_daemon(make_daemon, config):
    """A user's own daemon, which no other user may use."""
    ids = {"user": ANN, "group": ANN, "extra_groups": []}
    daemon = make_daemon({**config, "groups": {}}, user=ids)
    daemon.kernel.chmod(0o644)
    daemon.initramfs.chmod(0o644)
    cvm = as_user(ANN, ANN, [], lambda: daemon.launch("web", env={"A": "b"}))
    assert (cvm["state"], cvm["owner"]) == ("running", ANN)
    with pytest.raises(Failed) as refusal:
        as_user(BOB, BOB, [], lambda: daemon.call("List"))
    assert refusal.value.kind == "PermissionError"


@pytest.mark.not_valgrind("what the daemon forks, and execveat(2) starts, is under valgrind, too")
@LIBVIRTS
@pytest.mark.parametrize("script", [False, True], ids=["program", "script"])
def test_a_qemu_below_a_directory_of_roots(make_daemon, config, tmp_path, script):
    """The configuration is root's choice: the CVM's uid need not reach the program by its path."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    path = private / "qemu"
    if script:
        path.write_text(f'#!/bin/sh\nexec {config["qemu"]["default"]} "$@"\n')
    else:
        shutil.copy(config["qemu"]["default"], path)
    path.chmod(0o755)
    daemon = make_daemon({**config, "qemu": {"default": str(path)}})
    cvm = daemon.launch("web", wait="ready")
    assert pathlib.Path(f"/proc/{cvm['pid']}").stat().st_uid == cvm["uid"]
