# SPDX-License-Identifier: Apache-2.0
"""What the own kernel promises beside what every guest does: it keeps its memory from the host's
ACPI code, still has what ACPI is for, and says when it has panicked."""
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import aml
from harness.machine import Machine
from harness.processes import eventually

MEMORY = 256 << 20
ACPI_DATA = 0x28000  # about what QEMU keeps at the end of a PC's low memory
SPREAD = 256 << 10
PORT = 0x9f0
SIZE_MAX = 6_500_000
REFUSED = "ACPI: OSL: refused: ACPI asked for RAM at 0x"


def test_size_and_configuration(guest):
    directory = guest("own")
    manifest = json.loads((directory / "manifest.json").read_text())
    assert (directory / "bzImage").stat().st_size <= SIZE_MAX
    assert tuple(map(int, manifest["kernel"].split("-")[0].split(".")[:2])) >= (7, 2)
    assert manifest["kernel"].endswith("-cvm") and manifest["modules"] == []
    there = set((directory / "config").read_text().splitlines())
    for name in ("TCG_SVSM", "TCG_TIS", "TCG_CRB", "NULL_TTY", "X86_MSR", "PVPANIC_MMIO",
                 "PVPANIC_PCI", "SEV_GUEST", "TDX_GUEST_DRIVER", "TSM_REPORTS", "TSM_MEASUREMENTS",
                 "9P_FS", "VIRTIO_VSOCKETS", "EROFS_FS", "BLK_DEV_LOOP", "OVERLAY_FS", "DM_VERITY",
                 "DM_CRYPT", "NF_TABLES", "SECCOMP_FILTER",
                 "LOCK_DOWN_KERNEL_FORCE_INTEGRITY", "MITIGATION_RETPOLINE",
                 "BUG_ON_DATA_CORRUPTION"):
        assert f"CONFIG_{name}=y" in there
    assert not [line for line in there if line.endswith("=m")]


def cpio(name, data=b""):
    """An entry of an archive, its data at a multiple of 16 if the name's length is 17."""
    fields = (1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    entry = b"070701" + b"".join(b"%08x" % field for field in fields) + name + b"\0"
    return entry + bytes(-len(entry) % 4) + data


class Spied:
    """A guest that boots with the tables of a malicious host, and what their code told it."""

    def __init__(self, guest, directory, *tables, cmdline="console=ttyS0", options=()):
        directory.mkdir(exist_ok=True)
        self.heard = directory / "heard"
        options = ["-chardev", f"file,id=spy,path={self.heard}", "-device",
                   f"isa-debugcon,iobase={PORT:#x},chardev=spy", *options]
        for number, table in enumerate(tables):
            path = directory / f"table{number}"
            path.write_bytes(table)
            options += ["-acpitable", f"file={path}"]
        self.machine = Machine(guest, memory=f"{MEMORY >> 20}M", cmdline=cmdline, options=options)

    def boot(self, wanted=""):
        """To READY; the console's text to that with what is wanted, and what was told."""
        with self.machine as machine:
            machine.hear("READY=1\n")
            machine.serial.wait(wanted)
            return machine.serial.text, self.heard.read_bytes()


class Marked:
    """An image with a mark in the initramfs, which QEMU puts near the end of memory, and a table
    whose code looks for it."""

    def __init__(self, guest, directory):
        self.mark = os.urandom(8).hex().encode()
        self.image = directory / "image"
        self.image.mkdir()
        # Of the archive's first file each page begins with the mark, wherever exactly it begins.
        data = (cpio(b"a-mark-many-times", self.mark * (SPREAD // len(self.mark))) +
                cpio(b"TRAILER!!!"))
        data += bytes(-len(data) % 512) + (guest / "initramfs.cpio.gz").read_bytes()
        (self.image / "initramfs.cpio.gz").write_bytes(data)
        (self.image / "bzImage").symlink_to(guest / "bzImage")
        self.address = (MEMORY - ACPI_DATA - len(data) + SPREAD // 2) & ~4095
        self.table = aml.spy(PORT, self.address, len(self.mark))


@pytest.mark.parametrize("name", ["plain", "confidential"])
def test_acpi_code_reads_and_writes_a_debian_kernels_memory(guest, tmp_path, name):
    marked = Marked(guest(name), tmp_path)
    _, told = Spied(marked.image, tmp_path, marked.table).boot()
    assert told == b"<" + marked.mark + b"#>"


def test_acpi_code_is_kept_from_the_own_kernels_memory(guest, tmp_path):
    """Its code runs, before and after; the guest boots all the same, and says what was refused."""
    marked = Marked(guest("own"), tmp_path)
    console, told = Spied(marked.image, tmp_path, marked.table).boot(REFUSED)
    assert console.count(REFUSED) == 1
    assert told == b"<>"


# What reads behind a table's end, and what that tells: on a kernel of Debian's, on the own one.
BEYOND = {
    "data": (aml.beyond_a_tables_end, b"<ASSDT>", b"<A>"),
    "code": (aml.code_beyond_a_tables_end, b"ab!", b"ab"),
}


@pytest.mark.parametrize("what", BEYOND)
def test_acpi_tables_end_where_they_are_mapped(guest, tmp_path, what):
    """Though their headers were rewritten, which is no fault: firmware's code may do so."""
    tables, longer, kept = BEYOND[what]
    for name, told in (("confidential", longer), ("own", kept)):
        _, heard = Spied(guest(name), tmp_path / name, *tables(PORT)).boot()
        assert heard == told


MARK = bytes(range(0x11, 0x19))
MARKED_AT = 160 << 20  # where neither the kernel nor the initramfs is
RESET_VALUE = 0x5a


@pytest.mark.parametrize("name,first", [("confidential", RESET_VALUE), ("own", MARK[0])])
def test_a_register_that_a_table_names_is_not_memory(guest, tmp_path, name, first):
    """No code of a table asks for it: the kernel itself writes to the register for a reset."""
    table, memory = tmp_path / "table", tmp_path / "memory"
    table.write_bytes(aml.fadt(MARKED_AT, RESET_VALUE))
    loader = f"loader,addr={MARKED_AT},data={int.from_bytes(MARK, 'little')},data-len={len(MARK)}"
    with Machine(guest(name), memory=f"{MEMORY >> 20}M",
                 cmdline=f"{PANIC} nokaslr panic=-1 reboot=acpi",
                 options=["-acpitable", f"file={table}", "-device", loader,
                          "-no-reboot", "-no-shutdown"]) as machine:
        machine.qmp.wait('"reason": "guest-reset"')
        machine.command("pmemsave", val=MARKED_AT, size=len(MARK), filename=str(memory))
    assert memory.read_bytes() == bytes([first]) + MARK[1:]


FIRMWARE = pathlib.Path("/usr/share/ovmf/OVMF.fd")
RUNTIME_DATA = re.compile(r"\[Runtime Data\|RUN.*range=\[0x([0-9a-f]+)-0x([0-9a-f]+)\]")


def runtime_data(console):
    """Its ranges, each with how often the kernel has printed it: twice."""
    return collections.Counter((int(low, 16), int(high, 16))
                               for low, high in RUNTIME_DATA.findall(console))


@pytest.mark.skipif(not FIRMWARE.exists(), reason="ovmf is not installed")
def test_acpi_code_is_kept_from_runtime_services(guest, tmp_path):
    """Reserved in the memory map, but memory that the guest's kernel calls. Where it is the first
    boot tells, in which the code asks for a device's registers: those it may have."""
    address, seen = 0xfed00000, []  # the HPET
    for name in ("registers", "memory"):
        console, told = Spied(guest("own"), tmp_path / name, aml.spy(PORT, address, 4),
                              cmdline="console=ttyS0 efi=debug",
                              options=["-bios", FIRMWARE]).boot()
        seen.append((told, console.count(REFUSED)))
        ranges = runtime_data(console)
        if name == "registers":
            low, high = max((found for found, times in ranges.items() if times == 2),
                            key=lambda found: found[1] - found[0])
            address = (low + high) // 2 & ~4095
    assert any(low <= address < high for low, high in ranges), f"{address:#x} {ranges}"
    assert len(seen[0][0]) == 4 + len("<#>") and seen == [(seen[0][0], 0), (b"<>", 1)]


@pytest.fixture
def tpm(tmp_path):
    """QEMU's options for a TPM, by a swtpm of its own."""
    if not shutil.which("swtpm"):
        pytest.skip("swtpm is not installed")
    path = tmp_path / "swtpm"
    path.mkdir()
    with subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={path}", "--ctrl",
             f"type=unixio,path={path}/socket", "--terminate"], stdin=subprocess.DEVNULL) as swtpm:
        eventually((path / "socket").exists, "swtpm listens")
        yield ["-chardev", f"socket,id=tpm,path={path}/socket", "-tpmdev",
               "emulator,id=tpm0,chardev=tpm", "-device", "tpm-tis,tpmdev=tpm0"]
        swtpm.kill()


def test_what_acpi_is_for_still_works(guest, tpm):
    """The TPM's physical presence interface answers, and a CPU that comes while the guest runs is
    found: their regions are reserved memory and ports. That Linux then uses the CPU is not for
    emulation: without KVM it takes only those for possible that were there at first."""
    with Machine(guest("own"), debug=True, cmdline="console=ttyS0 quiet",
                 options=["-smp", "cpus=1,maxcpus=2,sockets=2", *tpm]) as machine:
        console = machine.serial
        console.wait("login: ")
        console.send("root\n")
        console.wait(" # ")

        def run(command, expected):
            start = len(console.text)
            console.send(command + "; echo '<'$?'>'\n")
            end = console.wait("\r\n<0>\r\n", 30, start)
            assert expected in console.text[start:end]

        run("cat /sys/class/tpm/tpm0/ppi/version", "\r\n1.3\r\n")
        run("cat /sys/class/tpm/tpm0/ppi/request", "\r\n0\r\n")
        second = "/sys/bus/acpi/devices/LNXCPU:01/status"
        run(f"cat {second}", "\r\n0\r\n")
        machine.command("device_add", driver="max-x86_64-cpu", id="second", **{
            "socket-id": 1, "core-id": 0, "thread-id": 0})
        run(f"until test $(cat {second}) = 15; do sleep 0.1; done", "")
        run("dmesg | grep -c 'refused: ACPI' || true", "\r\n0\r\n")


# Where the host is busy, emulation would make it panic for a late timer, before it has a device.
PANIC = "console=ttyS0 quiet no_timer_check rdinit=/nothing"
KERNEL_LINE = re.compile(r"^\[ *\d+\.\d+\] \w", re.M)  # that one, or another of those around it
PANICKED = "Kernel panic - not syncing: "


@pytest.mark.parametrize("device,event", [
    ([], '"reason": "guest-reset"'),
    (["-device", "pvpanic"], '"event": "GUEST_PANICKED"'),
    (["-device", "pvpanic-pci"], '"event": "GUEST_PANICKED"'),
], ids=["none", "pvpanic", "pvpanic-pci"])
def test_a_panic_is_told_by_what_there_is(guest, device, event):
    with Machine(guest("own"), cmdline=PANIC, options=["-no-reboot", *device]) as machine:
        # The line by which cvmd finds it on platforms without pvpanic.
        start = machine.serial.wait(PANICKED) - len(PANICKED)
        assert re.search(r"^\[ *\d+\.\d+\] \Z", machine.serial.text[:start], re.M)
        machine.qmp.wait(event, 30)


def test_a_panic_is_an_event(cvmd, guest):
    """The event that cvmd(8) promises, from a real kernel, and the console with --debug."""
    guest()  # what build/ embeds
    with cvmd.client() as watcher:
        watcher.send("Watch", {"name": "web"}, more=True)
        cvmd.cvmctl("launch", "web", "--platform", "plain", "--memory", "256M", "--debug",
                    "--cmdline", PANIC, "--wait", "running", timeout=120)
        cvmd.wait_state("web", "failed", seconds=120)
        events = []
        while not events or events[-1].get("newState") != "failed":
            events.append(watcher.receive(more=True)[0]["event"])
    assert cvmd.status("web")["ending"]["reason"] == "guest-panic"
    assert [event["kind"] for event in events].count("panic") == 1
    assert KERNEL_LINE.search(cvmd.cvmctl("logs", "web").stdout)
