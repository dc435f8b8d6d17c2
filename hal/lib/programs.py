# SPDX-License-Identifier: Apache-2.0
"""Programs of the suite that the image comes from, run from their packages without installing them:
mkfs.erofs, of which this machine's may be too old or missing, and the image's own Python, which
compiles for itself."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import tempfile
import time
import uuid

from . import debian
from .failure import Failure, run, tool
from .tree import TIME

# mkfs.erofs, Python, and the libraries of both.
PACKAGES = re.compile(r"^(erofs-utils|libc6|libdeflate0|libexpat1|liblz4-1|liblzma5|libpcre2-8-0|"
                      r"libselinux1|libuuid1|libxxhash0|libzstd1|zlib1g|"
                      r"(lib)?python3\.[0-9]+-(minimal|stdlib))$")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADER = f"{LIBRARIES}/ld-linux-x86-64.so.2"
UUIDS = uuid.UUID("63766d64-0000-4000-8000-68616c000000")  # of the layers, each by its name
# zstd's level 3 with clusters of 128 KiB: higher levels take five times as long for 10 % less, and
# a guest reads little of what it holds.
EROFS_OPTIONS = ("-zzstd,level=3", "-C131072", "-x-1", f"-T{TIME}", "--quiet")
LEFT_SECONDS = 24 * 3600


class Programs:
    """To be used in a `with`, at whose end the unpacked packages are gone."""

    def __init__(self, cache, debs):
        self.cache = cache
        self.debs = {name: path for name, path in debs.items() if PACKAGES.match(name)}

    def __enter__(self):
        for left in self.cache.glob("pack-*"):  # by a build that was killed
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        self.scratch = tempfile.TemporaryDirectory(dir=self.cache, prefix="pack-",
                                                   ignore_cleanup_errors=True)
        self.path = pathlib.Path(self.scratch.name)
        self.root = self.path / "root"
        self.root.mkdir()
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(lambda deb: debian.unpack(deb, self.root), self.debs.values()))
        return self

    def __exit__(self, *_):
        self.scratch.cleanup()

    def run(self, program, *arguments, what, env=None):
        """With these variables and no other: the caller's may change what the programs make."""
        variables = {"LC_ALL": "C", "SOURCE_DATE_EPOCH": str(TIME), **(env or {})}
        command = [tool("env", "coreutils"), "-i", *(f"{n}={v}" for n, v in variables.items()),
                   self.root / LOADER, "--library-path", self.root / LIBRARIES, program, *arguments]
        return run(list(map(str, command)), what)

    def erofs(self, tree, name):
        """The bytes of a file system with the tree's files."""
        archive, image = self.path / f"{name}.tar", self.path / f"{name}.erofs"
        with open(archive, "wb") as file:
            tree.write_tar(file)
        self.run(self.root / "usr/bin/mkfs.erofs", *EROFS_OPTIONS,
                 f"-U{uuid.uuid5(UUIDS, name)}", "--tar=f", image, archive,
                 what=f"packing {name}.erofs")
        archive.unlink()
        data = image.read_bytes()
        image.unlink()
        return data

    def compile_python(self, tree):
        """Adds the byte code of the tree's Python. It is valid whatever the time of its source: the
        image has one time for all files."""
        interpreter = next(iter((self.root / "usr/bin").glob("python3.[0-9]*")), None)
        if not interpreter:
            raise Failure("the packages hold no Python to compile with")
        library = f"usr/lib/{interpreter.name}"
        with tempfile.TemporaryDirectory(dir=self.path) as top:
            tree.write_files(top, r"usr/lib/python3.*\.py$")
            self.run(interpreter, "-S", "-m", "compileall", "-q", "-s", top, "-p", "/",
                     "--invalidation-mode", "unchecked-hash", top,
                     what="compiling the image's Python",
                     env={"PYTHONHOME": str(self.root / "usr"), "PYTHONHASHSEED": "0",
                          "PYTHONPATH": str(self.root / library)})
            for path in sorted(pathlib.Path(top).rglob("*.pyc")):
                tree.file(str(path.relative_to(top)), path.read_bytes())
