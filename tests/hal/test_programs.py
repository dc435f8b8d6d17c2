# SPDX-License-Identifier: Apache-2.0
"""What programs find in the full image: by root's shell in the debug variant, as the documents'
chapter on the HAL shows it."""
import pathlib
import sys

import pytest

from harness.login import Login
from harness.machine import Machine

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import workloads  # noqa: E402


@pytest.fixture
def data(shares, tmp_path):
    """The share data-1, with what is to run."""
    directory = shares[2][1]
    (directory / "hello.wasm").write_bytes(workloads.wasm_hello("hello from wasm"))
    (directory / "hello.tar").write_bytes(
        workloads.docker_image("hello:1", workloads.HELLO_C))
    return directory


def test_debug_image(full, shares, data):
    with Machine(full, debug=True, cmdline="console=ttyS0 quiet", shares=shares,
                 memory="1G") as machine:
        shell = Login(machine)
        assert shell.run("id -u") == "0\n"
        assert "Mem:" in shell.run("free -h")
        used = int(shell.run("free -m | awk '/^Mem:/ {print $3}'"))
        status = shell.run("systemctl status cvm-agent --no-pager --full")
        assert "active (running)" in status and "Agent listens on port 7002" in status
        assert shell.run("systemctl --failed --no-legend --plain") == ""

        # The environment share changes no program, and its files cannot be executed.
        pid = shell.run("systemctl show -P MainPID cvm-agent").strip()
        environment = shell.run(f"tr '\\0' '\\n' </proc/{pid}/environ")
        assert "PATH=/usr" in environment and "/etc/certs" not in environment
        assert "Permission denied" in shell.run("/etc/certs/sh 2>&1", status=126)
        assert shell.run("cat /etc/resolv.conf") == "nameserver 10.0.2.3\n"

        times = {}

        def timed(what, command, seconds=120):
            output = shell.run(command, seconds)
            times[what] = shell.seconds
            return output

        assert timed("python3", "python3 -c 'print(6 * 7)'") == "42\n"
        shell.run("python3 -c 'import ctypes, hashlib, json, lzma, socket, sqlite3, ssl, zlib'")
        assert int(shell.run("python3 -c 'import ssl; print(len(ssl.create_default_context()"
                             ".get_ca_certs()))'")) > 100
        assert timed("wasmedge", "wasmedge /mnt/data-1/hello.wasm") == "hello from wasm\n"
        assert timed("docker load and run", "docker load -qi /mnt/data-1/hello.tar && "
                     "docker run --rm --network none hello:1", 240).endswith(
                         "\nhello from a container\n")
        info = shell.run("docker info 2>/dev/null")
        for line in ("Storage Driver: overlay2", "Cgroup Driver: systemd", "Cgroup Version: 2"):
            assert line in info
        assert shell.run("docker run --rm --memory 64m hello:1", 120) == "hello from a container\n"
        # A read-only base, and nothing that outlives the machine.
        assert shell.run("findmnt -no FSTYPE /").strip() == "overlay"

        # An agent that dies is started again.
        heard = machine.hear("READY=1\n")
        shell.run("systemctl kill -s KILL --kill-whom main cvm-agent")
        heard = machine.hear("STATUS=Agent ended, starting it again\n", after=heard)
        machine.hear("READY=1\n", after=heard)
        machine.command("system_powerdown")
        assert machine.wait_end(60) == "guest-shutdown"
        print(f"used after the login: {used} MB; " + ", ".join(
            f"{what}: {seconds:.1f} s" for what, seconds in times.items()))
