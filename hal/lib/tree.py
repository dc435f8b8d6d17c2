# SPDX-License-Identifier: Apache-2.0
"""A tree of files in memory, made of packages and directories, and as a tar of which every byte is
decided here: entries sorted by name, one time for all, all owned by root, no set-ID bit.

Names are relative, without a slash at either end. Debian's links of a merged /usr (bin, lib, lib64,
sbin) are part of a root; a path through one of them is the same path below usr/.
"""
import dataclasses
import io
import os
import posixpath
import re
import stat
import subprocess
import tarfile

from .failure import Failure, tool

# Of every file. ZIP archives, such as Python's wheels, know no time before 1980.
TIME = 946684800  # 2000-01-01
MERGED = ("bin", "lib", "lib64", "sbin")
MODES = 0o777
DIRECTORY_MODES = MODES | stat.S_ISVTX
TYPES = {stat.S_IFREG: tarfile.REGTYPE, stat.S_IFDIR: tarfile.DIRTYPE,
         stat.S_IFLNK: tarfile.SYMTYPE}


@dataclasses.dataclass
class Entry:
    mode: int           # with the type
    data: bytes = b""   # of a file
    target: str = ""    # of a symbolic link


class Patterns:
    """Paths, with all that is below them, as a file lists them one a line: * and ? match no slash,
    ** matches anything."""

    def __init__(self, text):
        patterns = [line for line in text.splitlines() if line and not line.startswith("#")]
        self.regex = re.compile("(?:" + "|".join(map(self.translate, patterns)) + ")(?:/|$)")

    @staticmethod
    def translate(pattern):
        parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]*\])", pattern)
        special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        return "".join(special.get(part) or (part if part.startswith("[") else re.escape(part))
                       for part in parts)

    def match(self, path):
        return self.regex.match(path) is not None


def merged(name):
    """The path as it is in a merged /usr."""
    top, slash, rest = name.partition("/")
    return f"usr/{top}/{rest}" if slash and top in MERGED else name


class Tree:
    def __init__(self, below=None):
        """`below`: the tree on which this one will lie; its directories keep their modes."""
        self.entries = {}
        self.below = below

    def __contains__(self, name):
        return name in self.entries

    def directory(self, name, mode=0o755):
        if self.below and name in self.below and stat.S_ISDIR(self.below.entries[name].mode):
            mode = stat.S_IMODE(self.below.entries[name].mode)
        self.put(name, Entry(stat.S_IFDIR | mode))

    def file(self, name, data, mode=0o644):
        self.put(name, Entry(stat.S_IFREG | mode & MODES, data))

    def link(self, name, target):
        self.put(name, Entry(stat.S_IFLNK | 0o777, target=target))

    def put(self, name, entry):
        parent = posixpath.dirname(name)
        if parent and parent not in self.entries:
            self.directory(parent)
        self.entries[name] = entry

    def merge_usr(self):
        for name in MERGED:
            self.link(name, f"usr/{name}")

    def remove(self, *names):
        """With all that is below them."""
        for name in [name for name in self.entries
                     if any(name == top or name.startswith(f"{top}/") for top in names)]:
            del self.entries[name]

    def find(self, pattern):
        """Names that a regular expression matches from their beginning, sorted."""
        regex = re.compile(pattern)
        return sorted(name for name in self.entries if regex.match(name))

    def add_package(self, deb, wanted=lambda name: True):
        """The files of a package whose names are wanted."""
        hard = []
        command = [tool("dpkg-deb", "dpkg"), "--fsys-tarfile", str(deb)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    name = merged(posixpath.normpath(member.name).lstrip("/"))
                    if name != "." and name not in MERGED and wanted(name):
                        self.add_member(archive, member, name, hard)
            process.stdout.read()
        if process.returncode:
            raise Failure(f"{deb}: dpkg-deb cannot read it; remove the file and try again")
        for name, target in hard:
            if target in self.entries:
                self.put(name, self.entries[target])

    def add_member(self, archive, member, name, hard):
        if member.isdir():
            if name not in self.entries:
                self.directory(name, member.mode & DIRECTORY_MODES)
        elif member.isreg():
            self.file(name, archive.extractfile(member).read(), member.mode)
        elif member.issym():
            self.link(name, member.linkname)
        elif member.islnk():
            hard.append((name, merged(posixpath.normpath(member.linkname))))

    def add_directory(self, top, modes=True):
        """All that is below a directory of this machine. Without `modes`, files are 0644 and
        directories 0755, as in a clone made with any umask."""
        def refuse(error):
            raise Failure(f"{error.filename}: {error.strerror}: hal/build, which adds all that is "
                          "below it, has to be able to read it") from error

        for path, directories, files in os.walk(top, onerror=refuse):
            directories.sort()
            for name in sorted([*directories, *files]):
                self.add_path(os.path.join(path, name), top, modes)

    def add_path(self, path, top, modes):
        name = merged(os.path.relpath(path, top))
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            self.link(name, os.readlink(path))
        elif name in MERGED:
            pass
        elif stat.S_ISDIR(mode):
            if name not in self.entries:
                self.directory(name, mode & DIRECTORY_MODES if modes else 0o755)
        elif not stat.S_ISREG(mode):
            raise Failure(f"{path}: neither a file, a directory nor a symbolic link")
        elif modes and mode & (stat.S_ISUID | stat.S_ISGID):
            raise Failure(f"{path}: has a set-ID bit, which no file of the image may have: chmod "
                          "ug-s")
        else:
            with open(path, "rb") as file:
                self.file(name, file.read(), mode if modes else 0o644)

    def write_tar(self, file):
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(self.entries, key=os.fsencode):
                entry = self.entries[name]
                info = tarfile.TarInfo(name)
                info.type = TYPES[stat.S_IFMT(entry.mode)]
                info.mode, info.mtime = stat.S_IMODE(entry.mode), TIME
                info.linkname, info.size = entry.target, len(entry.data)
                archive.addfile(info, io.BytesIO(entry.data) if entry.data else None)

    def listing(self):
        """A line for each entry: type and mode, size, name, and the target of a link."""
        lines = []
        for name in sorted(self.entries, key=os.fsencode):
            entry = self.entries[name]
            target = f" -> {entry.target}" if entry.target else ""
            lines.append(f"{stat.filemode(entry.mode)} {len(entry.data):9} /{name}{target}\n")
        return "".join(lines)

    def write_files(self, top, pattern):
        """Puts the files whose names match below a directory of this machine."""
        for name in self.find(pattern):
            if stat.S_ISREG(self.entries[name].mode):
                path = os.path.join(top, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(self.entries[name].data)
