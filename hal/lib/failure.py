# SPDX-License-Identifier: Apache-2.0
"""What a person is told: one line with the next step."""
import os
import shutil
import subprocess


class Failure(Exception):
    pass


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
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        # apt-get's and gcc's first complaint is the cause, what follows are its consequences.
        lines = [line for line in lines if line.startswith("E:") or "error:" in line] or lines[-1:]
        reason = lines[0] if lines else f"exit status {error.returncode}"
        raise Failure(f"{what}: {reason}") from error
