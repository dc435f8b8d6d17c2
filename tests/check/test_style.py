# SPDX-License-Identifier: Apache-2.0
"""CONTRIBUTING.md's rules that a machine can check."""
import ast
import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LINES_MAX = 700
LINES_MAX_OF_A_MODULE = 600  # in src, daemon and cli


def run(*command):
    done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_layers_hold():
    run(TOP / "tests/check-layers", TOP)


@pytest.mark.files("shell")
def test_shellcheck(name):
    run("shellcheck", "--external-sources", "--source-path", str(TOP), name)


@pytest.mark.files("c")
def test_c_is_formatted(name):
    run("clang-format", "--dry-run", "-Werror", name)


@pytest.mark.files("python")
def test_python_parses(name):
    ast.parse((TOP / name).read_text(), filename=name)


@pytest.mark.files("c", "python", "shell", "meson")
def test_licence_is_named(name):
    head = (TOP / name).read_text().splitlines()[:2]
    assert any("SPDX-License-Identifier: Apache-2.0" in line for line in head)


@pytest.mark.files("c", "python", "shell")
def test_size_and_width(name):
    lines = (TOP / name).read_text().splitlines()
    module = name.startswith(("src/", "daemon/", "cli/"))
    assert len(lines) <= (LINES_MAX_OF_A_MODULE if module else LINES_MAX), "it holds two nouns"
    # clang-format sees to C, and leaves a string alone that it cannot break.
    if not name.endswith((".c", ".h")):
        wide = [number for number, line in enumerate(lines, 1) if len(line) > 100]
        assert not wide, f"over 100 columns: {wide}"


@pytest.mark.files("shell")
def test_scripts_run(name):
    first = (TOP / name).read_text().splitlines()[0]
    assert first.startswith("#!") == os.access(TOP / name, os.X_OK)


@pytest.mark.files("c")
def test_json_is_parsed_in_one_place(name):
    """json-c repairs what it does not like, so its parser is called by tests alone: those that
    compare with it, and tests/fake, which stands for another program."""
    if name in ("tests/fuzz/fuzz-json.c", "tests/unit/test-base-json.c"):
        return
    if name.startswith("tests/fake/"):
        return
    calls = re.findall(r"\bjson_(?:tokener_\w+|object_from_f\w+)", (TOP / name).read_text())
    assert not calls, "json_parse() is to be used"
