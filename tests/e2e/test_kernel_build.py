# SPDX-License-Identifier: Apache-2.0
"""hal/build --kernel own: what it refuses of a source that has changed, and the same bytes again.
Needs a cache in which it has compiled the kernel, as it has where the own guest was built."""
import fcntl
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import pytest

from harness.agent import sha256
from harness.processes import eventually

TOP = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
KNOWN = CACHE / "cvmd" / "guest"


@pytest.fixture(scope="module", name="hal")
def hal_():
    """hal/lib, as hal/build imports it."""
    sys.path.insert(0, str(TOP / "hal"))
    try:
        from lib import debian, failure, kernel, root, source  # pylint: disable=all
        yield type("Hal", (), {"debian": debian, "Failure": failure.Failure, "Root": root.Root,
                               "kernel": kernel, "run": failure.run, "reason": root.reason,
                               "source": source})
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
    ("a.c: undefined reference to `f'\ncollect2: error: ld\n", "a.c: undefined reference to `f'"),
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


# Four fifths of the source's files: what is neither configured nor patched.
NOT_UNPACKED = ("arch/*.[chS]", "arch/*.dts*", "drivers/[!a]*.[ch]", "fs/*.[ch]", "include/*.h",
                "net/*.[ch]", "sound/*.[ch]", "tools/*.[chS]", "tools/*.json", "tools/*.sh",
                "tools/*.py", "Documentation/*.rst", "Documentation/*.yaml")


@pytest.fixture
def scratch():
    """A directory that goes with the test, unlike tmp_path: a source is large."""
    with tempfile.TemporaryDirectory(prefix="kernel-build-", ignore_cleanup_errors=True) as name:
        yield pathlib.Path(name)


def test_a_source_that_has_changed(hal, scratch, monkeypatch):
    """The real source, in the root in which it is compiled: a patch that does not apply, and a line
    that it does not know, end with the version."""
    found, files = packages()
    source = next(one for one in found if hal.debian.KERNEL_SOURCE.match(one["name"]))
    monkeypatch.setitem(hal.source.ENVIRONMENT, "TAR_OPTIONS", "--anchored " + " ".join(
        f"--exclude={source['name']}/{pattern}" for pattern in NOT_UNPACKED))
    root = hal.Root(scratch / "root", {one["name"]: files[one["name"]]
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


def build(cache, *options, before=(), **popen):
    return subprocess.run([*before, TOP / "hal" / "build", *(options or ("--kernel", "own")),
                           "--cache", cache, "--output", f"{cache}-out"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=120, **popen)


def refuse(done, *words, status=1):
    """One line on standard error that has these words."""
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("hal/build: ") and done.stderr.count("\n") == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.fixture
def cache(tmp_path):
    """What has to be there before the kernel itself is looked for: the list, and busybox."""
    found, files = packages()
    copy = tmp_path / "cache"
    (copy / "apt" / "own").mkdir(parents=True)
    (copy / "debs").mkdir()
    shutil.copy(KNOWN / "apt" / "own" / "packages.json", copy / "apt" / "own")
    shutil.copy(files["busybox-static"], copy / "debs")
    return copy


@pytest.fixture
def archive():
    """The URI of one that nobody may ask."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/debian"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


LACKS = {
    "everything": lambda cache: shutil.rmtree(cache),
    "the list": lambda cache: (cache / "apt" / "own" / "packages.json").unlink(),
    "this list": lambda cache: (cache / "apt" / "own" / "packages.json").write_text(
        (cache / "apt" / "own" / "packages.json").read_text().replace('"trixie"', '"forky"')),
    "busybox": lambda cache: next((cache / "debs").iterdir()).unlink(),
    "the kernel": lambda cache: None,
}


@pytest.mark.parametrize("lacks", LACKS)
def test_only_from_the_cache(cache, archive, lacks):
    """Nothing is fetched or compiled with --cached, whatever lacks."""
    LACKS[lacks](cache)
    refuse(build(cache, "--kernel", "own", "--cached", "--mirror", archive),
           "is not in the cache")
    assert not pathlib.Path(f"{cache}-out").exists()


def test_a_kernel_of_debians_only_from_the_cache(tmp_path, archive):
    refuse(build(tmp_path / "cache", "--profile", "plain", "--cached", "--mirror", archive),
           "the list of packages is not in the cache")
    done = build(tmp_path / "cache", "--kernel", "own", "--cached", "--update")
    assert done.returncode == 2 and "--update" in done.stderr


@pytest.mark.parametrize("manifest", [
    "", "[]", "{}", '{"sha256": []}', '{"sha256": {"bzImage": 1}}',
    '{"release": "1", "modules": {}, "order": [], "builtin": [], "absent": [], "sha256": {}}',
    '{"release": "1", "modules": {"0.ko": "a.ko"}, "order": [], "builtin": [], "absent": [], '
    '"sha256": {"bzImage": '
    '"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}',
])
def test_a_kept_kernel_that_is_not_whole_is_none(hal, tmp_path, manifest):
    (tmp_path / "bzImage").touch()
    (tmp_path / "manifest.json").write_text(manifest)
    assert hal.kernel.read_chosen(tmp_path) is None


def test_what_a_killed_build_left(cache):
    """Goes with the next build of whatever guest; not while somebody compiles."""
    left = [cache / "kernels" / name for name in ("compile-a1", "unpack-b2", "new-c3")]
    for path in left:
        (path / "root" / "build").mkdir(parents=True)
    kept = cache / "kernels" / "own-d4"
    kept.mkdir()
    with open(cache / "kernels" / ".own.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refuse(build(cache, "--kernel", "own", "--cached"), "is not in the cache")
        assert all(path.exists() for path in left)
    refuse(build(cache, "--kernel", "own", "--cached"), "is not in the cache")
    assert not [path for path in left if path.exists()] and kept.exists()


def test_a_build_that_is_ended_leaves_nothing(cache):
    """By a signal to all of its processes, as scripts/test sends it."""
    _, files = packages()
    for path in files.values():
        if not (cache / "debs" / path.name).exists():
            (cache / "debs" / path.name).symlink_to(path)
    with subprocess.Popen([TOP / "hal" / "build", "--kernel", "own", "--cache", cache, "--output",
                           f"{cache}-out"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            eventually(lambda: list(cache.glob("kernels/compile-*/root/usr/bin/*")),
                       "packages are unpacked", 60)
            os.killpg(process.pid, signal.SIGTERM)
            assert process.wait(60) == 143
        finally:
            process.kill()
    assert not list(cache.glob("kernels/*-*"))


SMALL_DISK = 'mount -t tmpfs -o size=64m tmpfs "$1" && cp -r "$2/." "$1" && shift 2 && exec "$@"'
NO_NAMESPACES = 'echo 0 >/proc/sys/user/max_mnt_namespaces && exec "$@"'


def namespaced(options, script, *arguments):
    """What comes before a command, in namespaces of its own; skips where there are none."""
    if subprocess.run(["unshare", *options, "true"], stdin=subprocess.DEVNULL, check=False,
                      capture_output=True).returncode:
        pytest.skip(f"unshare {' '.join(options)} is not allowed here")
    return ["unshare", *options, "sh", "-c", script, "sh", *arguments]


def test_a_full_disk_is_seen_before_anything_is_unpacked(cache, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    before = namespaced(["--user", "--map-root-user", "--mount"], SMALL_DISK, place, cache)
    refuse(build(place, before=before), f"{place}: 0.1 GB are free", "--cache")


@pytest.mark.parametrize("options", [
    ("--map-root-user",), ("--map-current-user", "--keep-caps")], ids=["root", "user"])
def test_without_namespaces_nothing_is_unpacked(cache, options):
    user = {}
    if options[0] == "--map-current-user" and os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    with tempfile.TemporaryDirectory(prefix="kernel-") as name:
        place = pathlib.Path(name) / "cache"
        shutil.copytree(cache, place)
        for path in [place.parent, *place.parent.rglob("*")] if user else []:
            os.chown(path, user["user"], user["group"])
        refuse(build(place, before=namespaced(["--user", *options], NO_NAMESPACES), **user),
               "namespaces", "No space left on device", "user.max_user_namespaces")


FAKE_APT = {
    "apt-get": "exit 0",
    "apt-cache": 'case "$1" in show) printf "%s\\n" "Package: $3" "Version: 1" "SHA256: 0" '
                 '"Size: 1";; pkgnames) echo linux-source-6.12; echo linux-source-7.1; esac',
}


def test_an_archive_without_such_a_source(tmp_path):
    """Says so by its exit status, too: the lanes then skip what wants this kernel."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in FAKE_APT.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    done = build(tmp_path / "cache", "--kernel", "own", "--mirror", "http://127.0.0.1:9/debian",
                 env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"})
    refuse(done, "trixie-backports has no linux-source-7.* of 7.2 or newer", status=69)


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
