# SPDX-License-Identifier: Apache-2.0
"""hal/build --image full: the same bytes for another user in another place, and what it refuses."""
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
SECONDS = 600


def build(top, *options, **popen):
    return subprocess.run([top / "hal" / "build", "--image", "full", "--cached", *options],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False,
                          stderr=subprocess.PIPE, text=True, timeout=SECONDS, **popen)


@pytest.fixture
def elsewhere():
    """A directory that other users reach too, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="guest-build-") as directory:
        os.chmod(directory, 0o755)
        yield pathlib.Path(directory)


def copy_sources(place):
    for name in ("src/base", "hal"):
        shutil.copytree(TOP / name, place / name, symlinks=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(TOP / "meson.build", place / "meson.build")


def copy_cache(place):
    """What the image is made of, and no more; downloads cannot be had from there."""
    known = CACHE / "cvmd" / "guest"
    for name in ("own", "full"):
        (place / "apt" / name).mkdir(parents=True)
        shutil.copy(known / "apt" / name / "packages.json", place / "apt" / name)
    (place / "debs").mkdir()
    for package in json.loads((known / "apt/full/packages.json").read_text())["packages"]:
        shutil.copy(known / "debs" / f"{package['sha256']}.deb", place / "debs")
    shutil.copytree(known / "kernels", place / "kernels",
                    ignore=lambda _, names: [name for name in names if name.endswith(".lock")
                                             or name.startswith(("plain", "confidential"))])


def test_same_bytes(full, elsewhere):
    """Another directory, user, umask, locale, time zone and file times."""
    place = elsewhere / "a longer name" / "cvmd"
    place.mkdir(parents=True)
    copy_sources(place)
    cache = elsewhere / "cache"
    try:
        copy_cache(cache)
    except FileNotFoundError as missing:
        pytest.skip(f"{missing.filename} is not there: the guest was built with another cache")
    user = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        for path in [elsewhere, *elsewhere.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    done = build(place, "--output", place / "out", "--cache", cache, umask=0o077, cwd="/", env={
        "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "HOME": str(place),
        "CFLAGS": "-O0", "SOURCE_DATE_EPOCH": "86400", "PYTHONHASHSEED": "7"}, **user)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (place / "out").iterdir())
    assert names == sorted(path.name for path in full.iterdir() if path.name != "key")
    assert not [name for name in names if sha256((place / "out" / name).read_bytes())
                != sha256((full / name).read_bytes())]


def test_refused_overlays(tmp_path):
    """Before anything is packed."""
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    done = build(TOP, "--overlay", tmp_path / "none", "--output", tmp_path / "out")
    assert done.returncode == 2 and "none: not a directory" in done.stderr
    program = overlay / "program"
    program.touch()
    program.chmod(0o4755)
    done = build(TOP, "--overlay", overlay, "--output", tmp_path / "out")
    assert done.returncode == 1 and f"{program}: has a set-ID bit" in done.stderr
    program.unlink()
    os.mkfifo(program)
    done = build(TOP, "--overlay", overlay, "--output", tmp_path / "out")
    assert done.returncode == 1 and f"{program}: neither a file" in done.stderr
    assert not (tmp_path / "out").exists()
