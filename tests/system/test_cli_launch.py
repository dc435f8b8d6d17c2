# SPDX-License-Identifier: Apache-2.0
"""cvmctl launch: what it sends, and what it shows of the replies."""
import base64
import json
import os
import pty
import re
import resource
import select
import signal
import subprocess
import time
import uuid

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import TIMEOUT, Peer, cvm, environment, refuse

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")

FORWARD = "127.0.0.1:6100 -> 7002/tcp"


def staged(call, connection):
    for stage in ("admitted", "artifacts", "rendered", "starting", "running"):
        connection.reply({"stage": stage}, continues=True)
    connection.reply({"cvm": cvm(call.parameters["spec"]["name"])})


def sent(*args, **options):
    """The one call that a launch makes."""
    with Peer(Launch=staged) as peer:
        done = peer.cvmctl("launch", *args, **options)
        assert done.code == 0, done.err
        (call,) = peer.calls
        assert call.method == "Launch" and call.more
        return call


def spec_of(*args, **options):
    return sent("a", *args, **options).parameters["spec"]


def unbase64(certs):
    return {name: base64.b64decode(source["base64"], validate=True)
            for name, source in certs.items()}


# Flags

def test_nothing_but_a_name():
    parameters = sent("web").parameters
    assert str(uuid.UUID(parameters.pop("id"))) != sent("web").parameters["id"]
    assert parameters == {"spec": {"name": "web"}}


def test_removal():
    assert spec_of("--rm")["remove"] == "ended"
    assert spec_of("--rm=ended")["remove"] == "ended"
    assert spec_of("--rm=failed-launch")["remove"] == "failed-launch"
    with Peer() as peer:
        assert peer.cvmctl("launch", "web", "--rm=later").code == exits.USAGE


def test_every_plain_flag():
    call = sent("web", "--platform", "sev-snp", "--cpus", "4", "--memory", "8G", "--cmdline",
                "console=ttyS0 a=\"b c\"", "--network", "none", "--vsock=6", "--driver", "qemu",
                "--debug", "--paused", "--wait", "ready", "--timeout", "30", "--id",
                "6b1bd9e2-5a33-4a0c-9a51-0c83f3a1f0aa", "--kernel", "embedded:kernel")
    assert call.parameters == {
        "spec": {"name": "web", "platform": "sev-snp", "cpus": 4, "memory": "8G",
                 "cmdline": "console=ttyS0 a=\"b c\"", "network": "none", "vsock": {"cid": 6},
                 "driver": "qemu", "debug": True, "kernel": {"name": "kernel"}},
        "paused": True, "wait": "ready", "timeoutSec": 30,
        "id": "6b1bd9e2-5a33-4a0c-9a51-0c83f3a1f0aa"}
    assert spec_of("--vsock")["vsock"] == {}


@pytest.mark.parametrize("member, flags", [
    ("svsm", ["--svsm-log"]), ("svsm", ["--svsm-attestation", "http://localhost"]),
    ("launchSecurity", ["--launch-security", "policy=1"]), ("restart", ["--restart", "always"])])
def test_what_a_file_has_of_another_type_is_refused(member, flags, tmp_path):
    (tmp_path / "spec").write_text(json.dumps({"name": "a", member: 7}))
    with Peer() as peer:
        done = peer.cvmctl("launch", "--file", tmp_path / "spec", *flags)
    assert done.code == exits.DATA and f"1:15: {member}: must be" in done.err


def test_options_may_follow_and_precede():
    assert sent("--cpus=2", "web", "--", ).parameters["spec"] == {"name": "web", "cpus": 2}
    assert sent("--cmdline=--x", "web").parameters["spec"]["cmdline"] == "--x"


@pytest.mark.parametrize("publish, forward", [
    ("8080:80", (None, 8080, 80, "tcp")),
    ("0:80", (None, 0, 80, "tcp")),
    (":80", (None, 0, 80, "tcp")),
    ("53:53/udp", (None, 53, 53, "udp")),
    ("0.0.0.0:8080:80/tcp", ("0.0.0.0", 8080, 80, "tcp")),
    ("10.0.0.1::65535", ("10.0.0.1", 0, 65535, "tcp")),
])
def test_publish(publish, forward):
    address, host, guest, protocol = forward
    expected = {"hostPort": host, "guestPort": guest, "protocol": protocol}
    if address:
        expected["address"] = address
    assert spec_of("--publish", publish)["forwards"] == [expected]


def test_publish_repeats_in_order_and_none_is_an_empty_list():
    ports = [forward["guestPort"] for forward in
             spec_of("--publish", "1:10", "--publish", "2:20")["forwards"]]
    assert ports == [10, 20]
    assert spec_of("--publish", "none")["forwards"] == []


def test_environment_values_arrive_unchanged():
    values = {"A": "x y,z=\"q\"", "B": "", "C": "a=b=c", "D": "it's $HOME `x` \\n", "E": "äöü €",
              "F": " lead and trail "}
    args = [word for name, value in values.items() for word in ("--env", f"{name}={value}")]
    assert spec_of(*args)["env"] == values


def test_a_large_environment():
    value = "x" * 100_000
    args = [word for i in range(10) for word in ("--env", f"V{i}={value}")]
    assert spec_of(*args)["env"] == {f"V{i}": value for i in range(10)}


# Environment files

def test_env_file(tmp_path):
    file = tmp_path / "env"
    file.write_text("""\
# a comment
; another

A=plain
  B = spaces around and within \t
C="double \\"quoted\\" \\$x \\n \\\\"
D='single "quoted" \\ $x'
E=
F="goes \\
on"
G=bare \\"back\\\\slash\\
 continued
H=quote"within'
I=ends with blank\\ 
K='it'"'"'s' "one  word"
L=first
L=last
M="val #space"#bla
""" "J=last # no comment")
    assert spec_of("--env-file", file)["env"] == {
        "A": "plain", "B": "spaces around and within", "C": "double \"quoted\" $x \\n \\",
        "D": "single \"quoted\" \\ $x", "E": "", "F": "goes on",
        "G": "bare \"back\\slash continued", "H": "quote\"within'", "I": "ends with blank ",
        "K": "it'sone  word", "L": "last", "M": "val #space#bla",
        "J": "last # no comment"}
    assert spec_of("--env-file", file, "--env", "A=flag")["env"]["A"] == "flag"


@pytest.mark.parametrize("text, line, says", [
    ("A=1\n\nnonsense\n", 3, "neither KEY=VALUE nor a comment"),
    ("A=1\nA-B=2\n", 2, "not a valid variable name"),
    ("export A=2\n", 1, "not a valid variable name"),
    ("A=1\nB=\"2\n\n", 2, "the quotes that begin here are not closed"),
    ("A=1\n# x\\\nB=1\n", 3, "the comment above ends in a backslash"),
    ("\ufeffA=1\n", 1, "byte order mark"),
    ("A=1\0\n", 1, "a NUL byte"),
])
def test_env_file_that_is_none(tmp_path, text, line, says):
    file = tmp_path / "env"
    file.write_text(text)
    with Peer() as peer:
        done = peer.cvmctl("launch", "a", "--env-file", file)
        assert (done.code, peer.calls) == (exits.DATA, [])
    assert done.err.startswith(f"{file}:{line}: ") and says in done.err


def test_values_that_no_environment_file_can_hold_are_refused(tmp_path):
    (tmp_path / "env").write_text("A='x\ny'\n")
    for args in (["--env", "A=x\ny"], ["--env-file", tmp_path / "env"], ["--env", "A B=x"]):
        with Peer() as peer:
            done = peer.cvmctl("launch", "a", *args)
            assert (done.code, peer.calls) == (exits.DATA, []), args
            assert "env.A" in done.err and done.err.count("\n") == 1


def test_files_that_are_not_there(tmp_path):
    for option in ("--file", "--env-file", "--certs", "--kernel"):
        with Peer() as peer:
            done = peer.cvmctl("launch", "a", option, tmp_path / "none")
            assert (done.code, peer.calls) == (exits.NOT_FOUND, [])
        assert f"{tmp_path}/none" in done.err
        assert "No such file" in done.err and done.err.count("\n") == 1


# Files become descriptors

def test_artifacts_and_shares_are_sent_open(tmp_path):
    for name in ("kernel", "initramfs", "firmware", "igvm"):
        (tmp_path / name).write_text(f"the {name}")
    (tmp_path / "a,b=c d").mkdir()
    (tmp_path / "a,b=c d" / "x").write_text("")
    call = sent("a", "--kernel", tmp_path / "kernel", "--initramfs", "initramfs", "--firmware",
                "./firmware", "--igvm", tmp_path / "igvm", "--share", "one=a,b=c d", "--share",
                f"two={tmp_path}:rw", cwd=tmp_path)
    spec = call.parameters["spec"]
    for index, name in enumerate(("kernel", "initramfs", "firmware", "igvm")):
        assert spec[name]["fd"] == index and call.fds[index] == f"the {name}".encode()
        assert os.path.samefile(spec[name]["path"], tmp_path / name)  # a note
    assert spec["shares"] == [
        {"tag": "one", "readOnly": True, "fd": 4, "path": f"{tmp_path}/a,b=c d"},
        {"tag": "two", "readOnly": False, "fd": 5, "path": str(tmp_path)}]
    assert call.fds[4] == ["x"] and "a,b=c d" in call.fds[5] and len(call.fds) == 6


def test_what_is_no_file_or_directory_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("")
    for args, says in ((["--kernel", tmp_path / "fifo"], "not a regular file"),
                       (["--kernel", "/dev/zero"], "not a regular file"),
                       (["--kernel", tmp_path], "not a regular file"),
                       (["--share", f"t={tmp_path}/file"], "not a directory"),
                       (["--certs", tmp_path / "file"], "Not a directory")):
        with Peer() as peer:
            done = peer.cvmctl("launch", "a", *args)
            assert (done.code, peer.calls) == (exits.DATA, []) and says in done.err


@pytest.mark.not_valgrind("valgrind is unpacked where only who runs the tests may read")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_files_are_opened_with_the_callers_rights(tmp_path):
    with Peer() as peer:
        os.chmod(peer.directory, 0o755)
        os.chmod(peer.path, 0o666)
        done = peer.cvmctl("launch", "a", "--kernel", "/etc/shadow", user=65534, group=65534,
                           extra_groups=[], cwd="/")
        assert ((done.code, peer.calls) == (exits.NOT_ALLOWED, [])
                and "Permission denied" in done.err)


def test_certs(tmp_path):
    files = {"cert.pem": b"-----BEGIN", "key.pem": bytes(range(256)), "ca.pem": b"",
             ".hidden": b"h", "with space": b"s"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link.pem").symlink_to("cert.pem")
    call = sent("a", "--certs", tmp_path)
    assert unbase64(call.parameters["spec"]["certs"]) == {**files, "link.pem": b"-----BEGIN"}
    assert call.fds == []
    (tmp_path / "large").write_bytes(b"l" * (1 << 20))
    call = sent("a", "--certs", tmp_path)
    assert call.parameters["spec"]["certs"]["large"] == {"fd": 0}
    assert call.fds == [b"l" * (1 << 20)]


def test_certs_of_a_kubernetes_volume(tmp_path):
    """As kubelet writes it: links through "..data", which it swaps to renew all files at once."""
    files = {"tls.crt": b"certificate", "tls.key": b"key", "ca.crt": b"a" * (1 << 20)}
    for dated in ("..2026_11_29_06_00_00.1", "..2026_11_30_06_54_39.17"):
        (tmp_path / dated).mkdir()
        for name, content in files.items():
            (tmp_path / dated / name).write_bytes(content if dated[10:12] == "30" else b"old")
    (tmp_path / "..data").symlink_to("..2026_11_30_06_54_39.17")
    for name in files:
        (tmp_path / name).symlink_to(f"..data/{name}")
    call = sent("a", "--certs", tmp_path)
    certs = call.parameters["spec"]["certs"]
    assert certs.pop("ca.crt") == {"fd": 0} and call.fds == [files.pop("ca.crt")]
    assert unbase64(certs) == files


def test_more_large_certs_than_descriptors(tmp_path):
    certs, shares = tmp_path / "certs", []
    certs.mkdir()
    for i in range(64):
        (certs / str(i)).write_bytes(str(i).encode() * 40_000)
    for i in range(16):
        (tmp_path / f"share{i}").mkdir()
        shares += ["--share", f"s{i}={tmp_path}/share{i}"]
    call = sent("a", "--certs", certs, *shares)
    sources = call.parameters["spec"]["certs"]
    assert len(call.fds) == 64 and len(sources) == 64
    for name, source in sources.items():
        content = call.fds[source["fd"]] if "fd" in source else base64.b64decode(source["base64"])
        assert content == name.encode() * 40_000


@pytest.mark.not_valgrind("valgrind requires more descriptors than are left")
def test_a_shortage_of_descriptors_is_no_fault_of_the_file(tmp_path):
    """EMFILE is worth another try."""
    shares = []
    for i in range(16):
        (tmp_path / f"share{i}").mkdir()
        shares += ["--share", f"s{i}={tmp_path}/share{i}"]
    with Peer() as peer:
        done = peer.cvmctl("launch", "a", *shares, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (12, 12)))
        assert done.code == exits.TRY_AGAIN, done.err
        assert "Too many open files" in done.err and not peer.calls


def test_certs_that_are_refused(tmp_path):
    def refused(says, code=exits.DATA):
        with Peer() as peer:
            done = peer.cvmctl("launch", "a", "--certs", tmp_path)
            assert (done.code, peer.calls) == (code, [])
        assert says in done.err and done.err.count("\n") == 1

    (tmp_path / "sub").mkdir()
    refused("sub is not a regular file")
    (tmp_path / "sub").rmdir()
    (tmp_path / "link").symlink_to("..data/gone")
    refused("link: No such file or directory", exits.NOT_FOUND)
    (tmp_path / "link").unlink()
    (tmp_path / "big").write_bytes(b"x" * ((1 << 20) + 1))
    refused("over 1 MiB")
    (tmp_path / "big").unlink()
    for i in range(65):
        (tmp_path / str(i)).write_bytes(b"")
    refused("more than 64 files")


# Spec files

def test_flags_over_a_spec_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/k").write_text("kernel of the file")
    (tmp_path / "sub/c").write_text("cert of the file")
    (tmp_path / "i").write_text("initramfs of the flag")
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/two").write_text("two of the flag")
    file = tmp_path / "sub/spec.json"
    file.write_text(json.dumps({
        "name": "filed", "cpus": 2, "memory": "1G", "env": {"A": "file", "B": "file"},
        "kernel": {"path": "k", "sha256": "ab" * 32}, "initramfs": {"path": "i"},
        "certs": {"one": {"path": "c"}, "two": {"text": "file"}, "three": {"text": "t"}},
        "shares": [{"tag": "s", "path": "."}, {"tag": "t", "path": str(tmp_path)}],
        "forwards": [{"guestPort": 1}, {"guestPort": 2}], "timeouts": {"startSec": 5}}))
    call = sent("--file", "sub/spec.json", "--cpus", "4", "--env", "B=flag", "--env", "C=flag",
                "--initramfs", "i", "--certs", "certs", "--share", "t=certs:rw", "--share",
                "u=.", "--publish", "5:50", cwd=tmp_path)
    spec = call.parameters["spec"]
    assert spec.pop("certs") == {
        "one": {"base64": base64.b64encode(b"cert of the file").decode()},
        "two": {"base64": base64.b64encode(b"two of the flag").decode()}, "three": {"text": "t"}}
    assert spec == {
        "name": "filed", "cpus": 4, "memory": "1G",
        "env": {"A": "file", "B": "flag", "C": "flag"},
        "kernel": {"fd": 0, "path": f"{tmp_path}/sub/k", "sha256": "ab" * 32},
        "initramfs": {"fd": 1, "path": f"{tmp_path}/i"},
        "shares": [{"tag": "s", "fd": 2, "path": f"{tmp_path}/sub/."},
                   {"tag": "t", "fd": 3, "path": f"{tmp_path}/certs", "readOnly": False},
                   {"tag": "u", "fd": 4, "path": f"{tmp_path}/.", "readOnly": True}],
        "forwards": [{"hostPort": 5, "guestPort": 50, "protocol": "tcp"}],
        "timeouts": {"startSec": 5}}
    assert call.fds == [b"kernel of the file", b"initramfs of the flag", ["c", "k", "spec.json"],
                        ["two"], ["certs", "i", "sub"]]
    assert sent("given", "--file", file, "--initramfs", tmp_path / "i").parameters["spec"][
        "name"] == "given"


def test_a_spec_from_standard_input(tmp_path):
    (tmp_path / "k").write_text("k")
    spec = b'{"name": "piped", "kernel": {"path": "k"}}'
    call = sent("--file", "-", input=spec, cwd=tmp_path)
    kernel = {"fd": 0, "path": f"{tmp_path}/k"}
    assert call.parameters["spec"] == {"name": "piped", "kernel": kernel}


@pytest.mark.parametrize("text, says", [
    ('{"name": "a",\n "cpus": 2,,\n}',
     "spec.json:2:12: not valid JSON: expected a member's name"),
    ('{"name": "a",\n "cpus": "2"}', "spec.json:2:2: cpus: "),
    ('{"name": "a",\n\n "cpu": 2}', "spec.json:3:2: cpu: unknown field; did you mean 'cpus'?"),
    ('{"name": "a",\n "shares": [{"tag": "x", "path": "/"},\n {"tag": "env_share", "path": "/"}]}',
     "spec.json:3:3: shares[1].tag: "),
    ('{"name": "a",\n "name": "b"}', "a duplicate member"),
    ("[]", "a spec must be an object"),
    ("", "spec.json:1:1: not valid JSON: unexpected end of the text\n"),
    ("name: web\nmemory: 2G\n", ": expected a value; it looks like YAML: name the file .yaml"),
    ("# web\n---\nname: web\n",
     ":1:1: not valid JSON: a comment, which JSON does not allow; it looks like YAML"),
    ("%YAML 1.2\n", "it looks like YAML"),
    ('name = "web"\n', ":1:1: not valid JSON: expected a value; it looks like TOML"),
    ('// web\n{"name": "a"}',
     "spec.json:1:1: not valid JSON: a comment, which JSON does not allow\n"),
    ("\ufeff{}", "a byte order mark"),
    ('{"name": "a",\n "env": {"A": "x\\ud800y"}}',
     "spec.json:2:17: not valid JSON: an unpaired"),
    ('{"name": "a", "certs": {"a\\udc00.pem": {"text": ""}}}', "an unpaired surrogate"),
    ('{"name": "a", "cpus": 2.}', "a number with a missing digit"),
    ('{"name": "a", "cpus": 18446744073709551617}', "an integer beyond 64 bits"),
    ('{"name": "a", "kernel": {"fd": 0}}', "kernel.fd: a file cannot carry descriptors"),
    ('{"name": "a", "env": [1]}', "spec.json:1:15: env: "),
    ('{"name": "a", "certs": {"x": {"fd": 1}}}', "cannot carry descriptors"),
    ('{"name": "a/b"}', "spec.json:1:2: name: "),
])
def test_spec_files_that_are_refused(tmp_path, text, says):
    file = tmp_path / "spec.json"
    file.write_text(text)
    with Peer() as peer:
        done = peer.cvmctl("launch", "--file", file, "--env", "A=1")
        assert (done.code, peer.calls) == (exits.DATA, []), done.err
    assert says in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("name", ["a/b", "..", "a\nb", "x" * 300, "-", "", "a b", "ä"])
def test_names_that_are_none(name):
    with Peer() as peer:
        done = peer.cvmctl("launch", "--", name)
        assert (done.code, peer.calls) == (exits.DATA, []) and "'name'" in done.err
        assert done.err.count("\n") == 1


@pytest.mark.parametrize("args, field", [
    (["--cpus", "0"], "cpus"), (["--cpus", "9999"], "cpus"), (["--memory", "1M"], "memory"),
    (["--network", "lan"], "network"), (["--share", "env_share=/tmp"], "shares[0].tag"),
    (["--cmdline", "x" * 3000], "cmdline"), (["--publish", "1.2.3:1:1"], "forwards[0].address"),
    (["--kernel", "embedded:"], "kernel"), (["--platform", "a/b"], "platform")])
def test_values_out_of_range_are_refused_here_already(args, field):
    with Peer() as peer:
        done = peer.cvmctl("launch", "a", *args)
        assert (done.code, peer.calls) == (exits.DATA, []) and f"spec field '{field}" in done.err


def test_a_spec_over_the_size_of_a_message(tmp_path):
    certs = {str(i): {"text": "x" * (1 << 20)} for i in range(13)}
    (tmp_path / "spec").write_text(json.dumps({"name": "a", "certs": certs}))
    (tmp_path / "env").write_text(f"A={'x' * (1 << 20)}\n")
    args = ["launch", "--file", tmp_path / "spec", "--env-file", tmp_path / "env"]
    with Peer(Launch=staged) as peer:
        assert peer.cvmctl(*args).code == 0
        (tmp_path / "env").write_text(f"A={'x' * (3 << 20)}\n")
        done = peer.cvmctl(*args)
        assert done.code == exits.DATA and "more than 15 MiB" in done.err and len(peer.calls) == 1


# What is shown

def test_the_summary():
    with Peer(Launch=staged) as peer:
        done = peer.cvmctl("launch", "web")
    assert done.out == f"web: running, ready, {FORWARD}\n"
    assert done.err == "", "progress is for terminals only"
    with Peer(Launch={"cvm": cvm(ready=False, forwards=[], state="paused", debug=True)}) as peer:
        done = peer.cvmctl("launch", "web")
    assert done.out == "web: paused\n" and "debug" in done.err


def test_json():
    with Peer(Launch=staged) as peer:
        done = peer.cvmctl("launch", "web", "--json")
    assert done.json == cvm() and done.out.count("\n") == 1 and done.err == ""


def on_terminal(path, *args, env=None):
    """Runs cvmctl with stderr on a terminal: (its standard output, what the terminal saw)."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([CVMCTL, "--socket", path, *args], stdout=subprocess.PIPE,
                               stderr=follower, stdin=subprocess.DEVNULL,
                               env=environment(**{"TERM": "xterm", **(env or {})}))
    os.close(follower)
    seen = b""
    try:
        while select.select([leader], [], [], TIMEOUT)[0]:
            seen += os.read(leader, 4096)
    except OSError:  # the follower is closed
        pass
    os.close(leader)
    out, _ = process.communicate(timeout=TIMEOUT)
    return out.decode(), seen.decode()


def test_progress_on_a_terminal():
    with Peer(Launch=staged) as peer:
        out, seen = on_terminal(peer.path, "launch", "web")
        assert out == f"web: running, ready, {FORWARD}\n"
        assert "web: \033[1mwaiting for QEMU\033[0m, 0 s" in seen
        assert seen.endswith("\r\033[K"), "the line is gone at the end"
        _, plain = on_terminal(peer.path, "launch", "web", env={"NO_COLOR": "1"})
        assert "web: waiting for QEMU, 0 s" in plain and "\033[1m" not in plain
        _, dumb = on_terminal(peer.path, "launch", "web", env={"TERM": "dumb"})
        assert dumb == ""


def test_stages_are_not_shown_as_they_come():
    def evil(call, connection):
        connection.reply({"stage": "\x1b]0;owned\x07" + "x" * 500}, continues=True)
        connection.reply({"cvm": cvm()})
    with Peer(Launch=evil) as peer:
        _, seen = on_terminal(peer.path, "launch", "web", env={"NO_COLOR": "1"})
    assert "owned" not in seen and "waiting for the daemon, 0 s" in seen


@pytest.mark.parametrize("args, limit", [
    (["--wait", "ready"], {"limitSec": 120}), (["--wait", "ready", "--timeout", "2m"], {})])
def test_progress_says_what_is_awaited_and_for_how_long(args, limit):
    def slow(call, connection):
        connection.reply({"stage": "running", **limit}, continues=True)
        time.sleep(2.3)
        connection.reply({"cvm": cvm()})
    with Peer(Launch=slow) as peer:
        _, seen = on_terminal(peer.path, "launch", "web", *args, env={"NO_COLOR": "1"})
        assert all(f"web: waiting for READY, {second} s of 120 s" in seen for second in range(3))
        _, quiet = on_terminal(peer.path, "launch", "web", "-q", *args)
        assert quiet == ""


def test_running_is_awaited_without_a_word_of_ready():
    def slow(call, connection):
        for stage in ("admitted", "artifacts", "rendered", "starting", "running"):
            connection.reply({"stage": stage}, continues=True)
        connection.reply({"cvm": cvm()})
    with Peer(Launch=slow) as peer:
        assert "READY" not in on_terminal(peer.path, "launch", "web")[1]


def test_a_daemon_that_hangs_while_progress_is_shown():
    def hang(call, connection):
        connection.wait_closed()
        connection.close()
    with Peer(Launch=hang, Logs=refuse("NoSuchCvm"), Status=refuse("NoSuchCvm")) as peer:
        begun = time.monotonic()
        _, seen = on_terminal(peer.path, "launch", "web", "--timeout", "1")
    assert "timed out" in seen and 11 <= time.monotonic() - begun < 40


def test_quiet_prints_the_name():
    with Peer(Launch=staged) as peer:
        done = peer.cvmctl("launch", "web", "-q")
    assert (done.code, done.out, done.err) == (0, "web\n", "")


ID = "6b1bd9e2-5a33-4a0c-9a51-0c83f3a1f0aa"


def test_a_name_is_made():
    """Of the id: a launch that is repeated has the same."""
    with Peer(Launch={"cvm": cvm()}) as peer:
        for args in (["--id", ID], ["--id", ID], [], []):
            assert peer.cvmctl("launch", *args).code == 0
        names = [call.parameters["spec"]["name"] for call in peer.calls]
    assert names[0] == names[1] and len(set(names)) == 3
    assert all(re.fullmatch("[a-z]+-[a-z]+-[0-9a-f]{4}", name) for name in names)
    assert names[0].endswith("-6b1b")


def test_made_names_differ():
    with Peer(Launch=refuse("NoResources", resource="uid", wanted=1, available=0, holders=[])) as p:
        for i in range(40):
            p.cvmctl("launch", "-q", "--id", f"00000000-5a33-4a0c-9a51-{i:012x}")
        names = {call.parameters["spec"]["name"] for call in p.calls}
    assert len(names) > 35 and all(len(name) <= 63 for name in names)


@pytest.mark.parametrize("status, says", [
    (refuse("NoSuchCvm"), "web: launch undone\n"),
    ({"cvm": cvm(state="failed")}, "web: launch undone; the CVM is kept as failed: `cvmctl logs "),
    ({"cvm": cvm(state="running")},
     "web: launch not undone: the CVM is running; `cvmctl stop web`"),
    (lambda call, connection: connection.close(), "web: launch interrupted; the daemon does not"),
])
def test_ctrl_c_says_what_is_left(status, says):
    state = {}

    def hang(call, connection):
        connection.reply({"stage": "admitted"}, continues=True)
        state["process"].send_signal(signal.SIGINT)
        connection.wait_closed()
        connection.close()

    with Peer(Launch=hang, Status=status) as peer:
        process = state["process"] = subprocess.Popen(
            [CVMCTL, "--socket", peer.path, "launch", "web"], env=environment(),
            stderr=subprocess.PIPE, text=True)
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == exits.INTERRUPTED
    assert errors.startswith("cvmctl: " + says) and errors.count("\n") == 1


@pytest.mark.parametrize("memory, reason, told", [
    (64 << 20, "guest-reset", True), (64 << 20, "launch-failed", False),
    (64 << 20, "qemu-exit", False), (2 << 30, "guest-reset", False)])
def test_little_memory_is_doubted(memory, reason, told):
    status = {"cvm": cvm(state="failed", memory=memory, ending={"reason": reason, "at": 1})}
    with Peer(Launch=refuse("LaunchFailed", stage="ready", reason=reason), Status=status,
              Logs={"data": ""}) as peer:
        done = peer.cvmctl("launch", "web")
    assert ("the guest had only 64M of memory; try --memory 512M" in done.err) == told


@pytest.mark.parametrize("how, code", [(signal.SIGINT, exits.INTERRUPTED),
                                       (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_closes_the_connection(how, code):
    state = {}

    def hang(call, connection):
        connection.reply({"stage": "admitted"}, continues=True)
        state["process"].send_signal(how)
        state["closed"] = connection.wait_closed()
        connection.close()

    with Peer(Launch=hang, Status=refuse("NoSuchCvm")) as peer:
        process = state["process"] = subprocess.Popen(
            [CVMCTL, "--socket", peer.path, "launch", "web"], env=environment())
        assert process.wait(TIMEOUT) == code
    assert state["closed"]


def test_a_daemon_that_goes_midway():
    def go(call, connection):
        connection.reply({"stage": "admitted"}, continues=True)
        connection.close()
    with Peer(Launch=go) as peer:
        done = peer.cvmctl("launch", "web")
    assert done.code == 1 and done.err.count("\n") == 1


def test_a_launch_that_is_refused_or_late():
    late = refuse("Timeout", stage="ready", afterMSec=1000)
    for script, code in ((late, exits.TRY_AGAIN), (refuse("CvmExists", name="web"), exits.TAKEN),
                         ({"stage": "x"}, exits.FAILED)):
        with Peer(Launch=script, Logs=refuse("NoSuchCvm")) as peer:
            done = peer.cvmctl("launch", "web", "--wait", "ready", "--timeout", "1")
            assert done.code == code and done.err.count("\n") == 1
            assert ["Launch", "Logs"][:len(peer.calls)] == [call.method for call in peer.calls]
            assert len(peer.calls) == (2 if script is late else 1)


@pytest.mark.parametrize("output, shown", [
    (b"one\r\n\x1b[31mtwo\n\nthree \xff\n", ["one", "two", "three \\xff"]), (b"", [])])
def test_a_failed_launch_shows_the_console(output, shown):
    """Of the CVM that was launched, by its id; what the guest wrote controls no terminal."""
    reply = {"data": base64.b64encode(output).decode()}
    with Peer(Launch=refuse("LaunchFailed", stage="starting", reason="no luck"),
              Logs=reply, Status={"cvm": cvm(state="failed")}) as peer:
        done = peer.cvmctl("launch", "web")
        launched, logs, _ = peer.calls
    assert done.code == 1
    assert logs.parameters == {"id": launched.parameters["id"], "lines": 10}
    lines = done.err.splitlines()
    assert "no luck" in lines[0]
    assert lines[1] == ("Last lines of its console:" if shown else "Its console is empty.")
    assert lines[2:-1] == [f"  {line}" for line in shown]
    assert "`cvmctl logs web`" in lines[-1]


@pytest.mark.parametrize("error, status, kept", [
    (refuse("LaunchFailed", stage="start", reason="x"), {"cvm": cvm(state="failed")}, True),
    (refuse("LaunchFailed", stage="start", reason="x"), {"cvm": cvm(state="stopped")}, True),
    (refuse("LaunchFailed", stage="start", reason="x"), {"cvm": cvm(state="restarting")}, False),
    (refuse("LaunchFailed", stage="start", reason="x"), refuse("NoSuchCvm"), False),
    (refuse("Timeout", stage="answered", afterMSec=5), {"cvm": cvm(state="running")}, False),
    (refuse("Timeout", stage="ready", afterMSec=5), {"cvm": cvm(state="failed")}, True),
])
def test_only_what_has_ended_is_said_to_be_kept(error, status, kept):
    with Peer(Launch=error, Logs={"data": "YQo="}, Status=status) as peer:
        done = peer.cvmctl("launch", "web")
        asked = {call.method.rsplit(".", 1)[-1]: call.parameters for call in peer.calls}
    assert asked["Status"] == {"id": asked["Launch"]["id"]}
    assert "Last lines of its console:\n  a\n" in done.err
    assert ("is kept" in done.err) == ("cvmctl remove web" in done.err) == kept
