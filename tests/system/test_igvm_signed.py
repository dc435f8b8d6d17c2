# SPDX-License-Identifier: Apache-2.0
"""ID blocks of guests that boot from an IGVM file: they are in the file, or refused."""
import base64
import json
import pathlib

import pytest

from harness import images
from harness.peer import cvmctl
from harness.varlink import VarlinkError

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "templates"
BLOCK, AUTH = (base64.b64encode(bytes(size)).decode() for size in (96, 4096))


@pytest.fixture
def daemon(make_daemon, config, tmp_path):
    """Its sev-snp runs an ordinary VM, and wants and measures the files of the real one."""
    directory = tmp_path / "templates"
    directory.mkdir()
    plain = json.loads((TEMPLATES / "plain.json").read_text())
    real = json.loads((TEMPLATES / "sev-snp.json").read_text())
    plain.update(name="sev-snp", measure=real["measure"], launchSecurity=real["launchSecurity"],
                 artifacts={kind: {key: value for key, value in rules.items()
                                   if key in ("needed", "guest")}
                            for kind, rules in real["artifacts"].items()})
    plain["arguments"] = [part for part in plain["arguments"] if "firmware" not in json.dumps(part)]
    (directory / "sev-snp.json").write_text(json.dumps(plain))
    return make_daemon({**config, "templates": str(directory)})


def spec(tmp_path, content, **more):
    (tmp_path / "file.igvm").write_bytes(content)
    (tmp_path / "kernel").write_bytes(images.kernel())
    return {"name": "web", "platform": "sev-snp", "memory": "64M", "cpus": 1,
            "igvm": {"path": str(tmp_path / "file.igvm")},
            "kernel": {"path": str(tmp_path / "kernel")}, **more}


@pytest.mark.qemu_driver("the platform has no libvirt domain")
@pytest.mark.parametrize("fields", [{}, {"authorKeyEnabled": "true"}])
def test_refused_beside_the_file(daemon, tmp_path, fields):
    wanted = spec(tmp_path, images.igvm(),
                  launchSecurity={"idBlock": BLOCK, "idAuth": AUTH, **fields})
    for method in ("Render", "Launch"):
        with pytest.raises(VarlinkError) as refused:
            daemon.call(method, spec=wanted)
        assert refused.value.name == "InvalidSpec"
        assert refused.value.fields["field"] == "launchSecurity.idBlock"
        assert "0x30b (SNP_ID_BLOCK)" in refused.value.fields["reason"]
    assert daemon.cvms() == []
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({**wanted, "initramfs": {"path": wanted["kernel"]["path"]}}))
    done = cvmctl("measure", "--file", file, "--json")
    assert done.code == 4 and "launchSecurity.idBlock" in done.err and "0x30b" in done.err, done
