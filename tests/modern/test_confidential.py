# SPDX-License-Identifier: Apache-2.0
"""The rendered command of each confidential platform, run by a QEMU that knows it, on a machine
that has none of them. Run as it is, QEMU must get as far as asking KVM for that kind of machine and
say nothing else; run without the confidential object, under TCG, it must make every device."""
import json
import os
import pathlib
import re
import socket
import subprocess

import pytest

QEMU = "/usr/bin/qemu-system-x86_64"
# As QEMU ends where KVM cannot do it. SEV's check of the C-bit comes before KVM is asked.
ENDS = {
    "sev": r"cbitpos check failed, host '\d+' requested '51'|vm-type SEV not supported by KVM",
    "sev-es": r"cbitpos check failed, host '\d+' requested '51'|"
              r"vm-type SEV-ES not supported by KVM",
    "sev-snp-ovmf": r"vm-type SEV-SNP not supported by KVM",
    "tdx": r"vm-type TDX not supported by KVM",
}
# The warning is of this machine: it has fewer CPUs than the documents' maxcpus.
ALSO = (r".*failed to initialize kvm: .*|.*warning: Number of hotpluggable cpus requested \(\d+\) "
        r"exceeds the recommended cpus supported by KVM \(\d+\)")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def render(qemu, name):
    """What the daemon would run on that QEMU, with the guest and firmware of today."""
    guest = pathlib.Path(os.environ["GUEST"])
    security = {"tdx": ["mrConfigId=" + "A" * 64],
                "sev-snp-ovmf": ["hostData=" + "A" * 43 + "=", "policy=0x30000"]}.get(name, [])
    boot = ["--firmware", os.environ["FIRMWARE_TDX" if name == "tdx" else "FIRMWARE_SEV"]]
    done = qemu.daemon.cvmctl(
        "render", "web", "--platform", name, "--memory", "512M", "--cpus", "2",
        "--publish", f"{free_port()}:7002", "--kernel", guest / "bzImage",
        "--initramfs", guest / "initramfs.cpio.gz", *(boot if name in ENDS else []), "--json",
        *(word for value in security for word in ("--launch-security", value)))
    return json.loads(done.stdout)


# What each QEMU must be found to lack for a platform, and what the refusal says of it; the other
# platforms it must run.
NO_IGVM = ("object igvm-cfg", "--enable-igvm")
LACKS = {
    "11": {"sev-snp": NO_IGVM, "plain-igvm": NO_IGVM,
           "tdx-svsm": ("property tdx-guest.num-l2-vms", "no release")},
    "10": {"sev-snp": NO_IGVM, "plain-igvm": NO_IGVM,
           "tdx": ("object tdx-guest", "QEMU 10.1"),
           "tdx-svsm": ("object tdx-guest", "no release")},
    "7": {"sev-snp": ("object sev-snp-guest", "QEMU 9.1"),
          "plain-igvm": NO_IGVM,
          "sev-snp-ovmf": ("object sev-snp-guest", "QEMU 9.1"),
          "tdx": ("object tdx-guest", "QEMU 10.1"),
          "tdx-svsm": ("object tdx-guest", "no release")},
}


runs = pytest.mark.parametrize(
    "qemu, name", [(version, name) for version, lacks in LACKS.items()
                   for name in sorted(ENDS) if name not in lacks], indirect=["qemu"])
lacks = pytest.mark.parametrize(
    "qemu, name", [(version, name) for version, lacks in LACKS.items() for name in lacks],
    indirect=["qemu"])


def plan(qemu, name):
    """Its argv and descriptors; nothing of QEMU or of the files is found to be missing."""
    rendered = render(qemu, name)
    assert not {check["name"] for check in rendered["missing"]} & {"qemu", "measurement", "kernel",
                                                                   "initramfs", "firmware"}
    return rendered["argv"], rendered["descriptors"]


def without_host(name, argv):
    """What only a confidential host, or /dev/vhost-vsock, could run is taken out."""
    words, out = iter(argv[1:]), []
    for word in words:
        if word in ("-enable-kvm", "-nographic", "-nodefaults", "-no-reboot", "-no-shutdown", "-S"):
            out += ["-accel", "tcg"] if word == "-enable-kvm" else [word]
            continue
        value = next(words)
        if word == "-object" and re.search(r"(sev|sev-snp|tdx)-guest", value):
            continue
        if word == "-device" and "vhost-vsock" in value:
            continue
        if word == "-cpu":
            value = "max"
        if word == "-machine":
            value = re.sub(r",confidential-guest-support=[^,]*", "", value)
        out += [word, value]
    assert "-S" in out
    return [QEMU, *out]


class Run:
    """QEMU in the root, with the plan's descriptors."""

    def __init__(self, root, argv, descriptors, directory):
        self.fds, self.qmp, keep = {}, None, []
        for descriptor in descriptors:
            what, number = descriptor["what"], descriptor["number"]
            if what in ("qmp", "console", "notify"):
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(str(directory / what))
                listener.listen(1)
                keep.append(listener)
                self.fds[number] = listener.fileno()
                if what == "qmp":
                    self.qmp = str(directory / what)
            elif what.endswith("_share"):
                self.fds[number] = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            elif descriptor.get("path"):
                self.fds[number] = os.open(descriptor["path"], os.O_RDONLY)
        # Above all numbers first, so that none overwrites another.
        moved = {number: os.dup(fd) for number, fd in self.fds.items()}
        while min(moved.values()) <= max(moved):
            moved = {number: os.dup(fd) for number, fd in moved.items()}

        def arrange():
            os.chroot(root)
            os.chdir("/")
            for number, fd in moved.items():
                os.dup2(fd, number)

        self.process = subprocess.Popen(argv, preexec_fn=arrange, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        pass_fds=sorted(moved), text=True, errors="replace")
        for listener in keep:  # so that nobody listens any more where QEMU has ended
            listener.close()
        for fd in moved.values():
            os.close(fd)

    def end(self, seconds):
        try:
            output, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, _ = self.process.communicate()
        return self.process.returncode, output

    def status(self):
        """query-status over QMP."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(self.qmp)
            stream = client.makefile("rw")
            json.loads(stream.readline())
            for command in ("qmp_capabilities", "query-status"):
                stream.write(json.dumps({"execute": command}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
            return answer["return"]["status"]


@runs
def test_it_gets_to_the_confidential_machine(qemu, name, tmp_path):
    argv, descriptors = plan(qemu, name)
    run = Run(qemu.root, [QEMU, *argv[1:]], descriptors, tmp_path)
    status, output = run.end(60)
    lines = [line for line in output.splitlines() if line.strip()]
    assert status == 1, output
    assert any(re.search(ENDS[name], line) for line in lines), output
    assert not [line for line in lines if not re.search(ENDS[name], line)
                and not re.fullmatch(ALSO, line)], output


@runs
def test_every_device_is_made(qemu, name, tmp_path):
    argv, descriptors = plan(qemu, name)
    run = Run(qemu.root, without_host(name, argv), descriptors, tmp_path)
    try:
        state = run.status()
    except (OSError, ValueError):
        state = None
    run.process.kill()
    _, output = run.end(10)
    assert state == "prelaunch", output


@lacks
def test_what_it_lacks_is_refused(qemu, name):
    """By asking it: before anything is started, with what is missing and what has it."""
    needed, provider = LACKS[qemu.name][name]
    missing = {check["needed"]: check for check in render(qemu, name)["missing"]
               if check["name"] == "qemu"}
    assert provider in missing[needed]["fix"]
    assert missing[needed]["found"].startswith(f"QEMU {qemu.name}.")
