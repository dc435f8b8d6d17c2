# SPDX-License-Identifier: Apache-2.0
"""A user's own image, from hal/build to the programs in it: examples/images and a package, with a
stand-in for the Cocos agent beside them, launched by the image's name."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from harness.agent import Agent, sha256

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import workloads  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
FIRMWARE = pathlib.Path("/usr/share/ovmf/OVMF.fd")
BUILD_SECONDS = 600
RUN_SECONDS = 600


@pytest.fixture(scope="module")
def image(full, tmp_path_factory):
    """The place of an image `own`."""
    place = tmp_path_factory.mktemp("images")
    overlay = place.parent / "overlay"
    shutil.rmtree(overlay, ignore_errors=True)
    workloads.make_overlay(overlay)
    shutil.copytree(HERE / "standin", overlay, dirs_exist_ok=True, symlinks=True)
    wants = overlay / "etc/systemd/system/multi-user.target.wants"
    os.symlink("../cocos-agent.service", wants / "cocos-agent.service")
    done = subprocess.run(
        [TOP / "hal/build", "--image", "full", "--cached", "--overlay", overlay, "--output",
         place / "own"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False,
        stderr=subprocess.PIPE, text=True, timeout=BUILD_SECONDS)
    assert done.returncode == 0, done.stderr
    return place


def page(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, OSError):
        return ""


def wait_page(port, path, ending):
    """QEMU accepts connections before the guest does, and the programs take their time."""
    end = time.monotonic() + RUN_SECONDS
    while not (text := page(port, path)).endswith(ending):
        assert time.monotonic() < end, f"{path}: {text!r}"
        time.sleep(1)
    return text


@pytest.mark.skipif(not FIRMWARE.exists() or not shutil.which("swtpm"),
                    reason="needs the packages ovmf and swtpm")
def test_examples(config, make_daemon, image, manifest, tmp_path):
    built = json.loads((image / "own" / "manifest.json").read_text())
    # The overlay is a layer of its own: the root below it is that of the image without it.
    assert built["layers"]["root.erofs"] == manifest["layers"]["root.erofs"]
    assert set(built["layers"]) == {"root.erofs", "overlay.erofs"}
    daemon = make_daemon({**config, "images": [str(image)]})
    (listed,) = [one for one in daemon.call("ListImages")["images"] if one["name"] == "own"]
    assert listed["memoryMin"] == built["memoryMin"]
    short = daemon.cvmctl("launch", "own", "--platform", "plain", "--image", "own", "--memory",
                          "512M", check=False)
    assert short.returncode and "image 'own' requires at least" in short.stderr
    environment = tmp_path / "environment"
    environment.write_text("AGENT_LOG_LEVEL=debug\nAGENT_CVM_ID=1\n")
    daemon.cvmctl("launch", "own", "--platform", "plain-uefi", "--firmware", FIRMWARE, "--memory",
                  "1G", "--cpus", 1, "--image", "own", "--env-file", environment, "--publish",
                  "0:7002", "--publish", "0:8080", "--wait", "ready", timeout=400)
    cvm = daemon.status("own")
    assert cvm["image"] == f"own@sha256:{sha256((image / 'own/manifest.json').read_bytes())}"
    # What was predicted of the changed image is what its TPM has.
    answer = Agent(cvm).ask(timeout=120)
    assert {f"PCR{n}-{bank}": answer["pcrs"][bank][str(n)]
            for n in (4, 9) for bank in ("sha256", "sha384")} == cvm["measurement"]
    port = next(one["hostPort"] for one in cvm["forwards"] if one["guestPort"] == 8080)
    assert wait_page(port, "/", "\n") == "hello from Python\n"
    assert wait_page(port, "/wasm", "\n") == "hello from WebAssembly\n"
    assert wait_page(port, "/docker", "hello from a container\n")
    report = wait_page(port, "/cocos", "end\n")
    assert not re.findall("^missing .*$", report, re.MULTILINE), report
    assert report.startswith("environment debug 1\n"), report
    daemon.cvmctl("stop", "own", timeout=120)
