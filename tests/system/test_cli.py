# SPDX-License-Identifier: Apache-2.0
"""cvmctl's command line: usage, exit codes, finding the daemon, a daemon that misbehaves."""
import json
import os
import pathlib
import re
import socket
import subprocess

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import MANAGER, Peer, cvm, cvmctl, refuse

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")

TOP = pathlib.Path(__file__).resolve().parents[2]
NAMED = ["logs", "pause", "resume", "remove", "status", "stop", "console"]


# Usage

@pytest.mark.parametrize("args, says", [
    (["lunch"], "unknown command 'lunch'; did you mean 'launch'?"),
    (["xyzzy"], "unknown command 'xyzzy' (see"),
    (["rm"], "unknown command 'rm'; did you mean 'remove'?"),
    (["launch", "a", "--plaform", "x"], "unknown option '--plaform'; did you mean '--platform'?"),
    (["launch", "a", "--mem=1G"], "did you mean '--memory'?"),
    (["launch", "a", "--xyzzy"], "unknown option '--xyzzy' (see `cvmctl help launch`)"),
    (["launch", "-x"], "unknown option '-x'"),
    (["--platform", "x", "launch"], "the option '--platform' must follow a command"),
    (["run"], "run requires a NAME"),
    (["stop", "--all", "a"], "--all and a NAME exclude each other"),
    (["remove", "--all", "a"], "--all and a NAME exclude each other"),
    (["remove", "--own", "a"], "--own requires --all"),
    (["port", "a", "0"], "invalid port '0': expected a guest port"),
    (["port", "a", "80/sctp"], "invalid port '80/sctp'"),
    (["prune", "--older-than", "x"], "--older-than must be a time"),
    (["launch", "a", "b"], "unexpected argument 'b' for launch"),
    (["launch", "a", "--cpus"], "--cpus requires a value: N"),
    (["launch", "a", "--cmdline", "--debug"],
     "to use '--debug' as the value, write --cmdline=--debug"),
    (["launch", "a", "--cpus", "2", "--cpus", "3"], "--cpus is given twice"),
    (["launch", "a", "--debug", "--debug"], "--debug is given twice"),
    (["launch", "a", "--debug=1"], "--debug does not accept a value"),
    (["launch", "a", "--cpus", "two"], "--cpus must be a number, not 'two'"),
    (["launch", "a", "--cpus", "-1"], "--cpus must be a number"),
    (["launch", "a", "--memory", "2GB"], "invalid --memory '2GB': expected a size"),
    (["launch", "a", "--memory", "2"], "--memory 2 is a number of bytes; did you mean 2G?"),
    (["measure", "--platform", "tdx", "--memory", "2"],
     "--memory 2 is a number of bytes; did you mean 2G?"),
    (["launch", "a", "--memory", "0"], "invalid --memory '0': expected a size"),
    (["measure", "--platform", "tdx", "--memory", "0"], "invalid --memory '0': expected a size"),
    (["launch", "a", "--vsock", "5"],
     "unexpected argument '5' for launch; did you mean --vsock=5?"),
    (["launch", "a", "-e"], "-e requires a value: K=V"),
    (["launch", "a", "-e", "--debug"], "write --env=--debug"),
    (["launch", "a", "-f", "x", "--file", "y"], "--file is given twice"),
    (["logs", "a", "-fx"], "unknown option '-x' in '-fx'"),
    (["logs", "a", "-nx"], "--lines must be a number"),
    (["--json", "console", "a"], "unknown option '--json'"),
    (["tpo"], "unknown command 'tpo'; did you mean 'top'?"),
    (["stpo"], "unknown command 'stpo'; did you mean 'stop'?"),
    (["xstop"], "unknown command 'xstop' (see"),
    (["atop"], "unknown command 'atop'; did you mean 'top'?"),
    (["launch", "a", "--timeout", "0"], "--timeout must be a time such as 90s, 5m or 1h30m, "
                                         "from 1 to 86400 seconds, not '0'"),
    (["launch", "a", "--timeout", "5x"], "not '5x'"),
    (["launch", "a", "--ttl", "1h2"], "--ttl must be a time"),
    (["launch", "a", "--wait", "done"], "invalid --wait 'done': expected one of: running ready"),
    (["launch", "a", "--vsock=2"], "--vsock must be a number from 3"),
    (["launch", "a", "--env", "A"], "--env must be KEY=VALUE"),
    (["launch", "a", "--env", "=A"], "--env must be KEY=VALUE"),
    (["launch", "a", "--env", "A=1", "--env", "A=2"], "--env gives A twice"),
    (["launch", "a", "--share", "/srv"], "expected TAG=PATH[:rw]"),
    (["launch", "a", "--share", "t="], "expected TAG=PATH[:rw]"),
    (["launch", "a", "--share", "t=/", "--share", "t=/tmp"], "--share gives the tag t twice"),
    (["launch", "a", "--kernel", ""], "--kernel requires a file, or embedded:NAME"),
    (["list", "--socket", ""], "--socket requires a path, not an empty text"),
    (["launch", "--file", ""], "--file requires a path, not an empty text"),
    (["timeline", "a", "--svg", "-", "--json"], "--svg - and --json exclude each other"),
    (["templates", "x"], "unexpected argument 'x' for templates"),
    (["list", "--state", "dead"], "invalid --state 'dead': expected one of"),
    (["list", "--state", "running,dead"], "invalid --state 'running,dead': expected one of"),
    (["list", "--state", "running,"], "invalid --state 'running,'"),
    (["list", "--all", "--state", "failed"], "--all, --running and --state exclude each other"),
    (["list", "-q", "--format", "json"], "--quiet, --format and --json exclude each other"),
    (["list", "--format", "name,nme"], "a CVM has no field 'nme'; did you mean 'name'?"),
    (["list", "--format", ""], "a CVM has no field ''"),
    (["list", "--format", ",".join(["name"] * 33)], "--format has too many fields"),
    (["list", "--sort", "-memry"], "a CVM has no field 'memry'; did you mean 'memory'?"),
    (["list", "--filter", "name"], "expected KEY=VALUE, where KEY is label, state, platform"),
    (["list", "--filter", "names=web"], "unknown --filter 'names'"),
    (["list", "--filter", "state=dead"], "invalid state 'dead'"),
    (["list", "--filter", "id=a", "--id", "b"], "id is given twice"),
    (["logs", "a", "--lines", "x"], "--lines must be a number"),
    (["render", "--shell", "--json"], "--shell and --json exclude each other"),
    (["help", "xyzzy"], "unknown command 'xyzzy' (see `cvmctl help`)"),
    (["completion", "csh"], "not for 'csh'"),
    *([[verb], f"{verb} requires NAME"] for verb in NAMED if verb != "status"),
])
def test_wrong_usage_is_one_line_and_status_2(args, says):
    done = cvmctl(*args)
    assert done.code == exits.USAGE
    if "--json" in args:
        assert says in json.loads(done.err)["parameters"]["message"]
    else:
        assert done.err.startswith("cvmctl: ") and says in done.err
    assert done.err.count("\n") == 1 and done.out == ""


# What other programs have: docker, podman, virsh, machinectl, kubectl, systemctl.
ELSEWHERE = {
    "ls": "'list'", "ps": "'list", "info": "'doctor'", "attach": "'console'", "login": "'console'",
    "unpause": "'resume'", "suspend": "'pause'", "reset": "'restart'", "reboot": "'restart'",
    "shutdown": "'stop'", "poweroff": "'stop'", "kill": "'stop --force'",
    "destroy": "'stop --force'", "terminate": "'stop --force'", "start": "'launch'",
    "create": "'launch'", "rm": "'remove'", "undefine": "'remove'", "dumpxml": "'inspect'",
    "watch": "'events'", "exec": "cannot run programs in a guest", "shell": "'console'",
    "ssh": "no SSH server in the guest", "cp": "--share TAG=DIRECTORY, or --certs",
    "enable": "cvm@NAME", "rename": "a CVM keeps its name"}


@pytest.mark.parametrize("word", ELSEWHERE)
def test_a_word_of_another_program_leads_on(word):
    done = cvmctl(word, "x")
    assert done.code == exits.USAGE and done.err.count("\n") == 1
    assert done.err.startswith(f"cvmctl: unknown command '{word}'") and ELSEWHERE[word] in done.err


HARMLESS = """build commit cp diff export history images import info inspect load login logs ls port
    ps pull push rename save search start stats tag top unpause update version wait attach exec run
    autostart console cpu-stats define domblklist domid dominfo domname domstate domstats dumpxml
    edit list migrate restore resume screenshot setmem setvcpus snapshot suspend vcpuinfo vncdisplay
    bind clone copy-to copy-from enable image-status poweron pull-tar read-only shell show status
    apply describe explain expose get patch proxy rollout scale set cat daemon-reload help
    is-active isolate preset reload remote states stack stat store""".split()


@pytest.mark.parametrize("word", HARMLESS)
def test_nothing_harmless_leads_to_what_takes_away(word):
    if word in {verb["name"] for verb in cvmctl("help", "--json").json} | {"images"}:
        return
    error = cvmctl(word, "x").err
    assert not re.search("did you mean '(stop|remove|restart|prune)", error), error


@pytest.mark.parametrize("args, says", [
    (["run", "--rm", "-it", "web"], "unknown option '-i' in '-it'; `cvmctl launch NAME` and then "
                                    "`cvmctl console NAME`"),
    (["launch", "-d", "web"], "unknown option '-d'; `cvmctl launch NAME` returns"),
    (["list", "-i"], "unknown option '-i' (see")])
def test_letters_of_other_programs(args, says):
    done = cvmctl(*args)
    assert done.code == exits.USAGE and says in done.err


@pytest.mark.parametrize("publish", [
    "", "80", "x:80", "80:x", "80:0", "80:65536", "65536:80", "1.2.3.4:80", "80:80/sctp", "80:80/",
    "80:80/udp/udp", ":1:2", "-1:80", "none:80"])
def test_publish_grammar_is_strict(publish):
    done = cvmctl("launch", "a", f"--publish={publish}")
    assert done.code == exits.USAGE and "expected [ADDR:]HOST:GUEST[/udp]" in done.err


def test_a_value_that_is_no_utf8_is_refused():
    done = cvmctl("launch", "a", "--env", os.fsdecode(b"A=\xff"))
    assert done.code == exits.USAGE and "--env is not valid UTF-8" in done.err


def test_a_secret_is_not_repeated_in_a_refusal():
    done = cvmctl("launch", "a", "--env", "hunter2")
    assert done.code == exits.USAGE and "hunter2" not in done.err


def test_usage_errors_are_json_on_request():
    done = cvmctl("stop", "--json")
    assert done.code == exits.USAGE and done.out == ""
    assert json.loads(done.err)["error"] == "cvmctl.Usage"


# Help and the manual page

def test_help_without_arguments():
    assert cvmctl().code == exits.USAGE
    assert cvmctl().out == cvmctl("--help").out == cvmctl("help").out
    assert cvmctl("--json").json == cvmctl("help", "--json").json


@pytest.mark.parametrize("args", [["--version"], ["-V"], ["list", "--version"], ["stop", "-V"]])
def test_version_without_a_daemon(args):
    done = cvmctl(*args)
    assert done.code == 0 and re.fullmatch(r"cvmctl [0-9.]+\n", done.out)


@pytest.mark.parametrize("args", [["--json", "--version"], ["-V", "--json"],
                                  ["list", "--json", "-V"]])
def test_version_in_json(args):
    done = cvmctl(*args)
    assert done.code == 0 and {"cvmctl": cvmctl("-V").out.split()[1]} == done.json


def test_help_in_json():
    for verb in cvmctl("help", "--json").json:
        for args in (["--help", "--json"], ["--json", "-h"]):
            done = cvmctl(verb["name"], *args)
            if "json" in [option["name"] for option in verb["options"]]:
                assert done.code == 0 and done.json == [verb]
            else:
                assert done.code == exits.USAGE and done.out == ""
    assert cvmctl("--json", "--help").json == cvmctl("help", "--json").json


def test_global_options_and_json_before_the_verb():
    with Peer(List={"cvms": [cvm("web")]}) as peer:
        done = cvmctl("--json", "--socket", peer.path, "list")
        assert done.json[0]["name"] == "web"
        assert done.out == cvmctl("list", "--json", f"--socket={peer.path}").out


@pytest.mark.parametrize("args, parameters", [
    (["-n", "5"], {"lines": 5}), (["-n5"], {"lines": 5}), (["-f"], {"follow": True}),
    (["-fn7"], {"follow": True, "lines": 7}), (["-fn", "7"], {"follow": True, "lines": 7}),
    (["--lines=5"], {"lines": 5})])
def test_letters(args, parameters):
    with Peer(Logs={"data": ""}, Status={"cvm": cvm()}) as peer:
        assert peer.cvmctl("logs", "a", *args).code == 0
        assert peer.calls[-1].parameters == {"name": "a", **parameters}


@pytest.mark.parametrize("given, sent", [
    ("2g", "2G"), ("2GiB", "2G"), ("1.5G", "1536M"), ("1073741824", "1G"), ("512m", "512M")])
def test_sizes(given, sent):
    with Peer(Launch={"cvm": cvm("a")}) as peer:
        assert peer.cvmctl("launch", "a", "--memory", given).code == 0
        assert peer.calls[-1].parameters["spec"]["memory"] == sent


@pytest.mark.parametrize("given, seconds", [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400)])
def test_times(given, seconds):
    with Peer(Launch={"cvm": cvm("a")}) as peer:
        done = peer.cvmctl("launch", "a", "-e", "A=1", "--ttl", given, f"--timeout={given}")
        assert done.code == 0, done.err
        assert peer.calls[-1].parameters["spec"]["ttlSec"] == seconds
        assert peer.calls[-1].parameters["timeoutSec"] == seconds
        assert peer.calls[-1].parameters["spec"]["env"] == {"A": "1"}


def test_help_has_every_verb_and_option():
    overview, verbs = cvmctl("--help").out, cvmctl("help", "--json").json
    assert len(verbs) >= 15
    for verb in verbs:
        assert re.search(rf"^  {verb['name']}\b", overview, re.M)
        for done in (cvmctl(verb["name"], "--help"), cvmctl("help", verb["name"])):
            assert done.code == 0
            for option in verb["options"]:
                assert f"--{option['name']}" in done.out


def test_the_manual_page_has_every_verb_and_option():
    page = (TOP / "man/cvmctl.1.scd").read_text()
    verbs, spec = page.split("# SPEC OPTIONS")
    listed = re.search(r"^\*list\*[^\n]*\n(.*?)(?=^\*\w+\*|\Z)", verbs, re.M | re.S)[1]
    for verb in cvmctl("help", "--json").json:
        found = re.search(rf"^((?:\*{verb['name']}\*[^\n]*\n)+)(.*?)(?=^\*\w+\*|\Z)", verbs,
                          re.M | re.S)
        assert found, f"verb {verb['name']} has no entry"
        head, body = found[1], found[2].split("\n")
        # a verb with many has an entry for each below its own
        entries = "\n".join(line for line in body if line.startswith("\t*--"))
        for option in verb["options"]:
            name = option["name"]
            if name in ("socket", "help", "version"):
                continue
            assert (f"--{name}" in head or f"*--{name}*" in entries or
                    ("[_SPEC OPTIONS_]" in head and f"*--{name}*" in spec) or
                    ("[_SELECTION_]" in head and f"*--{name}*" in listed)), \
                f"{verb['name']} --{name} is not documented"
    # and nothing that there is not
    known = {option["name"] for verb in cvmctl("help", "--json").json for option in verb["options"]}
    assert set(re.findall(r"--([a-z][a-z-]*)", page)) <= known


def test_every_error_has_its_exit_status_in_the_manual_page():
    page = (TOP / "man/cvmctl.1.scd").read_text().split("# EXIT STATUS")[1].split("# ENV")[0]
    interface = (TOP / "src/wire/io.cvmd.Manager.varlink").read_text()
    for error in re.findall(r"^error (\w+)", interface, re.M):
        code = None
        for line in page.splitlines():
            code = int(line.strip("*")) if re.fullmatch(r"\*\d+\*", line) else code
            if error in line:
                break
        else:
            raise AssertionError(f"{error} is not listed")
        with Peer(Status=refuse(error)) as peer:
            assert peer.cvmctl("status", "a").code == code, error


# Exit codes

@pytest.mark.parametrize("error, fields, code, says", [
    ("NoSuchCvm", {"name": "a"}, exits.NOT_FOUND, "no CVM named 'a'"),
    ("CvmExists", {"name": "a"}, exits.TAKEN, "exists"),
    ("InvalidSpec", {"field": "cpus", "reason": "must be less"}, exits.DATA,
     "'cpus': must be less"),
    ("NoResources", {"resource": "port", "wanted": 80, "available": 0, "holders": ["b"]},
     exits.TRY_AGAIN, "port 80 is in use by b"),
    ("WrongState", {"name": "a", "state": "stopped", "allowed": ["running"]}, exits.FAILED,
     "is stopped"),
    ("QuotaExceeded", {"resource": "CVMs of one user", "limit": 3, "used": 3, "wanted": 1},
     exits.TRY_AGAIN, "limit reached for CVMs of one user: 1 requested, but 3 of 3 are in use"),
    ("Timeout", {"stage": "ready", "afterMSec": 5}, exits.TRY_AGAIN,
     "timed out at stage 'ready'"),
    ("LaunchFailed", {"stage": "starting", "reason": "r", "log": "l1\nl2"}, 1, "r: l1\\nl2"),
    ("SystemError", {"operation": "fork", "reason": "no"}, 1, "fork: no"),
    ("org.varlink.service.PermissionDenied", {}, exits.NOT_ALLOWED, "permission denied"),
    ("org.varlink.service.MethodNotFound", {"method": "x"}, 1, "no method 'x'"),
    ("com.example.Strange", {}, 1, "com.example.Strange"),
])
def test_errors_of_the_daemon(error, fields, code, says):
    with Peer(Status=refuse(error, **fields)) as peer:
        done = peer.cvmctl("status", "a")
        assert done.code == code and done.out == "" and done.err.count("\n") == 1
        assert done.err.startswith("cvmctl: ") and says in done.err
        done = peer.cvmctl("status", "a", "--json")
        name = error if "." in error else MANAGER + error
        assert done.code == code
        assert json.loads(done.err) == {"error": name, "parameters": fields}


def test_a_host_that_is_not_ready():
    fields = {"check": "kvm", "found": "none \x1b", "needed": "kvm", "fix": "modprobe " * 20}
    with Peer(Launch=refuse("HostNotReady", **fields)) as peer:
        done = peer.cvmctl("launch", "web")
        assert done.code == exits.UNAVAILABLE and done.out == ""
        first, title, found, required, fix, *rest = done.err.splitlines()
        assert (first, title, found, required) == (
            "cvmctl: cannot launch on this host:", "FAIL kvm", "    found:    none \\x1b",
            "    required: kvm")
        assert fix.startswith("    fix:      modprobe modprobe") and len(rest) == 2
        assert max(map(len, done.err.splitlines())) <= 80
        done = peer.cvmctl("launch", "web", "--json")
        assert json.loads(done.err) == {"error": MANAGER + "HostNotReady", "parameters": fields}


# Finding the daemon

def test_no_daemon(tmp_path):
    done = cvmctl("list", "--socket", tmp_path / "none")
    assert done.code == exits.UNAVAILABLE and done.err.count("\n") == 1
    assert f"no daemon listens on {tmp_path}/none" in done.err
    assert "systemctl start cvmd" in done.err and "`cvmd`" in done.err
    done = cvmctl("list", "--json", "--socket", tmp_path / "none")
    assert json.loads(done.err)["parameters"]["socket"] == f"{tmp_path}/none"


def test_a_socket_without_listener(tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    done = cvmctl("list", "--socket", tmp_path / "s")
    assert done.code == exits.UNAVAILABLE and "no daemon listens" in done.err


def test_where_the_socket_is_looked_for(tmp_path):
    with Peer(List={"cvms": []}) as peer:
        for args, env in [
            (["--socket", peer.path, "list"], {}),
            (["list", "--socket", peer.path], {"CVMD_SOCKET": "/nonexistent"}),
            (["list", f"--socket={peer.path}"], {}),
            (["list"], {"CVMD_SOCKET": str(peer.path)}),
        ]:
            assert cvmctl(*args, env=env).code == 0
        (tmp_path / "cvmd").mkdir()
        (tmp_path / "cvmd/io.cvmd.Manager").symlink_to(peer.path)
        if not os.path.exists("/run/cvmd/io.cvmd.Manager"):
            assert cvmctl("list", env={"XDG_RUNTIME_DIR": str(tmp_path)}).code == 0
    done = cvmctl("list", env={"XDG_RUNTIME_DIR": str(tmp_path / "empty")})
    assert (done.code in (0, exits.UNAVAILABLE)
            and (done.code == 0 or "/run/cvmd/io.cvmd.Manager" in done.err))


@pytest.mark.not_valgrind("valgrind is unpacked where only who runs the tests may read")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_socket_of_others():
    with Peer() as peer:
        os.chmod(peer.directory, 0o755)
        os.chmod(peer.path, 0o600)
        done = peer.cvmctl("list", user=65534, group=65534, extra_groups=[], cwd="/")
    assert done.code == exits.NOT_ALLOWED and f"{peer.path}: permission denied" in done.err


def test_a_socket_path_that_is_too_long():
    done = cvmctl("list", "--socket", "/tmp/" + "x" * 200)
    assert done.code == 1 and done.err.count("\n") == 1


def test_version():
    info = {"vendor": "cvmd", "product": "cvmd", "version": "9.9", "url": "", "interfaces": []}
    with Peer(GetInfo=info) as peer:
        assert re.fullmatch(r"cvmctl \d+\.\d+\.\d+\ncvmd 9\.9\n", peer.cvmctl("version").out)
        assert peer.cvmctl("version", "--json").json["daemon"] == info
    alone = cvmctl("version", "--socket", "/nonexistent")
    assert alone.code == 0 and re.fullmatch(r"cvmctl \d+\.\d+\.\d+\n", alone.out)
    assert set(cvmctl("version", "--json", "--socket", "/nonexistent").json) == {"cvmctl"}


# A daemon that misbehaves

@pytest.mark.parametrize("script", [
    lambda call, connection: connection.send_raw(b"\xff\xfe garbage\0"),
    lambda call, connection: connection.send_raw(b"[1, 2]\0"),
    lambda call, connection: connection.send_raw(b'{"parameters": {"cvms"\0'),
    lambda call, connection: connection.send_raw(b'{"parameters": 7}\0'),
    lambda call, connection: (connection.send_raw(b'{"parameters"'), connection.close()),
    lambda call, connection: connection.close(),
    {},
    {"cvms": 7},
    {"cvms": None},
])
def test_a_broken_reply_is_one_line_and_status_1(script):
    with Peer(List=script) as peer:
        done = peer.cvmctl("list")
    assert done.code == 1 and done.err.count("\n") == 1 and done.out == ""


def test_members_of_wrong_types_do_no_harm():
    odd = {"name": 7, "state": None, "forwards": "x", "cpus": "many", "memory": [], "ending": 3,
           "artifacts": [1], "measurement": {"PCR4": {"a": 1}}, "ready": "yes"}
    with Peer(List={"cvms": [odd, 7, None, "x", [odd]]}, Status={"cvm": odd}) as peer:
        assert peer.cvmctl("list").code == 0
        assert peer.cvmctl("status", "a").code == 0


def test_output_that_cannot_be_written_fails():
    with Peer(List={"cvms": [cvm()]}) as peer, open("/dev/full", "wb") as full:
        done = subprocess.run([CVMCTL, "--socket", peer.path, "list"], stdout=full,
                              stderr=subprocess.PIPE, check=False)
        assert done.returncode == 1 and b"cannot write the output" in done.stderr
