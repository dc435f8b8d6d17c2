# SPDX-License-Identifier: Apache-2.0
"""What cvmctl shows at 60, 80 and 120 columns and in a pipe, word for word: tests/screens.

The daemon is scripted (harness/screens.py), so that nothing depends on the machine. If you change a
screen, run tests/screens/update, look at each file that has changed, and commit it.
"""
import os
import pathlib
import unicodedata

import pytest

from harness.peer import Peer
from harness.screens import SCREENS, STATE, show

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")

DIRECTORY = pathlib.Path(__file__).resolve().parents[1] / "screens"
# what is longer than the terminal all the same: commands to copy, and what has no blanks
WHOLE = ("Usage: ", "  cvmctl ", "      --", "  -")


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


@pytest.fixture(name="peer", scope="module")
def peer_fixture():
    with Peer(**STATE) as peer:
        yield peer


@pytest.mark.parametrize("columns", [60, 80, 120, 0])
@pytest.mark.parametrize("name", SCREENS)
def test_screen(peer, name, columns):
    lines = show(columns, peer, *SCREENS[name])
    file = DIRECTORY / f"{name}-{columns or 'piped'}.txt"
    if os.environ.get("SCREENS_UPDATE"):
        file.write_text("".join(f"{line}\n" for line in lines))
    assert lines == file.read_text().splitlines()
    assert not [line for line in lines if line != line.rstrip()]
    if columns:
        assert not [line for line in lines if width(line) > columns and
                    not line.startswith(WHOLE) and " " in line.strip()]


def test_each_file_is_of_a_screen():
    assert {file.stem for file in DIRECTORY.glob("*.txt")} == {
        f"{name}-{columns}" for name in SCREENS for columns in (60, 80, 120, "piped")}
