# SPDX-License-Identifier: Apache-2.0
"""The EXAMPLES of cvmctl(1) are run as they stand there, in one session with the real QEMU and the
embedded guest."""
import json
import shutil
import signal

import pytest

from harness import artifacts, images
from harness.man_host import ManHost, blocks
from harness.processes import SLOWNESS

CONFIG = {"accelerator": "tcg", "network": {"hostAccess": "allow"}, "memory": "512M",
          "timeouts": {"startSec": 60, "readySec": 300, "powerdownSec": 10, "quitSec": 10}}
SECONDS = 120 * SLOWNESS
BLOCKS = blocks("cvmctl.1")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A host with the files that the page names."""
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    directory = tmp_path_factory.mktemp("examples")
    artifacts.certificates(directory / "certs")
    files = {"OVMF.amdsev.fd": images.firmware(), "bzImage": images.kernel(),
             "initramfs.cpio.gz": images.initramfs(), "svsm.igvm": images.igvm()}
    for name, data in files.items():
        (directory / name).write_bytes(data)
    web = json.dumps({"name": "web", "memory": "512M"}).encode()
    (directory / "web.json").write_bytes(web)
    (directory / "snp.json").write_text(json.dumps({
        "name": "snp", "platform": "sev-snp-ovmf", "cpus": 2, "cmdline": "quiet",
        "firmware": {"path": "OVMF.amdsev.fd"}, "kernel": {"path": "bzImage"},
        "initramfs": {"path": "initramfs.cpio.gz"}}))
    with ManHost(directory, CONFIG, {"/etc/cvmd/cvms/web.json": web}) as made:
        yield made


def test_the_page_has_examples():
    assert len(BLOCKS) > 9 and all("cvmctl" in block for block in BLOCKS)


@pytest.mark.xdist_group("man-examples")
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example(host, number):
    process = host.start(BLOCKS[number])
    if "cvmctl run" in BLOCKS[number]:  # it stays until it is told to end
        assert "attached" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=SECONDS)
    # what is not on this host is named by render, and is no failure
    assert process.returncode == 0, f"{BLOCKS[number]}\n{out}{errors}"
    if "cvmctl port" in BLOCKS[number]:
        forward = host.daemon.status("web")["forwards"][0]
        assert out == f"{forward['address']}:{forward['hostPort']}\n"
    if "signed.json" in BLOCKS[number]:
        signed = json.loads((host.directory / "signed.json").read_text())
        assert {"idBlock", "idAuth"} <= {*signed["launchSecurity"]} and signed["cpus"] == 2
        assert (host.directory / "signed.igvm").stat().st_size > 4096
    if "cvmctl remove" in BLOCKS[number]:
        assert host.daemon.cvms() == []
