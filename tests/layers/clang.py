# SPDX-License-Identifier: Apache-2.0
"""Clang beside the compiler of the build: its warnings, and its static analyzer (which scan-build
runs, too) for src, daemon and cli. A file that was found good is looked at again when it, a header
of it, or the question has changed: BUILD/clang has a note for each."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess

from objects import Stale

OURS = ("src/", "daemon/", "cli/")
COMPILE = ["-fsyntax-only", "-Werror"]
# What is off is wrong here. Clang 14 does not see what the attribute cleanup frees, takes outputs
# that a function writes only on success for unset, and members that a table of fields requires
# for absent.
OFF = ["unix.Malloc", "core.NullDereference", "core.NonNullParamChecker", "core.CallAndMessage",
       "core.uninitialized.Assign", "core.uninitialized.Branch",
       "core.UndefinedBinaryOperatorResult", "unix.cstring.NullArg"]
ANALYZE = ["--analyze", "-w", "-Xclang", "-analyzer-output=text",
           *[word for name in OFF for word in ("-Xclang", f"-analyzer-disable-checker={name}")]]


def commands(build, houses=OURS):
    """(source, directory, arguments for every compiler) of each source, in order."""
    try:
        entries = json.loads((pathlib.Path(build) / "compile_commands.json").read_text())
    except OSError as problem:
        raise Stale(f"{build} is not a build directory: {problem.strerror}") from problem
    found = {}
    for entry in entries:
        if entry["file"].endswith(".c") and entry["file"].startswith("..") and \
                entry["output"].startswith(houses):
            words = [word for word in shlex.split(entry["command"])
                     if re.match(r"-(?:I|D|U|W(?!error)|std=|isystem)", word)]
            found.setdefault(entry["file"], (entry["file"], entry["directory"], words))
    return list(found.values())


def is_known(note, question):
    """Whether the note says that nothing was wrong, with the files as they still are."""
    try:
        lines = note.read_text().splitlines()
        return lines[0] == question and all(
            os.stat(name).st_mtime_ns == int(when)
            for when, name in (line.split(" ", 1) for line in lines[1:]))
    except (OSError, IndexError, ValueError):
        return False


def ask(build, command, mode):
    """What clang says of a source; "" where nothing is wrong."""
    file, directory, words = command
    question = hashlib.sha256(shlex.join([*mode, *words]).encode()).hexdigest()
    key = hashlib.sha256(f"{file} {mode[0]}".encode()).hexdigest()[:16]
    folder = pathlib.Path(build).resolve() / "clang"
    folder.mkdir(exist_ok=True)
    note, depends = folder / key, folder / f"{key}.d"
    if is_known(note, question):
        return ""
    done = subprocess.run(["clang", *mode, "-MD", "-MF", depends, "-MT", "it", *words, file],
                          cwd=directory, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode or done.stdout.strip():
        return done.stdout.strip() or f"{file}: clang fails"
    names = depends.read_text().replace("\\\n", " ").split(":", 1)[1].split()
    paths = [os.path.join(directory, name) for name in names]
    note.write_text("\n".join([question, *(f"{os.stat(path).st_mtime_ns} {path}"
                                           for path in paths)]))
    return ""


def look(build, mode, choose=lambda found: found, houses=OURS):
    """What clang says of all sources that `choose` leaves."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        said = pool.map(lambda command: ask(build, command, mode),
                        choose(commands(build, houses)))
        return [text for text in said if text]
