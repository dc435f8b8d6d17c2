# SPDX-License-Identifier: Apache-2.0
"""Other programs that predict measurements, of Debian unstable: PEERS_ROOT names its root,
FIRMWARE_SEV its ovmf-amdsev. scripts/test --lane peers makes them. What is compiled in the root is
kept beside it."""
import hashlib
import os
import pathlib
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent / "snp-digest"
# In a mount namespace of its own, which takes its mounts with it: the test's directory on /mnt.
ENTER = """
mount --bind "$2" "$1/mnt" && mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" &&
export ROOT="$1" && shift 2 && exec chroot "$ROOT" "$@"
"""
# Crates of Debian's packages, and no others.
CARGO = """
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
"""


class Peers:
    def __init__(self, root, directory):
        self.root = pathlib.Path(root)
        self.directory = directory

    def run(self, *command, seconds=60):
        """Standard output of a command that sees the test's directory as /mnt."""
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", self.root,
             self.directory, *map(str, command)],
            env={"PATH": "/usr/lib/systemd:/usr/bin:/usr/sbin:/bin:/sbin", "LC_ALL": "C.UTF-8",
                 "CARGO_HOME": "/mnt/cargo"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=seconds, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def peers(tmp_path):
    if "PEERS_ROOT" not in os.environ:
        pytest.skip("PEERS_ROOT is not set; scripts/test --lane peers makes one")
    return Peers(os.environ["PEERS_ROOT"], tmp_path)


@pytest.fixture
def snp_digest(peers):
    """Runs snp-digest and returns its lines."""
    sources = [SOURCE / "Cargo.toml", SOURCE / "src/main.rs"]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    built = peers.root.parent / "programs" / f"snp-digest-{peers.root.name}-{key}"
    if not built.exists():
        shutil.copytree(SOURCE, peers.directory / "source")
        (peers.directory / "cargo").mkdir()
        (peers.directory / "cargo/config.toml").write_text(CARGO)
        peers.run("cargo", "build", "--release", "--offline", "--manifest-path",
                  "/mnt/source/Cargo.toml", seconds=900)
        built.parent.mkdir(exist_ok=True)
        new = built.with_suffix(f".{os.getpid()}")
        shutil.copy(peers.directory / "source/target/release/snp-digest", new)
        new.rename(built)
    shutil.copy(built, peers.directory / "snp-digest")
    return lambda *words: peers.run("/mnt/snp-digest", *words).split()
