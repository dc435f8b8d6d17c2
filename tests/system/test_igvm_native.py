# SPDX-License-Identifier: Apache-2.0
"""IGVM files for the native platform, which an ordinary VM boots from."""
import json
import pathlib
import shutil

import pytest

from harness import exits, images, native, processes
from harness.daemon import FAKE_QEMU
from harness.measured import Files, measure, values
from harness.peer import cvmctl
from harness.varlink import VarlinkError

COMPANION = pathlib.Path(__file__).resolve().parents[1] / "fake/companion"
qemu_driver = pytest.mark.qemu_driver("the platform has no libvirt domain")
CMDLINE = "console=ttyS0 quiet"


@pytest.fixture
def files(tmp_path):
    files = Files(tmp_path)
    firmware = images.firmware(0x20000, code_section=images.code("2025.02", raw=True))
    files.write("firmware", firmware)
    files.write("igvm", native.wrap(firmware))
    return files


def test_shown_as_native(files):
    done = cvmctl("igvm", files.path("igvm"), "--json")
    assert done.code == 0, done.err
    (platform,) = done.json["platforms"]
    assert (platform["platform"], platform["mode"], platform["highestVtl"]) == ("native", "native",
                                                                                0)
    assert platform["pages"]["data"] == 0x20 and platform["vmsas"] == 0
    assert (platform["lowest"], platform["highest"]) == ("0xfffe0000", "0x100000000")
    assert "native" in cvmctl("igvm", files.path("igvm")).out


@pytest.mark.parametrize("memory", ["512M", "4G"])
@pytest.mark.parametrize("qemu", ["7.2", "10.0"])
def test_pcrs_are_those_of_the_firmware(files, memory, qemu):
    """What the code shows is read from the file's pages."""
    common = [*files.options("kernel", "initramfs"), "--cmdline", CMDLINE, "--memory", memory,
              "--qemu", qemu]
    wrapped = measure("vtpm", *files.options("igvm"), *common)
    plain = measure("vtpm", *files.options("firmware"), *common)
    assert wrapped["profile"] == plain["profile"]
    assert wrapped["profile"]["options"] == {"value": "suffix", "source": "the firmware's code"}
    assert values(wrapped) == values(plain)
    assert not {"not-given", "not-predictable"} & set(values(wrapped).values())
    assert "igvm" in wrapped["inputs"] and "firmware" not in wrapped["inputs"]


def test_code_that_shows_no_version(files):
    """Who named an IGVM file is not asked for the option that is refused beside it."""
    files.write("igvm", native.wrap(images.firmware(0x20000)))
    result = measure("vtpm", *files.options("igvm", "kernel", "initramfs"), "--cmdline", CMDLINE)
    reasons = [reg["reason"] for reg in result["registers"]]
    assert len(reasons) == 4 and all("shows its version" in reason for reason in reasons)
    assert not [reason for reason in reasons if "--firmware" in reason]


def refusal(*args):
    done = cvmctl("measure", *args, "--json")
    assert done.code == exits.DATA and done.out == "", done
    return done.err


def test_refused(files):
    kernel = [*files.options("kernel"), "--cmdline", "x"]
    assert "within the IGVM" in refusal("--platform", "vtpm", *kernel,
                                        *files.options("igvm", "firmware"))
    files.write("igvm", images.igvm())
    assert "native" in refusal("--platform", "vtpm", *kernel, *files.options("igvm"))
    files.write("igvm", images.igvm()[:-1])
    assert "truncated" in refusal("--platform", "vtpm", *kernel, *files.options("igvm"))
    assert "does not boot from such a file" in refusal(
        "--platform", "plain-uefi", *kernel, *files.options("igvm"))
    assert "within the IGVM" in refusal("--platform", "sev-snp", *kernel,
                                        *files.options("firmware"))


# Platform plain-igvm, with a TPM emulator that is none

TPM = """#!/bin/sh
exec /usr/bin/python3 {companion} tpm listen 3
"""


@pytest.fixture
def make(make_daemon, config):
    """make(with_igvm): a daemon whose QEMU is built with IGVM, or is not."""
    with native.program_directory() as directory:
        def start(with_igvm=True):
            qemu = directory / ("fake-qemu-igvm" if with_igvm else "fake-qemu")
            shutil.copy(FAKE_QEMU, qemu)
            swtpm = directory / "swtpm"
            swtpm.write_text(TPM.format(companion=COMPANION))
            swtpm.chmod(0o755)
            return make_daemon({**config, "qemu": {"default": str(qemu)},
                                "programs": {"swtpm": str(swtpm)}})
        yield start


def spec(files, **more):
    fields = {"name": "web", "platform": "plain-igvm", "memory": "64M", "cpus": 1,
              **{kind: {"path": str(files.path(kind))} for kind in ("igvm", "kernel", "initramfs")},
              **more}
    return {name: value for name, value in fields.items() if value is not None}


@qemu_driver
def test_launched(make, files):
    daemon = make()
    reply = daemon.call("Render", spec=spec(files))
    assert reply["missing"] == []
    cvm = daemon.call("Launch", spec=spec(files, cmdline=CMDLINE), wait="ready")["cvm"]
    command = processes.command(cvm["pid"])
    assert "igvm-cfg,id=igvm0,file=/proc/self/fd/" in command and "igvm-cfg=igvm0" in command
    assert "-cpu max,smep=on" in command and "-bios" not in command
    assert set(cvm["artifacts"]) == {"igvm", "kernel", "initramfs"}
    predicted = values(measure("plain-uefi", *files.options("kernel", "initramfs", "firmware"),
                               "--cmdline", CMDLINE, "--memory", "64M", "--qemu", "7.2.0"))
    assert cvm["measurement"] == {f"{name}-{bank}": value
                                  for (name, bank), value in predicted.items()}
    daemon.discard("web")


@qemu_driver
def test_without_a_kernel(make, files, tmp_path):
    """As an SVSM has none; an IGVM file of several platforms will do."""
    daemon = make()
    files.write("igvm", native.wrap(files.data["firmware"], mask=2, others=[(1, 2)]))
    wanted = spec(files, kernel=None, initramfs=None)
    cvm = daemon.call("Launch", spec=wanted)["cvm"]
    assert set(cvm["artifacts"]) == {"igvm"} and cvm["measurement"] == {}
    assert "-append" not in processes.command(cvm["pid"])
    daemon.discard("web")
    (tmp_path / "spec.json").write_text(json.dumps(wanted))
    done = cvmctl("measure", "--file", tmp_path / "spec.json", "--json")
    assert done.code == 0, done.err
    assert {reg["state"] for reg in done.json["registers"]} == {"not-given"}
    for field in ("cmdline", "initramfs"):
        value = CMDLINE if field == "cmdline" else {"path": str(files.path("initramfs"))}
        refused("InvalidSpec", daemon, {**wanted, field: value}, field=field)


def refused(name, daemon, wanted, **fields):
    with pytest.raises(VarlinkError) as refusal:
        daemon.call("Launch", spec={**wanted, "remove": "failed-launch"})
    assert refusal.value.name == name, refusal.value.fields
    assert {key: refusal.value.fields[key] for key in fields} == fields
    assert daemon.cvms() == []
    return refusal.value.fields


@qemu_driver
def test_what_it_does_not_boot(make, files):
    daemon = make()
    for content, words in ((images.coconut(images.SNP), "for sev-snp, not for native"),
                           (images.coconut(images.SNP | images.NATIVE), "0x309"),
                           (native.wrap(files.data["firmware"])[:-1], "truncated")):
        files.write("igvm", content)
        wanted = spec(files)
        reason = refused("ArtifactInvalid", daemon, wanted, artifact="igvm")["reason"]
        assert words in reason
        listed = {check["name"]: check for check in daemon.call("Render", spec=wanted)["missing"]}
        assert words in listed["igvm"]["found"]
    files.write("igvm", native.wrap(files.data["firmware"]))
    refused("InvalidSpec", daemon, spec(files, firmware={"path": str(files.path("firmware"))}),
            field="firmware")
    assert refused("HostNotReady", daemon, spec(files, igvm=None), check="igvm")


@qemu_driver
def test_a_qemu_without_igvm(make, files):
    daemon = make(with_igvm=False)
    fields = refused("HostNotReady", daemon, spec(files), check="qemu")
    assert "igvm-cfg" in fields["needed"] and "--enable-igvm" in fields["fix"]
    needed = {check["needed"] for check in daemon.call("Render", spec=spec(files))["missing"]}
    assert needed == {"object igvm-cfg", "machine option q35.igvm-cfg"}
    report = json.loads(daemon.cvmctl("doctor", "--platform", "plain-igvm", "--json",
                                      check=False).stdout)
    (platform,) = report["platforms"]
    assert not platform["ready"]
    assert any("--enable-igvm" in (check.get("fix") or "") for check in platform["checks"])


@qemu_driver
def test_auto_never_takes_it(make, files):
    daemon = make()
    fields = spec(files)
    del fields["platform"]
    with pytest.raises(VarlinkError) as refusal:
        daemon.call("Launch", spec=fields)
    assert refusal.value.fields["field"] == "igvm" and "plain" in refusal.value.fields["reason"]


@qemu_driver
@pytest.mark.parametrize("number, words", [
    (9, "platform header"), (10, "initialization header"), (11, "directive header"),
    (12, "the same type of platform"), (13, "parameter area"), (17, "header section"),
    (18, "checksum"), (22, "no matching VP context"), (99, "unknown to cvmd")])
def test_what_qemu_refuses_is_translated(make, files, number, words):
    fields = refused("LaunchFailed", make(), spec(files, cmdline=f"fake.igvm={number}"),
                     stage="starting")
    assert words in fields["reason"] and f"-{number}" in fields["reason"]
    assert f"Unable to parse IGVM file /proc/self/fd/3: -{number}" in fields["log"]
