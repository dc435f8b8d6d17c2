# SPDX-License-Identifier: Apache-2.0
"""The specs of examples/specs, which its README says run as they are, do so."""
import json
import pathlib
import re
import shutil

import pytest

from harness import ports
from harness.agent import Agent

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples/specs"
README = (EXAMPLES / "README.md").read_text()


def table(heading):
    """Names of the files in the table below the sentence that begins so."""
    text = README[README.index(heading):].split("\n\n")[1]
    return re.findall(r"^\| \[([\w.]+)\]", text, re.MULTILINE)


RUNNABLE = table("These run as they are")


def test_the_readme_has_all():
    there = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".json", ".yaml")}
    assert len(RUNNABLE) > 5 and {*RUNNABLE, *table("These are to be copied")} == there


@pytest.mark.parametrize("name", RUNNABLE)
def test_example(cvmd, tmp_path, name):
    folder = tmp_path / "specs"
    shutil.copytree(EXAMPLES, folder)
    with open(folder / "disk.img", "wb") as disk:
        disk.truncate(16 << 20)
    path = folder / name
    path.write_text(path.read_text().replace("8702", str(ports.port(0))))  # others may have it, too
    done = cvmd.cvmctl("launch", "-f", path, "--wait", "ready", "--json", timeout=300)
    cvm = json.loads(done.stdout.splitlines()[-1])
    assert cvm["ready"] and cvm["state"] == "running"
    if cvm["forwards"]:
        assert Agent(cvm).ask()["cpus"] == cvm["cpus"]
    spec = json.loads(cvmd.cvmctl("inspect", cvm["name"], "--spec").stdout)
    if name == "web.yaml":
        assert spec["labels"] == {"app": "shop", "example.org/tier": "front"}
        assert spec["missing"] == ["env.GREETING", "env.RETRIES"]
    if name == "shares.yaml":
        assert spec["shares"][0]["path"] == str(folder / "data")
    cvmd.cvmctl("stop", "--force", cvm["name"])
