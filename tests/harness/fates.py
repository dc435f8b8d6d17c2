# SPDX-License-Identifier: Apache-2.0
"""What has become of CVMs whose daemon was killed, and the proof that nothing else is left."""
import os
import socket

from . import processes
from .daemon import SPAWNED
from .processes import eventually

SETTLED = ("restarting", "running", "paused", "stopped", "failed")
ENDED = ("restarting", "stopped", "failed")


def strays():
    """Orphans have become this process's children (see harness/processes.py)."""
    processes.reap()
    return [processes.command(pid) for pid in processes.children(os.getpid())
            if pid not in SPAWNED and processes.state(pid) not in (None, "Z")]


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
        return True


def control(daemon, cvm):
    """A CVM that lives obeys, and is gone when it is told to go."""
    name, pid = cvm["name"], cvm["pid"]
    if cvm["state"] == "running":
        assert daemon.call("Pause", name=name)["cvm"]["state"] == "paused"
    assert daemon.call("Resume", name=name)["cvm"]["state"] == "running"
    assert daemon.stop(name, force=True)["state"] == "stopped"
    daemon.wait_gone(pid)
    processes.reap()


def judge(daemon, ports=(), mortal=False, removed=False):
    """The fate of each CVM in the table, by name: the state in which it was found; then ends and
    removes them, and proves that nothing is left. Mortal ones end by themselves, and the daemon
    removes the `removed` ones once they have ended."""
    fates = {}
    for cvm in daemon.cvms():
        if removed:
            if cvm["state"] not in ("stopped", "failed"):
                fates[cvm["name"]] = cvm["state"]
                daemon.stop(cvm["name"], force=True)
            eventually(lambda: daemon.cvms() == [], "it is removed")
            continue
        cvm = daemon.wait_state(cvm["name"], *(ENDED if mortal else SETTLED))
        fates[cvm["name"]] = cvm["state"]
        if cvm["state"] in ("running", "paused"):
            control(daemon, cvm)
        elif cvm["state"] == "restarting":
            assert daemon.stop(cvm["name"])["state"] == "stopped"
        else:
            assert cvm.get("pid") is None, cvm
        for below in ("shares", "vms"):
            assert not (daemon.runtime / below / cvm["id"]).exists(), below
        daemon.call("Remove", name=cvm["name"])
    daemon.assert_clean()
    eventually(lambda: not strays(), lambda: f"processes left: {strays()}", seconds=5)
    taken = [port for port in ports if not port_is_free(port)]
    assert not taken, f"ports left: {taken}"
    return fates


def show(counter):
    return ", ".join(f"{number} {fate}" for fate, number in sorted(counter.items()))
