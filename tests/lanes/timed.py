# SPDX-License-Identifier: Apache-2.0
"""One lane: whether it can run, its result, what it took and whether that is too long."""
import dataclasses

import budgets
import calibration
import preconditions
from apart import CLOCK
from builds import BuildFailed
from results import Result


@dataclasses.dataclass(frozen=True)
class Spent:
    """On a lane: seconds of its own, seconds apart from it, how slow the machine was."""
    seconds: float
    apart: float
    factor: float


def result_of(name, lane, run):
    try:
        result = preconditions.failed(name, run) or lane(run)
    except BuildFailed as problem:
        result = Result().fail(name, str(problem))
    if not (result.passed or result.failures or result.skips):
        result.fail(name, "there was nothing to run")
    return result


def timed(name, lane, run):
    """The lane's result, with a failure if it took too long, and what was spent on it."""
    before, made = calibration.moment(), CLOCK.total()
    result = result_of(name, lane, run)
    after, made = calibration.moment(), CLOCK.total() - made
    spent = Spent(after.clock - before.clock - made, made, calibration.factor(before, after))
    late = None if run.long else budgets.verdict(name, spent.seconds, spent.factor)
    if late:
        result.fail(f"{name}: budget", late)
    return result, spent
