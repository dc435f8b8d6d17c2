# SPDX-License-Identifier: Apache-2.0
"""The commands of the platforms' documents, from the guest that this cvmd embeds: whole, although
this host runs neither of them."""
import json
import pathlib

import pytest

from harness import images

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"


@pytest.mark.parametrize("platform,given", [("sev-snp", "igvm"), ("tdx", "firmware")])
def test_the_command_is_whole(cvmd, tmp_path, platform, given):
    path = tmp_path / given
    path.write_bytes(images.igvm(images.code("2025.08-1", prefix=True, raw=True))
                     if given == "igvm" else images.firmware(0x10000))
    done = cvmd.cvmctl("render", "--platform", platform, f"--{given}", path, "--json")
    rendered = json.loads(done.stdout)
    # What lacks is of the host, never of the guest.
    assert not {check["name"] for check in rendered["missing"]} & {"kernel", "initramfs", given}
    names = {descriptor["what"]: f"/proc/self/fd/{descriptor['number']}"
             for descriptor in rendered["descriptors"]}
    argv = rendered["argv"]
    options = dict(zip(argv, argv[1:]))
    assert options["-kernel"] == names["kernel"]
    assert options["-initrd"] == names["initramfs"]
    assert options["-append"] == "console=null quiet"
    assert any(names[given] in word for word in argv)
    # A serial port is given by other words; tests/unit/test-template-golden.c has the reasons.
    document = (GOLDEN / f"document-{platform}.args").read_text().split("\n")
    lacking = {word for word in document if word.startswith("-")} - set(argv)
    assert lacking <= {"-serial"}, lacking
