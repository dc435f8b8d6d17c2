# SPDX-License-Identifier: Apache-2.0
"""cvmctl doctor: without a daemon, on whatever host this is."""
import json
import os
import pathlib
import subprocess

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.screens import on_terminal

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


def test_the_obstacle_comes_first(report):
    """What the platform lacks, and KVM only if that is all."""
    for platform in report[1]["platforms"]:
        failed = [check for check in platform["checks"] if not check["passed"]]
        if failed:
            assert failed[0]["found"] == platform["obstacle"]
        assert failed == [] or failed[0]["name"] != "kvm" or not platform["confidential"]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_blocks_fit_the_terminal(report, columns):
    lines = on_terminal(columns, "doctor", code=None)
    said = " ".join(" ".join(lines).split())
    for platform in report[1]["platforms"]:
        kind = "confidential" if platform["confidential"] else "NOT confidential"
        assert f"{'✓ OK' if platform['ready'] else '✗ FAIL'} {platform['name']}: {kind}" in said
        assert platform.get("fix", "") in said and platform.get("obstacle", "") in said
    assert not [line for line in lines if len(line) > columns and " " in line[14:]]


def test_colours_and_symbols_are_for_terminals():
    text = "".join(on_terminal(80, "doctor", code=None, environment={"NO_COLOR": ""}))
    assert "\x1b[31m✗ FAIL\x1b[0m " in text
    dumb = "".join(on_terminal(80, "doctor", code=None, environment={"TERM": "dumb"}))
    plain = "".join(on_terminal(80, "doctor", code=None, environment={"LC_ALL": "C"}))
    assert not set(dumb + plain) & set("\x1b✗") and "FAIL" in dumb and "FAIL" in plain


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
    said = " ".join(done.stdout.split())
    for check in known["checks"]:
        assert f"{'OK' if check['passed'] else 'FAIL'} {check['name']}" in said
        assert all(check[key] in said for key in ("found", "needed"))
        assert check.get("fix", "") in said
    assert not [line for line in done.stdout.splitlines() if len(line) > 80 and " " in line[14:]]


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
