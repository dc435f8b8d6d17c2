# SPDX-License-Identifier: Apache-2.0
"""What compiled objects define and refer to: symbols and relocations of ELF files for x86-64, as
elf(5) and the System V ABI describe them, and calls within a section, which have no relocation, by
objdump (binutils)."""
import bisect
import collections
import json
import pathlib
import re
import struct
import subprocess

SHT_SYMTAB, SHT_RELA = 2, 4
STT_OBJECT, STT_FUNC, STT_SECTION = 1, 2, 3
SHN_UNDEF, SHN_ABS = 0, 0xFFF1
SHF_ALLOC, SHF_EXECINSTR = 2, 4
PC_RELATIVE = {2, 4, 9, 41, 42}  # R_X86_64_PC32, PLT32, GOTPCREL, GOTPCRELX, REX_GOTPCRELX
PROGRAMS = ("src/", "daemon/", "cli/")

# What the compiler makes of one function: foo.cold, foo.part.0, foo.constprop.0.isra.0
CLONE = re.compile(r"\.(?:cold|part|constprop|isra|lto_priv)\b.*$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(?:\S+ )?(\S+)\s*(.*)$")
TARGET = re.compile(r"<([^+>]+)(\+0x[0-9a-f]+)?>")

Symbol = collections.namedtuple("Symbol", "name value size kind section local")
Relocation = collections.namedtuple("Relocation", "offset symbol addend type")


class Stale(Exception):
    """A build directory that does not have what the sources are."""


def plain(name):
    return CLONE.sub("", name)


class Object:
    """One ELF file. `source` is the path of what it was compiled from, below the source root;
    `output` its own below the build directory."""

    def __init__(self, path, source, output):
        self.path, self.source, self.output = pathlib.Path(path), source, output
        data = self.path.read_bytes()
        if data[:6] != b"\x7fELF\x02\x01":
            raise Stale(f"{path} is not an ELF file of 64 bits")
        offset, = struct.unpack_from("<Q", data, 40)
        size, count, names = struct.unpack_from("<HHH", data, 58)
        headers = [struct.unpack_from("<IIQQQQIIQQ", data, offset + size * i)
                   for i in range(count)]

        def text(table, at):
            start = headers[table][4] + at
            return data[start:data.index(b"\0", start)].decode()

        self.sections = [(text(names, header[0]), header[2]) for header in headers]
        self.symbols, self.relocations = [], {}
        for header in headers:
            if header[1] == SHT_SYMTAB:
                for at in range(header[4], header[4] + header[5], 24):
                    name, info, _, section, value, length = struct.unpack_from("<IBBHQQ", data, at)
                    self.symbols.append(Symbol(text(header[6], name), value, length, info & 15,
                                               section, info >> 4 == 0))
        for header in headers:
            # only what is loaded: not what debuggers and unwinders read
            if header[1] == SHT_RELA and self.sections[header[7]][1] & SHF_ALLOC and \
                    self.sections[header[7]][0] != ".eh_frame":
                entries = []
                for at in range(header[4], header[4] + header[5], 24):
                    where, info, addend = struct.unpack_from("<QQq", data, at)
                    entries.append(Relocation(where, self.symbols[info >> 32], addend,
                                              info & 0xFFFFFFFF))
                self.relocations[header[7]] = entries

    def defined(self):
        """Names of the functions and data that other objects can refer to."""
        return {symbol.name for symbol in self.symbols
                if not symbol.local and symbol.section != SHN_UNDEF}

    def undefined(self):
        return {symbol.name for symbol in self.symbols
                if symbol.name and symbol.section == SHN_UNDEF}


def of_build(build, root, programs=PROGRAMS):
    """The objects whose names below the build directory begin as `programs` says. Raises
    Stale where one is missing or older than its source."""
    build, root = pathlib.Path(build), pathlib.Path(root).resolve()
    try:
        commands = json.loads((build / "compile_commands.json").read_text())
    except OSError as problem:
        raise Stale(f"{build} is not a build directory: {problem.strerror}") from problem
    objects = []
    for command in commands:
        if not command["output"].startswith(programs):
            continue
        path = build / command["output"]
        source = pathlib.Path(command["directory"], command["file"]).resolve()
        if not path.exists() or not source.exists() or \
                path.stat().st_mtime < source.stat().st_mtime:
            raise Stale(f"{path} is missing or older than its source: run ninja -C {build}")
        inside = source.is_relative_to(root) and "meson-generated" not in path.name
        objects.append(Object(path, str(source.relative_to(root)) if inside else
                              f"(generated)/{source.name}", command["output"]))
    if not objects:
        raise Stale(f"{build} compiles nothing of src, daemon and cli")
    return objects


def links(objects):
    """Which source refers to which other one, and by which symbols: {(from, to): {symbol}}."""
    home = {name: thing.source for thing in objects for name in thing.defined()}
    found = collections.defaultdict(set)
    for thing in objects:
        for name in thing.undefined():
            if home.get(name, thing.source) != thing.source:
                found[thing.source, home[name]].add(name)
    return found


class References:
    """Which function or datum refers to which. A node is (source, name)."""

    def __init__(self, objects):
        self.home = {name: thing.source for thing in objects for name in thing.defined()}
        self.edges = collections.defaultdict(set)
        self.functions = set()
        # functions with calls through a pointer, and how many
        self.indirect = collections.Counter()
        for thing in objects:
            self._read(thing)
        self._disassemble(objects)

    def _read(self, thing):
        by_section = collections.defaultdict(list)
        for symbol in thing.symbols:
            if symbol.kind in (STT_FUNC, STT_OBJECT) and symbol.section not in (SHN_UNDEF,
                                                                               SHN_ABS):
                by_section[symbol.section].append((symbol.value, symbol))
                if symbol.kind == STT_FUNC:
                    self.functions.add((thing.source, plain(symbol.name)))
        for entries in by_section.values():
            entries.sort()

        def owner(section, offset):
            entries = by_section[section]
            at = bisect.bisect_right(entries, offset, key=lambda entry: entry[0]) - 1
            if at < 0:
                return None
            symbol = entries[at][1]
            return symbol if offset < symbol.value + max(symbol.size, 1) else None

        for section, entries in thing.relocations.items():
            for entry in entries:
                start = owner(section, entry.offset)
                if not start:
                    continue
                target = entry.symbol
                if target.kind == STT_SECTION:
                    skew = 4 if entry.type in PC_RELATIVE else 0
                    target = owner(target.section, entry.addend + skew)
                if target and target.name:
                    self._add(thing, start.name, target.name,
                              target.section == SHN_UNDEF)

    def _add(self, thing, start, target, foreign=False):
        """A reference. What no object defines is of a library, and left out."""
        if foreign and target not in self.home:
            return
        source = self.home[target] if foreign else thing.source
        edge = (thing.source, plain(start)), (source, plain(target))
        if edge[0] != edge[1]:
            self.edges[edge[0]].add(edge[1])

    def _disassemble(self, objects):
        by_path = {str(thing.path): thing for thing in objects}
        process = subprocess.run(["objdump", "-d", "--no-show-raw-insn", *by_path], check=True,
                                 stdout=subprocess.PIPE, text=True)
        thing, function, relocated = None, None, {}
        for line in process.stdout.splitlines():
            if line.endswith(">:"):
                function = line[line.index("<") + 1:-2]
            elif line.startswith("Disassembly of section "):
                name = line[len("Disassembly of section "):-1]
                relocated = {entry.offset for section, entries in thing.relocations.items()
                             if thing.sections[section][0] == name for entry in entries}
            elif ":     file format" in line:
                thing = by_path[line.split(":     file format")[0]]
            elif "\t" in line:
                self._instruction(thing, function, line, relocated)

    def _instruction(self, thing, function, line, relocated):
        match = INSTRUCTION.match(line)
        if not match:
            return
        name, operands = match.group(2), match.group(3)
        at = int(match.group(1), 16)
        if name in ("call", "jmp") and operands.startswith("*"):
            self.indirect[thing.source, plain(function)] += 1
        target = TARGET.search(operands)
        if not target or target.group(2) and not name.startswith("j"):
            return
        if plain(target.group(1)) == plain(function) or relocated & set(range(at, at + 8)):
            return
        self._add(thing, function, target.group(1))
