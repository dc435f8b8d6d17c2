# SPDX-License-Identifier: Apache-2.0
"""What the lanes of one run share: its builds, and how programs of tests are run and counted."""
import json
import os
import pathlib
import subprocess
import sys

import results
from budgets import BUDGETS
from builds import TOP, Builds
from groups import end_group
from parts import Part, chosen
from results import Result

# A command sees a directory at another place, and is there.
SEEN_AT = 'mount --bind "$1" "$2" && cd "$2" && shift 2 && exec "$@"'
LANE_SECONDS = 20 * 60
LONG_SECONDS = 8 * 60 * 60


def progress(text):
    print(f"  {text}", file=sys.stderr, flush=True)


class Run:
    """What the lanes of one run share."""

    def __init__(self, scratch, fast=False, long=False):
        self.scratch = pathlib.Path(scratch)
        self.scratch.chmod(0o711)
        self.fast = fast
        self.long = long
        self.seconds = LONG_SECONDS if long else LANE_SECONDS
        self.builds = Builds(progress)

    def part(self, lane, what, result):
        """The part of the lane that is this commit's turn; the result counts the others as skipped.
        All of it with --long."""
        parts = 1 if self.long else BUDGETS[lane].parts
        part = chosen(parts)
        if parts > 1:
            progress(f"{lane}: {what}, {part}")
            result.later(f"{lane}: {what}, {part.others()}")
        return part

    def execute(self, command, env):
        """Runs in a process group of its own that ends with it; returns status and output."""
        output = self.scratch / "output"
        with open(output, "wb") as log:
            process = subprocess.Popen(command, cwd=TOP, env={**os.environ, **env},
                                       stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            try:
                status = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                status = f"none: it ran for more than {self.seconds} s"
            finally:
                end_group(process)
        return status, output.read_text(errors="replace")

    def meson(self, build, suite, wrap=(), env=None, left_out=None, part=Part(0, 1)):
        """The programs of a suite (and where there is no wrapper, its scripts too)."""
        left_out = left_out or {}
        there = part.take(tests_of(build, suite, programs_only=bool(wrap)))
        names = [name for name in there if name not in left_out]
        skipped = Result()
        for name in there:
            if name in left_out:
                skipped.skip(name, left_out[name])
        if not names:
            return skipped
        logs = build / "meson-logs"
        base = f"lane-{suite}"
        for old in logs.glob(f"{base}*"):
            old.unlink()
        slowness = 10 if wrap else 4  # the machine may have other work
        options = ["--no-rebuild", "--suite", suite, "--logbase", base, "--timeout-multiplier",
                   str(slowness)]
        if wrap:
            options += ["--wrap", " ".join(map(str, wrap))]
        status, output = self.execute(["/usr/bin/meson", "test", "-C", build, *options, *names],
                                      env or {})
        found = sorted(logs.glob(f"{base}*.json"))
        result = results.from_meson(found[0] if found else logs / f"{base}.json",
                                    f"meson test --suite {suite} ended with {status}\n{output}")
        return result.add(skipped)

    def pytest(self, folder, build, env=None, options=(), within=()):
        """within: a command that runs the one that follows it, paths below TOP as there."""
        junit = self.scratch / f"{folder}.xml"
        junit.unlink(missing_ok=True)
        before, top = self.reachable()
        if build.is_relative_to(TOP):
            build = top / build.relative_to(TOP)
        programs = {"CVMD": build / "daemon/cvmd", "CVMCTL": build / "cli/cvmctl",
                    "FAKE_QEMU": build / "tests/fake-qemu",
                    **({"CVMD_LONG": "1"} if self.long else {})}
        env = {**{name: str(path) for name, path in programs.items()}, **(env or {})}
        env = {name: text.replace(f"{TOP}/", f"{top}/") for name, text in env.items()}
        within = [top / word for word in within]
        command = [*before, *within, "/usr/bin/python3", "-B", "-m", "pytest", "-q", "--tb=short",
                   "-p", "no:cacheprovider", "-c", "tests/pytest.ini",
                   f"--junitxml={junit}", *options, f"tests/{folder}"]
        status, output = self.execute(command, env)
        return results.from_junit(junit, folder, output, status)

    def reachable(self):
        """What comes before a command that sees the project where each user may go, and that place:
        tests run its programs as other users, who may not enter root's home."""
        if is_public(TOP) or os.geteuid() != 0:
            return [], TOP
        place = self.scratch / "cvmd"
        place.mkdir(exist_ok=True)
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", SEEN_AT, "sh", TOP,
                place], place


def is_public(path):
    """Whether each user may go there."""
    return all(one.stat().st_mode & 0o001 for one in (path, *path.parents))


def tests_of(build, suite, programs_only):
    """Names of a suite's tests; programs are of this build, all else is scripts."""
    done = subprocess.run(["/usr/bin/meson", "introspect", "--tests", build], check=True,
                          stdout=subprocess.PIPE)
    return [test["name"] for test in json.loads(done.stdout)
            if any(name.split(":")[-1] == suite for name in test["suite"])
            and (test["cmd"][0].startswith(str(build)) or not programs_only)]
