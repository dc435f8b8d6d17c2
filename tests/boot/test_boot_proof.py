# SPDX-License-Identifier: Apache-2.0
"""PCR 4 and 9 of guests that really booted are those that were predicted, in both banks."""
import itertools
import json

import pytest

from harness import expected, peer
from harness.agent import Agent

KERNELS = {"6.1": "PLAIN", "6.12": "PLAIN13", "own": "OWN"}
FIRMWARE = ("BOOKWORM", "TRIXIE", "SID")
CMDLINES = {"usual": "console=null quiet", "odd": "quiet a,b='c  d' x=\"y=z\"  $HOME `id` \\ ",
            "empty": ""}
INITRAMFS = ("even", "odd")
QEMUS = ("10", "11")
MEMORY = ("512M", "4G")
# A covering array: each pair of values of any two columns is in a row.
ROWS = (
    ("BOOKWORM", "usual", "6.1", "odd", "11", "512M"),
    ("BOOKWORM", "odd", "6.12", "odd", "10", "4G"),
    ("BOOKWORM", "empty", "6.12", "even", "10", "512M"),
    ("TRIXIE", "usual", "6.12", "even", "10", "512M"),
    ("TRIXIE", "odd", "6.1", "odd", "10", "512M"),
    ("TRIXIE", "empty", "6.1", "even", "11", "4G"),
    ("SID", "usual", "6.12", "odd", "10", "4G"),
    ("SID", "odd", "6.12", "even", "11", "512M"),
    ("SID", "empty", "6.1", "odd", "10", "512M"),
)

# The kernel that cvmd embeds, by each QEMU.
OWN_ROWS = (
    ("BOOKWORM", "odd", "own", "odd", "installed", "4G"),
    ("TRIXIE", "usual", "own", "even", "installed", "512M"),
    ("BOOKWORM", "usual", "own", "even", "11", "4G"),
    ("TRIXIE", "empty", "own", "odd", "10", "512M"),
    ("SID", "usual", "own", "odd", "11", "512M"),
)


def test_every_pair_is_booted():
    values = (FIRMWARE, CMDLINES, ("6.1", "6.12"), INITRAMFS, QEMUS, MEMORY)
    for one, other in itertools.combinations(range(len(values)), 2):
        wanted = set(itertools.product(values[one], values[other]))
        assert wanted == {(row[one], row[other]) for row in ROWS}


def of_size(path, parity, directory):
    """The initramfs with zeros after it, which the kernel passes over, to the size wanted."""
    data = path.read_bytes()
    # odd: no multiple of anything that firmware or kernel could round to
    while len(data) % 4 != (3 if parity == "odd" else 0):
        data += b"\0"
    copy = directory / f"initramfs-{parity}"
    copy.write_bytes(data)
    return copy


@pytest.mark.parametrize("firmware,cmdline,kernel,initramfs,qemu,memory", ROWS + OWN_ROWS,
                         indirect=["qemu"])
def test_pcrs(config, make_daemon, files, guest, qemu,  # pylint: disable=too-many-arguments
              tmp_path, firmware, cmdline, kernel, initramfs, memory):
    guest = guest(KERNELS[kernel])
    options = ["--platform", "plain-uefi", "--kernel", guest / "bzImage",
               "--initramfs", of_size(guest / "initramfs.cpio.gz", initramfs, tmp_path),
               "--firmware", files[f"FIRMWARE_{firmware}"], "--cmdline", CMDLINES[cmdline],
               "--cpus", 1, "--memory", memory]
    daemon = make_daemon(config)
    daemon.cvmctl("launch", "proof", *options, "--wait", "ready", timeout=400)
    cvm = daemon.status("proof")
    answer = Agent(cvm).ask(timeout=120)
    release = json.loads((guest / "manifest.json").read_text())["kernel"]
    assert answer["kernel"] == release and (kernel == "own" or release.startswith(f"{kernel}."))
    booted = {f"PCR{n}-{bank}": answer["pcrs"][bank][str(n)]
              for n in (4, 9) for bank in ("sha256", "sha384")}
    assert booted == cvm["measurement"]
    offline = json.loads(daemon.cvmctl("measure", *options, "--qemu", qemu[1], "--json").stdout)
    assert booted == {f"{one['name']}-{one['algorithm']}": one["value"]
                      for one in offline["registers"]}


@pytest.mark.parametrize("kernel, td", [("6.1", "none"), ("6.12", "both")])
def test_what_a_kernel_measures(guest, kernel, td):
    """The EFI stub of Linux 6.1 measures load options and initramfs into a TPM alone, that of 6.12
    into a TD's registers too."""
    made = guest(KERNELS[kernel])
    for platform, name, stub in (("vtpm", "PCR9", "both"), ("tdx", "RTMR2", td)):
        done = peer.cvmctl("measure", "--platform", platform, "--kernel", made / "bzImage",
                           "--initramfs", made / "initramfs.cpio.gz", "--cmdline", "quiet",
                           "--profile", "options=prefix", "--json")
        assert done.code == 0, done.err
        assert done.json["profile"]["stub"]["value"] == stub
        value = expected.extend("sha384", [] if stub == "none" else expected.options(
            "sha384", "quiet", (made / "initramfs.cpio.gz").read_bytes(), True))
        assert value in [reg["value"] for reg in done.json["registers"]
                         if reg["name"] == name and reg["algorithm"] == "sha384"]
