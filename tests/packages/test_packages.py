# SPDX-License-Identifier: Apache-2.0
"""The packages from lintian to purge, as an administrator has them."""
import hashlib
import json
import re
import shutil
import subprocess

import pytest

from harness.processes import eventually

PACKAGES = ("cvmd", "cvmctl", "cvmd-guest", "cvmd-image-full")
SMALL = PACKAGES[:3]
IMAGE = "/usr/lib/cvmd/images/full"
# What lintian warns of and stays, with the reason.
EXPLAINED = {
    "initial-upload-closes-no-bugs": "the package is not for Debian's archive yet",
}


def newer(package, directory):
    """The same package with a higher version."""
    tree = directory / package.stem
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text("".join(
        line.replace("\n", "+1\n") if line.startswith("Version:") else
        line.replace("0.2.0)", "0.2.0+1)") for line in control.open()))
    made = directory / f"new-{package.name}"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, made], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return made


def fields(package):
    text = subprocess.run(["dpkg-deb", "-f", package], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    return dict(re.findall(r"^(\S+): (.*)$", text, re.M))


def package(packages, name):
    return next(packages.glob(f"{name}_*.deb"))


def apt(machine, *words):
    return machine.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y",
                       "--no-install-recommends", *words, timeout=120)


def install(machine):
    machine.run("sh", "-euc", "cd /packages && DEBIAN_FRONTEND=noninteractive apt-get install -y "
                "--no-install-recommends ./cvmd_*.deb ./cvmctl_*.deb ./cvmd-guest_*.deb",
                timeout=120)


def test_lintian(packages):
    if not (packages / "lintian").exists():
        pytest.skip("long: of the other suite's packages, which differ in libraries alone")
    said = (packages / "lintian").read_text()
    found = re.findall(r"^([EW]): (\S+)(?: \S+)?: (\S+)", said, re.M)
    assert [one for one in found if one[2] not in EXPLAINED] == [], said


@pytest.mark.long
def test_reproducible(packages, suite, build_again):
    """Built at another time and place, with another time zone, umask and number of processes."""
    again = build_again(suite)
    digests = [{path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in directory.glob("*.deb")} for directory in (packages, again)]
    assert len(digests[0]) >= len(PACKAGES) and digests[0] == digests[1]


def test_what_they_depend_on(packages):
    """The daemon requires the command line; the guest, QEMU and nftables come along by default."""
    control = fields(package(packages, "cvmd"))
    assert "cvmctl (= " in control["Depends"] and "libuv1" in control["Depends"]
    assert {"cvmd-guest", "nftables", "qemu-system-x86"} <= set(
        re.findall(r"[a-z0-9-]+", control["Recommends"]))
    # Both are loaded when a CVM wants them.
    assert "libvirt" not in control["Depends"] and "libxml2" not in control["Depends"]


def test_from_install_to_purge(machine, packages, tmp_path):
    before = machine.run("sh", "-c", LISTED).stdout
    install(machine)
    assert machine.systemctl("is-enabled", "cvmd.socket", check=False) == "disabled"
    machine.run("sh", "-euc", "systemctl enable --now cvmd.socket && "
                "cvmctl launch web --memory 512M --wait ready", timeout=120)
    cvm = machine.status("web")
    assert cvm["state"] == "running" and cvm["ready"]
    listed = json.loads(machine.cvmctl("artifacts", "--json").stdout)
    assert {one["name"]: one["origin"] for one in listed} == {
        name: "installed" for name in ("kernel", "initramfs", "initramfs-debug")}

    # The upgrade restarts the daemon, and the CVM lives on.
    daemon = machine.show("cvmd.service", "MainPID")
    for name in SMALL:
        made = newer(package(packages, name), tmp_path)
        copy(machine, made)
    machine.run("sh", "-euc", "cd /packages && apt-get install -y --no-install-recommends ./new-*",
                timeout=120)
    eventually(lambda: machine.show("cvmd.service", "MainPID") not in (daemon, "0"), "", 20)
    after = machine.status("web")
    assert (after["pid"], after["id"], after["ready"]) == (cvm["pid"], cvm["id"], True)

    # A removal stops it, though it is paused and no daemon runs, and keeps what is on disk; a purge
    # leaves nothing but the groups.
    machine.run("systemctl", "enable", "cvm@web.service")
    machine.cvmctl("pause", "web")
    machine.systemctl("stop", "cvmd.socket", "cvmd.service")
    assert machine.run("test", "-e", f"/proc/{cvm['pid']}", check=False).returncode == 0
    apt(machine, "remove", "cvmd")
    assert machine.run("test", "-e", f"/proc/{cvm['pid']}", check=False).returncode
    assert machine.run("test", "-d", "/var/lib/cvmd", check=False).returncode == 0
    apt(machine, "purge", *SMALL)
    left = machine.run("sh", "-c", LISTED).stdout
    assert left == before
    groups = machine.run("getent", "group", "cvm", "cvm-admin").stdout
    assert len(groups.splitlines()) == 2


def test_the_full_image(machine):
    """Its files are those that its manifest names, and it is launched by its name."""
    install(machine)
    machine.run("sh", "-euc", "cd /packages && apt-get install -y ./cvmd-image-full_*.deb",
                timeout=120)
    manifest = json.loads(machine.run("cat", f"{IMAGE}/manifest.json").stdout)
    sums = "".join(f"{file['sha256']}  {IMAGE}/{name}\n"
                   for name, file in manifest["files"].items())
    machine.run("sha256sum", "--check", "--strict", input=sums)
    machine.systemctl("start", "cvmd.socket")
    machine.cvmctl("launch", "apps", "--memory", "1G", "--image", "full", "--wait", "ready",
                   "--timeout", "200", timeout=240)
    assert machine.status("apps")["ready"]
    machine.cvmctl("stop", "apps", "--force")
    apt(machine, "purge", "cvmd-image-full")
    assert machine.run("test", "-e", IMAGE, check=False).returncode


def test_upgrade_from_the_first_release(machine, released, guest):
    """Version 0.1.0 was installed from source. The packages replace it; the CVM that it launched
    lives on, and its successor controls it."""
    send(machine, ["tar", "-C", released, "--owner=0", "--group=0", "-c", "."], "tar", "-xC", "/",
         "--keep-directory-symlink")
    machine.run("sh", "-euc", "systemd-sysusers && systemd-tmpfiles --create cvmd.conf && "
                "systemctl daemon-reload && systemctl enable --now cvmd.socket")
    for name in ("bzImage", "initramfs.cpio.gz"):
        copy(machine, guest / name)
    machine.cvmctl("launch", "web", "--memory", "512M", "--kernel", "/packages/bzImage",
                   "--initramfs", "/packages/initramfs.cpio.gz", "--debug", timeout=120)
    assert "0.1.0" in machine.cvmctl("version").stdout
    old = machine.status("web")
    daemon = machine.show("cvmd.service", "MainPID")

    install(machine)
    eventually(lambda: machine.show("cvmd.service", "MainPID") not in (daemon, "0"),
               machine.journal, 60)
    assert "0.1.0" not in machine.cvmctl("version").stdout
    new = machine.status("web")
    assert {key: new[key] for key in ("id", "pid", "state")} == {
        "id": old["id"], "pid": old["pid"], "state": "running"}
    assert machine.run("test", "-e", f"/proc/{old['pid']}", check=False).returncode == 0
    machine.cvmctl("pause", "web")
    machine.cvmctl("resume", "web")
    machine.cvmctl("stop", "web", "--force")
    assert machine.run("test", "-e", f"/proc/{old['pid']}", check=False).returncode
    assert machine.systemctl("is-enabled", "cvmd.socket") == "enabled"


LISTED = ("find / -xdev \\( -path /proc -o -path /sys -o -path /run/systemd -o -path /packages "
          "\\) -prune -o -print 2>/dev/null | grep -i cvm | sort")


def copy(machine, path):
    """Into the machine's /packages."""
    send(machine, ["cat", path], "dd", "status=none", f"of=/packages/{path.name}")


def send(machine, command, *words):
    """What the command prints to these words in the machine."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as source:
        subprocess.run(["nsenter", "-a", "-t", str(machine.leader), *words], stdin=source.stdout,
                       check=True, cwd="/")
    assert source.returncode == 0
