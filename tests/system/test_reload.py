# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: a configuration that is read anew."""
import json
import signal
import socket
import time

import pytest

from harness.ports import port
from harness.processes import SLOWNESS, eventually
from harness.varlink import VarlinkError


def reload(daemon, text, said):
    before = daemon.log(None)
    daemon.config_path.write_text(text if isinstance(text, str) else json.dumps(text))
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: said in daemon.log(None)[len(before):], daemon.log)


def test_what_is_launched_from_then_on(make_daemon, config):
    daemon = make_daemon({**config, "memory": "64M", "limits": {"cvms": 2}})
    assert daemon.launch("one", memory=None)["memory"] == 64 << 20
    reload(daemon, {**config, "memory": "96M", "limits": {"cvms": 3},
                    "ports": {"first": port(30), "last": port(39)}}, "configuration reloaded")
    assert daemon.status("one")["memory"] == 64 << 20
    two = daemon.launch("two", memory=None)
    assert two["memory"] == 96 << 20
    assert port(30) <= two["forwards"][0]["hostPort"] <= port(39)
    daemon.launch("three")
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch("four")
    assert refusal.value.fields["limit"] == 3


def test_a_bad_file_changes_nothing(make_daemon, config):
    daemon = make_daemon({**config, "memory": "64M"})
    reload(daemon, '{"memory": "96M",\n"colour": "red"}', "cvmd.conf:2: field 'colour'")
    assert "configuration reloaded" not in daemon.log()
    assert daemon.launch("one", memory=None)["memory"] == 64 << 20


def test_limits_of_what_has_ended(make_daemon, config):
    daemon = make_daemon(config)
    for name in "web", "two", "three":
        daemon.launch(name)
        daemon.stop(name, force=True)
    assert len(daemon.cvms()) == 3
    reload(daemon, {**config, "limits": {"endedPerUid": 1}}, "configuration reloaded")
    assert [cvm["name"] for cvm in daemon.cvms()] == ["three"]


def test_what_only_a_start_changes(make_daemon, config):
    daemon = make_daemon(config)
    reload(daemon, {**config, "memory": "96M", "templates": "/nonexistent",
                    "groups": {"admins": "nogroup"}, "console": {"files": 7}},
           "a restart is required to change templates, groups.admins, console.files")
    assert daemon.launch("one", memory=None)["memory"] == 96 << 20


@pytest.mark.qemu_driver("it launches nothing")
def test_many_at_once(make_daemon, config):
    """The last one counts, and the daemon goes on."""
    daemon = make_daemon(config)
    for memory in range(64, 96):
        daemon.config_path.write_text(json.dumps({**config, "memory": f"{memory}M"}))
        daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: daemon.call("Render", spec=daemon.spec("a", memory=None))
               and daemon.log().count("configuration reloaded") > 0, daemon.log)
    reload(daemon, {**config, "memory": "97M"}, "configuration reloaded")
    eventually(lambda: "97" in str(daemon.call("Render", spec=daemon.spec("a", memory=None))),
               daemon.log)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_removed_socket_is_made_again(make_daemon, config, replaced):
    """With its rights; connections that there are stay."""
    daemon = make_daemon(config)
    status = daemon.socket.stat()
    with daemon.client() as old:
        old.call("List")
        daemon.socket.unlink()
        if replaced:  # by one that nobody listens on
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(daemon.socket))
        reload(daemon, config, "configuration reloaded")
        assert "the socket has been created again" in daemon.log(None)
        again = daemon.socket.stat()
        assert (again.st_mode, again.st_gid) == (status.st_mode, status.st_gid)
        assert daemon.call("List") == old.call("List")
    reload(daemon, config, "configuration reloaded")
    assert daemon.log(None).count("the socket has been created again") == 1
    assert daemon.socket.stat().st_ino == again.st_ino


def test_somebody_else_s_socket_stays(make_daemon, config):
    daemon = make_daemon(config)
    with socket.socket(socket.AF_UNIX) as other, daemon.client() as client:
        client.call("List")
        daemon.socket.unlink()
        other.bind(str(daemon.socket))
        other.listen()
        begin = time.monotonic()
        reload(daemon, config, "cannot create the socket again: Address already in use")
        client.call("List")
        assert time.monotonic() - begin < 10 * SLOWNESS  # nobody waits for what listens there
    daemon.socket.unlink()
    reload(daemon, config, "configuration reloaded")
    assert "the socket has been created again" in daemon.log(None)
    daemon.call("List")


def test_a_removed_socket_comes_back_by_itself(make_daemon, config):
    """Each time, with its rights; what stands in the way is reported once."""
    daemon = make_daemon(config)
    status = daemon.socket.stat()
    for times in (1, 2):
        daemon.socket.unlink()
        eventually(lambda: daemon.log(None).count("the socket has been created again") == times,
                   daemon.log, 30)
        again = daemon.socket.stat()
        assert (again.st_mode, again.st_gid) == (status.st_mode, status.st_gid)
        daemon.call("List")
    daemon.socket.unlink()
    daemon.socket.mkdir()
    said = "cannot create the socket again: File exists"
    eventually(lambda: said in daemon.log(None), daemon.log, 30)
    daemon.socket.rmdir()
    eventually(lambda: daemon.log(None).count("the socket has been created again") == 3,
               daemon.log, 30)
    assert daemon.log(None).count(said) == 1
    daemon.call("List")
