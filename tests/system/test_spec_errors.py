# SPDX-License-Identifier: Apache-2.0
"""cvmctl prints every fault of a spec file with its place, as a compiler does."""
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import time

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import Peer, environment, refuse

SPEC = """{
  "name": "web",
  "memroy": "2G",
  "cpus": 0,
  "shares": [
    {"tag": "data", "path": "."},
    {"tga": "more", "path": "."}
  ],
  "restart": {"policy": "allways"},
  "launchSecurity": {"idBlock": "AAAA"}
}
"""
# what cvmctl says about it; column 1 is the first character of a line
LINES = [
    "web.json:3:3: memroy: unknown field; did you mean 'memory'?",
    "web.json:4:3: cpus: must be an integer from 1 to 512",
    "web.json:7:5: shares[1].tag: is missing",
    "web.json:7:6: shares[1].tga: unknown field; did you mean 'tag'?",
    "web.json:9:15: restart.policy: must be 'no', 'on-failure' or 'always'; did you mean 'always'?",
    "web.json:10:3: launchSecurity.idAuth: is missing: idBlock and idAuth go together",
    "web.json:10:22: launchSecurity.idBlock: must be base64 of exactly 96 bytes, but is base64 of "
    "3",
]

local = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")


def refused(directory, *args, text=SPEC, code=exits.DATA, name="web.json", **scripts):
    """The lines on standard error of a verb with that spec file."""
    (directory / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with Peer(**scripts) as peer:
        done = peer.cvmctl(*args, "--file", name, cwd=directory)
        assert done.code == code and done.out == "" and (scripts or not peer.calls), done
    return done.err.splitlines()


@local
@pytest.mark.parametrize("verb", ["launch", "render", "run", "measure"])
def test_all_faults_in_the_order_of_the_file(tmp_path, verb):
    assert refused(tmp_path, verb) == LINES


@local
def test_as_json(tmp_path):
    (line,) = refused(tmp_path, "launch", "--json")
    error = json.loads(line)
    assert error["error"] == "io.cvmd.Manager.InvalidSpec"
    parameters = error["parameters"]
    assert parameters["field"] == "memroy" and parameters["reason"] == "unknown field"
    assert parameters["file"] == "web.json" and len(parameters["errors"]) == len(LINES)
    assert parameters["errors"][0] == {"field": "memroy", "reason": "unknown field",
                                       "suggestion": "memory", "line": 3, "column": 3}


@local
@pytest.mark.parametrize("text, expected", [
    # columns are characters; a line may end with CR LF
    ('{"name": "a",\r\n "env": {"ä€😀": "x"},\r\n "labels": {"ä": "", "-": ""}}',
     ["web.json:2:10: env.ä€😀: a variable's name must", "web.json:3:13: labels.ä: a label's name",
      "web.json:3:22: labels.-: a label's name"]),
    # a name is what it stands for, and control characters do not reach the terminal
    ('{"name": "a", "c\\u0070u\\u001b[31m": 1}',
     ["web.json:1:15: cpu\\x1b[31m: unknown field"]),
    # objects in objects, lists and names with dots and blanks
    ('{"name": "a", "certs": {"ca.pem": {"base64": "*"}, "a b": {}},\n'
     ' "svsm": {"attestation":\n  {"url": "x"}}, "gpus": ["01:00.0", "x"]}',
     ["web.json:1:36: certs.ca.pem.base64: ", "web.json:1:52: certs.a b: ",
      "web.json:3:4: svsm.attestation.url: ", "web.json:3:38: gpus[1]: "]),
])
def test_places(tmp_path, text, expected):
    lines = refused(tmp_path, "launch", text=text)
    assert len(lines) == len(expected), lines
    for line, beginning in zip(lines, expected):
        assert line.startswith(beginning), (line, beginning)


@local
def test_a_long_line(tmp_path):
    """And a name that is cut where it is shown."""
    text = f'{{"name": "a", "env": {{"A": "{"x" * 200000}"}}, "{"n" * 1000}": 1, "cpus": 0}}'
    lines = refused(tmp_path, "launch", text=text)
    assert [line.split(": ")[0] for line in lines] == ["web.json:1:200033", "web.json:1:201040"]
    assert lines[0].split(": ")[1].startswith("n" * 300) and len(lines[0]) < 400


@local
def test_what_options_give_has_no_place(tmp_path):
    """The file has these members, too, but there is nothing wrong with what it says."""
    text = '{"name": "a", "memory": "2G", "env": {"A": "x"}, "cpus": 0, "forwards": [],\n' \
           ' "network": "user", "disks": [{"path": "/a"}], "labels": {"b": "c"}}'
    lines = refused(tmp_path, "launch", "--memory", "1M", "--env", "A=\x01", "--network", "x",
                    "--disk", "/b,format=qcow", "--label", "b=\x01", text=text)
    assert lines[0] == "web.json:1:50: cpus: must be an integer from 1 to 512"
    assert sorted(line.split(":")[1] for line in lines[1:]) == [
        " spec field 'disks[1].format'", " spec field 'env.A'", " spec field 'labels.b'",
        " spec field 'memory'", " spec field 'network'"]
    assert all(line.startswith("cvmctl: ") for line in lines[1:])


@local
@pytest.mark.parametrize("text, expected", [
    ('{"name": "a",\n "ä": 2,,\n}', "web.json:2:9: not valid JSON: expected a member's name"),
    ('{"name": "a",\r\n "cpus": 2.}', "web.json:2:12: not valid JSON: a number with a missing"),
    ('{"a": 1, "\\u0061": 2}', "web.json:1:10: not valid JSON: a duplicate member"),
    ("name: web\n", "web.json:1:1: not valid JSON: expected a value; it looks like YAML"),
    ("", "web.json:1:1: not valid JSON: unexpected end of the text"),
])
def test_syntax_errors(tmp_path, text, expected):
    (line,) = refused(tmp_path, "launch", text=text)
    assert line.startswith(expected)
    (line,) = refused(tmp_path, "launch", "--json", text=text)
    error = json.loads(line)
    where = expected.split(": ")[0]
    assert error["error"] == "cvmctl.FileInvalid"
    assert "{file}:{line}:{column}".format(**error["parameters"]) == where


@local
def test_paths_that_cannot_be_opened(tmp_path):
    """All of them; the status is that of the first."""
    text = '{"name": "a",\n "kernel": {"path": "none"},\n "shares": [{"tag": "a",\n' \
           ' "path": "f"}],\n "certs": {"c": {"path": "no-cert"}}}'
    (tmp_path / "f").write_text("")
    lines = refused(tmp_path, "launch", text=text, code=exits.NOT_FOUND)
    assert lines == [
        f"web.json:2:2: kernel: {tmp_path}/none: No such file or directory",
        f"web.json:4:2: shares[0].path: {tmp_path}/f: not a directory",
        f"web.json:5:12: certs.c: {tmp_path}/no-cert: No such file or directory"]


@local
def test_what_the_file_itself_cannot_have(tmp_path):
    """Descriptors and credentials, beside other faults."""
    text = '{"name": "a", "cpus": 0,\n "disks": [{"fd": 1}],\n' \
           ' "env": {"A": {"credential": "/"},\n' \
           ' "B": {"credential": "b"}}, "certs": {"c": {"fd": 2}}}'
    lines = refused(tmp_path, "launch", text=text)
    assert [line.split(": ")[:2] for line in lines] == [
        ["web.json:1:15", "cpus"], ["web.json:2:13", "disks[0].fd"], ["web.json:3:10", "env.A"],
        ["web.json:4:2", "env.B"], ["web.json:4:45", "certs.c.fd"]]


@local
@pytest.mark.parametrize("verb, method", [("launch", "Launch"), ("run", "Launch"),
                                          ("render", "Render")])
def test_what_only_the_daemon_knows(tmp_path, verb, method):
    errors = [{"field": "svsm.log", "reason": "no SVSM"},
              {"field": "platform", "reason": "unknown", "suggestion": "plain"},
              {"field": "", "reason": "3 more errors are not listed"}]
    scripts = {method: refuse("io.cvmd.Manager.InvalidSpec", field="svsm.log", reason="no SVSM",
                              errors=errors),
               "Status": refuse("io.cvmd.Manager.NoSuchCvm", name="a")}
    text = '{"name": "a", "platform": "plian",\n "svsm": {"log": true}}'
    lines = refused(tmp_path, verb, text=text, **scripts)
    assert lines[-3:] == ["web.json:1:15: platform: unknown; did you mean 'plain'?",
                          "web.json:2:11: svsm.log: no SVSM",
                          "cvmctl: 3 more errors are not listed"]
    # version 0.1.0 sends one fault, without a list
    scripts[method] = refuse("io.cvmd.Manager.InvalidSpec", field="svsm.log", reason="no SVSM")
    assert refused(tmp_path, verb, text=text, **scripts)[-1] == "web.json:2:11: svsm.log: no SVSM"


@local
@pytest.mark.parametrize("errors", [[], [1], "x", [{"field": 1, "reason": []}],
                                    [{"field": "cpus", "reason": "r"}] * 500])
def test_a_daemon_that_sends_nonsense(tmp_path, errors):
    scripts = {"Launch": refuse("io.cvmd.Manager.InvalidSpec", field="cpus", reason="r",
                                errors=errors)}
    lines = refused(tmp_path, "launch", text='{"name": "a", "cpus": 1}', **scripts)
    assert 1 <= len(lines) <= 33


@local
def test_ten_thousand_faults(tmp_path):
    """Of a spec of 1 MiB: bounded in what is printed and in time."""
    text = '{"name": "a",\n' + ",\n".join(f'"{"m" * 80}emory{i}": 1' for i in range(10000)) + "}"
    assert len(text) > 900000
    start = time.monotonic()
    lines = refused(tmp_path, "launch", text=text)
    assert time.monotonic() - start < 20
    assert len(lines) == 33 and lines[31].startswith("web.json:33:1: ")
    assert lines[32] == "cvmctl: 9968 more errors are not listed"


@local
def test_on_a_terminal_of_80_columns(tmp_path):
    """A fault stays one line, which an editor can read back; the terminal wraps it."""
    (tmp_path / "web.json").write_text(SPEC)
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([CVMCTL, "launch", "--file", "web.json"], stdin=follower, stdout=follower,
                          stderr=follower, env=environment(TERM="xterm"), cwd=tmp_path) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                shown += os.read(leader, 65536)
            except OSError:
                break
        assert process.wait(60) == exits.DATA
    os.close(leader)
    assert shown.decode().replace("\r\n", "\n").splitlines() == LINES


@pytest.mark.qemu_driver("driver libvirt adds what it cannot do")
@pytest.mark.parametrize("verb", ["launch", "run", "render"])
def test_contradictions_of_platform_and_members(shared, tmp_path, verb):
    """The real daemon's: found once the spec itself has no fault."""
    path = tmp_path / "web.json"
    path.write_text(json.dumps({**shared.spec("web"), "platform": "plain", "bindWorkload": True,
                                "svsm": {}, "launchSecurity": {"policy": "1"}}, indent=1))
    done = shared.cvmctl(verb, "--file", path, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith(f"{path}:")]
    assert done.returncode == exits.DATA
    assert sorted(line.split(": ")[1] for line in lines) == [
        "bindWorkload", "launchSecurity.policy", "svsm"]
    assert shared.cvms() == []
