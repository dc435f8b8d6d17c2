# SPDX-License-Identifier: Apache-2.0
"""What a person is told: one line with the next step."""
import os
import re
import shutil
import subprocess

NAMES_AN_ERROR = re.compile(r"^E:|error:|undefined reference")  # apt-get's, gcc's, ld's


class Failure(Exception):
    status = 1


class Unavailable(Failure):
    """The archive does not have it, or cannot be reached: nothing that could be mended here."""
    status = 69  # EX_UNAVAILABLE of sysexits.h; tests/lanes/builds.py knows it


def tool(name, package):
    """Absolute path of a program; names the Debian package to install where it is missing."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Failure(f"{name} is missing: apt-get install {package}")
    return path


def run(command, what, **options):
    """Runs a command in the C locale; its standard output as bytes."""
    environment = {**os.environ, "LC_ALL": "C", **options.pop("env", {})}
    try:
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True,
                              **options).stdout
    except subprocess.CalledProcessError as error:
        reason = cause(error.stderr.decode(errors="replace"), NAMES_AN_ERROR)
        raise Failure(f"{what}: {reason or f'exit status {error.returncode}'}") from error


def cause(output, pattern):
    """The line of a tool's output that says why it ended: that of a full disk; else the first that
    the pattern finds, as what follows are its consequences; else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    full = [line for line in lines if "No space left" in line]
    return (full or [line for line in lines if pattern.search(line)] or lines[-1:] or [""])[0]
