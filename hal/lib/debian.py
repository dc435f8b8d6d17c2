# SPDX-License-Identifier: Apache-2.0
"""Debian packages as files: found, downloaded and verified by an apt with a private configuration.

The machine's own sources, lists and package database are read for the mirror's address alone and
never written. apt verifies the archive's signature over the index; the SHA-256 of each package
comes from that index, is kept in packages.json and is compared each time a file is used.
"""
import contextlib
import fcntl
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import tarfile
import tempfile
import time

from .failure import Failure, Unavailable, run, tool

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SUITES = re.compile(r"^(oldoldstable|oldstable|stable|testing|unstable|sid|bullseye|bookworm|"
                    r"trixie|forky|duke)(-updates|-backports|-security|/updates)?/?$")
# The files are in the one or in the others: 6.1 is one package, 7.2 is split.
KERNEL_PARTS = re.compile(r"^linux-(image|binary|modules|base)-[0-9][a-z0-9.+-]*$")
KERNEL_SOURCE = re.compile(r"^linux-source-([0-9]+)\.([0-9]+)$")
SOURCE_SERIES = 7          # linux-source-7.*
SOURCE_LEAST = (7, 2)
SET_SECONDS = 30 * 24 * 3600  # that the index of a set of further packages is kept
# What apt says where the archive cannot be reached or lacks a package, as the first of its errors.
UNREACHABLE = re.compile(r"Failed to fetch|Unable to fetch|Could not resolve|Temporary failure|"
                         r"Could not connect|Unable to connect|Connection (failed|timed out)")
LACKING = re.compile(r"Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation|"
                     r"Version '[^']*' for '([^']+)' was not found|No packages found")
DAMAGED = re.compile(r"No space left|Hash Sum mismatch|Permission denied")


def sources(etc=pathlib.Path("/etc/apt")):
    """(URI, suite) of each binary source that this machine's apt has, in its order."""
    found = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        if path.suffix == ".list":
            for line in text.splitlines():
                match = re.match(r"^\s*deb\s+(?:\[[^]]*\]\s*)?(\S+)\s+(\S+)", line)
                if match:
                    found.append(match.groups())
        elif path.suffix == ".sources":
            for stanza in re.split(r"\n[ \t]*\n", text):
                fields, name = {}, None
                for line in stanza.splitlines():
                    if line.startswith("#"):
                        continue
                    if line[:1].isspace() and name:
                        fields[name] += " " + line.strip()
                    elif ":" in line:
                        name, value = line.split(":", 1)
                        name = name.strip().lower()
                        fields[name] = value.strip()
                if fields.get("enabled", "yes").lower() in ("no", "false", "0") or \
                        "deb" not in fields.get("types", "").split():
                    continue
                found += [(uri, suite) for uri in fields.get("uris", "").split()
                          for suite in fields.get("suites", "").split()]
    return [(uri, suite) for uri, suite in found if SUITES.match(suite)]


def is_security(uri, suite):
    return "security" in suite or uri.rstrip("/").endswith("security") or suite.endswith("/updates")


class Archive:
    """The packages of one profile. Offline: from the cache, or not at all."""

    def __init__(self, cache, profile, mirror=None, offline=False):
        self.profile = profile
        self.mirror = mirror
        self.offline = offline
        self.root = cache / "apt" / profile.name
        self.debs = cache / "debs"
        self.due = self.debs / "prune-due"
        self.index = self.root / f"packages{named(profile.extra)}.json"
        self.kernel_suite = profile.suite + ("-backports" if profile.backports else "")
        self.debs.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.root / "lists" / "partial").mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.root / "archives" / "partial").mkdir(mode=0o700, parents=True, exist_ok=True)

    def decided(self):
        """What the list of packages depends on."""
        if not self.profile.contents:
            return [self.profile.suite, self.kernel_suite, KERNEL_PARTS.pattern,
                    *self.profile.tools]
        return [self.profile.suite, *self.profile.contents, "", *self.profile.extra, "",
                *self.profile.debug, "", *self.profile.helpers]

    def packages(self, update=False):
        """[{name, version, sha256, size}], from the cache or, first, from the archive."""
        decided = self.decided()
        if not update:
            if self.due.exists():
                self.prune(False)
            try:
                known = json.loads(self.index.read_text())
                if known["decided"] == decided:
                    return known["packages"]
            except (OSError, ValueError, KeyError, TypeError):
                pass
        self.go_online("the list of packages")
        self.apt("apt-get", "update", "-qq", "--error-on=any",
                 what="reading Debian's package index")
        if self.profile.contents:
            found = self.image_packages()
        else:
            found = [self.show("busybox-static")]
            found += self.source_packages() if self.profile.tools else self.kernel_packages()
        for package in found:
            package.pop("depends", None)
        found.sort(key=lambda package: package["name"])
        temporary = self.index.with_suffix(".new")
        temporary.write_text(json.dumps({"decided": decided, "packages": found}, indent=2) + "\n")
        temporary.rename(self.index)
        self.prune(update)
        return found

    def kernel_packages(self):
        """The packages of Debian's own kernel."""
        found, queue, seen = [], ["linux-image-amd64"], set()
        while queue:
            name = queue.pop()
            if name in seen:
                continue
            seen.add(name)
            shown = self.show(name)
            if KERNEL_PARTS.match(name):
                found.append(shown)
            depends = re.findall(r"[a-z0-9][a-z0-9.+-]+", shown["depends"])
            queue += [depend for depend in depends if KERNEL_PARTS.match(depend)]
        if not found:
            raise Failure(f"linux-image-amd64 of {self.kernel_suite} depends on no kernel")
        return found

    def source_packages(self):
        """The newest source of a kernel, and all that it is compiled with."""
        names = self.apt("apt-cache", "pkgnames", "linux-source-", what="looking for sources")
        series = [(int(match[1]), int(match[2]), match[0])
                  for match in map(KERNEL_SOURCE.match, names.decode().split()) if match]
        series = [found for found in series if found[0] == SOURCE_SERIES and
                  found[:2] >= SOURCE_LEAST]
        if not series:
            raise Unavailable(f"{self.kernel_suite} has no linux-source-{SOURCE_SERIES}.* of "
                              f"{'.'.join(map(str, SOURCE_LEAST))} or newer")
        return self.show_all([max(series)[2], *self.closure(self.profile.tools,
                                                            "what the kernel is compiled with")])

    def closure(self, names, what):
        """NAME=VERSION of the named packages and of all that they depend on."""
        listed = self.apt("apt-get", "install", "--simulate", "--no-install-recommends", "-q",
                          *names, what=what).decode()
        return [f"{name}={version}" for name, version in
                re.findall(r"^Inst (\S+) \((\S+) ", listed, re.MULTILINE)]

    def image_packages(self):
        """The packages of a whole image; `part` says which part of it holds each: the default
        image, what the debug image adds, or the programs that pack it."""
        profile, parts = self.profile, {}
        for part, names in (("image", ()), ("debug", profile.debug), ("helper", profile.helpers)):
            for name in self.closure([*profile.contents, *profile.extra, *names],
                                     f"what the {part} is made of"):
                parts.setdefault(name, part)
        found = self.show_all(list(parts))
        for package in found:
            package["part"] = parts[f"{package['name']}={package['version']}"]
        return found

    @contextlib.contextmanager
    def reading(self):
        """Nothing drops a package meanwhile. To be entered under the cache's own lock."""
        with open(self.debs / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    def prune(self, update):
        """Drops the indexes of other sets of further packages, on an update all of them, and then
        the files that no index names any more. If another build reads packages, the next one that
        asks for any does so, whichever set it is of."""
        updated = self.due.read_text() if self.due.exists() else ""
        if update:
            updated = f"{self.root.name}/{self.index.name}"
        with open(self.debs / "lock", "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.due.write_text(updated)
                return
            self.drop_others(updated)
            self.due.unlink(missing_ok=True)

    def drop_others(self, updated):
        """updated: PROFILE/INDEX of the set that was updated, or nothing."""
        profile = updated.partition("/")[0]
        for path in self.root.parent.glob("*/packages-*.json"):
            old = time.time() - path.stat().st_mtime > SET_SECONDS and path != self.index
            if old or (path.parent.name == profile and f"{profile}/{path.name}" != updated):
                path.unlink()
        named = "".join(path.read_text() for path in self.root.parent.glob("*/packages*.json"))
        for path in self.debs.glob("*.deb"):
            if path.stem not in named:
                path.unlink()

    def show(self, name):
        return self.show_all([name])[0]

    def show_all(self, names):
        text = self.apt("apt-cache", "show", "--no-all-versions", *names,
                        what=f"{names[0]} of {self.kernel_suite}").decode()
        shown = [dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, re.MULTILINE))
                 for stanza in text.strip().split("\n\n")]
        return [{"name": fields["Package"], "version": fields["Version"],
                 "sha256": fields["SHA256"], "size": int(fields["Size"]),
                 "depends": fields.get("Depends", "")} for fields in shown]

    def fetch(self, package):
        """The verified file of a package; downloaded where the cache has no good one."""
        return self.fetch_all([package])[package["name"]]

    def fetch_all(self, packages):
        """Those of some packages, by their names."""
        paths = {package["name"]: self.debs / (package["sha256"] + ".deb") for package in packages}
        lacking = [package for package in packages
                   if not paths[package["name"]].exists()
                   or digest(paths[package["name"]]) != package["sha256"]]
        if not lacking:
            return paths
        self.go_online(lacking[0]["name"])
        with tempfile.TemporaryDirectory(dir=self.root, prefix="download-") as directory:
            names = [f"{package['name']}={package['version']}" for package in lacking]
            what = f"downloading {names[0]}"
            if names[1:]:
                what += f" and {len(names) - 1} more"
            try:
                self.apt("apt-get", "download", "-qq", *names, what=what, cwd=directory)
            except Failure as failure:
                raise type(failure)(f"{failure}; if the archive has a newer one: "
                                    f"{self.update()}") from failure
            files = {digest(path): path for path in pathlib.Path(directory).glob("*.deb")}
            for package, name in zip(lacking, names):
                if package["sha256"] not in files:
                    raise Failure(f"{name}: not the file that the signed index names; "
                                  f"try again: {self.update()}")
                files[package["sha256"]].rename(paths[package["name"]])
        return paths

    def go_online(self, what):
        if self.offline:
            raise Failure(f"{what} is not in the cache, and --cached downloads nothing")

    def update(self):
        """The command that looks for newer packages of this profile."""
        which = "--kernel own" if self.profile.tools else f"--profile {self.profile.name}"
        if self.profile.contents:
            which = " ".join(("--image full", *(f"--package {name}"
                                                for name in self.profile.extra)))
        return f"hal/build {which} --update"

    def apt(self, program, *arguments, what, cwd=None):
        path = tool(program, "apt")
        configuration = self.root / "apt.conf"
        configuration.write_text(self.configuration())
        if not (self.root / "sources.list").exists() or arguments[0] == "update":
            (self.root / "sources.list").write_text(self.sources_list())
        try:
            return run([path, *arguments], what, cwd=cwd, env={"APT_CONFIG": str(configuration)})
        except Failure as failure:
            raise self.judged(str(failure)) from failure

    def judged(self, reason):
        """Whose fault an error of apt's is: the archive's, or one that can be mended here, as of a
        name that a user has given."""
        lacking = LACKING.search(reason)
        added = lacking and set(lacking.groups()) & set(self.profile.extra)
        if not added and not DAMAGED.search(reason) and (lacking or UNREACHABLE.search(reason)):
            return Unavailable(reason)
        return Failure(reason)

    def configuration(self):
        # How this machine reaches the network (proxies, certificates) holds here too; its hooks and
        # pins do not.
        own = run([tool("apt-config", "apt"), "dump"], "reading apt's configuration").decode()
        lines = [line for line in own.splitlines() if re.match(r'Acquire::.*[^:] "', line)]
        root = self.root
        return "\n".join(lines + [
            'Dir::Etc::Main "/dev/null";', 'Dir::Etc::Parts "/dev/null";',
            'Dir::Etc::Preferences "/dev/null";', 'Dir::Etc::PreferencesParts "/dev/null";',
            f'Dir::Etc::SourceList "{root}/sources.list";', 'Dir::Etc::SourceParts "/dev/null";',
            f'Dir::State "{root}";', f'Dir::State::Lists "{root}/lists";',
            'Dir::State::Status "/dev/null";', f'Dir::Cache "{root}";',
            f'Dir::Cache::Archives "{root}/archives";', f'Dir::Log "{root}";',
            'APT::Architecture "amd64";', 'APT::Architectures "amd64";',
            'Dir::Cache::pkgcache "";', 'Dir::Cache::srcpkgcache "";',
            'Acquire::Languages "none";', 'Debug::NoLocking "1";',
            f'APT::Sandbox::User "{"root" if os.geteuid() == 0 else ""}";',
            # Backports rank below their suite unless asked for; security ranks with its suite.
            f'APT::Default-Release "{self.kernel_suite}";'
            if self.profile.backports and not self.profile.tools else "", ""])

    def sources_list(self):
        if not os.path.exists(KEYRING):
            raise Failure(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
        machine = sources()
        mirror = self.mirror or next((uri for uri, suite in machine if not is_security(uri, suite)),
                                     None)
        if not mirror:
            raise Failure("this machine's apt sources name no Debian archive: "
                          "give one with --mirror URI")
        suite = self.profile.suite
        entries = [(mirror, suite)]
        if self.profile.backports:
            entries.append((mirror, self.kernel_suite))
        elif not self.mirror:
            # A kernel's fixes are in the security archive first.
            security = next((uri for uri, its in machine
                             if is_security(uri, its) and not its.endswith("/updates")), None)
            if security:
                entries.append((security, f"{suite}-security"))
        return "".join(f"deb [arch=amd64 signed-by={KEYRING}] {uri} {its} main\n"
                       for uri, its in entries)


def named(extra):
    """What the name of an index has for a choice of further packages."""
    return "-" + hashlib.sha256(" ".join(extra).encode()).hexdigest()[:16] if extra else ""


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") \
            else hashlib.sha256(file.read()).hexdigest()


def member(deb, *names):
    """The bytes of the first of the named files in a package."""
    command = [tool("dpkg-deb", "dpkg"), "--fsys-tarfile", str(deb)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        data = process.stdout.read()
    if process.returncode:
        raise Failure(f"{deb}: dpkg-deb cannot read it; remove the file and try again")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for name in names:
            try:
                return archive.extractfile(name).read()
            except KeyError:
                continue
    raise Failure(f"{deb} holds none of {', '.join(names)}")


def unpack(deb, directory):
    """Unpacks a package's files below a directory."""
    run([tool("dpkg-deb", "dpkg"), "-x", str(deb), str(directory)], f"unpacking {deb}")
