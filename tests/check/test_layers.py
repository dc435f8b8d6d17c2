# SPDX-License-Identifier: Apache-2.0
"""tests/check-layers: that the order of layers and floors holds, and that it would be noticed if it
did not."""
import json
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
# What a reader has to walk through: (rooms of the daemon, climbs). Before the daemon's floors held
# these were (59, 17) and (60, 18). They may only sink.
WALKS = {"api_stop": (29, 0), "recover_one": (42, 0)}


def check_layers(*arguments):
    return subprocess.run([TOP / "tests/check-layers", *map(str, arguments)], check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def needs_build(done):
    if "run ninja -C" in done.stdout or "is not a build directory" in done.stdout:
        pytest.skip(done.stdout.strip())


class Tree:
    """A source tree of a few files."""

    def __init__(self, root):
        self.root = root
        self.names = []

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if name.endswith(".c"):
            self.names.append(name)

    def allow(self, text):
        self.write("tests/layers/allowed", text)

    def check(self, *arguments):
        """Its status and what it says."""
        done = check_layers(*arguments, self.root)
        return done.returncode, done.stdout

    def compile(self):
        commands = []
        for name in self.names:
            output = f"{name.split('/', maxsplit=1)[0]}/{name.replace('/', '_')}.o"
            (self.root / "build" / output).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["gcc", "-O2", "-I", self.root / "src", "-c", self.root / name, "-o",
                            self.root / "build" / output], check=True)
            commands.append({"directory": str(self.root / "build"), "file": f"../{name}",
                             "output": output})
        (self.root / "build/compile_commands.json").write_text(json.dumps(commands))


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_includes_hold():
    done = check_layers(TOP)
    assert done.returncode == 0, done.stdout


def test_links_hold():
    done = check_layers("--links", TOP)
    needs_build(done)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("source,include,refused", [
    ("src/base/a.c", "wire/b.h", True),
    ("src/wire/a.c", "base/b.h", False),
    ("src/wire/a.c", "daemon/vm/b.h", True),
    ("daemon/vm/a.c", "api/b.h", True),
    ("daemon/api/a.c", "vm/b.h", False),
    ("daemon/vm/a.c", "wire/b.h", False),
    ("daemon/vm/a.c", "main.h", True),
    ("cli/a.c", "daemon/vm/b.h", True),
    ("src/base/a.c", "nowhere.h", True),
])
def test_an_include_against_the_order_is_noticed(tree, source, include, refused):
    for header in ("src/wire/b.h", "src/base/b.h", "daemon/vm/b.h", "daemon/api/b.h",
                   "daemon/main.h"):
        tree.write(header, "int b(void);\n")
    tree.write("daemon/daemon", "")  # for includes that name the house, too
    (tree.root / "src/daemon").symlink_to("../daemon")
    (tree.root / "src/src").symlink_to("../src")
    tree.write(source, f'#include "{include}"\n')
    status, output = tree.check()
    assert status == refused, output
    assert refused == (f"{source}:1: " in output)


@pytest.mark.parametrize("source,refused", [("src/base/a.c", True), ("src/wire/a.c", False),
                                            ("daemon/vm/a.c", False), ("cli/a.c", True)])
def test_the_event_loop_is_kept_out(tree, source, refused):
    tree.write(source, "#include <uv.h>\n")
    assert tree.check()[0] == refused


LINKED = [
    ("src/base/a.c", "src/wire/b.c"), ("src/qmp/a.c", "src/wire/b.c"),
    ("src/base/a.c", "daemon/vm/b.c"), ("cli/a.c", "daemon/vm/b.c"),
    ("daemon/vm/a.c", "daemon/api/b.c"), ("daemon/vm/a.c", "daemon/b.c"),
]
NEITHER = [("src/qmp/a.c", "src/wire/b.c"), ("cli/a.c", "daemon/vm/b.c")]


def plant_link(tree, source, target):
    """No include tells of it."""
    tree.write(source, "extern int b(void); int a(void) { return b(); }")
    tree.write(target, "int b(void) { return 1; }")
    tree.compile()


@pytest.mark.parametrize("source,target", LINKED)
def test_a_link_against_the_order_is_noticed(tree, source, target):
    plant_link(tree, source, target)
    status, output = tree.check("--links")
    assert status == 1 and f"{source} must not link with {target}: b" in output


@pytest.mark.parametrize("target,source", [edge for edge in LINKED if edge not in NEITHER])
def test_a_link_with_the_order_is_fine(tree, source, target):
    plant_link(tree, source, target)
    status, output = tree.check("--links")
    assert status == 0, output


def test_data_is_linked_too(tree):
    tree.write("src/base/a.c", "extern const int *b; const int **a(void) { return &b; }")
    tree.write("src/wire/b.c", "const int *b;")
    tree.compile()
    assert tree.check("--links")[0] == 1


CIRCLES = [["src/base/a.c", "src/base/b.c", "src/base/c.c"],
           ["daemon/vm/a.c", "daemon/vm/b.c", "daemon/vm/c.c"],
           ["cli/a.c", "cli/b.c"]]


def plant_circle(tree, names):
    """The last one refers to the first: by a table, not by a call."""
    functions = [pathlib.PurePath(name).stem for name in names]
    for name, function, following in zip(names, functions, functions[1:]):
        tree.write(name, f"extern int {following}(void); int {function}(void)"
                         f" {{ return {following}() + 1; }}")
    tree.write(names[-1], f"extern int {functions[0]}(void); int {functions[-1]}(void);"
                          f"int (*const table[])(void) = {{{functions[0]}, {functions[-1]}}};"
                          f"int {functions[-1]}(void) {{ return 3; }}")
    tree.compile()


@pytest.mark.parametrize("names", CIRCLES)
def test_a_circle_is_noticed(tree, names):
    plant_circle(tree, names)
    status, output = tree.check("--links")
    assert status == 1 and "links in a circle: " in output
    assert all(name in output for name in names)


def test_a_module_may_refer_to_itself(tree):
    tree.write("src/base/a.c", "int a(int i); int b(int i);"
                               "int a(int i) { return i ? b(i - 1) : 0; }"
                               "int b(int i) { return i ? a(i - 1) : 1; }")
    tree.compile()
    assert tree.check("--links")[0] == 0


def test_what_is_allowed_is_excused_as_long_as_it_is_needed(tree):
    plant_circle(tree, CIRCLES[0])
    tree.write("daemon/vm/x.c", "extern int y(void); int x(void) { return y(); }")
    tree.write("daemon/api/y.c", "int y(void) { return 1; }")
    tree.compile()
    needed = "link src/base/c.c src/base/a.c\nlink daemon/vm/x.c daemon/api/y.c\n"
    tree.allow(needed)
    status, output = tree.check("--links")
    assert status == 0, output
    for more in ("link src/base/a.c src/base/b.c",  # the circle is open without it
                 "link src/base/a.c src/base/c.c",  # there is none
                 "link daemon/api/y.c daemon/vm/x.c"):
        tree.allow(needed + more + "\n")
        status, output = tree.check("--links")
        assert status == 1 and f"'{more}' is no longer needed" in output


def test_an_include_is_excused_as_long_as_it_is_needed(tree):
    tree.write("daemon/vm/a.c", '#include "api/b.h"\n')
    tree.write("daemon/api/b.h", "int b(void);\n")
    tree.allow("# why\ninclude daemon/vm/a.c daemon/api/b.h\n")
    assert tree.check()[0] == 0
    tree.write("daemon/vm/a.c", "int a;\n")
    status, output = tree.check()
    assert status == 1 and "is no longer needed" in output


def test_a_wrong_line_of_the_list_is_refused(tree):
    tree.write("daemon/vm/a.c", "int a;\n")
    tree.allow("daemon/vm/a.c daemon/api/b.h\n")
    assert tree.check()[0] == 1


def test_an_old_build_is_refused(tree):
    plant_circle(tree, CIRCLES[0])
    (tree.root / "build/src/src_base_a.c.o").unlink()
    status, output = tree.check("--links")
    assert status == 1 and "run ninja -C" in output


WALKED = {
    "daemon/vm/start.c": """
        struct ops { int (*run)(int); int (*stop)(int); };
        extern const struct ops operations;
        extern int deep(int), above(int), call(int (*)(int), int), elsewhere(int);
        static __attribute__((noinline)) int back(int i) { return above(i) * 3; }
        static __attribute__((noinline)) int local(int i) { return deep(i) + above(i); }
        int start(int i) { return local(i) + call(back, i) + operations.run(i); }
        int other(int i) { return elsewhere(i); }
        int pointer(int (*f)(int)) { return f(1) + 1; }""",
    "daemon/vm/table.c": """
        struct ops { int (*run)(int); int (*stop)(int); };
        extern int tabled(int);
        static int run(int i) { return i + 1; }
        const struct ops operations = {run, tabled};""",
    "daemon/local/tabled.c": "int tabled(int i) { return i - 1; }",
    "daemon/local/call.c": "int call(int (*f)(int), int i) { return f(i) + f(i + 1); }",
    "src/base/deep.c": "int deep(int i) { return i * 2; }",
    "daemon/api/above.c": "extern int last(int); int above(int i) { return last(i); }",
    "daemon/last.c": "int last(int i) { return i / 2; }",
    "daemon/local/elsewhere.c": "int elsewhere(int i) { return i / 3; }",
}


def test_a_walk_passes_through_what_is_named(tree):
    for name, text in WALKED.items():
        tree.write(name, text)
    tree.compile()
    status, output = tree.check("--walk", "start")
    assert status == 0, output
    assert sorted(re.findall(r"^room (.*)$", output, re.MULTILINE)) == sorted(
        set(WALKED) - {"daemon/local/elsewhere.c"})
    # from two functions, yet of one file
    assert re.findall(r"^climb (.*)$", output, re.MULTILINE) == [
        "daemon/api/above.c -> daemon/last.c: last",
        "daemon/vm/start.c -> daemon/api/above.c: above"]
    assert "start: 7 rooms (6 of the daemon), 2 climbs" in output
    assert "calls through pointers in" in output  # call() has two
    status, output = tree.check("--walk", "start.c:other")
    assert status == 0 and "start.c:other: 2 rooms" in output
    status, output = tree.check("--walk", "nothing")
    assert status == 1 and "no object defines nothing" in output


@pytest.mark.parametrize("function", sorted(WALKS))
def test_walks_get_no_longer(function):
    done = check_layers("--walk", function)
    needs_build(done)
    numbers = re.search(r"\((\d+) of the daemon\), (\d+) climbs", done.stdout)
    assert numbers, done.stdout
    rooms, climbs = map(int, numbers.groups())
    assert rooms <= WALKS[function][0] and climbs <= WALKS[function][1]
