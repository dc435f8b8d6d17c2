# SPDX-License-Identifier: Apache-2.0
"""The guest's side of cvm-guest(7): what hal/build makes, booted by a bare QEMU without cvmd."""
import gzip
import json
import re
import time

import pytest

from harness.agent import GIVEN, assert_environment, cert_mac, proof, sha256
from harness.machine import Machine

GUESTS = ["own", "confidential"]
UPTIME = "X_CVMD_UPTIME_USEC=[1-9][0-9]*\n"

# By the names that the guest's environment file shall give them, quoted as cvmd does it.
ENVIRONMENT = {
    "BIG": "0123456789abcde\n" * 65536,  # 1 MiB
    "EMPTY": "",
    "MIX": 'x y,z="q"',
    "SHELL_": "$HOME `id` \\ ! ' \" ; # % *",
    "SPACES": "  in front and behind  ",
    "TAB": "a\tb",
    "UTF_8": "héllo ☃",
}


def quote(value):
    return '"' + "".join("\\" + c if c in '\\"$`' else c for c in value) + '"'


@pytest.fixture
def shares(tmp_path):
    """env_share, certs_share and one more."""
    for name in ("env", "certs", "data"):
        (tmp_path / name).mkdir()
    text = "".join(f"{name}={quote(value)}\n" for name, value in (GIVEN | ENVIRONMENT).items())
    (tmp_path / "env" / "environment").write_text(text)
    (tmp_path / "certs" / "ca.pem").write_bytes(b"authority\n" * 20000)
    (tmp_path / "certs" / "cert.pem").write_bytes(b"")
    (tmp_path / "certs" / "key.pem").write_bytes(bytes(range(256)))
    return [("env_share", tmp_path / "env"), ("certs_share", tmp_path / "certs"),
            ("data-1", tmp_path / "data")]


@pytest.mark.parametrize("name", GUESTS)
def test_the_contract(guest, shares, name):
    """From READY through the agent's answers to the power button, with console=null."""
    directory = guest(name)
    manifest = json.loads((directory / "manifest.json").read_text())
    with Machine(directory, shares=shares) as machine:
        machine.hear("READY=1\n")
        assert re.fullmatch("STATUS=Agent listens on port 7002\n" + UPTIME + "READY=1\n",
                            machine.notify.text)

        plain, nonce, bad, again, given = machine.ask("{}", '{"nonce":"AAEC"}', "{]", "{}",
                                                      proof())
        assert_environment(given, ENVIRONMENT)
        certs = shares[1][1]
        assert given["certs"] == [
            {"name": name, "hmac": cert_mac(name, (certs / name).read_bytes()),
             "size": (certs / name).stat().st_size} for name in ("ca.pem", "cert.pem", "key.pem")]
        assert plain["environmentCount"] == len(ENVIRONMENT) + 1 and plain["certsCount"] == 3
        assert not {"environment", "certs"} & set(plain) | {"environment", "certs"} & set(nonce)
        assert plain["shares"] == [
            {"tag": "env_share", "path": "/etc/cocos", "mounted": True},
            {"tag": "certs_share", "path": "/etc/certs", "mounted": True},
            {"tag": "data-1", "path": "/mnt/data-1", "mounted": True}]
        assert plain["agent"] == {"version": manifest["agent"]["version"]}
        assert plain["kernel"] == manifest["kernel"]
        assert plain["cmdline"] == "console=null quiet"
        assert plain["cpus"] == 1
        assert 128 << 20 < plain["memory"] <= 256 << 20
        assert "report" not in plain and "pcrs" not in plain
        assert nonce["report"] == {"error": "this machine makes no reports"}
        assert list(bad) == ["error"]
        assert again["uptimeMs"] >= plain["uptimeMs"] > 0

        machine.command("system_powerdown")
        assert machine.wait_end(10) == "guest-shutdown"
        machine.hear("STATUS=Powering off\nSTOPPING=1\n", seconds=1)


def test_debug_image(guest, shares):
    """Root logs in on the console without a password; what the guest's first process is for."""
    with Machine(guest(), debug=True, cmdline="console=ttyS0 quiet",
                 shares=shares) as machine:
        console = machine.serial
        console.wait("login: ")
        console.send("root\n")
        place = console.wait(" # ")

        def run(command, expected):
            nonlocal place
            console.send(command + "; echo '<'$?'>'\n")
            end = console.wait("\r\n<0>\r\n", 30, place)
            place = console.wait(" # ", 30, end)
            assert expected in console.text[end - 2000 if end > 2000 else 0:end]

        run("id -u", "\r\n0\r\n")
        run("sha256sum /etc/certs/key.pem", sha256(bytes(range(256))))
        run("touch /etc/cocos/x 2>&1 || true", "Read-only file system")
        # The first process has its descriptors 0 to 2.
        run("for i in 0 1 2; do readlink /proc/1/fd/$i; done", "/dev/null\r\n" * 3)
        # Orphans are reaped, and an agent that dies is started again.
        run("for i in 1 2 3; do (sleep 0.1 &); done; sleep 1", "")
        run("ps -o stat,comm | grep -c '^Z' || true", "\r\n0\r\n")
        heard = machine.hear("READY=1\n")
        run("kill -9 $(pidof cvm-agent)", "")
        heard = machine.hear("STATUS=Agent ended", after=heard)
        machine.hear("READY=1\n", after=heard)
        assert machine.ask("{}")[0]["cmdline"] == "console=ttyS0 quiet"

        console.send("reboot\n")
        heard = machine.hear("STATUS=Rebooting\nSTOPPING=1\n", seconds=10, after=heard)
        machine.qmp.wait('"event": "RESET"', 10)
        console.send("\n" if console.wait("login: ", after=place) else "")
        machine.hear("READY=1\n", after=heard)
        machine.command("system_powerdown")
        assert machine.wait_end(10) == "guest-shutdown"


def test_no_way_in(guest):
    """The default image with a console: no prompt, and what is typed gets no answer. Without its
    shares it boots too, and says so, also to a host that listens late."""
    credential = "io.systemd.credential:vmm.notify_socket=vsock-stream:2:1234"
    with Machine(guest(), cmdline="console=ttyS0 quiet",
                 options=["-smbios", f"type=11,value={credential}"]) as machine:
        answer = machine.ask("{}")[0]
        missing = "No such file or directory"
        assert answer["shares"] == [
            {"tag": "env_share", "path": "/etc/cocos", "mounted": False, "error": missing},
            {"tag": "certs_share", "path": "/etc/certs", "mounted": False, "error": missing}]
        assert (answer["environmentCount"], answer["certsCount"]) == (0, 0)
        assert answer["environmentProblem"] == missing
        machine.hear("READY=1\n")
        assert re.fullmatch(
            "STATUS=Agent listens on port 7002, without env_share, without certs_share, "
            f"environment: {missing}\n{UPTIME}READY=1\n", machine.notify.text)
        # This machine has no vsock: that the guest tried it says that it found the credential.
        lines = ("cvm-agent: notifying by vsock: ",
                 "share certs_share is not mounted on /etc/certs: ")
        quiet = max(machine.serial.wait("\n", after=machine.serial.wait(line)) for line in lines)
        machine.serial.send("\nroot\n\nid\n")
        time.sleep(2)
        assert machine.serial.text[quiet:] == ""


def test_ctrl_alt_del_reboots(guest, shares):
    """Where the kernel knows a keyboard: the own one does not."""
    with Machine(guest("confidential"), shares=shares[:2]) as machine:
        heard = machine.hear("READY=1\n")
        machine.command("send-key", keys=[{"type": "qcode", "data": key}
                                          for key in ("ctrl", "alt", "delete")])
        heard = machine.hear("STATUS=Rebooting\nSTOPPING=1\n", seconds=10, after=heard)
        machine.hear("READY=1\n", after=heard)
        machine.qmp.wait('"event": "RESET"', 10)
        assert machine.ask("{}")[0]["uptimeMs"] < 60000


def test_images_hold_no_shell(guest):
    for name in GUESTS:
        names = members(guest(name) / "initramfs.cpio.gz")
        assert [name for name in names if not name.startswith(("lib", "usr/lib/cvm-attest/"))] == [
            "dev", "dev/console", "dev/null", "etc", "etc/certs", "etc/cocos", "init", "mnt",
            "proc", "run", "sys", "usr", "usr/lib", "usr/lib/cvm-attest"]
        assert all(".so." in name or name.endswith("/cvm-attest") for name in names
                   if name.startswith("usr/lib/cvm-attest/"))
        assert bool([name for name in names if name.endswith(".ko")]) == (name != "own")
        assert "bin/sh" in members(guest(name) / "initramfs-debug.cpio.gz")


def members(path):
    """Names in a cpio archive, by the header's own sizes."""
    data, offset, names = gzip.decompress(path.read_bytes()), 0, []
    while True:
        assert data[offset:offset + 6] == b"070701"
        size, length = (int(data[offset + at:offset + at + 8], 16) for at in (54, 94))
        name = data[offset + 110:offset + 110 + length - 1].decode()
        if name == "TRAILER!!!":
            return names
        names.append(name)
        offset = (offset + 110 + length + 3) // 4 * 4
        offset = (offset + size + 3) // 4 * 4
