#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the C source of the table of cli/completion.h. Usage: embed.py OUTPUT SHELL=FILE..."""
import json
import pathlib
import sys

rows = ""
for argument in sys.argv[2:]:
    shell, path = argument.split("=", 1)
    lines = pathlib.Path(path).read_text(encoding="ascii").splitlines(keepends=True)
    # JSON's strings of ASCII are C's
    text = "\n         ".join(json.dumps(line) for line in lines)
    rows += f'        {{"{shell}",\n         {text}}},\n'
pathlib.Path(sys.argv[1]).write_text(
    '#include "completion.h"\n\n'
    f"const CompletionScript completion_scripts[] = {{\n{rows}        {{}},\n}};\n",
    encoding="ascii")
