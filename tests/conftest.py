# SPDX-License-Identifier: Apache-2.0
"""What the tests of all lanes share: a maker of private daemons."""
import pytest

from harness import processes
from harness.daemon import Daemon


def pytest_configure(config):
    processes.become_subreaper()


@pytest.fixture
def make_daemon():
    """make_daemon(config) starts a cvmd; each is ended and looked over when the test is done."""
    daemons = []

    def make(config, start=True, user=None):
        daemon = Daemon(config, user)
        daemons.append(daemon)
        return daemon.start() if start else daemon

    yield make
    problems = []
    for daemon in daemons:
        try:
            daemon.finish()
        except (AssertionError, OSError) as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)
