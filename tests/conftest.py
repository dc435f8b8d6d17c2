# SPDX-License-Identifier: Apache-2.0
"""What the tests of all lanes share: private daemons, by default with tests/fake-qemu in QEMU's
place; the top of tests/fake-qemu.c says how a CVM's kernel command line chooses what it does."""
import copy
import os
import signal

import pytest

from harness import libvirt, processes
from harness.daemon import FAKE_QEMU, NO_GUEST, SPAWNED, WRAPPER, Daemon

FAKE = {
    "guest": NO_GUEST,
    "accelerator": "tcg",
    "qemu": {"default": FAKE_QEMU},
    "timeouts": {"startSec": 10, "readySec": 10, "powerdownSec": 2, "quitSec": 2},
    "network": {"hostAccess": "allow"},  # the machine's own nftables stay as they are
}


def pytest_configure(config):
    processes.become_subreaper()
    # The fixtures then end what they started.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM"))


def pytest_collection_modifyitems(config, items):
    """Valgrind makes all twenty times slower: of a test with many parameters it sees one, as all of
    them go the same way. ASan sees all. With CVMD_DRIVER=libvirt only what says something of that
    driver runs. CVMD_PART=1/3 runs the second third."""
    kept = items
    if libvirt.USED:
        kept = [item for item in kept if not item.get_closest_marker("qemu_driver")]
    if WRAPPER:
        groups = {}
        for item in kept:
            groups.setdefault(item.nodeid.partition("[")[0], []).append(item)
        ids = {id(group[len(group) // 2]) for group in groups.values()}
        kept = [item for item in kept if id(item) in ids]
    number, parts = map(int, os.environ.get("CVMD_PART", "0/1").split("/"))
    if parts > 1:
        kept = kept[number::parts]
    if kept is not items:
        ids = {id(item) for item in kept}
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in ids])
        items[:] = kept


def pytest_runtest_setup(item):
    mark = item.get_closest_marker("not_valgrind")
    if mark and WRAPPER:
        pytest.skip(mark.args[0])
    if item.get_closest_marker("long") and "CVMD_LONG" not in os.environ:
        pytest.skip("long")


@pytest.fixture(scope="session", autouse=libvirt.USED)
def libvirtd():
    """Where CVMD_DRIVER says so; it and what it started is gone in the end."""
    reason = libvirt.missing()
    if reason:
        pytest.skip(reason)
    daemon = libvirt.Libvirt()
    try:
        daemon.start()
        SPAWNED.add(daemon.keeper.pid)
        yield daemon
    finally:
        daemon.end()


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


@pytest.fixture
def config():
    """A configuration that a test may change before it makes a daemon of it."""
    return copy.deepcopy(FAKE)


@pytest.fixture
def cvmd(make_daemon, config):
    return make_daemon(config)


@pytest.fixture(scope="module")
def module_daemon():
    daemon = Daemon(copy.deepcopy(FAKE)).start()
    yield daemon
    daemon.finish()


@pytest.fixture
def shared(module_daemon):
    """A daemon for a whole module; after each test its CVMs are ended and nothing may be left."""
    yield module_daemon
    for cvm in module_daemon.cvms():
        module_daemon.discard(cvm["name"])
    module_daemon.assert_clean()
