# SPDX-License-Identifier: Apache-2.0
"""Evidence of a running CVM as cvm-attest(7) has it, signed by a real TPM (swtpm) and by platforms
under roots of the tests' own, and files of it as `cvmctl attest --evidence` writes them."""
import base64
import copy
import datetime
import hashlib
import pathlib
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.x509.oid import NameOID, ObjectIdentifier

from harness import tpm

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
DAY = datetime.datetime(2026, 1, 1)
LONG = datetime.timedelta(days=3650)
EK_PURPOSE = ObjectIdentifier("2.23.133.8.1")
DOMAIN = b"io.cvmd.attest.v1"
BANKS = {"sha256": tpm.SHA256, "sha384": tpm.SHA384}
SERVICES = bytes.fromhex("bb9e8463923d7046a1ff58f9c94b87bb")  # GUIDs as firmware stores them
VCEK = bytes.fromhex("63da758de6644564adc5f4b93be8accd")  # AMD has it big-endian
VTPM = bytes.fromhex("ebf176c42301a5459641b4e7dde5bfe3")


def text(data):
    return base64.b64encode(data).decode()


class Session:
    """What a client sees of its connection."""

    def __init__(self, seed=b"session"):
        self.random, self.spki, self.exporter = (
            hashlib.sha256(seed + part).digest() for part in (b"random", b"spki", b"exporter"))

    @property
    def binding(self):
        return hashlib.sha512(b"".join(
            struct.pack(">I", len(part)) + part
            for part in (DOMAIN, self.random, self.spki, self.exporter))).digest()

    @property
    def qualifier(self):
        return hashlib.sha256(self.binding).digest()

    def channel(self):
        return {"random": text(self.random), "spki": text(self.spki),
                "exporter": text(self.exporter)}


def file_of(session, evidence, date="2026-01-01T00:00:00Z"):
    return {"attestation": 1, "channel": session.channel(), "evidence": evidence,
            **({"activation": {"date": date}} if date else {})}


class Authority:
    """A root, and what it certifies."""

    def __init__(self, name="test root"):
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.root = self.certify(self.name, self.key.public_key(), [
            (x509.BasicConstraints(ca=True, path_length=None), True)])

    def certify(self, name, key, extensions, day=DAY):
        if isinstance(name, str):
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(self.name, name, key, x509.random_serial_number(),
                                          day - datetime.timedelta(days=1), day + LONG)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA384())

    def certify_ek(self, public, purpose=EK_PURPOSE, ca=False, **more):
        """DER of the certificate of an EK."""
        key = ek_key(public)
        return der(self.certify("EK", key, [
            (x509.BasicConstraints(ca=ca, path_length=None), True),
            (x509.ExtendedKeyUsage([purpose]), False)], **more))

    def pem(self):
        return self.root.public_bytes(serialization.Encoding.PEM)


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def ek_key(public):
    """Of a TPMT_PUBLIC of RSA that names AES."""
    policy = int.from_bytes(public[8:10], "big")
    modulus, rest = tpm.unsized(public[10 + policy + 6 + 2 + 6:])
    assert not rest
    return rsa.RSAPublicNumbers(65537, int.from_bytes(modulus, "big")).public_key()


class Platform:
    """A processor whose VCEK the authority certifies: its reports are those of the vector's
    machine, with other data."""

    def __init__(self, authority):
        self.key = ec.generate_private_key(ec.SECP384R1())
        real = x509.load_der_x509_certificate((VECTORS / "snp-milan.vcek.der").read_bytes())
        self.vcek = der(authority.certify("SEV-VCEK", self.key.public_key(), [
            (x509.UnrecognizedExtension(extension.oid, extension.value.public_bytes()),
             extension.critical) for extension in real.extensions
            if extension.oid.dotted_string.startswith("1.3.6.1.4.1.3704")]))
        self.base = (VECTORS / "snp-milan.report").read_bytes()

    def report(self, data, vmpl=0, changed=None):
        """changed: where, and what is there instead."""
        report = bytearray(self.base)
        if changed:
            at, other = changed
            report[at:at + len(other)] = other
        report[0x30:0x34] = struct.pack("<I", vmpl)
        report[0x50:0x90] = data
        signature = self.key.sign(bytes(report[:0x2a0]), ec.ECDSA(hashes.SHA384()))
        for at, number in zip((0x2a0, 0x2e8), utils.decode_dss_signature(signature)):
            report[at:at + 72] = number.to_bytes(72, "little")
        return bytes(report)

    @property
    def measurement(self):
        return self.base[0x90:0xc0].hex()

    def table(self):
        """The VCEK as a host gives it: GUID table, entries, an end of zeros."""
        return VCEK + struct.pack("<II", 48, len(self.vcek)) + bytes(24) + self.vcek


def tpm_part(device, session, ek_template=tpm.EK_RSA, ak_template=tpm.AKS["rsa"], keep=False):
    """The member "tpm", without a certificate. With `keep` also the handles of the keys, EK and AK,
    which are flushed otherwise."""
    ek, ek_public = device.create_primary(ek_template)
    ak, ak_public = device.create_primary(ak_template, tpm.NULL)
    quotes = []
    for name, bank in BANKS.items():
        attest, signature = device.quote(ak, session.qualifier, {bank: range(24)})
        values = device.pcrs(bank, range(24))
        quotes.append({"bank": name, "attest": text(attest), "signature": text(signature),
                       "pcrs": [values[i].hex() for i in range(24)]})
    part = {"vendor": "IBM SW   TPM", "ekType": "rsa-2048", "ekPublic": text(ek_public),
            "akPublic": text(ak_public), "quotes": quotes}
    if keep:
        return part, (ek, ak)
    device.flush(ak)
    device.flush(ek)
    return part


def plain(part, authority=None, certificate=None):
    """Evidence of an ordinary VM; with an authority the EK has a certificate."""
    part = copy.deepcopy(part)
    if authority:
        certificate = authority.certify_ek(base64.b64decode(part["ekPublic"]))
    if certificate:
        part["ekCertificate"] = text(certificate)
    return {"version": 1, "agentVersion": "test", "tpm": part, "missing": []}


def manifest_of(services):
    """The manifest of all services of an SVSM: GUID and content of each."""
    at = 24 * (1 + len(services))
    table, contents = b"", b""
    for guid, data in services:
        table += guid + struct.pack("<II", at + len(contents), len(data))
        contents += data
    return SERVICES + struct.pack("<II", at + len(contents), len(services)) + table + contents


def svsm(platform, session, part, every=False, **changes):
    """Evidence of SEV-SNP with an SVSM whose vTPM is the part's."""
    ek = base64.b64decode(part["ekPublic"])
    manifest = manifest_of([(bytes(16), b"other"), (VTPM, ek)]) if every else ek
    manifest = changes.pop("manifest", manifest)
    report = platform.report(hashlib.sha512(session.binding + manifest).digest(), **changes)
    return {"version": 1, "provider": "sev_guest", "report": text(platform.report(
                session.binding, vmpl=2)), "reportCertificates": text(platform.table()),
            "reportPrivilegeLevel": 2,
            "svsm": {"services": "all" if every else "vtpm", "report": text(report),
                     "manifest": text(manifest)},
            "tpm": copy.deepcopy(part)}
