# SPDX-License-Identifier: Apache-2.0
"""What must work before a lane is worth running. Where it does not, the lane is one failure with
the reason, not as many as it has tests; where a program is not there at all, one skip."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import needs
from builds import TOP, BuildFailed
from results import Result
from roots import Unavailable

SECONDS = 60
LIBVIRTD_SECONDS = 300  # it makes a root of its own first
QEMU = "qemu-system-x86_64"
QMP = '{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n'


class Missing(Exception):
    """What is not installed here."""


class Broken(Exception):
    """What is there and does not work, and what it said."""


def output(command, what, env=None, text_in=""):
    """What the command prints; it must succeed."""
    try:
        done = subprocess.run(command, input=text_in, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, errors="replace", timeout=SECONDS,
                              env={**os.environ, **(env or {})}, check=False)
    except OSError as problem:
        raise Broken(f"{what}: {problem}") from problem
    except subprocess.TimeoutExpired as problem:
        raise Broken(f"{what}: not done within {SECONDS} s") from problem
    if done.returncode:
        raise Broken(f"{what}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def found(program, package):
    path = shutil.which(program)
    if not path:
        raise Missing(f"{program} ({package}) is not installed")
    return path


def daemon_serves(build, env=None):
    """A cvmd of this build starts, answers cvmctl, and ends when it is told to."""
    with tempfile.TemporaryDirectory(prefix="cvmd-probe-", dir="/tmp") as name:
        directory = pathlib.Path(name)
        (directory / "conf").write_text("{}")
        ask = [build / "cli/cvmctl", "--socket", directory / "socket", "list"]
        with open(directory / "log", "w+", encoding="utf-8", errors="replace") as log:
            try:
                daemon = subprocess.Popen(
                    [build / "daemon/cvmd", "--config", directory / "conf", "--socket",
                     directory / "socket", "--runtime-dir", directory / "run", "--state-dir",
                     directory / "state"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**os.environ, **(env or {})})
            except OSError as problem:
                raise Broken(f"cvmd: {problem}") from problem
            try:
                wait_for((directory / "socket").exists, daemon)
                output(ask, "cvmctl list", env)
                daemon.terminate()
                daemon.wait(SECONDS)
            except (Broken, subprocess.TimeoutExpired) as problem:
                log.seek(0)
                raise Broken(f"cvmd: {problem}\n{log.read()}") from problem
            finally:
                daemon.kill()
                daemon.wait()


def wait_for(condition, process):
    end = time.monotonic() + SECONDS
    while not condition():
        if process.poll() is not None:
            raise Broken(f"it ended with status {process.returncode}")
        if time.monotonic() > end:
            raise Broken(f"it does not serve within {SECONDS} s")
        time.sleep(0.02)


def qemu_starts(program=None):
    """QEMU initialises a machine and answers QMP."""
    program = program or found(QEMU, "qemu-system-x86")
    said = output([program, "-machine", "q35,accel=tcg", "-nodefaults", "-display", "none", "-S",
                   "-qmp", "stdio"], QEMU, text_in=QMP)
    if '"QMP"' not in said:
        raise Broken(f"{QEMU} does not speak QMP\n{said}")


def swtpm_starts(program=None):
    """swtpm makes a TPM's state and listens."""
    program = program or found("swtpm", "swtpm")
    with tempfile.TemporaryDirectory(prefix="cvmd-probe-", dir="/tmp") as name:
        path = pathlib.Path(name) / "socket"
        with open(pathlib.Path(name) / "log", "w+", encoding="utf-8") as log:
            swtpm = subprocess.Popen(
                [program, "socket", "--tpm2", "--tpmstate", f"dir={name}", "--ctrl",
                 f"type=unixio,path={path}", "--flags", "not-need-init,startup-clear",
                 "--server", f"type=unixio,path={path}.data"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
            try:
                wait_for(path.exists, swtpm)
            except Broken as problem:
                log.seek(0)
                raise Broken(f"swtpm: {problem}\n{log.read()}") from problem
            finally:
                swtpm.kill()
                swtpm.wait()


def libvirtd_starts():
    """The private one of tests/harness/libvirt.py, which also says what it lacks here."""
    command = [sys.executable, "-B", TOP / "tests/harness/libvirt.py", "--probe"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                              timeout=LIBVIRTD_SECONDS,
                              env={**os.environ, "PYTHONPATH": str(TOP / "tests")})
    except subprocess.TimeoutExpired:
        raise Broken(f"libvirtd did not start within {LIBVIRTD_SECONDS} s") from None
    if done.returncode == 77:
        raise Missing(done.stdout.strip())
    if done.returncode:
        raise Broken(done.stdout)


def valgrind_starts(build):
    """valgrind runs a program of the lane. It must find the symbols of the C library's loader."""
    try:
        wrap = needs.valgrind(build)
    except Unavailable as reason:
        raise Missing(str(reason)) from reason
    output([*wrap, build / "daemon/cvmd", "--version"], "valgrind (libc6-dbg)")


PLAIN = [lambda run: daemon_serves(run.builds.plain())]
REAL = [*PLAIN, lambda run: qemu_starts()]
OF_LANES = {
    "system": PLAIN,
    "system-libvirt": [*REAL, lambda run: libvirtd_starts()],
    "use": PLAIN,
    "soak": PLAIN,
    "hostile": PLAIN,
    "api-load": PLAIN,
    "sweep": [lambda run: daemon_serves(run.builds.sweep())],
    "conformance": PLAIN,
    "cluster": PLAIN,
    "modern-qemu": PLAIN,
    "attest": [*PLAIN, lambda run: swtpm_starts()],
    "boot": [*REAL, lambda run: swtpm_starts()],
    "igvm": PLAIN,
    "e2e": REAL,
    "hal": REAL,
    "asan": [lambda run: daemon_serves(run.builds.asan())],
    "valgrind": [*PLAIN, lambda run: valgrind_starts(run.builds.plain())],
}


def failed(name, run):
    """The lane's result if it cannot run; None: it can."""
    for probe in OF_LANES.get(name, []):
        try:
            probe(run)
        except Missing as reason:
            return Result().skip(name, str(reason))
        except (Broken, BuildFailed) as reason:
            return Result().fail(f"{name}: precondition", str(reason))
    return None
