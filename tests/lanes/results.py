# SPDX-License-Identifier: Apache-2.0
"""What a lane found out: counts, failures with their logs, reasons of what was skipped."""
import json
import re
import xml.etree.ElementTree as ElementTree

LOG_LINES = 80
LONG = "long"
TAP_LINE = re.compile(r"^(not )?ok\b(?P<rest>.*)$", re.MULTILINE)


def tail(text, lines=LOG_LINES):
    kept = (text or "").strip().splitlines()
    cut = [f"[… {len(kept) - lines} lines before]"] if len(kept) > lines else []
    return "\n".join(cut + kept[-lines:])


class Result:
    def __init__(self):
        self.passed = 0
        self.failures = []  # (name, log)
        self.skips = []  # (name, reason)
        self.times = []  # (seconds, name)

    def add(self, other):
        self.times += other.times
        self.passed += other.passed
        self.failures += other.failures
        self.skips += other.skips
        return self

    def fail(self, name, log):
        self.failures.append((name, tail(log)))
        return self

    def skip(self, name, reason):
        self.skips.append((name, reason))
        return self

    def later(self, name):
        """What only --long runs."""
        return self.skip(name, LONG)


def from_meson(path, ran_badly=""):
    """Reads the log that `meson test --logbase` writes as JSON lines. A TAP test counts by its
    lines, any other as one. A test that ended badly after all its lines were good (a sanitizer at
    exit, a crash) is one failure more."""
    result = Result()
    if not path.exists():
        return result.fail("meson test", ran_badly or f"{path} was not written")
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        test = json.loads(line)
        name, verdict = test["name"].split(" / ")[-1], test["result"]
        log = f"{test.get('stdout', '')}\n{test.get('stderr', '')}"
        result.times.append((test.get("duration") or 0.0, name))
        cases = list(TAP_LINE.finditer(test.get("stdout") or ""))
        if verdict in ("SKIP", "IGNORED"):
            result.skip(name, tail(log, 1) or "the test says so")
            continue
        bad = 0
        for case in cases:
            rest = case["rest"].split("- ", 1)[-1].strip()
            if re.search(r"#\s*skip", rest, re.IGNORECASE):
                result.skip(f"{name}: {rest.split('#')[0].strip()}", rest.split("#", 1)[1].strip())
            elif case[1]:
                bad += 1
                result.fail(f"{name}: {rest}", log)
            else:
                result.passed += 1
        if verdict not in ("OK", "EXPECTEDFAIL"):
            if not bad:
                result.fail(name, f"{verdict}, status {test.get('returncode')}\n{log}")
        elif not cases:
            result.passed += 1
    return result


def cause_before_the_test(problems):
    """What a fixture failed of, in a form that is the same for all tests that want the fixture;
    None: the test itself, or what comes after it, has failed."""
    if len(problems) != 1 or "failed on setup" not in (problems[0].get("message") or ""):
        return None
    text = f"{problems[0].get('message')}\n{problems[0].text or ''}"
    return re.sub(r"/tmp/\S+|0x[0-9a-f]+|\d+", "#", text)


def from_junit(path, name, output, status):
    """Reads pytest's JUnit file; `output` and `status` are those of the run itself."""
    result = Result()
    if not path.exists():
        return result.fail(name, f"pytest ended with status {status}\n{output}")
    causes = {}  # of what went wrong before a test began, to the first such test
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        # a run that was cut short has a case of no class
        title = f"{case.get('classname', name).split('.')[-1]}: {case.get('name', status)}"
        result.times.append((float(case.get("time") or 0), title))
        problems = case.findall("failure") + case.findall("error")
        skipped = case.find("skipped")
        if problems:
            text = "\n".join(f"{p.get('message')}\n{p.text or ''}" for p in problems)
            cause = cause_before_the_test(problems)
            if cause in causes:
                result.skip(title, f"not run: its precondition failed, as that of {causes[cause]}")
                continue
            if cause:
                causes[cause] = title
            result.fail(title, text)
        elif skipped is not None:
            result.skip(title, skipped.get("message"))
        else:
            result.passed += 1
    # 0: all passed, 1: some failed, 5: none collected.
    if status not in (0, 1) and not result.failures:
        result.fail(name, f"pytest ended with status {status}\n{output}")
    return result


def properties(path):
    """Figures that tests kept by record_property, as pairs."""
    if not path.exists():
        return []
    return [(entry.get("name"), entry.get("value"))
            for entry in ElementTree.parse(path).getroot().iter("property")]


def unplanned(skips):
    """Those that --long would skip, too."""
    return [(name, reason) for name, reason in skips if reason != LONG]
