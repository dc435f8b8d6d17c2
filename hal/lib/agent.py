# SPDX-License-Identifier: Apache-2.0
"""Compiles the guest's programs: first process and agent, static; and cvm-attest, which is linked
with libraries of this machine that go into the image with it."""
import concurrent.futures
import os
import pathlib
import re
import tempfile

from .failure import Failure, run, tool

# What the agent shares with the daemon and the client.
SHARED = ("assignments", "buffer", "error", "fd", "file", "json_access", "json_dispatch",
          "json_parse", "json_place", "json_scan", "json_tree", "memfd", "text")
SHARED_ATTEST = ("attest_binding", "buffer", "error", "fd", "file", "json_access", "json_dispatch",
                 "json_parse", "json_place", "json_scan", "json_tree", "json_write", "memfd",
                 "text")
HEADERS = (("json-c/json.h", "libjson-c-dev"), ("openssl/evp.h", "libssl-dev"),
           ("linux/vm_sockets.h", "linux-libc-dev"))
HEADERS_ATTEST = (*HEADERS, ("tss2/tss2_esys.h", "libtss2-dev"))
ATTEST = "usr/lib/cvm-attest"  # in the image, a place of its own: the full one has other libraries
LOADER = pathlib.Path("/lib64/ld-linux-x86-64.so.2")


def version(hal):
    found = re.search(r"^\s*version: '([^']+)'", (hal.parent / "meson.build").read_text(),
                      re.MULTILINE)
    if not found:
        raise Failure("meson.build names no version")
    return found.group(1)


def compile_program(hal, part, shared, headers, link):
    """The bytes of the program whose sources are in hal/PART. They depend on sources and compiler,
    on no path or environment."""
    compiler = tool("gcc", "gcc")
    tool("strip", "binutils")
    top = hal.parent
    sources = sorted((hal / part).glob("*.c")) + [top / "src" / "base" / f"{name}.c"
                                                  for name in shared]
    for header, package in headers:
        if not any((pathlib.Path(base) / header).exists()
                   for base in ("/usr/include", "/usr/include/x86_64-linux-gnu")):
            raise Failure(f"{header} is missing: apt-get install {package}")
    options = ["-std=gnu17", "-Os", "-D_GNU_SOURCE", f'-DCVMD_VERSION="{version(hal)}"', "-Wall",
               "-Wextra", "-Wno-unused-parameter", "-ftrivial-auto-var-init=zero",
               "-fstack-protector-strong", "-fno-strict-aliasing", "-ffunction-sections",
               "-fdata-sections", f"-ffile-prefix-map={top}=.", "-frandom-seed=cvmd",
               "-I", str(hal / part), "-I", str(top / "src")]
    with tempfile.TemporaryDirectory(prefix="cvm-agent-") as directory:

        def compile_one(numbered):
            number, path = numbered
            run([compiler, *options, "-c", "-o", f"{number}.o", str(path)],
                f"compiling the {part} program", cwd=directory)
            return f"{number}.o"

        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            objects = list(pool.map(compile_one, enumerate(sources)))
        run([compiler, "-s", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-z,relro,-z,now",
             "-o", "program", *objects, *link], f"linking the {part} program", cwd=directory)
        return (pathlib.Path(directory) / "program").read_bytes()


def compile_agent(hal):
    """The static program's bytes."""
    return compile_program(hal, "agent", SHARED, HEADERS, ["-static", "-ljson-c", "-lcrypto"])


def compile_attest(hal):
    """{path in the image: bytes} of cvm-attest, its libraries and their loader."""
    program = compile_program(hal, "attest", SHARED_ATTEST, HEADERS_ATTEST, [
        f"-Wl,--dynamic-linker=/{ATTEST}/{LOADER.name}", f"-Wl,-rpath,/{ATTEST}",
        "-Wl,--disable-new-dtags", "-Wl,--as-needed", "-ltss2-esys", "-ltss2-mu",
        "-ltss2-tcti-device", "-lssl", "-lcrypto", "-ljson-c"])
    files = {f"{ATTEST}/cvm-attest": program, f"{ATTEST}/{LOADER.name}": LOADER.read_bytes()}
    with tempfile.NamedTemporaryFile(prefix="cvm-attest-") as file:
        file.write(program)
        file.flush()
        listed = run([str(LOADER), "--inhibit-cache", "--list", file.name],
                     "listing the libraries of cvm-attest").decode()
    for name, path in re.findall(r"^\s*(\S+) => (/\S+) \(", listed, re.MULTILINE):
        if pathlib.PurePath(name).name != LOADER.name:
            files[f"{ATTEST}/{name}"] = pathlib.Path(path).read_bytes()
    if "not found" in listed:
        raise Failure("a library of cvm-attest is not among this machine's")
    return files
