# SPDX-License-Identifier: Apache-2.0
"""cvmctl doctor: without a daemon, on whatever host this is."""
import json
import os
import pathlib
import subprocess

import pytest

from harness import exits
from harness.daemon import CVMCTL

pytestmark = pytest.mark.qemu_driver("it launches nothing")

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "templates"
BUILT_IN = {path.stem for path in TEMPLATES.glob("*.json")} - {"fragments"}


def doctor(*args):
    env = {**os.environ, "CVMD_SOCKET": "/nonexistent", "NO_COLOR": "1"}
    return subprocess.run([CVMCTL, "doctor", *args], env=env, capture_output=True, text=True,
                          check=False, timeout=60)


@pytest.fixture(scope="module")
def report():
    done = doctor("--json")
    return done.returncode, json.loads(done.stdout)


def test_all_platforms(report):
    status, told = report
    platforms = {platform["name"]: platform for platform in told["platforms"]}
    assert BUILT_IN <= set(platforms)
    ready = [platform for platform in told["platforms"] if platform["ready"]]
    assert status == (0 if ready else exits.UNAVAILABLE)
    for platform in platforms.values():
        failed = [check for check in platform["checks"] if not check["passed"]]
        assert platform["ready"] == (not failed)
        assert all(check["fix"] for check in failed)
        assert platform["ready"] == ("obstacle" not in platform)


def test_auto_is_the_strongest_that_is_ready(report):
    _, told = report
    ready = {platform["name"]: platform["strength"] for platform in told["platforms"]
             if platform["ready"] and platform["strength"] > 0}
    if ready:
        assert ready[told["auto"]] == max(ready.values())
    else:
        assert "auto" not in told
    assert told["reason"]


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_one_platform(report, name):
    known = next(platform for platform in report[1]["platforms"] if platform["name"] == name)
    done = doctor("--platform", name)
    assert done.returncode == (0 if known["ready"] else exits.UNAVAILABLE)
    assert ("cannot" in done.stdout.splitlines()[-1]) != known["ready"]
    for check in known["checks"]:
        assert check["name"] in done.stdout and check["needed"] in done.stdout


def test_both_vendors_are_never_ready(report):
    """No machine has SEV-SNP and TDX: each absence is told, with what to do."""
    platforms = {platform["name"]: platform for platform in report[1]["platforms"]}
    absent = [platforms[name] for name in ("sev-snp", "tdx") if not platforms[name]["ready"]]
    assert absent and all(platform["fix"] for platform in absent)


def test_by_libvirt():
    """Each platform says what libvirt is there, or that libvirt cannot run it."""
    done = doctor("--driver", "libvirt", "--json")
    platforms = {platform["name"]: platform for platform in json.loads(done.stdout)["platforms"]}
    for name, platform in platforms.items():
        checks = {check["name"]: check for check in platform["checks"]}
        if name in ("plain", "plain-uefi", "sev", "sev-snp-ovmf", "tdx"):
            assert checks["libvirt"]["needed"].startswith("libvirt at ")
            assert "libvirt-platform" not in checks
        else:
            assert not platform["ready"] and not checks["libvirt-platform"]["passed"]
    for name in ("sev", "sev-snp-ovmf", "tdx"):  # no machine offers two of them
        checks = {check["name"]: check for check in platforms[name]["checks"]}
        if checks["libvirt"]["passed"]:
            assert checks["libvirt-security"]["needed"].startswith("launch security ")


def test_by_no_such_driver():
    done = doctor("--driver", "vmm")
    assert done.returncode == exits.USAGE and "libvirt" in done.stderr


def test_a_platform_that_there_is_not():
    done = doctor("--platform", "nope")
    assert done.returncode == exits.USAGE and "nope" in done.stderr
