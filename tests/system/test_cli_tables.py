# SPDX-License-Identifier: Apache-2.0
"""cvmctl's tables: as wide as the terminal, and whole anywhere else."""
import re
import unicodedata

import pytest

from harness import images
from harness.peer import Peer, cvmctl
from harness.screens import on_terminal

pytestmark = pytest.mark.qemu_driver("it launches nothing")


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


ARTIFACT = {"name": "kernel-" + "ä" * 20, "kind": "kernel", "size": 14000000, "origin": "embedded",
            "users": 3, "sha256": "0123456789abcdef" * 4, "sha384": "fedcba9876543210" * 6}


@pytest.mark.parametrize("verb, method, member, text", [
    ("artifacts", "ListArtifacts", "artifacts", "No artifacts."),
    ("templates", "ListTemplates", "templates", "No platforms."),
])
def test_an_empty_table(verb, method, member, text):
    with Peer(**{method: {member: []}}) as peer:
        assert peer.cvmctl(verb).out == f"{text}\n"
        assert peer.cvmctl(verb, "--json").json == []


def test_digests_are_elided():
    with Peer(ListArtifacts={"artifacts": [ARTIFACT]}) as peer:
        whole = peer.cvmctl("artifacts").out
        for columns in (80, 100, 200, 300):
            title, row = on_terminal(columns, "--socket", peer.path, "artifacts")
            assert width(row) <= columns and title.split()[:2] == ["NAME", "KIND"]
            assert ARTIFACT["name"] in row and "13.4M" in row
            assert (ARTIFACT["sha384"] in row) == (columns == 300)
            assert row.count("…") == {80: 2, 100: 2, 200: 1, 300: 0}[columns], row
        plain = on_terminal(120, "--socket", peer.path, "artifacts", environment={"LC_ALL": "C"})
        assert "…" not in plain[1] and plain[1].count("~") == 3
        assert on_terminal(80, "--socket", peer.path, "artifacts", "--full") == whole.splitlines()
        lines = on_terminal(50, "--socket", peer.path, "artifacts")
        assert max(map(width, lines)) <= 50 and lines[0].split(": ") == ["  NAME", ARTIFACT["name"]]
    assert ARTIFACT["sha256"] in "".join(line[8:] for line in lines)
    assert ARTIFACT["sha256"] in whole and ARTIFACT["sha384"] in whole


def test_sizes_are_rounded_to_a_digit():
    sizes = {0: "0", 1023: "1023", 1024: "1K", 1536: "1.5K", (1 << 20) - 1: "1024K",
             8247232: "7.9M", 1 << 40: "1T", 5 << 50: "5120T"}
    artifacts = [{**ARTIFACT, "size": size} for size in sizes]
    with Peer(ListArtifacts={"artifacts": artifacts}) as peer:
        rows = peer.cvmctl("artifacts").out.splitlines()[1:]
    assert [row.split()[2] for row in rows] == list(sizes.values())


def test_forwards_are_wrapped_between_two():
    forwards = [{"address": "127.0.0.1", "hostPort": 6100 + i, "guestPort": 7000 + i,
                 "protocol": "tcp"} for i in range(9)]
    cvm = {"name": "web", "state": "running", "ready": True, "platform": "plain", "cpus": 2,
           "memory": 1 << 30, "forwards": forwards, "createdAt": 1, "owner": 0}
    with Peer(List={"cvms": [cvm, {**cvm, "name": "db", "forwards": []}]}) as peer:
        lines = on_terminal(100, "--socket", peer.path, "list")
        whole = peer.cvmctl("list").out.splitlines()
    assert max(map(width, lines)) <= 100 and len(lines) > 4 and len(whole) == 3
    said = [line[lines[0].index("FORWARDS"):].strip() for line in lines[1:-1]]
    assert " ".join(said) == ", ".join(f"127.0.0.1:{6100 + i} -> {7000 + i}/tcp" for i in range(9))
    assert all(re.fullmatch(r"(\S+ -> \S+ ?)+", line) for line in said), said
    assert whole[1].endswith(" ".join(said))
    assert not [line for line in lines + whole if line != line.rstrip()]


@pytest.mark.parametrize("columns", [40, 80, 102, 103])
def test_what_does_not_fit_is_a_list(tmp_path, columns):
    file = tmp_path / "igvm"
    file.write_bytes(images.coconut(images.SNP | images.NATIVE, headers=[]))
    lines = on_terminal(columns, "igvm", file)
    whole = cvmctl("igvm", file).out.splitlines()
    assert max(map(width, lines)) <= columns
    assert whole[0].startswith("PLATFORM") and len(whole) == 3
    if width(max(whole, key=width)) <= columns:
        assert lines == whole
        return
    rows = [dict(line.split(": ", 1) for line in row.splitlines())
            for row in "\n".join(lines).split("\n\n")]
    titles = [title.strip() for title in rows[0]]
    assert titles == whole[0].split()
    assert [list(row.values()) for row in rows] == [line.split() for line in whole[1:]]


def test_what_a_render_lacks():
    check = {"name": "kvm", "passed": False, "found": "a b c " * 40, "needed": "d e " * 30,
             "fix": "unbreakable" * 12}
    reply = {"argv": ["qemu"], "descriptors": [], "missing": [
        check, {**check, "needed": "another", "fix": "x"}, {**check, "name": "qemu"}]}
    with Peer(Render=reply) as peer:
        lines = on_terminal(80, "--socket", peer.path, "render", "web")
        piped = peer.cvmctl("render", "web").err
    assert [line for line in lines if width(line) > 80] == ["    fix:      " + check["fix"]] * 2
    said = " ".join(" ".join(lines).split())
    assert said.count("FAIL kvm") == 1 and said.count(check["found"].strip()) == 2
    assert "required: another fix: x ✗ FAIL qemu found: a b" in said
    assert piped.splitlines() == [line.removeprefix("✗ ") for line in lines[1:]]


# what is not wrapped: usage, what an option or a verb is called, examples
WHOLE = re.compile(r"Usage: |  cvmctl |  (?:-\w, |    )--|  \w+ \S+$")


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("args", [["help"], ["help", "launch"], ["help", "verify"]])
def test_help_fits_the_terminal(args, columns):
    lines = on_terminal(columns, *args)
    said = " ".join(" ".join(lines).split())
    assert said == " ".join(cvmctl(*args).out.split()), "a word is lost, joined or broken"
    assert not [line for line in lines if len(line) > min(columns, 100) and not WHOLE.match(line)]
    assert not [line for line in lines if line != line.rstrip()]


def test_help_in_a_pipe_is_as_on_a_terminal_of_80_columns():
    lines = on_terminal(80, "help", "launch")
    assert cvmctl("help", "launch").out.splitlines() == lines
    assert "      --memory SIZE           for example 512M, 2G or 1.5GiB" in lines
