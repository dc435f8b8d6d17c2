# SPDX-License-Identifier: Apache-2.0
"""What the full image consists of, by its list of files, its manifest and its bill of materials."""
import json
import re

import pytest

from harness.agent import sha256

SIZE_MAX = 182_000_000
LINE = re.compile(r"(?P<mode>\S{10}) +(?P<size>\d+) (?P<path>/.*?)(?: -> (?P<target>.*))?$")
# Each a program or a directory that a guest must not have.
ABSENT = (
    r"/usr/s?bin/(sshd?|scp|apt.*|dpkg.*|perl.*|gcc.*|a?getty|login|su|sudo|sulogin|passwd)$",
    r"/usr/s?bin/(modprobe|insmod|kmod|kexec)$",
    r"/usr/lib/systemd/(system|user)(-environment)?-generators/",
    r"/usr/lib/systemd/system/(.*getty.*|debug-shell|emergency|rescue)\.service$",
    r"/usr/lib/modules/", r"/etc/ssh/", r"/var/lib/dpkg/",
    # What has credentials of the machine's maker in mind.
    r"/usr/bin/systemd-(firstboot|sysusers)$",
)
PRESENT = (
    r"/usr/bin/cvm-agent$", r"/usr/bin/python3$", r"/usr/bin/pip3?$", r"/usr/bin/wasmedge$",
    r"/usr/bin/docker$", r"/usr/sbin/dockerd$", r"/usr/bin/bash$", r"/usr/bin/free$",
    r"/etc/ssl/certs/ca-certificates\.crt$", r"/usr/lib/systemd/systemd$",
    # What the Cocos agent expects.
    r"/cocos$", r"/cocos_init$", r"/var/log/cocos$", r"/usr/lib/systemd/system/docker\.service$",
    r"/usr/lib/systemd/system/containerd\.service$",
    *(rf"/usr/s?bin/{name}$" for name in ("sh", "ip", "awk", "grep", "tee", "mount", "systemctl")),
)


@pytest.fixture(scope="module")
def entries(full):
    lines = (full / "root.list").read_text().splitlines()
    return [LINE.match(line).groupdict() for line in lines]


def test_nothing_that_lets_somebody_in(entries):
    paths = [entry["path"] for entry in entries]
    assert not [path for path in paths for pattern in ABSENT if re.match(pattern, path)]
    assert not [pattern for pattern in PRESENT
                if not any(re.match(pattern, path) for path in paths)]


def test_modes(entries):
    """No set-ID bit and no device; what others may write is sticky; shadow is root's."""
    modes = {entry["path"]: entry["mode"] for entry in entries}
    assert not [path for path, mode in modes.items() if set("sS") & set(mode)]
    assert {mode[0] for mode in modes.values()} == {"-", "d", "l"}
    assert {path for path, mode in modes.items() if mode[0] != "l" and mode[8] == "w"} == {
        "/tmp", "/var/tmp"}
    assert all(modes[path][-1] == "t" for path in ("/tmp", "/var/tmp"))
    assert modes["/etc/shadow"] == "-rw-------"


def test_units_that_start(entries):
    """Those that hal/full/units lists, and no other."""
    links = {entry["path"] for entry in entries
             if re.match(r"/(etc|usr/lib)/systemd/system/.*\.(wants|requires)/", entry["path"])}
    assert {path.rpartition("/")[2] for path in links} == {
        "cvm-agent.service", "cvm-power.service", "dbus.socket", "docker.socket",
        "systemd-journald-dev-log.socket", "systemd-journald.service", "systemd-journald.socket",
        "systemd-tmpfiles-setup.service"}


def test_manifest(full, manifest):
    for name, file in manifest["files"].items():
        data = (full / name).read_bytes()
        assert (file["size"], file["sha256"]) == (len(data), sha256(data)), name
    assert manifest["files"]["initramfs.cpio"]["size"] <= SIZE_MAX
    assert manifest["memoryMin"] <= 640 << 20
    for name, layer in manifest["layers"].items():
        data = (full / "initramfs.cpio").read_bytes()
        header = re.search(rb"070701[0-9A-Fa-f]{104}" + re.escape(name.encode()) + rb"\0", data)
        offset = (header.end() + 3) // 4 * 4
        assert sha256(data[offset:offset + layer["size"]]) == layer["sha256"]
    parts = {package["name"]: package["part"] for package in manifest["packages"]}
    assert (parts["systemd"], parts["login"], parts["dpkg"], parts["erofs-utils"]) == (
        "image", "debug", "left out", "helper")


def test_bill_of_materials(full, manifest):
    document = json.loads((full / "sbom.spdx.json").read_text())
    assert document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0"
    packages = {package["name"]: package for package in document["packages"]}
    assert len(packages) == len(document["packages"])
    listed = {package["name"]: package for package in manifest["packages"]
              if package["part"] in ("image", "source")}
    assert set(packages) == set(listed) | {"cvm-agent", "cvm-kernel"}
    for name, package in listed.items():
        assert packages[name]["versionInfo"] == package["version"]
        assert packages[name]["checksums"][0]["checksumValue"] == package["sha256"]
    identifiers = [package["SPDXID"] for package in document["packages"]]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", name) for name in identifiers)
    assert {relation["relatedSpdxElement"] for relation in document["relationships"]} == set(
        identifiers)
