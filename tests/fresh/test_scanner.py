# SPDX-License-Identifier: Apache-2.0
"""The scanner finds each way to use something, and takes nothing else for one."""
import machine
import pytest
import scan

HARNESS = """
import shutil, subprocess
ABSENT = "absent"
ENTER = 'mount x && exec chroot "$1" elsewhere'
LATER = "true; absent x"
def run(*words):
    subprocess.run([*words], check=True)
def run_list(command, what):
    subprocess.run(list(command), check=True)
def tool(name, package):
    return shutil.which(name)
class Runner:
    def execute(self, command, env):
        subprocess.Popen(command, env=env)
class Booted:
    def ask(self, *command):
        subprocess.run(["nsenter", *command])
"""
PLANTED = [
    # scripts
    ("shell", "absent --now", "program absent"),
    ("shell", "if x=$(true | absent y); then :; fi", "program absent"),
    ("shell", "exec /usr/bin/absent", "program /usr/bin/absent"),
    ("shell", "sudo -u root env A=b nice -n 5 absent x", "program absent"),
    ("shell", "timeout -k 5 60 absent", "program absent"),
    ("shell", "unshare --mount --propagation private absent", "program absent"),
    ("shell", "printf x | xargs -P 2 -I {} bash -c 'absent {}'", "program absent"),
    ("shell", "trap 'absent x' EXIT", "program absent"),
    ("shell", "f() { absent; }", "program absent"),
    ("shell", "chown absent:root file", "user absent"),
    ("shell", "chown root:absent file", "group absent"),
    ("shell", "install -o absent -m 0644 a b", "user absent"),
    ("shell", "getent group absent", "group absent"),
    ("shell", "setpriv --reuid=absent true", "user absent"),
    ("shell", "id -u absent", "user absent"),
    # tests and what they share
    ("python", "import subprocess\nsubprocess.run(['absent', 'x'])", "program absent"),
    ("python", "import subprocess\nsubprocess.run('true | absent', shell=True)", "program absent"),
    ("python", "import subprocess\nC = ['absent', '-x']\nsubprocess.Popen(C)", "program absent"),
    ("python", "import os\nos.execvp('absent', ['absent'])", "program absent"),
    ("python", "import shutil\nshutil.which('absent')", "program absent"),
    ("python", "from harness import ABSENT\nimport shutil\nshutil.which(ABSENT)", "program absent"),
    ("python", "from harness import run\nrun('absent', 'x')", "program absent"),
    ("python", "from lib.harness import run_list\nrun_list(['absent'], 'x')", "program absent"),
    ("python", "from harness import tool\ntool('absent', 'package')", "program absent"),
    ("python", "def f(runner):\n    runner.execute(['absent', 'x'], {})", "program absent"),
    ("python", "from harness import LATER\nc = ['sh', '-c', LATER, 'sh']", "program absent"),
    ("python", "c = ['unshare', '--pid', 'sh', '-c', f'absent {x}', 'y']", "program absent"),
    ("python", "start('suspect', '--option')", "program suspect"),
    ("python", "import pwd\npwd.getpwnam('absent')", "user absent"),
    ("python", "import grp, harness\ngrp.getgrnam(harness.ABSENT)", "group absent"),
    ("python", "import subprocess\nsubprocess.run(['true'], user='absent')", "user absent"),
    ("python", "G = 'absent'\nconfig = {'groups': {'users': 'root', 'admins': G}}", "group absent"),
    # build files and programs
    ("meson", "find_program('absent', required: false)", "program absent"),
    ("c", 'execlp("absent", "absent", NULL);', "program absent"),
    ("c", 'getpwnam("absent");', "user absent"),
]
INNOCENT = [
    ("shell", "absent() { :; }\nabsent"),
    ("shell", 'chroot "$root" absent'),
    ("shell", "command -v absent >/dev/null"),
    ("shell", "echo absent; x=absent; \"$x\"; ./absent"),
    ("shell", "# absent\ncat <<END\nabsent\nEND"),
    ("shell", "chown 1000:1000 file; id -u"),
    ("python", "x = ['absent', '--option']\nf('absent', 'x')"),
    ("python", "def f(booted):\n    booted.ask('absent', '-x')"),
    ("python", "x = {'suspect': 1}\ny = ('suspect', 'x')"),
    ("python", "from harness import ENTER\nc = ['unshare', 'sh', '-c', ENTER, 'sh']"),
    ("python", "config = {'users': 'absent'}"),
    ("meson", "find_program('own-script')"),
]


@pytest.fixture
def small(tmp_path):
    """A machine with a few programs, root and nobody else."""
    (tmp_path / "usr/bin").mkdir(parents=True)
    for name in ("sh bash true mount umount chroot chown cat nsenter unshare id install getent "
                 "setpriv xargs sudo env nice timeout").split():
        (tmp_path / "usr/bin" / name).touch()
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text("root:x:0:\n")
    return machine.Machine(tmp_path)


def missing(kind, text, small):
    files = {"python": {"tests/harness.py": HARNESS}, "shell": {"own-script": "true\n"}}
    files.setdefault(kind, {})["planted"] = text
    found = scan.Project(files, {"suspect"}).uses()
    return {f"{use.kind} {use.name}" for name, use in found
            if name == "planted" and not small.has(use)}


@pytest.mark.parametrize("kind, text, found", PLANTED)
def test_planted_violation(kind, text, found, small):
    assert missing(kind, text, small) == {found}


@pytest.mark.parametrize("kind, text", INNOCENT)
def test_innocent(kind, text, small):
    assert missing(kind, text, small) == set()


def test_where_it_is_named(small):
    found = scan.Project({"shell": {"scripts/x": "true\n\nabsent\n"}}).uses()
    assert [(name, use.line) for name, use in found if not small.has(use)] == [("scripts/x", 3)]


def test_programs_that_a_root_has_by_path(small):
    assert small.has(scan.Use("program", "/usr/bin/true", 1))
    assert not small.has(scan.Use("program", "/usr/sbin/true", 1))
