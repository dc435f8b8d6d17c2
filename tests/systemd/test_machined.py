# SPDX-License-Identifier: Apache-2.0
"""CVMs as machines of systemd-machined: as machinectl of Debian 13 and of the newest systemd see
them."""
import json

from harness.processes import eventually

INSTANCE = "io.systemd.MachineInstance"


def start(machine, name, **spec):
    machine.write(f"/etc/cvmd/cvms/{name}.json", json.dumps({"memory": "64M", **spec}))
    machine.systemctl("start", f"cvm@{name}.service")
    return machine.status(name)


def listed(machine):
    """name to class and service."""
    text = machine.run("machinectl", "list", "--no-legend", "--no-pager").stdout
    return {line.split()[0]: tuple(line.split()[1:3]) for line in text.splitlines() if line.strip()}


def wait_listed(machine, name, is_there=True):
    eventually(lambda: (name in listed(machine)) == is_there,
               lambda: f"{name} listed: {is_there}; {listed(machine)}\n{machine.journal()}")


def control(machine, cvm):
    return f"/run/cvmd/machines/{cvm['id']}"


def test_list_and_status(either):
    cvm = start(either, "web.a_1")
    wait_listed(either, "cvm-web.a-1")
    assert listed(either)["cvm-web.a-1"] == ("vm", "cvmd")
    text = either.run("machinectl", "status", "--no-pager", "cvm-web.a-1").stdout
    assert cvm["scope"] in text and f"Leader: {cvm['pid']}" in text
    assert cvm["id"].replace("-", "") in text
    either.systemctl("stop", "cvm@web.a_1.service")
    wait_listed(either, "cvm-web.a-1", False)


def test_terminate(either):
    cvm = start(either, "a")
    wait_listed(either, "cvm-a")
    either.run("machinectl", "terminate", "cvm-a")
    either.wait("cvm@a", "inactive")
    assert either.status("a")["ending"]["reason"] in ("stopped", "killed")
    wait_listed(either, "cvm-a", False)
    assert either.run("test", "-e", control(either, cvm), check=False).returncode == 1


def test_a_daemon_that_is_started_again_registers_nothing_twice(either):
    cvm = start(either, "a")
    wait_listed(either, "cvm-a")
    either.systemctl("kill", "-s", "KILL", "--kill-whom=main", "cvmd.service")
    either.wait("cvmd.service", "active")
    eventually(lambda: either.run("varlinkctl", "call", control(either, cvm),
                                  f"{INSTANCE}.Describe", "{}", check=False).returncode == 0,
               "the control socket again")
    assert list(listed(either)) == ["cvm-a"]
    assert "machined did not register" not in either.journal(20)


def test_a_name_that_is_taken(either):
    cvms = [start(either, name) for name in ("a.b", "a-b", "a_b")]
    names = {"cvm-a.b", "cvm-a-b", f"cvm-a-b-{cvms[2]['id'][:8]}"}
    eventually(lambda: set(listed(either)) == names, lambda: f"{listed(either)} is {names}")


def test_poweroff_on_257_kills_no_qemu(machine):
    """It sends SIGRTMIN+4 to the leader, which means nothing to a QEMU."""
    cvm = start(machine, "a")
    wait_listed(machine, "cvm-a")
    machine.run("machinectl", "poweroff", "cvm-a")
    machine.run("sleep", "0.5")
    assert machine.status("a")["state"] == "running"
    assert machine.status("a")["pid"] == cvm["pid"]


def test_off(machine):
    machine.configure(machined="off")
    try:
        cvm = start(machine, "a")
        machine.run("sleep", "0.5")
        assert not listed(machine)
        assert machine.run("test", "-e", control(machine, cvm), check=False).returncode == 1
    finally:
        machine.systemctl("stop", "cvm@a.service")
        machine.configure()


# The control socket, from systemd 262 on

def test_poweroff(newest):
    start(newest, "a")
    wait_listed(newest, "cvm-a")
    newest.run("machinectl", "poweroff", "cvm-a")
    newest.wait("cvm@a", "inactive")
    ending = newest.status("a")["ending"]
    assert (ending["reason"], ending.get("signal")) == ("stopped", None)


def test_pause_and_resume(newest):
    start(newest, "a")
    wait_listed(newest, "cvm-a")
    for _ in range(2):  # what is so already is no error
        newest.run("machinectl", "pause", "cvm-a")
        assert newest.status("a")["state"] == "paused"
    for _ in range(2):
        newest.run("machinectl", "resume", "cvm-a")
        assert newest.status("a")["state"] == "running"


def test_reboot_is_refused(newest):
    cvm = start(newest, "a")
    wait_listed(newest, "cvm-a")
    assert newest.run("machinectl", "reboot", "cvm-a", check=False).returncode != 0
    assert newest.status("a")["pid"] == cvm["pid"]


def test_describe_and_events(newest):
    """The newest varlinkctl checks every reply against the interface that the socket describes."""
    cvm = start(newest, "a")
    address = control(newest, cvm)
    text = newest.run("varlinkctl", "introspect", address, INSTANCE).stdout
    assert "method SubscribeEvents" in text
    reply = newest.run("varlinkctl", "call", "--json=short", address, f"{INSTANCE}.Describe", "{}")
    assert json.loads(reply.stdout) == {"running": True, "status": "running"}
    newest.run("sh", "-c", f"varlinkctl call --more --json=short {address} "
               f"{INSTANCE}.SubscribeEvents '{{}}' >/run/events 2>&1 </dev/null &")
    eventually(lambda: "READY" in newest.run("cat", "/run/events").stdout, "subscribed")
    newest.cvmctl("pause", "a")
    newest.cvmctl("resume", "a")
    newest.cvmctl("stop", "a", "--force")
    eventually(lambda: "SHUTDOWN" in newest.run("cat", "/run/events").stdout,
               lambda: newest.run("cat", "/run/events").stdout)
    # each begins with a record separator (RFC 7464)
    lines = newest.run("cat", "/run/events").stdout.split("\x1e")
    events = [json.loads(line) for line in lines if line.strip()]
    assert [event["event"] for event in events] == ["READY", "STOP", "RESUME", "SHUTDOWN"]
    assert events[-1]["data"]["reason"] in ("stopped", "killed")


def test_who_may_control(newest):
    cvm = start(newest, "a")
    address = control(newest, cvm)
    assert newest.run("stat", "-c", "%a %U %G", address).stdout == "660 root cvm\n"
    newest.run("systemd-sysusers", "--inline", "u other -", "m other cvm")
    done = newest.run("setpriv", "--reuid=other", "--init-groups", "--regid=other", "varlinkctl",
                      "call", address, f"{INSTANCE}.Terminate", "{}", check=False)
    assert done.returncode != 0 and "Permission denied" in done.stderr
    assert newest.status("a")["state"] == "running"
