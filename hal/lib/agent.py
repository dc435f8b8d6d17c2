# SPDX-License-Identifier: Apache-2.0
"""Compiles the guest's one program: first process and agent, static."""
import concurrent.futures
import os
import pathlib
import re
import tempfile

from .failure import Failure, run, tool

# What the agent shares with the daemon and the client.
SHARED = ("assignments", "buffer", "error", "fd", "file", "json_access", "json_dispatch",
          "json_parse", "json_place", "json_scan", "json_tree", "memfd", "text")


def version(hal):
    found = re.search(r"^\s*version: '([^']+)'", (hal.parent / "meson.build").read_text(),
                      re.MULTILINE)
    if not found:
        raise Failure("meson.build names no version")
    return found.group(1)


def compile_agent(hal):
    """The program's bytes. They depend on sources and compiler, on no path or environment."""
    compiler = tool("gcc", "gcc")
    tool("strip", "binutils")
    top = hal.parent
    sources = sorted((hal / "agent").glob("*.c")) + [top / "src" / "base" / f"{name}.c"
                                                     for name in SHARED]
    for header, package in (("json-c/json.h", "libjson-c-dev"), ("openssl/evp.h", "libssl-dev"),
                            ("linux/vm_sockets.h", "linux-libc-dev")):
        if not any((pathlib.Path(base) / header).exists()
                   for base in ("/usr/include", "/usr/include/x86_64-linux-gnu")):
            raise Failure(f"{header} is missing: apt-get install {package}")
    options = ["-std=gnu17", "-Os", "-D_GNU_SOURCE", f'-DCVMD_VERSION="{version(hal)}"', "-Wall",
               "-Wextra", "-Wno-unused-parameter", "-ftrivial-auto-var-init=zero",
               "-fstack-protector-strong", "-fno-strict-aliasing", "-ffunction-sections",
               "-fdata-sections", f"-ffile-prefix-map={top}=.", "-frandom-seed=cvmd",
               "-I", str(hal / "agent"), "-I", str(top / "src")]
    with tempfile.TemporaryDirectory(prefix="cvm-agent-") as directory:

        def compile_one(numbered):
            number, path = numbered
            run([compiler, *options, "-c", "-o", f"{number}.o", str(path)],
                "compiling the agent", cwd=directory)
            return f"{number}.o"

        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            objects = list(pool.map(compile_one, enumerate(sources)))
        run([compiler, "-static", "-s", "-Wl,--gc-sections", "-Wl,--build-id=none",
             "-Wl,-z,relro,-z,now", "-o", "init", *objects, "-ljson-c", "-lcrypto"],
            "linking the agent", cwd=directory)
        return (pathlib.Path(directory) / "init").read_bytes()
