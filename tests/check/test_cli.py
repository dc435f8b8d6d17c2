# SPDX-License-Identifier: Apache-2.0
"""cvmctl's verbs read the command line into structs; nothing else does (cli/arguments.h)."""
import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
MAY_READ = re.compile(r"verb_\w+|\w+_options|main_run|main")
FUNCTION = re.compile(r"^(?:[A-Za-z_][\w \*]*?)(\w+)\(([^;{]*)\)\n\{\n(.*?)^\}$",
                      re.MULTILINE | re.DOTALL)
READS = re.compile(r"\barguments_(?:has|values?|number|operand)\(")


def problems(text):
    """Functions that are given, or read, the arguments although they are not a verb's reader."""
    return [match.group(1) for match in FUNCTION.finditer(text)
            if not MAY_READ.fullmatch(match.group(1)) and
            (re.search(r"\bArguments\b", match.group(2)) or READS.search(match.group(3)))]


@pytest.mark.files("c")
def test_only_readers_have_the_arguments(name):
    if name.startswith("cli/") and name != "cli/arguments.c":
        assert not problems((TOP / name).read_text())


@pytest.mark.parametrize("text", [
    "static int list_print(const Arguments *arguments)\n{\n        return 0;\n}\n",
    "static int list_print(const Cli *cli,\n                      const Arguments *a)\n{\n}\n",
    "int list_print(const Cli *cli)\n{\n        return arguments_has(a, \"json\");\n}\n",
])
def test_others_are_noticed(text):
    assert problems(text) == ["list_print"]


@pytest.mark.parametrize("text", [
    "ExitStatus verb_list(const Arguments *arguments)\n{\n}\n",
    "static ListOptions list_options(const Arguments *arguments)\n{\n"
    "        return arguments_has(arguments, \"json\");\n}\n",
    "static int list_print(const ListOptions *options)\n{\n        return 0;\n}\n",
])
def test_readers_are_not_refused(text):
    assert not problems(text)
