# SPDX-License-Identifier: Apache-2.0
"""A shell in tmux, at which words are typed that it completes.

    with CompletingShell("bash", directory, setup, CVMD_SOCKET=path) as shell:
        assert shell.complete("cvmctl lau") == "cvmctl launch "
"""
import os
import shutil
import time

from harness.processes import SLOWNESS, eventually
from harness.tmux import Tmux

COLUMNS, ROWS = 120, 30
SECONDS = 15
PROMPT = "%> "
MARK = "X"  # typed after a completion: shows whether a blank came with it
START = {
    "bash": ["bash", "--noprofile", "--norc"],
    "zsh": ["zsh", "-f"],
    "fish": ["fish", "--no-config"],
}
PROMPTS = {
    "bash": f"PS1='{PROMPT}'; bind 'set show-all-if-ambiguous on'",
    "zsh": f"PROMPT='%{PROMPT}'; unsetopt prompt_sp list_ambiguous",
    "fish": f"function fish_prompt; echo -n '{PROMPT}'; end; set fish_autosuggestion_enabled 0; "
            "set fish_greeting",
}


def missing(name):
    """Why the shell cannot be typed at here, or None."""
    for program in ("tmux", name):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


class CompletingShell(Tmux):
    """setup: commands that are run in it first. It starts in the directory, its home."""

    def __init__(self, name, directory, setup, **environment):
        environment = {"PATH": os.environ["PATH"], "HOME": directory, "LC_ALL": "C.UTF-8",
                       "TERM": "screen", **environment}
        super().__init__(directory, COLUMNS, ROWS, [
            "env", "-i", "-C", str(directory),
            *(f"{key}={value}" for key, value in environment.items()), *START[name]])
        for command in [PROMPTS[name], *setup]:
            self.run(command)
        self.run("echo set''up is done")
        eventually(lambda: "setup is done" in self.lines(), self.screen, 2 * SECONDS)

    def lines(self):
        return [line for line in self.screen().splitlines() if line.strip()]

    def line(self):
        """The line that is typed."""
        typed = [line for line in self.lines() if line.startswith(PROMPT.strip())]
        return typed[-1] if typed else ""

    def still(self):
        """Waits until the screen does not change any more; returns its lines."""
        before = None
        while (now := self.screen()) != before:
            before = now
            time.sleep(0.3 * SLOWNESS)
        return self.lines()

    def begin(self, text):
        """Types it on an empty screen, and presses Tab."""
        self.type("C-u")
        self.run("clear")
        eventually(lambda: self.lines() == [PROMPT.strip()], self.screen, SECONDS)
        self.do("send-keys", "-l", text)
        eventually(lambda: self.line() == PROMPT + text.rstrip(), self.screen, SECONDS)
        self.type("Tab")

    def complete(self, text):
        """The line after Tab, with the blank at its end if the shell has put one."""
        self.begin(text)
        self.do("send-keys", "-l", MARK)
        eventually(lambda: self.line().endswith(MARK), self.screen, SECONDS)
        return self.line().removeprefix(PROMPT).removesuffix(MARK)

    def offers(self, text):
        """What is on the screen after Tab."""
        self.begin(text)
        return " ".join(self.still())
