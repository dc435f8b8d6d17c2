# SPDX-License-Identifier: Apache-2.0
"""cvmd.conf(5), the command line of cvmd, and daemons side by side."""
import json
import os
import subprocess

import pytest

from harness import exits
from harness.daemon import CVMCTL, CVMD, TOP, WRAPPER
from harness.processes import SLOWNESS
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("a daemon's configuration and directories are no driver's")


def refused(daemon, text, status=exits.CONFIG):
    """Starts a daemon with this configuration file; returns what it said before it ended."""
    daemon.config_path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = subprocess.run(
        [*WRAPPER, CVMD, "--config", daemon.config_path, "--socket", daemon.socket,
         "--runtime-dir", daemon.runtime, "--state-dir", daemon.state],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=20 * SLOWNESS, check=False)
    assert done.returncode == status, done
    assert not daemon.socket.exists()
    return done.stderr


@pytest.mark.parametrize("text, line, field", [
    ('{\n"cpus": 0}', 2, "cpus"),
    ('{\n"memory": "1K"}', 2, "memory"),
    ('{\n"memory": 2}', 2, "memory"),
    ('{\n\n"colour": "red"}', 3, "colour"),
    ('{"ports": {\n"first": 70000}}', 2, "ports.first"),
    ('{"ports": {"first": 7000,\n"last": 6999}}', 2, "ports.last"),
    ('{"ports": {"frist": 7000}}', 1, "ports.frist"),
    ('{"timeouts": {\n\n\n"quitSec": 0}}', 4, "timeouts.quitSec"),
    ('{"qemu": {\n"plain": "qemu"}}', 2, "qemu.plain"),
    ('{\n"qemu": []}', 2, "qemu"),
    ('{"accelerator": "hvf"}', 1, "accelerator"),
    ('{"templates": "templates"}', 1, "templates"),
    ('{"guest": "guest"}', 1, "guest"),
    ('{"scopes": "on"}', 1, "scopes"),
    ('{"machined": true}', 1, "machined"),
    ('{"machined": "on"}', 1, "machined"),
    ('{"console": {"size": "1"}}', 1, "console.size"),
    ('{"network": {\n"bridges": [1]}}', 2, "network.bridges"),
    ('{"vsock": {"first": 2}}', 1, "vsock.first"),
    ('{"limits": {"cvms": 0}}', 1, "limits.cvms"),
])
def test_bad_field(make_daemon, config, text, line, field):
    said = refused(make_daemon(config, start=False), text)
    assert f"cvmd.conf:{line}: " in said and f"'{field}'" in said


def check(path):
    done = subprocess.run([CVMD, "--check-config", "--config", path], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=20 * SLOWNESS, check=False)
    return done.returncode, done.stdout + done.stderr


def test_check_config(tmp_path):
    path = tmp_path / "cvmd.conf"
    path.write_text('{"cpus": 0}')
    status, said = check(path)
    assert status == exits.CONFIG and "field 'cpus'" in said
    path.write_text("{}")
    assert check(path) == (0, "")


def test_the_sample_is_valid():
    """On any host, without a warning."""
    assert check(TOP / "examples/cvmd.conf") == (0, "")


MISSING = {
    "qemu.default": {"qemu": {"default": "/nonexistent/qemu"}},
    "programs.swtpm": {"programs": {"swtpm": "/etc/passwd"}},
    "network.bridges[0]": {"network": {"bridges": ["cvmd-absent"]}},
    "devices.disks[0]": {"devices": {"disks": ["/dev/null"]}},
    "devices.gpus[0]": {"devices": {"gpus": ["ffff:ff:1f.7"]}},
    # in two parts, lest lane fresh takes it for a group that tests require
    "groups.users": {"groups": {"users": "-".join(("cvmd", "absent"))}},
}


@pytest.mark.parametrize("field", MISSING)
def test_what_the_host_lacks_is_a_warning(make_daemon, config, tmp_path, field):
    """By --check-config, and when a daemon starts, which it does."""
    if field.startswith("groups") and os.geteuid() != 0:
        pytest.skip("only root's daemon has groups")
    path = tmp_path / "cvmd.conf"
    path.write_text(json.dumps(MISSING[field]))
    status, said = check(path)
    assert status == 0 and f"warning: configuration: field '{field}'" in said
    daemon = make_daemon({**config, **MISSING[field]})
    assert f"configuration: field '{field}'" in daemon.log()


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"cpus": 1,}', '{"cpus": 1} {}', "cpus = 1", b'{"cpus": "\xff"}',
    "[" * 10000, '{"cpus": 1, "cpus": 2}',
])
def test_no_json_object(make_daemon, config, text):
    said = refused(make_daemon(config, start=False), text)
    assert "cvmd.conf" in said


def test_file_that_is_not_there(make_daemon, config):
    daemon = make_daemon(config, start=False)
    done = subprocess.run([CVMD, "--config", daemon.directory / "none", "--socket", daemon.socket],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode == exits.CONFIG and "none" in done.stderr


@pytest.mark.parametrize("options", [["--colour"], ["--config"], ["--log-level", "loud"], ["web"]])
def test_usage(options):
    done = subprocess.run([CVMD, *options], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20, check=False)
    assert done.returncode == exits.USAGE and options[-1].lstrip("-") in done.stderr


def test_defaults_are_the_files(make_daemon, config):
    daemon = make_daemon({**config, "cpus": 3, "memory": "96M",
                          "ports": {"first": 7300, "last": 7309}})
    cvm = daemon.launch("web", cpus=None, memory=None)
    assert (cvm["cpus"], cvm["memory"]) == (3, 96 << 20)
    assert [f["guestPort"] for f in cvm["forwards"]] == [7002]
    assert 7300 <= cvm["forwards"][0]["hostPort"] <= 7309


def test_limit_of_cvms(make_daemon, config):
    daemon = make_daemon({**config, "limits": {"cvms": 2}})
    daemon.launch("one")
    daemon.launch("two")
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch("three")
    assert (refusal.value.name, refusal.value.fields["limit"]) == ("QuotaExceeded", 2)
    daemon.discard("one")
    daemon.launch("three")


def test_daemons_side_by_side(make_daemon, config):
    one, two = make_daemon(config), make_daemon(config)
    first, second = one.launch("web"), two.launch("web")
    assert first["id"] != second["id"]
    assert first["forwards"][0]["hostPort"] != second["forwards"][0]["hostPort"]
    one.discard("web")
    assert two.status("web")["state"] == "running"


def test_a_socket_in_use(make_daemon, config):
    """A second daemon must not take over the first one's socket."""
    daemon = make_daemon(config)
    done = subprocess.run(
        [*WRAPPER, CVMD, "--config", daemon.config_path, "--socket", daemon.socket,
         "--runtime-dir", daemon.directory / "other", "--state-dir", daemon.directory / "other2"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20 * SLOWNESS,
        check=False)
    assert done.returncode == 1 and str(daemon.socket) in done.stderr
    assert daemon.call("List")["cvms"] == []


def test_a_socket_left_by_a_dead_daemon(make_daemon, config):
    daemon = make_daemon(config)
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.call("List")["cvms"] == []


def test_modes_of_what_it_makes(make_daemon, config):
    daemon = make_daemon(config)
    daemon.launch("web", env={"A": "a value of one"})
    # Without the group cvm there is nobody to let in.
    assert daemon.socket.stat().st_mode & 0o777 in (0o600, 0o660)
    for path in daemon.state.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    for record in daemon.state.rglob("*"):
        if record.is_file():
            assert b"a value of one" not in record.read_bytes(), record
    assert "a value of one" not in daemon.log_path.read_text()


def test_cvmctl_without_a_daemon(tmp_path):
    done = subprocess.run([CVMCTL, "--socket", tmp_path / "none", "list"], capture_output=True,
                          stdin=subprocess.DEVNULL, text=True, timeout=20, check=False)
    assert done.returncode == exits.UNAVAILABLE
    assert len(done.stderr.splitlines()) == 1
    assert "cvmd" in done.stderr and str(tmp_path / "none") in done.stderr


def test_template_override(make_daemon, config):
    """A broken override refuses the start and says where; a good one is a platform."""
    daemon = make_daemon(config, start=False)
    directory = daemon.directory / "templates"
    directory.mkdir()
    (directory / "mine.json").write_text('{\n"argv": 1}')
    said = refused(daemon, json.dumps({**config, "templates": str(directory)}))
    assert "mine.json" in said


@pytest.mark.parametrize("settings, spec, said", [
    ({}, {"limits": {"memoryMax": "1G"}}, "no service manager"),
    ({"scopes": "required"}, {}, "no service manager"),
    ({"scopes": "off"}, {"limits": {"tasksMax": 64}}, "scopes are off"),
])
def test_no_systemd_no_scope(make_daemon, config, spec, settings, said):
    """Where no systemd is, CVMs have no scopes; none is run without its limits."""
    if os.path.exists("/run/systemd/system"):
        pytest.skip("systemd runs here")
    daemon = make_daemon({**config, **settings})
    with pytest.raises(VarlinkError) as error:
        daemon.launch("a", **spec)
    assert error.value.name == "HostNotReady"
    assert error.value.fields["check"] == "scopes"
    assert said in error.value.fields["found"]
    assert not daemon.call("List")["cvms"]


def test_limits_of_a_default_memory(make_daemon, config):
    daemon = make_daemon({**config, "memory": "1G"})
    with pytest.raises(VarlinkError) as error:
        daemon.launch("a", limits={"memoryMax": "1G"}, memory=None)
    assert error.value.fields["field"] == "limits.memoryMax"
