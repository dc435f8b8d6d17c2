# SPDX-License-Identifier: Apache-2.0
"""What the lanes fetch of other Debian suites. Started as a program with names of lanes, it fetches
what they need, in their order: scripts/test does so beside the lanes that need nothing. The own
kernel, which takes longest and nothing of a mirror while it is compiled, is begun first."""
import concurrent.futures
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys

import roots
from apart import CLOCK
from builds import TOP, packages


@dataclasses.dataclass(frozen=True)
class Root:
    suite: str
    packages: tuple
    backports: tuple = ()
    variant: str = "apt"

    def get(self):
        """Its directory; roots.Unavailable."""
        with CLOCK.stopped():
            return roots.debian_root(self.suite, self.packages, self.backports, self.variant)


@dataclasses.dataclass(frozen=True)
class Package:
    suite: str
    name: str
    path: str = ""  # of the file in it that is meant

    def get(self):
        """The directory that it is unpacked in, or its file; roots.Unavailable."""
        with CLOCK.stopped():
            return roots.debian_package(self.suite, self.name) / self.path


@dataclasses.dataclass(frozen=True)
class Guest:
    """Compiling its kernel takes minutes, once a machine."""
    name: str

    def get(self):
        with CLOCK.stopped():
            subprocess.run(["nice", TOP / "scripts/lib/guest", self.name],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)


OWN_KERNEL = Guest("own")
FULL_IMAGE = Guest("full")  # waits for that kernel and compiles none beside it
# A machine that systemd boots, in which the project is built; the Varlink clients of systemd and of
# Python; and a QEMU between this machine's and the newest.
DEBIAN_13 = Root("trixie", (
    "systemd", "systemd-sysv", "systemd-container", "dbus", "procps", "python3", "python3-varlink",
    "systemd-dev", "qemu-system-x86", "libcmocka-dev", *packages("build")))
# Systems with libvirt and QEMU that systemd boots; what was built elsewhere runs there.
_LIBVIRT = ("systemd", "systemd-sysv", "dbus", "procps", "libvirt-daemon-system", "qemu-system-x86",
            "libxml2-utils", "swtpm", "swtpm-tools", "libyaml-0-2")
LIBVIRT_12 = Root("bookworm", _LIBVIRT)
# The newest systemd, for what machinectl can do there, and the newest libvirt.
NEWEST = Root("sid", (
    *_LIBVIRT, "libvirt-daemon-driver-qemu", "libvirt-clients", "passt", "systemd-container",
    "libjson-c5", "libuv1t64", "libcap-ng0", "liblzma5", "libssl3t64"))
# A QEMU that knows SEV-SNP and TDX, and the firmware that goes with it.
QEMU_NEWEST = Root("trixie", ("ca-certificates",), ("qemu-system-x86",))
FIRMWARE_SEV = Package("sid", "ovmf-amdsev", "usr/share/ovmf/OVMF.amdsev.fd")
FIRMWARE_TDX = Package("sid", "ovmf-inteltdx", "usr/share/ovmf/OVMF.inteltdx.ms.fd")
# Images of OVMF that boot -kernel.
FIRMWARE_12 = Package("bookworm", "ovmf", "usr/share/ovmf/OVMF.fd")
FIRMWARE_13 = Package("trixie", "ovmf", "usr/share/ovmf/OVMF.fd")
FIRMWARE_SID = Package("sid", "ovmf-generic", "usr/share/ovmf/OVMF.fd")
# Programs that predict the same measurements. The first run fetches about 500 MB.
PEERS = Root("sid", ("cargo", "librust-openssl-dev", "librust-sev-dev", "systemd-tpm"))
# Debian 12's valgrind does not know openat2(2).
VALGRIND = Package("trixie", "valgrind")
# Who reads metrics: Debian's Prometheus with promtool, node-exporter, and Python's parser, which
# imports the last one.
PROMETHEUS = Package("bookworm", "prometheus")
NODE_EXPORTER = Package("bookworm", "prometheus-node-exporter")
PROMETHEUS_CLIENT = Package("bookworm", "python3-prometheus-client")
PYTHON_DECORATOR = Package("bookworm", "python3-decorator")
# The tester of OCF agents with the library that agents share, and xmllint, which it calls.
RESOURCE_AGENTS_12 = Package("bookworm", "resource-agents")
RESOURCE_AGENTS_13 = Package("trixie", "resource-agents")
# A node of a cluster that systemd boots, with the libraries of what was built elsewhere.
CLUSTER_12 = Root("bookworm", (
    "systemd", "systemd-sysv", "dbus", "procps", "iproute2", "corosync", "pacemaker",
    "pacemaker-cli-utils", "resource-agents", "python3-minimal", "nftables", "libcap-ng0",
    "libcbor0.8", "libjson-c5", "libseccomp2", "libsmartcols1", "libssl3", "libsystemd0", "libuv1",
    "libvirt0", "libxml2", "libyaml-0-2"))
XMLLINT = Package("bookworm", "libxml2-utils")
# What a stranger has who starts from nothing: a minimal Debian 12 and what our scripts install.
FRESH = Root("bookworm", tuple(sorted({
    name for purpose in ("build", "guest", "run", "test") for name in packages(purpose)})),
    variant="minbase")
# Where the Debian packages, and version 0.1.0, are built without a network; and what they are
# installed in: a system that systemd boots, with the libraries that they depend on and QEMU.
_PACKAGING = ("build-essential", "debhelper", "lintian", "ccache", "apparmor", "systemd", "udev",
              "zstd", "libsmartcols-dev", *packages("build"))
_INSTALLED = ("systemd", "systemd-sysv", "dbus", "udev", "procps", "nftables", "qemu-system-x86",
              "libcap-ng0", "libjson-c5", "liblzma5", "libseccomp2", "libsystemd0", "libyaml-0-2")
PACKAGING_12 = Root("bookworm", _PACKAGING)
PACKAGING_13 = Root("trixie", (*_PACKAGING, "systemd-dev"))
INSTALLED_12 = Root("bookworm", (*_INSTALLED, "libcbor0.8", "libssl3", "libuv1"))
INSTALLED_13 = Root("trixie", (*_INSTALLED, "libcbor0.10", "libssl3t64", "libuv1t64"))

OF_LANES = {
    "fresh": [FRESH],
    "conformance": [DEBIAN_13, PROMETHEUS, NODE_EXPORTER, PROMETHEUS_CLIENT, PYTHON_DECORATOR],
    "systemd": [DEBIAN_13, NEWEST, OWN_KERNEL],
    "modern-qemu": [DEBIAN_13, QEMU_NEWEST, FIRMWARE_SEV, FIRMWARE_TDX, OWN_KERNEL],
    "peers": [PEERS, FIRMWARE_SEV],
    "libvirt": [LIBVIRT_12, NEWEST, FIRMWARE_12, FIRMWARE_SID, OWN_KERNEL],
    "boot": [DEBIAN_13, QEMU_NEWEST, FIRMWARE_12, FIRMWARE_13, FIRMWARE_SID, OWN_KERNEL],
    "cluster": [RESOURCE_AGENTS_12, RESOURCE_AGENTS_13, XMLLINT, CLUSTER_12],
    "e2e": [OWN_KERNEL],
    "packages": [PACKAGING_12, PACKAGING_13, INSTALLED_12, INSTALLED_13, OWN_KERNEL,
                 FULL_IMAGE],
    "hal": [OWN_KERNEL, FULL_IMAGE],
    "valgrind": [VALGRIND],
}


def valgrind(build):
    """The words before a program that run it under valgrind; roots.Unavailable."""
    root = VALGRIND.get()
    return ["/usr/bin/env", f"VALGRIND_LIB={root / 'usr/libexec/valgrind'}",
            f"LD_PRELOAD={build / 'tests/libvalgrind-pidfd.so'}", root / "usr/bin/valgrind.bin",
            "-q", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite", "--child-silent-after-fork=yes",
            f"--suppressions={TOP / 'tests/valgrind/suppressions'}"]


def fetch(needs):
    """Each guest beside all else, which comes one after the other. What is unavailable the lane
    itself says."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        guests = [pool.submit(need.get) for need in needs if isinstance(need, Guest)]
        for need in needs:
            if not isinstance(need, Guest):
                with contextlib.suppress(roots.Unavailable):
                    need.get()
        # A join() that leave() interrupts, as at the pool's end, would count as done (bpo-45274).
        concurrent.futures.wait(guests)


def leave(*_):
    """With all that was started; fetch() still waits for what a guest's build has to remove."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    sys.exit(1)


def main():
    signal.signal(signal.SIGTERM, leave)
    fetch(list(dict.fromkeys(need for lane in sys.argv[1:] for need in OF_LANES.get(lane, []))))


if __name__ == "__main__":
    main()
