# SPDX-License-Identifier: Apache-2.0
"""The packages from lintian to purge, as an administrator has them."""
import json
import re
import shutil
import subprocess

from harness.processes import eventually

PACKAGES = ("cvmd", "cvmctl", "cvmd-guest")
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
    said = (packages / "lintian").read_text()
    found = re.findall(r"^([EW]): (\S+)(?: \S+)?: (\S+)", said, re.M)
    assert [one for one in found if one[2] not in EXPLAINED] == [], said


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
    for name in PACKAGES:
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
    apt(machine, "purge", *PACKAGES)
    left = machine.run("sh", "-c", LISTED).stdout
    assert left == before
    groups = machine.run("getent", "group", "cvm", "cvm-admin").stdout
    assert len(groups.splitlines()) == 2


LISTED = ("find / -xdev \\( -path /proc -o -path /sys -o -path /run/systemd -o -path /packages "
          "\\) -prune -o -print 2>/dev/null | grep -i cvm | sort")


def copy(machine, path):
    """Into the machine's /packages."""
    with open(path, "rb") as stream:
        subprocess.run(["nsenter", "-a", "-t", str(machine.leader), "dd", "status=none",
                        f"of=/packages/{path.name}"], stdin=stream, check=True, cwd="/")
