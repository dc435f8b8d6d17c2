# SPDX-License-Identifier: Apache-2.0
"""hal/build: the same bytes from the same input, whoever builds them where; and what it says where
it cannot. Needs a cache that hal/build has filled, as it has where a guest was built."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from harness.agent import sha256

TOP = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
UNAVAILABLE = 69  # the archive does not have it
FILES = ("bzImage", "initramfs.cpio.gz", "initramfs-debug.cpio.gz", "manifest.json")


@pytest.fixture
def cache(tmp_path, guest):
    """A copy to be damaged, of what the profile plain needs; no archive can be reached from it."""
    guest("plain")
    known = CACHE / "cvmd" / "guest"
    index = known / "apt" / "plain" / "packages.json"
    if not index.exists():
        pytest.skip(f"{index} is not there: the guest was built with another cache")
    copy = tmp_path / "cache"
    (copy / "apt" / "plain").mkdir(parents=True)
    (copy / "debs").mkdir()
    shutil.copy(index, copy / "apt" / "plain")
    (copy / "apt" / "plain" / "sources.list").write_text(
        "deb [trusted=yes] http://127.0.0.1:9/debian bookworm main\n")
    for package in json.loads(index.read_text())["packages"]:
        shutil.copy(known / "debs" / f"{package['sha256']}.deb", copy / "debs")
    return copy


def build(top, *options, **popen):
    return subprocess.run([top / "hal" / "build", *options], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=300, **popen)


def built(output):
    return {name: sha256((output / name).read_bytes()) for name in FILES}


def refuse(done, *words, status=1):
    """One line on standard error that has these words."""
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("hal/build: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.fixture
def elsewhere():
    """A directory that other users reach too, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="guest-build-") as directory:
        os.chmod(directory, 0o755)
        yield pathlib.Path(directory)


def test_same_bytes(tmp_path, cache, elsewhere):
    """Another directory, umask, locale, time zone, file times, directory order and, where that can
    be, another user."""
    first = tmp_path / "first"
    done = build(TOP, "--output", first, "--cache", cache, umask=0o022)
    assert done.returncode == 0, done.stderr

    other = elsewhere / "a longer name" / "cvmd"
    other.mkdir(parents=True)
    for name in ("src", "hal"):
        for path in sorted((TOP / name).rglob("*.*"), reverse=True):
            if path.is_file() and "__pycache__" not in path.parts:
                (other / path.relative_to(TOP)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, other / path.relative_to(TOP))
    shutil.copyfile(TOP / "meson.build", other / "meson.build")
    shutil.copy(TOP / "hal" / "build", other / "hal")
    user = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    shutil.rmtree(cache / "kernels")
    cache = cache.rename(elsewhere / "cache")
    if user:
        for path in [elsewhere, *elsewhere.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo",
                   "HOME": str(other), "CFLAGS": "-O0", "SOURCE_DATE_EPOCH": "86400"}
    done = build(other, "--output", other / "out", "--cache", cache, umask=0o077, env=environment,
                 cwd="/", **user)
    assert done.returncode == 0, done.stderr
    assert built(first) == built(other / "out")


def test_damaged_cache(tmp_path, cache):
    good, again = tmp_path / "good", tmp_path / "again"
    assert build(TOP, "--output", good, "--cache", cache).returncode == 0

    # A kernel that was unpacked once is taken out of its package again.
    image = next((cache / "kernels").glob("*/bzImage"))
    data = image.read_bytes()
    image.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert build(TOP, "--output", again, "--cache", cache).returncode == 0
    assert built(again) == built(good)

    # A package that is cut short is not used; a new one cannot be had here.
    package = max((cache / "debs").iterdir(), key=lambda path: path.stat().st_size)
    os.truncate(package, package.stat().st_size - 1)
    refuse(build(TOP, "--output", again, "--cache", cache), "downloading linux-image-",
           "hal/build --profile plain --update", status=UNAVAILABLE)
    assert built(again) == built(good)


def test_missing_tools(tmp_path, cache):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, package in (("dpkg-deb", "dpkg"), ("gcc", "gcc"), ("strip", "binutils")):
        done = build(TOP, "--output", tmp_path / "out", "--cache", cache,
                     env={"PATH": str(programs)})
        refuse(done, f"{name} is missing: apt-get install {package}")
        (programs / name).symlink_to(shutil.which(name))
        if name == "dpkg-deb":  # runs tar by name
            (programs / "tar").symlink_to(shutil.which("tar"))
    assert not (tmp_path / "out").exists()
