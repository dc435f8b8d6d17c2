# SPDX-License-Identifier: Apache-2.0
"""What the compiled objects must not do: link against the order of layers and floors, or in a
circle. A module is a source file."""
import collections

import order


def groups(links):
    """The graphs that must have no cycle: the daemon, cvmctl, and each layer of src."""
    found = collections.defaultdict(lambda: collections.defaultdict(set))
    for source, target in links:
        house, floor = order.floor_of(source)
        other, below = order.floor_of(target)
        if house == other and (house != "src" or floor == below) and house in ("src", "daemon",
                                                                               "cli"):
            found[f"src/{floor}" if house == "src" else house][source].add(target)
    return found


def path(graph, start, end):
    """The shortest way between two modules, or None."""
    before, todo = {start: None}, collections.deque([start])
    while todo:
        node = todo.popleft()
        if node == end:
            way = []
            while node:
                way.append(node)
                node = before[node]
            return way[::-1]
        for target in sorted(graph.get(node, ())):
            if target not in before:
                before[target] = node
                todo.append(target)
    return None


def cycle(graph):
    """A shortest cycle, as [a, b, a], or None."""
    ways = (path(graph, target, source) for source in graph for target in graph[source])
    way = min((way for way in ways if way), key=lambda way: (len(way), way), default=None)
    return way and [*way, way[0]]


def without(graph, edges):
    return {source: targets - {target for start, target in edges if start == source}
            for source, targets in graph.items()}


def cycles(graph):
    """Cycles that share no link with each other, until none is left."""
    found, graph = [], dict(graph)
    while way := cycle(graph):
        found.append(way)
        graph = without(graph, set(zip(way, way[1:])))
    return found


def problems(links, allowed):
    """Lines about links against the order and about cycles, and the allowed links that are no
    longer needed. `allowed` is a set of (from, to)."""
    bad = [f"{source} must not link with {target}: {', '.join(sorted(links[source, target]))}"
           for source, target in sorted(links)
           if not order.may_use(source, target) and (source, target) not in allowed]
    needed = {edge for edge in allowed if edge in links and not order.may_use(*edge)}
    for name, graph in sorted(groups(links).items()):
        held = without(graph, allowed)
        bad += [f"{name} links in a circle: " + " -> ".join(
                    [way[0]] + [f"{target} ({sorted(links[source, target])[0]})"
                                for source, target in zip(way, way[1:])])
                for way in cycles(held)]
        for source, target in allowed & set(links):
            if target in graph.get(source, ()) and path(held, target, source):
                needed.add((source, target))
    return bad, allowed - needed


def private(objects):
    """Symbols of src, daemon and cli that no other object refers to: they must be static, or go."""
    used = {name for thing in objects for name in thing.undefined()} | {"main"}
    return [f"{thing.source}: {name}" for thing in objects for name in sorted(thing.defined())
            if name not in used and thing.source.startswith(("src/", "daemon/", "cli/"))]
