# SPDX-License-Identifier: Apache-2.0
"""The interface stays compatible with each released one (tests/interface): what a client of then
sends is accepted, and what it reads is there."""
import pathlib
import re

import pytest

from harness.varlink_idl import Interface, missed

TOP = pathlib.Path(__file__).resolve().parents[2]
CURRENT = (TOP / "src/wire/io.cvmd.Manager.varlink").read_text()
RELEASED = sorted((TOP / "tests/interface").glob("*.varlink"))
PAGE = (TOP / "man/io.cvmd.Manager.7.scd").read_text()

# What was changed in spite of the rule, and why no client notices.
ALLOWED = {
    "error NoSuchCvm.name became optional":
        "absent only in the answer to a call without a name, which a client of 0.1.0 always gives",
    "Watch reply.event became optional":
        "absent in a snapshot, for which a client of 0.1.0 does not ask, and in the last reply of "
        "a daemon that exits: 0.1.0 then closed the connection",
}

# Types that gave their names to methods. Names of types are not on the wire; what they have is
# compared under the new name.
RENAMED = {"Restart": "RestartPolicy"}


def released(path):
    """The interface of then, whose types have their names of now."""
    text = path.read_text()
    for old, new in RENAMED.items():
        text = re.sub(rf"(^type |^  \w+: [?]?(?:\[\w*\])?){old}\b", rf"\g<1>{new}", text,
                      flags=re.MULTILINE)
    return text


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_released_clients_miss_nothing(path):
    assert [problem for problem in missed(released(path), CURRENT)
            if problem not in ALLOWED] == []


def test_exceptions_are_needed():
    found = {problem for path in RELEASED for problem in missed(released(path), CURRENT)}
    assert RELEASED and set(ALLOWED) <= found
    current, types = Interface(CURRENT), {name for path in RELEASED
                                          for name in Interface(path.read_text()).types}
    assert set(RENAMED) <= types & set(current.methods) and set(RENAMED.values()) <= set(
        current.types)


# What is planted in the interface as it is now, and how it is reported.
PLANTED = [
    ("method Measure(", "method Measured(", "method Measure is missing"),
    ("method Stop(name: ?string, id: ?string, force: ?bool, ",
     "method Stop(name: ?string, id: ?string, ", "Stop parameter.force is missing"),
    ("  owner: int,\n  # The uid that QEMU", "  # The uid that QEMU", "Cvm.owner is missing"),
    ("error EventsLost (oldest: int, wanted: ?int, next: ?int)", "", "error EventsLost is missing"),
    ("error EventsLost (oldest: int, wanted: ?int, next: ?int)", "error EventsLost (first: int)",
     "error EventsLost.oldest is missing"),
    ("  cpus: int,\n", "  cpus: string,\n", "Cvm.cpus has another type"),
    ("vsockCid: ?int", "vsockCid: ?[]int", "Cvm.vsockCid has another type"),
    ("-> (templates: []Template)", "-> (templates: [string]Template)",
     "ListTemplates reply.templates has another type"),
    ("method Launch(spec: Spec, id: ?string", "method Launch(spec: Spec, id: string",
     "Launch parameter.id became mandatory"),
    ("  hostPort: ?int,\n", "  hostPort: int,\n", "Forward.hostPort became mandatory"),
    ("method ListTemplates()", "method ListTemplates(kind: string)",
     "ListTemplates parameter.kind is new and mandatory"),
    ("  startedAt: ?int,\n", "  started: ?int,\n", "Cvm.startedAt is missing"),
    ("  createdAt: int,\n", "  createdAt: ?int,\n", "Cvm.createdAt became optional"),
    ("type Check (", "type Checks (", "type Check is missing"),
    ("  backoffMaxSec: ?int,\n", "  backoffMaxSec: ?string,\n",
     "RestartPolicy.backoffMaxSec has another type"),
]


@pytest.mark.parametrize("old, new, problem", PLANTED, ids=[plant[2] for plant in PLANTED])
def test_a_planted_break_is_found(old, new, problem):
    assert CURRENT.count(old) == 1
    broken = CURRENT.replace(old, new)
    found = missed(released(TOP / "tests/interface/0.1.0.varlink"), broken)
    assert problem in found and problem not in ALLOWED


SMALL = """
interface a.b
type Kind (one, two)
# takes # a comment
method Take(kind: Kind) -> (kind: ?Kind, more: (deep: []?(x: int)))
"""


@pytest.mark.parametrize("old, new, problems", [
    ("", "", []),
    ("(one, two)", "(two, one)", []),
    ("(one, two)", "(one)", ["Kind: value two is missing"] * 2),
    ("(one, two)", "(one, two, three)", ["Kind: value three is new"]),
    ("(one, two)", "(one: int)", ["Kind has another type"] * 2),
    ("(x: int)", "(y: int)", ["Take reply.more.deep.x is missing"]),
    ("[]?(x: int)", "[](x: int)", []),
    ("(kind: Kind)", "(kind: ?Kind)", []),
    ("interface a.b", "interface a.c", ["interface a.b is missing"]),
])
def test_the_comparison(old, new, problems):
    """An input may become optional and an output mandatory; enums of replies do not grow."""
    assert missed(SMALL, SMALL.replace(old, new, 1)) == problems


def test_the_parser():
    parsed = Interface(CURRENT)
    for keyword, found in (("type", parsed.types), ("method", parsed.methods),
                           ("error", parsed.errors)):
        assert list(found) == re.findall(rf"^{keyword} (\w+)", CURRENT, re.MULTILINE)
    assert parsed.methods["Wait"][0] == ("struct", {
        "name": ("?", "string"), "id": ("?", "string"), "for": ("?", "string"),
        "timeoutSec": ("?", "int")})
    for wrong in ("interface a.b\nmethod A() ->", "interface a.b\nerror A (b: int, c)",
                  "interface a.b\ntype A (b: )", "interface a.b\nkind A ()",
                  "interface a.b\ntype A (b: int, b: int)"):
        with pytest.raises(AssertionError):
            Interface(wrong)


def test_the_version_of_the_interface():
    """The interface file and io.cvmd.Manager(7) agree on it, and it grows with the interface."""
    version, = re.findall(r"^# Version (\d+\.\d+) of the interface", CURRENT, re.MULTILINE)
    assert re.findall(r"version (\d+\.\d+) of the interface", PAGE) == [version]
    for path in RELEASED:
        stated = re.findall(r"^# Version (\d+\.\d+) of the interface", path.read_text(),
                            re.MULTILINE) or ["1.0"]
        then, now = Interface(path.read_text()), Interface(CURRENT)
        grown = (then.types, then.methods, then.errors) != (now.types, now.methods, now.errors)
        assert version != stated[0] or not grown
