# SPDX-License-Identifier: Apache-2.0
"""The text of OpenMetrics 1.0, read strictly: whatever the specification does not allow fails. The
lane conformance has other projects' parsers read it, too."""
import re

NAME = r"[a-z][a-z0-9_]*"
LABEL = rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\d+(?:\.\d+)?)")
SUFFIXES = {"gauge": {""}, "counter": {"_total"}, "info": {"_info"},
            "histogram": {"_bucket", "_sum", "_count"}}
ESCAPES = {r"\n": "\n", r"\"": '"', r"\\": "\\"}


class Family:
    def __init__(self, name, kind):
        self.name = name
        self.kind = kind
        self.unit = None
        self.help = None
        self.samples = {}  # (suffix, labels as a tuple of pairs) to the value

    def value(self, suffix="", **labels):
        return self.samples[suffix, tuple(sorted(labels.items()))]


def unescape(text):
    return re.sub(r"\\.", lambda found: ESCAPES[found[0]], text)


def read_sample(line, family):
    found = SAMPLE.fullmatch(line)
    assert found, line
    name, labels, value = found[1], found[2] or "", found[7]
    assert name.startswith(family.name), line
    suffix = name.removeprefix(family.name)
    assert suffix in SUFFIXES[family.kind], line
    pairs = [(label, unescape(text)) for label, text in re.findall(LABEL, labels)]
    assert len(dict(pairs)) == len(pairs), line
    key = suffix, tuple(sorted(pairs))
    assert key not in family.samples, line
    family.samples[key] = float(value)


def check_histogram(family):
    """Buckets rise, up to +Inf, which is the count."""
    series = {}
    for (suffix, labels), value in family.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        series.setdefault(rest, []).append((suffix, dict(labels).get("le"), value))
    for samples in series.values():
        buckets = [(le, value) for suffix, le, value in samples if suffix == "_bucket"]
        bounds = [float(le) for le, _ in buckets]
        counts = [value for _, value in buckets]
        assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), family.name
        assert counts == sorted(counts), family.name
        assert [value for suffix, _, value in samples if suffix == "_count"] == [counts[-1]]
        assert len([value for suffix, _, value in samples if suffix == "_sum"]) == 1
        assert len(samples) == len(buckets) + 2


def parse(text):
    """Name of a family, without suffix, to the Family."""
    families = {}
    family = None
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""], lines[-2:]
    for line in lines[:-2]:
        if found := re.fullmatch(rf"# TYPE ({NAME}) (\w+)", line):
            family = Family(found[1], found[2])
            assert family.name not in families and family.kind in SUFFIXES, line
            families[family.name] = family
        elif found := re.fullmatch(rf"# (UNIT|HELP) ({NAME}) (.+)", line):
            attribute = found[1].lower()
            assert found[2] == family.name and getattr(family, attribute) is None, line
            assert not family.samples, line
            setattr(family, attribute, found[3])
        else:
            read_sample(line, family)
    for family in families.values():
        assert family.help and family.samples, family.name
        assert not family.unit or family.name.endswith(f"_{family.unit}"), family.name
        assert family.unit in (None, "seconds", "bytes"), family.name
        if family.kind == "histogram":
            check_histogram(family)
    return families
