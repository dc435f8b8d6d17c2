# SPDX-License-Identifier: Apache-2.0
"""cvmctl render: what a launch would run, on any host."""
import hashlib
import json
import os
import pathlib
import pwd
import subprocess
import xml.etree.ElementTree

import pytest

from harness import exits
from harness.daemon import FAKE_QEMU

pytestmark = pytest.mark.qemu_driver("it launches nothing")


@pytest.fixture
def files(shared, tmp_path):
    """Launch's flags that name small files, an IGVM and a firmware where a platform wants them."""
    igvm = tmp_path / "svsm.igvm"
    igvm.write_bytes(b"IGVM" + bytes(4092))
    firmware = tmp_path / "OVMF.fd"
    firmware.write_bytes(bytes(8192))
    boot = ["--kernel", shared.kernel, "--initramfs", shared.initramfs]
    return {"plain": boot, "sev-snp": [*boot, "--igvm", igvm],
            "plain-igvm": [*boot, "--igvm", igvm],
            **{name: [*boot, "--firmware", firmware]
               for name in ("plain-uefi", "sev", "sev-es", "sev-snp-ovmf", "tdx")}}


PLATFORMS = ["plain", "plain-igvm", "plain-uefi", "sev", "sev-es", "sev-snp", "sev-snp-ovmf", "tdx"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_json(shared, files, platform):
    done = shared.cvmctl("render", "web", "--platform", platform, *files[platform], "--json")
    plan = json.loads(done.stdout)
    assert plan["argv"][0] == FAKE_QEMU
    numbers = [descriptor["number"] for descriptor in plan["descriptors"]]
    assert numbers == sorted(set(numbers)) and numbers[0] >= 3
    what = {descriptor["what"]: descriptor for descriptor in plan["descriptors"]}
    assert {"kernel", "qmp", "console", "env_share", "certs_share"} <= set(what)
    assert what["kernel"]["path"] == str(shared.kernel)
    text = " ".join(plan["argv"])
    assert f"/proc/self/fd/{what['kernel']['number']}" in plan["argv"]
    assert "mount_tag=env_share" in text and "mount_tag=certs_share" in text
    for check in plan["missing"]:
        assert not check["passed"] and check["needed"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_shell_is_the_same_command(shared, files, platform):
    options = ["--platform", platform, *files[platform], "--env", "A=x y,z=\"q\"",
               "--cmdline", "a='b c' \"d\" $e `f` \\g;h", "--publish", "6123:7002"]
    argv = json.loads(shared.cvmctl("render", "web", *options, "--json").stdout)["argv"]
    text = shared.cvmctl("render", "web", *options, "--shell").stdout
    command = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    # bash, because dash takes no descriptor above 9 in a redirection
    echoed = subprocess.run(["bash", "-c", 'printf "%s\\0" ' + command], capture_output=True,
                            check=True).stdout
    assert [part.decode() for part in echoed.split(b"\0")[:-1]] == argv


def test_nothing_is_run_and_nothing_kept(shared, files):
    before = shared.holdings()
    for platform in PLATFORMS:
        shared.cvmctl("render", "web", "--platform", platform, *files[platform])
    assert shared.cvms() == [] and shared.holdings()["children"] == before["children"]


def test_name_is_optional(shared, files):
    shared.cvmctl("render", "--platform", "plain", *files["plain"])


def test_it_is_what_a_launch_runs(shared):
    """The command line of the process is the one that render shows, but for the random parts."""
    shared.launch("web", env={"A": "b"}, forwards=[{"guestPort": 7002, "hostPort": 6125}])
    pid = shared.status("web")["pid"]
    argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    spec = shared.spec("web", env={"A": "b"}, forwards=[{"guestPort": 7002, "hostPort": 6125}])
    shown = shared.call("Render", spec=spec)["argv"]
    assert len(argv) == len(shown)
    differing = [(ours.decode(), theirs) for ours, theirs in zip(argv, shown)
                 if ours.decode() != theirs]
    assert len(differing) <= 1, differing  # the UUID


def test_missing_is_listed_where_a_launch_refuses(shared, files):
    """No machine of the tests can run both confidential platforms."""
    missing = {}
    for platform in ("sev-snp", "tdx"):
        done = shared.cvmctl("render", "--platform", platform, *files[platform], "--json")
        missing[platform] = json.loads(done.stdout)["missing"]
    assert missing["sev-snp"] or missing["tdx"]
    platform = "sev-snp" if missing["sev-snp"] else "tdx"
    done = shared.cvmctl("launch", "web", "--platform", platform, *files[platform], check=False)
    assert done.returncode == exits.DATA and shared.cvms() == []


def test_file_that_is_missing_is_listed(shared):
    done = shared.cvmctl("render", "--platform", "plain", "--kernel", "/none", "--initramfs",
                         shared.initramfs, "--json")
    missing = {check["name"]: check for check in json.loads(done.stdout)["missing"]}
    assert "/none" in missing["kernel"]["found"]


def test_templates(shared):
    listed = json.loads(shared.cvmctl("templates", "--json").stdout)
    templates = listed if isinstance(listed, list) else listed["templates"]
    by_name = {template["name"]: template for template in templates}
    assert {"plain", "sev-snp", "tdx"} <= set(by_name)
    assert by_name["sev-snp"]["confidential"] and not by_name["plain"]["confidential"]
    assert by_name["sev-snp"]["strength"] > by_name["plain"]["strength"]


DOMAINS = ["plain", "plain-uefi", "sev", "sev-snp-ovmf", "tdx"]


@pytest.fixture
def domains(shared):
    """Skips where the build has no libvirt."""
    done = shared.cvmctl("render", "web", "--driver", "libvirt", "--platform", "plain",
                         "--kernel", shared.kernel, check=False)
    if "the template has no domain" in done.stderr:
        pytest.skip("this build has no libvirt")


@pytest.mark.parametrize("platform", DOMAINS)
def test_domain(shared, files, domains, platform):
    cmdline = "a=\"<&>\" ${vm.name}"
    command = ["render", "web", "--driver", "libvirt", "--platform", platform, *files[platform],
               "--publish", "6123:7002", "--cmdline", cmdline]
    text = shared.cvmctl(*command).stdout
    plan = json.loads(shared.cvmctl(*command, "--json").stdout)
    assert plan["argv"] == [] and plan["descriptors"] == [] and plan["domain"] == text
    domain = xml.etree.ElementTree.fromstring(text)
    assert domain.findtext("name") == "web" and domain.findtext("os/cmdline") == cmdline
    uid = next((user.pw_uid for user in pwd.getpwall() if user.pw_name == "libvirt-qemu"), 0)
    uid = uid if os.geteuid() == 0 else 0
    digest = hashlib.sha256(pathlib.Path(shared.kernel).read_bytes()).hexdigest()
    assert domain.findtext("os/kernel") == str(shared.runtime / "artifacts" / digest)
    assert domain.findtext("seclabel/label", "").startswith(f"+{uid}:") or not uid
    cvm = domain.find("metadata/{urn:io.cvmd:cvm}cvm")
    assert cvm.get("platform") == platform and cvm.get("owner") == str(os.getuid())
    assert not any("io.cvmd:template" in name for element in domain.iter()
                   for name in (element.tag, *element.keys()))
    assert not any((shared.runtime / "artifacts").iterdir())


@pytest.mark.parametrize("platform", ["sev-snp", "plain-igvm"])
def test_domain_of_an_igvm_is_refused(shared, files, platform):
    done = shared.cvmctl("render", "web", "--driver", "libvirt", "--platform", platform,
                         *files[platform], check=False)
    assert done.returncode and "'driver'" in done.stderr and "IGVM" in done.stderr
