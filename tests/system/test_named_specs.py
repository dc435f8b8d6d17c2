# SPDX-License-Identifier: Apache-2.0
"""`cvmctl run NAME` launches /etc/cvmd/cvms/NAME.json or NAME.yaml, and refuses without either."""
import json
import os
import subprocess

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import cvmctl, environment
from harness.processes import eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount over /etc")


@pytest.fixture
def specs(tmp_path):
    directory = tmp_path / "etc/cvmd/cvms"
    directory.mkdir(parents=True)
    return directory


def within(specs, *command):
    """The command with an /etc of its own."""
    return ["unshare", "--mount", "sh", "-ec", 'mount --bind "$1" /etc; shift; exec "$@"', "sh",
            specs.parents[1], *command]


def refused(specs, *args):
    done = subprocess.run(within(specs, CVMCTL, "--socket", "/none", "run", *args), check=False,
                          capture_output=True, text=True, env=environment())
    assert done.stdout == "" and done.stderr.count("\n") == 1
    return done.returncode, done.stderr


def test_neither(specs):
    (specs / "web.yml").write_text("name: web")
    code, said = refused(specs, "web")
    assert code == exits.NOT_FOUND
    assert said == ("cvmctl: 'web' has no spec: neither web.json nor web.yaml is in "
                    "/etc/cvmd/cvms; give one with --file, or launch with --defaults\n")


def test_both(specs):
    (specs / "web.json").write_text("{}")
    (specs / "web.yaml").write_text("{}")
    code, said = refused(specs, "web")
    assert code == exits.DATA and "/web.json" in said and "/web.yaml" in said


def test_what_stands_in_one(specs):
    (specs / "web.yaml").write_text("cpus: 0")
    assert refused(specs, "web") == (
        exits.DATA, "/etc/cvmd/cvms/web.yaml:1:1: cpus: must be an integer from 1 to 512\n")


def test_not_readable(specs):
    specs.rmdir()
    specs.symlink_to("cvms")
    code, said = refused(specs, "web")
    assert code != 0 and "/etc/cvmd/cvms/web.json: cannot read the spec" in said


def test_defaults_and_a_file():
    done = cvmctl("run", "web", "--defaults", "--file", "x")
    assert done.code == exits.USAGE and "exclude each other" in done.err


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_a_run(cvmd, specs, ending):
    spec = cvmd.spec("other", cmdline="fake.poweroff-ms=50")
    text = json.dumps(spec) if ending == "json" else "\n".join(
        f"{key}: {json.dumps(value)}" for key, value in spec.items())
    (specs / f"web.{ending}").write_text(text)
    done = subprocess.run(within(specs, CVMCTL, "--socket", cvmd.socket, "run", "web"),
                          check=False, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert cvmd.status("web")["ending"]["reason"] == "power-off"


def test_defaults(cvmd, specs):
    """Without a file all is as options say."""
    run = subprocess.Popen(within(specs, CVMCTL, "--socket", cvmd.socket, "run", "web",
                                  "--defaults", "--memory", "64M", "--kernel", cvmd.kernel,
                                  "--initramfs", cvmd.initramfs, "--platform", "plain"),
                           env=environment(), stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: [cvm["name"] for cvm in cvmd.cvms() if cvm["ready"]] == ["web"],
                   cvmd.log)
    finally:
        run.terminate()
        assert run.wait(20) == 0
