# SPDX-License-Identifier: Apache-2.0
"""Faults of a spec are collected, not returned one at a time: what parses a spec calls fault_add()
and the functions above it. cvm_error_invalid_spec() sets an error that is already set again."""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
SETTER = re.compile(r"\bcvm_error_invalid_spec\s*\(")


def setters(files):
    return [name for name, text in sorted(files.items()) if SETTER.search(text)]


def test_no_parser_of_specs_sets_an_error_of_its_own():
    files = {path.name: path.read_text() for path in (TOP / "src/spec").glob("*.[ch]")}
    assert len(files) > 15 and setters(files) == []
    files["spec.c"] += '        return cvm_error_invalid_spec(error, "name", "is missing");\n'
    assert setters(files) == ["spec.c"]
