# SPDX-License-Identifier: Apache-2.0
"""ID blocks of guests that boot from an IGVM file: they are in the file, or refused."""
import base64
import hashlib
import json
import os
import pathlib
import struct
import zlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from harness import exits, images
from harness.peer import cvmctl
from harness.varlink import VarlinkError

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "templates"
BLOCK, AUTH = (base64.b64encode(bytes(size)).decode() for size in (96, 4096))


@pytest.fixture
def daemon(make_daemon, config, tmp_path):
    """Its sev-snp runs an ordinary VM, and wants and measures the files of the real one."""
    directory = tmp_path / "templates"
    directory.mkdir()
    plain = json.loads((TEMPLATES / "plain.json").read_text())
    real = json.loads((TEMPLATES / "sev-snp.json").read_text())
    plain.update(name="sev-snp", measure=real["measure"], launchSecurity=real["launchSecurity"],
                 artifacts={kind: {key: value for key, value in rules.items()
                                   if key in ("needed", "guest")}
                            for kind, rules in real["artifacts"].items()})
    plain["arguments"] = [part for part in plain["arguments"] if "firmware" not in json.dumps(part)]
    (directory / "sev-snp.json").write_text(json.dumps(plain))
    return make_daemon({**config, "templates": str(directory)})


def spec(tmp_path, content, **more):
    (tmp_path / "file.igvm").write_bytes(content)
    (tmp_path / "kernel").write_bytes(images.kernel())
    return {"name": "web", "platform": "sev-snp", "memory": "64M", "cpus": 1,
            "igvm": {"path": str(tmp_path / "file.igvm")},
            "kernel": {"path": str(tmp_path / "kernel")}, **more}


@pytest.mark.qemu_driver("the platform has no libvirt domain")
@pytest.mark.parametrize("fields", [{}, {"authorKeyEnabled": "true"}])
def test_refused_beside_the_file(daemon, tmp_path, fields):
    wanted = spec(tmp_path, images.igvm(),
                  launchSecurity={"idBlock": BLOCK, "idAuth": AUTH, **fields})
    for method in ("Render", "Launch"):
        with pytest.raises(VarlinkError) as refused:
            daemon.call(method, spec=wanted)
        assert refused.value.name == "InvalidSpec"
        assert refused.value.fields["field"] == "launchSecurity.idBlock"
        assert "0x30b (SNP_ID_BLOCK)" in refused.value.fields["reason"]
    assert daemon.cvms() == []
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({**wanted, "initramfs": {"path": wanted["kernel"]["path"]}}))
    done = cvmctl("measure", "--file", file, "--json")
    assert (done.code == exits.DATA and "launchSecurity.idBlock" in done.err
            and "0x30b" in done.err), done


# The signed file

SIZE = 696  # of the header's body


@pytest.fixture
def keys(tmp_path):
    """Options that name an ID key, with the author's key, and the public halves."""
    public = {}
    for name in ("id", "author"):
        key = ec.generate_private_key(ec.SECP384R1())
        (tmp_path / name).write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        public[name] = key.public_key()
    return {"id": ["--id-key", tmp_path / "id"],
            "author": ["--id-key", tmp_path / "id", "--author-key", tmp_path / "author"],
            "public": public}


def sign(file, output, *options, cpus=1, code=0, platform="sev-snp-igvm"):
    done = cvmctl("measure", "--platform", platform, "--igvm", file, "--cpus", cpus,
                  "--format", "igvm", "--output", output, *options)
    assert done.code == code, done
    return done.json if code == 0 else done.err


def headers_of(data):
    """(offset of the body, type, body) of each, and where they end."""
    at, size = struct.unpack_from("<II", data, 8)
    end, found = at + size, []
    while at < end:
        kind, length = struct.unpack_from("<II", data, at)
        found.append((at + 8, kind, data[at + 8:at + 8 + length]))
        at += 8 + (length + 7) // 8 * 8
    return found, end


def data_of(data, kind, body):
    """What a header has of the file's data, and the header without where that is."""
    if kind not in (0x301, 0x302, 0x304):
        return None, body
    (offset,) = struct.unpack_from("<I", body, 12)
    return data[offset:offset + 4096] if offset else None, body[:12] + body[16:]


def assert_sealed(data):
    size = 24 if struct.unpack_from("<I", data, 4) == (1,) else 32
    at, headers, whole, checksum = struct.unpack_from("<IIII", data, 8)
    assert whole == len(data)
    assert checksum == zlib.crc32(data[:20] + bytes(4) + data[24:size] + data[at:at + headers])


def number(field):
    assert len(field) == 72 and not any(field[48:])
    return int.from_bytes(field[:48], "little")


def key_of(field):
    """As the hardware has it, and as a key."""
    assert field[:8] == bytes([2, 0, 0, 0, 0, 0, 0, 0])
    plain = (field[:4] + field[8:]).ljust(1028, b"\0")
    return plain, ec.EllipticCurvePublicNumbers(number(field[8:80]), number(field[80:]),
                                                ec.SECP384R1())


def verify(public, signature, data):
    public.verify(encode_dss_signature(number(signature[:72]), number(signature[72:])), data,
                  ec.ECDSA(hashes.SHA384()))


def tight():
    """No byte between headers and data."""
    file = images.Igvm(24 + 24 + 24 + 32 + 32)
    file.platform(1, 2, vtl=2)
    file.policy(1, 0x30000)
    file.page(1, 0x10000, images.noise(4096, 21))
    file.vp(1, images.vmsa())
    return file.finish()


def busy():
    """Bytes of nobody's behind the headers."""
    data = bytearray(images.igvm())
    data[0xfff] = 1
    data[headers_of(data)[1] + 9] = 1
    return bytes(data)


FILES = {"room": images.igvm, "tight": tight, "busy": busy,
         "coconut": lambda: images.coconut(firmware=images.firmware()),
         "service": images.coconut}


@pytest.mark.parametrize("shape", FILES)
@pytest.mark.parametrize("who", ["id", "author"])
def test_written(tmp_path, keys, shape, who):
    old = FILES[shape]()
    (tmp_path / "old").write_bytes(old)
    options = [*keys[who], "--family-id", "0123456789abcdef" * 2, "--image-id", "ff" * 16,
               "--svn", 7]
    said = sign(tmp_path / "old", tmp_path / "new", *options)
    new = (tmp_path / "new").read_bytes()
    assert_sealed(new)

    # all else is the old file's
    (before, before_end), (after, after_end) = headers_of(old), headers_of(new)
    assert [kind for _, kind, _ in after] == [*(kind for _, kind, _ in before), 0x30b]
    for (_, kind, one), (_, _, other) in zip(before, after):
        assert data_of(old, kind, one) == data_of(new, kind, other)
    shift = len(new) - len(old)
    assert shift == (4096 if shape in ("tight", "busy") else 0)
    assert new[after_end + (before_end + shift - after_end if shift else 0):].lstrip(b"\0") == \
        old[before_end:].lstrip(b"\0")

    # the block is what the other format has
    done = cvmctl("measure", "--platform", "sev-snp-igvm", "--igvm", tmp_path / "old", "--cpus", 1,
                  "--format", "snp-id-block", *options)
    assert done.code == 0, done.err
    block = base64.b64decode(done.json["launchSecurity"]["idBlock"])
    for member in ("launchDigest", "idKeyDigest", "authorKeyDigest"):
        assert said.get(member) == done.json.get(member), member
    at, _, body = after[-1]
    assert len(body) == SIZE and at % 8 == 0
    assert body[:8] == struct.pack("<IB3x", 1, who == "author")
    assert body[8:96] == block[:88] and block[88:] == struct.pack("<Q", 0x30000)
    assert body[96:104] == struct.pack("<II", 1, who == "author")
    plain, numbers = key_of(body[248:400])
    assert numbers == keys["public"]["id"].public_numbers()
    assert hashlib.sha384(plain).hexdigest() == said["idKeyDigest"]
    verify(numbers.public_key(), body[104:248], block)
    with pytest.raises(InvalidSignature):
        verify(numbers.public_key(), body[104:248], block[:-1] + b"\1")
    if who == "id":
        assert not any(body[400:])
        return
    _, author = key_of(body[544:])
    assert author == keys["public"]["author"].public_numbers()
    verify(author.public_key(), body[400:544], plain)


def shown(file):
    done = cvmctl("igvm", file, "--json")
    assert done.code == 0, done.err
    return done.json.get("idBlock")


@pytest.mark.parametrize("shape", FILES)
def test_shown_and_measured_the_same(tmp_path, keys, shape):
    (tmp_path / "old").write_bytes(FILES[shape]())
    assert shown(tmp_path / "old") is None
    said = sign(tmp_path / "old", tmp_path / "new", *keys["author"], "--svn", 3)
    block = shown(tmp_path / "new")
    assert block == {"launchDigest": said["launchDigest"], "predicted": said["launchDigest"],
                     "matches": True, "signature": "valid", "idKeyDigest": said["idKeyDigest"],
                     "authorKeyDigest": said["authorKeyDigest"], "familyId": "00" * 16,
                     "imageId": "00" * 16, "guestSvn": 3, "policy": "0x30000"}
    text = cvmctl("igvm", tmp_path / "new").out
    assert said["idKeyDigest"] in text and "MISMATCH" not in text and "INVALID" not in text
    for file in ("old", "new"):
        done = cvmctl("measure", "--platform", "sev-snp-igvm", "--igvm", tmp_path / file, "--cpus",
                      1, "--json")
        (register,) = [reg for reg in done.json["registers"] if reg["name"] == "LaunchDigest"]
        assert register["value"] == said["launchDigest"] and "reason" not in register


def test_signed_again(tmp_path, keys):
    """In its place, and the file may be its own output."""
    path = tmp_path / "file"
    path.write_bytes(images.igvm())
    path.chmod(0o600)
    sign(path, path, *keys["id"])
    once = path.read_bytes()
    said = sign(path, path, *keys["author"], "--svn", 9)
    twice = path.read_bytes()
    assert len(once) == len(twice) and shown(path)["guestSvn"] == 9
    ((at, _, _),) = [header for header in headers_of(once)[0] if header[1] == 0x30b]
    assert [i for i in range(len(once)) if once[i] != twice[i] and not
            (at <= i < at + SIZE or 20 <= i < 24)] == []
    assert said["authorKeyDigest"] == shown(path)["authorKeyDigest"]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["author", "file", "id"]


def changed(tmp_path, keys, change):
    """A signed file whose bytes change() has changed, and which is sealed again."""
    path = tmp_path / "file"
    path.write_bytes(images.igvm())
    sign(path, path, *keys["author"])
    data = bytearray(path.read_bytes())
    ((at, _, _),) = [header for header in headers_of(data)[0] if header[1] == 0x30b]
    change(data, at)
    data[20:24] = bytes(4)
    size = struct.unpack_from("<I", data, 12)[0]
    struct.pack_into("<I", data, 20, zlib.crc32(data[:24] + data[24:24 + size]))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("offset, words", [
    (8, ["ID key"]), (60, ["ID key"]), (110, ["ID key"]), (260, ["ID key"]), (410, ["author key"]),
    (560, ["author key"]), (96, ["algorithm"])])
def test_signatures_that_are_wrong(tmp_path, keys, offset, words):
    def flip(data, at):
        data[at + offset] ^= 1
    path = changed(tmp_path, keys, flip)
    assert all(word in shown(path)["signature"] for word in words)
    assert "INVALID SIGNATURE" in cvmctl("igvm", path).out


@pytest.mark.qemu_driver("the platform has no libvirt domain")
def test_of_another_file(daemon, tmp_path, keys):
    """A page was changed after it was signed."""
    def other_page(data, _):
        data[0x1000] ^= 1
    path = changed(tmp_path, keys, other_page)
    block = shown(path)
    assert not block["matches"] and block["launchDigest"] != block["predicted"]
    assert block["signature"] == "valid"
    text = cvmctl("igvm", path).out
    assert "MISMATCH" in text and block["predicted"] in text
    done = cvmctl("measure", "--platform", "sev-snp-igvm", "--igvm", path, "--cpus", 2, "--json")
    register = done.json["registers"][0]
    assert block["launchDigest"] in register["reason"] and "KVM" in register["reason"]
    assert register["value"] == block["predicted"]

    wanted = spec(tmp_path, path.read_bytes())
    with pytest.raises(VarlinkError) as refused:
        daemon.call("Launch", spec=wanted)
    assert refused.value.name == "ArtifactInvalid" and refused.value.fields["artifact"] == "igvm"
    for word in ("0x30b", block["launchDigest"], "--format igvm"):
        assert word in refused.value.fields["reason"]
    (missing,) = daemon.call("Render", spec=wanted)["missing"]
    assert missing["name"] == "measurement" and "0x30b" in missing["found"]
    assert daemon.cvms() == []
    # signed again it is launched
    sign(path, path, *keys["id"])
    daemon.call("Launch", spec=spec(tmp_path, path.read_bytes()))
    daemon.discard("web")


@pytest.mark.qemu_driver("the platform has no libvirt domain")
@pytest.mark.parametrize("digest", ["LaunchDigest", "LaunchDigestAllVcpus"])
def test_of_one_kind_of_host(daemon, tmp_path, keys, digest):
    """With several vCPUs either digest may be the host's."""
    (tmp_path / "old").write_bytes(images.igvm())
    assert "--digest" in sign(tmp_path / "old", tmp_path / "new", *keys["id"], cpus=2,
                                code=exits.USAGE)
    assert not (tmp_path / "new").exists()
    sign(tmp_path / "old", tmp_path / "new", *keys["id"], "--digest", digest, cpus=2)
    assert shown(tmp_path / "new")["matches"] == (digest == "LaunchDigest")
    data = (tmp_path / "new").read_bytes()
    daemon.call("Launch", spec=spec(tmp_path, data, cpus=2))
    daemon.discard("web")
    if digest == "LaunchDigestAllVcpus":  # of two vCPUs, not of three
        with pytest.raises(VarlinkError) as refused:
            daemon.call("Launch", spec=spec(tmp_path, data, cpus=3))
        assert refused.value.name == "ArtifactInvalid"


def no_policy():
    file = images.Igvm()
    file.platform(1, 2, vtl=2)
    file.vp(1, images.vmsa())
    return file.finish()


def blocks(*sizes, shared=False):
    file = images.Igvm()
    file.platform(1, 2, vtl=2)
    file.policy(1, 0x30000)
    for size in sizes:
        file.header(0x30b, struct.pack("<I", 1).ljust(size, b"\0"))
    if shared:  # which cannot be measured
        file.page(1, 0x10000, flags=4)
    file.vp(1, images.vmsa())
    return file.finish()


def test_shown_without_a_digest_of_its_own(tmp_path):
    (tmp_path / "file").write_bytes(blocks(SIZE, shared=True))
    block = shown(tmp_path / "file")
    assert not {"predicted", "matches"} & set(block)
    assert block["launchDigest"] == "00" * 48 and block["signature"] != "valid"
    assert "not compared" in cvmctl("igvm", tmp_path / "file").out


@pytest.mark.parametrize("content, options, code, words", [
    (no_policy, [], exits.USAGE, ["GUEST_POLICY"]),
    (images.igvm, ["--policy", "0xb0000"], exits.USAGE, ["0xb0000", "0x30000"]),
    (lambda: blocks(SIZE, SIZE), [], exits.DATA, ["0x30b", "second"]),
    (lambda: blocks(SIZE - 4), [], exits.DATA, ["0x30b", "length"]),
    (lambda: images.igvm()[:-1], [], exits.DATA, ["truncated"]),
    (images.igvm, ["--author-key", "nowhere"], exits.NOT_FOUND, ["nowhere"]),
])
def test_not_signed(tmp_path, keys, content, options, code, words):
    (tmp_path / "old").write_bytes(content())
    (tmp_path / "new").write_bytes(b"as it was")
    error = sign(tmp_path / "old", tmp_path / "new", *keys["id"], *options, code=code)
    assert all(word in error for word in words), error
    assert (tmp_path / "new").read_bytes() == b"as it was"


@pytest.mark.parametrize("make", [
    os.mkfifo, os.mkdir, lambda path: path.symlink_to("old"),
    lambda path: path.symlink_to("/dev/null")], ids=["fifo", "directory", "link", "device"])
def test_only_a_file_is_replaced(tmp_path, keys, make):
    (tmp_path / "old").write_bytes(images.igvm())
    make(tmp_path / "new")
    before, files = os.lstat(tmp_path / "new"), os.listdir(tmp_path)
    error = sign(tmp_path / "old", tmp_path / "new", *keys["id"], code=exits.DATA)
    assert "not a regular file" in error
    after = os.lstat(tmp_path / "new")
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert os.listdir(tmp_path) == files


def test_to_standard_output(tmp_path, keys):
    (tmp_path / "old").write_bytes(images.igvm())
    said = sign(tmp_path / "old", tmp_path / "new", *keys["id"])
    done = cvmctl("measure", "--platform", "sev-snp-igvm", "--igvm", tmp_path / "old", "--cpus", 1,
                  "--format", "igvm", "--output", "-", *keys["id"], cwd=tmp_path)
    assert done.code == 0 and not (tmp_path / "-").exists()
    shown = json.loads(done.err)
    assert shown == {**said, "output": "-"}
    # signatures differ, as they have a random part
    one, two = (headers_of(data)[0] for data in ((tmp_path / "new").read_bytes(), done.raw))
    assert [header[:2] for header in one] == [header[:2] for header in two]
    assert [header for header in one if header[1] != 0x30b] == [
        header for header in two if header[1] != 0x30b]


def test_options(tmp_path, keys):
    (tmp_path / "old").write_bytes(images.igvm())
    file = ["measure", "--platform", "sev-snp-igvm", "--igvm", tmp_path / "old", "--cpus", 1]
    output = ["--output", tmp_path / "new"]
    for args, words in [
            ([*file, "--format", "igvm", *keys["id"]], "--output"),
            ([*file, "--format", "igvm", *output], "--id-key"),
            ([*file, *output], "--format igvm"),
            ([*file, "--id-key", "k"], "snp-id-block or igvm"),
            (["measure", "web", "--format", "igvm", *keys["id"], *output], "--igvm"),
            (["measure", "--platform", "vtpm", "--format", "igvm", *keys["id"], *output],
             "SEV-SNP")]:
        done = cvmctl(*args)
        assert done.code == exits.USAGE and words in done.err, (args, done.err)
    done = cvmctl(*file, "--format", "igvm", *keys["id"], "--output", tmp_path / "no" / "new")
    assert done.code == exits.NOT_FOUND and "No such file" in done.err
    assert not (tmp_path / "new").exists()
