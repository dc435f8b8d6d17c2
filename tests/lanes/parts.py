# SPDX-License-Identifier: Apache-2.0
"""Which part of a lane runs that has too much for each run: the next one with each commit, so that
any row of as many commits as there are parts runs them all."""
import dataclasses
import subprocess

from builds import TOP


def git(*arguments):
    done = subprocess.run(["git", "-C", TOP, *arguments], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def position():
    """A number that the commit alone decides, one more than its first parent's. A clone that lacks
    the history takes the commit's hash; a tree without git is at 0."""
    if git("rev-parse", "--is-shallow-repository") == "true":
        return int(git("rev-parse", "HEAD") or "0", 16)
    return int(git("rev-list", "--count", "--first-parent", "HEAD") or "0")


@dataclasses.dataclass(frozen=True)
class Part:
    """The part of a lane that runs: its number, from 0, of how many."""
    number: int
    parts: int

    def take(self, names):
        """Neighbours, which are alike, are in different parts."""
        return names[self.number::self.parts]

    def env(self, variable="CVMD_PART"):
        return {variable: f"{self.number}/{self.parts}"} if self.parts > 1 else {}

    def __str__(self):
        return f"part {self.number + 1} of {self.parts}"

    def others(self):
        left = [str(n + 1) for n in range(self.parts) if n != self.number]
        return f"part{'s' if len(left) > 1 else ''} {', '.join(left)} of {self.parts}"


def chosen(parts, at=None):
    return Part((position() if at is None else at) % parts, parts)
