# SPDX-License-Identifier: Apache-2.0
"""Constructions that an English reader has to read twice do not come back: see "Words" in
CONTRIBUTING.md. tests/check/english-left lists the files that still have some, and how many; its
numbers may only fall."""
import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LEFT = TOP / "tests/check/english-left"
TREES = ("src/**/*.[ch]", "src/**/*.varlink", "daemon/**/*.[ch]", "cli/**/*.[ch]", "man/*.scd",
         "doc/*.md", "README.md", "CONTRIBUTING.md")
# What is wrong: what to write.
PATTERNS = {
    r"(?<!here )(?<!Here )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|fewer\b|way\b)":
        "is not a",
    r"\bneeded is\b": "required: …, or: … is required",
    r"\bto be had\b": "available",
    r"\banew\b": "again",
    r"\b(?:hangs?|hung) on\b": "depends on",
    r"\b(?:tells?|told) of\b": "reports, is told about",
    r"\b(?:after|of|than|for) so many\b": "name the number: after S seconds",
    r"\bof (?:root|libvirt|QEMU|cvmd|the daemon|the operator|another user)'s"
    r"(?=[.,;:)]| (?:that|which|is|are|and|own)\b)": "root's, or: of root",
    r"\b(?:number|version|size|signature|as a text), as (?:0x)?\d": "for example, such as",
    r"\b(?:goes|go|went|going) on\b(?! (?:record|top|the))": "continues, keeps running",
    r"\bin work\b": "in progress",
    r"\b(?:it|this|that|which|what) is none\b": "does not exist, is not one",
    r"\bkeeps? (?:them|it) in order\b": "manages",
    r"\bmust be told\b": "must be reported",
    r"\bis nobody's\b": "belongs to no one, is unused",
    r"\bas somebody wanted\b|\bas nobody wanted\b": "normally, abnormally",
    r"\bsomebody\b": "name who: another user, another process",
    r"\bbeside\b": "alongside, next to, in addition to, besides",
    r"\bstrays?\b": "orphan (a process), unexpected (an event)",
    r"\bnobody(?:'s\b| (?:knows|wants|wanted|asks|looked|probed|awaits)\b)"
    r"|\b(?:holds? up|for|to|costs|keeps|names|signals|starves) nobody\b":
        "name who or what is not: no caller, unknown, belongs to no CVM",
    r"\b(?:holds?|held) (?:up|every|nobody)\b|\bheld child\b"
    r"|\bCPUs (?:are )?held\b|\bhold the guest\b"
    r"|\b(?:nothing (?:is|stays)|is) held (?:when|until its)|\b(?:all|what) (?:that )?it holds\b":
        "delay (block), wait at a gate, pause, reserve",
    r"\blets? go of\b": "release",
    r"\bwhoever\b": "the user who, the process that, code that",
    r"\bshall\b": "must, will, is to",
    r"\bfor ever\b": "without limit, for good",
    r"\bonce more\b": "again",
    r"\bwithout a word\b": "silently",
    r"\bbecomes? of\b": "happens to, follows for",
    r"\bsame again\b": "the same",
    r"\bwho asks\b": "the caller",
    r"\bwhere there (?:is|are|was|were)\b|\bwhere it (?:does|can|cannot|has|may)\b"
    r"|\bwhere (?:none|no)\b": "if",
    r"\b(?:is|are|was|were|be|been) told\b(?! apart)": "is notified, is reported",
    r"\b(?:as|which|that|it|who|record|kernel|host|system|driver) tells?\b": "reports, shows",
}


def files():
    return sorted(path for tree in TREES for path in TOP.glob(tree))


def prose(path):
    """The text without the ends of lines in comments and literals, so that a wrapped phrase is
    seen; each character keeps its place."""
    text = path.read_text()
    return in_comments(text) if path.suffix in (".c", ".h") else text


def in_comments(text):
    for between in (r'"\s*\n\s*"', r"\n\s*\*(?!/) ?"):
        text = re.sub(between, lambda match: " " * len(match[0]), text)
    return text


def found(text):
    """What is wrong: (place, phrase, what to write)."""
    places = [i for i, char in enumerate(text)
              if not char.isspace() or i == 0 or not text[i - 1].isspace()]
    text = "".join(" " if text[i].isspace() else text[i] for i in places)
    return sorted((places[match.start()], match[0], instead)
                  for pattern, instead in PATTERNS.items() for match in re.finditer(pattern, text))


def left():
    lines = [line.split() for line in LEFT.read_text().splitlines()
             if line and not line.startswith("#")]
    return {path: int(number) for number, path in lines}


def test_no_such_phrase():
    allowed, bad = left(), []
    for path in files():
        name = str(path.relative_to(TOP))
        hits = found(prose(path))
        if len(hits) > allowed.get(name, 0):
            source = path.read_text()
            bad += [f"{name}:{source[:place].count(chr(10)) + 1}: '{phrase.strip()}': {instead}"
                    for place, phrase, instead in hits]
    assert not bad, "\n".join(bad)


def test_the_list_only_shrinks():
    names = {str(path.relative_to(TOP)): path for path in files()}
    wrong = [f"{name}: no such file" for name in left() if name not in names]
    wrong += [f"{name}: write {len(found(prose(names[name])))}" if found(prose(names[name]))
              else f"{name}: remove the line" for name, number in left().items()
              if name in names and len(found(prose(names[name]))) < number]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("text", [
    "it is no VCEK", "/* A file that\n * is no\n * bzImage */", "needed is a file",
    "what can be to be had", "reads it anew", "must not hang on it", "what a record tells of",
    "after so many seconds", "a process of root's.", "a version, as 10.0.2", "the launch goes on",
    "a launch in work", "where it is none", "asks whoever it is", "what becomes of it",
    "where there is no file", "the daemon is told of it", "as a record tells", "it waits for ever"])
def test_each_is_found(text):
    assert found(in_comments(text))


@pytest.mark.parametrize("text", [
    "there is no such file", "it is no longer needed", "of Debian's backports", "so many as",
    "goes on record", "of root's group", "as 2 or 3", "stays where it is", "told apart"])
def test_what_is_fine(text):
    assert not found(text)
