# SPDX-License-Identifier: Apache-2.0
"""What COCONUT-SVSM needs of the host itself, on the platform sev-snp: its state, its attestation
proxy. The platform's template is the real one but for what wants a confidential host."""
import json
import os
import pathlib
import signal
import time

import pytest

from harness import images, processes
from harness.processes import SLOWNESS, eventually
from harness.review import refused_and_listed
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("the platform has no libvirt domain")

TOP = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = TOP / "templates"
PROXY = TOP / "tests/fake/aproxy"


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
        file.vp(1, images.vmsa())
        (tmp_path / "svsm.igvm").write_bytes(file.finish())
        return make_daemon({**config, "templates": str(directory),
                            "programs": {"aproxy": str(PROXY)}})
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
    assert fields.pop("id") and fields == {"resource": "disk:disk0", "wanted": 1, "available": 0,
                                           "holders": ["web"], "name": "two"}
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
    assert fields["field"] == "disks[0].bus" and "plain does not have an SVSM" in fields["reason"]


def test_the_flags_of_cvmctl(daemon, tmp_path):
    state(tmp_path)
    command = daemon.cvmctl("render", "web", "--platform", "sev-snp", "--igvm",
                            tmp_path / "svsm.igvm", "--disk",
                            f"{tmp_path / 'state'},bus=svsm").stdout
    assert "virtio-blk-device,drive=disk0" in command and '"read-only":false' in command
    flag = ["--svsm-attestation", "http://kbs/x,vsock,protocol=other"]
    shown = json.loads(daemon.cvmctl("render", "web", "--platform", "sev-snp", "--igvm",
                                     tmp_path / "svsm.igvm", *flag, "--json").stdout)
    assert shown["companions"][0]["argv"][1:] == ["--protocol", "other", "--url", "http://kbs/x",
                                                  "--vsock", "1995"]


# The attestation proxy

def attestation(url="http://kbs:8080", **more):
    return {"attestation": {"url": url, **more}}


def companions(daemon, cvm):
    """Name to pid, from the CVM's record."""
    record = json.loads((daemon.state / "records" / f"{cvm['id']}.json").read_text())
    return {one["name"]: one["pid"] for one in record.get("companions", [])}


def heard(daemon, cvm):
    path = daemon.runtime / "vms" / cvm["id"] / "aproxy.d/heard"
    return path.read_bytes() if path.exists() else b""


def test_com3_leads_to_the_proxy(daemon, tmp_path):
    cvm = launch(daemon, tmp_path, svsm=attestation())
    pid = companions(daemon, cvm)["aproxy"]
    command = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    assert command[command.index("--url") + 1] == "http://kbs:8080"
    eventually(lambda: heard(daemon, cvm) == b"attest\n", "the proxy hears what COM3 says")
    assert "attest" not in daemon.cvmctl("logs", "web").stdout
    daemon.stop("web", force=True)
    daemon.wait_gone(pid)


def test_it_listens_before_qemu_runs(daemon, tmp_path):
    wanted = spec(tmp_path, svsm=attestation("http://deaf"), timeouts={"startSec": 1})
    fields = refused("LaunchFailed", lambda: daemon.call("Launch", spec=wanted))
    assert fields["reason"].startswith("aproxy did not open its socket")
    assert daemon.cvms() == []


def test_one_that_cannot_start(daemon, tmp_path):
    wanted = spec(tmp_path, svsm=attestation("http://refused"))
    fields = refused("LaunchFailed", lambda: daemon.call("Launch", spec=wanted))
    assert "exited with code 1" in fields["reason"]
    assert fields["log"].strip() == "Error: bind and listen failed"


def test_no_attestation_no_cvm(daemon, tmp_path):
    """A server that cannot be asked ends the CVM, with the proxy's words."""
    launch(daemon, tmp_path, svsm=attestation("http://broken"))
    ending = daemon.wait_state("web", "failed")["ending"]
    assert ending["reason"] == "companion"
    assert ending["detail"].startswith("aproxy exited with code 1")
    assert "error sending request" in ending["detail"]


def test_a_later_daemon_finds_it(daemon, tmp_path):
    cvm = launch(daemon, tmp_path, svsm=attestation())
    pid = companions(daemon, cvm)["aproxy"]
    daemon.kill()
    time.sleep(0.2 * SLOWNESS)
    daemon.start()
    assert daemon.status("web")["state"] == "running"
    assert companions(daemon, cvm) == {"aproxy": pid} and processes.state(pid) in "RS"
    os.kill(pid, signal.SIGKILL)
    ending = daemon.wait_state("web", "failed")["ending"]
    assert ending["reason"] == "companion" and ending["detail"].startswith("aproxy ended")
    processes.reap()


def test_there_is_no_proxy_program(make, tmp_path):
    daemon = make({})
    daemon.terminate()
    del daemon.config["programs"]
    daemon.start()
    missing = {check["name"]: check for check in
               daemon.call("Render", spec=spec(tmp_path, svsm=attestation()))["missing"]}
    assert "COCONUT-SVSM's tools" in missing["aproxy"]["fix"]
    assert not daemon.call("Render", spec=spec(tmp_path))["missing"]


def test_by_vsock(daemon, tmp_path):
    plan = daemon.call("Render", spec=spec(tmp_path, svsm=attestation(transport="vsock")))
    device = [word for word in plan["argv"] if "vhost-vsock-device" in word]
    assert len(device) == 1 and "guest-cid=" in device[0] and "vhostfd=" in device[0]
    assert not [word for word in plan["argv"] if "aproxy" in word or "vhost-vsock-pci" in word]
    assert [one["name"] for one in plan["companions"]] == ["aproxy-vsock"]
    assert plan["companions"][0]["argv"][-2:] == ["--vsock", "1995"]
    host = {check["name"] for check in plan["missing"]}
    assert ("vhost-vsock" in host) == (not os.path.exists("/dev/vhost-vsock"))


def test_one_proxy_by_vsock_a_host(make, tmp_path):
    """Its port is one for all SVSMs of a host. Here the SVSM's device is left out, for hosts
    without vhost-vsock; the CVM's proxy runs."""
    daemon = make({})
    path = pathlib.Path(daemon.config["templates"]) / "sev-snp.json"
    changed = json.loads(path.read_text())
    changed["arguments"] = [argument for argument in changed["arguments"]
                            if "vhost-vsock-device" not in json.dumps(argument)]
    path.write_text(json.dumps(changed))
    daemon.terminate()
    daemon.start()
    wanted = {"svsm": attestation(transport="vsock")}
    cvm = launch(daemon, tmp_path, **wanted)
    assert set(companions(daemon, cvm)) == {"aproxy-vsock"} and cvm["vsockCid"] >= 3
    fields = refused_and_listed(daemon, spec(tmp_path, "two", **wanted), "NoResources",
                                "vsock-port").fields
    assert (fields["resource"], fields["holders"]) == ("vsock-port", ["web"])
    launch(daemon, tmp_path, "three", svsm=attestation())
    daemon.stop("web", force=True)
    cvm = launch(daemon, tmp_path, "two", **wanted)
    os.kill(companions(daemon, cvm)["aproxy-vsock"], signal.SIGKILL)
    ending = daemon.wait_state("two", "failed")["ending"]
    assert ending["detail"].startswith("aproxy-vsock was ended by signal 9")


@pytest.mark.parametrize("svsm, field, word", [
    ({"attestation": {}}, "svsm.attestation.url", "missing"),
    (attestation("ftp://kbs"), "svsm.attestation.url", "http://HOST"),
    (attestation("http://"), "svsm.attestation.url", "http://HOST"),
    (attestation("http:///path"), "svsm.attestation.url", "http://HOST"),
    (attestation("http://kbs/a b"), "svsm.attestation.url", "spaces"),
    (attestation("http://kbs/" + "a" * 1024), "svsm.attestation.url", "1024"),
    (attestation("https://me:secret@kbs/"), "svsm.attestation.url", "password"),
    (attestation(protocol="--url"), "svsm.attestation.protocol", "lowercase"),
    (attestation(protocol=""), "svsm.attestation.protocol", "1 to 32"),
    (attestation(transport="tcp"), "svsm.attestation.transport", "'serial' or 'vsock'"),
    (attestation(port=1), "svsm.attestation.port", "unknown"),
])
def test_bad_attestation(shared, tmp_path, svsm, field, word):
    fields = refused("InvalidSpec",
                     lambda: shared.call("Launch", spec=spec(tmp_path, svsm=svsm)))
    assert fields["field"] == field and word in fields["reason"], fields


def test_whom_the_cid_is_for(shared, tmp_path):
    both = spec(tmp_path, vsock={}, svsm=attestation(transport="vsock"))
    assert refused("InvalidSpec",
                   lambda: shared.call("Render", spec=both))["field"] == "vsock"


def test_attestation_without_svsm(shared):
    fields = refused("InvalidSpec", lambda: shared.launch("web", svsm=attestation()))
    assert fields["field"] == "svsm" and "plain does not have an SVSM" in fields["reason"]


# Its log

WROTE = "[SVSM] fake-qemu: booted\n"


def test_its_log_is_its_own(daemon, tmp_path):
    cvm = launch(daemon, tmp_path, svsm={"log": True, **attestation()})
    eventually(lambda: daemon.cvmctl("logs", "web", "--svsm").stdout == WROTE, "the log is kept")
    eventually(lambda: heard(daemon, cvm) == b"attest\n", "COM3 is the proxy's still")
    console = daemon.cvmctl("logs", "web").stdout
    assert "fake-qemu: booted" in console and "SVSM" not in console
    files = sorted(path.name for path in (daemon.state / "consoles").iterdir())
    assert files == [f"{cvm['id']}.log", f"{cvm['id']}.svsm.log"]
    daemon.stop("web", force=True)
    assert daemon.cvmctl("logs", "web", "--svsm", "--lines", "1").stdout == WROTE
    daemon.cvmctl("remove", "web")
    eventually(lambda: not list((daemon.state / "consoles").iterdir()), "its logs are removed")


def test_its_log_goes_on_with_a_later_daemon(daemon, tmp_path):
    cvm = launch(daemon, tmp_path, svsm={"log": True})
    eventually(lambda: daemon.cvmctl("logs", "web", "--svsm").stdout == WROTE, "the log is kept")
    daemon.kill()
    daemon.start()
    assert daemon.cvmctl("logs", "web", "--svsm").stdout == WROTE
    sockets = {os.readlink(f"/proc/{cvm['pid']}/fd/{fd}") for fd in
               os.listdir(f"/proc/{cvm['pid']}/fd")}
    assert daemon.status("web")["state"] == "running" and sockets
    held = [line for line in open("/proc/net/unix").read().splitlines() if "svsm-log" in line]
    assert [line for line in held if line.split()[5] == "03"], "QEMU has a connection again"


def test_without_a_log(daemon, tmp_path):
    cvm = launch(daemon, tmp_path)
    runtime = daemon.runtime / "vms" / cvm["id"]
    assert not (runtime / "svsm-log").exists() and (runtime / "console").exists()
    assert refused("InvalidSpec",
                   lambda: daemon.call("Logs", name="web", svsm=True))["field"] == "svsm.log"
    shown = daemon.cvmctl("render", "web", "--platform", "sev-snp", "--igvm",
                          tmp_path / "svsm.igvm").stdout
    assert shown.count(" -serial ") == 1
    shown = daemon.cvmctl("render", "web", "--platform", "sev-snp", "--igvm",
                          tmp_path / "svsm.igvm", "--svsm-log").stdout
    assert shown.count(" -serial null") == 2 and shown.count(" -serial ") == 4
