# SPDX-License-Identifier: Apache-2.0
"""What a launch needs of QEMU is asked before anything is started, and remembered."""
import json
import os
import pathlib
import tempfile

import pytest

from harness import exits
from harness.daemon import FAKE_QEMU

pytestmark = pytest.mark.qemu_driver("it is libvirt that asks QEMU what it can do")


def template(name, qemu):
    """plain, needing more."""
    plain = pathlib.Path(__file__).resolve().parents[2] / "templates/plain.json"
    return {**json.loads(plain.read_text()), "name": name, "strength": 0,
            "requires": {"qemu": qemu}}


@pytest.fixture
def needy(make_daemon, config):
    """A daemon with platforms that this QEMU has (met) and has not (unmet) the parts of."""
    daemon = make_daemon(config, start=False)
    directory = daemon.directory / "templates"
    directory.mkdir(mode=0o755)
    for name, qemu in (
            ("met", {"objects": ["memory-backend-memfd"], "cpus": ["max"],
                     "properties": {"sev-guest": ["policy"]}, "machines": {"q35": ["pflash0"]}}),
            ("unmet", {"objects": ["tdx-guest"], "devices": ["virtio-9p-pci", "warp-drive"],
                       "machines": {"q35": ["device-plane"]},
                       "providers": {"tdx-guest": "the package qemu-of-tomorrow"}})):
        (directory / f"{name}.json").write_text(json.dumps(template(name, qemu)))
    daemon.config["templates"] = str(directory)
    return daemon.start()


def missing(daemon, platform):
    spec = daemon.spec("web", platform=platform)
    return {check["needed"]: check for check in daemon.call("Render", spec=spec)["missing"]}


def test_what_qemu_has(needy):
    assert missing(needy, "met") == {}
    needy.launch("web", platform="met")
    needy.discard("web")


def test_what_qemu_lacks(needy):
    checks = missing(needy, "unmet")
    assert set(checks) == {"object tdx-guest", "device warp-drive",
                           "machine option q35.device-plane"}
    assert all(check["name"] == "qemu" and FAKE_QEMU in check["found"] for check in checks.values())
    assert "the package qemu-of-tomorrow" in checks["object tdx-guest"]["fix"]


def test_a_launch_refuses_before_it_starts_anything(needy):
    spec = needy.directory / "web.json"
    spec.write_text(json.dumps(needy.spec("web", platform="unmet")))
    done = needy.cvmctl("launch", "--file", spec, "--json", check=False)
    assert done.returncode == exits.UNAVAILABLE
    error = json.loads(done.stderr)
    assert error["error"] == "io.cvmd.Manager.HostNotReady"
    assert error["parameters"]["needed"] == "object tdx-guest"
    assert "qemu-of-tomorrow" in error["parameters"]["fix"]
    assert needy.cvms() == []


def kept(daemon):
    return sorted((daemon.state / "qemu-cache").iterdir())


def test_it_is_asked_once(needy):
    needy.launch("web", platform="met")
    files = kept(needy)
    assert len(files) == 1 and files[0].stat().st_mode & 0o777 == 0o600
    before = files[0].stat()
    needy.discard("web")
    needy.launch("web", platform="met")
    needy.discard("web")
    assert kept(needy)[0].stat().st_ino == before.st_ino


def test_a_kept_answer_outlives_the_daemon_unless_it_is_torn(needy):
    assert len(missing(needy, "unmet")) == 3
    path = kept(needy)[0]
    known = json.loads(path.read_text())
    known["probe"]["devices"]["warp-drive"] = None
    path.write_text(json.dumps(known))
    needy.terminate()
    needy.start()
    assert "device warp-drive" not in missing(needy, "unmet")
    path.write_text(json.dumps(known)[:-9])
    needy.terminate()
    needy.start()
    assert "device warp-drive" in missing(needy, "unmet")
    assert json.loads(path.read_text())["origin"] == known["origin"]


@pytest.mark.parametrize("what, other", [("kernel", "6.1.0-0-amd64"), ("program", "0.0.1")])
def test_an_answer_of_another_kernel_or_cvmd_is_asked_for_again(needy, what, other):
    assert len(missing(needy, "unmet")) == 3
    path = kept(needy)[0]
    known = json.loads(path.read_text())
    known["probe"]["devices"]["warp-drive"] = None
    path.write_text(json.dumps({**known, "origin": {**known["origin"], what: other}}))
    needy.terminate()
    needy.start()
    assert "device warp-drive" in missing(needy, "unmet")
    assert json.loads(path.read_text())["origin"] == known["origin"]


@pytest.fixture
def open_directory():
    """One that everybody may enter: root's daemon asks a QEMU as nobody."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


def test_another_binary_is_asked_again(make_daemon, config, open_directory):
    """A QEMU that is replaced under a running daemon, by one that cannot be asked at all."""
    qemu = open_directory / "qemu"
    qemu.write_bytes(pathlib.Path(FAKE_QEMU).read_bytes())
    qemu.chmod(0o755)
    config["qemu"] = {"default": str(qemu)}
    daemon = make_daemon(config)
    first = missing(daemon, "tdx")
    assert any(needed.startswith("object tdx-guest") for needed in first)
    qemu.unlink()
    qemu.write_text("#!/bin/sh\nexit 7\n")
    qemu.chmod(0o755)
    again = missing(daemon, "tdx")
    assert not any(needed.startswith("object") for needed in again)
    assert "cannot probe" in daemon.log()


def test_a_binary_for_a_platform(make_daemon, config, open_directory):
    """Each platform is asked of, and run by, the QEMU that the configuration names for it."""
    own = open_directory / "own-qemu"
    own.write_bytes(pathlib.Path(FAKE_QEMU).read_bytes())
    own.chmod(0o755)
    config["qemu"] = {"default": FAKE_QEMU, "tdx": str(own), "plain": str(own)}
    daemon = make_daemon(config)
    for platform, path in (("tdx", str(own)), ("sev-snp-ovmf", FAKE_QEMU)):
        asked = [check for check in missing(daemon, platform).values() if check["name"] == "qemu"]
        assert asked and all(path in check["found"] for check in asked)
    spec = daemon.spec("web", platform="plain")
    assert daemon.call("Render", spec=spec)["argv"][0] == str(own)
    cvm = daemon.launch("web", platform="plain")
    assert os.readlink(f"/proc/{cvm['pid']}/exe") == str(own)
    daemon.discard("web")


def test_auto_passes_over_what_qemu_lacks(make_daemon, config):
    """A confidential platform that the host could run is looked at from the daemon's start on."""
    daemon = make_daemon(config, start=False)
    directory = daemon.directory / "templates"
    directory.mkdir(mode=0o755)
    for name, strength, needs in (("met", 500, {"objects": ["sev-guest"]}),
                                  ("unmet", 900, {"objects": ["tdx-guest"]})):
        text = {**template(name, needs), "strength": strength, "confidential": True}
        (directory / f"{name}.json").write_text(json.dumps(text))
    daemon.config["templates"] = str(directory)
    daemon.start()
    assert daemon.launch("web", platform=None)["platform"] == "met"
    available = {one["name"]: one["available"] for one in daemon.call("ListTemplates")["templates"]}
    assert not available["unmet"]
    daemon.discard("web")
