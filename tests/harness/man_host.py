# SPDX-License-Identifier: Apache-2.0
"""The EXAMPLES of the man pages, and a host on which they can be run as they are printed.

The daemon has a mount namespace of its own, in which commands run, too: there /srv and /run are
empty file systems that can be id-mapped, whatever is below them outside, /etc is a copy that tests
may change, and the daemon's socket is where the system's daemon has it.
"""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.daemon import CVMCTL, Daemon

MAN = pathlib.Path(__file__).resolve().parents[2] / "man"
HEADING = re.compile(r"^# EXAMPLES?\n", re.MULTILINE)
MOUNTS = """
mount --make-rprivate /
mkdir "$1/etc"
mount -t tmpfs -o mode=755 tmpfs "$1/etc"
cp -a /etc/. "$1/etc"
mount --bind "$1/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /srv
cp -a "$1/given/." /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/cvmd "$2"
mount --bind "$2" /run/cvmd
shift 2
exec "$@"
"""


def pages():
    """Names of the pages that have examples."""
    return {path.stem for path in MAN.glob("*.scd") if HEADING.search(path.read_text())}


def blocks(page):
    """The literal blocks of a page's examples, as man(1) shows them."""
    section = re.split(r"\n# [A-Z ]+\n", HEADING.split((MAN / f"{page}.scd").read_text())[1])[0]
    return [re.sub(r"\\(.)", r"\1", text) for text in section.split("```\n")[1::2]]


class ManHost:
    """files: the bytes of each file that it has below /etc or /srv, by its path."""

    def __init__(self, directory, config, files):
        for program in ("qemu-system-x86_64", "nsenter"):
            if not shutil.which(program):
                pytest.skip(f"{program} is not installed")
        if os.geteuid() != 0:
            pytest.skip("only root can mount over /etc and /srv")
        assert all(path.startswith(("/etc/", "/srv/")) for path in files)
        for path, data in {"/srv/file": b"shared\n", **files}.items():
            given = directory / "given" / path[1:]
            given.parent.mkdir(parents=True, exist_ok=True)
            given.write_bytes(data)
        self.directory = directory
        self.daemon = Daemon(config)
        self.daemon.launcher = ["unshare", "--mount", "sh", "-euc", MOUNTS, "sh", directory,
                                self.daemon.runtime]

    def __enter__(self):
        self.daemon.start()
        if not self.daemon.embedded:
            self.daemon.finish()
            pytest.skip("this cvmd has no embedded guest")
        return self

    def __exit__(self, *_):
        self.daemon.finish()

    def start(self, script, shell=("bash", "-euo", "pipefail", "-c"), **options):
        """Begins a script in the host's directory."""
        return subprocess.Popen(
            ["nsenter", f"--mount=/proc/{self.daemon.process.pid}/ns/mnt", "sh", "-euc",
             'cd "$0"; exec "$@"', self.directory, *shell, script],
            text=True, start_new_session=True, env={
                **os.environ, "LC_ALL": "C.UTF-8",
                "PATH": f"{pathlib.Path(CVMCTL).parent}:{os.environ['PATH']}"},
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
               **options})

    def run(self, script, code=0, seconds=120, **options):
        """Runs it to its end; returns what it printed."""
        process = self.start(script, **options)
        try:
            out, errors = process.communicate(timeout=seconds)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == code, f"{script}\n{out}{errors}\ncvmd:\n{self.daemon.log()}"
        return out
