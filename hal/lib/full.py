# SPDX-License-Identifier: Apache-2.0
"""The full image: systemd, Python, WasmEdge and Docker in a root that is read-only and compressed.

Its initramfs is an uncompressed archive of the first process and of layers, each an EROFS file
system: root, then what --overlay adds, then what the debug image adds. The first process
(hal/agent/root.c) lays them over each other, below a file system in memory that takes what is
written. What is in the layers is decided by the lists in hal/full.
"""
import re
import stat

from .failure import Failure
from .image import Cpio
from .tree import Patterns, Tree

MARK = "full"  # sorts before all layers: where it is, the first process expects them
LAYERS = "root.layers"  # sorts behind all other names: it is there only if the others are, whole
UNITS = "usr/lib/systemd/system"
CERTIFICATES = "usr/share/ca-certificates/"
MIB = 1 << 20
# An initramfs is unpacked into a file system in memory that may take half of it, while the archive
# itself is still there; the rest is what kernel and programs use until READY.
MEMORY_FACTOR, MEMORY_OTHER, MEMORY_STEP = 3, 96 * MIB, 64 * MIB


class Lists:
    """What is in hal/full."""

    def __init__(self, hal):
        self.top = hal / "full"
        self.packages_left_out = set(self.rows("packages-left-out"))
        self.left_out = Patterns(self.text("paths-left-out"))
        self.debug_paths = [tuple(row.split()) for row in self.rows("paths-debug")]
        self.layout = [row.split() for row in self.rows("layout")]
        self.units = [row.split() for row in self.rows("units")]

    def check_added(self, packages):
        """Refuses what a user adds and the image would leave out."""
        for name in packages:
            if name in self.packages_left_out:
                raise Failure(f"--package {name}: hal/full/packages-left-out names it, since an "
                              "image in which nothing is installed has no use for it: remove the "
                              "line there to have it")

    def text(self, name):
        return (self.top / name).read_text(encoding="utf-8")

    def rows(self, name):
        return [line for line in self.text(name).splitlines() if line and line[0] != "#"]


def drop_enabled_units(tree):
    """Which units run is decided by hal/full/units alone."""
    tree.remove(*tree.find(UNITS + r"/[^/]+\.(wants|requires)/."), "etc/systemd/system",
                *tree.find(UNITS + r"/[^/]+\.(wants|requires)$"))


def close_units(tree):
    """No unit takes a credential of the machine's maker, which nothing measures, or loads a module,
    of which there are none."""
    lines = re.compile(rb"(?m)^(ImportCredential=.*|LoadCredential(Encrypted)?=.*"
                       rb"|(Wants|After|Requires)=modprobe@[^\n]*)\n")
    for name in tree.find(UNITS + "/"):
        entry = tree.entries[name]
        if stat.S_ISREG(entry.mode):
            tree.file(name, lines.sub(b"", entry.data), entry.mode)


def join_certificates(tree):
    """What the maintainer script of ca-certificates would do, but for the names by hashes."""
    names = [name for name in tree.find(CERTIFICATES) if name.endswith(".crt")]
    tree.file("etc/ssl/certs/ca-certificates.crt",
              b"".join(tree.entries[name].data for name in names))
    tree.remove(CERTIFICATES.rstrip("/"))


def lay_out(tree, lists):
    for kind, name, *rest in lists.layout:
        if kind == "link":
            tree.link(name, rest[0])
        elif kind == "directory":
            tree.directory(name, int(rest[0], 8) if rest else 0o755)
        else:
            set_mode(tree, name, int(rest[0], 8))


def set_mode(tree, name, mode):
    if name in tree:
        tree.file(name, tree.entries[name].data, mode)


def root_tree(lists, packages, debs, own, programs):
    """The root layer. `own`: {path: bytes} of this project's programs and what they bring."""
    tree = Tree()
    tree.merge_usr()
    for package in packages:
        if package["part"] == "image" and package["name"] not in lists.packages_left_out:
            tree.add_package(debs[package["name"]], lambda name: not lists.left_out.match(name))
    drop_enabled_units(tree)
    close_units(tree)
    join_certificates(tree)
    programs.compile_python(tree)
    tree.add_directory(lists.top / "files", modes=False)
    for path, data in own.items():
        tree.file(path, data, 0o755)
    lay_out(tree, lists)
    for target, unit in lists.units:
        tree.link(f"{UNITS}/{target}.wants/{unit}", f"../{unit}")
    return tree


def debug_tree(lists, packages, debs, root):
    """What the debug image has beside: a login."""
    tree = Tree(root)
    for package in packages:
        if package["part"] == "debug" and package["name"] not in lists.packages_left_out:
            tree.add_package(debs[package["name"]], lambda name: not lists.left_out.match(name))
    for package, path in lists.debug_paths:
        tree.add_package(debs[package], path.__eq__)
    tree.add_directory(lists.top / "debug", modes=False)
    set_mode(tree, "etc/shadow", 0o600)
    tree.link(f"{UNITS}/multi-user.target.wants/cvm-console.service", "../cvm-console.service")
    return tree


def overlay_tree(directory, root):
    """What a user adds."""
    tree = Tree(root)
    tree.add_directory(directory)
    return tree


def initramfs(program, layers):
    """The archive. `layers`: (name, bytes), the lowest first."""
    cpio = Cpio()
    cpio.directory("dev")
    # The kernel opens this for the first process before anything is mounted.
    cpio.node("dev/console", stat.S_IFCHR | 0o600, 5, 1)
    cpio.node("dev/null", stat.S_IFCHR | 0o666, 1, 3)
    cpio.file(MARK, b"")
    cpio.file("init", program, 0o755)
    for name, data in layers:
        cpio.file(f"{name}.erofs", data)
    cpio.file(LAYERS, "".join(f"{name}.erofs {len(data)}\n" for name, data in layers).encode())
    names = sorted(cpio.entries)
    assert names[:5] == ["dev", "dev/console", "dev/null", MARK, "init"] and names[-1] == LAYERS
    return cpio.bytes()


def memory_min(size):
    """Bytes of memory that a machine requires for an initramfs of `size`."""
    least = MEMORY_FACTOR * size + MEMORY_OTHER
    return -(-least // MEMORY_STEP) * MEMORY_STEP
