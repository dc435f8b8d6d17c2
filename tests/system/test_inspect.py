# SPDX-License-Identifier: Apache-2.0
"""The spec read back: as it was given, without secrets; what is missing is named, and a launch of
it is refused until it is given."""
import hashlib
import json
import os
import re

import pytest

from harness import exits
from harness.daemon import TOP
from harness.users import ADMIN, ADMINS, ANN, BOB, USERS, Failed, by, reachable
from harness.varlink import VarlinkError


def shown(cvmd, name):
    return cvmd.call("Status", name=name, withSpec=True)["cvm"].get("spec")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def spec_file(cvmd, tmp_path):
    def write(name, **fields):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(cvmd.spec(name, **fields)))
        return path
    return write


def without_secrets(cvmd, tmp_path):
    share, disk = tmp_path / "share", tmp_path / "disk"
    share.mkdir()
    disk.write_bytes(bytes(1 << 20))
    return cvmd.spec(
        "web", memory="65536K", labels={"app": "shop"}, ttlSec=3600, debug=True,
        shares=[{"tag": "data", "path": str(share)}], disks=[{"path": str(disk)}],
        forwards=[{"guestPort": 7002}], timeouts={"readySec": 60},
        restart={"policy": "on-failure", "limit": 2}, cmdline="console=ttyS0 quiet")


@pytest.mark.qemu_driver("libvirt takes no certificates")
def test_certificates_by_path(cvmd, tmp_path):
    """A path is not secret: it is shown, and kept over restarts."""
    (tmp_path / "ca").write_text("ca")
    spec = cvmd.spec("web", certs={"ca.pem": {"path": str(tmp_path / "ca")}})
    cvmd.call("Launch", spec=spec)
    assert shown(cvmd, "web") == spec
    cvmd.kill()
    cvmd.start()
    assert shown(cvmd, "web") == spec


@pytest.mark.qemu_driver("libvirt takes no shares and asks for other files")
def test_equal_without_secrets(cvmd, tmp_path):
    """By paths in a call, and from a file by cvmctl, which sends descriptors."""
    spec = without_secrets(cvmd, tmp_path)
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(spec))
    cvmd.call("Launch", spec=spec)
    assert shown(cvmd, "web") == spec
    cvmd.stop("web", force=True)
    cvmd.cvmctl("launch", "--file", file)
    printed = cvmd.cvmctl("inspect", "web", "--spec")
    assert json.loads(printed.stdout) == spec and printed.stderr == ""
    file.write_text(printed.stdout)  # and that launches the same again
    cvmd.cvmctl("launch", "again", "--file", file)
    assert shown(cvmd, "again") == {**spec, "name": "again"}
    cvmd.kill()
    cvmd.start()
    assert shown(cvmd, "again") == {**spec, "name": "again"}


def test_only_on_request(cvmd):
    cvmd.launch("web")
    assert "spec" not in cvmd.call("Status", name="web")["cvm"]
    assert "spec" not in cvmd.call("List")["cvms"][0]
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call("List", withSpec=True)
    assert refusal.value.name == "org.varlink.service.ExpectedMore"
    with cvmd.client() as client:
        (page,) = client.stream("List", withSpec=True)
    assert page["cvms"][0]["spec"] == cvmd.spec("web")
    whole = json.loads(cvmd.cvmctl("inspect", "web").stdout)
    assert whole["spec"] == cvmd.spec("web") and whole["state"] == "running"
    one_line = cvmd.cvmctl("inspect", "web", "--json").stdout
    assert one_line.count("\n") == 1 and json.loads(one_line)["spec"] == cvmd.spec("web")


@pytest.mark.qemu_driver("libvirt takes no shares, and secrets need them")
def test_secrets_are_named_and_asked_for(cvmd, spec_file, tmp_path):
    certs = tmp_path / "certs"
    certs.mkdir()
    (certs / "key.pem").write_text("key-secret")
    file = spec_file("web", env={"TOKEN": "env-secret", "MODE": "x"})
    cvmd.cvmctl("launch", "--file", file, "--certs", certs)
    printed = cvmd.cvmctl("inspect", "web", "--spec")
    record = (cvmd.state / "records" / f"{cvmd.status('web')['id']}.json").read_text()
    for text in (printed.stdout, printed.stderr, json.dumps(shown(cvmd, "web")), record,
                 cvmd.log()):
        assert "env-secret" not in text and "key-secret" not in text
        assert "a2V5LXNlY3JldA" not in text
    spec = json.loads(printed.stdout)
    assert "env" not in spec and spec["certs"] == {"key.pem": {}}
    assert sorted(spec["missing"]) == ["certs.key.pem", "env.MODE", "env.TOKEN"]
    assert "env.TOKEN" in printed.stderr

    again, env = tmp_path / "again.json", tmp_path / "env"
    again.write_text(printed.stdout)
    env.write_text("TOKEN=env-secret\n")
    for given, field in [([], "certs.key.pem"), (["--certs", certs], "env."),
                         (["--certs", certs, "--env-file", env], "env.MODE")]:
        done = cvmd.cvmctl("launch", "next", "--file", again, *given, check=False)
        assert done.returncode == exits.DATA and field in done.stderr, done.stderr
    with pytest.raises(VarlinkError) as refusal:  # a client that sends it as it is
        cvmd.call("Launch", spec={**spec, "name": "next", "certs": {}})
    assert refusal.value.name == "InvalidSpec"
    cvmd.cvmctl("launch", "next", "--file", again, "--certs", certs, "--env-file", env,
                "--env", "MODE=y")
    assert sorted(shown(cvmd, "next")["missing"]) == sorted(spec["missing"])


def test_descriptors(cvmd):
    """A path that the daemon found with the digest, what has none is missing."""
    memory = os.memfd_create("initramfs")
    os.write(memory, cvmd.initramfs.read_bytes())
    kernel = os.open(cvmd.kernel, os.O_RDONLY)
    spec = cvmd.spec("web", kernel={"fd": 0}, initramfs={"fd": 1})
    with cvmd.client() as client:
        client.send("Launch", {"spec": spec}, fds=[kernel, memory])
        client.receive()
    os.close(kernel)
    os.close(memory)
    found = shown(cvmd, "web")
    assert found["kernel"] == {"path": str(cvmd.kernel), "sha256": digest(cvmd.kernel)}
    assert found["initramfs"] == {"sha256": digest(cvmd.initramfs)}
    assert found["missing"] == ["initramfs.path"]
    with pytest.raises(VarlinkError) as refusal:
        cvmd.call("Launch", spec={**found, "name": "next"})
    assert refusal.value.fields["field"] == "initramfs.path"
    given = {"path": str(cvmd.initramfs), "sha256": digest(cvmd.initramfs)}
    cvmd.call("Launch", spec={**found, "name": "next", "initramfs": given})
    del found["missing"]
    assert shown(cvmd, "next") == {**found, "name": "next", "initramfs": given}


def test_sizes_in_one_unit(cvmd):
    """What Cvm says of the memory may be said in a spec."""
    memory = cvmd.launch("web", memory="128M")["memory"]
    assert memory == 128 << 20
    assert cvmd.launch("next", memory=memory)["memory"] == memory
    assert shown(cvmd, "next")["memory"] == "128M"


@pytest.mark.qemu_driver("the record is of a CVM whose QEMU is the daemon's own child")
def test_of_version_0_1_0(cvmd):
    record = json.loads((TOP / "tests/records/2/ended.json").read_text())
    cvmd.kill()
    path = cvmd.state / "records" / f"{record['id']}.json"
    path.write_text(json.dumps(record))
    path.chmod(0o600)
    cvmd.start()
    assert cvmd.status(record["name"])["state"] == "failed"
    assert shown(cvmd, record["name"]) is None
    done = cvmd.cvmctl("inspect", record["name"], "--spec", check=False)
    assert done.returncode == exits.FAILED and "0.1.0" in done.stderr
    assert json.loads(cvmd.cvmctl("inspect", record["name"]).stdout)["id"] == record["id"]


def test_many_large_ones_in_pages(cvmd):
    env = {f"A_LONG_NAME_OF_A_VARIABLE_{i:04}": "" for i in range(3000)}
    for i in range(4):
        cvmd.launch(f"cvm-{i}", env=env)
        cvmd.stop(f"cvm-{i}", force=True)
    with cvmd.client() as client:
        pages = list(client.stream("List", withSpec=True))
    found = [cvm for page in pages for cvm in page["cvms"]]
    assert [cvm["name"] for cvm in found] == [f"cvm-{i}" for i in range(4)] and len(pages) > 1
    assert all(len(cvm["spec"]["missing"]) == 3000 for cvm in found)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")
def test_another_users_spec(make_daemon, config):
    cvmd = reachable(make_daemon({**config, "groups": {"users": USERS, "admins": ADMINS}}))
    by(ANN, lambda: cvmd.launch("anns", cmdline="console=ttyS0 hers"))
    assert "hers" in by(ANN, lambda: shown(cvmd, "anns"))["cmdline"]
    assert "hers" in by(ADMIN, lambda: shown(cvmd, "anns"))["cmdline"]
    with pytest.raises(Failed) as refusal:
        by(BOB, lambda: shown(cvmd, "anns"))
    assert re.search("NoSuchCvm", str(refusal.value))
    with_specs = lambda: list(cvmd.client().stream("List", withSpec=True))
    assert [reply["cvms"] for reply in by(BOB, with_specs)] == [[]]
