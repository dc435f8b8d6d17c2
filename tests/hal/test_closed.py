# SPDX-License-Identifier: Apache-2.0
"""The default image takes nothing from the host that is not measured, and the hooks of systemd's
command line start nothing."""
import base64
import os
import pathlib
import re
import shutil
import time

import pytest
from lib import debian, full as image, profile, programs
from lib.tree import Tree

from harness.login import Login
from harness.machine import Machine

CREDENTIAL = "io.systemd.credential.binary"
SAY = "/bin/sh -c 'echo HOST-{} >/dev/ttyS0'"
EVIL = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=" + SAY.format("UNIT")
DROP_IN = "[Service]\nExecStartPre=" + SAY.format("DROPIN")
WANTS = "[Unit]\nWants=evil.service w.service\n"
SMBIOS = {
    "systemd.extra-unit.evil.service": EVIL,
    "systemd.unit-dropin.cvm-agent.service": DROP_IN,
    "systemd.unit-dropin.multi-user.target": WANTS,
    "passwd.hashed-password.root": "",
    "passwd.plaintext-password.root": "",
    "tmpfiles.extra": "w /dev/ttyS0 - - - - HOST-TMPFILES\n",
    "system.hostname": "host-name",
    "system.machine_id": "00000000000040008000000000000e11",
    "ttys.other": "ttyS0",
    "getty.ttys.serial": "ttyS0",
}
# QEMU lets a name there be 55 characters long, with opt/io.systemd.credentials/.
FW_CFG = {"systemd.extra-unit.w.service": EVIL.replace("UNIT", "FWCFG")}
CMDLINE = ("console=ttyS0 quiet systemd.debug_shell=ttyS0 systemd.debug-shell=1 "
           "systemd.default_debug_tty=ttyS0 systemd.wants=evil.service systemd.wants=w.service "
           "systemd.getty_auto=1 rd.systemd.debug_shell rd.break rd.shell "
           "\"systemd.run=/bin/sh -c 'echo HOST-RUN >/dev/ttyS0'\" systemd.run_success_action=none "
           "LD_PRELOAD=/etc/certs/evil.so PATH=/etc/certs")
GENERATORS = re.compile("usr/lib/systemd/system-generators/systemd-debug-generator")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or
                     pathlib.Path.home() / ".cache") / "cvmd" / "guest"
FIRMWARE = pathlib.Path("/usr/share/OVMF")
VARIABLES = "/sys/firmware/efi/efivars"
# What systemd takes for more words of its command line where Secure Boot is off.
OPTIONS_VARIABLE = "SystemdOptions-8cf2644b-4b0b-428f-9387-6d876050dc67"
UUID = "00000000-0000-4000-8000-00000000e5c1"
FEW_SECONDS = 6  # for what starts after READY


def options(tmp_path):
    """QEMU's, for credentials by the firmware's tables and by fw_cfg."""
    found = []
    for name, text in SMBIOS.items():
        value = base64.b64encode(text.encode()).decode()
        found += ["-smbios", f"type=11,value={CREDENTIAL}:{name}={value}"]
    for number, (name, text) in enumerate(FW_CFG.items()):
        path = tmp_path / f"credential-{number}"
        path.write_text(text)
        found += ["-fw_cfg", f"name=opt/io.systemd.credentials/{name},file={path}"]
    return found


def attacked(guest, shares, tmp_path):
    """What the console of an attacked machine showed after READY, and what the agent says."""
    with Machine(guest, cmdline=CMDLINE, memory="1G", shares=shares,
                 options=options(tmp_path)) as machine:
        machine.hear("READY=1\n", seconds=120)
        time.sleep(FEW_SECONDS)
        answer = machine.ask("{}")[0]
        quiet = len(machine.serial.text)
        machine.serial.send("\nroot\n\nid\n")
        time.sleep(2)
        return machine.serial.text, machine.serial.text[quiet:], answer


def test_hooks_start_nothing(full, shares, tmp_path):
    text, typed, answer = attacked(full, shares, tmp_path)
    assert "HOST-" not in text and "uid=0" not in text and "login:" not in text, text
    assert typed == ""
    assert answer["environmentCount"] == 4


@pytest.fixture
def opened(full, manifest, tmp_path):
    """The image with systemd's generators put back, as one more layer behind it."""
    archive = debian.Archive(CACHE, profile.FULL, offline=True)
    debs = archive.fetch_all(archive.packages())
    tree = Tree()
    tree.add_package(debs["systemd"], GENERATORS.match)
    with programs.Programs(tmp_path, debs) as runner:
        layer = runner.erofs(tree, "generators")
    size = manifest["layers"]["root.erofs"]["size"]
    cpio = image.Cpio()
    cpio.file("generators.erofs", layer)
    cpio.file(image.LAYERS, f"root.erofs {size}\ngenerators.erofs {len(layer)}\n".encode())
    made = tmp_path / "opened"
    made.mkdir()
    (made / "bzImage").symlink_to(full / "bzImage")
    (made / "initramfs.cpio").write_bytes((full / "initramfs.cpio").read_bytes() + cpio.bytes())
    return made


def test_the_same_hooks_with_generators(opened, shares, tmp_path):
    """This is what the test above would see if they were there."""
    text, _, _ = attacked(opened, shares, tmp_path)
    assert "HOST-UNIT" in text and "HOST-FWCFG" in text and "HOST-DROPIN" in text, text


def test_no_identity_of_the_host(full, tmp_path):
    """Neither the name nor the identifier of the machine come from the firmware's tables."""
    found = []
    for _ in range(2):
        with Machine(full, debug=True, cmdline="console=ttyS0 quiet", memory="1G",
                     options=[*options(tmp_path), "-uuid", UUID]) as machine:
            shell = Login(machine)
            assert shell.run("cat /proc/sys/kernel/hostname") == "cvm\n"
            found.append(shell.run("cat /etc/machine-id"))
            assert shell.run("systemctl --failed --no-legend --plain") == ""
    assert all(re.fullmatch("[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\n", text)
               for text in found), found
    assert found[0] != found[1]
    assert not {SMBIOS["system.machine_id"], UUID.replace("-", "")} & {
        text.strip() for text in found}


def test_no_firmware_variables(full, tmp_path):
    """Neither are words of systemd's command line among the firmware's variables, which the host
    writes, here by the guest's hand."""
    if not (FIRMWARE / "OVMF_CODE_4M.fd").exists():
        pytest.skip("OVMF_CODE_4M.fd is not there: apt-get install ovmf")
    variables = tmp_path / "variables"
    shutil.copy(FIRMWARE / "OVMF_VARS_4M.fd", variables)
    drives = ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE / 'OVMF_CODE_4M.fd'}",
              "-drive", f"if=pflash,format=raw,file={variables}"]
    found = []
    for _ in range(2):
        with Machine(full, debug=True, cmdline="console=ttyS0 quiet", memory="1G",
                     options=drives) as machine:
            shell = Login(machine, seconds=240)
            assert shell.run(f"ls -A {VARIABLES}") == ""
            assert shell.run(f"touch {VARIABLES}/x 2>/dev/null", status=1) == ""
            pid = shell.run("systemctl show -P MainPID cvm-agent").strip()
            assert "HOST" not in shell.run(f"tr '\\0' '\\n' </proc/{pid}/environ")
            shell.run(f"mount -t efivarfs efivarfs {VARIABLES}")
            found.append(OPTIONS_VARIABLE in shell.run(f"ls {VARIABLES}"))
            shell.run("python3 -c 'import sys; t = \"systemd.setenv=HOST=1\\0\"; "
                      "sys.stdout.buffer.write(bytes([7, 0, 0, 0]) + t.encode(\"utf-16-le\"))' "
                      ">/tmp/words")
            shell.run(f"dd if=/tmp/words of={VARIABLES}/{OPTIONS_VARIABLE} bs=1k 2>/dev/null"
                      if not found[-1] else "true")
            machine.command("system_powerdown")
            machine.wait_end(60)
    assert found == [False, True]
