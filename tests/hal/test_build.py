# SPDX-License-Identifier: Apache-2.0
"""hal/build --image full: the same bytes for another user in another place, and what it refuses."""
import dataclasses
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest
from lib import debian, full as full_image, profile
from lib.failure import Failure

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


def test_a_further_package(full, tmp_path):
    """Its files are in the root, and it is in manifest and SBOM; nothing else differs."""
    done = subprocess.run([TOP / "hal/build", "--image", "full", "--package", "nano", "--output",
                           tmp_path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=SECONDS)
    if done.returncode == 69:
        pytest.skip(f"the package cannot be downloaded: {done.stderr}")
    assert done.returncode == 0, done.stderr
    usual, more = ({line.split(None, 2)[-1].split(" -> ")[0]
                    for line in (place / "root.list").read_text().splitlines()}
                   for place in (full, tmp_path))
    assert usual <= more and any(path.endswith("bin/nano") for path in more - usual)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [one["name"] for one in manifest["packages"] if one["name"] == "nano"] == ["nano"]
    assert '"nano"' in (tmp_path / "sbom.spdx.json").read_text()


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


def fill_cache(cache):
    """With what says which packages there are, but for the packages."""
    copy = CACHE / "cvmd" / "guest" / "apt"
    for name in ("own", "full"):
        if not (copy / name / "packages.json").exists():
            pytest.skip(f"{copy / name} is not there: the guest was built with another cache")
        (cache / "apt" / name).mkdir(parents=True)
        shutil.copy(copy / name / "packages.json", cache / "apt" / name)


def test_directories_that_cannot_be_read(tmp_path, monkeypatch):
    """They are refused, not left out."""
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("closed"):  # root would read it
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Failure, match="closed: Permission denied"):
        full_image.overlay_tree(tmp_path, None)


def test_refused_packages(tmp_path):
    done = build(TOP, "--package", "passwd", "--output", tmp_path / "out")
    assert done.returncode == 1 and "--package passwd: hal/full/packages-left-out" in done.stderr


def test_whose_fault_it_is(tmp_path):
    """Only an archive that cannot be reached lets a lane skip: neither a cache that has nothing nor
    a machine without apt."""
    cache = tmp_path / "cache"
    fill_cache(cache)
    done = build(TOP, "--cache", cache, "--output", tmp_path / "out")
    assert done.returncode == 1 and "is not in the cache" in done.stderr
    command = [TOP / "hal/build", "--image", "full", "--cache", cache, "--output", tmp_path / "out",
               "--mirror", "http://127.0.0.1:1/debian", "--update"]
    for path, status, reason in ((os.environ["PATH"], 69, "127.0.0.1"),
                                 (str(tmp_path), 1, "apt-get is missing")):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=SECONDS, env={**os.environ, "PATH": path})
        assert done.returncode == status and reason in done.stderr, done.stderr


@pytest.mark.parametrize("said, status", [
    ("E: Unable to locate package misspelt", 1),
    ("E: Version '1' for 'misspelt' was not found", 1),
    ("E: Unable to locate package systemd", 69),
    ("E: Package 'systemd' has no installation candidate", 69),
    ("E: Failed to fetch http://a/b.deb  Temporary failure resolving 'a'", 69),
    ("E: Failed to fetch http://a/b.deb  Hash Sum mismatch", 1),
    ("E: Failed to fetch http://a/b.deb  Could not write - write (28: No space left on device)", 1),
    ("E: Unable to correct problems, you have held broken packages.", 1),
])
def test_what_apt_says(tmp_path, said, status):
    chosen = dataclasses.replace(profile.FULL, extra=("misspelt",))
    assert debian.Archive(tmp_path, chosen).judged(f"what: {said}").status == status


def indexed(cache, extra, *digests):
    """An archive whose index names packages, of which the cache has the files."""
    archive = debian.Archive(cache, dataclasses.replace(profile.FULL, extra=extra))
    archive.index.write_text(json.dumps({"packages": [{"sha256": name} for name in digests]}))
    for name in digests:
        (archive.debs / f"{name}.deb").touch()
    return archive


def left(cache):
    return {path.stem for path in (cache / "debs").glob("*.deb")}


def test_nothing_is_dropped_while_it_is_read(tmp_path):
    archive = indexed(tmp_path, (), "aa")
    (archive.debs / "old.deb").touch()
    reader = debian.Archive(tmp_path, profile.PROFILES["own"])
    with reader.reading(), archive.reading():
        archive.prune(True)
        assert left(tmp_path) == {"aa", "old"}
    archive.prune(True)
    assert left(tmp_path) == {"aa"}


def test_an_update_beside_a_reader_is_not_forgotten(tmp_path):
    """A set of further packages does not keep its old versions then, also where it is asked first;
    an update of another profile does not concern it."""
    usual, further = (indexed(tmp_path, extra, name) for extra, name in (((), "aa"),
                                                                         (("nano",), "bb")))
    other = debian.Archive(tmp_path, profile.PROFILES["own"])
    with usual.reading():
        other.prune(True)
    further.prune(False)
    assert left(tmp_path) == {"aa", "bb"} and not further.due.exists()
    with usual.reading():
        usual.prune(True)
    further.prune(False)
    assert left(tmp_path) == {"aa"} and not further.index.exists()


def test_what_a_busy_prune_has_left_goes_with_the_next_build(tmp_path):
    """Also if that finds its list of packages in the cache."""
    archive = indexed(tmp_path, (), "aa")
    (archive.debs / "old.deb").touch()
    packages = [{"name": "systemd", "version": "1", "sha256": "aa", "size": 1}]
    archive.index.write_text(json.dumps({"decided": archive.decided(), "packages": packages}))
    with archive.reading():
        archive.prune(True)
    assert left(tmp_path) == {"aa", "old"}
    assert archive.packages() == packages
    assert left(tmp_path) == {"aa"}
    (archive.debs / "old.deb").touch()
    assert archive.packages() == packages  # and no further one looks through the cache
    assert left(tmp_path) == {"aa", "old"}


def test_sets_of_further_packages_do_not_stay_for_ever(tmp_path):
    usual, first, second = (indexed(tmp_path, extra, name) for extra, name in (
        ((), "aa"), (("nano",), "bb"), (("vim",), "cc")))
    second.prune(False)
    assert left(tmp_path) == {"aa", "bb", "cc"}
    os.utime(first.index, (0, 0))
    second.prune(False)
    assert left(tmp_path) == {"aa", "cc"} and not first.index.exists()
    usual.prune(True)
    assert left(tmp_path) == {"aa"} and not second.index.exists()
