# SPDX-License-Identifier: Apache-2.0
"""The own kernel: Debian's source, with the patches and the configuration of hal/kernel.

It is compiled in a root of Debian packages and kept in the cache under the digest of all that
decided about it: source, patches, configuration and the root's packages. The same of these give the
same bytes, whoever compiles them where.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time

from . import debian, kernel
from .failure import Failure
from .root import Root, check_namespaces, end, reason

FORMAT = 1   # counts up when the same input shall be compiled again
KEPT = 4     # kernels of other inputs that stay in the cache
STEPS = 2150  # about: commands that make says it runs
SPACE = 3 << 30  # bytes at most of root, source and objects
PLACE = "build"  # of source and objects, in the root
# Who compiled it when, on which machine and how often, would else be in the image.
ENVIRONMENT = {
    "KBUILD_BUILD_TIMESTAMP": "@0", "KBUILD_BUILD_USER": "cvmd", "KBUILD_BUILD_HOST": "cvmd",
    "KBUILD_BUILD_VERSION": "1", "SOURCE_DATE_EPOCH": "0",
}
IMAGE = "arch/x86/boot/bzImage"


class Recipe:
    """What is in hal/kernel."""

    def __init__(self, hal):
        self.fragment = (hal / "kernel" / "config").read_text()
        self.patches = {path.name: path.read_text()
                        for path in sorted((hal / "kernel").glob("*.patch"))}


def settings(text):
    """The lines of a configuration that set something, or say that it is not set."""
    return [line for line in text.splitlines()
            if re.match(r"^(CONFIG_\w+=|# CONFIG_\w+ is not set$)", line)]


def check_configuration(fragment, configuration, version):
    """Each line that was asked for came out; Kconfig itself drops lines without a word."""
    there = set(settings(configuration))
    lacking = [line for line in settings(fragment) if line not in there]
    if lacking:
        more = f" and {len(lacking) - 1} more" if lacking[1:] else ""
        raise Failure(f"{version}: this line of hal/kernel/config is not in its configuration: "
                      f"{lacking[0]}{more}")


def key(packages, recipe):
    decided = [FORMAT, settings(recipe.fragment), recipe.patches, ENVIRONMENT,
               sorted(package["sha256"] for package in packages)]
    return hashlib.sha256(json.dumps(decided).encode()).hexdigest()


def inputs(packages):
    """All but what only the images are made of."""
    return [package for package in packages if package["name"] != "busybox-static"]


def place(cache, packages, recipe):
    return cache / "kernels" / f"own-{key(inputs(packages), recipe)}"


@contextlib.contextmanager
def alone(cache):
    """One compiles, who wants the same waits and finds it."""
    with open(cache / "kernels" / ".own.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove(cache, "compile")  # by one that was killed
        yield


def remove(cache, *kinds):
    for kind in kinds:
        for left in (cache / "kernels").glob(f"{kind}-*"):
            shutil.rmtree(left, ignore_errors=True)


def clear_leftovers(cache):
    """What a build that was killed has left, unless another one compiles now. To be called under
    the cache's own lock, which is held while a kernel of Debian's is unpacked."""
    kernels = cache / "kernels"
    kernels.mkdir(mode=0o700, exist_ok=True)
    with open(kernels / ".own.lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        remove(cache, "compile", "unpack", "new")


def check_machine(cache):
    """Before minutes of downloading and unpacking: this machine can compile."""
    check_namespaces()
    free = shutil.disk_usage(cache).free
    if free < SPACE:
        raise Failure(f"{cache}: {free / 1e9:.1f} GB are free, and compiling the kernel takes "
                      f"{SPACE / 1e9:.1f} GB: make room, or name another directory with --cache")


def build(cache, packages, debs, recipe):
    """Compiles the kernel, keeps it in the cache and returns it."""
    chosen = next(package for package in packages if debian.KERNEL_SOURCE.match(package["name"]))
    version = f"{chosen['name']} {chosen['version']}"
    source = debs[chosen["name"]]
    debs = {package["name"]: debs[package["name"]] for package in inputs(packages)
            if package is not chosen}
    with tempfile.TemporaryDirectory(dir=cache / "kernels", prefix="compile-",
                                     ignore_cleanup_errors=True) as scratch:
        with progress(f"unpacking {version}") as show:
            root = Root(os.path.join(scratch, "root"), debs)
            top = root.path / PLACE
            unpack(root, source, version)
            show()
        configuration = configure(root, recipe, version)
        compile_image(root, version)
        made = kernel.Kernel(
            (top / "objects" / "include" / "config" / "kernel.release").read_text().strip(),
            (top / "objects" / IMAGE).read_bytes(), {}, [], [], [], configuration)
        # Before the directory is removed, which takes a while: a kill would cost the kernel.
        keep(cache, place(cache, packages, recipe), made)
    return made


def unpack(root, source, version):
    """The tree, as /PLACE/source in the root."""
    top = root.path / PLACE
    (top / "source").mkdir(parents=True)
    debian.unpack(source, top)
    archives = list((top / "usr" / "src").glob("linux-source-*.tar.xz"))
    if len(archives) != 1:
        raise Failure(f"{version}: holds no single tree")
    archives[0].rename(top / "source.tar.xz")
    root.run(f"cd /{PLACE} && "
             "tar --no-same-owner --strip-components=1 -C source -xJf source.tar.xz",
             f"unpacking {version}", ENVIRONMENT)
    (top / "source.tar.xz").unlink()


def configure(root, recipe, version):
    """Patches the tree and writes its configuration, which is returned."""
    top = root.path / PLACE
    for name, text in recipe.patches.items():
        (top / "patch").write_text(text)
        root.run(f"cd /{PLACE}/source && patch --strip=1 --fuzz=0 --batch --quiet <../patch",
                 f"{version}: {name} of hal/kernel does not apply", ENVIRONMENT)
    (top / "fragment").write_text(recipe.fragment)
    root.run(f"cd /{PLACE}/source && "
             f"make O=/{PLACE}/objects KCONFIG_ALLCONFIG=/{PLACE}/fragment allnoconfig",
             f"{version}: configuring", ENVIRONMENT)
    configuration = (top / "objects" / ".config").read_text()
    check_configuration(recipe.fragment, configuration, version)
    return configuration


def compile_image(root, version):
    jobs = len(os.sched_getaffinity(0))
    process = root.start(f"cd /{PLACE}/source && make O=/{PLACE}/objects -j{jobs} bzImage",
                         ENVIRONMENT)
    said = []
    try:
        with progress(f"compiling {version}") as show:
            for line in process.stdout:
                said.append(line.decode(errors="replace"))
                if line.startswith(b"  "):  # a command, and what it makes
                    show(STEPS)
        if process.wait():
            raise Failure(f"{version}: compiling: {reason(''.join(said)) or process.returncode}")
    except BaseException:
        end(process)
        raise


@contextlib.contextmanager
def progress(what):
    """show() for each step done: on a terminal a line written over, else one at each end."""
    start, done, shown = time.monotonic(), 0, 0
    terminal = sys.stderr.isatty()
    if not terminal:
        print(f"  {what}", file=sys.stderr, flush=True)

    def show(steps=0):
        nonlocal done, shown
        done += 1
        now = time.monotonic()
        if terminal and now - shown >= 0.5:
            shown = now
            of = f"{min(99, done * 100 // steps)} %, " if steps else ""
            print(f"\r\033[K  {what}: {of}{now - start:.0f} s", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        end = f"  {what}: {time.monotonic() - start:.0f} s"
        print(f"\r\033[K{end}" if terminal else end, file=sys.stderr, flush=True)


def keep(cache, directory, made):
    """Into the cache, whole; the oldest of others make room."""
    kernel.keep(directory, made)
    others = sorted((path for path in (cache / "kernels").glob("own-*") if path != directory),
                    key=lambda path: path.stat().st_mtime, reverse=True)
    for old in others[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
