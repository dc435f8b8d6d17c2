# SPDX-License-Identifier: Apache-2.0
"""Firmware and IGVM files that a guest cannot boot from are refused before anything is started, as
render lists them; what an IGVM file says is heeded."""
import json
import pathlib

import pytest

from harness import exits, images, qemu_igvm
from harness.peer import cvmctl
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("each launch is refused before a driver has it")

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "templates"


@pytest.fixture
def daemon(make_daemon, config, tmp_path):
    """Its templates of these names run an ordinary VM, and want the files of the real ones."""
    directory = tmp_path / "templates"
    directory.mkdir()
    for name in ("sev", "sev-es", "sev-snp-ovmf", "sev-snp", "tdx"):
        plain = json.loads((TEMPLATES / "plain.json").read_text())
        real = json.loads((TEMPLATES / f"{name}.json").read_text())
        plain.update(name=name, measure=real["measure"], launchSecurity=real["launchSecurity"],
                     artifacts={kind: {key: value for key, value in rules.items()
                                       if key in ("needed", "guest")}
                                for kind, rules in real["artifacts"].items()})
        plain["arguments"] = [part for part in plain["arguments"]
                              if "firmware" not in json.dumps(part)]
        plain["arguments"].append({"when": "security.policy", "do": [
            {"smbios": {"type": "11", "value": "policy=${security.policy}"}}]})
        (directory / f"{name}.json").write_text(json.dumps(plain))
    return make_daemon({**config, "templates": str(directory)})


def igvm(vtl=2, policy=0x30000, header=None, platform=2):
    file = images.Igvm()
    file.platform(1, platform, vtl=vtl)
    if policy is not None:
        file.policy(1, policy)
    file.page(1, 0x10000, images.noise(4096, 21))
    if header:
        file.area(0, 0x1000)
        file.parameter(header, 0)
    if platform == 2:
        file.vp(1, images.vmsa())
    return file.finish()


def contexts(*vmsas):
    file = images.Igvm()
    file.platform(1, 2, vtl=2)
    file.policy(1, 0x30000)
    file.page(1, 0x10000, images.noise(4096, 21))
    for index, vmsa in enumerate(vmsas):
        file.vp(1, vmsa, index)
    return file.finish()


def overlapping():
    file = images.Igvm()
    file.platform(1, 2, vtl=2)
    file.page(1, 0x10000, images.noise(4096, 21))
    file.page(1, 0x10000, images.noise(4096, 22))
    file.vp(1, images.vmsa())
    return file.finish()


def spec(daemon, tmp_path, platform, content, **more):
    kind = "igvm" if platform in ("sev-snp", "tdx-svsm") else "firmware"
    (tmp_path / kind).write_bytes(content)
    (tmp_path / "kernel").write_bytes(images.kernel())
    return daemon.spec("web", **{"platform": platform, kind: {"path": str(tmp_path / kind)},
                                 "kernel": {"path": str(tmp_path / "kernel")}, **more})


@pytest.mark.parametrize("platform, content, words", [
    ("sev-snp", lambda: igvm()[:-1], ["truncated"]),
    ("sev-snp", overlapping, ["overlap at 0x10000"]),
    ("sev-snp", lambda: igvm(header=0x309), ["0x309", "MADT", "offset 0x", "QEMU 7.2",
                                             "does not load"]),
    ("sev-snp", lambda: igvm(header=0x3ff), ["0x3ff", "unknown", "offset 0x"]),
    ("sev-snp", lambda: igvm(header=0x80000307), ["VP_COUNT_PARAMETER", "0x80000307", "optional"]),
    ("sev-snp", lambda: contexts(images.vmsa(), images.vmsa()), ["of 2 vCPUs", "has 1"]),
    ("sev-snp", lambda: contexts(images.vmsa(at={0x240: 1})), ["VP_CONTEXT", "0x240"]),
    ("sev-snp", lambda: images.coconut(), ["0x309", "MADT", "does not load"]),
    ("sev-snp", lambda: images.coconut(headers=[0x312]), ["0x312", "DEVICE_TREE"]),
    ("sev-snp", lambda: images.coconut(images.TDP | images.NATIVE), ["for tdx, native, not for"]),
    ("sev-snp", lambda: igvm(platform=3), ["for tdx, not for sev-snp"]),
    ("sev", lambda: images.firmware(hashes=None), ["kernel hashes", "ovmf-amdsev"]),
    ("sev", lambda: bytes(8192), ["not an OVMF image"]),
    ("sev-es", lambda: images.firmware(0x14000), ["64 KiB", "CODE and VARS"]),
    ("sev-es", lambda: images.firmware(reset=None), ["AP reset address"]),
    ("sev-snp-ovmf", lambda: images.firmware(sev=None), ["no SEV metadata"]),
    ("tdx", lambda: images.firmware(tdx=None), ["no TDX metadata"]),
])
def test_refused_and_listed(daemon, tmp_path, platform, content, words):
    bad = spec(daemon, tmp_path, platform, content())
    kind = "igvm" if platform == "sev-snp" else "firmware"
    listed = {check["name"]: check for check in daemon.call("Render", spec=bad)["missing"]}
    with pytest.raises(VarlinkError) as refused:
        daemon.call("Launch", spec=bad)
    assert refused.value.name == "ArtifactInvalid" and refused.value.fields["artifact"] == kind
    for word in words:
        assert word in refused.value.fields["reason"] and word in listed[kind]["found"]
    assert daemon.cvms() == []


@pytest.mark.parametrize("platform, content", [
    ("sev-snp-ovmf", lambda: images.firmware(0x14000)),
    ("sev-snp-ovmf", lambda: images.firmware(reset=None)),
    ("sev-snp-ovmf", lambda: images.firmware(hashes=None)),
    ("tdx", lambda: images.firmware(0xf000)),
    ("tdx", lambda: images.firmware(tdx=None)),
    ("plain-uefi", lambda: images.noise(0x1000)),
])
def test_measured_by_nobody(daemon, tmp_path, platform, content):
    """What a launch refuses as firmware has no measurement, for the same reason."""
    bad = spec(daemon, tmp_path, platform, content())
    with pytest.raises(VarlinkError) as refused:
        daemon.call("Launch", spec=bad)
    done = cvmctl("measure", "--platform", platform, "--firmware", tmp_path / "firmware",
                  "--kernel", tmp_path / "kernel", "--cmdline", "quiet", "--cpus", 1, "--json")
    assert done.code == exits.DATA and refused.value.fields["reason"] in done.err


def test_measured_without_a_kernel(tmp_path):
    """Firmware that takes no kernel hashes has a digest of its own; not if QEMU cannot map it."""
    (tmp_path / "firmware").write_bytes(images.firmware(hashes=None))
    args = ["measure", "--platform", "sev-snp-ovmf", "--firmware", tmp_path / "firmware",
            "--cpus", 1]
    assert cvmctl(*args).code == 0
    (tmp_path / "firmware").write_bytes(images.firmware(0x14000, hashes=None))
    assert "64 KiB" in cvmctl(*args).err


@pytest.mark.parametrize("platform", ["sev", "sev-es", "sev-snp-ovmf", "tdx"])
def test_good_firmware(daemon, tmp_path, platform):
    daemon.call("Launch", spec=spec(daemon, tmp_path, platform, images.firmware(0x10000)))
    daemon.discard("web")


@pytest.mark.parametrize("platforms", [images.SNP, images.SNP | images.TDP | images.NATIVE,
                                       images.SNP | images.VSM])
@pytest.mark.parametrize("firmware", [0, 0x4000])
def test_builders_files(daemon, tmp_path, platforms, firmware):
    """As igvmbuilder makes them, but for the headers that this QEMU does not load: without
    firmware they are service VMs."""
    content = images.coconut(platforms, images.noise(firmware), 0xb0000, headers=())
    kernel = {} if firmware else {"kernel": None, "initramfs": None}
    good = spec(daemon, tmp_path, "sev-snp", content, **kernel)
    argv = rendered(daemon, good)
    assert [word for word in argv if "policy=0xb0000" in word]
    assert ("-kernel" in argv) == bool(firmware)
    cvm = daemon.call("Launch", spec=good)["cvm"]
    assert cvm["measurement"]["LaunchDigest"] == qemu_igvm.launch_digest(content)
    daemon.discard("web")


def test_contexts_of_all_vcpus(daemon, tmp_path):
    content = contexts(images.vmsa(), images.vmsa(rax=1))
    cvm = daemon.call("Launch", spec=spec(daemon, tmp_path, "sev-snp", content, cpus=2))["cvm"]
    measured = cvm["measurement"]
    assert measured["LaunchDigestAllVcpus"] == qemu_igvm.launch_digest(content)
    assert measured["LaunchDigest"] == qemu_igvm.launch_digest(contexts(images.vmsa()))
    daemon.discard("web")


def rendered(daemon, good):
    reply = daemon.call("Render", spec=good)
    assert reply["missing"] == []
    return reply["argv"]


def test_policy_of_the_igvm_file(daemon, tmp_path):
    argv = rendered(daemon, spec(daemon, tmp_path, "sev-snp", igvm(policy=0xb0000)))
    assert [word for word in argv if "policy=0xb0000" in word]
    argv = rendered(daemon, spec(daemon, tmp_path, "sev-snp", igvm(policy=None)))
    assert not [word for word in argv if "policy=" in word]
    # the same said twice is no conflict
    argv = rendered(daemon, spec(daemon, tmp_path, "sev-snp", igvm(policy=0xb0000),
                                 launchSecurity={"policy": "720896"}))
    assert [word for word in argv if "policy=0xb0000" in word]


@pytest.mark.parametrize("policy, more, name, word", [
    (0xb0000, {"launchSecurity": {"policy": "0x30000"}}, "InvalidSpec", "0xb0000"),
    (0x10000, {}, "ArtifactInvalid", "0x20000")])
def test_policy_refused(daemon, tmp_path, policy, more, name, word):
    bad = spec(daemon, tmp_path, "sev-snp", igvm(policy=policy), **more)
    for method in ("Render", "Launch"):
        with pytest.raises(VarlinkError) as refused:
            daemon.call(method, spec=bad)
        assert refused.value.name == name and word in refused.value.fields["reason"]
    assert daemon.cvms() == []


def test_service_vm_boots_no_kernel(daemon, tmp_path):
    service = spec(daemon, tmp_path, "sev-snp", igvm(vtl=0), kernel=None, initramfs=None)
    argv = rendered(daemon, service)
    assert not {"-kernel", "-initrd", "-append"} & set(argv)
    cvm = daemon.call("Launch", spec=service)["cvm"]
    assert set(cvm["artifacts"]) == {"igvm"} and "LaunchDigest" in cvm["measurement"]
    assert not [name for name in cvm["measurement"] if name.startswith("PCR")]
    daemon.discard("web")
    # one with firmware needs it
    missing = daemon.call("Render", spec=spec(daemon, tmp_path, "sev-snp", igvm(vtl=2),
                                              kernel=None, initramfs=None))["missing"]
    assert missing[0]["name"] == "kernel"


@pytest.mark.parametrize("field", ["kernel", "initramfs", "cmdline"])
def test_what_a_service_vm_has_no_use_for(daemon, tmp_path, field):
    more = {"kernel": None, "initramfs": None}
    whole = spec(daemon, tmp_path, "sev-snp", igvm(vtl=0))
    value = "quiet" if field == "cmdline" else whole[field]
    bad = spec(daemon, tmp_path, "sev-snp", igvm(vtl=0), **{**more, field: value})
    with pytest.raises(VarlinkError) as refused:
        daemon.call("Launch", spec=bad)
    assert refused.value.fields["field"] == field


def test_tdx_partitioning_says_what_lacks(shared, tmp_path):
    """No QEMU that there is has all of it; the template names what would."""
    bad = spec(shared, tmp_path, "tdx-svsm", igvm(platform=3))
    needed = {check["needed"]: check for check in shared.call("Render", spec=bad)["missing"]}
    assert {"object tdx-guest", "object igvm-cfg"} <= set(needed)
    assert all("no release has them" in needed[what]["fix"]
               for what in ("object tdx-guest", "object igvm-cfg"))
    rows = {platform["name"]: platform
            for platform in json.loads(shared.cvmctl("doctor", "--json").stdout)["platforms"]}
    assert not rows["tdx-svsm"]["ready"]
    with pytest.raises(VarlinkError) as refused:
        shared.call("Launch", spec=bad)
    assert refused.value.name == "HostNotReady"
