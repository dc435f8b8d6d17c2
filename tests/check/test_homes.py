# SPDX-License-Identifier: Apache-2.0
"""Each function lives in the file of its noun, and is declared in a header of its module
(tests/layers/homes.py)."""
import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/layers"))
import homes  # noqa: E402

BODY = "{\n        return 0;\n}\n"


@pytest.fixture
def tree(tmp_path):
    """Writes files: tree({"src/base/a.c": text})."""
    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return homes.problems(tmp_path)
    return write


def test_all_functions_are_at_home():
    problems = homes.problems(TOP)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("header,source,function", [
    ("src/base/file.h", "src/base/file.c", "file_read"),
    ("daemon/launch/launch_internal.h", "daemon/launch/launch_start.c", "launch_start"),
    ("daemon/launch/launch_internal.h", "daemon/launch/launch_start.c", "launch_enter_scope"),
    ("src/host/host.h", "src/host/cpu.c", "host_probe_cpu"),
    ("src/wire/call.h", "src/wire/call.c", "wire_call_ref"),
    ("daemon/launch/launch.h", "daemon/launch/admit.c", "admit_check"),
    ("cli/verb.h", "cli/list.c", "verb_list"),
    ("daemon/vm/charges.h", "daemon/vm/charges.c", "charge_add"),
])
def test_at_home(tree, header, source, function):
    assert not tree({header: f"int {function}(int a);\n", source: f"int {function}(int a)\n{BODY}"})


@pytest.mark.parametrize("header,source,function,problem", [
    ("src/base/file.h", "src/base/file.c", "fd_read", "begins with no noun"),
    ("src/base/files.h", "src/base/file.c", "file_read", "is declared in src/base/files.h"),
    ("daemon/vm/vm.h", "daemon/launch/vm_stop.c", "vm_stop", "is declared in"),
    ("cli/verb.h", "cli/list.c", "list_print", "is declared in"),
])
def test_who_is_not_is_noticed(tree, header, source, function, problem):
    found = tree({header: f"int {function}(int a);\n", source: f"int {function}(int a)\n{BODY}"})
    assert len(found) == 1 and problem in found[0]


def test_a_type_of_the_header_is_a_noun(tree):
    files = {"src/spec/plan.h": "typedef struct LaunchPlan {\n        int a;\n} LaunchPlan;\n"
                                "int launch_plan_free(LaunchPlan *plan);\n",
             "src/spec/plan.c": f"int launch_plan_free(LaunchPlan *plan)\n{BODY}"}
    assert not tree(files)
    assert len(tree({"src/spec/plan.h": "int launch_plan_free(void *plan);\n"})) == 1


def test_static_functions_are_not_looked_at(tree):
    assert not tree({"src/base/a.c": f"static int other(int a)\n{BODY}"})
