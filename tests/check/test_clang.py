# SPDX-License-Identifier: Apache-2.0
"""Clang has nothing to say of the sources (tests/layers/clang.py)."""
import json
import pathlib
import shutil
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/layers"), str(TOP / "tests/lanes")]
import clang  # noqa: E402
import objects  # noqa: E402
import parts  # noqa: E402

PARTS = 40  # of the analyzer's work, which takes a second or more a file

pytestmark = pytest.mark.skipif(not shutil.which("clang"), reason="clang is not installed")


def look(*arguments):
    try:
        said = clang.look(TOP / "build", *arguments)
    except objects.Stale as problem:
        pytest.skip(str(problem))
    assert not said, "\n".join(said)


def test_clang_compiles_without_a_warning():
    look(clang.COMPILE)


def test_a_part_is_analyzed():
    look(clang.ANALYZE, parts.chosen(PARTS).take)


@pytest.mark.long
def test_all_is_analyzed():
    look(clang.ANALYZE)


@pytest.fixture
def plant(tmp_path):
    """Returns what clang says of a source."""
    def say(mode, text):
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "build").mkdir(exist_ok=True)
        (tmp_path / "src/a.h").write_text("#define ONE 1\n")
        (tmp_path / "src/a.c").write_text(text)
        (tmp_path / "build/compile_commands.json").write_text(json.dumps([
            {"directory": str(tmp_path / "build"), "file": "../src/a.c", "output": "src/a.c.o",
             "command": "ccache gcc -Isrc -Wall -Wextra -Werror -o src/a.c.o -c ../src/a.c"}]))
        return clang.look(tmp_path / "build", mode)
    return say


def test_a_warning_is_noticed(plant):
    assert plant(clang.COMPILE, "int f(int a)\n{\n        int b;\n        return a;\n}\n")
    assert not plant(clang.COMPILE, "int f(int a)\n{\n        return a;\n}\n")


def test_what_only_the_analyzer_finds_is_noticed(plant):
    bad = "int f(int a)\n{\n        int b = 0;\n        return a > 3 ? a / b : 0;\n}\n"
    assert plant(clang.ANALYZE, bad)
    assert not plant(clang.ANALYZE, bad.replace("= 0", "= 2"))


def test_a_file_is_looked_at_again_when_its_header_has_changed(plant, tmp_path):
    text = '#include "a.h"\nint f(int a)\n{\n        return a / ONE;\n}\n'
    assert not plant(clang.COMPILE, text)
    (tmp_path / "src/a.h").write_text("#define ONE 0\n")
    assert clang.look(tmp_path / "build", clang.COMPILE)
    (tmp_path / "src/a.h").write_text("#define ONE 1\n")
    assert not clang.look(tmp_path / "build", clang.COMPILE)
