# SPDX-License-Identifier: Apache-2.0
"""What the scripts and tests use is there for a stranger, too, who starts from a minimal Debian 12
and has installed what our scripts install."""
import os
import pathlib
import re
import shutil
import tempfile

import pytest

from harness import files

TOP = files.TOP
PROBES = {
    "a private libvirtd starts": "PYTHONPATH=tests python3 -B tests/harness/libvirt.py --probe",
    "QEMU starts": "cd tests/lanes && python3 -B -c 'import preconditions as p; p.qemu_starts()'",
    "swtpm starts": "cd tests/lanes && python3 -B -c 'import preconditions as p; p.swtpm_starts()'",
    "scripts/test lists its lanes": "scripts/test --list",
    "the build can be set up": "meson setup /build /src -Dwerror=true -Dtests=true",
}


@pytest.mark.parametrize("kind", ["program", "user", "group"])
def test_all_that_is_used_is_there(kind, uses, fresh):
    missing = sorted({f"{name}:{use.line}: {use.kind} {use.name}" for name, use in uses
                      if use.kind == kind and not fresh.has(use)})
    assert not missing, (
        "a minimal Debian 12 with the packages of scripts/lib/packages.sh lacks:\n"
        + "\n".join(missing))


def test_packages_are_all_installed(inside):
    """By the script that installs them, which would say so."""
    said = inside("bash", "-euc", '. /src/scripts/lib/packages.sh; packages_ensure '
                  '"${packages_build[@]}" "${packages_guest[@]}" "${packages_run[@]}" '
                  '"${packages_test[@]}"')
    assert "installing" not in said


@pytest.mark.parametrize("probe", PROBES)
def test_probe(probe, inside):
    inside("bash", "-euc", f"cd /src; {PROBES[probe]}")


def test_tests_find_their_modules(inside):
    folders = sorted({str(path.parent.relative_to(TOP)) for path in TOP.glob("tests/*/test_*.py")})
    said = inside("bash", "-euc", 'cd /src; for folder; do python3 -B -m pytest -q --collect-only '
                  '-p no:cacheprovider -c tests/pytest.ini "$folder"; done', "bash", *folders)
    assert len(folders) > 10 and len(re.findall("tests? collected", said)) == len(folders)


def without_builds(directory, names):
    """Nothing that a script has made."""
    return [name for name in names if directory == str(TOP) and name.startswith("build")]


@pytest.mark.long
@pytest.mark.parametrize("script", ["scripts/quickstart", "scripts/test"])
def test_script_in_a_clone(script, inside, monkeypatch):
    """As a stranger starts it; what it printed stays in build/fresh-….log."""
    monkeypatch.setenv("CVMD_NO_CONTAINERS", "no containers within the container of lane fresh")
    log = TOP / "build" / f"fresh-{os.path.basename(script)}.log"
    log.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cvmd-clone-", dir="/tmp") as name:
        clone = pathlib.Path(name) / "clone"
        shutil.copytree(TOP, clone, symlinks=True, ignore=without_builds)
        inside("bash", "-euc", f"cp -a /src /root/cvmd; cd /root/cvmd; {script}",
               source=clone, timeout=4 * 60 * 60, log=log)
