# SPDX-License-Identifier: Apache-2.0
"""What cvmctl shows of a scripted daemon on a terminal of a given width.

STATE is the daemon's answers. Its times are relative to now, so that "5 min ago" is always the
same; show() replaces points in time by one of the same length.
"""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time

from harness.daemon import CVMCTL

MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}")


def on_terminal(columns, *args, environment=None, code=0):
    """What a terminal of that width shows, line by line. code None: any exit status."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "TZ": "UTC",
           **(environment or {})}
    with subprocess.Popen([CVMCTL, *map(str, args)], stdin=slave, stdout=slave, stderr=slave,
                          env=env) as process:
        os.close(slave)
        data = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            data += piece
        assert process.wait(60) == code or code is None, data
    os.close(master)
    return data.decode().replace("\r\n", "\n").splitlines()


def ago(seconds):
    return int((time.time() - seconds) * 1e6)


def uuid(n):
    return f"6b1bd9e2-5a33-4a0c-9a51-0c83f3a1f{n:03x}"


def forward(host, guest, address="127.0.0.1", protocol="tcp"):
    return {"address": address, "hostPort": host, "guestPort": guest, "protocol": protocol}


FULL_SPEC = {
    "name": "web", "platform": "auto", "cpus": 2, "memory": "2G",
    "kernel": {"path": "/srv/images/bzImage", "sha256": "c0ffee00" * 8},
    "cmdline": "console=ttyS0 root=/dev/vda ro roothash=" + "5eed" * 16,
    "certs": {"tls.key": {}, "tls.crt": {"path": "/etc/ssl/certs/web.pem"}},
    "shares": [{"tag": "data", "path": "/srv/web/data", "readOnly": False},
               {"tag": "conf", "path": "/srv/web/conf"}],
    "disks": [{"id": "root", "path": "/srv/images/web.qcow2", "format": "qcow2", "bus": "virtio"},
              {"path": "/dev/vg/state", "readOnly": False}],
    "gpus": ["0000:41:00.0"], "network": "passt", "vsock": {"cid": 7},
    "launchSecurity": {"policy": "0x30000"}, "confidential": False, "debug": False,
    "limits": {"memoryMax": "3G", "cpuWeight": 200}, "timeouts": {"readySec": 120},
    "restart": {"policy": "on-failure", "limit": 5}, "ttlSec": 86400,
    "labels": {"team": "x", "tier": "front"},
    "missing": ["env.TOKEN", "env.DATABASE_URL", "certs.tls.key"],
}


def cvms():
    """CVMs in many states, sorted by name as List has them."""
    return [
        {"name": "batch-17", "id": uuid(1), "platform": "plain", "driver": "qemu",
         "state": "failed", "ready": False, "owner": 0, "cpus": 4, "memory": 8 << 30,
         "debug": True, "confidential": False, "createdAt": ago(3700), "startedAt": ago(3690),
         "forwards": [forward(6102, 7002)], "artifacts": {}, "measurement": {},
         "ending": {"reason": "guest-panic", "detail": "VFS: Unable to mount root fs",
                    "at": ago(330)}},
        {"name": "db", "id": uuid(2), "platform": "sev-snp-ovmf", "driver": "qemu",
         "state": "running", "ready": True, "owner": 0, "cpus": 2, "memory": 1536 << 20,
         "debug": False, "confidential": True, "pid": 4712, "createdAt": ago(90000),
         "startedAt": ago(89990), "readyAt": ago(89985), "labels": {"tier": "back"},
         "forwards": [forward(5432, 5432), forward(6101, 7002)],
         "artifacts": {}, "measurement": {}},
        {"name": "gone", "id": uuid(3), "platform": "plain", "driver": "libvirt",
         "state": "stopped", "ready": False, "owner": 0, "cpus": 1, "memory": 512 << 20,
         "debug": False, "confidential": False, "createdAt": ago(400000),
         "startedAt": ago(399990), "forwards": [forward(6103, 7002)], "artifacts": {},
         "measurement": {}, "ending": {"reason": "stopped", "at": ago(7300)}},
        {"name": "unlucky-web-frontend-of-the-team", "id": uuid(4), "platform": "plain",
         "driver": "qemu", "state": "restarting", "ready": False, "owner": 0, "cpus": 1,
         "memory": 512 << 20, "debug": False, "confidential": False, "createdAt": ago(605),
         "forwards": [], "restarts": 3, "restartAt": ago(-90),
         "artifacts": {}, "measurement": {}, "ending": {"reason": "qemu-signal", "at": ago(5)}},
        {"name": "web", "id": uuid(5), "platform": "plain", "driver": "qemu", "state": "running",
         "ready": True, "guestStatus": "Agent listens on port 7002", "owner": 0, "cpus": 2,
         "memory": 2 << 30, "debug": False, "confidential": False, "pid": 4711, "vsockCid": 7,
         "scope": "cvm-web.scope", "createdAt": ago(605), "startedAt": ago(603),
         "readyAt": ago(601), "expiresAt": ago(605 - 86400), "restarts": 1,
         "labels": {"team": "x", "tier": "front"}, "forwards": [forward(8702, 7002)],
         "artifacts": {"kernel": "c0ffee00" * 8, "initramfs": "1234abcd" * 8},
         "measurement": {"PCR4-sha256": "0f" * 32, "PCR9-sha256": "e1" * 32}},
    ]


def _status(call, connection):
    wanted = call.parameters
    for cvm in cvms():
        if cvm["name"] == wanted.get("name") or cvm["id"] == wanted.get("id"):
            full = {"spec": FULL_SPEC} if wanted.get("withSpec") and cvm["name"] == "web" else {}
            connection.reply({"cvm": {**cvm, **full}})
            return
    connection.error("NoSuchCvm", name=wanted.get("name"))


ARTIFACTS = [
    {"name": name, "kind": kind, "size": size, "origin": origin, "users": users,
     "sha256": f"{users + 3:x}" * 64, "sha384": f"{users + 7:x}" * 96}
    for name, kind, size, origin, users in (
        ("kernel", "kernel", 8247232, "embedded", 2),
        ("initramfs", "initramfs", 1900544, "embedded", 2),
        ("initramfs-debug", "initramfs", 3407872, "embedded", 0),
        ("/srv/images/bzImage", "kernel", 14680064, "file", 1),
        ("/usr/share/ovmf/OVMF.fd", "firmware", 3653632, "file", 0))]

TEMPLATES = [
    {"name": name, "description": description, "confidential": confidential, "strength": strength,
     "origin": origin, "available": available}
    for name, description, confidential, strength, origin, available in (
        ("plain", "An ordinary VM without confidential computing, by KVM or emulated", False, 100,
         "built-in", True),
        ("sev-snp", "AMD SEV-SNP by an IGVM file with an SVSM or firmware", True, 900, "built-in",
         False),
        ("tdx", "Intel TDX with TDVF", True, 900, "/etc/cvmd/templates/tdx.json", False))]


RENDERED = {
    "argv": ["/usr/bin/qemu-system-x86_64", "-name", "web", "-m", "2G"], "descriptors": [],
    "missing": [
        {"name": "sev-snp", "passed": False, "found": "CPU vendor GenuineIntel",
         "needed": "AMD SEV-SNP, enabled in firmware and kernel",
         "fix": "use a bare-metal host with an AMD EPYC of the 7003 series or newer"},
        {"name": "kvm", "passed": False, "found": "/dev/kvm does not exist",
         "needed": "working KVM that runs ordinary guests",
         "fix": "load the module kvm_intel, and enable virtualization in the firmware"},
        *({"name": "qemu", "passed": False, "needed": needed, "fix": fix,
           "found": "QEMU 7.2.22 at /usr/bin/qemu-system-x86_64, which does not support it"}
          for needed, fix in (
              ("object sev-snp-guest", "install QEMU 9.1 or newer"),
              ("object igvm-cfg", "install QEMU 10.1 or newer built with IGVM (configure "
                                  "--enable-igvm), such as COCONUT-SVSM's")))]}


STATE = {
    "Status": _status,
    "Render": RENDERED,
    "ListArtifacts": {"artifacts": ARTIFACTS},
    "ListTemplates": {"templates": TEMPLATES},
    "List": lambda call, connection: connection.reply({"cvms": cvms(), "sequence": 1, "boot": ""}),
}


def show(columns, peer, *args, **options):
    """The lines, in which each point in time is the same. columns 0: in a pipe."""
    if columns:
        lines = on_terminal(columns, "--socket", peer.path, *args, code=None, **options)
    else:
        done = peer.cvmctl(*args)
        lines = (done.out + done.err).splitlines()
    return [MOMENT.sub("2026-11-30 04:36:20 +0000", line) for line in lines]


# name of the files in tests/screens: arguments
SCREENS = {
    "list": ["list"],
    "status": ["status", "web", "batch-17"],
    "render": ["render", "web", "--platform", "sev-snp"],
    "artifacts": ["artifacts"],
    "templates": ["templates"],
    "help-launch": ["help", "launch"],
}
