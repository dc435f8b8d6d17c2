# SPDX-License-Identifier: Apache-2.0
"""Credentials and quotes of a real TPM (swtpm): it opens what cvmd's library makes, and Python's
cryptography judges what it signs."""
import hashlib
import os
import pathlib
import subprocess

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from harness import tpm
from harness.daemon import BUILD

MAKE = pathlib.Path(BUILD) / "tests/attest/make-credential"
SECRET = bytes(range(32))
EKS = {"rsa-2048": tpm.EK_RSA, "ecc-p256": tpm.EK_P256, "ecc-p384": tpm.EK_P384}
HASHES = {tpm.SHA256: hashes.SHA256(), tpm.SHA384: hashes.SHA384()}


@pytest.fixture(name="keys")
def flushed_keys(device):
    """Makes keys that are gone after the test: a TPM has room for three."""
    handles = []

    def make(template, hierarchy):
        handle, public = device.create_primary(template, hierarchy)
        handles.append(handle)
        return handle, public
    yield make
    for handle in handles:
        device.flush(handle)


def credential(ek, name, secret=SECRET):
    done = subprocess.run([MAKE, ek.hex(), name.hex(), secret.hex()], stdout=subprocess.PIPE,
                          text=True, check=True)
    return [bytes.fromhex(line) for line in done.stdout.split()]


@pytest.mark.parametrize("kind", EKS)
def test_a_tpm_opens_a_credential(device, keys, kind):
    ek, ek_public = keys(EKS[kind], tpm.ENDORSEMENT)
    ak, ak_public = keys(tpm.AKS["ecc"], tpm.NULL)
    for secret in (SECRET, b"s"):
        blob, shared = credential(ek_public, tpm.name_of(ak_public), secret)
        assert device.activate(ak, ek, blob, shared) == secret


@pytest.mark.parametrize("kind", EKS)
def test_a_tpm_refuses_anothers_credential(device, keys, kind):
    ek, ek_public = keys(EKS[kind], tpm.ENDORSEMENT)
    ak, ak_public = keys(tpm.AKS["ecc"], tpm.NULL)
    name = tpm.name_of(ak_public)
    blob, shared = credential(ek_public, name[:-1] + bytes([name[-1] ^ 1]))
    with pytest.raises(tpm.TpmError, match="TPM_RC 0x1df"):  # TPM_RC_INTEGRITY
        device.activate(ak, ek, blob, shared)
    other = tpm.EK_P256 if kind == "rsa-2048" else tpm.EK_RSA
    blob, shared = credential(keys(other, tpm.ENDORSEMENT)[1], name)
    with pytest.raises(tpm.TpmError):
        device.activate(ak, ek, blob, shared)


def key_of(public):
    """By what stands in TPMT_PUBLIC without a symmetric algorithm, and of what scheme it is."""
    scheme, digest = (int.from_bytes(public[at:at + 2], "big") for at in (12, 14))
    rest = public[16:]
    if int.from_bytes(public[:2], "big") == tpm.RSA:
        modulus, _ = tpm.unsized(rest[6:])
        return rsa.RSAPublicNumbers(65537, int.from_bytes(modulus, "big")).public_key(), scheme, \
            HASHES[digest]
    curve = ec.SECP256R1() if rest[:2] == b"\0\3" else ec.SECP384R1()
    x, rest = tpm.unsized(rest[4:])
    y, _ = tpm.unsized(rest)
    return ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve).public_key(), scheme, \
        HASHES[digest]


def judge(public, attest, signature):
    key, scheme, digest = key_of(public)
    if scheme == tpm.ECDSA:
        r, rest = tpm.unsized(signature[4:])
        s, rest = tpm.unsized(rest)
        assert not rest
        key.verify(utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")),
                   attest, ec.ECDSA(digest))
        return
    value, rest = tpm.unsized(signature[4:])
    assert not rest
    pad = (padding.PKCS1v15() if scheme == tpm.RSASSA
           else padding.PSS(padding.MGF1(digest), padding.PSS.AUTO))
    key.verify(value, attest, pad, digest)


@pytest.mark.parametrize("kind", tpm.AKS)
def test_who_judges_quotes_agrees(device, keys, kind):
    """The vectors of tests/unit/test-verify-tpm.c are made in the same way."""
    ak, public = keys(tpm.AKS[kind], tpm.OWNER)
    device.extend(15, {bank: make(os.urandom(8)).digest() for bank, make in tpm.HASHES.items()})
    attest, signature = device.quote(ak, hashlib.sha256(b"B").digest(),
                                     {tpm.SHA256: [4, 15], tpm.SHA384: [4, 15]})
    values = b"".join(value for bank in tpm.HASHES
                      for value in device.pcrs(bank, [4, 15]).values())
    size = int.from_bytes(attest[-50:-48], "big") if kind == "ecc384" else 32
    assert attest[-size:] == (hashlib.sha384 if kind == "ecc384" else hashlib.sha256)(
        values).digest()
    judge(public, attest, signature)
    with pytest.raises(InvalidSignature):
        judge(public, attest[:-1] + bytes([attest[-1] ^ 1]), signature)


def test_a_quote_takes_few_bytes(device, keys):
    """What is quoted is at most 48 bytes: TPMs without SHA-512 take no more than 50."""
    ak, _ = keys(tpm.AKS["ecc"], tpm.OWNER)
    device.quote(ak, bytes(48), {tpm.SHA256: [4]})
