# SPDX-License-Identifier: Apache-2.0
"""A CVM says whether it is confidential; a spec or the configuration can require it."""
import json
import re

import pytest

from harness import exits
from harness.daemon import TOP
from harness.processes import BRIEF_SEC
from harness.varlink import VarlinkError


def refused(cvmd, **fields):
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web", **fields)
    assert refusal.value.name == "NotConfidential"
    assert cvmd.cvms() == []
    return refusal.value.fields


def test_required_by_the_spec(cvmd):
    assert refused(cvmd, confidential=True) == {"platform": "plain", "name": "web"}
    # auto never takes a platform that is not confidential then
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch("web", confidential=True, platform="auto")
    assert refusal.value.name in ("NotConfidential", "HostNotReady")
    assert cvmd.launch("web", confidential=False)["confidential"] is False
    assert "Confidential: no" in cvmd.cvmctl("status", "web").stdout


def test_required_by_the_configuration(make_daemon, config):
    daemon = make_daemon({**config, "requireConfidential": True})
    assert refused(daemon) == {"platform": "plain", "name": "web"}
    with pytest.raises(VarlinkError) as refusal:
        daemon.call("Render", spec=daemon.spec("web"))
    assert refusal.value.name == "NotConfidential"


def test_by_cvmctl(cvmd, tmp_path):
    file = tmp_path / "web.json"
    file.write_text(json.dumps(cvmd.spec("web")))
    done = cvmd.cvmctl("launch", "--file", file, "--require-confidential", check=False)
    assert done.returncode == exits.UNAVAILABLE and "not confidential" in done.stderr


def test_a_plain_cvm_is_announced(cvmd, tmp_path):
    """launch, run, status and list say it; --json says it by the field alone."""
    file = tmp_path / "web.json"
    file.write_text(json.dumps(cvmd.spec("web", cmdline="quiet seen")))
    done = cvmd.cvmctl("launch", "--file", file)
    assert re.fullmatch(r"cvmctl: note: web is NOT confidential \(platform plain(, emulated)?\): "
                        r"this host .* see `cvmctl doctor`\n", done.stderr), done.stderr
    emulated = cvmd.status("web").get("emulated", False)
    assert (", emulated" in done.stderr) == emulated
    shown = cvmd.cvmctl("status", "web").stdout
    assert "Confidential: no, the host" in shown and "Command line: quiet seen\n" in shown
    assert ("Emulated: yes" in shown) == emulated
    assert cvmd.cvmctl("list", "--format", "confidential", "--no-legend").stdout == "no\n"
    cvmd.kill()
    cvmd.start()
    assert cvmd.status("web").get("emulated", False) == emulated
    done = cvmd.cvmctl("run", "short", "--file", file, "--ttl", BRIEF_SEC, check=False,
                       timeout=60)
    assert done.stderr.count("short is NOT confidential (platform plain") == 1, done.stderr
    done = cvmd.cvmctl("launch", "other", "--file", file, "--json")
    assert done.stderr == "" and json.loads(done.stdout)["confidential"] is False


@pytest.mark.qemu_driver("the record is of a CVM whose QEMU is the daemon's own child")
@pytest.mark.parametrize("platform, confidential", [("plain", False), ("sev-snp", True)])
def test_of_version_0_1_0(cvmd, platform, confidential):
    """Its record does not say it, but the platform does."""
    record = json.loads((TOP / "tests/records/2/ended.json").read_text())
    record["platform"] = platform
    assert "confidential" not in record
    cvmd.kill()
    path = cvmd.state / "records" / f"{record['id']}.json"
    path.write_text(json.dumps(record))
    path.chmod(0o600)
    cvmd.start()
    assert cvmd.status(record["name"])["confidential"] is confidential
