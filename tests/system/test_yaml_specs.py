# SPDX-License-Identifier: Apache-2.0
"""Spec files in YAML: cvmctl reads them wherever it reads one in JSON, and names places in them."""
import json
import os

import pytest

from harness import exits
from harness.peer import Peer

SPEC = """# a spec with faults
name: web
memroy: 2G
cpus: 0
shares:
  - tag: data
    path: .
  - {tga: more, path: "."}
env:
  GOOD: yes
  ä: x
  NUMBER: 8080
restart: {policy: allways}
"""
LINES = [
    "web.yaml:3:1: memroy: unknown field; did you mean 'memory'?",
    "web.yaml:4:1: cpus: must be an integer from 1 to 512",
    "web.yaml:8:5: shares[1].tag: is missing",
    "web.yaml:8:6: shares[1].tga: unknown field; did you mean 'tag'?",
    "web.yaml:11:3: env.ä: a variable's name must consist of letters, digits and '_' and must not "
    "begin with a digit",
    "web.yaml:12:3: env.NUMBER: must be a string",
    "web.yaml:13:11: restart.policy: must be 'no', 'on-failure' or 'always'; did you mean "
    "'always'?",
]

local = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")


def refused(directory, *args, text=SPEC, name="web.yaml"):
    (directory / name).write_text(text)
    with Peer() as peer:
        done = peer.cvmctl(*args, "--file", name, cwd=directory)
        assert done.code == exits.DATA and done.out == "" and not peer.calls, done
    return done.err.splitlines()


@local
@pytest.mark.parametrize("verb", ["launch", "render", "run", "measure"])
def test_all_faults_in_the_order_of_the_file(tmp_path, verb):
    assert refused(tmp_path, verb) == LINES


@local
def test_as_json(tmp_path):
    (line,) = refused(tmp_path, "launch", "--json")
    parameters = json.loads(line)["parameters"]
    assert parameters["file"] == "web.yaml"
    assert parameters["errors"][0] == {"field": "memroy", "reason": "unknown field",
                                       "suggestion": "memory", "line": 3, "column": 1}


@local
@pytest.mark.parametrize("text, expected", [
    ("name: a\nname: b\n", "web.yaml:2:1: a duplicate member"),
    ("name: &a b\n", "web.yaml:1:7: an anchor is not accepted"),
    ("name: a\n--- b\n", "web.yaml:2:1: a second document is not accepted"),
    ("name: 'a\n", "web.yaml:2:1: not valid YAML: found unexpected end of stream"),
    ("# x\n\n  - a\n", "web.yaml:3:3: a spec must be an object"),
    ("x" * 200, "web.yaml:1:1: a spec must be an object"),
    ("---\n'a'", "web.yaml:2:1: a spec must be an object"),
])
def test_syntax(tmp_path, text, expected):
    (line,) = refused(tmp_path, "launch", text=text)
    assert line.startswith(expected)


@local
def test_the_ending_of_the_name_decides_or_else_the_content(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name, text in [("a.yaml", "name: a\ncpus: 2"), ("a.yml", '{"name": "a", "cpus": 2}'),
                       ("a.yml", "{name: a, cpus: 2}"), ("a", "# x\n\n---\nname: a\ncpus: 2"),
                       ("a.json", '{"name": "a", "cpus": 2}'), ("a", '{"name": "a", "cpus": 2}')]:
        path = tmp_path / "elsewhere" / name
        path.write_text(text)
        with Peer(Launch={"cvm": {"name": "a", "state": "running", "forwards": []}}) as peer:
            for options in (["--file", path], ["--file", "-"]):
                if options[1] == "-" and text[0] == "{" and text[1] != '"':
                    continue  # it looks like JSON
                done = peer.cvmctl("launch", *options, input=text.encode())
                assert done.code == 0, done.err
        assert [call.parameters["spec"]["cpus"] for call in peer.calls] == [2] * len(peer.calls)


@local
def test_json_is_not_taken_for_yaml(tmp_path):
    (line,) = refused(tmp_path, "launch", text="name: web\n", name="web.json")
    assert line.endswith("expected a value; it looks like YAML: name the file .yaml")


def test_a_launch(cvmd, tmp_path):
    """Relative paths begin at the file, and options replace fields."""
    (tmp_path / "data").mkdir()
    kernel, initramfs = (os.path.relpath(path, tmp_path) for path in (cvmd.kernel, cvmd.initramfs))
    path = tmp_path / "web.yaml"
    path.write_text(f"""
name: web
cpus: 1
memory: 64M
kernel: {{path: {kernel}}}
initramfs: {{path: {initramfs}}}
env: {{TEXT: "a: b", MODE: on}}
shares: [{{tag: data, path: data}}]
""")
    cvmd.cvmctl("launch", "-f", path, "--cpus", 2)
    spec = json.loads(cvmd.cvmctl("inspect", "web", "--spec").stdout)
    assert spec["cpus"] == 2 and spec["shares"][0]["path"] == str(tmp_path / "data")
    assert sorted(spec["missing"]) == ["env.MODE", "env.TEXT"]
