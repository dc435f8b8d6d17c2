# SPDX-License-Identifier: Apache-2.0
"""cvmctl measure --format: CoRIM and SEV-SNP's ID block, read back by other programs."""
import base64
import hashlib
import json
import os
import subprocess

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from harness import exits, images
from harness.daemon import CVMCTL
from harness.peer import Peer, cvmctl, measurement, register

pytestmark = pytest.mark.qemu_driver("it launches nothing")

CMDLINE = "console=ttyS0"
CURVES = {"P-256": (ec.SECP256R1(), hashes.SHA256(), 32, -7),
          "P-384": (ec.SECP384R1(), hashes.SHA384(), 48, -35)}
HASHES = {"sha256": 1, "sha384": 7}  # IANA's Named Information registry
PROFILE = "options=suffix,kernel=raw,separator=rtmr1,mrtd=page"


@pytest.fixture
def platform(tmp_path):
    """Options that measure each platform."""
    for name, data in {"kernel": images.kernel(), "initramfs": images.initramfs(),
                       "firmware": images.firmware(), "igvm": images.igvm()}.items():
        (tmp_path / name).write_bytes(data)

    def options(name, *more):
        code = "igvm" if name == "sev-snp-igvm" else "firmware"
        return ["--platform", name, *(word for kind in ("kernel", "initramfs", code)
                                      for word in (f"--{kind}", tmp_path / kind)),
                "--cmdline", CMDLINE, "--cpus", 2, "--profile", PROFILE, *more]
    return options


def pem(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password \
        else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             encryption)


@pytest.fixture
def key_file(tmp_path):
    def make(name, curve):
        key = ec.generate_private_key(curve)
        (tmp_path / name).write_bytes(pem(key))
        return tmp_path / name, key.public_key()
    return make


def registers(*args):
    done = cvmctl("measure", *args, "--format", "json")
    assert done.code == 0, done.err
    return {(reg["name"], reg["algorithm"]): bytes.fromhex(reg["value"])
            for reg in done.json["registers"] if reg["state"] == "value"}


def corim(*args):
    done = cvmctl("measure", *args, "--format", "corim")
    assert done.code == 0, done.err
    return done.raw


def shortest(data):
    """Whether it is in the core deterministic encoding."""
    return cbor2.dumps(cbor2.loads(data), canonical=True) == data


def triples(data):
    """The one CoMID of a CoRIM, by {(vendor, model, key): [values]}."""
    tag = cbor2.loads(data)
    assert tag.tag == 501 and shortest(data)
    corim_map = tag.value
    assert set(corim_map) == {0, 1, 3}
    assert corim_map[3] == cbor2.CBORTag(32, "tag:cvmd.io,2026:reference-values/1")
    (comid_tag,) = corim_map[1]
    assert comid_tag.tag == 506 and shortest(comid_tag.value)
    comid = cbor2.loads(comid_tag.value)
    assert set(comid) == {1, 4} and set(comid[1]) == {0} and set(comid[4]) == {0}
    assert comid[1][0] == corim_map[0]
    found = {}
    for environment, measurements in comid[4][0]:
        assert set(environment) == {0} and set(environment[0]) == {1, 2}
        (measurement,) = measurements
        assert set(measurement) == {0, 1}
        found.setdefault((environment[0][1], environment[0][2], measurement[0]), []).append(
            measurement[1])
    return found


# CoRIM

@pytest.mark.parametrize("name", ["sev-snp-ovmf", "sev-snp-igvm", "tdx", "vtpm"])
def test_corim_has_every_value(platform, name):
    values = registers(*platform(name))
    found = triples(corim(*platform(name)))

    def digests(register):
        return [[HASHES[bank], values[register, bank]] for bank in HASHES
                if (register, bank) in values]
    want = {}
    if name.startswith("sev-snp"):
        launch = [{2: digests("LaunchDigest")}]
        if name == "sev-snp-igvm":
            launch.append({2: digests("LaunchDigestAllVcpus")})
        want["AMD", "SEV-SNP", "MEASUREMENT"] = launch
    if name == "tdx":
        want["Intel", "TDX", "MRTD"] = [{2: digests("MRTD")}]
        want["Intel", "TDX", "RTMR"] = [{14: {n: digests(f"RTMR{n}") for n in (1, 2, 3)}}]
    if name in ("vtpm", "sev-snp-igvm"):
        want["TCG", "TPM 2.0", "PCR"] = [{14: {n: digests(f"PCR{n}") for n in (4, 9)}}]
        assert len(digests("PCR4")) == 2
    assert found == want and all(values.values())


def test_corim_is_deterministic_and_named_by_its_content(platform):
    first = corim(*platform("tdx"))
    assert first == corim(*platform("tdx"))
    other = corim(*("y" if word == CMDLINE else word for word in platform("tdx")))
    assert cbor2.loads(first).value[0] != cbor2.loads(other).value[0]


def test_corim_says_what_it_leaves_out(platform):
    done = cvmctl("measure", *platform("tdx"), "--format", "corim")
    assert "without RTMR0" in done.err and "--acpi" in done.err
    done = cvmctl("measure", "--platform", "vtpm", "--format", "corim")
    assert (done.code, done.raw) == (1, b"") and "nothing to state" in done.err


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("signer", [None, "Ministère"])
def test_signed_corim(platform, key_file, tmp_path, name, signer):
    curve, digest, size, algorithm = CURVES[name]
    path, public = key_file("key", curve)
    data = corim(*platform("tdx"), "--key", path, *(["--signer", signer] if signer else []))
    tag = cbor2.loads(data)
    assert tag.tag == 18 and shortest(data)
    protected, unprotected, payload, signature = tag.value
    assert unprotected == {} and len(signature) == 2 * size and shortest(protected)
    assert payload == corim(*platform("tdx"))
    header = cbor2.loads(protected)
    assert set(header) == {1, 3, 4, 8} and header[1] == algorithm
    assert header[3] == "application/rim+cbor"
    der = public.public_bytes(serialization.Encoding.DER,
                              serialization.PublicFormat.SubjectPublicKeyInfo)
    assert header[4] == hashlib.sha256(der).digest()
    assert cbor2.loads(header[8]) == {0: {0: signer or header[4].hex()}}

    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
    public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(digest))
    with pytest.raises(InvalidSignature):
        public.verify(encode_dss_signature(r, s), signed[:-1] + b"\0", ec.ECDSA(digest))
    # openssl says the same.
    for file, content in (("text", signed), ("signature", encode_dss_signature(r, s))):
        (tmp_path / file).write_bytes(content)
    (tmp_path / "public").write_bytes(public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    subprocess.run(["openssl", "dgst", f"-{digest.name}", "-verify", tmp_path / "public",
                    "-signature", tmp_path / "signature", tmp_path / "text"], check=True)


def test_corim_of_a_cvm(platform):
    document = measurement(register("MRTD", "ab" * 48), register("RTMR3", "00" * 48))
    with Peer(Measure={"measurement": document}) as peer:
        data = peer.cvmctl("measure", "web", "--format", "corim").raw
    assert triples(data) == {("Intel", "TDX", "MRTD"): [{2: [[7, b"\xab" * 48]]}],
                             ("Intel", "TDX", "RTMR"): [{14: {3: [[7, bytes(48)]]}}]}


# The ID block

def little(data):
    """A number of a 72-byte field of AMD's."""
    assert not any(data[48:72]) and len(data) == 72
    return int.from_bytes(data[:48], "little")


def signature_of(data):
    assert len(data) == 512 and not any(data[144:])
    return encode_dss_signature(little(data[:72]), little(data[72:144]))


def key_of(data):
    """A public key in AMD's form."""
    assert len(data) == 1028 and data[:4] == b"\2\0\0\0" and not any(data[148:])
    numbers = ec.EllipticCurvePublicNumbers(little(data[4:76]), little(data[76:148]),
                                            ec.SECP384R1())
    return numbers.public_key()


def id_block(*args):
    done = cvmctl("measure", *args, "--format", "snp-id-block")
    assert done.code == 0, done.err
    security = done.json["launchSecurity"]
    return (done.json, base64.b64decode(security["idBlock"], validate=True),
            base64.b64decode(security["idAuth"], validate=True))


@pytest.mark.parametrize("author", [False, True])
def test_id_block(platform, key_file, author):
    path, public = key_file("id", ec.SECP384R1())
    author_path, author_public = key_file("author", ec.SECP384R1())
    options = platform("sev-snp-ovmf")
    result, block, auth = id_block(
        *options, "--id-key", path, "--family-id", "0123456789abcdef0123456789ABCDEF",
        "--image-id", "ff" * 16, "--svn", 0x01020304, "--policy", "0xb0001",
        *(["--author-key", author_path] if author else []))
    digest = registers(*options)["LaunchDigest", "sha384"]
    # AMD 56860, "Structure of the ID Block"
    assert block == (digest + bytes.fromhex("0123456789abcdef" * 2) + b"\xff" * 16 +
                     b"\1\0\0\0" + b"\4\3\2\1" + b"\1\0\x0b\0\0\0\0\0")
    assert result["launchDigest"] == digest.hex()
    # and "Structure of the ID Authentication Information Structure"
    assert len(auth) == 4096
    assert auth[:8] == b"\1\0\0\0" + (b"\1\0\0\0" if author else bytes(4))
    assert not any(auth[8:64]) and not any(auth[0x644:0x680]) and not any(auth[0xc84:])
    assert key_of(auth[0x240:0x644]).public_numbers() == public.public_numbers()
    public.verify(signature_of(auth[0x40:0x240]), block, ec.ECDSA(hashes.SHA384()))
    assert result["idKeyDigest"] == hashlib.sha384(auth[0x240:0x644]).hexdigest()
    security = result["launchSecurity"]
    assert security["policy"] == "0xb0001"
    if not author:
        assert not any(auth[0x680:]) and set(security) == {"policy", "idBlock", "idAuth"}
        return
    assert security["authorKeyEnabled"] == "true"
    assert key_of(auth[0x880:0xc84]).public_numbers() == author_public.public_numbers()
    author_public.verify(signature_of(auth[0x680:0x880]), auth[0x240:0x644],
                         ec.ECDSA(hashes.SHA384()))
    assert result["authorKeyDigest"] == hashlib.sha384(auth[0x880:0xc84]).hexdigest()


def test_launch_security_is_the_specs(platform, key_file, shared, tmp_path):
    """It goes into a spec as it stands, whose measurement stays the same."""
    path, _ = key_file("id", ec.SECP384R1())
    result, _, _ = id_block(*platform("sev-snp-ovmf"), "--id-key", path)
    kinds = ("kernel", "initramfs", "firmware")
    spec = {"name": "web", "platform": "sev-snp-ovmf", "cpus": 2, "cmdline": CMDLINE,
            "launchSecurity": result["launchSecurity"], **{kind: {"path": kind} for kind in kinds}}
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(spec))
    again, block, _ = id_block("--file", file, "--id-key", path)
    assert block == base64.b64decode(result["launchSecurity"]["idBlock"])
    argv = json.loads(shared.cvmctl("render", "--file", file, "--json").stdout)["argv"]
    (machine,) = [word for word in argv if word.startswith("sev-snp-guest")
                  or "qom-type\":\"sev-snp-guest" in word]
    assert result["launchSecurity"]["idBlock"] in machine
    assert result["launchSecurity"]["idAuth"] in machine
    assert again["launchSecurity"]["policy"] == "0x30000"


def test_the_policy_is_the_guests(platform, key_file, tmp_path):
    path, _ = key_file("id", ec.SECP384R1())
    options = [*platform("sev-snp-igvm"), "--digest", "LaunchDigest", "--id-key", path]
    assert id_block(*options)[0]["launchSecurity"]["policy"] == "0x30000"
    file = images.Igvm()
    file.platform(1, 3)
    file.platform(2, 2, vtl=2)
    file.policy(1, 0x30000)
    file.policy(2, 0x20000)
    file.policy(2, 0xa0000)  # the last one is what QEMU takes
    file.page(2, 0x10000, images.noise(4096))
    file.vp(2, images.vmsa())
    (tmp_path / "igvm").write_bytes(file.finish())
    assert id_block(*options)[0]["launchSecurity"]["policy"] == "0xa0000"
    assert id_block(*options, "--policy", "196608")[0]["launchSecurity"]["policy"] == "0x30000"
    spec = tmp_path / "spec.json"
    kinds = ("kernel", "initramfs", "firmware")
    spec.write_text(json.dumps({"platform": "sev-snp-ovmf", "cpus": 1,
                                "launchSecurity": {"policy": "0x20000"},
                                **{kind: {"path": kind} for kind in kinds}}))
    result = id_block("--file", spec, "--id-key", path)
    assert result[0]["launchSecurity"]["policy"] == "0x20000"


def test_one_digest_of_two(platform, key_file):
    path, _ = key_file("id", ec.SECP384R1())
    options = platform("sev-snp-igvm", "--id-key", path)
    values = registers(*platform("sev-snp-igvm"))
    for name in ("LaunchDigest", "LaunchDigestAllVcpus"):
        _, block, _ = id_block(*options, "--digest", name)
        assert block[:48] == values[name, "sha384"]
    done = cvmctl("measure", *options, "--format", "snp-id-block")
    assert done.code == exits.USAGE and "--digest" in done.err


def test_id_block_of_a_cvm(key_file):
    path, _ = key_file("id", ec.SECP384R1())
    document = measurement(register("LaunchDigest", "ab" * 48))
    with Peer(Measure={"measurement": document}) as peer:
        options = ["measure", "web", "--format", "snp-id-block", "--id-key", path]
        done = peer.cvmctl(*options)
        assert done.code == exits.USAGE and "--policy" in done.err
        done = peer.cvmctl(*options, "--policy", "0x30000")
    block = base64.b64decode(done.json["launchSecurity"]["idBlock"])
    assert block[:48] == b"\xab" * 48 and block[88:] == b"\0\0\3\0\0\0\0\0"


# What is refused

@pytest.mark.parametrize("args, words", [
    (["--key", "k"], ["--key", "corim"]),
    (["--id-key", "k", "--format", "corim"], ["--id-key", "snp-id-block"]),
    (["--format", "snp-id-block"], ["--id-key"]),
    (["--format", "corim", "--json"], ["--json"]),
    (["--format", "corim", "--signer", "x"], ["--key"]),
    (["--format", "cose"], ["json corim snp-id-block"]),
    (["--format", "snp-id-block", "--id-key", "KEY", "--family-id", "ab"], ["32 hex digits"]),
    (["--format", "snp-id-block", "--id-key", "KEY", "--image-id", "x" * 32], ["32 hex digits"]),
    (["--format", "snp-id-block", "--id-key", "KEY", "--policy", "many"], ["--policy"]),
    (["--format", "snp-id-block", "--id-key", "KEY", "--policy", "0x10000"], ["bit 17"]),
    (["--format", "snp-id-block", "--id-key", "KEY", "--svn", "4294967296"], ["--svn"]),
    (["--format", "snp-id-block", "--id-key", "KEY", "--digest", "LaunchDigestAllVcpus"],
     ["no LaunchDigestAllVcpus"]),
])
def test_options_that_are_refused(platform, key_file, args, words):
    path, _ = key_file("id", ec.SECP384R1())
    args = [path if word == "KEY" else word for word in args]
    done = cvmctl("measure", *platform("sev-snp-ovmf"), *args)
    assert (done.code, done.raw) == (exits.USAGE, b""), done
    for word in words:
        assert word in done.err, done.err


@pytest.mark.parametrize("name", ["tdx", "vtpm"])
def test_id_blocks_of_other_platforms(platform, key_file, name):
    path, _ = key_file("id", ec.SECP384R1())
    done = cvmctl("measure", *platform(name), "--format", "snp-id-block", "--id-key", path)
    assert done.code == exits.USAGE and "only SEV-SNP has ID blocks" in done.err


def mismatched():
    """A key whose public half is another's."""
    one, other = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))

    def point(key):
        return key.public_key().public_bytes(serialization.Encoding.X962,
                                             serialization.PublicFormat.UncompressedPoint)
    der = one.private_bytes(serialization.Encoding.DER,
                            serialization.PrivateFormat.TraditionalOpenSSL,
                            serialization.NoEncryption())
    der = der.replace(point(one), point(other))
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n".encode()


P384 = ec.generate_private_key(ec.SECP384R1())
BAD_KEYS = {
    "empty": (b"", "no private key"),
    "nonsense": (b"\0\xff" * 100, "no private key"),
    "truncated": (pem(P384)[:120], "no private key"),
    "public": (P384.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        "no private key"),
    "encrypted": (pem(P384, b"secret"), "encrypted"),
    "RSA": (pem(rsa.generate_private_key(65537, 2048)), "elliptic"),
    "curve": (pem(ec.generate_private_key(ec.SECP521R1())), "curve must be P-"),
    "mismatched": (mismatched(), "public key"),
    "large": (b"x" * 65537, "cannot read the key"),
}


@pytest.mark.parametrize("option", ["key", "id-key", "author-key"])
@pytest.mark.parametrize("kind", BAD_KEYS)
def test_bad_keys(platform, key_file, tmp_path, option, kind):
    data, reason = BAD_KEYS[kind]
    bad = tmp_path / "bad"
    bad.write_bytes(data)
    good, _ = key_file("good", ec.SECP384R1())
    format_options = ["--format", "corim"] if option == "key" else ["--format", "snp-id-block"]
    if option == "author-key":
        format_options += ["--id-key", good]
    done = cvmctl("measure", *platform("sev-snp-ovmf"), *format_options, f"--{option}", bad)
    assert ((done.code, done.raw) == (exits.DATA, b"") and str(bad) in done.err
            and reason in done.err), done


def test_an_id_key_is_of_p384(platform, key_file, tmp_path):
    small, _ = key_file("small", ec.SECP256R1())
    done = cvmctl("measure", *platform("sev-snp-ovmf"), "--format", "snp-id-block",
                  "--id-key", small)
    assert done.code == exits.DATA and "P-384" in done.err
    done = cvmctl("measure", *platform("sev-snp-ovmf"), "--format", "corim", "--key",
                  tmp_path / "none")
    assert done.code == exits.NOT_FOUND and "cannot read the key" in done.err


@pytest.mark.parametrize("term", ["xterm", "dumb", ""])
def test_no_binary_for_a_terminal(platform, term):
    words = " ".join(map(str, platform("sev-snp-ovmf")))
    done = subprocess.run(["script", "-qec", f"{CVMCTL} measure {words} --format corim",
                           "/dev/null"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=60, check=False,
                          env={**os.environ, "TERM": term})
    assert done.returncode == exits.USAGE and "binary" in done.stdout
