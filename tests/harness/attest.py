# SPDX-License-Identifier: Apache-2.0
"""A client of cvm-attest(7), by what that page says and nothing of the guest's code: TLS 1.3, the
binding, the structures of a TPM 2.0, quotes, and credentials that only one TPM can open."""
import base64
import hashlib
import hmac
import json
import os
import socket
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from OpenSSL import SSL

DOMAIN = b"io.cvmd.attest.v1"
LABEL = b"EXPORTER-Channel-Binding"
ANSWER_MAX = 8 << 20
SECONDS = 120


def binding(random, spki, exporter):
    parts = (DOMAIN, random, spki, exporter)
    return hashlib.sha512(b"".join(struct.pack(">I", len(p)) + p for p in parts)).digest()


def decode(text):
    return base64.b64decode(text, validate=True)


def encode(data):
    return base64.b64encode(data).decode()


class Channel:
    """A connection over a socket, which it takes."""

    def __init__(self, sock):
        sock.settimeout(None)
        limit = struct.pack("ll", SECONDS, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.socket = sock
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        self.tls = SSL.Connection(context, sock)
        self.tls.set_connect_state()
        self.tls.do_handshake()
        key = self.tls.get_peer_certificate().to_cryptography().public_key()
        self.spki = hashlib.sha256(key.public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)).digest()
        self.exporter = self.tls.export_keying_material(LABEL, 32)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_line(self, line):
        self.tls.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")

    def read_line(self):
        """The next answer; None where the guest has closed."""
        while b"\n" not in self.received:
            assert len(self.received) <= ANSWER_MAX
            try:
                self.received += self.tls.recv(65536)
            except (SSL.ZeroReturnError, SSL.SysCallError):
                return None
        line, self.received = self.received.split(b"\n", 1)
        return json.loads(line)

    def ask(self, request):
        self.send_line(request)
        return self.read_line()

    def evidence(self, **members):
        """(evidence, the binding that it must have)."""
        random = os.urandom(32)
        answer = self.ask({"method": "evidence", "random": encode(random), **members})
        return answer["evidence"], binding(random, self.spki, self.exporter)

    def activate(self, credential, secret):
        return self.ask({"method": "activate", "credential": encode(credential),
                         "secret": encode(secret)})


class Reader:
    """The structures of TPM 2.0 part 2, strictly."""

    def __init__(self, data):
        self.data = data

    def take(self, size):
        taken, self.data = self.data[:size], self.data[size:]
        assert len(taken) == size
        return taken

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def sized(self):
        return self.take(self.number("H"))


def name_of(public):
    return b"\0\x0b" + hashlib.sha256(public).digest()


class Public:
    """A TPMT_PUBLIC of the two kinds that the page names."""

    def __init__(self, data):
        reader = Reader(data)
        self.type, self.name_algorithm = reader.number("H"), reader.number("H")
        self.attributes, self.policy = reader.number("I"), reader.sized()
        assert self.name_algorithm == 0x000b
        self.symmetric = [reader.number("H")]
        if self.symmetric[0] != 0x0010:  # TPM_ALG_NULL
            self.symmetric += [reader.number("H"), reader.number("H")]
        self.scheme = [reader.number("H")]
        if self.scheme[0] != 0x0010:
            self.scheme.append(reader.number("H"))
        if self.type == 0x0023:
            assert (reader.number("H"), reader.number("H")) == (0x0003, 0x0010)
            x, y = (int.from_bytes(reader.sized(), "big") for _ in range(2))
            self.key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        else:
            assert (self.type, reader.number("H"), reader.number("I")) == (0x0001, 2048, 0)
            self.key = rsa.RSAPublicNumbers(65537,
                                            int.from_bytes(reader.sized(), "big")).public_key()
        assert not reader.data

    def verify(self, signature, data):
        reader = Reader(signature)
        assert (reader.number("H"), reader.number("H")) == tuple(self.scheme)
        if self.type == 0x0023:
            r, s = (int.from_bytes(reader.sized(), "big") for _ in range(2))
            self.key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        else:
            self.key.verify(reader.sized(), data, padding.PKCS1v15(), hashes.SHA256())
        assert not reader.data


def check_quote(quote, ak_public, bound):
    """None, or what is wrong with it."""
    attest, bank = decode(quote["attest"]), {"sha256": 0x000b, "sha384": 0x000c}[quote["bank"]]
    try:
        Public(ak_public).verify(decode(quote["signature"]), attest)
    except InvalidSignature:
        return "signature"
    reader = Reader(attest)
    assert reader.take(6) == b"\xffTCG\x80\x18"
    reader.sized()  # the signer's qualified name
    extra = reader.sized()
    reader.take(17 + 8)  # clock, firmware version
    selection = reader.take(4 + 2 + 1 + 3)
    digest = reader.sized()
    assert not reader.data
    if extra != hashlib.sha256(bound).digest():
        return "binding"
    if selection != struct.pack(">IHB", 1, bank, 3) + b"\xff\xff\xff":
        return "selection"
    values = b"".join(map(bytes.fromhex, quote["pcrs"]))
    return None if digest == hashlib.sha256(values).digest() else "pcrs"


def kdfa(key, label, context, bits):
    text = struct.pack(">I", 1) + label + b"\0" + context + struct.pack(">I", bits)
    return hmac.new(key, text, "sha256").digest()[:bits // 8]


def sized(data):
    return struct.pack(">H", len(data)) + data


def make_seed(key):
    """(seed, TPM2B_ENCRYPTED_SECRET) for an endorsement key, TPM 2.0 part 1, B.10.4 and C.6.4."""
    if isinstance(key, rsa.RSAPublicKey):
        seed = os.urandom(32)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"IDENTITY\0")
        return seed, sized(key.encrypt(seed, oaep))
    own = ec.generate_private_key(ec.SECP256R1())
    numbers = own.public_key().public_numbers()
    x, y, other = (n.to_bytes(32, "big") for n in (numbers.x, numbers.y, key.public_numbers().x))
    shared = own.exchange(ec.ECDH(), key)
    seed = hashlib.sha256(struct.pack(">I", 1) + shared + b"IDENTITY\0" + x + other).digest()
    return seed, sized(sized(x) + sized(y))


def make_credential(ek_public, ak_name, value):
    """TPM2_MakeCredential, TPM 2.0 part 1, 24: (TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET)."""
    seed, secret = make_seed(Public(ek_public).key)
    cipher = Cipher(algorithms.AES(kdfa(seed, b"STORAGE", ak_name, 128)), modes.CFB(bytes(16)))
    encryptor = cipher.encryptor()
    encrypted = encryptor.update(sized(value)) + encryptor.finalize()
    mac = hmac.new(kdfa(seed, b"INTEGRITY", b"", 256), encrypted + ak_name, "sha256").digest()
    return sized(sized(mac) + encrypted), secret
