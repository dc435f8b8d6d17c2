# SPDX-License-Identifier: Apache-2.0
"""The EXAMPLES of cvmctl(1) are run as they stand there, in one session with the real QEMU and the
embedded guest."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from harness import artifacts, images
from harness.daemon import CVMCTL, Daemon
from harness.processes import SLOWNESS

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "man/cvmctl.1.scd").read_text()
CONFIG = {"accelerator": "tcg", "network": {"hostAccess": "allow"}, "memory": "512M",
          "timeouts": {"startSec": 60, "readySec": 300, "powerdownSec": 10, "quitSec": 10}}
SECONDS = 120 * SLOWNESS


def blocks():
    section = PAGE.split("\n# EXAMPLES\n")[1].split("\n# ")[0]
    return [text.replace("\\\\", "\\") for text in section.split("```\n")[1::2]]


BLOCKS = blocks()


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """session(commands): a bash in a directory with the files that the page names."""
    for program in ("qemu-system-x86_64", "jq"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("only root can mount over /etc")
    directory = tmp_path_factory.mktemp("examples")
    artifacts.certificates(directory / "certs")
    files = {"OVMF.amdsev.fd": images.firmware(), "bzImage": images.kernel(),
             "initramfs.cpio.gz": images.initramfs(), "svsm.igvm": images.igvm()}
    for name, data in files.items():
        (directory / name).write_bytes(data)
    (directory / "web.json").write_text(json.dumps({"name": "web", "memory": "512M"}))
    (directory / "snp.json").write_text(json.dumps({
        "name": "snp", "platform": "sev-snp-ovmf", "cpus": 2, "cmdline": "quiet",
        "firmware": {"path": "OVMF.amdsev.fd"}, "kernel": {"path": "bzImage"},
        "initramfs": {"path": "initramfs.cpio.gz"}}))
    (directory / "etc/cvmd/cvms").mkdir(parents=True)
    shutil.copy(directory / "web.json", directory / "etc/cvmd/cvms")
    daemon = Daemon(CONFIG).start()

    def start(commands):
        return subprocess.Popen(
            ["unshare", "--mount", "bash", "-euc",
             'mount --bind etc /etc; exec bash -euo pipefail -c "$0"', commands],
            cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.PIPE, start_new_session=True, env={
                **os.environ, "CVMD_SOCKET": str(daemon.socket), "LC_ALL": "C.UTF-8",
                "PATH": f"{pathlib.Path(CVMCTL).parent}:{os.environ['PATH']}"})

    try:
        if not daemon.embedded:
            pytest.skip("this cvmd has no embedded guest")
        yield daemon, directory, start
    finally:
        daemon.finish()


def test_the_page_has_examples():
    assert len(BLOCKS) > 9 and all("cvmctl" in block for block in BLOCKS)


@pytest.mark.xdist_group("man-examples")
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example(session, number):
    daemon, directory, start = session
    process = start(BLOCKS[number])
    if "cvmctl run" in BLOCKS[number]:  # it stays until it is told to end
        assert "attached" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=SECONDS)
    # what is not on this host is named by render, and is no failure
    assert process.returncode == 0, f"{BLOCKS[number]}\n{out}{errors}"
    if "cvmctl port" in BLOCKS[number]:
        forward = daemon.status("web")["forwards"][0]
        assert out == f"{forward['address']}:{forward['hostPort']}\n"
    if "signed.json" in BLOCKS[number]:
        signed = json.loads((directory / "signed.json").read_text())
        assert {"idBlock", "idAuth"} <= {*signed["launchSecurity"]} and signed["cpus"] == 2
        assert (directory / "signed.igvm").stat().st_size > 4096
    if "cvmctl remove" in BLOCKS[number]:
        assert daemon.cvms() == []
