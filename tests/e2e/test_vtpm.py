# SPDX-License-Identifier: Apache-2.0
"""A guest with UEFI and a TPM: swtpm beside QEMU, and what the guest's PCRs hold."""
import json
import os
import pathlib
import shutil
import signal

import pytest

from harness import exits
from harness.agent import Agent
from harness.processes import children, command, state

pytestmark = pytest.mark.skipif(
    not shutil.which("swtpm") or not pathlib.Path("/usr/share/ovmf/OVMF.fd").exists(),
    reason="the packages swtpm and ovmf are not installed")


def launch(daemon, name="tpm"):
    daemon.cvmctl("launch", name, "--platform", "plain-uefi", "--memory", "512M", "--cpus", 1,
                  "--wait", "ready", timeout=300)
    return daemon.status(name)


def swtpm(daemon, cvm):
    """The pid of the CVM's TPM emulator, from its record."""
    record = json.loads((daemon.state / "records" / f"{cvm['id']}.json").read_text())
    pids = [one["pid"] for one in record["companions"] if one["name"] == "swtpm"]
    assert len(pids) == 1 and "--tpm2" in command(pids[0])
    return pids[0]


def verify(daemon, cvm, directory):
    """cvmctl verify says the same of the agent's answer: right, but signed by nobody."""
    answer, expected = directory / "answer", directory / "expected.json"
    answer.write_text(json.dumps(Agent(cvm).ask()))
    other = {**cvm["measurement"], "PCR9-sha256": "12" * 32}
    expected.write_text(json.dumps({"measurement": other}))
    for expect, code, wrong in ((cvm["name"], exits.UNCHECKED, set()),
                                (expected, exits.REFUTED, {"PCR9-sha256"})):
        done = daemon.cvmctl("verify", "--report", answer, "--expect", expect, "--json",
                             check=False)
        result = {check["check"]: check["result"] for check in json.loads(done.stdout)["checks"]}
        assert done.returncode == code
        assert {name for name in result if result[name] == "wrong"} == wrong
        assert {name for name in result if result[name] == "right"} == (
            set(cvm["measurement"]) - wrong)


def test_pcrs_are_those_predicted(make_daemon, config, tmp_path):
    """Over a daemon that is killed, with the TPM going on; then the TPM is killed."""
    daemon = make_daemon(config)
    cvm = launch(daemon)
    expected = {f"PCR{n}-{bank}" for n in (4, 9) for bank in ("sha256", "sha384")}
    assert set(cvm["measurement"]) == expected
    pid = swtpm(daemon, cvm)
    assert pid in children(daemon.process.pid)
    state_file = daemon.runtime / "vms" / cvm["id"] / "swtpm.d" / "tpm2-00.permall"
    assert state_file.exists() and state_file.stat().st_uid == (cvm.get("uid") or os.geteuid())

    def pcrs():
        banks = Agent(cvm).ask()["pcrs"]
        return {f"PCR{n}-{bank}": banks[bank][str(n)]
                for n in (4, 9) for bank in ("sha256", "sha384")}

    assert pcrs() == cvm["measurement"]
    verify(daemon, cvm, tmp_path)
    daemon.kill()
    daemon.start()
    assert daemon.status("tpm")["state"] == "running"
    assert state(pid) in ("R", "S")
    assert pcrs() == cvm["measurement"]

    os.kill(pid, signal.SIGKILL)
    ending = daemon.wait_state("tpm", "failed", seconds=30)["ending"]
    assert ending["reason"] == "companion" and "swtpm" in ending["detail"]
    daemon.wait_gone(cvm["pid"])
    assert not state_file.parent.parent.exists()


def test_a_stopped_guest_takes_its_tpm_along(make_daemon, config):
    daemon = make_daemon(config)
    cvm = launch(daemon)
    pid = swtpm(daemon, cvm)
    stopped = daemon.stop("tpm")
    assert (stopped["state"], stopped["ending"]["reason"]) == ("stopped", "stopped")
    daemon.wait_gone(pid)
