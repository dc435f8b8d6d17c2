# SPDX-License-Identifier: Apache-2.0
"""Roots and packages of other Debian suites, unpacked and kept outside the tree.

A root is keyed by its suite and packages. The mirror is the machine's own: the first Debian URI of
its apt sources, else the distribution's default.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

SOURCES = pathlib.Path("/etc/apt")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
ROOTS = CACHE / "cvmd" / "roots"
PACKAGES = CACHE / "cvmd" / "packages"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Also when it is killed, its processes and mounts go with it: nobody removes /proc through them.
CONTAINED = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Unavailable(Exception):
    """Why there is no root here."""


@contextlib.contextmanager
def making(place):
    """Beside its place, to be moved there whole: what is there is complete. Others wait meanwhile,
    and find it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / f".{place.name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-",
                                         ignore_cleanup_errors=True) as scratch:
            yield pathlib.Path(scratch)


def mirror(sources=SOURCES):
    """None: mmdebstrap knows the distribution's default."""
    files = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*.list")),
             *sorted((sources / "sources.list.d").glob("*.sources"))]
    for path in files:
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            match = re.match(r"(?:URIs:|deb\s+(?:\[[^]]*\]\s+)?)\s*(\S+/debian)/?(?:\s|$)", line)
            if match:
                return match.group(1)
    return None


def debian_root(suite, packages, backports=(), variant="apt"):
    """The directory of the root; made if it is not there yet. `backports` come from
    SUITE-backports, installed last: naming them to mmdebstrap fails on their dependencies.
    `variant` is mmdebstrap's: what is there beside the packages."""
    if os.geteuid() != 0:
        raise Unavailable("needs root for mmdebstrap and chroot")
    if not shutil.which("mmdebstrap"):
        raise Unavailable("mmdebstrap is not installed")
    names = [suite, *sorted(packages), *(f"{name}/backports" for name in sorted(backports))]
    if variant != "apt":
        names.append(f"variant={variant}")
    key = hashlib.sha256(" ".join(names).encode()).hexdigest()[:16]
    root = ROOTS / f"{suite}-{key}"
    if root.exists():
        return root
    with making(root) as scratch:
        if root.exists():
            return root
        new = scratch / "root"
        source = [f"deb {mirror()} {suite} main"] if mirror() else []
        hooks = []
        # a mirror's index of unstable may be a snapshot past its date
        dates = ['--aptopt=Acquire::Check-Valid-Until "false"'] if suite == "sid" else []
        if backports:
            if not mirror():
                raise Unavailable("the machine's apt sources name no Debian mirror")
            source.append(f"deb {mirror()} {suite}-backports main")
            install = "apt-get install -y --no-install-recommends"
            hooks = [f'--customize-hook=chroot "$1" {install} -t {suite}-backports '
                     f"{' '.join(backports)}"]
        done = subprocess.run(
            [*CONTAINED, "mmdebstrap", f"--variant={variant}", *dates,
             f"--include={','.join(packages)}", *hooks, suite, new, *source],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", check=False)
        if done.returncode:
            lines = [line for line in done.stdout.splitlines() if line.strip()]
            raise Unavailable(f"mmdebstrap {suite} failed: {lines[-1] if lines else 'no output'}")
        new.rename(root)
    return root


def debian_package(suite, name):
    """The directory of an unpacked package of another suite; nothing is installed."""
    directory = PACKAGES / f"{suite}-{name}"
    if directory.exists():
        return directory
    if not mirror():
        raise Unavailable("the machine's apt sources name no Debian mirror")
    with making(directory) as new:
        if directory.exists():
            return directory
        (new / "lists/partial").mkdir(parents=True)
        (new / "cache/archives/partial").mkdir(parents=True)
        (new / "sources").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
        options = {"Dir::Etc::SourceList": new / "sources", "Dir::Etc::SourceParts": "-",
                   "Dir::State::Lists": new / "lists", "Dir::Cache": new / "cache",
                   "Dir::State::Status": "/dev/null",
                   # a mirror's index of unstable may be a snapshot past its date
                   "Acquire::Check-Valid-Until": "false"}
        if os.geteuid() == 0:
            options["APT::Sandbox::User"] = "root"
        apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
        unpack = f"dpkg-deb -x {name}_*.deb root"
        for command in ([*apt, "update"], [*apt, "download", name], ["sh", "-c", unpack]):
            done = subprocess.run(command, cwd=new, stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  errors="replace", check=False)
            if done.returncode:
                raise Unavailable(f"{name} of {suite}: {done.stdout.strip().splitlines()[-1:]}")
        (new / "root").rename(directory)
    return directory
