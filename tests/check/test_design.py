# SPDX-License-Identifier: Apache-2.0
"""The drawing in doc/design.md shows the layers and floors of tests/layers/order.py, no others; its
table of a launch has the steps of daemon/launch/launch.c."""
import pathlib
import re
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/layers"))
import order  # noqa: E402  # pylint: disable=wrong-import-position


def drawing(text):
    """Of the one Mermaid block: the edges and nodes of each subgraph."""
    (block,) = re.findall(r"^```mermaid\n(.*?)^```$", text, re.M | re.S)
    graphs = {}
    for name, body in re.findall(r"subgraph (\w+)\n(.*?)\n    end\b", block, re.S):
        lines = [line.strip() for line in body.splitlines()]
        edges = [tuple(line.split(" --> ")) for line in lines if " --> " in line]
        alone = [line for line in lines if " --> " not in line]
        graphs[name] = edges, {node for edge in edges for node in edge} | set(alone)
    return graphs


def problems(text):
    (layers, layer_nodes), (floors, floor_nodes) = (drawing(text)[name] for name in
                                                    ("src", "daemon"))
    # Every layer may use base, which is not drawn.
    wanted = {(layer, used) for layer, uses in order.LAYERS.items() for used in uses} - {
        (layer, "base") for layer in order.LAYERS}
    chain = list(zip(order.FLOORS[::-1], order.FLOORS[-2::-1]))
    bad = [f"src: {edge}" for edge in sorted(set(layers) ^ wanted)]
    bad += [f"src: {node}" for node in sorted(layer_nodes ^ set(order.LAYERS))]
    bad += [f"daemon: {edge}" for edge in sorted(set(floors) ^ set(chain))]
    bad += [f"daemon: {node}" for node in sorted(floor_nodes ^ set(order.FLOORS))]
    return bad + [f"twice: {edge}" for edge in layers + floors if (layers + floors).count(edge) > 1]


def test_the_drawing_is_the_table():
    assert not problems((TOP / "doc/design.md").read_text())


@pytest.mark.parametrize("line, instead", [
    ("        measure --> spec\n", ""), ("        measure --> spec\n", "        spec --> wire\n"),
    ("        wire\n", ""), ("        vm --> driver\n", "        driver --> vm\n"),
    ("        systemd --> local\n", "        systemd --> local\n        attic\n")])
def test_a_difference_is_noticed(line, instead):
    text = (TOP / "doc/design.md").read_text()
    assert text.count(line) == 1
    assert problems(text.replace(line, instead))


def test_the_tables_name_each_layer_and_floor():
    text = (TOP / "doc/design.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert sorted(set(rows) & set(order.FLOORS)) == sorted(order.FLOORS)
    assert sorted(set(rows) & set(order.LAYERS)) == sorted(order.LAYERS)


def launch_problems(design, source):
    """How the table of a launch differs from its source: in steps, or in what undoes one."""
    entries = re.findall(r'^ *\[LAUNCH_(\w+)\] = \{"(\w+)",[^}]*?(\w+)\},$', source, re.M)
    section = design[design.index("## The steps of a launch"):]
    rows = re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", section[:section.index("\n## ")], re.M)
    bad = [f"{constant} is named {name}" for constant, name, _ in entries
           if constant.lower() != name]
    bad += [] if [row[0] for row in rows] == [name for _, name, _ in entries] else ["steps"]
    return bad + [f"undo of {row[0]}" for row, entry in zip(rows, entries)
                  if bool(row[1].strip()) != (entry[2] != "NULL")]


def test_the_steps_of_a_launch_are_those_of_the_source():
    source = (TOP / "daemon/launch/launch.c").read_text()
    design = (TOP / "doc/design.md").read_text()
    assert source.count("[LAUNCH_") > 10 and not launch_problems(design, source)
    assert launch_problems(design, source.replace("launch_close_network}", "NULL}"))
    assert launch_problems(design, source.replace('"shares"', '"secrets"'))
    assert launch_problems(re.sub(r"\n\| `scope` .*", "", design), source)
