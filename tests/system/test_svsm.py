# SPDX-License-Identifier: Apache-2.0
"""What COCONUT-SVSM needs of the host itself, on the platform sev-snp: its state. The platform's
template is the real one but for what wants a confidential host."""
import json
import os
import pathlib

import pytest

from harness import images
from harness.varlink import VarlinkError

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "templates"


def template():
    real = json.loads((TEMPLATES / "sev-snp.json").read_text())
    real.update(devices=[], measure="none")
    real["requires"] = {"svsm": real["requires"]["svsm"]}
    real["arguments"] = [argument for argument in real["arguments"]
                         if argument.get("object", {}).get("qom-type") != "sev-snp-guest"]
    return real


@pytest.fixture
def make(make_daemon, config, tmp_path):
    """make(NEEDS): a daemon with that platform, whose SVSM's devices want NEEDS of QEMU."""
    def start(needs=None):
        directory = tmp_path / "templates"
        directory.mkdir()
        changed = template()
        if needs is not None:
            changed["requires"]["svsm"] = needs
        (directory / "sev-snp.json").write_text(json.dumps(changed))
        file = images.Igvm()
        file.platform(1, 2, vtl=0)
        file.page(1, 0x10000, images.noise(4096, 21))
        file.vp(1, images.noise(4096, 24))
        (tmp_path / "svsm.igvm").write_bytes(file.finish())
        return make_daemon({**config, "templates": str(directory)})
    return start


@pytest.fixture
def daemon(make):
    return make({})


def spec(tmp_path, name="web", **more):
    return {"name": name, "platform": "sev-snp", "memory": "64M", "cpus": 1,
            "igvm": {"path": str(tmp_path / "svsm.igvm")}, **more}


def launch(daemon, tmp_path, name="web", **more):
    return daemon.call("Launch", spec=spec(tmp_path, name, **more))["cvm"]


def refused(name, function):
    with pytest.raises(VarlinkError) as refusal:
        function()
    assert refusal.value.name == name, refusal.value.fields
    return refusal.value.fields


def state(tmp_path, name="state"):
    path = tmp_path / name
    path.write_bytes(bytes(1 << 20))
    return [{"path": str(path), "bus": "svsm"}]


def test_state_is_the_svsms_alone(daemon, tmp_path):
    disks = state(tmp_path)
    cvm = launch(daemon, tmp_path, disks=disks)
    command = pathlib.Path(f"/proc/{cvm['pid']}/cmdline").read_text().split("\0")
    assert "virtio-blk-device,drive=disk0" in command
    assert "virtio-mmio.force-legacy=false" in command
    assert [word for word in command if "x-svsm-virtio-mmio=on" in word]
    assert not [word for word in command if "scsi" in word]

    fields = refused("NoResources", lambda: launch(daemon, tmp_path, "two", disks=disks))
    assert fields == {"resource": "disk:disk0", "wanted": 1, "available": 0, "holders": ["web"]}
    os.link(tmp_path / "state", tmp_path / "other")
    other = [{"path": str(tmp_path / "other"), "id": "x"}]
    assert refused("NoResources",
                   lambda: launch(daemon, tmp_path, "two", disks=other))["holders"] == ["web"]
    daemon.kill()
    daemon.start()
    assert refused("NoResources",
                   lambda: launch(daemon, tmp_path, "two", disks=disks))["holders"] == ["web"]
    daemon.stop("web", force=True)
    launch(daemon, tmp_path, "two", disks=disks)


def test_no_devices_unless_asked_for(daemon, tmp_path):
    cvm = launch(daemon, tmp_path)
    command = pathlib.Path(f"/proc/{cvm['pid']}/cmdline").read_text()
    assert "svsm" not in command.replace("svsm.igvm", "") and "virtio-mmio" not in command
    assert "-kernel" not in command


def test_a_qemu_without_devices_for_it(make, tmp_path):
    daemon = make()
    wanted = spec(tmp_path, disks=state(tmp_path))
    missing = {check["needed"]: check for check in daemon.call("Render", spec=wanted)["missing"]}
    assert "COCONUT-SVSM's QEMU" in missing["machine option q35.x-svsm-virtio-mmio"]["fix"]
    assert refused("HostNotReady", lambda: daemon.call("Launch", spec=wanted))["check"] == "qemu"
    launch(daemon, tmp_path)  # who asks for none needs none


def test_a_platform_without_svsm(shared, tmp_path):
    fields = refused("InvalidSpec", lambda: shared.launch("web", disks=state(tmp_path)))
    assert fields["field"] == "disks[0].bus" and "plain has no SVSM" in fields["reason"]


def test_the_flag_of_cvmctl(daemon, tmp_path):
    state(tmp_path)
    command = daemon.cvmctl("render", "web", "--platform", "sev-snp", "--igvm",
                            tmp_path / "svsm.igvm", "--disk",
                            f"{tmp_path / 'state'},bus=svsm").stdout
    assert "virtio-blk-device,drive=disk0" in command and '"read-only":false' in command
