# SPDX-License-Identifier: Apache-2.0
"""The program behind scripts/test: budgets, calibration, parts, preconditions, its report."""
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from harness.processes import eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lanes"))
import apart  # noqa: E402
import budgets  # noqa: E402
import builds  # noqa: E402
import calibration  # noqa: E402
import groups  # noqa: E402
import lanes  # noqa: E402
import needs  # noqa: E402
import parts  # noqa: E402
import preconditions  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import run  # noqa: E402
import timed  # noqa: E402

QUIET = calibration.Moment(clock=0, busy=0, stolen=0, own=0, loop=calibration.LOOP_SECONDS)
SETUP = """<testcase classname="system.test_x" name="{name}" time="0.5">
<error message='failed on setup with "AssertionError: not within 30 s: /tmp/cvmd-{name}"'>
tests/conftest.py:60: in libvirtd
E   AssertionError: libvirtd has ended, pid 4{name}</error></testcase>"""


class FakeRun:
    long = False


def later(**changes):
    return dataclasses.replace(QUIET, clock=100, **changes)


def junit(path, *cases):
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return results.from_junit(path, "system", "", 1)


def test_every_lane_has_a_budget():
    assert set(lanes.LANES) <= set(budgets.BUDGETS)
    assert sum(budget.seconds for budget in budgets.BUDGETS.values()) <= budgets.ALL


def test_every_lane_is_described():
    text = (parts.TOP / "CONTRIBUTING.md").read_text()
    assert not [name for name in lanes.LANES if f"\n| {name} |" not in text]


def test_preconditions_are_those_of_lanes():
    assert set(preconditions.OF_LANES) <= set(lanes.LANES)


def test_budget_verdict():
    limit = budgets.BUDGETS["unit"].seconds * budgets.TOLERANCE
    assert budgets.verdict("unit", limit - 0.1, 1) is None
    assert f"limit {limit:.0f} s" in budgets.verdict("unit", limit + 0.1, 1)
    assert budgets.verdict("unit", 2 * limit - 0.1, 2) is None
    assert budgets.verdict("unit", 2 * limit + 0.1, 2)


@pytest.mark.parametrize("after, cpus, wanted", [
    # nothing but the lane runs, however much of the CPUs it takes
    (later(busy=200, own=200), 2, 1),
    (later(), 2, 1),
    # others take half of both CPUs
    (later(busy=200, own=100), 2, 2),
    # so does the host
    (later(busy=100, own=100, stolen=100), 2, 2),
    # a CPU that takes three times as long, now and before
    (later(loop=5 * calibration.LOOP_SECONDS), 2, 3),
    # one that is faster, and more of them, give no less time
    (later(loop=calibration.LOOP_SECONDS / 2), 16, 1),
    (later(), 1, 2),
    # a machine that others take for themselves gets a bounded excuse
    (later(busy=200), 2, 1 / (1 - calibration.SHARE_MAX)),
    (later(busy=200, loop=99), 2, calibration.FACTOR_MAX),
    # a child that is counted later than it ran
    (later(busy=10, own=50), 2, 1),
])
def test_calibration_factor(after, cpus, wanted):
    assert calibration.factor(QUIET, after, cpus) == pytest.approx(wanted)


def test_calibration_reads_the_kernels_times():
    busy, stolen = calibration.cpu_times("cpu  100 20 30 4000 50 6 7 80 90 9\ncpu0 1 2\n")
    assert (busy * calibration.TICKS, stolen * calibration.TICKS) == pytest.approx((163, 80))


def test_calibration_measures_this_machine():
    before = calibration.moment()
    after = calibration.moment()
    assert after.clock > before.clock and after.own > before.own
    assert 1 <= calibration.factor(before, after) <= calibration.FACTOR_MAX


def test_parts_follow_the_commits():
    names = list(range(11))
    for count in (1, 2, 3):
        taken = [parts.chosen(count, at).take(names) for at in range(7, 7 + count)]
        assert sorted(sum(taken, [])) == names
    assert parts.chosen(2, 7) == parts.chosen(2, 9) != parts.chosen(2, 8)
    part = parts.chosen(3, 4)
    assert (str(part), part.others()) == ("part 2 of 3", "parts 1, 3 of 3")
    assert part.env() == {"CVMD_PART": "1/3"} and parts.chosen(1, 4).env() == {}


def test_part_is_the_commits_alone():
    assert parts.position() == parts.position() >= 0


def test_a_half_of_the_moments_then_the_other():
    """As tests/sweep counts them: 1 + first, in steps."""
    env = [parts.chosen(2, at).env("X")["X"].split("/") for at in (4, 5)]
    halves = [set(range(1 + int(first), 20, int(step))) for first, step in env]
    assert halves[0] | halves[1] == set(range(1, 20)) and not halves[0] & halves[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace requires root")
@pytest.mark.parametrize("mode, moved", [(0o755, False), (0o700, True)])
def test_tests_run_where_others_may_go(mode, moved, monkeypatch):
    """In a clone in root's home, too, another user starts its programs."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        home, scratch = pathlib.Path(name) / "home", pathlib.Path(name) / "scratch"
        (home / "cvmd").mkdir(parents=True)
        scratch.mkdir()
        pathlib.Path(name).chmod(0o755)
        home.chmod(mode)
        program = home / "cvmd/program"
        program.write_text("#!/bin/sh\nid -u\n")
        program.chmod(0o755)
        monkeypatch.setattr(run, "TOP", home / "cvmd")
        before, place = run.Run(scratch).reachable()
        assert bool(before) == moved
        done = subprocess.run([*before, "setpriv", "--reuid=65534", "--clear-groups",
                               place / "program"], stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout == "65534\n"


def test_hostile_says_why_it_cannot_run(monkeypatch):
    monkeypatch.setenv(lanes.NO_CONTAINERS, "a root of its own")
    skips = lanes.lane_hostile(FakeRun()).skips
    assert len(skips) == 1 and skips[0][0] == "hostile"
    assert ("several users" if os.geteuid() else "a root of its own") in skips[0][1]


def test_slowest_tests():
    times = [(seconds, "unit", f"t{seconds}") for seconds in range(20)]
    lines = report.slowest(times)
    assert [line.split()[-1] for line in lines] == [f"t{n}" for n in range(19, 9, -1)]
    assert lines[0].split() == ["19.0", "s", "unit:", "t19"]


def test_last_line():
    result = results.Result().fail("a", "b").skip("c", "d").later("e")
    assert report.last_line(result) == "0 passed, 1 failed, 2 skipped"


def test_what_is_left_to_long_is_printed(capsys):
    result = results.Result().skip("x", "no KVM").later("the other half")
    report.show("unit", result, timed.Spent(12, 30, 2.0), long=False)
    text = capsys.readouterr().out
    assert "\n    skipped: long: the other half\n" in text and "\n    skipped x: no KVM\n" in text
    assert "12.0 s of  45 s (machine 2.0 times as slow) and 30 s to make" in text


def test_one_cause_before_many_tests_is_one_failure(tmp_path):
    result = junit(tmp_path / "x.xml", *(SETUP.format(name=number) for number in range(9)),
                   SETUP.format(name="1").replace("has ended", "is old"))
    assert [name for name, _ in result.failures] == ["test_x: 0", "test_x: 1"]
    assert len(result.skips) == 8 and "as that of test_x: 0" in result.skips[0][1]


def test_failures_of_tests_are_each_their_own(tmp_path):
    case = ('<testcase classname="system.test_x" name="{}"><failure message="no">same</failure>'
            "</testcase>")
    assert len(junit(tmp_path / "x.xml", *map(case.format, range(3))).failures) == 3


def test_the_kernel_is_begun_before_roots_are_made(monkeypatch):
    """And they do not wait for it."""
    begun, made = threading.Event(), threading.Event()

    @dataclasses.dataclass(frozen=True)
    class Root:
        def get(self):
            assert begun.wait(10)
            made.set()
            raise needs.roots.Unavailable("there is none")

    def compile_kernel(_):
        begun.set()
        assert made.wait(10)

    monkeypatch.setattr(needs.Guest, "get", compile_kernel)
    needs.fetch([Root(), needs.OWN_KERNEL])
    assert begun.is_set() and made.is_set()


# Takes a moment to remove what it was making.
HAL_BUILD = """#!/usr/bin/python3
import os, pathlib, signal, sys, time
def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
begun = pathlib.Path(__file__).with_name("compile-1")
begun.touch()
try:
    time.sleep(60)
finally:
    time.sleep(0.5)
    begun.unlink()
"""
BUILDERS = {
    "ahead": ["tests/lanes/needs.py", "e2e"],
    "waiting": ["-c", """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
sys.path.insert(0, "tests/lanes")
import builds
builds.Builds(print).guest("own")
"""],
}


@pytest.fixture
def compiling(tmp_path):
    """compiling(WORDS): the process of a command in a tree whose hal/build compiles for a minute;
    it has begun."""
    started = []

    def start(*words):
        for name in ("tests/lanes", "scripts"):
            shutil.copytree(parts.TOP / name, tmp_path / name)
        for name in ("hal", "src/base"):
            (tmp_path / name).mkdir(parents=True)
        (tmp_path / "meson.build").touch()
        (tmp_path / "hal/build").write_text(HAL_BUILD)
        (tmp_path / "hal/build").chmod(0o755)
        process = subprocess.Popen(words, cwd=tmp_path, start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)})
        started.append(process)
        eventually((tmp_path / "hal/compile-1").exists, "hal/build has begun", 60)
        return process

    yield start
    for process in started:
        groups.end_group(process)


@pytest.mark.parametrize("builder", BUILDERS)
def test_who_ends_lets_hal_build_clean_up(tmp_path, compiling, builder):
    """SIGTERM to scripts/test, or to what it has started, leaves no directory of a compiler."""
    groups.end_group(compiling(sys.executable, "-B", *BUILDERS[builder]))
    assert list(tmp_path.glob("hal/*")) == [tmp_path / "hal/build"]


@pytest.mark.parametrize("script", [["scripts/quickstart", "--kernel", "own"],
                                    ["scripts/lib/guest", "own"]])
def test_a_script_that_is_ended_ends_hal_build(tmp_path, compiling, script):
    """By a signal to the script alone, and at once."""
    process = compiling(*script)
    process.terminate()
    assert process.wait(30) == 143
    assert list(tmp_path.glob("hal/*")) == [tmp_path / "hal/build"]


@pytest.mark.parametrize("status,failed,skipped", [
    (builds.UNAVAILABLE, [], [("the own guest", "hal/build: no source")]),
    (1, ["the own guest"], []),
])
def test_a_guest_without_a_source_is_one_skip(monkeypatch, tmp_path, status, failed, skipped):
    script = tmp_path / "scripts" / "lib" / "guest"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\necho downloading >&2; echo hal/build: no source >&2\n"
                      f"[ $1 != own ] || exit {status}\necho /guests/$1\n")
    script.chmod(0o755)
    monkeypatch.setattr(builds, "TOP", tmp_path)
    fake, result = FakeRun(), results.Result()
    fake.builds = builds.Builds(lambda text: None)
    assert lanes.guests(fake, ("own", "plain"), result) == {"GUEST_PLAIN": "/guests/plain"}
    assert [name for name, _ in result.failures] == failed and result.skips == skipped
    assert fake.builds.usual_guest() == pathlib.Path("/guests/confidential")


def test_precondition_that_fails_is_one_failure(monkeypatch):
    def broken(run):
        preconditions.output(["false"], "the program")

    monkeypatch.setitem(preconditions.OF_LANES, "system", [broken])
    result, _ = timed.timed("system", lambda run: pytest.fail("the lane ran"), FakeRun())
    assert [name for name, _ in result.failures] == ["system: precondition"]
    assert "the program: status 1" in result.failures[0][1] and not result.skips


def test_precondition_that_is_missing_is_one_skip(monkeypatch):
    monkeypatch.setitem(preconditions.OF_LANES, "system",
                        [lambda run: preconditions.found("nobody-has-this", "no-package")])
    result, _ = timed.timed("system", lambda run: pytest.fail("the lane ran"), FakeRun())
    assert result.skips == [("system", "nobody-has-this (no-package) is not installed")]


@pytest.mark.parametrize("probe", [preconditions.qemu_starts, preconditions.swtpm_starts,
                                   lambda path: preconditions.daemon_serves(path.parent)])
def test_probe_of_what_does_not_work(probe):
    with pytest.raises(preconditions.Broken):
        probe(pathlib.Path("/bin/false"))


def test_lane_that_takes_too_long_fails(monkeypatch):
    monkeypatch.setitem(budgets.BUDGETS, "man", budgets.Budget(0.001))
    result, spent = timed.timed("man", lambda run: time.sleep(0.1) or results.Result(), FakeRun())
    assert [name for name, _ in result.failures] == ["man", "man: budget"] and spent.seconds >= 0.1


def test_time_apart_is_not_the_lanes(monkeypatch, tmp_path):
    def lane(run):
        with apart.CLOCK.stopped(), apart.CLOCK.stopped():
            time.sleep(0.2)
        (tmp_path / "apart").write_text("0.05 programs in a root\n")
        time.sleep(0.05)
        result = results.Result()
        result.passed = 1
        return result

    monkeypatch.setenv(apart.VARIABLE, str(tmp_path / "apart"))
    monkeypatch.setattr(apart.CLOCK, "read", 0)  # of the file of the lanes before this one
    start = time.monotonic()
    _, spent = timed.timed("man", lane, FakeRun())
    assert 0.25 <= spent.apart and spent.seconds + spent.apart <= time.monotonic() - start
    assert timed.timed("man", lambda run: results.Result(), FakeRun())[1].apart == 0


SKIPPING = """
#include "test.h"
static void test_skips(void **state) { print_message("needs what is not here\\n"); skip(); }
static void test_passes(void **state) { }
static void test_fails(void **state) { fail(); }
int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_skips), cmocka_unit_test(test_passes)};
        const struct CMUnitTest failing[] = {cmocka_unit_test(test_fails)};

        return argc > 1 ? cmocka_run_group_tests(failing, NULL, NULL)
                        : cmocka_run_group_tests(tests, NULL, NULL);
}
"""


def test_a_unit_test_that_skips_is_not_a_failure(tmp_path):
    """cmocka prints "not ok 1 # SKIP", which Meson takes for a failure."""
    source, program = tmp_path / "skips.c", tmp_path / "skips"
    source.write_text(SKIPPING)
    include = pathlib.Path(__file__).resolve().parents[1] / "unit"
    subprocess.run(["/usr/bin/cc", "-D_GNU_SOURCE", f"-I{include}", "-o", program, source,
                    "-lcmocka"], check=True)

    def lines(*arguments):
        done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, text=True, check=False,
                              env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"})
        assert done.returncode == len(arguments)
        return done.stdout.splitlines()

    assert "ok 1 # SKIP test_skips" in lines() and "ok 2 - test_passes" in lines()
    assert "not ok 1 - test_fails" in lines("fail")
