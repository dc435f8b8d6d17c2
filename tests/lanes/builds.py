# SPDX-License-Identifier: Apache-2.0
"""The build directories of the lanes: build, build-asan and the guests in build-guest."""
import json
import pathlib
import subprocess

from apart import CLOCK
from groups import run_group

TOP = pathlib.Path(__file__).resolve().parents[2]


UNAVAILABLE = 69  # exit status of hal/build (hal/lib/failure.py)


class BuildFailed(Exception):
    pass


class BuildUnavailable(BuildFailed):
    """The archive does not have what it is built from."""


def run(command, what):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if done.returncode:
        raise BuildFailed(f"{what}: {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def packages(purpose):
    """Names of Debian packages, from the list that all scripts share."""
    script = f'. "$1"; printf "%s\\n" "${{packages_{purpose}[@]}}"'
    return run(["bash", "-euc", script, "bash", TOP / "scripts/lib/packages.sh"],
               "listing packages").split()


class Builds:
    """Each thing is built at most once a run; what failed once fails again with the same text."""

    def __init__(self, progress):
        self.progress = progress
        self.made = {}

    def once(self, name, make):
        if name not in self.made:
            self.progress(f"building {name}")
            try:
                with CLOCK.stopped():
                    self.made[name] = make()
            except BuildFailed as problem:
                self.made[name] = problem
        if isinstance(self.made[name], BuildFailed):
            raise self.made[name]
        return self.made[name]

    def guest(self, name, *options):
        """Directory of a guest's files: of the own kernel, or of a profile of Debian's."""
        def make():
            done = run_group([TOP / "scripts/lib/guest", name, *options], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, errors="replace")
            if done.returncode == UNAVAILABLE:
                raise BuildUnavailable(done.stderr.strip().splitlines()[-1])
            if done.returncode:
                raise BuildFailed(f"scripts/lib/guest {name}\n{done.stderr}")
            return pathlib.Path(done.stdout.strip())
        return self.once(" ".join(("guest", name, *options)), make)

    def usual_guest(self):
        """That of the own kernel, waited for; where it cannot be made, of Debian's for all."""
        try:
            return self.guest("own")
        except BuildFailed as problem:
            self.progress(f"no own kernel, so Debian's: {str(problem).splitlines()[-1]}")
            return self.guest("confidential")

    def guest_by_now(self):
        """The same without waiting for a compiler; None: there is none of either kind."""
        if isinstance(self.made.get("guest own"), pathlib.Path):
            return self.made["guest own"]
        for guest in (("own", "--cached"), ("confidential",)):
            try:
                return self.guest(*guest)
            except BuildFailed:
                pass
        return None

    def plain(self):
        """build/: what quickstart makes, with tests; the guest embedded that there is by now."""
        files = {"kernel": "bzImage", "initramfs": "initramfs.cpio.gz",
                 "initramfs-debug": "initramfs-debug.cpio.gz"}
        guest = self.guest_by_now()
        embedded = [f"-D{option}={guest / name if guest else ''}"
                    for option, name in files.items()]
        options = ["-Dwerror=true", "-Dtests=true", *embedded]
        name = f"build with guest {guest.name}" if guest else "build"
        return self.once(name, lambda: self.meson("build", options))

    def asan(self):
        """build-asan/: AddressSanitizer, LeakSanitizer and UBSan; nothing embedded."""
        return self.once("build-asan", lambda: self.meson(
            "build-asan",
            ["-Dwerror=true", "-Dtests=true", "-Db_sanitize=address,undefined"]))

    def sweep(self):
        """build-sweep/: cvmd may be killed between any two lasting steps; nothing embedded."""
        return self.once("build-sweep", lambda: self.meson(
            "build-sweep", ["-Dwerror=true", "-Dtests=true", "-Dfail_points=true"],
            ["daemon/cvmd", "cli/cvmctl", "tests/fake-qemu"]))

    def meson(self, name, options, targets=()):
        """All of it, or these targets alone."""
        directory = TOP / name
        stamp = directory / "options.json"
        configured = (directory / "build.ninja").exists()
        if not configured or not stamp.exists() or json.loads(stamp.read_text()) != options:
            again = ["--reconfigure"] if configured else []
            run(["/usr/bin/meson", "setup", *again, directory, TOP, *options], "configuring")
            stamp.write_text(json.dumps(options))
        run(["/usr/bin/ninja", "-C", directory, *targets], "compiling")
        return directory
