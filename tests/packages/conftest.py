# SPDX-License-Identifier: Apache-2.0
"""The Debian packages of the release of scripts/dist, built in roots of Debian 12 and 13 and
installed in other ones that systemd has booted. PACKAGES_BUILD_12, PACKAGES_ROOT_12 and so on name
the roots, GUEST and FULL the images; scripts/test --lane packages makes them."""
import os
import pathlib
import subprocess
import tempfile

import pytest

from harness import booting

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "cvmd"
BUILD_SECONDS = 1200
BOOT_SECONDS = 60
RELEASED = "86775c2"  # version 0.1.0
ALONE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
         "--net"]
SUITES = [pytest.param(suite, marks=pytest.mark.xdist_group(suite)) for suite in ("12", "13")]


def needed(variable):
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set; scripts/test --lane packages makes what it names")
    return pathlib.Path(value)


@pytest.fixture(name="suite", scope="session", params=SUITES)
def fixture_suite(request):
    return request.param


@pytest.fixture(name="directory", scope="session")
def fixture_directory():
    with tempfile.TemporaryDirectory(prefix="cvmd-packages-", dir="/var/tmp") as name:
        yield pathlib.Path(name)


@pytest.fixture(name="guest", scope="session")
def fixture_guest():
    return needed("GUEST")


@pytest.fixture(name="release", scope="session")
def fixture_release(directory, guest):
    """The tarball, of what is committed."""
    full = needed("FULL")
    said = subprocess.run([TOP / "scripts/dist", "--guest", guest, "--full", full, directory],
                          check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout
    return pathlib.Path(said.split(":")[0])


def build(script, suite, source, output, *words):
    """Runs the script in the suite's root; its compiler's cache is kept."""
    output.mkdir()
    cache = CACHE / f"ccache-{suite}"
    cache.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*ALONE, HERE / script, needed(f"PACKAGES_BUILD_{suite}"), source, output, cache, *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
    return output


@pytest.fixture(name="packages", scope="session")
def fixture_packages(suite, release, directory):
    """The directory of the suite's packages and of what lintian says: the newer one, of its own
    packages. The other suite's differ in nothing that it looks at."""
    lintian = "yes" if suite == "13" or os.environ.get("CVMD_LONG") else "no"
    return build("build", suite, release, directory / suite, lintian)


@pytest.fixture(name="build_again")
def fixture_build_again(release, directory):
    """build_again(suite): the directory with packages that were built in another place."""
    return lambda suite: build("build", suite, release, directory / f"{suite}-again", "no",
                               "/srv/another/place")


@pytest.fixture(name="released", scope="session")
def fixture_released(suite, directory):
    """The directory with version 0.1.0 as it was installed from source."""
    source = directory / f"released-{suite}.tar"
    with open(source, "wb") as stream:
        done = subprocess.run(["git", "-C", TOP, "archive", RELEASED], stdout=stream,
                              stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this clone does not have version 0.1.0: {done.stderr.strip()}")
    return build("build-released", suite, source, directory / f"released-{suite}")


@pytest.fixture(name="machine")
def fixture_machine(suite, packages):
    """A machine without cvmd, whose /packages has the packages."""
    root = needed(f"PACKAGES_ROOT_{suite}")
    with tempfile.TemporaryFile() as log:
        boot, machine = booting.boot(booting.Machine, HERE / "boot", root, packages, log=log,
                                     seconds=BOOT_SECONDS, units=["dbus.service"])
        try:
            yield machine
        finally:
            booting.end_machine(boot, machine.leader)
