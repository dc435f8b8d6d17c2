# SPDX-License-Identifier: Apache-2.0
"""A terminal as people have one: a shell in tmux, its keys and its screen."""
import os
import shlex
import subprocess

from harness.processes import eventually


class Tmux:
    """with Tmux(directory, columns) as tmux: a server of its own in that directory."""

    def __init__(self, directory, columns=80, rows=24, shell=("bash", "--norc", "--noprofile")):
        self.command = ["tmux", "-f", "/dev/null", "-S", str(directory / "tmux")]
        environment = {**os.environ, "PS1": "$ ", "LC_ALL": "C.UTF-8", "TERM": "xterm"}
        environment.pop("TMUX", None)
        self.do("new-session", "-d", "-x", columns, "-y", rows, shlex.join(shell), env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.do("kill-server")

    def do(self, *words, **options):
        return subprocess.run([*self.command, *map(str, words)], check=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options).stdout

    def run(self, line):
        self.do("send-keys", "-l", line)
        self.type("Enter")

    def type(self, *keys):
        """Keys by tmux's names, such as C-] or Tab."""
        self.do("send-keys", *keys)

    def screen(self):
        return self.do("capture-pane", "-p")

    def show(self, variable):
        return self.do("display-message", "-p", variable).strip()

    def expect(self, text):
        eventually(lambda: text in self.screen(), lambda: f"{text!r} in {self.screen()}")
