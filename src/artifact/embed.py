#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the C source that embeds files in a program. Usage: embed.py OUTPUT [NAME=KIND=FILE]...

Each file becomes a page-aligned read-only section part of its own (.incbin), so that its pages can
be dropped from memory without touching a neighbour's; the table of them with their digests is
`embedded_artifacts` of src/artifact/embedded.h. The digests are in the source, so it changes, and
is compiled again, whenever a file's content does.
"""
import hashlib
import pathlib
import sys

PAGE = 4096

BLOB = """
__asm__(".pushsection .embedded, \\"a\\", @progbits\\n"
        ".balign {page}\\n"
        ".globl embedded_{index}_start\\n.hidden embedded_{index}_start\\n"
        "embedded_{index}_start:\\n"
        ".incbin " {path} "\\n"
        ".globl embedded_{index}_end\\n.hidden embedded_{index}_end\\n"
        "embedded_{index}_end:\\n"
        ".balign {page}\\n"
        ".popsection\\n");
extern const uint8_t embedded_{index}_start[], embedded_{index}_end[];
"""

ROW = """        {{ {name}, ARTIFACT_{kind}, embedded_{index}_start, embedded_{index}_end,
          {{ {{ {sha256} }},
            {{ {sha384} }} }} }},
"""


def quote(text):
    """A C string literal of these characters."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def digest(path, algorithm):
    with open(path, "rb") as stream:
        value = hashlib.file_digest(stream, algorithm).digest()
    return ", ".join(f"0x{byte:02x}" for byte in value)


def main():
    output, blobs, rows = pathlib.Path(sys.argv[1]), "", ""
    for index, argument in enumerate(sys.argv[2:]):
        name, kind, path = argument.split("=", 2)
        path = pathlib.Path(path).resolve()
        if not str(path).isprintable():
            sys.exit(f"embed.py: the assembler cannot take the path {str(path)!r}")
        if path.stat().st_size == 0:
            sys.exit(f"embed.py: {path} ({name}) is empty")
        # quoted twice: for the assembler, and that text for C
        blobs += BLOB.format(page=PAGE, index=index, path=quote(quote(str(path))))
        rows += ROW.format(name=quote(name), kind=kind.upper(), index=index,
                           sha256=digest(path, "sha256"), sha384=digest(path, "sha384"))
    output.write_text('#include "artifact/embedded.h"\n' + blobs +
                      "\nconst EmbeddedArtifact embedded_artifacts[] = {\n" + rows +
                      "        {},\n};\n", encoding="utf-8")


main()
