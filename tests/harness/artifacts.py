# SPDX-License-Identifier: Apache-2.0
"""Small files of the right form for tests in which no guest is booted."""
import gzip
import subprocess


def kernel(path, size=64 << 10, fill=b"\x90"):
    """A bzImage by its header alone (Linux boot protocol: 0x1fe boot flag, 0x202 HdrS)."""
    data = bytearray(fill * size)
    data[0x1F1] = 4  # setup_sects
    data[0x1FE:0x200] = b"\x55\xaa"
    data[0x200:0x202] = b"\xeb\x66"
    data[0x202:0x206] = b"HdrS"
    data[0x206:0x208] = (0x020F).to_bytes(2, "little")  # version of the protocol
    data[0x211] = 1  # loadflags: LOADED_HIGH
    data[0x1F4:0x1F8] = ((size - 5 * 512) // 16).to_bytes(4, "little")  # syssize, paragraphs
    path.write_bytes(data)
    return path


def initramfs(path, content=b"070701"):
    path.write_bytes(gzip.compress(content, mtime=0))
    return path


def certificates(directory):
    """ca.pem, cert.pem and key.pem as a user would make them."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=cvm.example", "-days", "1", "-keyout", directory / "key.pem",
         "-out", directory / "cert.pem"],
        check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (directory / "ca.pem").write_bytes((directory / "cert.pem").read_bytes())
    return directory
