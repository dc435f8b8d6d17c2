#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the built-in templates as C. Usage: embed.py OUTPUT FILE…"""
import json
import pathlib
import sys
import xml.dom.minidom


def main():
    output, *files = sys.argv[1:]
    lines = ['#include "template/template_internal.h"', "",
             "const BuiltinTemplate builtin_templates[] = {"]
    for path in sorted(map(pathlib.Path, files)):
        text = path.read_text(encoding="utf-8")
        # a template that cannot be read fails the build
        if path.suffix == ".json":
            json.loads(text)
        else:
            xml.dom.minidom.parseString(text)
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        quoted = "\n".join(f'                "{line}\\n"' for line in escaped.splitlines())
        lines.append(f'        {{ "{path.name}",\n{quoted} }},')
    lines.append("        {},\n};\n")
    pathlib.Path(output).write_text("\n".join(lines), encoding="utf-8")


main()
