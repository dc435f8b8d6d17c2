# SPDX-License-Identifier: Apache-2.0
"""Completion: what cvmctl says can follow, and what bash, zsh and fish make of it in a terminal."""
import os
import pathlib
import subprocess

import pytest

from harness.completing import CompletingShell, missing
from harness.daemon import CVMCTL
from harness.peer import Peer, cvm, cvmctl, environment

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "cli/completions"
CVMS = [cvm("web", labels={"tier": "front", "app": "shop"}),
        cvm("api", state="paused", labels={"tier": "front"}), cvm("old", state="stopped"),
        cvm("bad", state="failed"), cvm("$(reboot)"), cvm("x\x1b[31m")]
DAEMON = {
    "List": {"cvms": CVMS},
    "ListTemplates": {"templates": [{"name": "plain", "description": "An ordinary VM"},
                                    {"name": "tdx", "description": "Intel\tTDX"}]},
    "ListArtifacts": {"artifacts": [
        {"name": "kernel", "kind": "kernel", "origin": "embedded"},
        {"name": "own", "kind": "kernel", "origin": "installed"},
        {"name": "/x/y", "kind": "kernel", "origin": "file"},
        {"name": "initramfs", "kind": "initramfs", "origin": "embedded"}]},
}
pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")


# What cvmctl says

@pytest.fixture(scope="module")
def peer():
    with Peer(**DAEMON) as made:
        yield made


def complete(peer, *words, quoted=False):
    """What the shell completes, and the words."""
    done = cvmctl("complete", *(["--quoted"] if quoted else []), "--", *words,
                  env={"CVMD_SOCKET": str(peer.path)})
    assert done.code == 0 and done.err == "", done
    first, *lines = done.out.splitlines()
    assert all(line.count("\t") == 1 for line in lines)
    return first, [line.split("\t")[0] for line in lines]


def words(peer, *typed, **options):
    first, found = complete(peer, *typed, **options)
    assert first == "words"
    return found


def test_verbs(peer):
    verbs = {verb["name"] for verb in cvmctl("help", "--json").json}
    assert {*words(peer, ""), *words(peer)} == verbs and "completion" in verbs
    assert words(peer, "lau") == ["launch"] == words(peer, "help", "lau")
    assert words(peer, "--json", "lau") == ["launch"] == words(peer, "--socket", "x", "lau")
    assert words(peer, "nonsense", "") == [] == words(peer, "help", "launch", "")
    assert words(peer, "complete", "") == []
    assert {"--socket", "--help", "--version", "--json"} == {*words(peer, "-")}


def test_options(peer):
    assert words(peer, "launch", "--pla") == ["--platform"]
    assert words(peer, "launch", "--platform", "x", "--pla") == []  # given already
    assert words(peer, "launch", "-e", "A=b", "--en") == ["--env", "--env-file"]
    assert words(peer, "logs", "-f", "--fol") == [] == words(peer, "logs", "-fn", "5", "--fol")
    assert words(peer, "logs", "-n5", "--fol") == ["--follow"]
    assert words(peer, "launch", "--", "--pla") == []
    assert words(peer, "launch", "") == []


def test_values(peer):
    assert words(peer, "launch", "a", "--restart", "") == ["no", "on-failure", "always"]
    assert words(peer, "launch", "a", "--restart=on") == ["--restart=on-failure"]
    assert words(peer, "launch", "a", "--rm", "on") == []  # the value comes only after "="
    assert words(peer, "launch", "--rm=f") == ["--rm=failed-launch"]
    assert words(peer, "launch", "--network", "") == ["user", "isolated", "passt", "none",
                                                      "bridge:", "tap:"]
    assert words(peer, "launch", "--driver", "l") == ["libvirt"]
    assert words(peer, "launch", "--platform", "") == ["auto", "plain", "tdx"]
    assert words(peer, "list", "--state", "re") == ["restarting"]
    assert words(peer, "list", "--state=running,pa") == ["--state=running,paused"]
    assert words(peer, "measure", "--format", "c") == ["corim"]
    assert words(peer, "completion", "") == ["bash", "zsh", "fish"]
    assert words(peer, "launch", "--cpus", "") == [] == words(peer, "launch", "--cpus=")


def test_values_of_list(peer):
    fields = words(peer, "list", "--format", "")
    assert fields[:2] == ["json", "jsonl"] and {"name", "ending", "spec"} < {*fields}
    assert not [field for field in fields if "." in field]
    assert words(peer, "list", "--format", "name,end") == [
        "name,ending", *(f"name,ending.{m}" for m in "reason detail exitCode signal at".split())]
    assert words(peer, "list", "--format=name,ending.r") == ["--format=name,ending.reason"]
    assert "spec.restart" in words(peer, "list", "--format", "spec.")
    assert words(peer, "list", "--sort", "createdA") == ["createdAt"]
    assert words(peer, "list", "--sort", "-createdA") == ["-createdAt"]
    assert words(peer, "list", "--sort=-createdA") == ["--sort=-createdAt"]
    assert words(peer, "list", "--filter", "") == ["label=", "state=", "platform=", "owner=",
                                                   "name=", "id="]
    assert words(peer, "list", "--filter", "st") == ["state="]
    assert words(peer, "list", "--filter", "state=p") == ["state=preparing", "state=paused"]
    assert words(peer, "list", "--filter=platform=t") == ["--filter=platform=tdx"]
    assert words(peer, "list", "--filter", "name=w") == ["name=web"]
    assert words(peer, "list", "--filter", "owner=") == [] == words(peer, "list", "--filter", "x=")
    assert words(peer, "list", "--filter", "label=") == ["label=tier=front", "label=app=shop"]
    assert words(peer, "list", "-l", "t") == ["tier=front"] == words(peer, "events", "-l", "t")


def test_artifacts(peer):
    assert complete(peer, "launch", "--kernel", "") == ("files 0", ["embedded:"])
    assert complete(peer, "launch", "--kernel", "./x") == ("files 0", [])
    assert complete(peer, "launch", "--kernel", "embedded:") == (
        "files 0", ["embedded:kernel", "embedded:own"])
    assert complete(peer, "launch", "--initramfs=embedded:i") == (
        "files 12", ["--initramfs=embedded:initramfs"])


def test_files(peer):
    assert complete(peer, "launch", "-f", "x") == ("files 0", [])
    assert complete(peer, "launch", "-fx") == ("files 2", [])
    assert complete(peer, "launch", "--file=x") == ("files 7", [])
    assert complete(peer, "--socket", "x") == ("files 0", [])
    assert complete(peer, "launch", "--certs", "x") == ("directories 0", [])
    assert complete(peer, "launch", "--share", "x") == ("words", [])
    assert complete(peer, "launch", "--share", "x=") == ("directories 2", [])
    assert complete(peer, "launch", "--share=x=y") == ("directories 10", [])
    assert complete(peer, "igvm", "") == ("files 0", [])
    assert complete(peer, "igvm", "x", "") == ("words", [])
    assert complete(peer, "verify", "--expect", "w") == ("files 0", ["web"])


@pytest.mark.parametrize("verb, expected", [
    ("stop", ["web", "api"]), ("restart", ["web", "api"]), ("pause", ["web"]),
    ("resume", ["api"]), ("remove", ["old", "bad"]), ("console", ["web", "api"]),
    ("status", ["web", "api", "old", "bad"]), ("logs", ["web", "api", "old", "bad"]),
    ("inspect", ["web", "api", "old", "bad"]), ("events", ["web", "api", "old", "bad"]),
])
def test_names_by_state(peer, verb, expected):
    assert words(peer, verb, "") == expected
    assert words(peer, verb, "--json", "w") == [name for name in expected if name[0] == "w"]


def test_names_are_offered_once(peer):
    assert words(peer, "stop", "web", "") == ["api"]
    assert words(peer, "stop", "web", "--timeout", "web", "api", "") == []
    assert words(peer, "logs", "web", "") == []


def test_the_socket_of_the_line(tmp_path):
    with Peer(List={"cvms": [cvm("other")]}) as other, Peer(**DAEMON) as peer:
        assert words(peer, "--socket", str(other.path), "stop", "") == ["other"]
        assert words(peer, f"--socket={other.path}", "stop", "") == ["other"]
        assert words(peer, "stop", "--socket", str(other.path), "") == ["other"]
        (tmp_path / "my socket").symlink_to(other.path)
        assert words(peer, "--socket", f"{tmp_path}/my\\ socket", "stop", "",
                     quoted=True) == ["other"]
        assert words(peer, "--socket", f"'{tmp_path}/my socket'", "stop", "\"ot",
                     quoted=True) == ["other"]
        assert peer.calls == []


def test_no_daemon(tmp_path):
    """Nothing that depends on it is offered, and nothing but the scripts' output is printed."""
    done = cvmctl("complete", "--", "--socket", tmp_path / "none", "stop", "")
    assert done.code == 0 and done.out == "words\n"


def test_named_specs(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount over /etc")
    specs = tmp_path / "cvmd/cvms"
    specs.mkdir(parents=True)
    for name in ("web.json", "db.yaml", "db.key.cred", "-x.json", ".yaml"):
        (specs / name).write_text("")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", 'mount --bind "$1" /etc; shift; exec "$@"', "sh",
         tmp_path, CVMCTL, "complete", "--", "run", ""],
        check=True, capture_output=True, text=True, env=environment())
    assert sorted(line.split("\t")[0] for line in done.stdout.splitlines()[1:]) == ["db", "web"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts(shell):
    assert cvmctl("completion", shell).out == (SCRIPTS / f"cvmctl.{shell}").read_text()


# What shells make of it

@pytest.fixture(scope="module", params=[
    pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("bash", "zsh", "fish")])
def shell(request, tmp_path_factory, peer):
    if reason := missing(request.param):
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp(request.param)
    functions = directory / "functions"
    functions.mkdir()
    # as they are installed
    (functions / "_cvmctl").symlink_to(SCRIPTS / "cvmctl.zsh")
    (functions / "cvmctl.fish").symlink_to(SCRIPTS / "cvmctl.fish")
    (directory / "bin").mkdir()
    for folder in (directory, directory / "bin"):
        (folder / "cvmctl").symlink_to(CVMCTL)
    (directory / "my specs").mkdir()
    (directory / "my specs/web.yaml").write_text("")
    (directory / "data").mkdir()
    (directory / "data.txt").write_text("")
    (directory / "socket").symlink_to(peer.path)
    setup = {
        "bash": ["source <(cvmctl completion bash)"],
        "zsh": [f"fpath=({functions} $fpath); autoload -U compinit; compinit -u -D"],
        "fish": [f"set fish_complete_path {functions}"],
    }
    path = f"{directory}/bin:{os.environ['PATH']}"
    with CompletingShell(request.param, directory, setup[request.param], PATH=path,
                         CVMD_SOCKET=peer.path) as made:
        yield made


@pytest.mark.parametrize("typed, becomes", [
    ("cvmctl lau", "cvmctl launch "),
    ("cvmctl help sto", "cvmctl help stop "),
    ("cvmctl launch --platf", "cvmctl launch --platform "),
    ("cvmctl launch --platform t", "cvmctl launch --platform tdx "),
    ("cvmctl launch --restart on", "cvmctl launch --restart on-failure "),
    ("cvmctl launch --restart=on", "cvmctl launch --restart=on-failure "),
    ("cvmctl launch --network bri", "cvmctl launch --network bridge:"),
    ("cvmctl launch --kernel emb", "cvmctl launch --kernel embedded:"),
    ("cvmctl launch --kernel embedded:k", "cvmctl launch --kernel embedded:kernel "),
    ("cvmctl launch --kernel=embedded:k", "cvmctl launch --kernel=embedded:kernel "),
    ("cvmctl stop w", "cvmctl stop web "),
    ("./cvmctl stop w", "./cvmctl stop web "),
    ("~/cvmctl stop w", "~/cvmctl stop web "),
    ("cvmctl stop web ", "cvmctl stop web api "),
    ("cvmctl resume ", "cvmctl resume api "),
    ("cvmctl logs ol", "cvmctl logs old "),
    ("cvmctl completion f", "cvmctl completion fish "),
    ("cvmctl list --format jsonl", "cvmctl list --format jsonl "),
    ("cvmctl list --format name,ending.r", "cvmctl list --format name,ending.reason "),
    ("cvmctl list --format=name,readyA", "cvmctl list --format=name,readyAt "),
    ("cvmctl list --sort createdA", "cvmctl list --sort createdAt "),
    ("cvmctl list --sort -createdA", "cvmctl list --sort -createdAt "),
    ("cvmctl list --sort=-createdA", "cvmctl list --sort=-createdAt "),
    ("cvmctl list --filter sta", "cvmctl list --filter state="),
    ("cvmctl list --filter state=fa", "cvmctl list --filter state=failed "),
    ("cvmctl list --filter=state=fa", "cvmctl list --filter=state=failed "),
    ("cvmctl list --filter label=ti", "cvmctl list --filter label=tier=front "),
    ("cvmctl list --filter platform=t", "cvmctl list --filter platform=tdx "),
    ("cvmctl launch -f my", "cvmctl launch -f my\\ specs/"),
    ("cvmctl launch -f my\\ specs/w", "cvmctl launch -f my\\ specs/web.yaml "),
    ("cvmctl launch --file=my", "cvmctl launch --file=my\\ specs/"),
    ("cvmctl launch --certs da", "cvmctl launch --certs data/"),
    ("cvmctl launch --share t=da", "cvmctl launch --share t=data/"),
    ("cvmctl --socket soc", "cvmctl --socket socket "),
    ("cvmctl --socket ~/socket stop w", "cvmctl --socket ~/socket stop web "),
    ("cvmctl stop --socket=socket w", "cvmctl stop --socket=socket web "),
])
def test_a_word(shell, typed, becomes):
    assert shell.complete(typed) == becomes


def test_a_list(shell):
    offered = shell.offers("cvmctl launch --network ")
    assert all(word in offered for word in ("user", "isolated", "passt", "none", "bridge:", "tap:"))
    offered = shell.offers("cvmctl launch -f da")
    assert "data.txt" in offered and "data/" in offered
    offered = shell.offers("cvmctl remove ")
    assert "old" in offered and "bad" in offered and "web" not in offered


def test_what_an_ended_cvm_does_not_have(peer):
    """Its limits cannot be changed, and it has no ports."""
    for verb in ("update", "port"):
        assert "web" in words(peer, verb, "") and not {"old", "bad"} & {*words(peer, verb, "")}
    assert {"old", "bad"} < {*words(peer, "status", "")}
