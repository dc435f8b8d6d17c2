# SPDX-License-Identifier: Apache-2.0
"""A private libvirtd. Its caller goes to a mount namespace where libvirt's directories are its own,
and where the users exist that libvirt looks up, on whatever machine. With CVMD_DRIVER=libvirt each
process of pytest has one, whose QEMU is tests/fake-qemu; tests/bench/private-libvirtd has another.

Started as a program this is libvirtd's parent: it takes in and collects whatever libvirtd leaves
to others (its domains), and ends with all of them when its own parent does. With --probe instead of
a command it starts a libvirtd once and prints why it cannot: status 77 where something is not
installed, else 1.
"""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from harness import accounts, processes

DRIVER = os.environ.get("CVMD_DRIVER", "qemu")
USED = DRIVER == "libvirt"
# Debian's libvirt looks them up even if qemu.conf names others, and only the package
# libvirt-daemon-system, which nothing here requires, makes them. cvmd's default is the same user.
USER = GROUP = "libvirt-qemu"
LIBVIRTD = "/usr/sbin/libvirtd"
PID_FILE = "/run/libvirt/libvirtd.pid"
PLUGIN = "libvirt/connection-driver/libvirt_driver_qemu.so"
# What is libvirt's own, and empty at the start.
OWN = ["/etc/libvirt", "/run/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt"]
# How a CVM ends whose QEMU is killed.
KILLED = "qemu-exit" if USED else "qemu-signal"
# And where no daemon was there: libvirt may see it after the next one is.
LOST = ("lost", KILLED) if USED else ("lost",)
# What a connection to it is, and the event loop that goes with it.
LINK = {"socket:": 1, "anon_inode:[eventfd]": 2}
CLONE_NEWNS = 0x20000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1

LIBVIRTD_CONF = """
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0777"
"""
# No file of the host's is needed, and nothing of the host's changes but these directories.
QEMU_CONF = f"""
user = "{USER}"
group = "{GROUP}"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""

libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """Why there is no libvirtd here."""


def call(name, *args):
    if getattr(libc, name)(*args):
        number = ctypes.get_errno()
        raise Refused(f"{name}: {os.strerror(number)}")


def mount(source, target, kind, flags, data=None):
    call("mount", os.fsencode(source), os.fsencode(target), kind and kind.encode(), flags,
         data and data.encode())


def plugin():
    for directory in (f"/usr/lib/{os.uname().machine}-linux-gnu", "/usr/lib64", "/usr/lib"):
        path = pathlib.Path(directory) / PLUGIN
        if path.exists():
            return path
    raise Refused("libvirt's driver for QEMU (libvirt-daemon-driver-qemu) is not installed")


def missing():
    """Why there can be no libvirtd here, or None."""
    try:
        if os.getuid():
            raise Refused("namespaces for mounts take root")
        if not os.path.exists(LIBVIRTD):
            raise Refused("libvirtd (libvirt-daemon) is not installed")
        plugin()
        if not shutil.which("qemu-system-x86_64"):
            raise Refused("qemu-system-x86_64 is not installed")
        # refused in a process that can do without
        if subprocess.run(["unshare", "--mount", "true"], check=False,
                          stderr=subprocess.DEVNULL).returncode:
            raise Refused("namespaces for mounts are refused")
    except Refused as reason:
        return str(reason)
    return None


class Libvirt:
    """libvirtd, and what is left of its domains; to be made in the process's main thread."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="cvmd-libvirt-", dir="/tmp"))
        self.keeper = None

    def start(self):
        call("unshare", CLONE_NEWNS)
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        for path in OWN:
            os.makedirs(path, exist_ok=True)
            mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        self.directory.chmod(0o755)
        accounts.add_user(USER, self.directory)
        pathlib.Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF)
        pathlib.Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
        # libvirt's user has no KVM: what QEMU can do is then asked once, not at each start
        if os.path.exists("/dev/kvm"):
            kvm = self.directory / "kvm"
            kvm.touch(0o000)
            mount(kvm, "/dev/kvm", None, MS_BIND)
        # none of libvirt's other drivers, none of the machine's other QEMUs
        for name, target in (("drivers", plugin()),
                             ("bin", pathlib.Path(shutil.which("qemu-system-x86_64")))):
            (self.directory / name).mkdir()
            (self.directory / name / target.name).symlink_to(target)
        with open(self.directory / "log", "wb") as log:
            self.keeper = subprocess.Popen(
                [sys.executable, "-B", __file__, LIBVIRTD, "--pid-file", PID_FILE],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={"PATH": str(self.directory / "bin"), "PYTHONPATH": str(
                    pathlib.Path(__file__).resolve().parents[1]),
                     "LIBVIRT_DRIVER_DIR": str(self.directory / "drivers")})
        processes.eventually(self.answers, self.log, 30)
        return self

    def answers(self):
        assert self.keeper.poll() is None, f"libvirtd has ended\n{self.log()}"
        return os.path.exists("/run/libvirt/libvirt-sock")

    def log(self):
        return (self.directory / "log").read_text(errors="replace")[-4000:]

    def end(self):
        if self.keeper and self.keeper.poll() is None:
            self.keeper.terminate()
            self.keeper.wait(30)
        shutil.rmtree(self.directory, ignore_errors=True)


def domains(directory):
    """Process to command line, of each QEMU of libvirt's with a file of this directory."""
    found = {}
    for path in pathlib.Path("/run/libvirt/qemu").glob("*.pid") if USED else []:
        try:
            pid = int(path.read_text())
        except (OSError, ValueError):
            continue
        command = processes.command(pid)
        if f"{directory}/" in command:
            found[pid] = command
    return found


def wait_forgotten(cvm):
    """Until libvirt has seen that a domain's QEMU has gone."""
    def forgotten():
        for path in pathlib.Path("/run/libvirt/qemu").glob("*.xml"):
            try:
                if cvm["id"] in path.read_text():
                    return False
            except OSError:
                pass
        return True
    if USED:
        processes.eventually(forgotten, "libvirt forgets the domain")


def without_link(pid, kinds):
    """A process's descriptors by kind, but for the connection to libvirtd, which stays once it was
    needed."""
    if not USED or "libvirt.so" not in pathlib.Path(f"/proc/{pid}/maps").read_text():
        return kinds
    return {kind: number for kind, number in
            ((kind, number - LINK.get(kind, 0)) for kind, number in kinds.items()) if number}


def with_pid(cvm):
    """Its QEMU's, too, which of driver libvirt is not the daemon's to tell."""
    if USED:
        for pid, command in domains("").items():
            if f"-uuid {cvm['id']} " in command:
                return {**cvm, "pid": pid}
    return cvm


def keep(command):
    """Runs it until SIGTERM, also its parent's end, or until it ends by itself."""
    processes.become_subreaper()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    child = os.spawnv(os.P_NOWAIT, command[0], command)
    try:
        while os.wait()[0] != child:
            pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while processes.children(os.getpid()):
            for pid in processes.children(os.getpid()):
                os.kill(pid, signal.SIGKILL)
            os.wait()


def probe():
    reason = missing()
    if reason:
        print(reason)
        return 77
    daemon = Libvirt()
    try:
        daemon.start()
    except (Refused, AssertionError, OSError) as problem:
        print(f"libvirtd does not start: {problem}")
        return 1
    finally:
        daemon.end()
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--probe"]:
        sys.exit(probe())
    keep(sys.argv[1:])
