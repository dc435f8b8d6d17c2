# SPDX-License-Identifier: Apache-2.0
"""hal/build --kernel own: what it refuses of a source that has changed, and the same bytes again.
Needs a cache in which it has compiled the kernel, as it has where the own guest was built."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

import pytest

from harness.agent import sha256

TOP = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
KNOWN = CACHE / "cvmd" / "guest"


@pytest.fixture(scope="module", name="hal")
def hal_():
    """hal/lib, as hal/build imports it."""
    sys.path.insert(0, str(TOP / "hal"))
    try:
        from lib import debian, failure, root, source  # pylint: disable=all
        yield type("Hal", (), {"debian": debian, "Failure": failure.Failure, "Root": root.Root,
                               "run": failure.run, "reason": root.reason, "source": source})
    finally:
        sys.path.remove(str(TOP / "hal"))


def packages():
    if "GUEST_OWN" not in os.environ:
        pytest.skip("GUEST_OWN is not set; scripts/test --lane e2e builds it")
    found = json.loads((KNOWN / "apt" / "own" / "packages.json").read_text())["packages"]
    files = {package["name"]: KNOWN / "debs" / f"{package['sha256']}.deb" for package in found}
    if not all(path.exists() for path in files.values()):
        pytest.skip("the own kernel was not compiled with this cache")
    return found, files


def test_a_dropped_line_is_named(hal):
    """Kconfig leaves out what it does not know, or what something else forbids."""
    check = hal.source.check_configuration
    fragment = "# a group\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_S=\"x\"\n"
    check(fragment, "CONFIG_S=\"x\"\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\n", "linux 7.2")
    for gone in ("CONFIG_A=y", "# CONFIG_B is not set", "CONFIG_S=\"x\""):
        with pytest.raises(hal.Failure, match="^linux 7.2: .*: " + gone + "$"):
            check(fragment, fragment.replace(gone + "\n", ""), "linux 7.2")
    with pytest.raises(hal.Failure, match="CONFIG_A=y$"):
        check(fragment, fragment.replace("CONFIG_A=y", "CONFIG_A=m"), "linux 7.2")
    with pytest.raises(hal.Failure, match="CONFIG_A=y and 2 more$"):
        check(fragment, "", "linux 7.2")


@pytest.mark.parametrize("said,named", [
    ("E: first\nE: second\nmore\n", "E: first"),
    ("a\nb.c:1: error: c\nd\n", "b.c:1: error: c"),
    ("a\n  b  \n\n", "b"), ("", "exit status 3"),
    ("E: lists\nas: error: b\nld: cannot write: No space left on device\nc\n",
     "ld: cannot write: No space left on device"),
])
def test_the_cause_is_named(hal, said, named):
    with pytest.raises(hal.Failure) as failure:
        hal.run(["sh", "-c", 'printf %s "$1" >&2; exit 3', "sh", said], "compiling")
    assert str(failure.value) == f"compiling: {named}"


def test_a_full_disk_is_named_by_the_kernels_compiler_too(hal):
    assert hal.reason("a: error: b\nas: No space left on device\nmake: ***\n") == \
        "as: No space left on device"
    assert hal.reason("note\na: error: b\nmake: *** [x]\n") == "a: error: b"


def test_every_input_decides(hal):
    recipe = hal.source.Recipe(TOP / "hal")
    found = [{"name": "gcc", "sha256": "1"}, {"name": "busybox-static", "sha256": "2"}]
    place = hal.source.place(KNOWN, found, recipe)
    other = hal.source.Recipe(TOP / "hal")
    other.fragment += "CONFIG_X=y\n"
    patched = hal.source.Recipe(TOP / "hal")
    patched.patches = {**patched.patches, "b.patch": ""}
    places = {place, hal.source.place(KNOWN, found, other),
              hal.source.place(KNOWN, found, patched),
              hal.source.place(KNOWN, [{"name": "gcc", "sha256": "3"}, found[1]], recipe)}
    assert len(places) == 4
    # What only the initramfs is made of does not compile the kernel again.
    assert hal.source.place(KNOWN, [found[0]], recipe) == place


def test_a_source_that_has_changed(hal, tmp_path):
    """The real source, in the root in which it is compiled: a patch that does not apply, and a line
    that it does not know, end with the version."""
    found, files = packages()
    source = next(one for one in found if hal.debian.KERNEL_SOURCE.match(one["name"]))
    root = hal.Root(tmp_path / "root", {one["name"]: files[one["name"]]
                                        for one in hal.source.inputs(found) if one is not source})
    version = f"{source['name']} {source['version']}"
    hal.source.unpack(root, files[source["name"]], version)
    recipe = hal.source.Recipe(TOP / "hal")
    name, text = next(iter(recipe.patches.items()))
    recipe.patches = {name: text.replace("acpi_permanent_mmap", "acpi_other_mmap")}
    with pytest.raises(hal.Failure) as refused:
        hal.source.configure(root, recipe, version)
    assert str(refused.value).startswith(f"{version}: {name} of hal/kernel does not apply: ")
    recipe.patches = {}
    recipe.fragment += "CONFIG_OF_YESTERDAY=y\n"
    with pytest.raises(hal.Failure) as refused:
        hal.source.configure(root, recipe, version)
    assert str(refused.value).startswith(f"{version}: ")
    assert str(refused.value).endswith(": CONFIG_OF_YESTERDAY=y")


def test_only_from_the_cache(tmp_path):
    """Nothing is fetched or compiled with --cached."""
    done = subprocess.run([TOP / "hal" / "build", "--kernel", "own", "--cached", "--cache",
                           tmp_path / "cache", "--output", tmp_path / "out"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=60)
    assert done.returncode == 1 and "is not in the cache" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_same_bytes():
    """Compiled again, from another directory, in another cache and where that can be by another
    user."""
    _, files = packages()
    guest = pathlib.Path(os.environ["GUEST_OWN"])
    with tempfile.TemporaryDirectory(prefix="kernel-build-", dir="/var/tmp") as name:
        elsewhere = pathlib.Path(name)
        top, cache = elsewhere / "a longer name", elsewhere / "cache"
        for part in ("hal", "src"):
            shutil.copytree(TOP / part, top / part,
                            ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(TOP / "meson.build", top)
        (cache / "debs").mkdir(parents=True)
        shutil.copytree(KNOWN / "apt" / "own", cache / "apt" / "own")
        for path in files.values():
            shutil.copy(path, cache / "debs")
        user = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in [elsewhere, *elsewhere.rglob("*")]:
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        done = subprocess.run(
            [top / "hal" / "build", "--kernel", "own", "--cache", cache, "--output", top / "out"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            check=False, cwd="/", umask=0o077, env={"PATH": os.environ["PATH"], "TZ": "Asia/Tokyo",
                                                    "HOME": str(top), "LC_ALL": "C.UTF-8",
                                                    "KCFLAGS": "-O3"}, **user)
        assert done.returncode == 0, done.stderr
        for file in ("bzImage", "config", "initramfs.cpio.gz", "initramfs-debug.cpio.gz"):
            assert sha256((top / "out" / file).read_bytes()) == sha256(
                (guest / file).read_bytes()), file
