# SPDX-License-Identifier: Apache-2.0
"""A TPM 2.0 of a real swtpm, by the commands that its users send: keys, PCRs, quotes, credentials.

Source: TCG, "TPM 2.0 Library", part 2 (structures) and part 3 (commands)."""
import hashlib
import os
import pathlib
import shutil
import socket
import struct
import subprocess

from harness.processes import eventually

NO_SESSIONS, SESSIONS = 0x8001, 0x8002
OWNER, ENDORSEMENT, NULL = 0x40000001, 0x4000000b, 0x40000007
PASSWORD = 0x40000009
POLICY = 1
RETRY = 0x922  # it was busy and did nothing
SHA256, SHA384 = 0xb, 0xc
HASHES = {SHA256: hashlib.sha256, SHA384: hashlib.sha384}
AES, CFB, NONE = 6, 0x43, 0x10
RSA, ECC = 1, 0x23
RSASSA, RSAPSS, ECDSA = 0x14, 0x16, 0x18
P256, P384 = 3, 4
FIXED_TPM, FIXED_PARENT, ORIGIN, USER, ADMIN_POLICY, NO_DA, RESTRICTED, DECRYPT, SIGN = (
    1 << n for n in (1, 4, 5, 6, 7, 10, 16, 17, 18))
AK = FIXED_TPM | FIXED_PARENT | ORIGIN | USER | RESTRICTED | SIGN
EK = FIXED_TPM | FIXED_PARENT | ORIGIN | ADMIN_POLICY | RESTRICTED | DECRYPT
# PolicySecret(TPM_RH_ENDORSEMENT): "EK Credential Profile", B.6
EK_POLICY = {
    SHA256: bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"),
    SHA384: bytes.fromhex("8bbf2266537c171cb56e403c4dc1d4b64f432611dc386e6f532050c3278c930e"
                          "143e8bb1133824ccb431053871c6db53")}


def sized(data):
    return struct.pack(">H", len(data)) + data


def ecc(attributes, curve=P256, name=SHA256, scheme=NONE, policy=b"", bits=0):
    """TPMT_PUBLIC of a template."""
    return (struct.pack(">HHI", ECC, name, attributes) + sized(policy) + symmetric(bits)
            + struct.pack(">H", scheme) + (struct.pack(">H", name) if scheme != NONE else b"")
            + struct.pack(">HH", curve, NONE) + sized(b"") * 2)


def rsa(attributes, name=SHA256, scheme=NONE, policy=b"", bits=0):
    return (struct.pack(">HHI", RSA, name, attributes) + sized(policy) + symmetric(bits)
            + struct.pack(">H", scheme) + (struct.pack(">H", name) if scheme != NONE else b"")
            + struct.pack(">HI", 2048, 0) + sized(b""))


def symmetric(bits):
    return struct.pack(">HHH", AES, bits, CFB) if bits else struct.pack(">H", NONE)


EK_RSA = rsa(EK, policy=EK_POLICY[SHA256], bits=128)
EK_P256 = ecc(EK, policy=EK_POLICY[SHA256], bits=128)
EK_P384 = ecc(EK, P384, SHA384, policy=EK_POLICY[SHA384], bits=256)
AKS = {"ecc": ecc(AK, scheme=ECDSA), "ecc384": ecc(AK, P384, SHA384, ECDSA),
       "rsa": rsa(AK, scheme=RSASSA), "pss": rsa(AK, scheme=RSAPSS)}


class TpmError(Exception):
    pass


def connected(path):
    """A connection, or None: a socket is there before its program listens."""
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(os.fspath(path))
    except (FileNotFoundError, ConnectionRefusedError):
        client.close()
        return None
    return client


class Tpm:
    """`with Tpm(directory) as tpm`: the emulator runs until then."""

    def __init__(self, directory, program=None):
        self.directory = pathlib.Path(directory)
        self.program = program or shutil.which("swtpm")

    def __enter__(self):
        path = self.directory / "tpm.sock"
        self.process = subprocess.Popen(
            [self.program, "socket", "--tpm2", "--tpmstate", f"dir={self.directory}",
             "--server", f"type=unixio,path={path}",
             "--ctrl", f"type=unixio,path={self.directory / 'ctrl.sock'}",
             "--flags", "startup-clear"],
            stdin=subprocess.DEVNULL)
        try:
            self.socket = eventually(lambda: connected(path), "swtpm listens", 30)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()
        self.process.wait()

    def send(self, code, handles=(), parameters=b"", sessions=(), returned_handles=0):
        """The handles and the parameters that come back."""
        body = b"".join(struct.pack(">I", handle) for handle in handles)
        if sessions:
            authorizations = b"".join(struct.pack(">I", session) + sized(b"") + b"\1" + sized(b"")
                                      for session in sessions)
            body += struct.pack(">I", len(authorizations)) + authorizations
        body += parameters
        tag = SESSIONS if sessions else NO_SESSIONS
        result = RETRY
        while result == RETRY:
            self.socket.sendall(struct.pack(">HII", tag, 10 + len(body), code) + body)
            _, size, result = struct.unpack(">HII", self.take(10))
            rest = self.take(size - 10)
        if result:
            raise TpmError(f"command {code:#x}: TPM_RC {result:#x}")
        found = struct.unpack(f">{returned_handles}I", rest[:4 * returned_handles])
        rest = rest[4 * returned_handles:]
        if sessions:
            (size,) = struct.unpack(">I", rest[:4])
            rest = rest[4:4 + size]
        return found, rest

    def take(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise TpmError("swtpm closed the connection")
            data += piece
        return data

    def create_primary(self, template, hierarchy=ENDORSEMENT):
        """Handle and TPMT_PUBLIC."""
        (handle,), rest = self.send(
            0x131, [hierarchy], sized(sized(b"") * 2) + sized(template) + sized(b"")
            + struct.pack(">I", 0), [PASSWORD], 1)
        return handle, unsized(rest)[0]

    def flush(self, handle):
        self.send(0x165, parameters=struct.pack(">I", handle))

    def extend(self, index, digests):
        """digests: by bank."""
        self.send(0x182, [index], struct.pack(">I", len(digests)) + b"".join(
            struct.pack(">H", bank) + digest for bank, digest in digests.items()), [PASSWORD])

    def pcrs(self, bank, indexes):
        """One after the other: a TPM answers at most eight at once."""
        values = {}
        for index in indexes:
            _, rest = self.send(0x17e, parameters=selection({bank: [index]}))
            (count,) = struct.unpack(">I", rest[4:8])
            if not struct.unpack(">I", rest[4 + 4 + 2 + 1 + 3:][:4])[0] or not count:
                raise TpmError(f"there is no PCR {index} in bank {bank:#x}")
            values[index] = unsized(rest[4 + 4 + 2 + 1 + 3 + 4:])[0]
        return values

    def quote(self, key, qualifying, selected):
        """TPMS_ATTEST and TPMT_SIGNATURE. selected: PCRs by bank."""
        _, rest = self.send(0x158, [key], sized(qualifying) + struct.pack(">H", NONE)
                            + selection(selected), [PASSWORD])
        return unsized(rest)

    def activate(self, ak, ek, blob, secret):
        """What the credential has: only with the EK's policy."""
        (session,), _ = self.send(0x176, [NULL, NULL], sized(bytes(16)) + sized(b"")
                                  + bytes([POLICY]) + struct.pack(">HH", NONE, self.ek_hash(ek)),
                                  (), 1)
        try:
            self.send(0x151, [ENDORSEMENT, session], sized(b"") * 3 + struct.pack(">i", 0),
                      [PASSWORD])
            _, rest = self.send(0x147, [ak, ek], blob + secret, [PASSWORD, session])
        finally:
            self.flush(session)
        return unsized(rest)[0]

    def ek_hash(self, ek):
        _, rest = self.send(0x173, [ek])
        return struct.unpack(">H", unsized(rest)[0][2:4])[0]


def selection(selected):
    """TPML_PCR_SELECTION."""
    return struct.pack(">I", len(selected)) + b"".join(
        struct.pack(">HB", bank, 3) + sum(1 << n for n in pcrs).to_bytes(3, "little")
        for bank, pcrs in selected.items())


def unsized(data):
    (size,) = struct.unpack(">H", data[:2])
    return data[2:2 + size], data[2 + size:]


def name_of(public):
    algorithm = struct.unpack(">H", public[2:4])[0]
    return struct.pack(">H", algorithm) + HASHES[algorithm](public).digest()
