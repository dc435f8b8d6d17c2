# SPDX-License-Identifier: Apache-2.0
"""Admission of vCPUs, and templates that have no place for a device."""
import json
import os
import pathlib

import pytest

from harness.varlink import VarlinkError

PLAIN = pathlib.Path(__file__).resolve().parents[2] / "templates/plain.json"


def test_vcpus(make_daemon, config):
    cvmd = make_daemon({**config, "limits": {"vcpusPerCpu": 2}})
    online = os.sysconf("SC_NPROCESSORS_ONLN")
    for number in range(online):
        cvmd.launch(f"n{number}", cpus=2)
    for _ in range(2):
        with pytest.raises(VarlinkError) as refusal:
            cvmd.launch("more", cpus=1)
        assert refusal.value.name == "NoResources"
        fields = refusal.value.fields
        assert (fields["resource"], fields["wanted"], fields["available"]) == ("cpus", 1, 0)
        assert sorted(fields["holders"]) == sorted(f"n{number}" for number in range(online))
        cvmd.kill()
        cvmd.start()
    cvmd.stop("n0", force=True)
    cvmd.wait_state("n0", "stopped")
    cvmd.launch("more", cpus=2)


@pytest.mark.qemu_driver("driver libvirt takes no disks and no GPUs")
def test_a_template_without_devices_does_not_swallow_them(make_daemon, config, tmp_path):
    daemon = make_daemon(config, start=False)
    directory = daemon.directory / "templates"
    directory.mkdir(mode=0o755)
    template = json.loads(PLAIN.read_text())
    template.update(name="bare", strength=0, arguments=[
        argument for argument in template["arguments"]
        if argument not in ({"include": "disks"}, {"include": "gpus"})])
    (directory / "bare.json").write_text(json.dumps(template))
    daemon.config["templates"] = str(directory)
    daemon.start()
    image = tmp_path / "a.img"
    image.write_bytes(bytes(512))
    for spec, field in (({"disks": [{"path": str(image)}]}, "disks[0]"),
                        ({"gpus": ["0000:ff:1f.7"]}, "gpus[0]")):
        with pytest.raises(VarlinkError) as refusal:
            daemon.launch("web", platform="bare", **spec)
        assert refusal.value.name == "InvalidSpec" and refusal.value.fields["field"] == field
    daemon.launch("web", platform="bare")


@pytest.mark.qemu_driver("driver libvirt takes no 'isolated'")
def test_a_template_with_an_open_network_beside_the_closed_one(make_daemon, config):
    """No guest is called isolated that has a way out."""
    daemon = make_daemon(config, start=False)
    directory = daemon.directory / "templates"
    directory.mkdir(mode=0o755)
    template = json.loads(PLAIN.read_text())
    template.update(name="two", strength=0, arguments=[
        *template["arguments"], {"netdev": {"type": "user", "id": "more"}}])
    (directory / "two.json").write_text(json.dumps(template))
    daemon.config["templates"] = str(directory)
    daemon.start()
    daemon.launch("web", platform="two")
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch("web2", platform="two", network="isolated")
    assert (refusal.value.name, refusal.value.fields["field"]) == ("InvalidSpec", "network")
    daemon.launch("web3", network="isolated")
