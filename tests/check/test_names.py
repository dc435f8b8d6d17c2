# SPDX-License-Identifier: Apache-2.0
"""Static functions carry their module's noun (tests/layers/names.py)."""
import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/layers"))
import names  # noqa: E402


def allowed():
    lines = [line.split() for line in (TOP / "tests/layers/shared-names").read_text().splitlines()
             if line and not line.startswith("#")]
    return {name: int(number) for name, number in lines}


def test_no_further_name_is_shared():
    problems = names.problems(TOP, allowed())
    assert not problems, "\n".join(problems)


FUNCTION = "{}int {}(const char *a,\n        int b)\n{{\n        return b;\n}}\n"


@pytest.fixture
def tree(tmp_path):
    """Writes functions of files: tree("src/a.c", "static add", "run")."""
    def write(name, *functions):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(
            FUNCTION.format("static " if words.startswith("static ") else "", words.split()[-1])
            for words in functions))
        return tmp_path
    return write


def test_a_shared_name_is_noticed(tree):
    tree("src/base/a.c", "static a_add", "static add")
    root = tree("cli/b.c", "static b_add", "static add")
    assert names.problems(root, {}) == ["2 files have a function add(): cli/b.c, src/base/a.c"]
    assert not names.problems(root, {"add": 2})
    tree("daemon/vm/c.c", "static add")
    assert names.problems(root, {"add": 2})


def test_a_name_of_another_files_interface_is_noticed(tree):
    tree("src/base/a.c", "static run")
    root = tree("daemon/vm/b.c", "run")
    assert names.problems(root, {})


def test_callbacks_and_names_of_no_static_function_are_not_looked_at(tree):
    tree("src/base/a.c", "static on_timeout", "open")
    root = tree("daemon/vm/b.c", "static on_timeout", "open")  # one of them is not built
    assert not names.problems(root, {})


def test_a_line_that_is_not_needed_is_noticed(tree):
    root = tree("src/base/a.c", "static add")
    assert names.problems(root, {"add": 2}) == ["'add' is not shared any more: remove the line"]
