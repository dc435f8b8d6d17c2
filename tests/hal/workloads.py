# SPDX-License-Identifier: Apache-2.0
"""Programs for a guest, made here without a compiler for WebAssembly and without Docker."""
import io
import json
import subprocess
import tarfile

from harness.agent import sha256

HELLO_C = '#include <stdio.h>\nint main(void) { return puts("hello from a container") < 0; }\n'


def leb(value):
    """Unsigned LEB128, as WebAssembly has its numbers."""
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def vector(*items):
    return leb(len(items)) + b"".join(items)


def name(text):
    return leb(len(text)) + text.encode()


def section(number, content):
    return bytes([number]) + leb(len(content)) + content


def wasm_hello(text):
    """A WASI command that writes a line: WebAssembly 1.0, section by section."""
    line = (text + "\n").encode()
    i32, func = b"\x7f", b"\x60"
    types = vector(func + vector(i32, i32, i32, i32) + vector(i32), func + vector() + vector())
    imports = vector(name("wasi_snapshot_preview1") + name("fd_write") + b"\x00" + leb(0))
    memory = vector(b"\x00" + leb(1))
    exports = vector(name("memory") + b"\x02" + leb(0), name("_start") + b"\x00" + leb(1))
    # fd_write(1, iovec at 0, one of them, result at 8), whose errno is dropped
    code = b"\x41\x01\x41\x00\x41\x01\x41\x08\x10" + leb(0) + b"\x1a\x0b"
    body = vector() + code
    iovec = (16).to_bytes(4, "little") + len(line).to_bytes(4, "little")
    data = vector(*(b"\x00\x41" + leb(at) + b"\x0b" + leb(len(part)) + part
                    for at, part in ((0, iovec), (16, line))))
    return b"\0asm\x01\0\0\0" + b"".join((
        section(1, types), section(2, imports), section(3, vector(leb(1))), section(5, memory),
        section(7, exports), section(10, vector(leb(len(body)) + body)), section(11, data)))


def tar(files):
    """A tar of {name: (mode, bytes)}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, (mode, data) in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), mode
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def docker_image(tag, program, directory):
    """What `docker save` would write of an image FROM scratch with a static program alone."""
    source = directory / "program.c"
    source.write_text(program)
    binary = directory / "program"
    subprocess.run(["gcc", "-static", "-Os", "-s", "-o", binary, source], check=True)
    layer = tar({"program": (0o755, binary.read_bytes())})
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/program"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]}}).encode()
    index = json.dumps([{"Config": "config.json", "RepoTags": [tag],
                         "Layers": ["layer.tar"]}]).encode()
    return tar({"manifest.json": (0o644, index), "config.json": (0o644, config),
                "layer.tar": (0o644, layer)})
