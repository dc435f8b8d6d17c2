# SPDX-License-Identifier: Apache-2.0
"""Whether QEMU's CPU models reach the memory of an SEV platform: where they do not, the rendered
command says host-phys-bits=on. QEMU is asked with TCG, whose models have the same 40 bits; the
memory is a sparse file, of which nothing is used."""
import json
import re
import subprocess

import pytest

QEMU = "/usr/bin/qemu-system-x86_64"
PLATFORMS = {"7": "sev", "10": "sev-snp-ovmf", "11": "sev-snp-ovmf"}
# Around 973 GiB, from which on QEMU moves memory behind AMD's range of HyperTransport.
MEMORY = ("2G", "512G", "971G", "972G", "995823M", "973G", "980G", "1012G", "1T", "2T")
LAST = re.compile(r"Address space limit 0xffffffffff < 0x[0-9a-f]+ phys-bits too low \(40\)")


def words(argv, option):
    return argv[argv.index(option) + 1]


def render(qemu, memory):
    done = qemu.daemon.cvmctl("render", "web", "--platform", PLATFORMS[qemu.name], "--memory",
                              memory, "--publish", "none", "--json")
    return json.loads(done.stdout)["argv"]


def start(qemu, cpu, memory):
    """What QEMU says on its way to prelaunch, and whether it gets there."""
    size = memory.split(",")[0]
    command = ["chroot", qemu.root, QEMU, "-nodefaults", "-display", "none", "-accel", "tcg", "-S",
               "-machine", "q35,memory-backend=ram1", "-cpu", cpu, "-m", memory, "-object",
               f"memory-backend-memfd,id=ram1,size={size},share=on,prealloc=off,reserve=off",
               "-qmp", "stdio"]
    done = subprocess.run(command, input='{"execute": "qmp_capabilities"}{"execute": "quit"}',
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          check=False)
    return done.returncode == 0, done.stdout


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("qemu", PLATFORMS, indirect=["qemu"])
def test_where_the_model_ends(qemu, memory):
    argv = render(qemu, memory)
    model, _, more = words(argv, "-cpu").partition(",")
    assert more in ("", "host-phys-bits=on")
    starts, said = start(qemu, model, words(argv, "-m"))
    assert starts == (not more), said
    assert starts or LAST.search(said), said
