# SPDX-License-Identifier: Apache-2.0
"""What `cvmctl measure --json` prints, by the JSON Schema of cvm-measure(7)."""
import copy
import json
import pathlib

import jsonschema
import pytest

from harness import images
from harness.peer import Peer, cvmctl, measurement, register

pytestmark = pytest.mark.qemu_driver("it launches nothing")

PAGE = pathlib.Path(__file__).resolve().parents[2] / "man/cvm-measure.7.scd"
PLATFORMS = ("sev-snp-ovmf", "sev-snp-igvm", "tdx", "vtpm")


@pytest.fixture(scope="module")
def validator():
    page = PAGE.read_text()
    text = page[page.index("## Schema"):].split("```\n")[1].replace("\\\\", "\\")
    schema = json.loads(text)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.fixture
def files(tmp_path):
    code = images.code("2025.02", False, True)
    for name, data in {"kernel": images.kernel(), "initramfs": images.initramfs(),
                       "firmware": images.firmware(code_section=code), "igvm": images.igvm(code),
                       "table-loader": b"1", "rsdp": b"2", "tables": b"3"}.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def measured(*args):
    done = cvmctl("measure", *args, "--json")
    assert done.code == 0, done.err
    return done.json


def whole(platform, files):
    code = "igvm" if platform == "sev-snp-igvm" else "firmware"
    vcpu = ["--cpu-model", "EPYC-Milan"] if "snp" in platform else []
    vcpu += ["--guest-features", "0x21"] if platform == "sev-snp-ovmf" else []
    acpi = ["--acpi", files] if platform == "tdx" else []
    return measured("--platform", platform, f"--{code}", files / code, "--kernel", files / "kernel",
                    "--initramfs", files / "initramfs", "--cmdline", "quiet", "--cpus", 2,
                    "--memory", "1G", "--qemu", "10.1", *vcpu, *acpi)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_all_is_as_the_page_says(validator, files, platform):
    result = whole(platform, files)
    validator.validate(result)
    validator.validate(measured("--platform", platform))
    # Every value has what leads to it, but zeros have nothing.
    for reg in result["registers"]:
        if reg["state"] == "value" and reg["name"] != "RTMR3":
            assert reg["events"], reg["name"]
    assert {"kernel", "initramfs", "cmdline", "cpus", "memory"} <= set(result["inputs"])


def test_of_a_cvm(validator):
    registers = [register("LaunchDigest", "ab" * 48), register("PCR4", "cd" * 32, "sha256"),
                 register("PCR9", "ef" * 48, events=[{"event": "kernel", "digest": "12" * 48}])]
    inputs = {"kernel": {"sha256": "ab" * 32}, "cpus": "2", "memory": "2G"}
    settings = {"launchSecurity": {"policy": "0x30000"}, "binding": {
        "field": "hostData", "value": "ab" * 32, "document": "{}"}}
    document = measurement(*registers, inputs=inputs, **settings)
    with Peer(Measure={"measurement": document}) as peer:
        result = peer.cvmctl("measure", "web", "--json").json
    validator.validate(result)
    assert result == document


def test_the_schema_is_strict(validator, files):
    """Nothing passes that the programs do not print."""
    good = whole("tdx", files)
    paths = [("registers", 0, "state"), ("registers", 0, "value"), ("inputs", "kernel", "sha256"),
             ("profile", "options", "value"), ("registers", 2, "algorithm")]
    for path in paths:
        for change in ("drop", "replace"):
            bad = copy.deepcopy(good)
            place = bad
            for step in path[:-1]:
                place = place[step]
            if change == "drop":
                del place[path[-1]]
            else:
                place[path[-1]] = 7
            assert not validator.is_valid(bad), (path, change)
    for path in ((), ("registers", 0), ("inputs",), ("inputs", "kernel"), ("profile",)):
        bad = copy.deepcopy(good)
        place = bad
        for step in path:
            place = place[step]
        place["more"] = "x"
        assert not validator.is_valid(bad), path
