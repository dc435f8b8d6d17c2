# SPDX-License-Identifier: Apache-2.0
"""Rules for C that no compiler checks."""
import pathlib
import re
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/layers"))
import links  # noqa: E402
import objects  # noqa: E402

COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*\*/")
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
UNBOUNDED = re.compile(r"\b(?:strn?cpy|strn?cat|gets|atoi|atol)\s*\(|\[\s*PATH_MAX\b")
FOR_EACH = re.compile(r"\b(\w*(?:FOREACH|foreach)\w*) ?(\()")


def problems(text):
    """What is wrong with a C file, as lines."""
    found = []
    for match in COMMENT.finditer(text):
        lines = match.group().splitlines()
        if len(lines) > 1 and lines[0].strip() != "/*" and not lines[-1].strip(" \\*/"):
            number = text[:match.end()].count("\n") + 1
            found.append(f"line {number}: a comment ends in a lonely */: break it before")
    code = STRING.sub('""', COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text))
    for match in UNBOUNDED.finditer(code):
        number = code[:match.start()].count("\n") + 1
        found.append(f"line {number}: {match.group()}: text_copy(), text_parse_uint() and "
                     f"fd_read_path() have bounds")
    return found


def loops(text):
    """Macros that begin a loop: what stands behind their parentheses is not a semicolon."""
    code, found = STRING.sub('""', COMMENT.sub("", text)), set()
    for match in FOR_EACH.finditer(code):
        at, depth = match.end(), 1
        while at < len(code) and depth:
            depth += {"(": 1, ")": -1}.get(code[at], 0)
            at += 1
        if not re.match(r"\s*;", code[at:]) and not re.search(r"#\s*define\s*$",
                                                             code[:match.start()]):
            found.add(match.group(1))
    return found


@pytest.mark.files("c")
def test_c_rules(name):
    text = (TOP / name).read_text()
    # a test may copy what it has written itself
    assert not [line for line in problems(text)
                if "have bounds" not in line or not name.startswith("tests/")]
    known = re.search(r"^ForEachMacros: \[(.*)\]$", (TOP / ".clang-format").read_text(),
                      re.MULTILINE).group(1).split(", ")
    assert loops(text) <= {*known}, "ForEachMacros of .clang-format does not have them"


@pytest.mark.parametrize("text", [
    "/* two lines\n */\nint a;\n",
    "#define A 1 /* two lines  \\\n    */\n",
    "int f(void)\n{\n        strcpy(a, b);\n}\n",
    "int f(void)\n{\n        strncpy (a, b, 3);\n}\n",
    "        char path[PATH_MAX];\n",
    "        char link[40], path[PATH_MAX + 1];\n",
    "        return atoi(s);\n",
])
def test_a_broken_rule_is_noticed(text):
    assert len(problems(text)) == 1


@pytest.mark.parametrize("text", [
    "/*\n * A block.\n */\n", "/* one line, strcpy() */\n", "/* two\n * lines */\n",
    '        log("strcpy(a, b)");\n', "        text_copy(a, sizeof(a), b);\n",
    "        malloc(PATH_MAX);\n",
])
def test_what_is_allowed_is_not_refused(text):
    assert not problems(text)


def test_loops_are_found():
    text = ("#define B_FOREACH(a) for (;;)\n"
            "        LIST_FOREACH (a, &b(1), c)\n                d();\n"
            "        vms_foreach(vm, manager)\n        {\n        names_foreach(fd, act);\n")
    assert loops(text) == {"LIST_FOREACH", "vms_foreach"}


def test_symbols_of_one_object_are_static():
    """Of src, daemon and cli; what only tests refer to is for them."""
    try:
        found = objects.of_build(TOP / "build", TOP, (*objects.PROGRAMS, "tests/"))
    except objects.Stale as problem:
        pytest.skip(str(problem))
    if not any(thing.output.startswith("tests/") for thing in found):
        pytest.skip("the build has no tests")
    assert not links.private(found)
