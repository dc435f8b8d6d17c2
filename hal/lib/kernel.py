# SPDX-License-Identifier: Apache-2.0
"""The kernel image and the modules that the guest loads, out of a kernel's packages.

Unpacking hundreds of megabytes for a few files takes its time, so what was chosen is kept in the
cache, with the digest of each file, under the digest of all that decided about it.
"""
import dataclasses
import hashlib
import json
import lzma
import pathlib
import re
import shutil
import tempfile

from . import debian
from .failure import Failure, run, tool

FORMAT = 1  # counts up when what unpack() makes of the same packages changes


@dataclasses.dataclass
class Kernel:
    release: str
    image: bytes
    modules: dict  # path below lib/modules/RELEASE -> bytes of the .ko
    order: list    # those paths, dependencies first
    builtin: list  # names asked for that the kernel has built in
    absent: list   # names asked for, not needed, that this kernel lacks
    configuration: str = ""  # of one that was compiled here


def canonical(name):
    return name.replace("-", "_")


def module_name(path):
    return canonical(re.sub(r"\.ko(\.xz|\.zst|\.gz)?$", "", pathlib.PurePath(path).name))


def module_bytes(path):
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return run([tool("zstd", "zstd"), "-dcq", str(path)], f"unpacking {path.name}")
    if path.suffix == ".gz":
        return run([tool("gzip", "gzip"), "-dc", str(path)], f"unpacking {path.name}")
    return data


def dependencies(data):
    """Names in the `depends=` strings of a module's .modinfo section."""
    found = re.search(rb"\0depends=([^\0]*)\0", data)
    return [canonical(name) for name in found.group(1).decode().split(",") if name] if found else []


def choose(tree, profile):
    """(modules, order, builtin, absent) of the modules below lib/modules/RELEASE."""
    paths = {module_name(path): path for path in sorted((tree / "kernel").rglob("*.ko*"))}
    builtin = {module_name(line) for line in (tree / "modules.builtin").read_text().splitlines()}
    modules, order, had, absent = {}, [], [], []

    def add(name, trail):
        name = canonical(name)
        if name in trail:
            raise Failure(f"module {name} depends on itself")
        if name in builtin:
            return
        if name not in paths:
            raise Failure(f"module {trail[-1]} needs {name}, which this kernel lacks")
        relative = str(paths[name].relative_to(tree))
        relative = relative[:relative.rindex(".ko") + 3]
        if relative in modules:
            return
        data = module_bytes(paths[name])
        for needed in dependencies(data):
            add(needed, trail + (name,))
        modules[relative] = data
        order.append(relative)

    for name in dict.fromkeys(map(canonical, profile.required + profile.wanted)):
        if name in builtin:
            had.append(name)
        elif name in paths:
            add(name, ())
        elif name in map(canonical, profile.required):
            raise Failure(f"this kernel has no module {name}, which profile {profile.name} needs")
        else:
            absent.append(name)
    return modules, order, had, absent


def read_chosen(directory):
    """What an earlier run kept, or None where anything is missing or not as it was written."""
    try:
        manifest = json.loads((directory / "manifest.json").read_text())
        data = {name: (directory / name).read_bytes() for name in manifest["sha256"]}
        if any(hashlib.sha256(data[name]).hexdigest() != expected
               for name, expected in manifest["sha256"].items()):
            return None
        modules = {path: data[name] for name, path in manifest["modules"].items()}
        return Kernel(manifest["release"], data["bzImage"], modules, manifest["order"],
                      manifest["builtin"], manifest["absent"], data.get("config", b"").decode())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep_chosen(directory, kernel):
    for old in directory.parent.glob(directory.name.split("-")[0] + "-*"):
        shutil.rmtree(old, ignore_errors=True)
    keep(directory, kernel)


def keep(directory, kernel):
    """The directory is there whole, or not at all."""
    shutil.rmtree(directory, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="new-") as temporary:
        fresh = pathlib.Path(temporary) / "kernel"
        fresh.mkdir()
        names = {f"{number}.ko": path for number, path in enumerate(sorted(kernel.modules))}
        data = {"bzImage": kernel.image, **{n: kernel.modules[path] for n, path in names.items()}}
        if kernel.configuration:
            data["config"] = kernel.configuration.encode()
        for name, content in data.items():
            (fresh / name).write_bytes(content)
        (fresh / "manifest.json").write_text(json.dumps({
            "release": kernel.release, "modules": names, "order": kernel.order,
            "builtin": kernel.builtin, "absent": kernel.absent,
            "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in data.items()},
        }))
        fresh.rename(directory)


def unpack(cache, profile, packages, debs):
    kernels = [package for package in packages if debian.KERNEL_PARTS.match(package["name"])]
    decided = json.dumps([FORMAT, profile.required, profile.wanted,
                          [package["sha256"] for package in kernels]])
    directory = cache / "kernels" / f"{profile.name}-{hashlib.sha256(decided.encode()).hexdigest()}"
    directory.parent.mkdir(mode=0o700, exist_ok=True)
    kept = read_chosen(directory)
    if kept:
        return kept
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="unpack-") as temporary:
        root = pathlib.Path(temporary)
        for package in kernels:
            debian.unpack(debs[package["name"]], root)
        trees = sorted(path for top in ("lib/modules", "usr/lib/modules")
                       for path in (root / top).glob("*") if (path / "modules.builtin").exists())
        if len(trees) != 1:
            raise Failure(f"{profile.name}: the kernel's packages hold no single module tree")
        tree = trees[0]
        image = next((path for path in (root / f"boot/vmlinuz-{tree.name}", tree / "vmlinuz")
                      if path.exists()), None)
        if not image:
            raise Failure(f"{profile.name}: the kernel's packages hold no vmlinuz")
        modules, order, builtin, absent = choose(tree, profile)
        kernel = Kernel(tree.name, image.read_bytes(), modules, order, builtin, absent)
    keep_chosen(directory, kernel)
    return kernel
