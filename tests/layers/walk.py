# SPDX-License-Identifier: Apache-2.0
"""What lies on the static path from a function: which source files a reader passes through (rooms),
and which functions of a higher floor are named on the way (climbs).

A path goes from a function to each function that it calls or whose address it takes, and to each
table that it names and all functions in it. A call through a pointer that it was given (an ops
struct in an argument's member) has no name to follow: such calls are counted."""
import collections

import order


class Unknown(Exception):
    """A function that no object defines, or more than one."""


Walk = collections.namedtuple("Walk", "functions rooms climbs indirect")


def find(references, name):
    """The node of `function` or `file.c:function`."""
    file, _, function = name.rpartition(":")
    nodes = [node for node in sorted(references.functions)
             if node[1] == function and (node[0] == file or node[0].endswith(f"/{file}") or
                                         not file)]
    if not nodes:
        raise Unknown(f"no object defines {name}")
    if len(nodes) > 1:
        raise Unknown(f"{name} is ambiguous: " + ", ".join(":".join(node) for node in nodes))
    return nodes[0]


def walk(references, name):
    """Climbs are (file that names it, file of the higher floor, function): a file that calls a
    function from several places climbs once, so that inlining makes no difference."""
    start = find(references, name)
    seen, todo, climbs = {start}, [start], set()
    while todo:
        node = todo.pop()
        for target in references.edges[node]:
            if order.is_above(target[0], node[0]):
                climbs.add((node[0], *target))
            if target not in seen:
                seen.add(target)
                todo.append(target)
    functions = seen & references.functions
    return Walk(functions, sorted({source for source, _ in seen}), sorted(climbs),
                {node: references.indirect[node] for node in functions
                 if references.indirect[node]})
