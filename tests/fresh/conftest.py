# SPDX-License-Identifier: Apache-2.0
"""The root of a stranger: a minimal Debian 12 with the packages that our scripts install, which
FRESH_ROOT names and scripts/test --lane fresh makes; and the project's files."""
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent)]
import machine  # noqa: E402
import scan  # noqa: E402
from harness import files  # noqa: E402


@pytest.fixture(scope="session")
def root():
    path = os.environ.get("FRESH_ROOT")
    if not path:
        pytest.skip("FRESH_ROOT is not set; scripts/test --lane fresh makes one")
    return pathlib.Path(path)


@pytest.fixture(scope="session")
def fresh(root):
    return machine.Machine(root)


@pytest.fixture(scope="session")
def uses(fresh):
    """Of all files; suspect is what this machine has and the stranger's has not."""
    found = {}
    for name in files.project_files():
        if files.kind(name):
            found.setdefault(files.kind(name), {})[name] = (TOP / name).read_text()
    return list(scan.Project(found, machine.Machine("/").programs - fresh.programs).uses())


@pytest.fixture(scope="session")
def inside(root):
    """inside(command…): runs it in a copy of the root; returns what it printed, which is also in
    the file `log` meanwhile and after."""
    def run(*words, source=TOP, timeout=120, log=None):
        with open(log, "w+", errors="replace") if log else \
                tempfile.TemporaryFile("w+", errors="replace") as file:
            done = subprocess.run([HERE / "enter", root, source, *words], stdin=subprocess.DEVNULL,
                                  stdout=file, stderr=file, timeout=timeout, check=False)
            file.seek(0)
            said = file.read()
        assert done.returncode == 0, said
        return said
    return run
