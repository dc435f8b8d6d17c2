# SPDX-License-Identifier: Apache-2.0
"""Evidence changed at random: none is accepted with another key, register or setting. What may
change unseen is named: bytes that no verdict depends on. Of 5,000 changes; 100,000 with --long."""
import base64
import json
import os
import subprocess

import pytest

from harness import evidence, tpm
from harness.daemon import BUILD

MUTATE = BUILD / "tests/attest/mutate-evidence"
COUNT = 50_000 if "CVMD_LONG" in os.environ else 2_500  # of each kind
# Parts in which some bytes are not judged, and why.
UNJUDGED = {
    "plain": {"ek"},  # attributes of an EK that its certificate does not cover
    "svsm": {"report", "report_certificates"},  # of the guest's own VMPL; unused ends
}


@pytest.mark.parametrize("kind", UNJUDGED)
def test_mutations(kind, device, session, part, authority, platform, root, registers, tmp_path):
    other = evidence.Session(b"other")
    certificate = authority.certify_ek(base64.b64decode(part["ekPublic"]))  # both are of one TPM
    parts = {session: part, other: evidence.tpm_part(device, other, ak_template=tpm.AKS["ecc"])}
    for name, one in (("one", session), ("other", other)):
        shown = (evidence.plain(parts[one], certificate=certificate) if kind == "plain"
                 else evidence.svsm(platform, one, parts[one]))
        (tmp_path / name).write_text(json.dumps(evidence.file_of(one, shown)))
    launch = {"name": "LaunchDigest", "algorithm": "sha384", "state": "value",
              "value": platform.measurement}
    (tmp_path / "expect").write_text(json.dumps(
        {"registers": registers + ([launch] if kind == "svsm" else [])}))
    done = subprocess.run(
        [MUTATE, tmp_path / "one", tmp_path / "other", root, tmp_path / "expect", str(COUNT),
         str(int.from_bytes(os.urandom(4), "big"))], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, check=False)
    assert done.stdout, done.stderr
    counted = json.loads(done.stdout)
    assert (done.returncode, counted["accepted"]) == (0, 0), done.stderr
    assert set(counted["same_at"]) <= UNJUDGED[kind], counted["same_at"]
    assert counted["refused"] + counted["unverified"] + counted["same"] == COUNT
    assert counted["unverified"] > COUNT / 4
