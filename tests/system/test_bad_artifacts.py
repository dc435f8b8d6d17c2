# SPDX-License-Identifier: Apache-2.0
"""Files that no CVM may boot from: refused before QEMU is started, and nothing is kept of them."""
import hashlib
import os

import pytest

from harness import artifacts, exits, images
from harness.peer import cvmctl
from harness.varlink import VarlinkError


def refused(daemon, error, **fields):
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch("web", **fields)
    assert refusal.value.name == error, refusal.value
    assert daemon.cvms() == []
    return refusal.value.fields


def truncated(path):
    path.write_bytes(artifacts.kernel(path).read_bytes()[:600])


def without_magic(path):
    path.write_bytes(artifacts.kernel(path).read_bytes().replace(b"HdrS", b"SrdH"))


KERNELS = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": truncated,
    "of a few bytes": lambda path: path.write_bytes(b"MZ"),
    "no bzImage": lambda path: path.write_bytes(b"\x7fELF" + bytes(65536)),
    "without its magic": without_magic,
    "zeros": lambda path: path.write_bytes(bytes(1 << 20)),
}


@pytest.mark.parametrize("what", KERNELS)
def test_kernel(shared, tmp_path, what):
    path = tmp_path / "kernel"
    KERNELS[what](path)
    fields = refused(shared, "ArtifactInvalid", kernel={"path": str(path)})
    assert fields["artifact"] == "kernel" and fields["reason"]


FOREIGN = {
    "a unified kernel image (UKI)": images.uki,
    "an ELF file": lambda: b"\x7fELF" + bytes(4096),
    "gzip-compressed": lambda: b"\x1f\x8b\x08" + bytes(4096),
    "zstd-compressed": lambda: b"\x28\xb5\x2f\xfd" + bytes(4096),
    "a text file": lambda: b"root:x:0:0:root:/root:/bin/bash\n" * 40,
    "an arm64 Image": lambda: bytes(0x38) + b"ARM\x64" + bytes(4096),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_kernel_of_another_form(shared, tmp_path, what):
    """The refusal says what the file is; measure says the same."""
    path = tmp_path / "kernel"
    path.write_bytes(FOREIGN[what]())
    fields = refused(shared, "ArtifactInvalid", kernel={"path": str(path)})
    assert fields["artifact"] == "kernel" and fields["reason"].startswith(what)
    done = cvmctl("measure", "--platform", "vtpm", "--kernel", path)
    assert done.code == exits.DATA and what in done.err


@pytest.mark.parametrize("content", [b"", b"no archive at all", bytes(4096)])
def test_initramfs(shared, tmp_path, content):
    path = tmp_path / "initramfs"
    path.write_bytes(content)
    fields = refused(shared, "ArtifactInvalid", initramfs={"path": str(path)})
    assert fields["artifact"] == "initramfs" and fields["reason"]


def make_fifo(path):
    os.mkfifo(path)
    return path


PATHS = {
    "missing": lambda path: path,
    "in a file": lambda path: "/etc/passwd/kernel",
    "a directory": lambda path: "/etc",
    "a FIFO": make_fifo,
    "without an end": lambda path: "/dev/zero",
    "a terminal": lambda path: "/dev/tty",
    "a descriptor of the daemon's": lambda path: "/proc/self/fd/1",
    "a name too long": lambda path: "/" + "n" * 300,
}


@pytest.mark.parametrize("what", PATHS)
def test_path(shared, tmp_path, what):
    path = str(PATHS[what](tmp_path / "kernel"))
    fields = refused(shared, "InvalidSpec", kernel={"path": path})
    assert fields["field"] == "kernel" and fields["reason"]


def test_digest_that_is_pinned(shared):
    digest = hashlib.sha256(shared.kernel.read_bytes()).hexdigest()
    cvm = shared.launch("web", kernel={"path": str(shared.kernel), "sha256": digest})
    assert cvm["artifacts"]["kernel"] == digest
    assert cvm["artifacts"]["initramfs"] == hashlib.sha256(
        shared.initramfs.read_bytes()).hexdigest()


def test_digest_of_other_bytes(shared):
    fields = refused(shared, "ArtifactInvalid",
                     kernel={"path": str(shared.kernel), "sha256": "0" * 64})
    assert fields["artifact"] == "bzImage"
    assert hashlib.sha256(shared.kernel.read_bytes()).hexdigest() in fields["reason"]


def test_embedded_name_that_there_is_not(shared):
    fields = refused(shared, "ArtifactInvalid", kernel={"name": "vmlinux"})
    assert fields["artifact"] and fields["reason"]


def test_by_descriptor(shared):
    with open(shared.kernel, "rb") as kernel, open(shared.initramfs, "rb") as initramfs:
        with shared.client() as client:
            spec = shared.spec("web", kernel={"fd": 0}, initramfs={"fd": 1})
            fds = [kernel.fileno(), initramfs.fileno()]
            cvm = client.call("Launch", {"spec": spec}, fds=fds)["cvm"]
    assert cvm["artifacts"]["kernel"] == hashlib.sha256(shared.kernel.read_bytes()).hexdigest()


@pytest.mark.parametrize("flags, path", [
    (os.O_RDONLY, "/etc"), (os.O_RDONLY, "/dev/zero"), (os.O_PATH, "/etc/passwd"),
    (os.O_WRONLY, "/dev/null"),
])
def test_by_a_descriptor_of_something_else(shared, flags, path):
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        with shared.client() as client, pytest.raises(VarlinkError) as refusal:
            client.call("Launch", {"spec": shared.spec("web", kernel={"fd": 0})}, fds=[fd])
    finally:
        os.close(fd)
    assert (refusal.value.name, refusal.value.fields["field"]) == ("InvalidSpec", "kernel")


@pytest.mark.parametrize("field", ["certs", "shares", "disks"])
def test_no_descriptor_of_what_is_refused_stays(shared, field):
    """The fixture looks at what the daemon holds."""
    members = {"certs": {"x": {"fd": 0}}, "shares": [{"tag": "a", "fd": 0}],
               "disks": [{"fd": 0}]}
    fd = os.open("/dev/null", os.O_RDONLY)
    try:
        with shared.client() as client, pytest.raises(VarlinkError) as refusal:
            client.call("Launch", {"spec": shared.spec("web", **{field: members[field]})}, fds=[fd])
    finally:
        os.close(fd)
    assert refusal.value.name == "InvalidSpec" and refusal.value.fields["field"].startswith(field)


@pytest.mark.parametrize("field", ["kernel", "initramfs", "certs.x", "disks[0]"])
def test_files_that_the_kernel_writes(shared, field):
    """The daemon would read them with its own rights, whoever opened them."""
    path = "/proc/self/stat"
    for value, fds in (({"path": path}, ()), ({"fd": 0}, (os.open(path, os.O_RDONLY),))):
        member = field.partition(".")[0].partition("[")[0]
        spec = {member: {"certs": {"x": value}, "disks": [{**value, "readOnly": True}]}.get(
            member, value)}
        with shared.client() as client, pytest.raises(VarlinkError) as refusal:
            client.call("Launch", {"spec": shared.spec("web", **spec)}, fds=list(fds))
        for fd in fds:
            os.close(fd)
        fields = refusal.value.fields
        assert (refusal.value.name, fields["field"]) == ("InvalidSpec", field), refusal.value
        assert "is a file on proc," in fields["reason"]


def test_what_was_hashed_is_what_is_booted(shared, tmp_path):
    """A file that changes after the launch changes nothing."""
    path = artifacts.kernel(tmp_path / "kernel")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    shared.launch("web", kernel={"path": str(path)})
    artifacts.kernel(path, fill=b"\xcc")
    second = shared.launch("web2", kernel={"path": str(path)})
    assert shared.status("web")["artifacts"]["kernel"] == digest
    assert second["artifacts"]["kernel"] != digest


def test_one_copy_for_all(shared):
    """Equal bytes are held once, whoever named them, until the last CVM is gone."""
    for name in ("one", "two", "three"):
        shared.launch(name)
    digest = hashlib.sha256(shared.kernel.read_bytes()).hexdigest()

    def users():
        listed = shared.call("ListArtifacts")["artifacts"]
        return [item["users"] for item in listed if item["sha256"] == digest]

    assert users() == [3]
    shared.discard("one")
    assert users() == [2]
    shared.discard("two")
    shared.discard("three")
    assert users() == []


def test_cvmctl_lists_artifacts(shared):
    shared.launch("web")
    listed = shared.call("ListArtifacts")["artifacts"]
    kernel = next(item for item in listed if item["origin"] == "file" and item["kind"] == "kernel")
    data = shared.kernel.read_bytes()
    assert kernel["size"] == len(data)
    assert kernel["sha384"] == hashlib.sha384(data).hexdigest()
    text = shared.cvmctl("artifacts").stdout
    assert kernel["name"] in text and "kernel" in text
